//! `revoke`: somebody's access is taken away before the certificate ends.
//!
//! What is planned here is noted; the daemons' bundles follow from it ([`super::exclusions`]), by the rotation
//! that comes next.

use std::collections::{BTreeMap, BTreeSet};

use super::access::{forget_words, rollover_past};
use super::exclusions::{
    end_of_open_authorities, in_force, is_key_revoked, meant, of_client, refuse_forgotten, whom,
};
use super::holders::client_of;
use super::issuance::{effective_validity, longest_leaf};
use super::steps::{Plan, StateStep};
use super::stopping::{
    is_of_many, is_of_open_authority, is_trusted_as_it_is, is_whole_domain, may_have_issued, pin_of,
};
use crate::layout::state_paths::authority_folder;
use crate::message;
use crate::model::profile::{LARGEST_EXCLUSIONS, MOST_EXCLUSIONS};
use crate::model::{
    AuthorityId, Contact, Exclusion, ExitCode, Failure, Fingerprint, FingerprintPrefix, IdentityName,
    Message, Printable, Quoted, RevocationReason, Role, Timestamp,
};
use crate::pki::{Certificate, Exclusions, judge};
use crate::store::{Observation, Revocation};

/// Whose access is to be taken away.
#[derive(Clone, Debug)]
pub(crate) struct RevokeRequest {
    /// The client.
    pub name: IdentityName,
    /// Only the key whose SHA-256 begins so; None for the client, whatever its key.
    pub only_key: Option<FingerprintPrefix>,
    /// Certificates of the client that this state did not issue.
    pub others: Vec<Certificate>,
    /// Why.
    pub reason: Option<RevocationReason>,
    /// Who says so.
    pub by: Contact,
}

/// What a revocation does, and what it cannot do.
#[derive(Clone, Debug, Default)]
pub(crate) struct PlannedRevocation {
    /// The changes of the state; none if it is noted already.
    pub plan: Plan,
    /// The certificates of the client that no name stops, by number, with their ends.
    pub unstopped: Vec<(Message, Timestamp)>,
    /// Those of its certificates that are stopped.
    pub stopped: Vec<Message>,
    /// The certificates of --cert that are of another name, by number and subject.
    pub of_other_names: Vec<Message>,
    /// The names that others of the same CA, whom nobody here knows, may have too.
    pub by_name: BTreeSet<Exclusion>,
    /// The other clients that have one of its keys: whoever has that gets in as each of them.
    pub shares_key_with: BTreeSet<IdentityName>,
    /// What is trusted no more and may have issued certificates: whoever has one of them is refused too.
    pub drops: BTreeSet<Message>,
    /// Whether clients that nobody here knows may have names that cannot be compared with any: the first exclusion
    /// makes Go refuse these.
    pub may_stop_unknown: bool,
    /// Whether some client has a certificate without any name: gRPC's C core refuses all of these once a name
    /// is excluded.
    pub has_nameless: BTreeSet<IdentityName>,
}

/// Plans `revoke`, of an observation of what is in use.
///
/// # Errors
/// A name that no client has, a key that is not one of its, a client that has no certificate that could be in
/// use, an exclusion that would stop others too, and more exclusions than daemons can take.
pub(crate) fn revoke(
    request: &RevokeRequest,
    observation: &Observation,
    now: Timestamp,
) -> Result<PlannedRevocation, Failure> {
    let name = &request.name;
    let failure = || Failure::new("revoking client", name);
    let all = in_use(observation, now);
    let known: Vec<&Certificate> =
        all.iter().copied().filter(|leaf| client_of(leaf).as_ref() == Some(name)).collect();
    refuse_others(request, observation)?;
    let others = request.others.iter().filter(|other| !known.contains(other));
    let its: Vec<&Certificate> = known.iter().copied().chain(others).collect();
    if its.is_empty() {
        return Err(nobody(request, observation, now));
    }
    let only_key = request.only_key.as_ref().map(|prefix| key_of(prefix, &its, name)).transpose()?;
    let is_meant = |leaf: &&&Certificate| only_key.is_none_or(|key| leaf.public_key().fingerprint() == key);
    let stop: Vec<&Certificate> = its.iter().filter(is_meant).copied().collect();
    let is_stopped_already = |leaf: &Certificate| {
        let revoked = meant(observation, now);
        revoked.is_some_and(|revoked| revoked.stop(leaf))
    };
    let stays = |leaf: &&Certificate| !stop.contains(leaf) && !is_stopped_already(leaf);
    let others: Vec<&Certificate> = all.iter().copied().filter(stays).collect();
    let mut excluded: BTreeSet<Exclusion> = BTreeSet::new();
    let spares_others = |name: &Exclusion| {
        let alone = Exclusions::from_iter([name.clone()]);
        !others.iter().any(|other| alone.stop(other))
    };
    let own = Exclusion::Dns(name.client_dns_name());
    if only_key.is_none() && spares_others(&own) {
        excluded.insert(own.clone());
    }
    // Its next certificates have the client's name, too.
    let is_kept = |name: &Exclusion| is_of_many(name) || *name == own;
    let mut planned = PlannedRevocation::default();
    let is_named = |leaf: &Certificate| {
        client_of(leaf).as_ref() == Some(name)
            || leaf.subject().common_name().as_deref() == Some(name.as_str())
    };
    let unlike = stop.iter().filter(|leaf| !is_named(leaf));
    planned.of_other_names = unlike.map(|leaf| message!("{} of {}", leaf.serial(), leaf.subject())).collect();
    let (mut pins, mut left) = (BTreeSet::new(), BTreeMap::new());
    for leaf in &stop {
        // Its key, if that is among its names; else any name that nobody else has.
        let names = Exclusions::candidates(leaf);
        // Also where it is not among its names: whoever has the key gets no other certificate for it.
        let of_key = Exclusion::Dns(leaf.public_key().fingerprint().key_dns_name());
        if only_key.is_some() || spares_others(&of_key) {
            excluded.insert(of_key);
        }
        if let Some(pin) = pin_of(leaf, observation).filter(|pin| pin.record.is_usable()) {
            pins.insert(pin.id.clone());
            planned.drops.extend(pin.certificate.is_authority().then(|| pin.certificate.subject().message()));
            // Of another CA it would get in by that.
            if leaf.is_self_issued() {
                planned.stopped.push(leaf.serial().message());
                continue;
            }
        }
        let with_key = others.iter().filter(|other| other.public_key() == leaf.public_key());
        planned.shares_key_with.extend(with_key.filter_map(|other| client_of(other)));
        // The client's own name may be let in again, and this certificate not.
        let beside = excluded.iter().filter(|name| **name != own).cloned().collect::<Exclusions>();
        if !beside.name(leaf) {
            let is_open = is_of_open_authority(leaf, observation, now);
            let spares_unknown = |name: &Exclusion| !is_open || !is_whole_domain(name);
            let is_fit = |name: &Exclusion| spares_others(name) && !is_kept(name) && spares_unknown(name);
            let name = names.into_iter().find(is_fit);
            planned.by_name.extend(name.clone().filter(|_| is_open));
            excluded.extend(name);
        }
        let described = message!("{}", leaf.serial());
        let is_stopped = excluded.iter().cloned().collect::<Exclusions>().name(leaf);
        // What a daemon trusts as it is excludes nobody, and others of that CA are let in by it.
        match is_stopped && !is_trusted_as_it_is(leaf, observation) {
            true => planned.stopped.push(described),
            false => {
                let end = effective_validity(observation, leaf).not_after;
                planned.unstopped.push((described, end));
                for id in may_have_issued(leaf, observation) {
                    let last = left.entry(id).or_insert(end);
                    *last = end.max(*last);
                }
            }
        }
    }
    let whom_else: BTreeSet<Message> = {
        let together: Exclusions = excluded.iter().cloned().collect();
        others.iter().filter(|other| together.stop(other)).map(|other| described(other)).collect()
    };
    if !whom_else.is_empty() {
        return Err(failure()
            .expected("names that stop nobody else")
            .found(message!("some that stop {} too", Message::few(&whom_else, ", ")))
            .hint(rollover_past(observation, now)));
    }
    if planned.stopped.is_empty() {
        // Names that stop nothing would cost restarts; who gets in still is remembered.
        excluded.clear();
        planned.by_name.clear();
    }
    if planned.stopped.is_empty() && left.is_empty() {
        return Err(failure()
            .expected("a certificate with a name that nobody else has, of a CA that can exclude it")
            .found("none: no daemon can tell it from others, or it is trusted as it is")
            .hint(rollover_past(observation, now)));
    }
    let has_begun = meant(observation, now).is_some();
    planned.may_stop_unknown =
        !has_begun && !excluded.is_empty() && end_of_open_authorities(observation, now).is_some();
    planned.has_nameless = others
        .iter()
        .filter(|leaf| Exclusions::candidates(leaf).is_empty())
        .filter_map(|leaf| client_of(leaf))
        .collect();
    let ends = stop.iter().map(|leaf| effective_validity(observation, leaf).not_after);
    // Of a CA with unknown holders there may be others with those names.
    let ends = ends.chain(end_of_open_authorities(observation, now));
    let mut keys: BTreeMap<Fingerprint, BTreeSet<Exclusion>> = BTreeMap::new();
    for leaf in &stop {
        let names = Exclusions::candidates(leaf).into_iter();
        let names: BTreeSet<_> = names.filter(|name| *name != own && excluded.contains(name)).collect();
        let of_key = keys.entry(leaf.public_key().fingerprint()).or_insert_with(|| names.clone());
        // One that the client's own name alone stops is let in with that.
        match names.is_empty() {
            true => of_key.clear(),
            false if !of_key.is_empty() => of_key.extend(names),
            false => {}
        }
    }
    let issuers = stop.iter().flat_map(|leaf| may_have_issued(leaf, observation));
    let revocation = Revocation {
        client: Some(name.clone()),
        daemon: None,
        key: only_key,
        excluded,
        keys,
        authorities: issuers.collect(),
        pinned: pins,
        unstopped: left,
        reason: request.reason.clone(),
        by: request.by.clone(),
        at: now,
        needed_until: ends.max().unwrap_or(now),
        undone: None,
    };
    let pinned = observation.authorities.iter().filter(|one| one.is_pinned());
    let known = pinned.filter(|one| stop.iter().any(|leaf| one.certificate.has_issued(leaf)));
    planned.plan.state = known.map(|one| StateStep::KnowAsAuthority(one.id.clone())).collect();
    planned.plan.state.extend(steps(revocation, observation, now)?);
    Ok(planned)
}

/// Refuses to issue to a client whose access was taken away, or for a key of it that is revoked.
///
/// # Errors
/// Such a client, or key, and a state that has lost who is revoked.
pub(super) fn refuse_revoked(
    doing: &'static str,
    name: &IdentityName,
    key: Option<&Fingerprint>,
    observation: &Observation,
) -> Result<(), Failure> {
    let failure = || Failure::new(doing, name);
    refuse_forgotten(observation)?;
    if let Some(revocation) = of_client(observation, name) {
        return Err(failure()
            .expected("a client whose access was not taken away")
            .found(message!("one that is revoked since {}", revocation.at.minute()))
            .hint(message!(
                "{kitcert} revoke --undo {} --new-key   # if it is to get in again, with another key alone",
                name
            )));
    }
    match key.filter(|key| is_key_revoked(key, observation)) {
        None => Ok(()),
        Some(key) => Err(failure()
            .expected("a key that is not revoked")
            .found(message!("{}, which is", key))
            .hint(message!("{kitcert} issue client {} --new-key", name))),
    }
}

/// Refuses a certificate that is nobody's whose access is to be taken away.
fn refuse_others(request: &RevokeRequest, observation: &Observation) -> Result<(), Failure> {
    let failure = || Failure::new("revoking client", &request.name).exit(ExitCode::Usage);
    for other in &request.others {
        if !judge::is_for(other, Role::Client) {
            return Err(failure()
                .expected("a certificate of the client in --cert")
                .found("one that is for daemons alone, with which no client gets in"));
        }
        if other.is_authority() && pin_of(other, observation).is_none() {
            return Err(failure()
                .expected("a certificate of the client in --cert")
                .found(message!("that of the CA {}", other.subject())));
        }
        let is_known = |client: &IdentityName| {
            observation.clients.contains_key(client) || observation.inventory.clients.contains_key(client)
        };
        let whose = client_of(other).filter(|client| *client != request.name && is_known(client));
        if let Some(client) = whose {
            return Err(failure()
                .expected("a certificate of the client in --cert")
                .found(message!("one of client {}, which is revoked by its own name", client)));
        }
    }
    Ok(())
}

/// Whether what is noted of certificates that no name stops says all that is to be noted now.
pub(super) fn covers(
    noted: &BTreeMap<AuthorityId, Timestamp>,
    new: &BTreeMap<AuthorityId, Timestamp>,
) -> bool {
    new.iter().all(|(id, end)| noted.get(id) >= Some(end))
}

fn steps(
    revocation: Revocation,
    observation: &Observation,
    now: Timestamp,
) -> Result<Vec<StateStep>, Failure> {
    let Some(name) = revocation.client.clone() else { return Ok(Vec::new()) };
    let mut record = observation.revocations.clone().unwrap_or_default();
    let is_same = |one: &&Revocation| {
        one.client == revocation.client
            && one.key == revocation.key
            && one.is_active(now)
            && one.excluded.is_superset(&revocation.excluded)
            && one.authorities.is_superset(&revocation.authorities)
            && one.pinned.is_superset(&revocation.pinned)
            && covers(&one.unstopped, &revocation.unstopped)
            && one.needed_until >= revocation.needed_until
    };
    let is_trusted = |id: &&AuthorityId| observation.authority(id).is_some_and(|one| one.record.is_usable());
    let dropped = revocation.pinned.iter().filter(is_trusted).cloned().map(StateStep::DropAuthority);
    let mut state: Vec<StateStep> = dropped.collect();
    let only_key = revocation.key;
    if !record.active(now).any(|one| is_same(&one)) {
        let names = in_force(observation, now).flat_map(|one| &one.excluded);
        let together: Exclusions = names.chain(&revocation.excluded).cloned().collect();
        // This state may be a copy from before the client was renewed.
        let needed_until = revocation.needed_until.max(now.plus(longest_leaf(observation)));
        record.revocations.push(Revocation { needed_until, ..revocation });
        if together.len() > MOST_EXCLUSIONS || together.der_len() > LARGEST_EXCLUSIONS {
            return Err(Failure::new("revoking client", name)
                .expected(message!("at most {} names that daemons exclude", MOST_EXCLUSIONS))
                .found(together.len().message())
                .hint(rollover_past(observation, now)));
        }
        state.push(StateStep::ChangeRevocations(record));
        state.extend(forget_words(observation, &name));
    }
    let client = observation.clients.get(&name);
    let current = client.and_then(|client| client.current.as_ref());
    // The kit of another key is for whoever is to get in with that.
    let is_of_it = only_key
        .is_none_or(|key| current.is_none_or(|current| current.leaf().public_key().fingerprint() == key));
    if is_of_it && observation.waiting_kits.contains(&name) {
        state.push(StateStep::WithdrawKit(name.clone()));
    }
    if only_key.is_none() && client.is_some_and(|client| !client.is_retired()) {
        state.push(StateStep::Retire(Role::Client, name));
    }
    Ok(state)
}

/// Every certificate of a client that may be in use, of whomever.
pub(super) fn in_use(observation: &Observation, now: Timestamp) -> Vec<&Certificate> {
    let mut all: Vec<&Certificate> = Vec::new();
    let of_clients = observation.clients.values().flat_map(|client| {
        let sets = client.current.iter().chain(&client.earlier).chain(&client.copies.sets);
        sets.map(|set| set.leaf())
    });
    let issued = observation.issued.iter().filter(|leaf| client_of(leaf).is_some());
    for leaf in of_clients.chain(issued) {
        if effective_validity(observation, leaf).not_after >= now && !all.contains(&leaf) {
            all.push(leaf);
        }
    }
    all
}

/// Every certificate of a client that is to get in and may be in use, with the client.
pub(crate) fn clients_in_use(observation: &Observation, now: Timestamp) -> Vec<(IdentityName, &Certificate)> {
    let of_clients = in_use(observation, now).into_iter().filter_map(|leaf| Some((client_of(leaf)?, leaf)));
    of_clients.filter(|(client, _)| of_client(observation, client).is_none()).collect()
}

/// The only key of a client that begins so.
fn key_of(
    prefix: &FingerprintPrefix,
    its: &[&Certificate],
    name: &IdentityName,
) -> Result<Fingerprint, Failure> {
    let keys: BTreeSet<Fingerprint> = its.iter().map(|leaf| leaf.public_key().fingerprint()).collect();
    let meant: Vec<&Fingerprint> = keys.iter().filter(|key| prefix.matches(key)).collect();
    match meant.as_slice() {
        [key] => Ok(**key),
        _ => Err(Failure::new("revoking a key of client", name)
            .expected(Message::join(&keys, " or "))
            .found(if meant.is_empty() { "another key" } else { "the beginning of several" })
            .exit(ExitCode::Usage)),
    }
}

fn nobody(request: &RevokeRequest, observation: &Observation, now: Timestamp) -> Failure {
    let name = &request.name;
    let failure = Failure::new("revoking client", name);
    let is_known = observation.clients.contains_key(name) || observation.inventory.clients.contains_key(name);
    match is_known {
        true => failure
            .expected("a certificate of it that is still valid")
            .found(match of_client(observation, name) {
                Some(revocation) => message!("{}, which is revoked already", whom(revocation)),
                None => message!("none: nobody gets in as {}", name),
            })
            .hint("{kitcert} status"),
        false => {
            let known = observation.clients.keys().chain(observation.inventory.clients.keys());
            let failure = failure
                .expected("a client of this state")
                .found(message!("another name{}", name.did_you_mean(known)))
                .exit(ExitCode::Usage);
            let is_daemon = observation.daemons.contains_key(name);
            // What a bundle names is called by nothing but its own subject.
            let mut pinned = observation.authorities.iter().filter(|one| one.is_pinned());
            let pin =
                pinned.find(|one| one.certificate.subject().common_name().as_deref() == Some(name.as_str()));
            if let Some(pin) = pin {
                let file = observation.path.join(authority_folder(&pin.id)).join("ca.pem");
                return failure.hint(message!("{kitcert} revoke {} --cert {}", name, Quoted(file.display())));
            }
            failure.hint(match (is_daemon, end_of_open_authorities(observation, now)) {
                (true, _) => message!("{kitcert} revoke daemon/{}", name),
                (false, Some(_)) => {
                    message!("a client of a CA that was taken over: name its certificate with --cert, too")
                }
                (false, None) => message!("{kitcert} status"),
            })
        }
    }
}

fn described(leaf: &Certificate) -> Message {
    match client_of(leaf) {
        Some(client) => client.message(),
        None => leaf.subject().message(),
    }
}
