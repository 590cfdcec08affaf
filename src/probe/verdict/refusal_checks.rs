//! Whether those who must not get in are refused.

use super::clock_difference;
use super::evidence::{Evidence, Exhibit, places};
use super::expected::Expected;
use super::server_checks;
use super::settle::Settled;
use crate::message;
use crate::model::{Cause, Finding, Message, Printable, Rule, Severity};
use crate::probe::dial_list::{
    Caller, Dial, MUST_BE_REFUSED, NAMESAKE_WITH_CA, SELF_SIGNED, UNRELATED, UNRELATED_WITH_CA,
};
use crate::probe::outcome::{Call, Outcome, Why};
use crate::probe::results::{AboveTls, Asked, Dialed};

/// The findings of each of them that was tried, and of an unknown CA that was not. Whoever was refused
/// is left out if the client's own findings say already that it was not accepted.
pub(super) fn all(evidence: &Evidence<'_>, expected: &Expected, clients: &[Finding]) -> Vec<Finding> {
    let is_told = !evidence.client_is_accepted() && clients.iter().any(|one| one.severity >= Severity::Error);
    let mut findings = Vec::new();
    for caller in MUST_BE_REFUSED {
        let exhibits: Vec<_> = evidence.of(caller).collect();
        if exhibits.is_empty() {
            findings.extend(untried(caller, evidence));
        }
        let mut of_caller = of_caller(caller, &exhibits, evidence, expected);
        let has_fault = of_caller.iter().any(|finding| finding.severity >= Severity::Warning);
        let passed = |exhibit: &&Exhibit<'_>| matches!(exhibit.settled, Settled::Passed(_));
        let passed: Vec<_> = exhibits.iter().copied().filter(passed).collect();
        if !has_fault && !passed.is_empty() && !is_told && !server_checks::has_said_it_all(evidence) {
            of_caller.push(refused(caller, &passed, exhibits.len(), evidence));
        }
        findings.extend(of_caller);
    }
    findings
}

fn of_caller(
    caller: Caller,
    exhibits: &[&Exhibit<'_>],
    evidence: &Evidence<'_>,
    expected: &Expected,
) -> Vec<Finding> {
    let those = |wanted: &dyn Fn(&Exhibit<'_>) -> bool| -> Vec<&Exhibit<'_>> {
        exhibits.iter().copied().filter(|exhibit| wanted(exhibit)).collect()
    };
    let of_outcome = |outcome| those(&|exhibit| exhibit.dialed().outcome == outcome);
    let mut findings = Vec::new();
    let open = of_outcome(Outcome::Open);
    findings.extend((!open.is_empty()).then(|| let_in(caller, &open, exhibits.len(), evidence, expected)));
    // Whatever keeps the client out has its own finding, and explains all the others.
    if server_checks::has_said_it_all(evidence) {
        return findings;
    }
    let by_tls = of_outcome(Outcome::LetIn);
    // Whoever is answered says more than whoever is turned down.
    let is_more = !by_tls.is_empty() && open.is_empty();
    findings.extend(is_more.then(|| let_in_by_tls(caller, &by_tls, evidence)));
    let asks_nobody = of_outcome(Outcome::AsksNobody);
    let is_news = caller == Caller::NoCertificate && open.is_empty();
    findings
        .extend((is_news && !asks_nobody.is_empty()).then(|| asked_nobody(&asks_nobody, evidence, expected)));
    let others = of_outcome(Outcome::OtherService);
    findings.extend((!others.is_empty()).then(|| other_service(&others, evidence)));
    findings.extend(undecided(caller, exhibits, evidence, expected));
    findings
}

/// Somebody who must not get in was answered.
fn let_in(
    caller: Caller,
    open: &[&Exhibit<'_>],
    tried: usize,
    evidence: &Evidence<'_>,
    expected: &Expected,
) -> Finding {
    let (rule, severity) = gravity(caller);
    let found = match open.len() == tried {
        true => message!("a call answered"),
        false => message!("a call answered ({})", places(evidence.observed, open)),
    };
    let finding = Finding::new(rule, severity, caller).expected("refused").found(found);
    let fix = expected.give();
    let all = |of: &dyn Fn(&Exhibit<'_>) -> bool| open.iter().all(|exhibit| of(exhibit));
    if all(&|exhibit| exhibit.dialed().account.is_resumed) {
        return finding
            .cause("a session of another service's name is resumed under the daemon's, without a certificate")
            .fix("give the other service a port of its own, or ask for a certificate under its name too");
    }
    if all(&|exhibit| {
        matches!(
            exhibit.dialed().dial,
            Dial::UnknownCa(NAMESAKE_WITH_CA | SELF_SIGNED | UNRELATED | UNRELATED_WITH_CA)
        )
    }) {
        let cause =
            "the server passes over faults of a chain: it lets in certificates of CAs that it does not know";
        return finding.cause(cause).fix(fix);
    }
    match cause_of_acceptance(caller, open, evidence) {
        Some(Cause::ClocksDiffer) => {
            clock_difference::of_an_expired_one(finding, evidence.observed, expected)
        }
        Some(cause) => finding.because(&[cause]).fix(fix),
        None => finding.cause("the daemon lets in whoever asks").fix(fix),
    }
}

/// A ticket, a finished handshake or SETTINGS: TLS let it in, and what came then is no verdict of
/// TLS.
fn let_in_by_tls(caller: Caller, let_in: &[&Exhibit<'_>], evidence: &Evidence<'_>) -> Finding {
    let (rule, _) = gravity(caller);
    let dialed = let_in.first().map(|exhibit| exhibit.dialed());
    let found = dialed.map(Printable::message).unwrap_or_default();
    let finding = Finding::new(rule, Severity::Error, caller).expected("refused by TLS").found(message!(
        "{} ({})",
        found,
        places(evidence.observed, let_in)
    ));
    let above = dialed.and_then(|dialed| dialed.account.above.as_ref());
    match above {
        _ if caller == Caller::Plaintext => finding
            .because(&[Cause::WebServer])
            .cause("something there reads HTTP without TLS, and turned it away"),
        Some(above) if is_a_refusal(above) => finding
            .because(&[Cause::TurnedDownAboveTls])
            .cause("TLS let it in; something above TLS, or a proxy, turned it away"),
        Some(above) if !matches!(above, AboveTls::Http2(_)) || above.call() == Call::Unavailable => finding
            .because(&[Cause::ProxyWithoutDaemon])
            .cause("TLS let it in; a proxy turned it away, and may answer otherwise the next time"),
        _ => finding.because(&[Cause::CertificateOptional]).cause(
            "TLS let it in, whatever came then: the server asks for a certificate and does not insist",
        ),
    }
}

pub(super) fn asked_nobody(asked: &[&Exhibit<'_>], evidence: &Evidence<'_>, expected: &Expected) -> Finding {
    Finding::new(Rule::AsksNobody, Severity::Error, Caller::NoCertificate)
        .expected("a request for a client certificate")
        .found(message!("none ({})", places(evidence.observed, asked)))
        .because(&[Cause::NoClientCa])
        .cause("the server does not ask for a certificate")
        .fix(expected.give())
}

fn other_service(others: &[&Exhibit<'_>], evidence: &Evidence<'_>) -> Finding {
    Finding::new(Rule::OtherService, Severity::Info, Caller::NoCertificate).found(message!(
        "another service answers without the daemon's name, under another certificate ({})",
        places(evidence.observed, others)
    ))
}

/// Dials that came to no verdict; while the client is not accepted, also those that were refused.
fn undecided(
    caller: Caller,
    exhibits: &[&Exhibit<'_>],
    evidence: &Evidence<'_>,
    expected: &Expected,
) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    let mut left: Vec<&Exhibit<'_>> =
        exhibits.iter().copied().filter(|exhibit| matches!(exhibit.settled, Settled::Undecided(_))).collect();
    while let Some(first) = left.first().copied() {
        let said = first.dialed().message();
        let (alike, others): (Vec<_>, Vec<_>) =
            left.into_iter().partition(|exhibit| exhibit.dialed().message() == said);
        left = others;
        findings.push(without_verdict((caller, first.dialed()), &said, &alike, evidence, expected));
    }
    findings
}

fn without_verdict(
    (caller, dialed): (Caller, &Dialed),
    said: &Message,
    alike: &[&Exhibit<'_>],
    evidence: &Evidence<'_>,
    expected: &Expected,
) -> Finding {
    // What keeps the client out has its own finding, and no verdict is to be had beside it.
    let severity = if evidence.client_is_accepted() { Severity::Error } else { Severity::Info };
    let finding = Finding::new(Rule::Inconclusive, severity, caller)
        .expected("an alert, or an end that is confirmed")
        .found(message!("{} ({})", said, places(evidence.observed, alike)));
    match dialed.outcome {
        _ if dialed.is_timed_out() => finding
            .because(&[Cause::Unanswered])
            .cause("silence is no refusal: the daemon may only be slow")
            .fix(expected.again.longer()),
        Outcome::RefusedByEnd => finding
            .cause("a close without an alert counts only if it is repeated between accepted dials of the client")
            .fix(expected.again.longer()),
        Outcome::NotServed => {
            finding.cause("it counts only while the daemon's own name is served before and after").fix(expected.again.longer())
        }
        Outcome::NotUpYet | Outcome::Inconclusive(Why::EndedEarly | Why::Unreached) => finding
            .cause("the connection ended before the server could refuse anybody: a limit on connections, or a restart")
            .fix(expected.again.paced()),
        Outcome::Inconclusive(Why::NotSent) => finding
            .cause("the server accepts no signature of that certificate's key, so that it was not sent and not judged")
            .fix(expected.again.same()),
        Outcome::Inconclusive(_) if dialed.is_unavailable() => {
            finding.because(&[Cause::ProxyWithoutDaemon])
        }
        Outcome::Inconclusive(Why::Alert(_)) => finding
            .cause("that alert says nothing of certificates; an overloaded server sends it, too")
            .fix(expected.again.paced()),
        _ => finding.fix(expected.again.same()),
    }
}

/// Nobody of them got in.
fn refused(caller: Caller, passed: &[&Exhibit<'_>], tried: usize, evidence: &Evidence<'_>) -> Finding {
    let (rule, _) = gravity(caller);
    let mut said: Vec<Message> = Vec::new();
    for exhibit in passed {
        let one = match exhibit.dialed().outcome {
            Outcome::Refused(_) | Outcome::RefusedByEnd => exhibit.dialed().refusal(),
            _ => exhibit.dialed().message(),
        };
        if !said.contains(&one) {
            said.push(one);
        }
    }
    let said = message!("refused {} of {}: {}", passed.len(), tried, Message::join(said, "; "));
    if evidence.client_is_accepted() {
        return Finding::new(rule, Severity::Pass, caller).expected("refused").found(said);
    }
    Finding::new(Rule::Inconclusive, Severity::Info, caller)
        .expected("refused while the client is accepted before and after")
        .found(message!("{}; the client was not accepted", said))
        .cause("a daemon that refuses everybody proves nothing")
}

/// An unknown CA is always at hand, once a daemon was reached in earnest.
fn untried(caller: Caller, evidence: &Evidence<'_>) -> Option<Finding> {
    (caller == Caller::UnknownCa && evidence.client_is_accepted()).then(|| {
        Finding::new(Rule::Inconclusive, Severity::Error, caller)
            .expected("refused")
            .found("not tried")
            .cause("there was no certificate of an unknown CA to dial with")
    })
}

fn gravity(caller: Caller) -> (Rule, Severity) {
    match caller {
        Caller::UnknownCa => (Rule::UnknownCaAccepted, Severity::Critical),
        Caller::Plaintext => (Rule::PlaintextAccepted, Severity::Critical),
        Caller::Expired => (Rule::ExpiredAccepted, Severity::Error),
        Caller::WrongUsage => (Rule::WrongUsageAccepted, Severity::Error),
        Caller::Distrusted => (Rule::TrustIsStale, Severity::Error),
        Caller::Revoked => (Rule::RevokedAccepted, Severity::Critical),
        Caller::NoCertificate | Caller::Client => (Rule::NoCertificateAccepted, Severity::Critical),
    }
}

fn cause_of_acceptance(caller: Caller, open: &[&Exhibit<'_>], evidence: &Evidence<'_>) -> Option<Cause> {
    let asks = open.iter().all(|exhibit| exhibit.dialed().handshake.asked != Asked::Nothing);
    let lets_anyone_in = evidence.lets_in(Caller::NoCertificate);
    Some(match (caller, lets_anyone_in, asks) {
        (Caller::Plaintext, _, _) => Cause::PlaintextDaemon,
        (_, true, false) => Cause::NoClientCa,
        (_, true, true) => Cause::CertificateOptional,
        _ if evidence.lets_in(Caller::UnknownCa) => Cause::SignatureUnchecked,
        (Caller::Expired, ..) => Cause::ClocksDiffer,
        (Caller::WrongUsage, ..) => Cause::UsageUnchecked,
        _ => return None,
    })
}

/// PERMISSION_DENIED and UNAUTHENTICATED, and HTTP's 4xx, are meant as refusals.
fn is_a_refusal(above: &AboveTls) -> bool {
    match above {
        AboveTls::Grpc { status, .. } => matches!(status, 7 | 16),
        AboveTls::Http(status) => (400..500).contains(status),
        AboveTls::Http2(_) => false,
    }
}
