//! The next certificate of an identity: when it is due, with which key and number, and how long it
//! is good.

use super::steps::{AuthorityChoice, KeySource, Signing};
use crate::model::profile::BACKDATING;
use crate::model::{Generation, IdentityName, Lifetime, Role, SubjectAltName, Timestamp, Validity};
use crate::pki::Certificate;
use crate::store::{KeyPresence, Observation, ObservedGeneration};

/// From when a CA of that validity no longer covers the longest new leaf.
pub(super) fn authority_due_from(observation: &Observation, validity: Validity) -> Timestamp {
    validity.not_after.minus(longest_leaf(observation))
}

/// From when until when a certificate is good for its peers: within its issuer's own validity.
pub(super) fn effective_validity(observation: &Observation, leaf: &Certificate) -> Validity {
    let issuer = observation.issuer_of(leaf).map(|issuer| &issuer.certificate);
    issuer.map_or(leaf.validity(), |issuer| leaf.validity().within(issuer.validity()))
}

/// From when the certificate of an identity is due, by its effective end and by what kitcert.yaml
/// says.
pub(super) fn due_from(
    observation: &Observation,
    role: Role,
    name: &IdentityName,
    leaf: &Certificate,
) -> Timestamp {
    let renew_before = observation.inventory.renew_before(role, name);
    renew_before.due_from(effective_validity(observation, leaf), leaf.serial())
}

/// Whether that of its current generation is, or is over.
pub(super) fn is_due(
    observation: &Observation,
    role: Role,
    name: &IdentityName,
    current: &ObservedGeneration,
    now: Timestamp,
) -> bool {
    due_from(observation, role, name, current.leaf()) <= now
}

/// Whether a certificate is for those hosts and no others, in whatever order.
pub(super) fn names_are(leaf: &Certificate, hosts: &[SubjectAltName]) -> bool {
    let sorted = |mut names: Vec<SubjectAltName>| {
        names.sort();
        names
    };
    sorted(leaf.usable_names()) == sorted(hosts.to_vec())
}

/// The longest lifetime that a new leaf of this state would have.
pub(crate) fn longest_leaf(observation: &Observation) -> Lifetime {
    let daemons = observation.inventory.daemons.values().map(|daemon| daemon.lifetime);
    let clients = observation.inventory.clients.values().map(|client| client.lifetime);
    daemons.chain(clients).max().unwrap_or(Lifetime::from_seconds(0))
}

/// A renewal keeps its key, so that a set is consistent even while it is being replaced.
pub(super) fn kept_or_new(current: Option<&ObservedGeneration>, observation: &Observation) -> KeySource {
    match current {
        Some(current) if current.key == KeyPresence::Present => {
            KeySource::Kept { generation: current.number }
        }
        _ => KeySource::New(observation.inventory.leaf_key()),
    }
}

/// The same for a client, whose key may be elsewhere: it is certified again without being seen.
pub(super) fn key_of_client(current: Option<&ObservedGeneration>, observation: &Observation) -> KeySource {
    match current {
        Some(current) if current.key == KeyPresence::Absent => {
            KeySource::Requested(current.leaf().public_key().clone())
        }
        current => kept_or_new(current, observation),
    }
}

pub(super) fn next_generation(observation: &Observation, role: Role, name: &IdentityName) -> Generation {
    Generation::after(observation.identities(role).get(name).and_then(|identity| identity.last_generation))
}

/// From an hour ago for that long, cut to the validity of the CA that will sign.
pub(super) fn validity(
    observation: &Observation,
    signing: &Signing,
    lifetime: Lifetime,
    now: Timestamp,
) -> Validity {
    let issuer = match &signing.issuer {
        AuthorityChoice::Made => None,
        AuthorityChoice::Of(identifier) => observation.authority(identifier),
    };
    let validity = Validity::issued(now, lifetime, BACKDATING);
    issuer.map_or(validity, |issuer| validity.within(issuer.certificate.validity()))
}
