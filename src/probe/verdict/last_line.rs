//! The verdict in one line for a person.

use super::agreement::named_beyond;
use super::evidence::Evidence;
use super::expected::Expected;
use crate::message;
use crate::model::{Finding, Message, Rule, Severity};
use crate::probe::dial_list::Caller;
use crate::probe::outcome::{Outcome, Why};
use crate::probe::results::{AboveTls, NotDialed};

/// The one line that matters.
pub(super) fn summary(
    evidence: &Evidence<'_>,
    findings: &[Finding],
    expected: &Expected,
    verified: bool,
) -> Message {
    if evidence.lets_in(Caller::NoCertificate) || evidence.lets_in(Caller::Plaintext) {
        return message!("OPEN: anyone who reaches this port can run code here");
    }
    if evidence.lets_in(Caller::UnknownCa) {
        return message!("OPEN: anyone who makes a certificate of their own can run code here");
    }
    if verified {
        return verified_line(evidence, expected);
    }
    let not_verified = |why: Message| message!("not verified: {}", why);
    match findings.iter().filter(|one| one.severity >= Severity::Error).map(|one| one.rule).next() {
        Some(Rule::Unreachable) => not_verified(message!("the daemon cannot be reached")),
        Some(Rule::NotTls) => not_verified(message!("what answers does not speak TLS")),
        Some(Rule::NotUpYet) => {
            not_verified(message!("the daemon is not up yet, or a proxy in front of it is"))
        }
        Some(
            Rule::ServerUntrusted
            | Rule::ServerNameMismatch
            | Rule::ServerExpired
            | Rule::ServerUsage
            | Rule::WeakKey,
        ) => not_verified(message!(
            "the daemon's certificate is at fault, so the client's certificate was not sent"
        )),
        Some(Rule::ClientRefused) => refused_line(evidence),
        _ => not_verified(why_not(evidence, findings, expected)),
    }
}

/// What was judged, where, as whom, and what was not tried.
fn verified_line(evidence: &Evidence<'_>, expected: &Expected) -> Message {
    let observed = evidence.observed;
    let others = named_beyond(evidence, expected);
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
    let mut line = message!("{}; {} at {} as {}", what, expected.endpoint, addresses, expected.identity);
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
    let client = evidence.observed.client();
    if client.is_some_and(|client| matches!(client.outcome, Outcome::Inconclusive(Why::Alert(_)))) {
        return message!("CLOSED: the handshake fails before the client's certificate is judged");
    }
    message!("CLOSED: the client's certificate is refused")
}

fn why_not(evidence: &Evidence<'_>, findings: &[Finding], expected: &Expected) -> Message {
    let observed = evidence.observed;
    let errors = || findings.iter().filter(|finding| finding.severity >= Severity::Error);
    match &observed.not_dialed {
        Some(NotDialed::TooManyAddresses(count)) => {
            return message!("{} addresses are too many to dial", count);
        }
        Some(_) => return message!("nothing was dialed"),
        None => {}
    }
    let client = observed.client();
    if client.is_some_and(|client| matches!(client.account.above, Some(AboveTls::Http(_)))) {
        return message!("what answers is a web server or a proxy, not BuildKit");
    }
    if let Some(client) = client.filter(|client| client.outcome != Outcome::Accepted && client.is_timed_out())
    {
        return client.ending();
    }
    let is_rule = |rule: Rule| errors().any(|finding| finding.rule == rule);
    if is_rule(Rule::SeveralDaemons) {
        return message!("several daemons answer, and they differ");
    }
    if is_rule(Rule::ServedIsStale) {
        return message!("the daemon still serves another certificate than the one that is installed");
    }
    if is_rule(Rule::AsksNobody) {
        return message!("the server does not ask for a certificate");
    }
    let others = evidence.exhibits.iter().filter(|exhibit| exhibit.caller() != Caller::Client);
    let mut let_in = others.map(|exhibit| exhibit.dialed());
    if let Some(let_in) = let_in.find(|dialed| dialed.outcome == Outcome::LetIn) {
        return match &let_in.account.above {
            Some(_) => {
                message!("TLS lets in those who must be refused; only HTTP or gRPC turns them away")
            }
            None => message!("TLS lets in those who must be refused"),
        };
    }
    if expected.client.is_none() {
        return message!("there was no client certificate to dial with");
    }
    if is_rule(Rule::AddressNotJudged) {
        return message!("an address of the name could not be judged");
    }
    let undecided = errors().all(|finding| finding.rule == Rule::Inconclusive);
    if undecided {
        return message!("a check came to no verdict");
    }
    let first = errors().next();
    let first = first.map(|one| message!("{}: expected {}, found {}", one.subject, one.expected, one.found));
    match (first, errors().count()) {
        (Some(first), 1) => first,
        (Some(first), faults) => message!("{}; and {} more", first, faults - 1),
        (None, _) => message!("something is wrong with it"),
    }
}
