//! `rollback`, done: a former set is current, installed and served again.

use super::context::{Context, Mode, PATIENCE};
use super::copies::replace_copies;
use super::serve::{Ending, Restarting, Serving};
use super::state_change::carry_out;
use crate::message;
use crate::model::{Failure, Generation, IdentityName, Role};
use crate::plan::{self, Rollback};
use crate::store::{Interest, Observation, StateDirectory, observe, observe_generation};

/// What came of it.
#[derive(Debug)]
pub struct RolledBack {
    /// What was to be done.
    pub rollback: Rollback,
    /// How it ended for a daemon; None for a client, and where nothing was to be done.
    pub ending: Option<Ending>,
}

/// Puts a former generation back: for a daemon it is placed, restarted and proven, for a client
/// its installed copies are replaced.
///
/// # Errors
/// What [`plan::rollback`] refuses, a generation that is not valid now, no state, a state that is
/// busy. Nothing has changed then.
pub fn rollback(
    context: &Context<'_>,
    name: &IdentityName,
    restarting: &Restarting,
) -> Result<RolledBack, Failure> {
    let directory = context.open()?.ok_or_else(|| context.no_state())?;
    let interest = Interest::Identities(vec![(Role::Daemon, name.clone()), (Role::Client, name.clone())]);
    let planned = planned(context, &directory, &context.observe_in(&directory, &interest)?, name)?;
    if context.mode != Mode::Apply {
        return Ok(RolledBack { rollback: planned, ending: None });
    }
    let lock = directory.lock(context.command, PATIENCE)?;
    let observation = observe(&directory, &interest)?;
    let rollback = self::planned(context, &directory, &observation, name)?;
    if rollback.role == Role::Client {
        carry_out(context, &lock, Some(&observation), &rollback.plan())?;
        replace_copies(context, &observation, Role::Client, name)?;
        return Ok(RolledBack { rollback, ending: None });
    }
    let serving = Serving { context, directory: &directory, lock: &lock, name, restarting };
    let ending = serving.go_back(rollback.generation, message!("asked"))?;
    Ok(RolledBack { rollback, ending: Some(ending) })
}

/// The plan, and that its generation would be accepted.
fn planned(
    context: &Context<'_>,
    directory: &StateDirectory,
    observation: &Observation,
    name: &IdentityName,
) -> Result<Rollback, Failure> {
    let rollback = plan::rollback(name, observation)?;
    let former = observe_generation(directory, rollback.role, name, rollback.generation)?;
    let failure = || Failure::new("going back to the former set of", name);
    if rollback.role == Role::Daemon && plan::trusts_former_authority(observation, &former) {
        return Err(failure()
            .expected("one that trusts the present CA alone, since the rollover is over")
            .found(message!("{}, which lets clients of a former CA in", Generation(rollback.generation)))
            .hint(message!("kitcert rotate --force {}", name)));
    }
    let validity = former.leaf().validity();
    if validity.contains(context.environment.now()) {
        return Ok(rollback);
    }
    Err(failure()
        .expected("one that is valid now")
        .found(message!(
            "{}, valid from {} until {}",
            Generation(rollback.generation),
            validity.not_before,
            validity.not_after
        ))
        .hint(message!("kitcert rotate --force {}", name)))
}
