//! `rotate`, done: renewed, placed, restarted, proven; and put back where the proof fails.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::authorities::load_authority;
use super::context::{Context, Mode, PATIENCE};
use super::install::{observe_placement, read_set};
use super::install_client::client_placement;
use super::serve::{Ending, Restarting, Serving, clocks_disagree, placed, sessions};
use super::state_change::{Issued, carry_out};
use crate::layout::{DaemonEntry, RestartWhen, client_generations};
use crate::model::profile::BACKDATING;
use crate::model::{ExitCode, Failure, IdentityName, Role, Timestamp};
use crate::plan::{
    self, AuthorityRotation, PlacedState, Plan, RotateRequest, Rotation, RotationAction, RotationFacts,
    StateStep,
};
use crate::store::{
    Interest, KeyPresence, Observation, Owner, StateDirectory, StateLock, exists, newest_log_time, observe,
    observe_issued,
};

/// How a rotation is to be done.
#[derive(Clone, Debug)]
pub struct RotationOrder {
    /// What is to be renewed.
    pub request: RotateRequest,
    /// As of when it is planned; a time other than now is for looking alone.
    pub at: Option<Timestamp>,
    /// Whether restart commands may be run.
    pub restarting: Restarting,
    /// Whether the clock is believed against the log.
    pub clock: ClockTrust,
}

/// Whether the clock is believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClockTrust {
    /// Only where it fits the newest entry of the log, and the daemons.
    #[default]
    Checked,
    /// Whatever it says.
    Believed,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Rotated {
    /// The plan that was carried out, or would be.
    pub rotation: Rotation,
    /// The certificates that were issued.
    pub issued: Vec<Issued>,
    /// How it ended for each daemon.
    pub endings: Vec<(IdentityName, Result<Ending, Failure>)>,
    /// The clients whose installed copies could not be replaced.
    pub unplaced: Vec<Failure>,
}

impl Rotated {
    /// What a later pass did too.
    fn add(&mut self, later: Rotated) {
        self.rotation.rows.retain(|row| row.action != RotationAction::Reported);
        self.rotation.rows.extend(later.rotation.rows);
        self.rotation.rolls_over = later.rotation.rolls_over;
        self.issued.extend(later.issued);
        self.endings.retain(|(name, _)| !later.endings.iter().any(|(other, _)| other == name));
        self.endings.extend(later.endings);
        self.unplaced.extend(later.unplaced);
    }

    /// Whether anything is different now.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        let is_placed = self.rotation.clients.len() > self.unplaced.len();
        !self.rotation.plan.state.is_empty() || !self.endings.is_empty() || is_placed
    }

    /// What the command ends with.
    #[must_use]
    pub fn exit(&self) -> ExitCode {
        let of_daemons = self.endings.iter().map(|(_, ending)| match ending {
            Ok(Ending::Proven) => ExitCode::Done,
            Ok(Ending::NotServed { .. }) => ExitCode::NotServed,
            Ok(Ending::Faulty { .. }) => ExitCode::Verification,
            Ok(Ending::RolledBack { .. }) => ExitCode::Failed,
            Ok(Ending::Down { .. }) => ExitCode::Down,
            Err(failure) => failure.exit_code(),
        });
        ExitCode::of_all(of_daemons.chain(self.unplaced.iter().map(Failure::exit_code)))
    }
}

/// Rotates. With nothing due and everything proven, nothing is dialled, locked or written.
///
/// # Errors
/// What [`plan::rotate`] refuses, a clock that does not fit the log or a daemon, no state, a state
/// that is busy. Nothing has changed then. What goes wrong with one daemon is its own [`Ending`].
pub fn rotate(context: &Context<'_>, order: &RotationOrder) -> Result<Rotated, Failure> {
    let directory = context.open()?.ok_or_else(|| context.no_state())?;
    let now = order.at.unwrap_or(context.environment.now());
    let observation = context.observe_in(&directory, &Interest::Everything)?;
    if order.clock == ClockTrust::Checked && order.at.is_none() {
        refuse_odd_clock(&directory, &observation, now)?;
    }
    let rotation = plan_with(context, &directory, &observation, order, now, false)?;
    if rotation.is_empty() || context.mode != Mode::Apply || order.at.is_some() {
        return Ok(Rotated { rotation, ..Rotated::default() });
    }
    if rotation.plan.issuances().next().is_some() {
        // A CA that cannot sign is no reason to touch the lock.
        load_authority(context, Some(&observation))?;
    }
    let busy = wait_for_idleness(context, &observation, &rotation, order)?;
    if order.clock == ClockTrust::Checked {
        refuse_disagreeing_clocks(context, &observation, &rotation)?;
    }
    let lock = directory.lock(context.command, PATIENCE)?;
    let work = Work { context, directory: &directory, lock: &lock, order, now, busy };
    let mut rotated = work.pass(false)?;
    // Each stage of a rollover is planned from what the one before has proven.
    for _ in 0..MOST_PASSES {
        if !rotated.rotation.rolls_over || rotated.exit() != ExitCode::Done {
            break;
        }
        let next = work.pass(true)?;
        if next.rotation.is_empty() {
            rotated.rotation.rows.retain(|row| row.action != RotationAction::Reported);
            rotated.rotation.rows.extend(next.rotation.rows);
            break;
        }
        rotated.add(next);
    }
    Ok(rotated)
}

/// A rotation under its lock.
struct Work<'a> {
    context: &'a Context<'a>,
    directory: &'a StateDirectory,
    lock: &'a StateLock<'a>,
    order: &'a RotationOrder,
    now: Timestamp,
    /// The daemons that must not be restarted now.
    busy: Vec<IdentityName>,
}

impl Work<'_> {
    /// Plans and does what there is to do, once.
    fn pass(&self, has_begun: bool) -> Result<Rotated, Failure> {
        let Work { context, directory, lock, order, .. } = self;
        let observation = observe(directory, &Interest::Everything)?;
        let rotation = plan_with(context, directory, &observation, order, self.now, has_begun)?;
        let issued = match rotation.plan.state.is_empty() {
            true => Vec::new(),
            false => carry_out(context, lock, Some(&observation), &rotation.plan)?,
        };
        let unplaced = self.place_clients(&rotation)?;
        let mut endings = Vec::new();
        for name in &rotation.daemons {
            let held = Restarting::Refused("it was not idle for long enough".to_owned());
            let restarting = if self.busy.contains(name) { &held } else { &order.restarting };
            let serving = Serving { context, directory, lock, name, restarting };
            endings.push((name.clone(), serving.serve()));
        }
        Ok(Rotated { rotation, issued, endings, unplaced })
    }

    /// Replaces the installed copies of clients; in a rollover it is noted which have their set.
    fn place_clients(&self, rotation: &Rotation) -> Result<Vec<Failure>, Failure> {
        if rotation.clients.is_empty() {
            return Ok(Vec::new());
        }
        let observation = observe(self.directory, &Interest::Everything)?;
        let mut unplaced = Vec::new();
        let mut plan = Plan::default();
        for name in &rotation.clients {
            match place_client(self.context, &observation, name) {
                Err(failure) => unplaced.push(failure),
                Ok(Placing::Nowhere) => {}
                Ok(Placing::Done) => plan.state.extend(
                    observation
                        .current(Role::Client, name)
                        .map(|current| StateStep::Receive { name: name.clone(), generation: current.number }),
                ),
            }
        }
        if rotation.rolls_over && !plan.state.is_empty() {
            carry_out(self.context, self.lock, Some(&observation), &plan)?;
        }
        Ok(unplaced)
    }
}

/// Goes back to the CA from which everything is being moved, in the order that locks nobody out.
///
/// # Errors
/// No rollover under way, and those of [`rotate`].
pub fn roll_back_authority(context: &Context<'_>, order: RotationOrder) -> Result<Rotated, Failure> {
    let (_, observation) = context.observe(&Interest::Everything)?;
    let former = plan::former_authority(&observation, context.environment.now())?;
    let request = RotateRequest { authority: AuthorityRotation::Back(former), ..order.request };
    rotate(context, &RotationOrder { request, ..order })
}

/// Plans; the issued certificates are read only where something is renewed, since there may be a
/// hundred thousand.
fn plan_with(
    context: &Context<'_>,
    directory: &StateDirectory,
    observation: &Observation,
    order: &RotationOrder,
    now: Timestamp,
    has_begun: bool,
) -> Result<Rotation, Failure> {
    let outdated = outdated(context, observation)?;
    let mut facts = RotationFacts { outdated, has_begun, ..RotationFacts::default() };
    let rotation = plan::rotate(&order.request, observation, &facts, now)?;
    if rotation.plan.issuances().next().is_none() && !rotation.rolls_over {
        return Ok(rotation);
    }
    facts.issued = observe_issued(directory)?;
    facts.is_complete = true;
    plan::rotate(&order.request, observation, &facts, now)
}

/// The identities whose installed copies are not their current set.
fn outdated(
    context: &Context<'_>,
    observation: &Observation,
) -> Result<BTreeSet<(Role, IdentityName)>, Failure> {
    let mut outdated = BTreeSet::new();
    for (name, entry) in &observation.inventory.daemons {
        if observation.current(Role::Daemon, name).is_some()
            && let Some(placed) = placed(context, observation, name, entry)?
            && placed.observed.state == PlacedState::Outdated
        {
            outdated.insert((Role::Daemon, name.clone()));
        }
    }
    for (name, entry) in &observation.inventory.clients {
        let has_key =
            observation.current(Role::Client, name).is_some_and(|one| one.key == KeyPresence::Present);
        if !has_key || entry.installed.is_empty() {
            continue;
        }
        let set = read_set(&context.state, Role::Client, name)?;
        for folder in entry.installed.iter().filter(|folder| is_installed(folder)) {
            let placement = client_placement(folder, Owner::of(&client_generations(folder))?);
            if observe_placement(&placement, Some(&set))?.state == PlacedState::Outdated {
                outdated.insert((Role::Client, name.clone()));
            }
        }
    }
    Ok(outdated)
}

/// A folder that somebody has removed since is not made again.
fn is_installed(folder: &Path) -> bool {
    exists(&client_generations(folder))
}

/// Replaces a client's installed copies by its current set.
pub(super) fn place_client(
    context: &Context<'_>,
    observation: &Observation,
    name: &IdentityName,
) -> Result<Placing, Failure> {
    let folders: &[PathBuf] = observation.inventory.clients.get(name).map_or(&[], |entry| &entry.installed);
    let mut placing = Placing::Nowhere;
    if folders.is_empty() {
        return Ok(placing);
    }
    let set = read_set(&context.state, Role::Client, name)?;
    for folder in folders.iter().filter(|folder| is_installed(folder)) {
        let placement = client_placement(folder, Owner::of(&client_generations(folder))?);
        let observed = observe_placement(&placement, Some(&set))?;
        placement.install(&set, observed.next_generation)?;
        placing = Placing::Done;
    }
    Ok(placing)
}

/// Whether a client has copies on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placing {
    /// It has, and they are its current set now.
    Done,
    /// It has none.
    Nowhere,
}

/// A clock that is behind what the log has seen, or further ahead than any certificate lives, would
/// have everything issued anew, or nothing.
fn refuse_odd_clock(
    directory: &StateDirectory,
    observation: &Observation,
    now: Timestamp,
) -> Result<(), Failure> {
    let Some(newest) = newest_log_time(directory)? else { return Ok(()) };
    let daemons = observation.inventory.daemons.values().map(|daemon| daemon.lifetime);
    let clients = observation.inventory.clients.values().map(|client| client.lifetime);
    let longest = daemons.chain(clients).max().unwrap_or(BACKDATING);
    let is_behind = newest.seconds_since(now) > BACKDATING.seconds();
    let is_ahead = now.seconds_since(newest) > longest.seconds();
    if !is_behind && !is_ahead {
        return Ok(());
    }
    let expected = if is_behind {
        format!("a time after the newest entry of log.jsonl ({})", newest.minute())
    } else {
        format!("a time at most {longest} after the newest entry of log.jsonl ({})", newest.minute())
    };
    Err(Failure::new("reading", "the clock")
        .expected(expected)
        .found(now.minute())
        .hint("date   # if it is right: kitcert rotate --trust-clock"))
}

/// Dials each daemon with a certificate of this moment, before any is issued: a clock that is wrong
/// here would have everything renewed that is not due.
fn refuse_disagreeing_clocks(
    context: &Context<'_>,
    observation: &Observation,
    rotation: &Rotation,
) -> Result<(), Failure> {
    if rotation.plan.issuances().next().is_none() {
        return Ok(());
    }
    for (name, entry) in &observation.inventory.daemons {
        if observation.current(Role::Daemon, name).is_some()
            && clocks_disagree(context, observation, name, entry)?
        {
            return Err(Failure::new("comparing clocks with daemon", name)
                .expected("a certificate of this moment to be accepted")
                .found(format!(
                    "alert 45 (expired certificate): its clock and ours ({}) disagree",
                    context.environment.now().minute()
                ))
                .hint("date   # on both machines; if both are right: kitcert rotate --trust-clock"));
        }
    }
    Ok(())
}

/// Waits, before anything is locked, until each daemon that is to be restarted only when idle has
/// no session. Those that stayed busy are told.
fn wait_for_idleness(
    context: &Context<'_>,
    observation: &Observation,
    rotation: &Rotation,
    order: &RotationOrder,
) -> Result<Vec<IdentityName>, Failure> {
    let mut busy = Vec::new();
    for name in rotation.daemons.iter().filter(|_| order.restarting == Restarting::Allowed) {
        let Some(entry) = observation.inventory.daemons.get(name) else { continue };
        if entry.restart_when == RestartWhen::Idle
            && !entry.restart.is_empty()
            && !becomes_idle(context, observation, name, entry)?
        {
            busy.push(name.clone());
        }
    }
    Ok(busy)
}

fn becomes_idle(
    context: &Context<'_>,
    observation: &Observation,
    name: &IdentityName,
    entry: &DaemonEntry,
) -> Result<bool, Failure> {
    let limit = Duration::from_secs(entry.idle_limit.seconds().unsigned_abs());
    let began = Instant::now();
    loop {
        // A daemon that does not answer, or that is not Earthly's, has no sessions to wait for.
        if sessions(context, observation, name, entry)?.is_none_or(|sessions| sessions == 0) {
            return Ok(true);
        }
        let left = limit.saturating_sub(began.elapsed());
        if left.is_zero() {
            return Ok(false);
        }
        std::thread::sleep(IDLE_POLL.min(left));
    }
}

/// A rollover has four stages, and a daemon or a client may be in the way of each.
const MOST_PASSES: usize = 6;
const IDLE_POLL: Duration = Duration::from_secs(1);
