//! Where somebody's access was taken away: whether the daemon uses the ca.pem that says so, and refuses him.
//!
//! The bundle of a daemon excludes one name that is made from all others in it. Whoever shows a certificate
//! with that name is refused by a daemon that uses this very bundle, and let in by one that uses another: so
//! it is seen that a change has taken effect, the second revocation as well as one that is taken back.

use std::time::Instant;

use super::authority_check::{self, Meant, decided};
use super::client::{Client, as_it_is, named};
use super::dial::DialOptions;
use crate::apply::invocation::Invocation;
use crate::message;
use crate::model::{
    DnsName, Endpoint, Exclusion, Failure, Finding, IdentityName, Message, Printable as _, Role, Rule,
    Severity, SubjectAltName, Timestamp,
};
use crate::pki::Exclusions;
use crate::plan::whom;
use crate::probe::{Dial, NotTried, Outcome};
use crate::store::{KeyPresence, Observation, ObservedAuthority, ObservedGeneration, Revocation};

/// The first who is let in and is not to be, or the other way round, of those whom ca.pem alone tells apart: the
/// clients of each CA, and whoever is revoked.
pub(super) fn finding(
    invocation: &Invocation<'_>,
    observation: &Observation,
    daemon: (&IdentityName, &Endpoint),
    options: &DialOptions,
) -> Result<Option<Finding>, Failure> {
    let began = Instant::now();
    match authority_check::finding(invocation, observation, daemon, options)? {
        Some(finding) => Ok(Some(finding)),
        None => {
            let left = options.within(options.deadline.saturating_sub(began.elapsed()));
            of_excluded(invocation, observation, daemon, &left)
        }
    }
}

/// The first who is let in although the daemon's current bundle excludes him.
fn of_excluded(
    invocation: &Invocation<'_>,
    observation: &Observation,
    (name, endpoint): (&IdentityName, &Endpoint),
    options: &DialOptions,
) -> Result<Option<Finding>, Failure> {
    let now = invocation.environment.now();
    let Some(current) = observation.current(Role::Daemon, name) else { return Ok(None) };
    let until = Instant::now() + options.deadline;
    let try_as = |client: &Client| {
        let (observed, is_refused) = decided(invocation, client, endpoint, (options, until), Meant::Refused);
        match observed.dials().last().map(|dialed| (dialed.outcome, dialed.message())) {
            Some((Outcome::Refused(_), _)) => Ended::Refused,
            Some((Outcome::RefusedByEnd, _)) if is_refused => Ended::Refused,
            Some((Outcome::Open | Outcome::LetIn | Outcome::Accepted, _)) => Ended::LetIn,
            Some((_, why)) => Ended::Undecided(why),
            None => Ended::Undecided(message!("it was not dialed")),
        }
    };
    let excluding = excluding(observation, current);
    for (authority, canary) in excluding.iter().filter(|(authority, _)| authority.can_sign(now)) {
        let as_named = |name: &DnsName| {
            let name = SubjectAltName::Dns(name.clone());
            named(invocation, observation, authority, name).map(|client| try_as(&client))
        };
        if let Some(finding) = stale(name, as_named(canary)?) {
            return Ok(Some(finding));
        }
        let Some(newest) = newest(observation, now) else { continue };
        let excluded = newest.excluded.iter().find_map(|one| match one {
            Exclusion::Dns(name) => Some(name),
            _ => None,
        });
        if let Some(excluded) = excluded
            && let Some(finding) = let_in(newest, as_named(excluded)?)
        {
            return Ok(Some(finding));
        }
    }
    let is_tried = excluding.iter().any(|(authority, _)| authority.can_sign(now));
    let Some(latest) = latest(observation, now).filter(|_| !is_tried) else { return Ok(None) };
    match own_client(observation, latest, now) {
        Some(own) => {
            let ended = try_as(&as_it_is(invocation, observation, own)?);
            Ok(if latest.undone.is_none() { let_in(latest, ended) } else { kept_out(latest, ended) })
        }
        None if latest.seen.is_some() => Ok(None),
        None => Ok(Some(untried(latest))),
    }
}

/// Nothing here can try whether the latest change has taken effect.
fn untried(latest: &Revocation) -> Finding {
    let who = whom(latest);
    let meant = if latest.undone.is_none() { "refused" } else { "let in again" };
    let finding = Finding::new(Rule::RevokedNotTried, Severity::Error, &who).expected(meant).found(message!(
        "nothing here can try whether {} is {}: the key of the CA is not here",
        who,
        meant
    ));
    match &latest.client {
        Some(client) => {
            finding.fix(message!("{kitcert} revoke --seen {}   # when you have seen that it is", client))
        }
        None => finding,
    }
}

/// Who is revoked and cannot be tried here.
pub(super) fn not_tried(observation: &Observation, now: Timestamp) -> Vec<NotTried> {
    let record = observation.revocations.as_ref();
    let Some(latest) = record.and_then(|record| record.latest(now)) else { return Vec::new() };
    let has_key = observation.authorities.iter().any(|one| one.record.is_usable() && one.can_sign(now));
    match has_key || own_client(observation, latest, now).is_some() {
        true => Vec::new(),
        false => {
            let why = message!("{}: no key of the CA is here", whom(latest));
            vec![NotTried { dial: Dial::Revoked, why }]
        }
    }
}

/// How the dial of somebody who is to be refused ended.
enum Ended {
    Refused,
    LetIn,
    Undecided(Message),
}

fn stale(name: &IdentityName, ended: Ended) -> Option<Finding> {
    let subject = message!("whoever the current ca.pem of {} excludes", name);
    let finding = |rule, found| Finding::new(rule, Severity::Error, subject).expected("refused").found(found);
    match ended {
        Ended::Refused => None,
        Ended::LetIn => {
            let found = message!("{} does not use its current ca.pem: whom that excludes is let in", name);
            let cause = "it was not restarted since ca.pem changed, or nothing there heeds name constraints";
            Some(finding(Rule::NotRevokedYet, found).cause(cause).fix(message!("{kitcert} rotate {}", name)))
        }
        Ended::Undecided(why) => {
            let found = message!("whether {} uses its current ca.pem came to no verdict: {}", name, why);
            Some(finding(Rule::Inconclusive, found))
        }
    }
}

fn let_in(revocation: &Revocation, ended: Ended) -> Option<Finding> {
    let who = whom(revocation);
    let finding = |rule, severity| Finding::new(rule, severity, &who).expected("refused");
    match ended {
        Ended::Refused => None,
        Ended::LetIn => {
            let found = message!("{} is let in, who is revoked", who);
            Some(finding(Rule::RevokedAccepted, Severity::Critical).found(found))
        }
        Ended::Undecided(why) => {
            let found = message!("whether {} is refused came to no verdict: {}", who, why);
            Some(finding(Rule::Inconclusive, Severity::Error).found(found))
        }
    }
}

/// Who is to get in again.
fn kept_out(revocation: &Revocation, ended: Ended) -> Option<Finding> {
    let who = whom(revocation);
    let finding =
        |rule, found| Finding::new(rule, Severity::Error, &who).expected("let in again").found(found);
    match ended {
        Ended::LetIn => None,
        Ended::Refused => Some(finding(Rule::NotRevokedYet, message!("{} is refused still", who))),
        Ended::Undecided(why) => {
            let found = message!("whether {} is let in came to no verdict: {}", who, why);
            Some(finding(Rule::Inconclusive, found))
        }
    }
}

/// The CAs of a daemon's bundle that exclude somebody, and the name by which that is seen.
fn excluding<'a>(
    observation: &'a Observation,
    current: &ObservedGeneration,
) -> Vec<(&'a ObservedAuthority, DnsName)> {
    let anchors = current.trust.certificates().iter();
    let known = anchors.filter_map(|anchor| {
        let mut all = observation.authorities.iter();
        let authority = all.find(|one| one.certificate.is_of_same_authority(anchor))?;
        Some((authority, Exclusions::canary_in(anchor)?))
    });
    known.collect()
}

fn newest(observation: &Observation, now: Timestamp) -> Option<&Revocation> {
    observation.revocations.iter().flat_map(|record| record.active(now)).last()
}

/// What changed last of a client. Names of nobody that is known here came from what the daemon had already.
fn latest(observation: &Observation, now: Timestamp) -> Option<&Revocation> {
    let record = observation.revocations.as_ref()?;
    record.latest(now).filter(|latest| latest.client.is_some())
}

/// The client whose access was changed, if what it has is here and valid, key and all.
fn own_client<'a>(
    observation: &Observation,
    revocation: &'a Revocation,
    now: Timestamp,
) -> Option<&'a IdentityName> {
    let client = revocation.client.as_ref()?;
    let current = observation.current(Role::Client, client)?;
    let excluded: Exclusions = revocation.excluded.iter().cloned().collect();
    let is_whole = current.key == KeyPresence::Present && current.leaf().validity().contains(now);
    (is_whole && excluded.stop(current.leaf())).then_some(client)
}
