//! `revoke --undo` and `--seen`: what was revoked counts no more, and what a person saw of it.

use std::collections::BTreeSet;

use super::revoke::in_use;
use super::steps::{Plan, StateStep};
use crate::message;
use crate::model::{
    Contact, Exclusion, ExitCode, Failure, Fingerprint, FingerprintPrefix, IdentityName, Timestamp,
};
use crate::store::{Observation, Revocation, RevocationRecord};

/// What is to be taken back of what was revoked of a client.
#[derive(Clone, Debug)]
pub(crate) struct UndoRequest {
    /// The client.
    pub name: IdentityName,
    /// What was revoked of that key alone; None for what was revoked of the client.
    pub only_key: Option<FingerprintPrefix>,
    /// Whether the client's keys stay revoked, so that it gets in with another one alone.
    pub with_new_key: bool,
    /// Who says so.
    pub by: Contact,
}

/// Plans `revoke --undo`: what was revoked of a client counts no more. What was revoked of a key alone stays, but
/// where that very key is named.
///
/// # Errors
/// A client, or a key, that never was revoked.
pub(crate) fn undo(
    request: &UndoRequest,
    observation: &Observation,
    now: Timestamp,
) -> Result<Plan, Failure> {
    let UndoRequest { name, only_key, with_new_key, by } = request;
    let is_named = |one: &Revocation| match (only_key, &one.key) {
        (None, None) => true,
        (Some(prefix), Some(key)) => prefix.matches(key),
        (Some(_), None) | (None, Some(_)) => false,
    };
    let is_meant = |one: &Revocation| one.client.as_ref() == Some(name) && is_named(one);
    let mut record = observation.revocations.clone().unwrap_or_default();
    let mut kept: Vec<Revocation> = Vec::new();
    let standing = record.revocations.iter().filter(|one| is_meant(one) && one.undone.is_none());
    for one in standing.filter(|_| *with_new_key) {
        kept.extend(of_keys(one, observation, by, now));
    }
    if !record.revocations.iter().any(|one| is_meant(one) && one.undone.is_none()) {
        // What was taken back already and is not in effect yet is to come into effect.
        return match record.revocations.iter().any(is_meant) {
            true => Ok(Plan::default()),
            false => Err(not_revoked(name, &record)),
        };
    }
    for one in record.revocations.iter_mut().filter(|one| is_meant(one) && one.undone.is_none()) {
        one.undone = Some(now);
        // Whoever saw that daemons refuse him has not seen that they let him in.
        one.seen = None;
    }
    record.revocations.extend(kept);
    let was_retired = observation.clients.get(name).is_some_and(|client| client.is_retired());
    let again = (only_key.is_none() && was_retired).then(|| StateStep::WaitAgain(name.clone()));
    let state = std::iter::once(StateStep::ChangeRevocations(record)).chain(again).collect();
    Ok(Plan { state, ..Plan::default() })
}

/// The same revocation, of the client's keys alone: its name may get in again.
fn of_keys(whole: &Revocation, observation: &Observation, by: &Contact, now: Timestamp) -> Vec<Revocation> {
    let own = whole.client.as_ref().map(|client| Exclusion::Dns(client.client_dns_name()));
    let mut left: BTreeSet<Exclusion> =
        whole.excluded.iter().filter(|name| Some(*name) != own.as_ref()).cloned().collect();
    let same = |client: Option<&IdentityName>, key: Option<Fingerprint>, excluded: BTreeSet<Exclusion>| {
        let (client, by) = (client.cloned(), by.clone());
        Revocation { client, key, excluded, by, at: now, seen: None, undone: None, ..whole.clone() }
    };
    let keys =
        in_use(observation, Timestamp::from_unix(0)).into_iter().map(|leaf| leaf.public_key().fingerprint());
    let mut made = Vec::new();
    for key in keys {
        if let Some(name) = left.take(&Exclusion::Dns(key.key_dns_name())) {
            made.push(same(whole.client.as_ref(), Some(key), [name].into()));
        }
    }
    // Names of certificates that this state did not issue.
    let others = (!left.is_empty()).then(|| same(None, None, left));
    made.extend(others);
    made
}

fn not_revoked(name: &IdentityName, record: &RevocationRecord) -> Failure {
    let failure = Failure::new("taking back the revocation of client", name).exit(ExitCode::Usage);
    let mut keys =
        record.standing().filter(|one| one.client.as_ref() == Some(name)).filter_map(|one| one.key);
    if let Some(key) = keys.next() {
        return failure
            .expected("a client that is revoked with every key, or --only-key")
            .found("one of which a key alone is revoked")
            .hint(message!("{kitcert} revoke --undo {} --only-key {}", name, key));
    }
    let revoked = record.standing().filter_map(|one| one.client.clone()).collect::<BTreeSet<_>>();
    failure
        .expected("a client that is revoked")
        .found(message!("one that is not{}", name.did_you_mean(&revoked)))
        .hint("{kitcert} status")
}

/// Plans `revoke --seen`: a person knows that the daemons refuse a client, or let it in again, which nothing
/// here can try.
///
/// # Errors
/// A client that never was revoked.
pub(crate) fn see(name: &IdentityName, observation: &Observation, now: Timestamp) -> Result<Plan, Failure> {
    let is_of_client = |one: &Revocation| one.client.as_ref() == Some(name) && one.needed_until >= now;
    let mut record = observation.revocations.clone().unwrap_or_default();
    let stands = record.revocations.iter().any(|one| is_of_client(one) && one.undone.is_none());
    let is_meant = |one: &Revocation| is_of_client(one) && one.undone.is_none() == stands;
    if !record.revocations.iter().any(is_meant) {
        return Err(Failure::new("noting what daemons do with client", name)
            .expected("a client that is revoked, or was")
            .found("one that is not")
            .hint("{kitcert} status")
            .exit(ExitCode::Usage));
    }
    for one in record.revocations.iter_mut().filter(|one| is_meant(one) && one.seen.is_none()) {
        one.seen = Some(now);
    }
    let is_changed = observation.revocations.as_ref() != Some(&record);
    let state = is_changed.then_some(StateStep::ChangeRevocations(record)).into_iter().collect();
    Ok(Plan { state, ..Plan::default() })
}
