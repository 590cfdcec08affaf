//! Whether the clock can be believed, before anything is issued by it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::change::line;
use super::invocation::{Invocation, PATIENCE};
use super::verify::{DialOptions, dial_once, fresh_for};
use crate::layout::DaemonEntry;
use crate::message;
use crate::model::profile::BACKDATING;
use crate::model::{Failure, IdentityName, Role, Timestamp};
use crate::plan::{RotateRequest, Rotation, longest_leaf};
use crate::probe::{Extent, Outcome, RefusedBy};
use crate::store::{LogEnd, LogEvent, Observation, StateDirectory, log_end};

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
/// have everything issued again, or nothing.
///
/// # Errors
/// Such a clock.
pub(super) fn refuse_odd_clock(
    directory: &StateDirectory,
    observation: &Observation,
    request: &RotateRequest,
    now: Timestamp,
) -> Result<(), Failure> {
    match odd_clock(directory, observation, request, now) {
        Some(failure) => Err(failure),
        None => Ok(()),
    }
}

/// Notes that a person believes the clock against the log: its newest entry is of that clock then, and the
/// next command believes it by itself.
///
/// # Errors
/// A state that is busy, and a disk that takes no note.
pub(super) fn note_trusted_clock(
    invocation: &Invocation<'_>,
    directory: &StateDirectory,
    observation: &Observation,
    request: &RotateRequest,
    now: Timestamp,
) -> Result<(), Failure> {
    let Some(odd) = odd_clock(directory, observation, request, now) else { return Ok(()) };
    let lock = directory.lock(invocation.command, PATIENCE)?;
    let staged = lock.stage()?;
    let reason = message!("--trust-clock, against {}", odd.what_was_expected());
    staged.record(&line(invocation, LogEvent::ClockTrusted, message!("the clock"), reason))?;
    staged.commit()
}

/// Why a clock does not fit the log, if it does not.
fn odd_clock(
    directory: &StateDirectory,
    observation: &Observation,
    request: &RotateRequest,
    now: Timestamp,
) -> Option<Failure> {
    // A log that nobody can read says nothing about the clock; `status` tells of it.
    let LogEnd::Entry { at: newest, .. } = log_end(directory) else { return None };
    let longest = longest_leaf(observation).max(BACKDATING);
    let is_behind = newest.seconds_since(now) > BACKDATING.seconds();
    let is_ahead = now.seconds_since(newest) > longest.seconds();
    if !is_behind && !is_ahead {
        return None;
    }
    let expected = if is_behind {
        message!("a time after the newest entry of log.jsonl ({})", newest.minute())
    } else {
        message!("a time at most {} after the newest entry of log.jsonl ({})", longest, newest.minute())
    };
    let failure = Failure::new("reading", "the clock").expected(expected).found(now.minute());
    Some(failure.hint(message!("date   # if it is right: {} --trust-clock", request.command())))
}

/// Dials each daemon with a certificate of this moment, before any is issued: a clock that is wrong
/// here would have everything renewed that is not due. The daemons whose clocks disagree with the one here
/// are given, with what is to be said of each: where it is the clock of a few, that is no matter of the others.
///
/// # Errors
/// More than half of the daemons that answer take such a certificate for one that has expired, or half and no
/// daemon elsewhere agrees: then the clock here is as likely to be wrong.
pub(super) fn disagreeing_clocks(
    invocation: &Invocation<'_>,
    observation: &Observation,
    rotation: &Rotation,
    request: &RotateRequest,
) -> Result<BTreeMap<IdentityName, Failure>, Failure> {
    if rotation.plan.issuances().next().is_none() && !rotation.rolls_over {
        return Ok(BTreeMap::new());
    }
    let listed = observation.inventory.daemons.iter();
    let there: Vec<(&IdentityName, &DaemonEntry)> =
        listed.filter(|(name, _)| observation.current(Role::Daemon, name).is_some()).collect();
    let compared = compare_all(invocation, observation, &there)?;
    let failure = |name: &IdentityName| {
        Failure::new("comparing clocks with daemon", name)
            .expected("a certificate of this moment to be accepted")
            .found(message!(
                "alert 45 (expired certificate): its clock and the one here ({}) disagree",
                invocation.environment.now().minute()
            ))
            .hint(message!(
                "date   # on both machines; if both are right: {} --trust-clock",
                request.command()
            ))
    };
    let disagreeing: BTreeMap<IdentityName, Failure> = compared
        .iter()
        .filter(|(_, clock)| **clock == DaemonClock::Disagrees)
        .map(|(name, _)| ((*name).clone(), failure(name)))
        .collect();
    let known = compared.values().filter(|clock| **clock != DaemonClock::Unknown).count();
    let agrees_elsewhere = there.iter().any(|(name, entry)| {
        !entry.endpoint.is_loopback() && compared.get(name) == Some(&DaemonClock::Agrees)
    });
    match disagreeing.values().next() {
        Some(first) if disagreeing.len() * 2 > known => Err(first.clone()),
        // The one here is a clock, too, and that of a daemon on this machine is no other.
        Some(first) if disagreeing.len() * 2 == known && !agrees_elsewhere => Err(first.clone()),
        _ => Ok(disagreeing),
    }
}

/// What a daemon makes of a certificate of this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DaemonClock {
    Agrees,
    Disagrees,
    /// It does not say.
    Unknown,
}

/// All at the same time: one that is silent keeps nobody waiting.
fn compare_all<'a>(
    invocation: &Invocation<'_>,
    observation: &Observation,
    daemons: &[(&'a IdentityName, &DaemonEntry)],
) -> Result<BTreeMap<&'a IdentityName, DaemonClock>, Failure> {
    let next = AtomicUsize::new(0);
    let compared = Mutex::new(Ok(BTreeMap::new()));
    let work = || {
        while let Some((name, entry)) = daemons.get(next.fetch_add(1, Ordering::Relaxed)) {
            let clock = compare(invocation, observation, name, entry);
            let mut compared = compared.lock().unwrap_or_else(PoisonError::into_inner);
            match (clock, compared.as_mut()) {
                (Ok(clock), Ok(all)) => drop(all.insert(*name, clock)),
                (Err(failure), Ok(_)) => *compared = Err(failure),
                (_, Err(_)) => {}
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..daemons.len().min(DIALLED_AT_ONCE) {
            if std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work).is_err() {
                // A machine that gives no more threads has given some, and here is one.
                break;
            }
        }
        work();
    });
    compared.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn compare(
    invocation: &Invocation<'_>,
    observation: &Observation,
    name: &IdentityName,
    entry: &DaemonEntry,
) -> Result<DaemonClock, Failure> {
    let Some(fresh) = fresh_for(invocation, observation, name)? else { return Ok(DaemonClock::Unknown) };
    let observed =
        dial_once(invocation, &fresh, &entry.endpoint, (&DialOptions::of_daemon(entry), Extent::Glance));
    Ok(match observed.client().map(|client| client.outcome) {
        Some(Outcome::Refused(RefusedBy::Alert(EXPIRED_CERTIFICATE))) => DaemonClock::Disagrees,
        Some(Outcome::Accepted) => DaemonClock::Agrees,
        _ => DaemonClock::Unknown,
    })
}

/// TLS alert `certificate_expired` (RFC 8446 section 6.2); Go sends it for one that is not valid
/// yet too.
const EXPIRED_CERTIFICATE: u8 = 45;

/// As many as `verify` dials.
const DIALLED_AT_ONCE: usize = 256;
const STACK: usize = 2 * 1024 * 1024;
