//! What the daemon showed of itself, for programs.

use std::net::SocketAddr;

use serde::Serialize;
use serde_json::{Value, json};

use super::clock_difference;
use super::expected::Expected;
use crate::model::Printable;
use crate::probe::dial_list::DIAL_LIST_VERSION;
use crate::probe::results::{Asked, DialResults, Dialled, Handshake, Port};

/// What a daemon showed of itself, as a JSON object of messages and numbers, or null.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct DaemonFacts(Value);

impl DaemonFacts {
    /// The JSON.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.0
    }

    /// With what answers at the ports beside the daemon's own.
    pub fn add_ports(&mut self, ports: &[Port]) {
        if let Value::Object(facts) = &mut self.0 {
            let answers = ports.iter().map(|port| (port.number.to_string(), json!(port.answer.message())));
            facts.insert("ports".to_owned(), Value::Object(answers.collect()));
        }
    }
}

/// What the daemon showed of itself, for programs.
pub(super) fn facts(observed: &DialResults, expected: &Expected) -> DaemonFacts {
    let handshake = observed.handshake();
    let leaf = handshake.and_then(Handshake::leaf);
    let agreed = handshake.and_then(|handshake| handshake.agreed.as_ref());
    let answer = observed.answer();
    let buildkit = answer.and_then(|answer| answer.buildkit.as_ref());
    let workers = answer.and_then(|answer| answer.workers.as_ref());
    let idleness = answer.and_then(|answer| answer.idleness);
    let authorities = handshake.and_then(|handshake| match &handshake.asked {
        Asked::Nothing => None,
        Asked::For(names) => Some(names.iter().map(Printable::message).collect::<Vec<_>>()),
    });
    let addresses: Vec<_> = observed.addresses.iter().map(|seen| seen.address).collect();
    let not_tried = observed.not_tried.iter();
    DaemonFacts(json!({
        "addresses": addresses,
        "address": observed.address(),
        "tls": agreed.map(|agreed| agreed.version),
        "alpn": agreed.and_then(|agreed| agreed.protocol.as_ref()),
        "fingerprint": leaf.as_ref().map(|leaf| leaf.fingerprint().message()),
        "expires": leaf.as_ref().map(|leaf| leaf.validity().not_after.message()),
        "asks_for": authorities,
        "clock_between": clock_difference::bounds(observed, expected),
        "package": buildkit.map(|buildkit| &buildkit.package),
        "version": buildkit.map(|buildkit| &buildkit.version),
        "revision": buildkit.map(|buildkit| &buildkit.revision),
        "workers": workers.map(|workers| {
            workers.iter().map(|one| json!({"id": one.id, "platforms": one.platforms})).collect::<Vec<_>>()
        }),
        "sessions": idleness.map(|idleness| idleness.sessions),
        "idle_seconds": idleness.map(|idleness| idleness.idle_seconds),
        "dial_list": DIAL_LIST_VERSION,
        "dials": observed.addresses.iter().flat_map(|seen| {
            seen.dials().map(|dialled| dial(seen.address, dialled))
        }).collect::<Vec<_>>(),
        "not_tried": not_tried
            .map(|one| json!({"dial": one.dial.message(), "why": one.why}))
            .collect::<Vec<_>>(),
    }))
}

fn dial(address: SocketAddr, dialled: &Dialled) -> Value {
    json!({
        "dial": dialled.dial.message(),
        "address": address,
        "outcome": dialled.outcome.as_str(),
        "described": dialled.message(),
        "milliseconds": dialled.elapsed.as_micros() as f64 / 1e3,
    })
}
