//! `revoke daemon/NAME`: somebody else has a daemon's key.
//!
//! Another key is planned for it, and it does not go back to the stolen one. Clients do not check whether its previous
//! certificate was revoked. If that certificate is for clients too, the thief also gets in as a client, and that is
//! remembered.

use std::collections::{BTreeMap, BTreeSet};

use super::issuance::effective_validity;
use super::revoke::covers;
use super::steps::{Plan, StateStep};
use super::stopping::may_have_issued;
use crate::message;
use crate::model::{
    Contact, ExitCode, Failure, Fingerprint, IdentityName, RevocationReason, Role, Timestamp,
};
use crate::pki::{Certificate, judge};
use crate::store::{Observation, ObservedIdentity, Revocation};

/// Plans `revoke` of a daemon, of an observation of what is in use: with a certificate of it that is for clients too,
/// whoever has its key gets in as a client, and no name of it stops that: it has its hosts' names, as other clients may.
///
/// # Errors
/// A daemon that has no certificate.
pub(crate) fn revoke_daemon(
    name: &IdentityName,
    (reason, by): (Option<&RevocationReason>, &Contact),
    observation: &Observation,
    now: Timestamp,
) -> Result<Plan, Failure> {
    if observation.current(Role::Daemon, name).is_none() {
        return Err(Failure::new("revoking daemon", name)
            .expected("a daemon that has a certificate")
            .found(message!("none{}", name.did_you_mean(observation.daemons.keys())))
            .hint("{kitcert} status")
            .exit(ExitCode::Usage));
    }
    let daemon = observation.daemons.get(name);
    if daemon.is_some_and(ObservedIdentity::is_retired) {
        return Err(Failure::new("revoking daemon", name)
            .expected("one that gets another key and is restarted")
            .found("one that is retired")
            .hint(message!("{kitcert} issue daemon {} && {kitcert} revoke daemon/{}", name, name)));
    }
    let given: Vec<&Certificate> =
        daemon.into_iter().flat_map(|one| one.served()).map(|one| one.leaf()).collect();
    let adopted = daemon.and_then(|daemon| daemon.history.adopted);
    // What it was taken over with it may have had when the key was stolen, whichever it has now.
    let is_its = |leaf: &&Certificate| {
        let has_its_key = given.iter().any(|one| one.public_key() == leaf.public_key());
        has_its_key || adopted.is_some_and(|adopted| adopted.leaf == leaf.fingerprint())
    };
    let its = given.iter().copied().chain(observation.issued.iter().filter(is_its));
    let mut of_keys: BTreeMap<Fingerprint, Revocation> = BTreeMap::new();
    for leaf in its {
        let (key, end) = (leaf.public_key().fingerprint(), effective_validity(observation, leaf).not_after);
        let of_key = of_keys.entry(key).or_insert_with(|| Revocation {
            client: None,
            daemon: Some(name.clone()),
            key: Some(key),
            excluded: BTreeSet::new(),
            keys: BTreeMap::new(),
            authorities: BTreeSet::new(),
            pinned: BTreeSet::new(),
            unstopped: BTreeMap::new(),
            reason: reason.cloned(),
            by: by.clone(),
            at: now,
            needed_until: end,
            undone: None,
        });
        of_key.needed_until = of_key.needed_until.max(end);
        let is_for_clients = judge::is_for(leaf, Role::Client) && end >= now;
        for id in may_have_issued(leaf, observation).into_iter().filter(|_| is_for_clients) {
            let last = of_key.unstopped.entry(id).or_insert(end);
            *last = end.max(*last);
        }
    }
    let mut record = observation.revocations.clone().unwrap_or_default();
    let is_noted = |new: &Revocation| {
        let alike = |one: &Revocation| one.daemon == new.daemon && one.key == new.key;
        record.standing().any(|one| alike(one) && covers(&one.unstopped, &new.unstopped))
    };
    let new: Vec<Revocation> = of_keys.into_values().filter(|one| !is_noted(one)).collect();
    if new.is_empty() {
        return Ok(Plan::default());
    }
    record.revocations.extend(new);
    Ok(Plan { state: vec![StateStep::ChangeRevocations(record)], ..Plan::default() })
}

/// Plans `revoke --undo` of a daemon: its key was in nobody else's hands.
///
/// # Errors
/// A daemon whose key was not revoked.
pub(crate) fn undo_daemon(
    name: &IdentityName,
    observation: &Observation,
    now: Timestamp,
) -> Result<Plan, Failure> {
    let mut record = observation.revocations.clone().unwrap_or_default();
    let is_its = |one: &Revocation| one.daemon.as_ref() == Some(name);
    if !record.revocations.iter().any(is_its) {
        return Err(Failure::new("taking back the revocation of daemon", name)
            .expected("a daemon whose key is revoked")
            .found("one whose key is not")
            .hint("{kitcert} status")
            .exit(ExitCode::Usage));
    }
    let standing = record.revocations.iter_mut().filter(|one| is_its(one) && one.undone.is_none());
    let undone = standing.map(|one| one.undone = Some(now)).count();
    let state = (undone > 0).then_some(StateStep::ChangeRevocations(record)).into_iter().collect();
    Ok(Plan { state, ..Plan::default() })
}
