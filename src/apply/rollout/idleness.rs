//! What a daemon builds, as far as it tells.

use crate::apply::invocation::Invocation;
use crate::apply::verify::{self, DialOptions, fresh_for};
use crate::layout::{DaemonEntry, RestartWhen};
use crate::model::{Failure, IdentityName};
use crate::probe::Activity;
use crate::store::Observation;

/// What a daemon builds that is to be restarted only when it is idle; None for any other, and for one
/// that does not answer.
///
/// # Errors
/// A certificate to dial with that cannot be made.
pub(in crate::apply) fn activity(
    invocation: &Invocation<'_>,
    observation: &Observation,
    name: &IdentityName,
    entry: &DaemonEntry,
) -> Result<Option<Activity>, Failure> {
    if entry.restart_when == RestartWhen::Now {
        return Ok(None);
    }
    let Some(client) = fresh_for(invocation, observation, name)? else { return Ok(None) };
    Ok(verify::activity(invocation, &client, &entry.endpoint, &DialOptions::of_daemon(entry)))
}
