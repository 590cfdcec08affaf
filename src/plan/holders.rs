//! What each client may hold: every certificate of it that may have left this machine, but for what is
//! known to be replaced.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::issuance::effective_validity;
use crate::model::{Failure, Fingerprint, IdentityName, SerialNumber, Timestamp};
use crate::pki::{Certificate, TrustBundle};
use crate::store::{ClientRecord, KeyPresence, Observation, ObservedGeneration, ObservedIdentity, Use};

/// A key that a client may be using, and with which credentials.
#[derive(Debug)]
pub(super) struct Holder<'a> {
    /// The client that holds it.
    pub client: IdentityName,
    /// The SHA-256 of its SubjectPublicKeyInfo.
    pub key: Fingerprint,
    /// What may be in use of it; at least one.
    pub credentials: Vec<MaybeInUse<'a>>,
    /// The daemons that it uses; none for every one.
    pub uses: BTreeSet<Use>,
}

/// Credentials that a client may be using.
#[derive(Debug)]
pub(super) struct MaybeInUse<'a> {
    /// Leaf first.
    pub chain: &'a [Certificate],
    /// The CAs that came with it.
    pub trust: Cow<'a, TrustBundle>,
}

impl MaybeInUse<'_> {
    /// The certificate itself.
    pub(super) fn leaf(&self) -> &Certificate {
        &self.chain[0]
    }
}

/// Every key of every client that is not retired, as of `now`, of an observation of what is in use.
pub(super) fn holders<'a>(observation: &'a Observation, now: Timestamp) -> Vec<Holder<'a>> {
    let nothing = ClientRecord::default();
    let is_revoked = |client: &IdentityName, key: &Fingerprint| {
        let mut active = observation.revocations.iter().flat_map(|record| record.active(now));
        active.any(|one| one.client.as_ref() == Some(client) && one.key.as_ref().is_none_or(|one| one == key))
    };
    let mut of_keys: BTreeMap<(IdentityName, Fingerprint), Holder<'_>> = BTreeMap::new();
    let mut add = |client: &IdentityName, record: &ClientRecord, credentials: MaybeInUse<'a>| {
        let key = credentials.leaf().public_key().fingerprint();
        // Whoever is not to get in is locked out by nothing.
        if is_revoked(client, &key) {
            return;
        }
        let holder = of_keys.entry((client.clone(), key)).or_insert_with(|| Holder {
            client: client.clone(),
            key,
            credentials: Vec::new(),
            uses: record.uses.clone(),
        });
        holder.credentials.push(credentials);
    };
    let is_over = |leaf: &Certificate| effective_validity(observation, leaf).not_after < now;
    let mut known: BTreeSet<&SerialNumber> = BTreeSet::new();
    for (client, identity) in &observation.clients {
        let record = &identity.record;
        for generation in identity.current.iter().chain(&identity.earlier) {
            let leaf = generation.leaf();
            known.insert(leaf.serial());
            let may_be_used = identity.copies.is_unread
                || record.may_use(&leaf.public_key().fingerprint(), generation.number);
            if record.retired.is_none() && !is_over(leaf) && may_be_used {
                let trust = Cow::Borrowed(&generation.trust);
                add(client, record, MaybeInUse { chain: &generation.chain, trust });
            }
        }
        // Whoever has said that it has something newer may be on another machine.
        for set in identity.copies.sets.iter().filter(|set| record.retired.is_none() && !is_over(set.leaf()))
        {
            add(client, record, MaybeInUse { chain: &set.chain, trust: Cow::Borrowed(&set.trust) });
        }
    }
    let begun: BTreeMap<&SerialNumber, Timestamp> =
        observation.issued.iter().map(|leaf| (leaf.serial(), leaf.validity().not_before)).collect();
    for leaf in observation.issued.iter().filter(|leaf| !is_over(leaf) && !known.contains(leaf.serial())) {
        let Some(client) = client_of(leaf) else { continue };
        let identity = observation.clients.get(&client);
        let record = identity.map_or(&nothing, |identity| &identity.record);
        let key = record.keys.get(&leaf.public_key().fingerprint());
        // Its generation is gone or damaged: by its time it came before what is held, or it did not.
        let held = key.and_then(|key| key.held.as_ref()).and_then(|held| begun.get(&held.serial));
        let is_replaced = identity.is_none_or(|identity| !identity.copies.is_unread)
            && (key.is_some_and(|key| key.replaced.is_some())
                || held.is_some_and(|held| leaf.validity().not_before < *held));
        if record.retired.is_none() && !is_replaced {
            // Which CAs came with it nobody knows: whoever may be let in by it is not to be locked out.
            let anchors = observation.authorities.iter().map(|authority| authority.certificate.clone());
            let trust = Cow::Owned(TrustBundle::new(anchors.collect()));
            add(&client, record, MaybeInUse { chain: std::slice::from_ref(leaf), trust });
        }
    }
    of_keys.into_values().collect()
}

/// The files of `issued/` that cannot be read, by name, and why: but for those of certificates that an
/// identity has still.
pub(super) fn unread(observation: &Observation) -> impl Iterator<Item = (&String, &Failure)> {
    let of_identity = |identity: &ObservedIdentity, name: &str| {
        let mut all = identity.current.iter().chain(&identity.worked_before).chain(&identity.earlier);
        all.any(|one| one.leaf().serial().to_string() == name)
    };
    let is_known = move |file: &str| {
        let name = file.strip_suffix(".pem").unwrap_or(file);
        let mut all = observation.daemons.values().chain(observation.clients.values());
        all.any(|identity| of_identity(identity, name))
            || observation.authorities.iter().any(|one| one.certificate.serial().to_string() == name)
    };
    observation.unread.iter().filter(move |(file, _)| !is_known(file))
}

/// The client whose certificate it is.
pub(super) fn client_of(leaf: &Certificate) -> Option<IdentityName> {
    IdentityName::of_client(&leaf.usable_names())
}

/// The keys of a client on this machine that its current one is in the place of.
pub(crate) fn replaced_here(
    name: &IdentityName,
    current: &ObservedGeneration,
    observation: &Observation,
) -> Vec<Fingerprint> {
    let Some(client) = observation.clients.get(name) else { return Vec::new() };
    let key = current.leaf().public_key().fingerprint();
    let is_former = |one: &&ObservedGeneration| {
        one.key == KeyPresence::Present && one.leaf().public_key().fingerprint() != key
    };
    let mut keys: Vec<Fingerprint> =
        client.earlier.iter().filter(is_former).map(|one| one.leaf().public_key().fingerprint()).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}
