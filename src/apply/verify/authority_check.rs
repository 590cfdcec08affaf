//! With several CAs: whether a daemon lets the clients of each in, or refuses them, as its ca.pem says.

use std::time::{Duration, Instant};

use super::client::{Client, distrusted, fresh};
use super::dial::{DialOptions, dial_once};
use crate::apply::invocation::Invocation;
use crate::message;
use crate::model::{Endpoint, Failure, Finding, IdentityName, Role, Rule, Severity, Timestamp};
use crate::pki::DistinguishedName;
use crate::probe::{Dial, DialResults, Dialed, Extent, NotTried, Outcome};
use crate::store::{Observation, ObservedAuthority};

/// The first CA of the state whose clients are treated otherwise than ca.pem says, or as whose client
/// no verdict was come to. A daemon that was not restarted since its bundle changed may serve the right
/// certificate.
pub(super) fn finding(
    invocation: &Invocation<'_>,
    observation: &Observation,
    (name, endpoint): (&IdentityName, &Endpoint),
    options: &DialOptions,
) -> Result<Option<Finding>, Failure> {
    let now = invocation.environment.now();
    let Some(current) = observation.current(Role::Daemon, name) else { return Ok(None) };
    if observation.authorities.len() < 2 {
        return Ok(None);
    }
    let until = Instant::now() + options.deadline;
    for authority in observation.authorities.iter().filter(|authority| authority.can_sign(now)) {
        let is_trusted = current.trust.trusts(&authority.certificate);
        let meant = match is_trusted && authority.record.compromised.is_none() {
            true => Meant::LetIn,
            false => Meant::Refused,
        };
        let client = match meant {
            Meant::LetIn => fresh(invocation, observation, authority)?,
            Meant::Refused => distrusted(invocation, observation, authority)?,
        };
        let (observed, is_refused) = decided(invocation, &client, endpoint, (options, until), meant);
        let subject = authority.certificate.subject();
        if let Some(finding) = judged((&observed, is_refused), meant, subject, name) {
            return Ok(Some(finding));
        }
    }
    Ok(None)
}

/// The compromised CAs of which nobody can make a certificate here, to see whether it is refused.
pub(super) fn not_tried(observation: &Observation, now: Timestamp) -> Vec<NotTried> {
    let compromised = observation.authorities.iter().filter(|one| one.record.compromised.is_some());
    let without_key =
        compromised.filter(|one| !one.can_sign(now) && one.certificate.validity().contains(now));
    let why = |one: &ObservedAuthority| message!("the key of CA {} is not here", one.id.short());
    without_key.map(|one| NotTried { dial: Dial::Distrusted, why: why(one) }).collect()
}

/// What ca.pem says of the clients of a CA.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Meant {
    LetIn,
    Refused,
}

/// What decides nothing is tried again. An end without an alert counts if every dial ended so, which is
/// told beside.
pub(super) fn decided(
    invocation: &Invocation<'_>,
    client: &Client,
    endpoint: &Endpoint,
    (options, until): (&DialOptions, Instant),
    meant: Meant,
) -> (DialResults, bool) {
    let extent = match meant {
        Meant::LetIn => Extent::Glance,
        Meant::Refused => Extent::Distrusted,
    };
    let look = || {
        let left = until.saturating_duration_since(Instant::now());
        let options = options.within(left);
        dial_once(invocation, client, endpoint, (&options, extent))
    };
    let mut observed = look();
    let mut is_refused = true;
    for _ in 0..REPEATS {
        let dialed = observed.dials().last();
        // A client that belongs there and was cut off may get through the next time; of another, once
        // let in is in.
        let is_cut_off = meant == Meant::LetIn && dialed.is_some_and(Dialed::is_cut_off);
        let outcome = dialed.map(|dialed| dialed.outcome);
        if !is_cut_off && is_decisive(outcome) {
            break;
        }
        is_refused &= outcome == Some(Outcome::RefusedByEnd);
        // The server has to see the end of the dial before, and says nothing to anybody when it has.
        let pause = options.pace.max(SHORTEST_PAUSE);
        if until.saturating_duration_since(Instant::now()) <= pause {
            is_refused = false;
            break;
        }
        std::thread::sleep(pause);
        observed = look();
    }
    (observed, is_refused)
}

fn is_decisive(outcome: Option<Outcome>) -> bool {
    matches!(outcome, Some(Outcome::Accepted | Outcome::Open | Outcome::Refused(_) | Outcome::LetIn))
}

fn judged(
    (observed, is_refused): (&DialResults, bool),
    meant: Meant,
    subject: &DistinguishedName,
    name: &IdentityName,
) -> Option<Finding> {
    let dialed = observed.dials().last();
    let expected = if meant == Meant::LetIn { "accepted" } else { "refused" };
    let finding = |rule, found| {
        let finding = Finding::new(rule, Severity::Error, message!("a client of {}", subject));
        Some(finding.expected(expected).found(found))
    };
    let stale = |found| {
        let finding = finding(Rule::TrustIsStale, found)?;
        let cause = "the daemon was not restarted since its ca.pem changed";
        Some(finding.cause(cause).fix(message!("{kitcert} rotate {}", name)))
    };
    match (dialed.map(|dialed| dialed.outcome), dialed) {
        (Some(Outcome::Accepted), _) if meant == Meant::LetIn => None,
        (Some(Outcome::Refused(_)), _) if meant == Meant::Refused => None,
        (Some(Outcome::RefusedByEnd), _) if meant == Meant::Refused && is_refused => None,
        (Some(Outcome::RefusedByEnd), Some(dialed)) if meant == Meant::Refused => {
            finding(Rule::Inconclusive, message!("a client of {} came to no verdict: {}", subject, dialed))
        }
        (Some(Outcome::Open | Outcome::LetIn), _) if meant == Meant::Refused => {
            stale(message!("a client of {} is let in, whom ca.pem does not name", subject))
        }
        (Some(Outcome::LetIn), Some(dialed)) if dialed.is_cut_off() => {
            finding(Rule::Inconclusive, message!("a client of {} came to no verdict: {}", subject, dialed))
        }
        (Some(Outcome::Refused(_) | Outcome::RefusedByEnd | Outcome::LetIn), Some(dialed)) => {
            stale(message!("a client of {} is not let in: {}", subject, dialed))
        }
        (_, Some(dialed)) => {
            finding(Rule::Inconclusive, message!("a client of {} came to no verdict: {}", subject, dialed))
        }
        (_, None) => finding(Rule::Inconclusive, message!("a client of {} was not dialed as", subject)),
    }
}

const REPEATS: usize = 2;
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
