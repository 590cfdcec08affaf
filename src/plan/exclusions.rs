//! What every daemon's bundle excludes: whose access was taken away.
//!
//! The names are in the certificate of each CA that a daemon is given. They follow from revocations.json alone,
//! so that whatever else changes a bundle (a renewal, a rollover, a rollback) excludes the same.

use std::collections::{BTreeMap, BTreeSet};

use crate::message;
use crate::model::{Exclusion, IdentityName, Message, Printable, Timestamp};
use crate::pki::{Certificate, Exclusions, TrustBundle};
use crate::store::{Observation, ObservedIdentity, Revocation};

/// What the bundles of daemons are to exclude now; None where nobody's access was ever taken away.
pub(crate) fn meant(observation: &Observation, now: Timestamp) -> Option<Exclusions> {
    let record = observation.revocations.as_ref()?;
    Some(record.active(now).flat_map(|one| one.excluded.iter().cloned()).collect())
}

/// The certificate of a CA as daemons are given it, without a signature that counts: whoever trusts a
/// certificate does not check it.
pub(super) fn anchor(certificate: &Certificate, meant: Option<&Exclusions>) -> Certificate {
    let excluding = meant.and_then(|meant| certificate.excluding(meant, None).ok());
    excluding.unwrap_or_else(|| certificate.clone())
}

/// Whether a daemon's bundle excludes what it is to, and nothing that somebody has taken back. What is there
/// for certificates that have ended meanwhile may stay.
pub(super) fn is_as_meant(observation: &Observation, trust: &TrustBundle, now: Timestamp) -> bool {
    let Some(meant) = meant(observation, now) else { return true };
    let ended: BTreeSet<&Exclusion> = recorded(observation, |one| one.undone.is_none());
    anchors(observation, trust).all(|anchor| match Exclusions::of(anchor) {
        None => meant.is_empty(),
        Some(has) => {
            meant.iter().all(|one| has.contains(one))
                && has.iter().all(|one| meant.contains(one) || ended.contains(one))
        }
    })
}

/// What a bundle excludes and no record tells of: the state lost it.
pub(super) fn unrecorded(observation: &Observation, trust: &TrustBundle) -> BTreeSet<Exclusion> {
    let known = recorded(observation, |_| true);
    let excluded = anchors(observation, trust).filter_map(Exclusions::of);
    let excluded = excluded.flat_map(|excluded| excluded.iter().cloned().collect::<Vec<_>>());
    excluded.filter(|one| !known.contains(one)).collect()
}

/// Those whose access was taken away and whom a bundle does not exclude.
pub(crate) fn let_in<'a>(
    observation: &'a Observation,
    trust: &TrustBundle,
    now: Timestamp,
) -> Vec<&'a Revocation> {
    let of_anchors: Vec<Option<Exclusions>> = anchors(observation, trust).map(Exclusions::of).collect();
    let is_excluded = |name: &Exclusion| {
        of_anchors.iter().all(|of_anchor| of_anchor.as_ref().is_some_and(|has| has.contains(name)))
    };
    let active = observation.revocations.iter().flat_map(|record| record.active(now));
    active.filter(|one| !one.excluded.iter().all(is_excluded)).collect()
}

/// The daemons that may let somebody in whose access was taken away, and whom. They count for as long as what
/// they may serve is valid, whether or not anybody renews them.
pub(crate) fn pending(
    observation: &Observation,
    now: Timestamp,
) -> BTreeMap<IdentityName, BTreeSet<Message>> {
    let who = |daemon: &ObservedIdentity| -> BTreeSet<Message> {
        let served = daemon.served().filter(|served| served.leaf().validity().not_after >= now);
        served.flat_map(|served| let_in(observation, &served.trust, now)).map(whom).collect()
    };
    let of_daemons = observation.daemons.iter().map(|(name, daemon)| (name.clone(), who(daemon)));
    of_daemons.filter(|(_, who)| !who.is_empty()).collect()
}

/// Whose access a revocation takes away, in words.
pub(crate) fn whom(revocation: &Revocation) -> Message {
    match (&revocation.client, &revocation.key) {
        (Some(client), None) => client.message(),
        (Some(client), Some(key)) => message!("{} with key {}", client, key.short()),
        (None, _) => Message::few(&revocation.excluded, ", "),
    }
}

/// Whether the access of a client was taken away, whatever its key.
pub(crate) fn is_revoked(observation: &Observation, client: &IdentityName, now: Timestamp) -> bool {
    of_client(observation, now, client).is_some()
}

/// By what the access of a client was taken away, whatever its key.
pub(super) fn of_client<'a>(
    observation: &'a Observation,
    now: Timestamp,
    client: &IdentityName,
) -> Option<&'a Revocation> {
    observation.revocations.iter().flat_map(|record| record.active(now)).find(|one| one.is_of_client(client))
}

fn recorded(observation: &Observation, counts: impl Fn(&Revocation) -> bool) -> BTreeSet<&Exclusion> {
    let all = observation.revocations.iter().flat_map(|record| &record.revocations);
    all.filter(|one| counts(one)).flat_map(|one| &one.excluded).collect()
}

/// The certificates of the state's CAs in a bundle: what else is there is trusted for itself alone.
fn anchors<'a>(
    observation: &'a Observation,
    trust: &'a TrustBundle,
) -> impl Iterator<Item = &'a Certificate> {
    let is_known = |anchor: &&Certificate| {
        observation.authorities.iter().any(|one| one.certificate.is_of_same_authority(anchor))
    };
    trust.certificates().iter().filter(is_known)
}
