//! `rollback`, done: earlier credentials are current, installed and served again.

use std::collections::BTreeSet;

use super::change::{refuse_lock_out, refuse_old_copy};
use super::client_copies::read_client_copies;
use super::install::Copies;
use super::invocation::{Invocation, Mode, PATIENCE};
use super::rollout::{Restarting, Rollout, RolloutResult, earlier_generations};
use crate::message;
use crate::model::{Failure, IdentityName, Role};
use crate::plan::{self, Rollback, StepSummary};
use crate::store::{Interest, Observation, StateDirectory, observe};

/// What came of it.
#[derive(Debug)]
pub(crate) struct RolledBack {
    /// What was to be done.
    pub rollback: Rollback,
    /// Its steps, a row each.
    pub steps: Vec<StepSummary>,
    /// How it ended for a daemon; None for a client, and where nothing was to be done.
    pub result: Option<RolloutResult>,
}

/// Puts a previous generation back: for a daemon it is placed, restarted and verified, for a client
/// its installed copies are replaced.
///
/// # Errors
/// What [`plan::rollback`] refuses, no state, a state that is busy. Nothing has changed then.
pub(crate) fn rollback(
    invocation: &Invocation<'_>,
    (role, name): (Option<Role>, &IdentityName),
    restarting: &Restarting,
) -> Result<RolledBack, Failure> {
    let directory = invocation.open()?.ok_or_else(|| invocation.no_state())?;
    let interest = Interest::Identities(vec![(Role::Daemon, name.clone()), (Role::Client, name.clone())]);
    let observation = invocation.observe_in(&directory, &interest)?;
    refuse_old_copy(invocation, &observation)?;
    let role = plan::whose("rollback", name, role, &observation)?;
    let planned = planned(invocation, &directory, &observation, (role, name))?;
    let to_look_at = |failure: Failure| failure.hint("{kitcert} status   # who has which certificate");
    let copies = read_client_copies(&observation);
    if invocation.mode != Mode::Apply {
        let now = invocation.environment.now();
        refuse_lock_out(&directory, (Some(&observation), &copies), (&planned.plan(), &BTreeSet::new()), now)
            .map_err(to_look_at)?;
        let steps = planned.summary(&observation.inventory);
        return Ok(RolledBack { rollback: planned, steps, result: None });
    }
    // Before the state: whoever rolls this daemon out does not need that to be given back.
    let of_daemon = match role {
        Role::Daemon => Some(directory.lock_daemon(name, invocation.command, PATIENCE)?),
        Role::Client => None,
    };
    let rollout = Rollout { invocation, directory: &directory, name, restarting };
    let entry = observation.inventory.daemons.get(name).filter(|_| role == Role::Daemon);
    if let Some(RolloutResult::HeldBack { why, command }) = entry.and_then(|entry| rollout.held_back(entry)) {
        let failure = Failure::new("going back with daemon", name)
            .expected("one that refuses nobody whom this state lets in, and serves what it has issued")
            .found(why);
        return Err(failure.hint(command));
    }
    let lock = directory.lock(invocation.command, PATIENCE)?;
    let observation = observe(&directory, &interest)?;
    let rollback = self::planned(invocation, &directory, &observation, (role, name))?;
    rollout.make_current(&lock, (&observation, &copies), &rollback).map_err(to_look_at)?;
    let steps = rollback.summary(&observation.inventory);
    if of_daemon.is_none() {
        let observation = observe(&directory, &interest)?;
        drop(lock);
        Copies::of(invocation, &observation, Role::Client, name).replace()?;
        return Ok(RolledBack { rollback, steps, result: None });
    }
    drop(lock);
    let result = rollout.put_back(&rollback, (&observation, None), message!("asked"))?;
    Ok(RolledBack { rollback, steps, result: Some(result) })
}

/// The plan, made with the earlier generations.
fn planned(
    invocation: &Invocation<'_>,
    directory: &StateDirectory,
    observation: &Observation,
    (role, name): (Role, &IdentityName),
) -> Result<Rollback, Failure> {
    let earlier = earlier_generations(directory, observation, role, name);
    plan::rollback((role, name), observation, &earlier, invocation.environment.now())
}
