//! `status --timeline`: from when until when each certificate opens a door.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::issuance::{authority_due_from, due_from, effective_validity};
use super::status::{StatusRow, hex_short};
use crate::message;
use crate::model::{IdentityName, Message, Printable, Role, Timestamp, Validity};
use crate::pki::Certificate;
use crate::store::Observation;

/// The time in which a certificate is good, of one that is in use or of those that it replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Window {
    /// `ca`, `daemon` or `client`.
    pub kind: &'static str,
    /// A CA's key identifier, shortened; an identity's name.
    pub name: Message,
    /// The issuer's key identifier, shortened, or `self`; of several, each.
    pub issuer: Message,
    /// From when. RFC 3339.
    #[serde(rename = "from")]
    pub begin: Timestamp,
    /// Until when: the earliest of itself and its issuer. RFC 3339.
    #[serde(rename = "until")]
    pub end: Timestamp,
    /// From when it is due; None for what nobody renews.
    pub due: Option<Timestamp>,
    /// How many certificates of an identity were replaced and are still good; 0 for the one that is
    /// in use.
    pub previous: usize,
}

impl Window {
    /// Whether it is of that row of `status`, and in use.
    #[must_use]
    pub(crate) fn is_of(&self, row: &StatusRow) -> bool {
        (self.kind, &self.name, self.previous) == (row.kind, &row.name, 0)
    }
}

/// The windows of every CA, and of every identity what is in use, then what it replaced and is
/// still good at `now`, of an observation of what is in use. A certificate of a CA that nothing trusts any
/// more is good for nothing.
#[must_use]
pub(crate) fn timeline(observation: &Observation, now: Timestamp) -> Vec<Window> {
    let authorities = observation.authorities.iter().map(|authority| {
        let validity = authority.certificate.validity();
        let record = &authority.record;
        let end = record.retired.or(record.compromised).unwrap_or(validity.not_after);
        let validity = Validity { not_after: end.min(validity.not_after), ..validity };
        Window {
            due: Some(authority_due_from(observation, validity)),
            ..window("ca", authority.id.short(), message!("self"), validity)
        }
    });
    let identities = [Role::Daemon, Role::Client].into_iter().flat_map(|role| {
        let of_role = observation.identities(role).iter();
        of_role.flat_map(move |(name, _)| of_identity(observation, role, name, now))
    });
    authorities.chain(identities).collect()
}

fn of_identity(observation: &Observation, role: Role, name: &IdentityName, now: Timestamp) -> Vec<Window> {
    let kind = match role {
        Role::Daemon => "daemon",
        Role::Client => "client",
    };
    let current = observation.current(role, name).map(|current| current.leaf());
    let in_use = current.map(|leaf| Window {
        due: Some(due_from(observation, role, name, leaf)),
        ..window(kind, name.message(), issuer_of(leaf), effective_validity(observation, leaf))
    });
    let common_name = name.common_name(role);
    let is_trusted =
        |leaf: &Certificate| observation.issuer_of(leaf).is_some_and(|issuer| issuer.record.is_usable());
    let previous: BTreeMap<_, _> = observation
        .issued
        .iter()
        .filter(|leaf| is_trusted(leaf))
        .filter(|leaf| leaf.subject().common_name().as_deref() == Some(common_name.as_str()))
        .filter(|leaf| current.is_none_or(|current| current.serial() != leaf.serial()))
        .map(|leaf| (leaf.serial().to_string(), (leaf, effective_validity(observation, leaf))))
        .filter(|(_, (_, validity))| validity.not_after >= now)
        .collect();
    let replaced = previous.values().map(|(_, validity)| *validity).reduce(|one, other| Validity {
        not_before: one.not_before.min(other.not_before),
        not_after: one.not_after.max(other.not_after),
    });
    let replaced = replaced.map(|validity| {
        let mut issuers: Vec<_> = previous.values().map(|(leaf, _)| issuer_of(leaf)).collect();
        issuers.sort_unstable();
        issuers.dedup();
        Window {
            previous: previous.len(),
            ..window(kind, name.message(), Message::join(issuers, " "), validity)
        }
    });
    in_use.into_iter().chain(replaced).collect()
}

fn window(kind: &'static str, name: Message, issuer: Message, validity: Validity) -> Window {
    Window { kind, name, issuer, begin: validity.not_before, end: validity.not_after, due: None, previous: 0 }
}

fn issuer_of(leaf: &Certificate) -> Message {
    leaf.authority_key_identifier().map_or_else(|| message!("-"), hex_short)
}
