//! Whether the client gets in, and if not, why.

use super::client_refusal::{HowRefused, refusal};
use super::evidence::{Evidence, Exhibit, places};
use super::expected::Expected;
use super::refusal_checks;
use super::server_checks;
use super::settle::Settled;
use crate::message;
use crate::model::{Cause, Finding, Message, Printable, Rule, Severity};
use crate::probe::dial_list::{Caller, Dial};
use crate::probe::outcome::{End, Outcome, Why};
use crate::probe::results::{AboveTls, Answer, DialStage, Dialed};

/// The findings about the client's own certificate.
pub(super) fn client(evidence: &Evidence<'_>, expected: &Expected) -> Vec<Finding> {
    if evidence.observed.not_dialed.is_some() {
        return Vec::new();
    }
    if expected.client.is_none() {
        return vec![
            Finding::new(Rule::Inconclusive, Severity::Error, Caller::Client)
                .expected("accepted")
                .found("not tried")
                .cause("there was no client certificate to show, and nothing is verified without one")
                .fix("name a client of the state with --client, or a folder with its files with --tlsdir"),
        ];
    }
    let mut findings: Vec<Finding> = Vec::new();
    for exhibit in evidence.of(Caller::Client) {
        let found = match exhibit.settled {
            Settled::Passed(_) => None,
            // What is wrong with the server, or that nobody is there, has its own finding.
            _ if server_checks::explains(evidence, exhibit.dialed()) => None,
            _ if exhibit.dialed().dial == Dial::ClientAgain => again(evidence, exhibit, expected),
            _ => not_accepted(evidence, exhibit, expected),
        };
        findings.extend(found.filter(|finding| !findings.contains(finding)));
        let is_no_buildkit = |dialed: &Dialed| {
            dialed.outcome == Outcome::AsksNobody && dialed.account.answer.is_none() && !dialed.is_untrusted()
        };
        if is_no_buildkit(exhibit.dialed()) {
            findings.push(turned_down(exhibit.dialed(), expected));
        }
    }
    if let Some(answer) = evidence.observed.answer() {
        if evidence.client_is_accepted() {
            let accepted = Finding::new(Rule::ClientRefused, Severity::Pass, Caller::Client);
            findings.insert(0, accepted.expected("accepted").found("accepted"));
        }
        findings.push(buildkit(answer));
    }
    findings
}

/// It was accepted at first, and at the end it is not.
fn again(evidence: &Evidence<'_>, exhibit: &Exhibit<'_>, expected: &Expected) -> Option<Finding> {
    let dialed = exhibit.dialed();
    let finding = Finding::new(Rule::Inconclusive, Severity::Error, Caller::Client)
        .expected("accepted, as before the other dials")
        .found(message!("{} ({})", dialed, places(evidence.observed, &[exhibit])));
    Some(match dialed.outcome {
        _ if dialed.is_unavailable() => finding.because(&[Cause::ProxyWithoutDaemon]),
        _ if dialed.is_cut_off() => finding.cause(CUT).fix(expected.again.paced()),
        Outcome::AsksNobody => {
            let found = asks_nobody(evidence, exhibit, expected)?;
            found.because(&[Cause::SeveralDaemons, Cause::NoClientCa]).cause(ASKS_NO_MORE)
        }
        Outcome::Refused(_) | Outcome::LetIn => {
            finding.because(&[Cause::SeveralDaemons]).fix(expected.again.same())
        }
        _ if dialed.is_timed_out() => finding.because(&[Cause::Unanswered]).fix(expected.again.longer()),
        _ => finding.cause(CUT).fix(expected.again.paced()),
    })
}

fn not_accepted(evidence: &Evidence<'_>, exhibit: &Exhibit<'_>, expected: &Expected) -> Option<Finding> {
    let dialed = exhibit.dialed();
    let found = || match exhibit.settled {
        Settled::Undecided(_) if evidence.observed.addresses.len() > 1 => {
            message!("{} ({})", dialed, places(evidence.observed, &[exhibit]))
        }
        _ => message!("{}, {}", dialed, when(dialed)),
    };
    Some(match (dialed.outcome, how(dialed)) {
        (Outcome::Refused(_) | Outcome::RefusedByEnd, Some(how)) => {
            refusal(refused(found()), &how, &dialed.handshake, expected)
        }
        (Outcome::Inconclusive(Why::Alert(40 | 71)), _) if !dialed.saw_server_hello() => {
            inconclusive(found()).because(&[Cause::NoCommonCipher])
        }
        // 80 (internal_error) is also what an overloaded server says.
        (Outcome::Inconclusive(Why::Alert(alert)), Some(how)) if !dialed.saw_chain() && alert != 80 => {
            refusal(refused(found()), &how, &dialed.handshake, expected)
        }
        (Outcome::LetIn, _) => turned_down(dialed, expected),
        (Outcome::AsksNobody, _) => return asks_nobody(evidence, exhibit, expected),
        (Outcome::Inconclusive(Why::TimedOut), _) => inconclusive(dialed.message())
            .because(&[if dialed.account.stage == Some(DialStage::Handshake) {
                Cause::Silent
            } else {
                Cause::Unanswered
            }])
            .fix(expected.again.longer()),
        (Outcome::Inconclusive(Why::Other | Why::Broken), _) => {
            Finding::new(Rule::NotBuildkit, Severity::Error, Caller::Client)
                .expected("BuildKit's gRPC")
                .found(dialed)
                .because(&[Cause::NoHttp2])
        }
        _ => inconclusive(found()).cause(CUT).fix(expected.again.paced()),
    })
}

/// The client's own dial tells it too, if no other came so far.
fn asks_nobody(evidence: &Evidence<'_>, exhibit: &Exhibit<'_>, expected: &Expected) -> Option<Finding> {
    let is_told = evidence
        .of(Caller::NoCertificate)
        .any(|other| matches!(other.dialed().outcome, Outcome::Open | Outcome::AsksNobody));
    (!is_told).then(|| refusal_checks::asked_nobody(&[exhibit], evidence, expected))
}

/// By what and when the client was refused, for causes.
fn how(dialed: &Dialed) -> Option<HowRefused> {
    let is_over = dialed.is_after_handshake();
    match dialed.end() {
        End::Alert(alert) => Some(HowRefused::Alert(alert)),
        End::Eof | End::Reset if is_over => Some(HowRefused::EndAfterHandshake),
        End::Eof | End::Reset => Some(HowRefused::EndInHandshake),
        _ => None,
    }
}

fn turned_down(dialed: &Dialed, expected: &Expected) -> Finding {
    match &dialed.account.above {
        Some(above) => turned_down_above(above, dialed),
        None if dialed.is_timed_out() => {
            inconclusive(dialed.ending()).because(&[Cause::Unanswered]).fix(expected.again.longer())
        }
        // A limit on connections ends one so, too.
        None if dialed.is_cut_off() => inconclusive(dialed.message())
            .because(&[Cause::NoHttp2])
            .cause(message!("a proxy that does not pass HTTP/2 on; or {}", CUT_BY))
            .fix(expected.again.paced()),
        None => Finding::new(Rule::NotBuildkit, Severity::Error, Caller::Client)
            .expected("BuildKit's gRPC")
            .found(dialed)
            .because(&[Cause::NoHttp2]),
    }
}

fn buildkit(answer: &Answer) -> Finding {
    let finding = |severity| {
        Finding::new(Rule::NotBuildkit, severity, Caller::Client)
            .expected("BuildKit with at least one worker")
    };
    let name = match &answer.buildkit {
        Some(buildkit) if buildkit.package.is_empty() => buildkit.version.clone(),
        Some(buildkit) => message!("{} {}", buildkit.package, buildkit.version),
        None => message!("a BuildKit too old to say its version"),
    };
    match (&answer.buildkit, &answer.workers) {
        (None, None) => finding(Severity::Error)
            .found("gRPC that knows neither Info nor ListWorkers")
            .because(&[Cause::OtherGrpcService]),
        (_, None) => finding(Severity::Warning).found(message!("{}, and it does not list its workers", name)),
        (_, Some(workers)) if workers.is_empty() => finding(Severity::Error)
            .found(message!("{} without a worker", name))
            .because(&[Cause::NoWorker])
            .cause("the daemon runs but cannot build: its log says why no worker started"),
        (_, Some(workers)) => {
            let mut platforms: Vec<_> = workers.iter().flat_map(|worker| worker.platforms.clone()).collect();
            platforms.sort_unstable();
            platforms.dedup();
            let plural = if workers.len() == 1 { "" } else { "s" };
            let found = message!("{}, {} worker{}", name, workers.len(), plural);
            finding(Severity::Pass).found(match platforms.as_slice() {
                [] => found,
                platforms => message!("{} ({})", found, Message::join(platforms, ", ")),
            })
        }
    }
}

fn turned_down_above(above: &AboveTls, dialed: &Dialed) -> Finding {
    let found = message!("turned down by {}", above);
    match above {
        _ if dialed.is_unavailable() => inconclusive(found).because(&[Cause::ProxyWithoutDaemon]),
        AboveTls::Http(_) | AboveTls::Http2(_) => {
            let finding = Finding::new(Rule::NotBuildkit, Severity::Error, Caller::Client)
                .expected("BuildKit's gRPC")
                .found(found);
            match above {
                AboveTls::Http2(_) => finding.because(&[Cause::NoHttp2]),
                AboveTls::Http(401 | 403) => finding.because(&[Cause::TurnedDownAboveTls, Cause::WebServer]),
                _ => finding.because(&[Cause::WebServer]),
            }
        }
        AboveTls::Grpc { status: 7 | 16, .. } => refused(found).because(&[Cause::TurnedDownAboveTls]),
        AboveTls::Grpc { .. } => refused(dialed.message()).because(&[Cause::ProxyWithoutDaemon]),
    }
}

fn refused(found: Message) -> Finding {
    Finding::new(Rule::ClientRefused, Severity::Error, Caller::Client).expected("accepted").found(found)
}

fn inconclusive(found: Message) -> Finding {
    Finding::new(Rule::Inconclusive, Severity::Error, Caller::Client).expected("accepted").found(found)
}

fn when(dialed: &Dialed) -> &'static str {
    if dialed.is_after_handshake() { "after the handshake" } else { "during the handshake" }
}

const ASKS_NO_MORE: &str = "it asked for a certificate at first, and then it did not: another daemon answered, or it opens after a while";
const CUT: &str =
    "the connection was cut before the daemon could judge: a limit on connections, or a restart";
const CUT_BY: &str = "a limit on connections, or a restart";
