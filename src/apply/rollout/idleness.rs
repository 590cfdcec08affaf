//! What a daemon builds, as far as it tells.

use crate::apply::invocation::Invocation;
use crate::apply::verify::{self, DialOptions, asking};
use crate::layout::{DaemonEntry, RestartWhen};
use crate::model::{Failure, IdentityName};
use crate::probe::Activity;
use crate::store::Observation;

/// What a daemon builds that is to be restarted only when it is idle; None for any other, and where
/// nothing listens.
///
/// # Errors
/// A certificate to dial with that cannot be made.
pub(super) fn activity(
    invocation: &Invocation<'_>,
    observation: &Observation,
    name: &IdentityName,
    entry: &DaemonEntry,
) -> Result<Option<Activity>, Failure> {
    if entry.restart_when == RestartWhen::Now {
        return Ok(None);
    }
    let client = asking(invocation, observation, name)?;
    Ok(verify::activity(invocation, &client, &entry.endpoint, &DialOptions::of_daemon(entry)))
}
