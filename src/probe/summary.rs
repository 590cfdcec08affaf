//! The verdict in one line for a person, and what the daemon showed of itself for programs.

use serde::Serialize;
use serde_json::{Value, json};

use super::clock;
use super::observed::{AboveTls, Asked, Dial, Inconclusive, Observed, Outcome};
use super::ports::Port;
use super::verdict::LocalFacts;
use crate::message;
use crate::model::{Finding, Message, Printable, Severity};
use crate::pki::DistinguishedName;

/// The one line that matters.
pub(super) fn summary(observed: &Observed, findings: &[Finding], proven: bool) -> Message {
    let accepted = |dial| matches!(observed.outcome(dial), Some(Outcome::Accepted(_)));
    let faults = findings.iter().filter(|finding| finding.severity >= Severity::Error).count();
    if accepted(Dial::Anonymous) || accepted(Dial::Plaintext) {
        return message!("OPEN: anyone who reaches this port can run code here");
    }
    if accepted(Dial::Stranger) {
        return message!("OPEN: anyone who makes a certificate of their own can run code here");
    }
    if proven {
        return message!("proven: ours is let in; anonymous, stranger and plaintext are refused");
    }
    let first = observed.outcome(Dial::Ours).or_else(|| observed.outcome(Dial::Anonymous));
    let turned_down = |finding: &Finding| {
        let outcome = observed.dials.iter().find(|(dial, _)| dial.message() == finding.subject);
        matches!(outcome, Some((_, dialled)) if matches!(dialled.outcome, Outcome::RefusedAbove(_)))
    };
    let is_only_turned_down_above =
        findings.iter().filter(|finding| finding.severity >= Severity::Error).all(turned_down);
    match first {
        None => message!("not proven: nothing was dialled"),
        Some(Outcome::Unreachable(_)) => message!("not proven: the daemon cannot be reached"),
        Some(Outcome::NotTls) => message!("not proven: what answers does not speak TLS"),
        Some(Outcome::Untrusted(_)) => {
            message!("not proven: the daemon's certificate is at fault, so nothing of ours was sent")
        }
        Some(Outcome::Inconclusive(Inconclusive::TimedOut(stage))) => {
            message!("not proven: the time was up while {}", stage.doing())
        }
        Some(_) if observed.outcome(Dial::Ours).is_none() => {
            message!("not proven: there was no client certificate to try")
        }
        Some(Outcome::RefusedAbove(AboveTls::Http(_))) => {
            message!("not proven: what answers is a web server or a proxy, not BuildKit")
        }
        Some(Outcome::Refused { .. } | Outcome::RefusedAbove(_)) => {
            message!("CLOSED: our own certificate is refused")
        }
        Some(_) if faults > 0 && !is_only_turned_down_above => {
            message!("not proven: {} fault{}", faults, if faults == 1 { "" } else { "s" })
        }
        Some(_) if observed.dials.values().any(|one| matches!(one.outcome, Outcome::RefusedAbove(_))) => {
            message!("not proven: strangers are turned down by HTTP or gRPC, which TLS does not vouch for")
        }
        Some(_) => message!("not proven: a check came to no verdict"),
    }
}

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
pub(super) fn facts(observed: &Observed, local: &LocalFacts) -> DaemonFacts {
    let handshake = observed.handshake();
    let leaf = handshake.and_then(super::Handshake::leaf);
    let agreed = handshake.and_then(|handshake| handshake.agreed.as_ref());
    let answer = observed.answer();
    let buildkit = answer.and_then(|answer| answer.buildkit.as_ref());
    let workers = answer.and_then(|answer| answer.workers.as_ref());
    let idleness = answer.and_then(|answer| answer.idleness);
    let authorities = handshake.and_then(|handshake| match &handshake.asked {
        Asked::Nothing => None,
        Asked::For(names) => Some(names.iter().map(DistinguishedName::to_string).collect::<Vec<_>>()),
    });
    let dials = observed.dials.iter().map(|(dial, dialled)| {
        let milliseconds = dialled.elapsed.as_micros() as f64 / 1e3;
        (dial.to_string(), json!({"outcome": dialled.outcome.message(), "milliseconds": milliseconds}))
    });
    DaemonFacts(json!({
        "addresses": observed.addresses,
        "address": observed.address,
        "tls": agreed.map(|agreed| agreed.version),
        "alpn": agreed.and_then(|agreed| agreed.protocol.as_ref()),
        "fingerprint": leaf.as_ref().map(|leaf| leaf.fingerprint().to_string()),
        "expires": leaf.as_ref().map(|leaf| leaf.validity().not_after.to_string()),
        "asks_for": authorities,
        "clock_between": clock::bounds(observed, local),
        "package": buildkit.map(|buildkit| &buildkit.package),
        "version": buildkit.map(|buildkit| &buildkit.version),
        "revision": buildkit.map(|buildkit| &buildkit.revision),
        "workers": workers.map(|workers| {
            workers.iter().map(|one| json!({"id": one.id, "platforms": one.platforms})).collect::<Vec<_>>()
        }),
        "sessions": idleness.map(|idleness| idleness.sessions),
        "idle_seconds": idleness.map(|idleness| idleness.idle_seconds),
        "dials": dials.collect::<serde_json::Map<_, _>>(),
    }))
}
