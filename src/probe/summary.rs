//! The verdict in one line for a person, and what the daemon showed of itself for programs.

use std::net::SocketAddr;

use serde::Serialize;
use serde_json::{Value, json};

use super::clock;
use super::dialled::{Dialled, NotDialled, Observed};
use super::evidence::Evidence;
use super::list::Caller;
use super::observed::{AboveTls, Asked, Handshake};
use super::outcome::{Outcome, Why};
use super::ports::Port;
use super::several::named_beyond;
use super::verdict::LocalFacts;
use crate::message;
use crate::model::{Finding, Message, Printable, Rule, Severity};

/// The one line that matters.
pub(super) fn summary(
    evidence: &Evidence<'_>,
    findings: &[Finding],
    local: &LocalFacts,
    verified: bool,
) -> Message {
    if evidence.lets_in(Caller::NoCertificate) || evidence.lets_in(Caller::Plaintext) {
        return message!("OPEN: anyone who reaches this port can run code here");
    }
    if evidence.lets_in(Caller::UnknownCa) {
        return message!("OPEN: anyone who makes a certificate of their own can run code here");
    }
    if verified {
        return verified_line(evidence, local);
    }
    let not_verified = |why: Message| message!("not verified: {}", why);
    match findings.iter().filter(|one| one.severity >= Severity::Error).map(|one| one.rule).next() {
        Some(Rule::Unreachable) => not_verified(message!("the daemon cannot be reached")),
        Some(Rule::NotTls) => not_verified(message!("what answers does not speak TLS")),
        Some(Rule::NotUpYet) => not_verified(message!("the daemon is not up yet, or something before it is")),
        Some(
            Rule::ServerUntrusted
            | Rule::ServerNameMismatch
            | Rule::ServerExpired
            | Rule::ServerUsage
            | Rule::WeakKey,
        ) => not_verified(message!("the daemon's certificate is at fault, so nothing of ours was sent")),
        Some(Rule::OursRefused) => refused_line(evidence),
        _ => not_verified(why_not(evidence, findings, local)),
    }
}

/// What was judged, where, as whom, and what was not tried.
fn verified_line(evidence: &Evidence<'_>, local: &LocalFacts) -> Message {
    let observed = evidence.observed;
    let others = named_beyond(evidence, local);
    let what = if others.is_empty() {
        message!("verified: client accepted; no certificate, unknown CA and plaintext refused")
    } else {
        message!(
            "verified for our CA: client accepted; no certificate, unknown CA and plaintext refused; clients of {} get \
             in too",
            Message::join(&others, ", ")
        )
    };
    let addresses = Message::join(evidence.served().map(|seen| seen.address), ", ");
    let mut line = message!("{}; {} at {} as {}", what, local.endpoint, addresses, local.identity);
    if !observed.narrowed_to.is_empty() {
        line = line.and(", other addresses left out");
    }
    if !observed.not_tried.is_empty() {
        let not_tried = observed.not_tried.iter().map(|one| message!("{} ({})", one.dial.caller(), one.why));
        line = message!("{}; not tried: {}", line, Message::join(not_tried, ", "));
    }
    line
}

fn refused_line(evidence: &Evidence<'_>) -> Message {
    let ours = evidence.observed.ours();
    if ours.is_some_and(|ours| matches!(ours.outcome, Outcome::Inconclusive(Why::Alert(_)))) {
        return message!("CLOSED: the handshake fails before the client's certificate is judged");
    }
    message!("CLOSED: the client's certificate is refused")
}

fn why_not(evidence: &Evidence<'_>, findings: &[Finding], local: &LocalFacts) -> Message {
    let observed = evidence.observed;
    let errors = || findings.iter().filter(|finding| finding.severity >= Severity::Error);
    match &observed.not_dialled {
        Some(NotDialled::TooManyAddresses(count)) => {
            return message!("{} addresses are too many to dial", count);
        }
        Some(_) => return message!("nothing was dialled"),
        None => {}
    }
    if local.ours.is_none() {
        return message!("there was no client certificate to try");
    }
    let ours = observed.ours();
    if ours.is_some_and(|ours| matches!(ours.account.above, Some(AboveTls::Http(_)))) {
        return message!("what answers is a web server or a proxy, not BuildKit");
    }
    if let Some(ours) = ours.filter(|ours| ours.outcome != Outcome::Accepted && ours.is_timed_out()) {
        return ours.ending();
    }
    let is_rule = |rule: Rule| errors().any(|finding| finding.rule == rule);
    if is_rule(Rule::SeveralDaemons) {
        return message!("several daemons answer, and they differ");
    }
    if is_rule(Rule::AsksNobody) {
        return message!("the server asks nobody for a certificate");
    }
    let strangers = evidence.exhibits.iter().filter(|exhibit| exhibit.caller() != Caller::Client);
    let mut let_in = strangers.map(|exhibit| exhibit.dialled());
    if let Some(let_in) = let_in.find(|dialled| dialled.outcome == Outcome::LetIn) {
        return match &let_in.account.above {
            Some(_) => {
                message!("TLS lets in whoever has no right to come in; only HTTP or gRPC turns them away")
            }
            None => message!("TLS lets in whoever has no right to come in"),
        };
    }
    if is_rule(Rule::AddressNotJudged) {
        return message!("an address of the name could not be judged");
    }
    let undecided = errors().all(|finding| finding.rule == Rule::Inconclusive);
    if undecided {
        return message!("a check came to no verdict");
    }
    match errors().count() {
        1 => message!("1 fault"),
        faults => message!("{} faults", faults),
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
        "clock_between": clock::bounds(observed, local),
        "package": buildkit.map(|buildkit| &buildkit.package),
        "version": buildkit.map(|buildkit| &buildkit.version),
        "revision": buildkit.map(|buildkit| &buildkit.revision),
        "workers": workers.map(|workers| {
            workers.iter().map(|one| json!({"id": one.id, "platforms": one.platforms})).collect::<Vec<_>>()
        }),
        "sessions": idleness.map(|idleness| idleness.sessions),
        "idle_seconds": idleness.map(|idleness| idleness.idle_seconds),
        "dial_list": super::list::DIAL_LIST_VERSION,
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
