//! `status`: what exists, when it ends, and what needs attention.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::access::{awaits_word, is_restarted, pending, unstoppable};
use super::exclusions::{is_key_revoked, is_revoked, whom};
use super::fault::{fault_of, is_faulty};
use super::identity_state::IdentityState;
use super::issuance::{authority_due_from, due_from, effective_validity, names_are};
use super::kit::issuer_of_kit;
use super::verification::{VerificationState, verification};
use crate::layout::Acceptance;
use crate::message;
use crate::model::{
    DnsName, Failure, Hex, IdentityName, Lifetime, Message, Printable, Role, Timestamp, Validity, Word,
};
use crate::pki::Certificate;
use crate::store::{AuthorityOrigin, Observation, ObservedAuthority, ObservedIdentity, Revocation};

/// One row of `status`: a CA, a daemon or a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct StatusRow {
    /// `ca`, `daemon` or `client`.
    pub kind: &'static str,
    /// A CA's key identifier, shortened; an identity's name; of a client that this state does not know, and of one of
    /// whom a key alone is revoked, who is revoked.
    pub name: Message,
    /// When it ends: the earliest of itself and its issuer. RFC 3339.
    pub expires: Option<Timestamp>,
    /// From when it is due: for renewal, or a CA for its successor. RFC 3339.
    pub due: Option<Timestamp>,
    /// Seconds until it ends; negative when it is over.
    pub seconds_left: Option<i64>,
    /// The issuer's key identifier, shortened, or `self`.
    pub issuer: Message,
    /// How it stands.
    pub state: IdentityState,
    /// Why something of it cannot be read, or why others can read its key; null where nothing is wrong with its files.
    pub fault: Option<Message>,
    /// The command that fixes that.
    #[serde(rename = "try")]
    pub remedy: Option<Message>,
    /// That kitcert.yaml accepts this, if it does.
    pub accepted: Option<Message>,
    /// Of a client whose kit waits, the fingerprint of the kit's CA in words: `join` may ask for it.
    pub authority_words: Option<Message>,
    /// Of a daemon, whether its current generation may be called verified. None if no verification is
    /// known, and of others.
    pub verified: Option<bool>,
    /// Of a daemon, its last verification.
    pub verification: Option<LastVerification>,
    /// Which identity it is; None for a CA.
    #[serde(skip)]
    pub identity: Option<(Role, IdentityName)>,
    /// From when until when it is good, within its issuer's own validity; None: it has no
    /// certificate.
    #[serde(skip)]
    pub validity: Option<Validity>,
}

impl StatusRow {
    /// Whether `status --check` and a rotation have something to do about it that nobody accepts.
    #[must_use]
    pub(crate) fn needs_attention(&self) -> bool {
        self.state.needs_attention() && self.accepted.is_none()
    }
}

/// The last verification of a daemon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct LastVerification {
    /// When, RFC 3339.
    pub verified_at: Timestamp,
    /// How many seconds ago; negative if that is in the future.
    pub seconds_ago: i64,
    /// From where.
    pub vantage: VerificationVantage,
    /// Which dials there were no means for.
    pub not_tried: Vec<Message>,
    /// Why it does not count any more; None if it does.
    pub stale: Option<Message>,
}

/// From where a daemon was verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct VerificationVantage {
    /// What that machine calls itself.
    pub host: Message,
    /// The effective user id.
    pub uid: u32,
}

/// Every CA, daemon and client of the state as of `now`, in that order, by name. Of the clients whose
/// kits wait, `in_use` has the certificate that they use until they have joined theirs.
#[must_use]
pub(crate) fn status(
    observation: &Observation,
    in_use: &BTreeMap<IdentityName, Certificate>,
    now: Timestamp,
) -> Vec<StatusRow> {
    let authorities = observation.authorities.iter().map(|authority| {
        let validity = authority.certificate.validity();
        let due = authority_due_from(observation, validity);
        let state = match end_state(validity, now) {
            _ if !authority.record.is_usable() => IdentityState::Retired,
            // What nothing is issued by is not renewed either: its clients go when it ends.
            IdentityState::Expired if is_adopted(authority) => IdentityState::Retired,
            IdentityState::Ok if due < now && !is_adopted(authority) => IdentityState::Due,
            state => state,
        };
        let fault = authority.key_fault.as_ref().filter(|_| authority.record.is_usable());
        let state = if fault.is_some() { IdentityState::Unreadable } else { state };
        let window = Some((validity, due));
        StatusRow {
            fault: fault.map(Failure::message),
            remedy: fault.and_then(|fault| fault.remedy()).map(|remedy| remedy.parted().0),
            ..row("ca", authority.id.short(), window, message!("self"), state, now)
        }
    });
    let identities =
        [Role::Daemon, Role::Client].into_iter().flat_map(|role| rows_of(observation, role, in_use, now));
    authorities.chain(identities).chain(others_revoked(observation, now)).collect()
}

/// Whoever is revoked and is no row of a client: one whom this state did not issue to, and a key alone.
fn others_revoked(observation: &Observation, now: Timestamp) -> impl Iterator<Item = StatusRow> + '_ {
    let is_row = |one: &Revocation| {
        let on_disk = one.client.as_ref().map(|name| observation.clients.contains_key(name));
        one.key.is_none() && on_disk == Some(true)
    };
    let active = observation.revocations.iter().flat_map(move |record| record.active(now));
    active
        .filter(move |one| !is_row(one) && (one.daemon.is_none() || !one.unstopped.is_empty()))
        .map(move |one| row("client", whom(one), None, message!("-"), IdentityState::Revoked, now))
}

fn rows_of(
    observation: &Observation,
    role: Role,
    in_use: &BTreeMap<IdentityName, Certificate>,
    now: Timestamp,
) -> Vec<StatusRow> {
    let kind = match role {
        Role::Daemon => "daemon",
        Role::Client => "client",
    };
    let listed: Vec<&IdentityName> = match role {
        Role::Daemon => observation.inventory.daemons.keys().collect(),
        Role::Client => observation.inventory.clients.keys().collect(),
    };
    let on_disk = observation.identities(role);
    let (lets_in, unstoppable) = (pending(observation, now), unstoppable(observation, None, now));
    let faulty = on_disk.keys().filter_map(|name| {
        let fault = fault_of(role, name, observation)?;
        Some(StatusRow {
            identity: Some((role, name.clone())),
            fault: Some(fault.message()),
            remedy: fault.remedy().map(|remedy| remedy.parted().0),
            ..row(kind, name.message(), None, message!("-"), IdentityState::Unreadable, now)
        })
    });
    let is_missing = |identity: &ObservedIdentity| identity.current.is_none() && !is_faulty(identity);
    let missing = listed.iter().filter(|name| on_disk.get(**name).is_none_or(is_missing));
    let missing = missing.map(|name| StatusRow {
        identity: Some((role, (*name).clone())),
        ..row(kind, name.message(), None, message!("-"), IdentityState::NotIssued, now)
    });
    let sound = on_disk.iter().filter(|(_, identity)| !is_faulty(identity));
    let issued = sound.filter_map(|(name, identity)| {
        let current = identity.current.as_ref()?;
        let leaf = current.leaf();
        let validity = effective_validity(observation, leaf);
        let is_listed = listed.binary_search(&name).is_ok();
        let due_from = due_from(observation, role, name, leaf);
        let verification = (role == Role::Daemon).then(|| verification(observation, name, now));
        let is_verified = verification.as_ref().is_none_or(VerificationState::is_verified);
        let state = identity_state(is_verified, validity, due_from, now);
        let state = state.max(hosts_state(observation, role, name, leaf));
        let waits = role == Role::Client && observation.waiting_kits.contains(name);
        let state = if waits { state.max(kit_state(observation, name, in_use, now)) } else { state };
        let state = state.max(renewal_state(observation, leaf, validity, now));
        let state = if is_of_no_use(observation, leaf) { state.max(IdentityState::Due) } else { state };
        let state = match (identity.is_retired(), is_listed) {
            _ if role == Role::Daemon && lets_in.contains_key(name) => {
                match awaits_word(observation, name, now) {
                    true => IdentityState::RefusalNotTried,
                    // It can be tried now.
                    false if is_restarted(observation, name, now) => state.max(IdentityState::NotVerified),
                    false => IdentityState::LetsInRevoked,
                }
            }
            _ if role == Role::Daemon && unstoppable.contains_key(name) => IdentityState::LetsInRevoked,
            _ if role == Role::Client && is_revoked(observation, name) => IdentityState::Revoked,
            (true, _) => IdentityState::Retired,
            // Nobody renews it, and whoever has removed it knows that it ends.
            (false, false) if waits => IdentityState::KitWaiting,
            (false, false) => IdentityState::NotListed,
            (false, true) if is_key_revoked(&leaf.public_key().fingerprint(), observation) => {
                IdentityState::KeyRevoked
            }
            (false, true) => state,
        };
        let exposed = identity.exposed.as_ref().filter(|_| !identity.is_retired());
        let state = if exposed.is_some() { state.max(IdentityState::KeyExposed) } else { state };
        // What is graver has a remedy of its own.
        let exposed = exposed.filter(|_| state == IdentityState::KeyExposed);
        let issuer = leaf.authority_key_identifier().map_or_else(|| message!("-"), hex_short);
        let row = row(kind, name.message(), Some((validity, due_from)), issuer, state, now);
        let verification = verification.and_then(|state| last_verification(&state, now));
        let verified = verification.as_ref().map(|last| last.stale.is_none());
        let authority_words = waits.then(|| issuer_of_kit(name, observation)).flatten();
        let authority_words = authority_words.map(|one| one.certificate.fingerprint().words());
        Some(StatusRow {
            fault: exposed.map(Failure::message),
            remedy: exposed.and_then(|fault| fault.remedy()).map(|remedy| remedy.parted().0),
            authority_words,
            verified,
            verification,
            identity: Some((role, name.clone())),
            ..row
        })
    });
    let accepted = |row: StatusRow| {
        let of = row.identity.as_ref().zip(row.state.rule());
        // Whoever waits for a kit is out once the certificate in use has ended.
        let of = of.filter(|_| row.state != IdentityState::KitOverdue);
        let acceptance = of.and_then(|((role, name), rule)| {
            observation.inventory.accepted((*role, name), (rule, &row.state.message()), now)
        });
        StatusRow { accepted: acceptance.map(Acceptance::message), ..row }
    };
    let mut rows: Vec<StatusRow> = missing.chain(issued).chain(faulty).map(accepted).collect();
    rows.sort_by(|one, other| one.name.cmp(&other.name));
    rows
}

fn last_verification(state: &VerificationState<'_>, now: Timestamp) -> Option<LastVerification> {
    let (record, stale) = match state {
        VerificationState::Verified(record) => (record, None),
        VerificationState::Stale(record, why) => (record, Some(why.message())),
        VerificationState::Unknown => return None,
    };
    Some(LastVerification {
        verified_at: record.verified_at,
        seconds_ago: now.seconds_since(record.verified_at),
        vantage: VerificationVantage { host: printed_host(&record.vantage.host), uid: record.vantage.uid },
        not_tried: record.not_tried.iter().map(|dial| Word(dial).message()).collect(),
        stale,
    })
}

/// A host name as it is; whatever else a machine calls itself, by its length.
fn printed_host(host: &str) -> Message {
    host.parse::<DnsName>().map_or_else(|_| Word(host).message(), |name| name.message())
}

/// Whether a CA came with a daemon that was taken over, without its key.
fn is_adopted(authority: &ObservedAuthority) -> bool {
    authority.record.origin == AuthorityOrigin::Adopted
}

fn identity_state(
    is_verified: bool,
    validity: Validity,
    due_from: Timestamp,
    now: Timestamp,
) -> IdentityState {
    let by_date = match end_state(validity, now) {
        IdentityState::Ok if due_from <= now => IdentityState::Due,
        state => state,
    };
    let by_verification = if is_verified { IdentityState::Ok } else { IdentityState::NotVerified };
    by_date.max(by_verification)
}

/// How urgent it is that a client gets the kit that waits for it.
fn kit_state(
    observation: &Observation,
    name: &IdentityName,
    in_use: &BTreeMap<IdentityName, Certificate>,
    now: Timestamp,
) -> IdentityState {
    // One that has nothing yet loses nothing.
    let Some(leaf) = in_use.get(name) else { return IdentityState::KitWaiting };
    let end = effective_validity(observation, leaf).not_after;
    let window = end.seconds_since(due_from(observation, Role::Client, name, leaf)).max(0);
    match end.seconds_since(now) {
        left if left < 0 => IdentityState::KitOverdue,
        left if left < window / 2 => IdentityState::KitEnding,
        _ => IdentityState::KitWaiting,
    }
}

/// Whether somebody can renew a certificate before it ends.
fn renewal_state(
    observation: &Observation,
    leaf: &Certificate,
    validity: Validity,
    now: Timestamp,
) -> IdentityState {
    let issuer = observation.issuer_of(leaf).filter(|issuer| issuer.record.is_usable());
    let can_renew = match (&observation.rollover, issuer) {
        (None, _) => observation.issuing_authority(now).is_some(),
        (Some(_), issuer) => issuer.is_some_and(|issuer| issuer.can_sign(now)),
    };
    let ends_soon = validity.not_after.seconds_since(now) < NOT_RENEWABLE_WITHIN.seconds();
    match !can_renew && ends_soon && validity.not_after >= now {
        true => IdentityState::NotRenewable,
        false => IdentityState::Ok,
    }
}

/// Whether a certificate is of a CA that gave way to another: no daemon trusts it any more.
fn is_of_no_use(observation: &Observation, leaf: &Certificate) -> bool {
    let issuer = observation.issuer_of(leaf);
    observation.rollover.is_none() && issuer.is_some_and(|issuer| !issuer.record.is_usable())
}

/// A certificate for other hosts than kitcert.yaml lists was issued before it was edited.
fn hosts_state(
    observation: &Observation,
    role: Role,
    name: &IdentityName,
    leaf: &Certificate,
) -> IdentityState {
    let listed = observation.inventory.daemons.get(name).filter(|_| role == Role::Daemon);
    match listed {
        Some(daemon) if !names_are(leaf, &daemon.hosts) => IdentityState::HostsChanged,
        _ => IdentityState::Ok,
    }
}

fn end_state(validity: Validity, now: Timestamp) -> IdentityState {
    if now > validity.not_after {
        IdentityState::Expired
    } else if now < validity.not_before {
        IdentityState::NotYetValid
    } else {
        IdentityState::Ok
    }
}

pub(super) fn row(
    kind: &'static str,
    name: Message,
    window: Option<(Validity, Timestamp)>,
    issuer: Message,
    state: IdentityState,
    now: Timestamp,
) -> StatusRow {
    let validity = window.map(|(validity, _)| validity);
    StatusRow {
        kind,
        name,
        due: window.map(|(_, due)| due),
        expires: validity.map(|validity| validity.not_after),
        seconds_left: validity.map(|validity| validity.not_after.seconds_since(now)),
        issuer,
        state,
        fault: None,
        remedy: None,
        accepted: None,
        authority_words: None,
        verified: None,
        verification: None,
        identity: None,
        validity,
    }
}

pub(super) fn hex_short(octets: &[u8]) -> Message {
    Hex(octets.get(..4).unwrap_or(octets)).message()
}

/// How long before its end it is said that a certificate cannot be renewed.
const NOT_RENEWABLE_WITHIN: Lifetime = Lifetime::days(30);
