//! `status`: clients that use several daemons, with a key for each. A rotation renews the newest alone, and of the others
//! it is told before their certificates end.

use std::collections::{BTreeMap, BTreeSet};

use super::identity_state::IdentityState;
use super::issuance::{due_from, effective_validity};
use super::status::{StatusRow, hex_short, row};
use crate::message;
use crate::model::{IdentityName, Message, Role, Timestamp};
use crate::pki::Certificate;
use crate::store::Observation;

/// A row for each key that a client uses beside its current one and that ends soon.
pub(crate) fn status_of_other_keys<'a>(
    observation: &'a Observation,
    of_other_keys: &'a BTreeMap<IdentityName, Vec<Certificate>>,
    now: Timestamp,
) -> impl Iterator<Item = StatusRow> + 'a {
    let all = of_other_keys.iter().flat_map(|(name, leaves)| leaves.iter().map(move |leaf| (name, leaf)));
    all.filter_map(move |(name, leaf)| {
        let validity = effective_validity(observation, leaf);
        let due = due_from(observation, Role::Client, name, leaf);
        let is_ending = due <= now && validity.not_after >= now;
        is_ending.then(|| {
            let key = leaf.public_key().fingerprint();
            let whose = message!("{} with key {}", name, key.short());
            let issuer = leaf.authority_key_identifier().map_or_else(|| message!("-"), hex_short);
            let row = row("client", whose, Some((validity, due)), issuer, IdentityState::Due, now);
            StatusRow {
                fault: Some(message!("it ends, and rotate renews the newest key of a client alone")),
                remedy: Some(message!(
                    "{kitcert} invite {}{}   # or, if nobody uses that key: {kitcert} revoke {} --only-key {}",
                    name,
                    other_endpoint(observation, name),
                    name,
                    key
                )),
                ..row
            }
        })
    })
}

/// The first of the client's daemons that its newest kit is not for.
fn other_endpoint(observation: &Observation, name: &IdentityName) -> Message {
    let inventory = &observation.inventory;
    let newest = inventory.clients.get(name).and_then(|client| client.endpoint.as_ref());
    let uses = observation.clients.get(name).map(|client| &client.record.uses);
    let daemons = uses.into_iter().flatten().filter_map(|one| inventory.daemons.get(&one.daemon));
    let mut others = daemons.map(|daemon| &daemon.endpoint).filter(|endpoint| Some(*endpoint) != newest);
    others.next().map(|endpoint| message!(" --endpoint {}", endpoint)).unwrap_or_default()
}

/// Whether a client may use keys beside its current one, each for another daemon.
pub(crate) fn may_use_several(observation: &Observation, name: &IdentityName) -> bool {
    let Some(client) = observation.clients.get(name).filter(|client| !client.is_retired()) else {
        return false;
    };
    // Several daemons may stand behind one name, for which there is one kit.
    let hosts: BTreeSet<_> = client.record.uses.iter().map(|one| &one.host).collect();
    hosts.len() > 1
}
