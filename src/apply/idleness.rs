//! Whether a daemon builds something: Earthly's `Info` tells its sessions.

use super::context::Context;
use super::verify::{DialOptions, fresh_for, glance};
use crate::layout::{DaemonEntry, RestartWhen};
use crate::model::{Failure, IdentityName};
use crate::store::Observation;

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
