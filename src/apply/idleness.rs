//! Restarts that wait until a daemon builds nothing: Earthly's `Info` tells its sessions.

use std::time::{Duration, Instant};

use super::context::Context;
use super::credentials::fresh_for;
use super::dialling::{DialOptions, glance};
use crate::layout::{DaemonEntry, RestartWhen};
use crate::model::{Failure, IdentityName};
use crate::plan::Rotation;
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
    let is_restarted = |name: &IdentityName| rotation.rolls_over || rotation.daemons.contains(name);
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

/// Whether a daemon may be restarted now, as far as its builds go. One that does not answer, or
/// that is not Earthly's, has no sessions to wait for.
///
/// # Errors
/// A certificate to dial with that cannot be made.
pub(super) fn is_idle(
    context: &Context<'_>,
    observation: &Observation,
    name: &IdentityName,
    entry: &DaemonEntry,
) -> Result<bool, Failure> {
    if entry.restart_when == RestartWhen::Now {
        return Ok(true);
    }
    let Some(client) = fresh_for(context, observation, name)? else { return Ok(true) };
    let observed = glance(context, &client, &entry.endpoint, &DialOptions::of_daemon(entry));
    let idleness = observed.answer().and_then(|answer| answer.idleness);
    Ok(idleness.is_none_or(|idleness| idleness.sessions == 0))
}

const POLL: Duration = Duration::from_secs(1);
