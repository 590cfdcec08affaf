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
    let try_as = |client: &Client, meant| {
        let (observed, is_refused) = decided(invocation, client, endpoint, (options, until), meant);
        match observed.dials().last().map(|dialed| (dialed.outcome, dialed.message())) {
            Some((Outcome::Refused(_), _)) => Ended::Refused,
            Some((Outcome::RefusedByEnd, _)) if is_refused => Ended::Refused,
            Some((Outcome::Open | Outcome::LetIn | Outcome::Accepted, _)) => Ended::LetIn,
            Some((_, why)) => Ended::Undecided(why),
            None => Ended::Undecided(message!("it was not dialed")),
        }
    };
    let as_named = |authority: &ObservedAuthority, name: &DnsName, meant| {
        let name = SubjectAltName::Dns(name.clone());
        named(invocation, observation, authority, name).map(|client| try_as(&client, meant))
    };
    let excluding = excluding(observation, current);
    for (authority, canary) in excluding.iter().filter(|(authority, _)| authority.can_sign(now)) {
        if let Some(finding) = stale(name, as_named(authority, canary, Meant::Refused)?) {
            return Ok(Some(finding));
        }
        let Some(newest) = newest(observation, now) else { continue };
        let excluded = newest.excluded.iter().find_map(dns_name);
        if let Some(excluded) = excluded
            && let Some(finding) = let_in(newest, as_named(authority, excluded, Meant::Refused)?)
        {
            return Ok(Some(finding));
        }
    }
    let Some(latest) = latest(observation, now) else { return Ok(None) };
    if let (Some(authority), Some(name)) = (signer(observation, current, now), lifted(observation, latest)) {
        return Ok(kept_out(latest, as_named(authority, name, Meant::LetIn)?));
    }
    if excluding.iter().any(|(authority, _)| authority.can_sign(now)) {
        return Ok(None);
    }
    match own_client(observation, latest, now) {
        Some(own) => {
            let client = as_it_is(invocation, observation, own)?;
            Ok(match latest.undone {
                None => let_in(latest, try_as(&client, Meant::Refused)),
                Some(_) => kept_out(latest, try_as(&client, Meant::LetIn)),
            })
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

/// A CA of a daemon's bundle that can sign.
fn signer<'a>(
    observation: &'a Observation,
    current: &ObservedGeneration,
    now: Timestamp,
) -> Option<&'a ObservedAuthority> {
    let mut all = observation.authorities.iter().filter(|one| one.record.is_usable() && one.can_sign(now));
    all.find(|one| {
        current.trust.certificates().iter().any(|anchor| one.certificate.is_of_same_authority(anchor))
    })
}

/// A name that was excluded for what has been taken back, and is not for anything else.
fn lifted<'a>(observation: &Observation, latest: &'a Revocation) -> Option<&'a DnsName> {
    let standing: Vec<&Exclusion> = observation
        .revocations
        .iter()
        .flat_map(|record| record.standing())
        .flat_map(|one| &one.excluded)
        .collect();
    let is_free = |name: &&Exclusion| !standing.iter().any(|excluded| excluded.covers(name));
    latest.excluded.iter().filter(|_| latest.undone.is_some()).filter(is_free).find_map(dns_name)
}

fn dns_name(name: &Exclusion) -> Option<&DnsName> {
    match name {
        Exclusion::Dns(name) => Some(name),
        Exclusion::Ip(_) | Exclusion::Email(_) | Exclusion::Uri(_) => None,
    }
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
    (is_whole && excluded.name(current.leaf())).then_some(client)
}
