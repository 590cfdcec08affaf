//! `revoke daemon/NAME`: somebody else has a daemon's key.
//!
//! Its next certificate has another key. No client asks anybody whether the previous one still counts; but where that
//! is for clients too, as of hand-made PKIs, whoever has the key also gets in with it, and that is noted.

use std::collections::{BTreeMap, BTreeSet};

use super::issuance::effective_validity;
use super::steps::{Plan, StateStep};
use crate::message;
use crate::model::{
    AuthorityId, Contact, ExitCode, Failure, IdentityName, RevocationReason, Role, Timestamp,
};
use crate::pki::judge;
use crate::store::{Observation, Revocation};

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
    let Some(current) = observation.current(Role::Daemon, name) else {
        return Err(Failure::new("revoking daemon", name)
            .expected("a daemon that has a certificate")
            .found(message!("none{}", name.did_you_mean(observation.daemons.keys())))
            .hint("{kitcert} status")
            .exit(ExitCode::Usage));
    };
    let key = current.leaf().public_key();
    let with_key = observation.issued.iter().filter(|leaf| leaf.public_key() == key);
    let mut unstopped: BTreeMap<AuthorityId, Timestamp> = BTreeMap::new();
    for leaf in
        std::iter::once(current.leaf()).chain(with_key).filter(|leaf| judge::is_for(leaf, Role::Client))
    {
        let end = effective_validity(observation, leaf).not_after;
        if let Some(issuer) = observation.issuer_of(leaf).filter(|_| end >= now) {
            let last = unstopped.entry(issuer.id.clone()).or_insert(end);
            *last = end.max(*last);
        }
    }
    let mut record = observation.revocations.clone().unwrap_or_default();
    let Some(needed_until) = unstopped.values().max().copied() else { return Ok(Plan::default()) };
    let is_same = |one: &Revocation| one.daemon.as_ref() == Some(name) && one.unstopped == unstopped;
    if record.standing().any(is_same) {
        return Ok(Plan::default());
    }
    record.revocations.push(Revocation {
        client: None,
        daemon: Some(name.clone()),
        key: Some(key.fingerprint()),
        excluded: BTreeSet::new(),
        authorities: BTreeSet::new(),
        pinned: BTreeSet::new(),
        unstopped,
        reason: reason.cloned(),
        by: by.clone(),
        at: now,
        needed_until,
        undone: None,
    });
    Ok(Plan { state: vec![StateStep::ChangeRevocations(record)], ..Plan::default() })
}
