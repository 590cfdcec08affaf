//! `revoke --undo`: what was revoked counts no more.

use std::collections::{BTreeMap, BTreeSet};

use super::access::forget_words;
use super::exclusions::whom;
use super::holders::client_of;
use super::revoke::in_use;
use super::steps::{Plan, StateStep};
use crate::message;
use crate::model::{
    AuthorityId, Contact, Exclusion, ExitCode, Failure, Fingerprint, FingerprintPrefix, IdentityName,
    Message, Printable, Timestamp,
};
use crate::pki::{Certificate, Exclusions};
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

impl UndoRequest {
    /// Whether a revocation is what is to be taken back.
    fn means(&self, one: &Revocation) -> bool {
        let is_named = match (&self.only_key, &one.key) {
            (None, None) => true,
            (Some(prefix), Some(key)) => prefix.matches(key),
            (Some(_), None) | (None, Some(_)) => false,
        };
        one.client.as_ref() == Some(&self.name) && is_named
    }
}

/// Plans `revoke --undo`: what was revoked of a client counts no more. What was revoked of a key alone stays, but
/// where that very key is named.
///
/// # Errors
/// A client, or a key, that never was revoked; with `with_new_key`, a certificate that only the client's name stops.
pub(crate) fn undo(
    request: &UndoRequest,
    observation: &Observation,
    now: Timestamp,
) -> Result<Plan, Failure> {
    let UndoRequest { name, only_key, with_new_key, by } = request;
    let is_meant = |one: &Revocation| request.means(one);
    let mut record = observation.revocations.clone().unwrap_or_default();
    let (standing, undone): (Vec<&Revocation>, Vec<&Revocation>) =
        record.revocations.iter().filter(|one| is_meant(one)).partition(|one| one.undone.is_none());
    if standing.is_empty() && undone.is_empty() {
        return Err(not_revoked(request, &record));
    }
    let mut kept = Vec::new();
    if *with_new_key {
        // Also of what was taken back already, with the keys: they are revoked again.
        let whole =
            if standing.is_empty() { undone.last().into_iter().copied().collect() } else { standing.clone() };
        let of_keys = whole.into_iter().map(|one| of_keys(one, observation, by, now));
        kept = of_keys.collect::<Result<Vec<_>, Failure>>()?.concat();
        let known: BTreeSet<&Exclusion> =
            record.standing().filter(|one| !is_meant(one)).flat_map(|one| &one.excluded).collect();
        kept.retain(|one| !one.excluded.iter().all(|name| known.contains(name)));
    }
    if standing.is_empty() && kept.is_empty() {
        // What was taken back already and is not in effect yet is to come into effect.
        return Ok(Plan::default());
    }
    let mut again: BTreeSet<AuthorityId> = BTreeSet::new();
    for one in record.revocations.iter_mut().filter(|one| is_meant(one) && one.undone.is_none()) {
        one.undone = Some(now);
        again.extend(one.pinned.iter().cloned());
    }
    record.revocations.extend(kept);
    again.retain(|id| !record.standing().any(|one| one.pinned.contains(id)));
    let trusted_again = again.into_iter().map(StateStep::TrustAgain);
    let was_retired = observation.clients.get(name).is_some_and(|client| client.is_retired());
    let waited_for = (only_key.is_none() && was_retired).then(|| StateStep::WaitAgain(name.clone()));
    let changed = std::iter::once(StateStep::ChangeRevocations(record));
    let forgotten = forget_words(observation, name);
    let current = observation.clients.get(name).and_then(|client| client.current.as_ref());
    let is_of_kit = current.is_some_and(|current| {
        let leaf = current.leaf();
        let is_named =
            only_key.as_ref().is_none_or(|prefix| prefix.matches(&leaf.public_key().fingerprint()));
        let issuer = observation.issuer_of(leaf);
        let is_of_use = issuer.is_some_and(|issuer| issuer.record.is_usable());
        is_named && is_of_use && leaf.validity().not_after >= now
    });
    let kit = observation.withdrawn_kits.contains(name) && !with_new_key && is_of_kit;
    let kit = kit.then(|| StateStep::PutBackKit(name.clone()));
    let state = changed.chain(trusted_again).chain(waited_for).chain(kit).chain(forgotten).collect();
    Ok(Plan { state, ..Plan::default() })
}

/// A revocation that stands, and by which whoever was to get in again is refused still.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StillExcluded {
    /// Whose it is.
    pub whom: Message,
    /// The command that takes it back too; None where nobody is known by whose name it could be.
    pub way: Option<Message>,
}

/// The first revocation that stands and excludes a name that was lifted last, other than a key's own: whoever has a
/// certificate with such a name is refused still. With which of its own keys a client does not get in is another matter
/// where it gets in with others.
pub(crate) fn still_excluded(request: &UndoRequest, observation: &Observation) -> Option<StillExcluded> {
    let record = observation.revocations.as_ref()?;
    let lifted = || record.revocations.iter().filter(|one| request.means(one) && one.undone.is_some());
    let last = lifted().map(|one| one.undone).max();
    let lifted = lifted().filter(|one| Some(one.undone) == last).flat_map(|one| &one.excluded);
    let lifted: Vec<&Exclusion> = lifted.filter(|name| name.key().is_none()).collect();
    let is_lifted = |name: &Exclusion| lifted.iter().any(|one| name.excludes(one));
    let counts = |one: &&Revocation| request.only_key.is_some() || one.client.as_ref() != Some(&request.name);
    let mut standing = record.standing().filter(counts);
    let other = standing.find(|one| one.excluded.iter().any(is_lifted))?;
    let way = other.client.as_ref().map(|client| match &other.key {
        Some(key) => message!("{kitcert} revoke --undo {} --only-key {}", client, key),
        None => message!("{kitcert} revoke --undo {}", client),
    });
    Some(StillExcluded { whom: whom(other), way })
}

/// The same revocation, of the client's keys alone: its name may get in again.
///
/// # Errors
/// A certificate that only the client's name stops.
fn of_keys(
    whole: &Revocation,
    observation: &Observation,
    by: &Contact,
    now: Timestamp,
) -> Result<Vec<Revocation>, Failure> {
    let own = whole.client.as_ref().map(|client| Exclusion::Dns(client.client_dns_name()));
    let all: BTreeSet<Exclusion> =
        whole.excluded.iter().filter(|name| Some(*name) != own.as_ref()).cloned().collect();
    let same = |client: Option<&IdentityName>, key: Option<Fingerprint>, excluded: BTreeSet<Exclusion>| {
        let (client, by) = (client.cloned(), by.clone());
        let names = |key: Fingerprint| (key, excluded.clone());
        let keys = key.filter(|key| whole.keys.contains_key(key)).map(names).into_iter().collect();
        let is_of_key = |id: &&AuthorityId| {
            let pin = observation.authority(id);
            pin.is_some_and(|pin| Some(pin.certificate.public_key().fingerprint()) == key)
        };
        let pinned = whole.pinned.iter().filter(is_of_key).cloned().collect();
        let (at, undone, unstopped) = (now, None, BTreeMap::new());
        Revocation { client, key, keys, excluded, by, at, undone, pinned, unstopped, ..whole.clone() }
    };
    let its = in_use(observation, Timestamp::from_unix(0)).into_iter();
    let its: Vec<&Certificate> = its.filter(|leaf| client_of(leaf) == whole.client).collect();
    let mut left = all.clone();
    let mut made = Vec::new();
    for (key, names) in &whole.keys {
        let mut names: BTreeSet<Exclusion> = names.intersection(&all).cloned().collect();
        if names.is_empty() {
            continue;
        }
        names.extend(all.get(&Exclusion::Dns(key.key_dns_name())).cloned());
        left.retain(|name| !names.contains(name));
        made.push(same(whole.client.as_ref(), Some(*key), names));
    }
    for key in its.iter().map(|leaf| leaf.public_key().fingerprint()) {
        if let Some(name) = left.take(&Exclusion::Dns(key.key_dns_name())) {
            made.push(same(whole.client.as_ref(), Some(key), [name].into()));
        }
    }
    // Of certificates that this state did not issue, only the names are known here: as many as there are keys.
    let (keys, names): (Vec<_>, Vec<_>) = left.iter().partition(|name| name.key().is_some());
    let stay: Exclusions = all.into_iter().collect();
    let is_valid = |leaf: &&Certificate| leaf.validity().not_after >= now;
    if keys.len() > names.len() || its.iter().copied().filter(is_valid).any(|leaf| !stay.name(leaf)) {
        let name = whole.client.iter().next().map(Printable::message).unwrap_or_default();
        return Err(Failure::new("letting in with another key alone client", name)
            .expected("certificates that daemons refuse by a name of their own")
            .found("one that they can tell by the client's name alone")
            .hint("invite the person under another name"));
    }
    made.extend((!left.is_empty()).then(|| same(None, None, left)));
    Ok(made)
}

fn not_revoked(request: &UndoRequest, record: &RevocationRecord) -> Failure {
    let name = &request.name;
    let failure = Failure::new("taking back the revocation of client", name).exit(ExitCode::Usage);
    let its: Vec<&Revocation> = record.standing().filter(|one| one.client.as_ref() == Some(name)).collect();
    let keys: Vec<Fingerprint> = its.iter().filter_map(|one| one.key).collect();
    let listed = Message::join(&keys, " and ");
    match (&request.only_key, keys.as_slice()) {
        (Some(_), [_, ..]) => {
            failure.expected(message!("a key that is revoked: {}", listed)).found("another one")
        }
        (Some(_), []) if !its.is_empty() => failure
            .expected("a client of which a key alone is revoked")
            .found("one that is revoked with every key")
            .hint("{kitcert} status"),
        (None, [_, ..]) if request.with_new_key => failure
            .expected("a client that is revoked with every key")
            .found(message!("one that gets in with any key but {}", listed))
            .hint(message!("{kitcert} invite {}", name)),
        (None, [key]) => failure
            .expected("a client that is revoked with every key, or --only-key")
            .found("one of which a key alone is revoked")
            .hint(message!("{kitcert} revoke --undo {} --only-key {}   # lets that key in again", name, key)),
        (None, [_, ..]) => failure
            .expected("a client that is revoked with every key, or --only-key with the key")
            .found(message!("one of which keys alone are revoked: {}", listed)),
        (_, []) => {
            let revoked = record.standing().filter_map(|one| one.client.clone()).collect::<BTreeSet<_>>();
            failure
                .expected("a client that is revoked")
                .found(message!("one that is not{}", name.did_you_mean(&revoked)))
                .hint("{kitcert} status")
        }
    }
}
