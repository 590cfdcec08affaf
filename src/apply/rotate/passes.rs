//! A rotation, pass by pass: planned and committed under the lock of the state, rolled out without it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::facts::{Installed, installed, lapsed, unreadable_keys};
use super::rotated::{FormerKeys, Rotated};
use crate::apply::authorities::try_issuers;
use crate::apply::change::{Issued, carry_out, refuse_misplaced, refuse_old_copy};
use crate::apply::client_copies::{read_client_copies, sets_in_use};
use crate::apply::clock::{ClockTrust, disagreeing_clocks, note_trusted_clock, refuse_odd_clock};
use crate::apply::install::{Copies, Copying, refuse_useless};
use crate::apply::invocation::{Invocation, Mode, PATIENCE};
use crate::apply::rollout::{Locked, Restarting, roll_out};
use crate::layout::Inventory;
use crate::model::{ExitCode, Failure, IdentityName, Message, Role, Timestamp};
use crate::plan::{self, Plan, Reached, RotateRequest, Rotation, RotationFacts, StateStep, StepSummary};
use crate::store::{
    DaemonLock, HeldBy, Interest, KeyPresence, Observation, ObservedCopies, ObservedGeneration,
    StateDirectory, observe,
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
    /// How many daemons are restarted at the same time, at least 1. An emergency does not count them.
    pub jobs: usize,
    /// Whether the clock is believed against the log.
    pub clock: ClockTrust,
}

/// Rotates. With nothing due and everything verified, nothing is dialed, locked or written.
///
/// # Errors
/// What [`plan::rotate`] refuses, a clock that does not fit the log or the daemons, no state, a state
/// that is busy. Nothing has changed then. What goes wrong with one identity is its own result, and what
/// goes wrong after the first commit is told with what was done.
pub fn rotate(invocation: &Invocation<'_>, order: &RotationOrder) -> Result<Rotated, Failure> {
    let directory = invocation.open()?.ok_or_else(|| invocation.no_state())?;
    let now = order.at.unwrap_or(invocation.environment.now());
    let mut observation = invocation.observe_in(&directory, &Interest::Everything)?;
    let is_emergency = order.request.is_emergency(&observation);
    let is_only_looked_at = invocation.mode != Mode::Apply || order.at.is_some();
    if order.clock == ClockTrust::Checked && order.at.is_none() {
        refuse_odd_clock(&directory, &observation, &order.request, now)?;
    }
    match is_emergency {
        true => refuse_misplaced(invocation, &observation)?,
        false => refuse_old_copy(invocation, &observation)?,
    }
    // What shuts somebody out waits for no note, and is one itself.
    if order.clock == ClockTrust::Believed && !is_only_looked_at && !is_emergency {
        note_trusted_clock(invocation, &directory, &observation, &order.request, now)?;
    }
    let sight = if is_only_looked_at { Sight::Whole } else { Sight::First };
    let mut work = Work {
        invocation,
        directory: &directory,
        order,
        now,
        left_alone: BTreeMap::new(),
        tried: BTreeSet::new(),
    };
    let surroundings = work.surroundings(&observation);
    observation.note_copies(&surroundings.copies);
    let rotation = work.plan_with(&observation, &surroundings, sight, BTreeSet::new())?;
    if rotation.is_empty() || is_only_looked_at {
        let steps = rotation.summary(&observation.inventory);
        let listed = listed(&observation.inventory);
        return Ok(Rotated { rotation, steps, listed, ..Rotated::default() });
    }
    try_issuers(invocation, Some(&observation), &rotation.plan)?;
    if order.clock == ClockTrust::Checked {
        let disagreeing = disagreeing_clocks(invocation, &observation, &rotation, &order.request)?;
        work.left_alone = disagreeing;
    }
    let mut rotated = work.pass(Sight::Whole)?;
    // Each stage of a rollover is planned from what the one before has verified.
    for _ in 0..MOST_PASSES {
        let has_all = rotated.outcome() == ExitCode::Done;
        if !rotated.rotation.rolls_over
            || rotated.failure.is_some()
            || !has_all && rotated.rotation.is_urgent()
        {
            break;
        }
        let not_done = rotated.rollouts.iter().filter(|(_, result)| result.exit() != ExitCode::Done);
        work.tried = not_done.map(|(name, _)| name.clone()).collect();
        // What the last pass has verified is not to lie in the future.
        work.now = invocation.environment.present();
        match work.pass(Sight::Again) {
            Ok(next) => {
                let is_last = next.rotation.is_empty();
                rotated.add(next);
                if is_last {
                    break;
                }
            }
            Err(failure) => rotated.failure = Some(failure),
        }
    }
    Ok(rotated)
}

/// A rotation on its way.
struct Work<'a> {
    invocation: &'a Invocation<'a>,
    directory: &'a StateDirectory,
    order: &'a RotationOrder,
    now: Timestamp,
    /// The daemons that stay as they are, and why.
    left_alone: BTreeMap<IdentityName, Failure>,
    /// Those that an earlier pass of this run has tried in vain: the next run tries them again.
    tried: BTreeSet<IdentityName>,
}

/// What a plan is made from besides the state itself.
struct Surroundings {
    installed: Installed,
    copies: BTreeMap<IdentityName, ObservedCopies>,
    lapsed: BTreeSet<IdentityName>,
}

/// What one pass has committed, and is to roll out.
struct Committed {
    rotation: Rotation,
    steps: Vec<StepSummary>,
    issued: Vec<Issued>,
    daemons: Vec<Locked>,
    listed: BTreeMap<Role, usize>,
}

/// What became of the installed copies of clients.
#[derive(Default)]
struct Clients {
    unplaced: BTreeMap<IdentityName, Failure>,
    absent: BTreeMap<IdentityName, Message>,
    /// Why it could not be noted, or gone on with.
    failure: Option<Failure>,
    parted: BTreeMap<IdentityName, BTreeSet<IdentityName>>,
    /// Those that no daemon lets in with what they have.
    out: BTreeSet<IdentityName>,
}

impl Work<'_> {
    /// Plans and does what there is to do, once.
    fn pass(&self, sight: Sight) -> Result<Rotated, Failure> {
        let Work { invocation, directory, order, .. } = self;
        let Committed { rotation, steps, issued, daemons, listed } = self.commit(sight)?;
        let rollouts = roll_out(invocation, directory, daemons, (&order.restarting, order.jobs));
        // A client that has the new files before its daemon knows their CA is out.
        let mut clients = Clients::default();
        clients.failure = self.place_clients(&rotation, &mut clients).err();
        let Clients { unplaced, absent, parted, out, failure } = clients;
        let is_end = |step: &StateStep| matches!(step, StateStep::EndRollover(_));
        let ended = rotation.plan.state.iter().any(is_end).then(|| {
            let left =
                observe(directory, &Interest::Inventory).and_then(|now| plan::delete_former_keys(&now));
            if left.is_ok_and(|plan| !plan.is_empty()) { FormerKeys::Here } else { FormerKeys::Elsewhere }
        });
        let rollouts = rollouts.into_iter().collect();
        Ok(Rotated {
            rotation,
            steps,
            issued,
            rollouts,
            unplaced,
            absent,
            parted,
            out,
            listed,
            ended,
            failure,
        })
    }

    /// Plans and commits under the lock of the state. A daemon that another command is at work on is left as
    /// it is, but for an emergency: that is committed for all, and whoever is at work rolls it out.
    fn commit(&self, sight: Sight) -> Result<Committed, Failure> {
        let Work { invocation, directory, .. } = self;
        // Copies may lie on a disk that does not answer: nobody else is kept waiting by it.
        let surroundings = self.surroundings(&observe(directory, &Interest::Everything)?);
        let patience = if sight == Sight::Again { PATIENCE_TO_NOTE } else { PATIENCE };
        let lock = directory.lock(invocation.command, patience)?;
        let mut observation = observe(directory, &Interest::Everything)?;
        observation.note_copies(&surroundings.copies);
        // Whoever has a stolen key is shut out everywhere, whatever a daemon takes the time for.
        let is_emergency = self.order.request.is_emergency(&observation);
        let pending = plan::pending(&observation, self.now);
        let is_left = |name: &IdentityName| !is_emergency && !pending.contains_key(name);
        let left_alone = self.left_alone.iter().filter(|(name, _)| is_left(name));
        let left_alone = left_alone.map(|(name, failure)| (name.clone(), Err(failure.clone())));
        let mut locks: BTreeMap<IdentityName, Result<DaemonLock, Failure>> = left_alone.collect();
        let rotation = loop {
            let left = locks.iter().filter(|(_, lock)| lock.is_err()).map(|(name, _)| name);
            let left = left.chain(&self.tried).cloned().collect();
            let rotation = self.plan_with(&observation, &surroundings, sight, left)?;
            let is_known = |name: &&IdentityName| observation.daemons.contains_key(*name);
            let asked: Vec<&IdentityName> =
                rotation.daemons.iter().filter(is_known).filter(|name| !locks.contains_key(*name)).collect();
            let asked: Vec<_> = asked.into_iter().map(|name| (name.clone(), self.ask_for(name))).collect();
            let is_free = asked.iter().all(|(_, lock)| lock.is_ok());
            locks.extend(asked);
            if is_free || rotation.is_urgent() {
                break rotation;
            }
        };
        let issued = match rotation.plan.state.is_empty() {
            true => Vec::new(),
            false => carry_out(invocation, &lock, Some(&observation), &rotation.plan)?,
        };
        // A daemon that is new has a folder to lock now, and nobody else knew of it.
        for name in &rotation.daemons {
            locks.entry(name.clone()).or_insert_with(|| self.ask_for(name));
        }
        let steps = rotation.summary(&observation.inventory);
        let listed = listed(&observation.inventory);
        let patience = |name: &IdentityName| match rotation.is_urgent() {
            true => observation.inventory.daemons.get(name).map_or(Duration::ZERO, |entry| {
                // One restart that fails, and another back.
                let restart = Duration::from_secs(entry.restart_timeout.seconds().unsigned_abs());
                restart * 2 + PATIENCE_IN_EMERGENCY
            }),
            false => Duration::ZERO,
        };
        let is_meant = |(name, lock): &(IdentityName, Result<DaemonLock, Failure>)| {
            lock.is_err() || rotation.daemons.contains(name)
        };
        let daemons = locks.into_iter().filter(is_meant);
        let daemons = daemons.map(|(name, lock)| Locked { patience: patience(&name), name, lock }).collect();
        Ok(Committed { rotation, steps, issued, daemons, listed })
    }

    /// Once: nobody waits for a daemon while the state is locked.
    fn ask_for(&self, name: &IdentityName) -> Result<DaemonLock, Failure> {
        self.directory.lock_daemon(name, self.invocation.command, Duration::ZERO)
    }

    /// Replaces the installed copies of clients, and notes that they have them.
    ///
    /// # Errors
    /// A state that is busy, and a disk that takes no note.
    fn place_clients(&self, rotation: &Rotation, clients: &mut Clients) -> Result<(), Failure> {
        if rotation.clients.is_empty() {
            return Ok(());
        }
        let observation = self.observe_locked()?;
        let mut placed = Vec::new();
        for name in &rotation.clients {
            let Some(current) = observation.current(Role::Client, name) else { continue };
            let in_use = sets_in_use(&observation, name);
            match self.replace_copies(&observation, (name, current), &in_use) {
                Err(failure) => drop(clients.unplaced.insert(name.clone(), failure)),
                // What is gone may be mounted again, and has the previous files then.
                Ok((_, Copying::InPart(why))) => drop(clients.absent.insert(name.clone(), why)),
                Ok((_, Copying::Nowhere)) => {}
                Ok((reached, Copying::Done)) => {
                    if rotation.is_emergency && !reached.missed.is_empty() {
                        clients.parted.insert(name.clone(), reached.missed);
                    }
                    // Whoever else has the key may not have its new certificate yet.
                    if current.key == KeyPresence::Present {
                        placed.push((name, current.number));
                    }
                    continue;
                }
            }
            if in_use.iter().any(|set| plan::is_out(name, set, &observation, self.now)) {
                clients.out.insert(name.clone());
            }
        }
        if placed.is_empty() {
            return Ok(());
        }
        let lock = self.directory.lock(self.invocation.command, PATIENCE_TO_NOTE)?;
        let observation = observe(self.directory, &Interest::Everything)?;
        let mut plan = Plan::default();
        for (name, number) in placed {
            // What was renewed meanwhile is placed by whoever has renewed it.
            let current = observation.current(Role::Client, name).filter(|current| current.number == number);
            let Some(current) = current else { continue };
            let replaced = plan::replaced_here(name, current, &observation);
            plan.state.push(plan::hold(name, current, HeldBy::Installed, replaced, self.now));
        }
        if !plan.state.is_empty() {
            carry_out(self.invocation, &lock, Some(&observation), &plan)?;
        }
        Ok(())
    }

    /// Replaces the installed copies of a client, if that leaves it every daemon that lets it in.
    fn replace_copies(
        &self,
        observation: &Observation,
        (name, current): (&IdentityName, &ObservedGeneration),
        in_use: &[ObservedGeneration],
    ) -> Result<(Reached, Copying), Failure> {
        let in_use = if self.order.request.lock_out.contains(name) { &[] } else { in_use };
        let reached = refuse_useless(observation, (name, current), in_use, self.now)?;
        let copies = Copies::of(self.invocation, observation, Role::Client, name);
        Ok((reached, copies.replace()?))
    }

    fn observe_locked(&self) -> Result<Observation, Failure> {
        let _lock = self.directory.lock(self.invocation.command, PATIENCE_TO_NOTE)?;
        observe(self.directory, &Interest::Everything)
    }

    fn surroundings(&self, observation: &Observation) -> Surroundings {
        Surroundings {
            installed: installed(self.invocation, observation),
            copies: read_client_copies(observation),
            lapsed: lapsed(self.directory, observation, self.now),
        }
    }

    /// Plans; what clients may still use of what they had before is read only if something changes, since
    /// there may be a hundred thousand.
    fn plan_with(
        &self,
        observation: &Observation,
        surroundings: &Surroundings,
        sight: Sight,
        left_alone: BTreeSet<IdentityName>,
    ) -> Result<Rotation, Failure> {
        let Work { directory, order, now, .. } = self;
        let mut facts = RotationFacts {
            unreadable: BTreeMap::new(),
            outdated: surroundings.installed.outdated.clone(),
            stuck: surroundings.installed.stuck.clone(),
            lapsed: surroundings.lapsed.clone(),
            left_alone,
            has_begun: sight == Sight::Again,
        };
        let rotation = plan::rotate(&order.request, observation, &facts, *now)?;
        let changes = !rotation.plan.state.is_empty() || !rotation.locked_out.is_empty();
        if !changes || sight == Sight::First {
            return Ok(rotation);
        }
        let mut seen = Cow::Borrowed(observation);
        let mut rotation = rotation;
        // During a rollover it is read already.
        if observation.rollover.is_none() {
            let mut whole = observe(directory, &Interest::InUse)?;
            whole.note_copies(&surroundings.copies);
            rotation = plan::rotate(&order.request, &whole, &facts, *now)?;
            seen = Cow::Owned(whole);
        }
        facts.unreadable = unreadable_keys(self.invocation, &rotation.plan);
        match facts.unreadable.is_empty() {
            true => Ok(rotation),
            false => plan::rotate(&order.request, &seen, &facts, *now),
        }
    }
}

fn listed(inventory: &Inventory) -> BTreeMap<Role, usize> {
    BTreeMap::from([(Role::Daemon, inventory.daemons.len()), (Role::Client, inventory.clients.len())])
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

/// A rollover has four stages, and a daemon or a client may be in the way of each.
const MOST_PASSES: usize = 6;

/// How much longer than a restart may take an emergency waits for a daemon that another command is at work
/// on: that one rolls the same out, and has to notice first.
const PATIENCE_IN_EMERGENCY: Duration = Duration::from_secs(60);

/// For how long it is waited for the lock of the state when something has happened that is to be noted.
const PATIENCE_TO_NOTE: Duration = Duration::from_secs(60);
