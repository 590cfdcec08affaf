//! Whether the clock can be believed, before anything is issued by it.

use super::context::Context;
use super::verify::{DialOptions, fresh_for, glance};
use crate::layout::DaemonEntry;
use crate::message;
use crate::model::profile::BACKDATING;
use crate::model::{Failure, IdentityName, Role, Timestamp};
use crate::plan::{Rotation, longest_leaf};
use crate::probe::{Outcome, RefusedBy};
use crate::store::{LogEnd, Observation, StateDirectory, log_end};

/// Whether the clock is believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClockTrust {
    /// Only where it fits the newest entry of the log, and the daemons.
    #[default]
    Checked,
    /// Whatever it says.
    Believed,
}

/// A clock that is behind what the log has seen, or further ahead than any certificate lives, would
/// have everything issued anew, or nothing.
///
/// # Errors
/// Such a clock.
pub(super) fn refuse_odd_clock(
    directory: &StateDirectory,
    observation: &Observation,
    now: Timestamp,
) -> Result<(), Failure> {
    // A log that nobody can read says nothing about the clock; `status` tells of it.
    let LogEnd::Entry { at: newest, .. } = log_end(directory) else { return Ok(()) };
    let longest = longest_leaf(observation).max(BACKDATING);
    let is_behind = newest.seconds_since(now) > BACKDATING.seconds();
    let is_ahead = now.seconds_since(newest) > longest.seconds();
    if !is_behind && !is_ahead {
        return Ok(());
    }
    let expected = if is_behind {
        message!("a time after the newest entry of log.jsonl ({})", newest.minute())
    } else {
        message!("a time at most {} after the newest entry of log.jsonl ({})", longest, newest.minute())
    };
    Err(Failure::new("reading", "the clock")
        .expected(expected)
        .found(now.minute())
        .hint("date   # if it is right: {kitcert} rotate --trust-clock"))
}

/// Dials each daemon with a certificate of this moment, before any is issued: a clock that is wrong
/// here would have everything renewed that is not due.
///
/// # Errors
/// A daemon that takes such a certificate for one that has expired.
pub(super) fn refuse_disagreeing_clocks(
    context: &Context<'_>,
    observation: &Observation,
    rotation: &Rotation,
) -> Result<(), Failure> {
    if rotation.plan.issuances().next().is_none() && !rotation.rolls_over {
        return Ok(());
    }
    for (name, entry) in &observation.inventory.daemons {
        if observation.current(Role::Daemon, name).is_some()
            && clocks_disagree(context, observation, name, entry)?
        {
            return Err(Failure::new("comparing clocks with daemon", name)
                .expected("a certificate of this moment to be accepted")
                .found(message!(
                    "alert 45 (expired certificate): its clock and the one here ({}) disagree",
                    context.environment.now().minute()
                ))
                .hint("date   # on both machines; if both are right: {kitcert} rotate --trust-clock"));
        }
    }
    Ok(())
}

/// Whether the clock of that daemon and the one here disagree so far that it takes a certificate of this
/// moment for one that has expired or is not valid yet.
fn clocks_disagree(
    context: &Context<'_>,
    observation: &Observation,
    name: &IdentityName,
    entry: &DaemonEntry,
) -> Result<bool, Failure> {
    let Some(fresh) = fresh_for(context, observation, name)? else { return Ok(false) };
    let observed = glance(context, &fresh, &entry.endpoint, &DialOptions::of_daemon(entry));
    let outcome = observed.client().map(|ours| ours.outcome);
    Ok(outcome == Some(Outcome::Refused(RefusedBy::Alert(EXPIRED_CERTIFICATE))))
}

/// TLS alert `certificate_expired` (RFC 8446 section 6.2); Go sends it for one that is not valid
/// yet too.
const EXPIRED_CERTIFICATE: u8 = 45;
