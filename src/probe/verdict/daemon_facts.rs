//! What the daemon showed of itself, for programs.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::Serialize;

use super::clock_difference::{self, ClockBounds};
use super::expected::Expected;
use crate::model::{Message, Printable, Timestamp};
use crate::probe::dial_list::DIAL_LIST_VERSION;
use crate::probe::results::{Asked, DialResults, Dialed, Handshake, Port};

/// What a daemon showed of itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct DaemonFacts {
    /// Each address that was dialed, with its port.
    pub addresses: Vec<Message>,
    /// The one that answered.
    pub address: Option<Message>,
    /// `TLS 1.3` or `TLS 1.2`.
    pub tls: Option<&'static str>,
    /// The protocol that it selected: `h2`.
    pub alpn: Option<Message>,
    /// SHA-256 of the served certificate, in hex.
    pub fingerprint: Option<Message>,
    /// When that ends, RFC 3339.
    pub expires: Option<Timestamp>,
    /// The names of the CAs that it asks clients for; null where it asks nobody.
    pub asks_for: Option<Vec<Message>>,
    /// Between which instants its clock stands, as far as that shows.
    pub clock_between: Option<ClockBounds>,
    /// Who built it, as it says.
    pub package: Option<Message>,
    /// Its version, as it says.
    pub version: Option<Message>,
    /// Its commit, as it says.
    pub revision: Option<Message>,
    /// Its workers; null where it does not tell.
    pub workers: Option<Vec<WorkerFacts>>,
    /// Open sessions, where it is an Earthly daemon.
    pub sessions: Option<u64>,
    /// Seconds since the last session, where it is an Earthly daemon.
    pub idle_seconds: Option<u64>,
    /// The version of the list of dials, kitcert-verify(7).
    pub dial_list: u32,
    /// Each dial that was made, repeats included.
    pub dials: Vec<DialFacts>,
    /// The dials that were not made: nothing was at hand, or a host is beyond the 8 others that are
    /// dialed.
    pub not_tried: Vec<NotTriedFacts>,
    /// What answers beside it, in words, by the port's number. There with `--ports`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ports: Option<BTreeMap<Message, Message>>,
}

/// A worker of a daemon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct WorkerFacts {
    /// What it is called.
    pub id: Message,
    /// For what it builds, such as `linux/amd64`.
    pub platforms: Vec<Message>,
}

/// A dial that was made.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct DialFacts {
    /// Which of the list of kitcert-verify(7): `N1`, `O`, ….
    pub dial: Message,
    /// The address and the port.
    pub address: Message,
    /// `accepted`, `open`, `refused`, `refused-by-end`, `let-in-by-tls`, `not-served`, `asks-nobody`,
    /// `other-service`, `not-up-yet` or `inconclusive`.
    pub outcome: &'static str,
    /// The same in words.
    pub described: Message,
    /// How long it took.
    pub milliseconds: f64,
}

/// A dial that was not made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NotTriedFacts {
    /// The dial, as the list calls it: `U1`.
    pub dial: Message,
    /// What was not at hand, or which host.
    pub why: Message,
}

impl DaemonFacts {
    /// With what answers at the ports beside the daemon's own.
    pub fn add_ports(&mut self, ports: &[Port]) {
        self.ports = Some(ports.iter().map(|port| (port.number.message(), port.answer.message())).collect());
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
    let dials = observed.addresses.iter().flat_map(|seen| seen.dials().map(|one| dial(seen.address, one)));
    let not_tried = observed.not_tried.iter();
    DaemonFacts {
        addresses: observed.addresses.iter().map(|seen| seen.address.message()).collect(),
        address: observed.address().map(|address| address.message()),
        tls: agreed.map(|agreed| agreed.version),
        alpn: agreed.and_then(|agreed| agreed.protocol.clone()),
        fingerprint: leaf.as_ref().map(|leaf| leaf.fingerprint().message()),
        expires: leaf.as_ref().map(|leaf| leaf.validity().not_after),
        asks_for: handshake.and_then(|handshake| match &handshake.asked {
            Asked::Nothing => None,
            Asked::For(names) => Some(names.iter().map(Printable::message).collect()),
        }),
        clock_between: clock_difference::bounds(observed, expected),
        package: buildkit.map(|buildkit| buildkit.package.clone()),
        version: buildkit.map(|buildkit| buildkit.version.clone()),
        revision: buildkit.map(|buildkit| buildkit.revision.clone()),
        workers: workers.map(|workers| {
            let facts = workers.iter();
            facts.map(|one| WorkerFacts { id: one.id.clone(), platforms: one.platforms.clone() }).collect()
        }),
        sessions: idleness.map(|idleness| idleness.sessions),
        idle_seconds: idleness.map(|idleness| idleness.idle_seconds),
        dial_list: DIAL_LIST_VERSION,
        dials: dials.collect(),
        not_tried: not_tried
            .map(|one| NotTriedFacts { dial: one.dial.message(), why: one.why.clone() })
            .collect(),
        ports: None,
    }
}

fn dial(address: SocketAddr, dialed: &Dialed) -> DialFacts {
    DialFacts {
        dial: dialed.dial.message(),
        address: address.message(),
        outcome: dialed.outcome.as_str(),
        described: dialed.message(),
        milliseconds: dialed.elapsed.as_micros() as f64 / 1e3,
    }
}
