//! Restarts that wait until a daemon builds nothing, as far as it tells.

use std::time::{Duration, Instant};

use super::context::Context;
use super::verify::{self, DialOptions, fresh_for};
use crate::layout::{DaemonEntry, RestartWhen};
use crate::model::{Failure, IdentityName};
use crate::plan::Rotation;
use crate::probe::Activity;
use crate::store::Observation;

/// Waits, before anything is locked, until each daemon that is to be restarted only when idle has
/// no session, or for as long as kitcert.yaml allows. A rollover restarts them all.
///
/// # Errors
/// A certificate to dial with that cannot be made.
pub(super) fn wait_for_idleness(
    context: &Context<'_>,
    observation: &Observation,
    rotation: &Rotation,
) -> Result<(), Failure> {
    // What is only verified again is hardly ever restarted, and nothing waits for it.
    let is_planned =
        |name: &IdentityName| rotation.daemons.contains(name) && !rotation.verified_again.contains(name);
    let is_restarted = |name: &IdentityName| rotation.rolls_over || is_planned(name);
    for (name, entry) in observation.inventory.daemons.iter().filter(|(name, _)| is_restarted(name)) {
        if !entry.restart.is_empty() {
            wait(context, observation, name, entry)?;
        }
    }
    Ok(())
}

fn wait(
    context: &Context<'_>,
    observation: &Observation,
    name: &IdentityName,
    entry: &DaemonEntry,
) -> Result<(), Failure> {
    let limit = Duration::from_secs(entry.idle_limit.seconds().unsigned_abs());
    let began = Instant::now();
    while !is_idle(context, observation, name, entry)? {
        let left = limit.saturating_sub(began.elapsed());
        if left.is_zero() {
            break;
        }
        // A daemon says nothing to anybody when its last build ends.
        std::thread::sleep(POLL.min(left));
    }
    Ok(())
}

/// Whether a daemon may be restarted now, as far as its builds go. One that does not answer builds
/// nothing that could be waited for, and one that does not tell cannot be waited for.
///
/// # Errors
/// A certificate to dial with that cannot be made.
pub(super) fn is_idle(
    context: &Context<'_>,
    observation: &Observation,
    name: &IdentityName,
    entry: &DaemonEntry,
) -> Result<bool, Failure> {
    Ok(!activity(context, observation, name, entry)?.is_some_and(Activity::is_busy))
}

/// What a daemon builds that is to be restarted only when it is idle; None for any other, and for one
/// that does not answer.
///
/// # Errors
/// A certificate to dial with that cannot be made.
pub(super) fn activity(
    context: &Context<'_>,
    observation: &Observation,
    name: &IdentityName,
    entry: &DaemonEntry,
) -> Result<Option<Activity>, Failure> {
    if entry.restart_when == RestartWhen::Now {
        return Ok(None);
    }
    let Some(client) = fresh_for(context, observation, name)? else { return Ok(None) };
    Ok(verify::activity(context, &client, &entry.endpoint, &DialOptions::of_daemon(entry)))
}

const POLL: Duration = Duration::from_secs(1);
