//! `rotate`, done: renewed, placed, restarted, verified; and put back if that fails.

use std::collections::BTreeSet;

use super::authorities::load_authority;
use super::clock::{ClockTrust, refuse_disagreeing_clocks, refuse_odd_clock};
use super::context::{Context, Mode, PATIENCE};
use super::copies::{Copying, are_outdated, replace_copies};
use super::idleness::wait_for_idleness;
use super::old_copy::{refuse_misplaced, refuse_old_copy};
use super::serve::{Ending, Restarting, Serving, placed};
use super::staging::Issued;
use super::state_change::carry_out;
use crate::model::{ExitCode, Failure, IdentityName, Role, Timestamp};
use crate::plan::{
    self, PlacedState, Plan, RotateRequest, Rotation, RotationAction, RotationFacts, StateStep, StepSummary,
};
use crate::store::{
    HeldBy, Interest, Observation, StateDirectory, StateLock, exists, observe, observe_generation,
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

/// What came of it.
#[derive(Debug, Default)]
pub struct Rotated {
    /// The plan that was carried out, or would be.
    pub rotation: Rotation,
    /// Its steps, a row each.
    pub steps: Vec<StepSummary>,
    /// The certificates that were issued.
    pub issued: Vec<Issued>,
    /// How it ended for each daemon.
    pub endings: Vec<(IdentityName, Result<Ending, Failure>)>,
    /// The clients whose installed copies could not be replaced.
    pub unplaced: Vec<Failure>,
    /// Whether a rollover is over.
    pub has_ended: bool,
}

impl Rotated {
    /// What a later pass did too.
    fn add(&mut self, later: Rotated) {
        self.rotation.rows.retain(|row| row.action != RotationAction::Reported);
        self.rotation.rows.extend(later.rotation.rows);
        self.rotation.rolls_over = later.rotation.rolls_over;
        self.rotation.is_emergency |= later.rotation.is_emergency;
        self.rotation.locked_out.extend(later.rotation.locked_out);
        self.rotation.unable = later.rotation.unable;
        self.rotation.unverified = later.rotation.unverified;
        self.steps.extend(later.steps);
        self.issued.extend(later.issued);
        self.endings.retain(|(name, _)| !later.endings.iter().any(|(other, _)| other == name));
        self.endings.extend(later.endings);
        self.unplaced.extend(later.unplaced);
        self.has_ended |= later.has_ended;
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
        // Until a client of a CA that is compromised is refused everywhere, nothing is done.
        let is_pending = self.rotation.is_emergency && self.rotation.rolls_over;
        let pending = is_pending.then_some(ExitCode::NotServed);
        ExitCode::of_all(std::iter::once(self.outcome()).chain(pending))
    }

    /// What came of all that was done.
    fn outcome(&self) -> ExitCode {
        let of_daemons = self.endings.iter().map(|(_, ending)| match ending {
            Ok(Ending::Verified) => ExitCode::Done,
            Ok(Ending::NotServed { .. }) => ExitCode::NotServed,
            Ok(Ending::Faulty { .. }) => ExitCode::Verification,
            Ok(Ending::RolledBack { .. }) => ExitCode::Failed,
            Ok(Ending::Down { .. }) => ExitCode::Down,
            // Its set is in the state by now, and nobody knows that it is served.
            Err(failure) if failure.exit_code() == ExitCode::Failed => ExitCode::NotServed,
            Err(failure) => failure.exit_code(),
        });
        let of_clients = self.unplaced.iter().map(Failure::exit_code);
        let unable = self.rotation.unable.iter().map(Failure::exit_code);
        let is_refused = self.rotation.rows.iter().any(|row| row.action == RotationAction::Refused);
        let refused = is_refused.then_some(ExitCode::Failed);
        ExitCode::of_all(of_daemons.chain(of_clients).chain(unable).chain(refused))
    }
}

/// Rotates. With nothing due and everything verified, nothing is dialled, locked or written.
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
    match order.request.is_emergency(&observation) {
        true => refuse_misplaced(context, &observation)?,
        false => refuse_old_copy(context, &observation)?,
    }
    let is_only_looked_at = context.mode != Mode::Apply || order.at.is_some();
    let sight = if is_only_looked_at { Sight::Whole } else { Sight::First };
    let rotation = plan_with(context, &directory, &observation, order, now, sight)?;
    if rotation.is_empty() || is_only_looked_at {
        let steps = rotation.summary(&observation.inventory);
        return Ok(Rotated { rotation, steps, ..Rotated::default() });
    }
    if rotation.plan.issuances().next().is_some() {
        // A CA that cannot sign is no reason to touch the lock.
        load_authority(context, Some(&observation))?;
    }
    // An emergency cuts builds.
    if order.restarting == Restarting::Allowed && !rotation.is_emergency {
        wait_for_idleness(context, &observation, &rotation)?;
    }
    if order.clock == ClockTrust::Checked {
        refuse_disagreeing_clocks(context, &observation, &rotation)?;
    }
    let lock = directory.lock(context.command, PATIENCE)?;
    let work = Work { context, directory: &directory, lock: &lock, order, now };
    let mut rotated = work.pass(Sight::Whole)?;
    // Each stage of a rollover is planned from what the one before has verified.
    for _ in 0..MOST_PASSES {
        if !rotated.rotation.rolls_over || rotated.outcome() != ExitCode::Done {
            break;
        }
        let next = work.pass(Sight::Again)?;
        if next.rotation.is_empty() {
            rotated.rotation.rolls_over = next.rotation.rolls_over;
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
}

impl Work<'_> {
    /// Plans and does what there is to do, once.
    fn pass(&self, sight: Sight) -> Result<Rotated, Failure> {
        let Work { context, directory, lock, order, .. } = self;
        let observation = observe(directory, &Interest::Everything)?;
        let rotation = plan_with(context, directory, &observation, order, self.now, sight)?;
        let issued = match rotation.plan.state.is_empty() {
            true => Vec::new(),
            false => carry_out(context, lock, Some(&observation), &rotation.plan)?,
        };
        let mut endings = Vec::new();
        for name in &rotation.daemons {
            let serving = Serving { context, directory, lock, name, restarting: &order.restarting };
            endings.push((name.clone(), serving.serve()));
        }
        // A client that has the new files before its daemon knows their CA is out.
        let unplaced = self.place_clients(&rotation)?;
        let steps = rotation.summary(&observation.inventory);
        let is_end = |step: &StateStep| matches!(step, StateStep::EndRollover(_));
        let has_ended = rotation.plan.state.iter().any(is_end);
        Ok(Rotated { rotation, steps, issued, endings, unplaced, has_ended })
    }

    /// Replaces the installed copies of clients, and notes that they have them.
    fn place_clients(&self, rotation: &Rotation) -> Result<Vec<Failure>, Failure> {
        if rotation.clients.is_empty() {
            return Ok(Vec::new());
        }
        let observation = observe(self.directory, &Interest::Everything)?;
        let mut unplaced = Vec::new();
        let mut plan = Plan::default();
        for name in &rotation.clients {
            let Some(current) = observation.current(Role::Client, name) else { continue };
            if !plan::reaches_some_daemon(name, current, &observation, self.now) {
                unplaced.push(not_served_yet(name));
                continue;
            }
            match replace_copies(self.context, &observation, Role::Client, name) {
                Err(failure) => unplaced.push(failure),
                // What is gone may be mounted again, and has the previous files then.
                Ok(Copying::Nowhere | Copying::InPart) => {}
                Ok(Copying::Done) => {
                    let replaced = plan::replaced_here(name, current, &observation);
                    plan.state.push(plan::hold(name, current, HeldBy::Installed, replaced, self.now));
                }
            }
        }
        if !plan.state.is_empty() {
            carry_out(self.context, self.lock, Some(&observation), &plan)?;
        }
        Ok(unplaced)
    }
}

/// Plans; what clients may still use of what they had before is read only if something changes, since
/// there may be a hundred thousand.
fn plan_with(
    context: &Context<'_>,
    directory: &StateDirectory,
    observation: &Observation,
    order: &RotationOrder,
    now: Timestamp,
    sight: Sight,
) -> Result<Rotation, Failure> {
    let facts = RotationFacts {
        outdated: outdated(context, observation),
        away: away(observation),
        lapsed: lapsed(directory, observation, now)?,
        has_begun: sight == Sight::Again,
    };
    let rotation = plan::rotate(&order.request, observation, &facts, now)?;
    let changes = !rotation.plan.state.is_empty() || !rotation.locked_out.is_empty();
    // During a rollover it is read already.
    if !changes || observation.rollover.is_some() || sight == Sight::First {
        return Ok(rotation);
    }
    plan::rotate(&order.request, &observe(directory, &Interest::InUse)?, &facts, now)
}

/// Its new files are in the state, and the copies stay as they are.
fn not_served_yet(name: &IdentityName) -> Failure {
    Failure::new("replacing the copies of client", name)
        .expected("a daemon that lets it in with its new certificate")
        .found("none yet")
        .hint("{kitcert} rotate   # when the daemons serve the new CA")
        .exit(ExitCode::NotServed)
}

/// How much a plan is made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sight {
    /// Enough to know whether there is anything to do.
    First,
    /// Everything that counts.
    Whole,
    /// Everything, after an earlier pass of the same run: it begins no other rollover.
    Again,
}

/// The clients whose kits wait, and whom no former certificate lets in any more.
fn lapsed(
    directory: &StateDirectory,
    observation: &Observation,
    now: Timestamp,
) -> Result<BTreeSet<IdentityName>, Failure> {
    let mut lapsed = BTreeSet::new();
    for name in &observation.waiting_kits {
        let Some(client) = observation.clients.get(name) else { continue };
        let current = client.current.as_ref().map(|current| current.number);
        let former = client.generations.iter().copied().filter(|number| Some(*number) != current);
        let mut ends = Vec::new();
        for number in former {
            ends.push(observe_generation(directory, Role::Client, name, number)?.leaf().validity().not_after);
        }
        if ends.iter().max().is_some_and(|end| *end < now) {
            lapsed.insert(name.clone());
        }
    }
    Ok(lapsed)
}

/// The clients of which a folder with copies is gone, that kitcert.yaml notes.
fn away(observation: &Observation) -> BTreeSet<IdentityName> {
    let clients = observation.inventory.clients.iter();
    let is_away = |folder: &std::path::PathBuf| !exists(folder);
    clients.filter(|(_, entry)| entry.installed.iter().any(is_away)).map(|(name, _)| name.clone()).collect()
}

/// The identities whose installed copies are not their current set.
fn outdated(context: &Context<'_>, observation: &Observation) -> BTreeSet<(Role, IdentityName)> {
    let mut outdated = BTreeSet::new();
    for (name, entry) in &observation.inventory.daemons {
        // What stands in the way there is told when it is put in place.
        let is_outdated = match placed(context, observation, name, entry) {
            Ok(Some(placed)) => placed.observed.state == PlacedState::Outdated,
            Ok(None) => false,
            Err(_) => true,
        };
        if is_outdated && observation.current(Role::Daemon, name).is_some() {
            outdated.insert((Role::Daemon, name.clone()));
        }
    }
    for (role, names) in [
        (Role::Daemon, observation.inventory.daemons.keys().collect::<Vec<_>>()),
        (Role::Client, observation.inventory.clients.keys().collect()),
    ] {
        for name in names {
            if are_outdated(context, observation, role, name).unwrap_or(true) {
                outdated.insert((role, name.clone()));
            }
        }
    }
    outdated
}

/// A rollover has four stages, and a daemon or a client may be in the way of each.
const MOST_PASSES: usize = 6;
