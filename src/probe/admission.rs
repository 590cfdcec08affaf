//! Whether our own certificate gets in, and if not, why.

use super::observed::{AboveTls, Answer, Dial, Dialled, Inconclusive, Moment, Observed, Outcome};
use super::refusal::refusal;
use super::verdict::LocalFacts;
use crate::message;
use crate::model::{Cause, Finding, Message, Printable, Rule, Severity};

/// The findings about our own certificate.
pub(super) fn ours(observed: &Observed, local: &LocalFacts) -> Vec<Finding> {
    let Some(dialled) = observed.dials.get(&Dial::Ours) else {
        return vec![
            Finding::new(Rule::Inconclusive, Severity::Error, Dial::Ours)
                .expected("accepted")
                .found("not tried")
                .cause("there was no client certificate to show, and nothing is proven without one")
                .fix("kitcert verify --client NAME"),
        ];
    };
    match &dialled.outcome {
        Outcome::Accepted(answer) => {
            let accepted = Finding::new(Rule::OursRefused, Severity::Pass, Dial::Ours);
            let mut findings = vec![accepted.expected("accepted").found("accepted"), buildkit(answer)];
            findings.extend(again(observed));
            findings
        }
        Outcome::Refused { how, moment } => {
            let found = message!("{}, {}", dialled.outcome, when(*moment));
            vec![refusal(refused(found), how, *moment, &dialled.handshake, local)]
        }
        Outcome::RefusedAbove(above) => vec![refused_above(above, dialled)],
        Outcome::Inconclusive(Inconclusive::Protocol(what)) => vec![
            Finding::new(Rule::NotBuildkit, Severity::Error, Dial::Ours)
                .expected("BuildKit's gRPC")
                .found(what)
                .because(&[Cause::NoHttp2]),
        ],
        Outcome::Untrusted(_) | Outcome::NotTls | Outcome::Unreachable(_) | Outcome::Inconclusive(_) => {
            Vec::new()
        }
    }
}

fn again(observed: &Observed) -> Option<Finding> {
    let outcome = observed.outcome(Dial::OursAgain)?;
    if matches!(outcome, Outcome::Accepted(_)) {
        return None;
    }
    Some(
        Finding::new(Rule::Inconclusive, Severity::Error, Dial::OursAgain)
            .expected("accepted, as before the other dials")
            .found(outcome)
            .because(&[Cause::SeveralDaemons])
            .fix("kitcert verify"),
    )
}

fn buildkit(answer: &Answer) -> Finding {
    let finding = |severity| {
        Finding::new(Rule::NotBuildkit, severity, Dial::Ours).expected("BuildKit with at least one worker")
    };
    let name = match &answer.buildkit {
        Some(buildkit) if buildkit.package.is_empty() => buildkit.version.clone(),
        Some(buildkit) => message!("{} {}", buildkit.package, buildkit.version),
        None => message!("a BuildKit too old to tell its version"),
    };
    match (&answer.buildkit, &answer.workers) {
        (None, None) => finding(Severity::Error)
            .found("gRPC that knows neither Info nor ListWorkers")
            .because(&[Cause::OtherGrpcService]),
        (_, None) => finding(Severity::Warning).found(message!("{}, and it does not tell its workers", name)),
        (_, Some(workers)) if workers.is_empty() => finding(Severity::Error)
            .found(message!("{} without a worker", name))
            .because(&[Cause::NoWorker])
            .cause("the daemon runs but cannot build: its log tells why no worker started"),
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

fn refused_above(above: &AboveTls, dialled: &Dialled) -> Finding {
    match above {
        AboveTls::Http(status) => {
            let finding = Finding::new(Rule::NotBuildkit, Severity::Error, Dial::Ours)
                .expected("BuildKit's gRPC")
                .found(&dialled.outcome);
            match status {
                502..=504 => finding.because(&[Cause::ProxyWithoutDaemon, Cause::WebServer]),
                401 | 403 => finding.because(&[Cause::TurnedDownAboveTls, Cause::WebServer]),
                _ => finding.because(&[Cause::WebServer]),
            }
        }
        AboveTls::Grpc { status: 7 | 16, .. } => {
            refused(dialled.outcome.message()).because(&[Cause::TurnedDownAboveTls])
        }
        AboveTls::Grpc { .. } => refused(dialled.outcome.message()).because(&[Cause::ProxyWithoutDaemon]),
    }
}

fn refused(found: Message) -> Finding {
    Finding::new(Rule::OursRefused, Severity::Error, Dial::Ours).expected("accepted").found(found)
}

fn when(moment: Moment) -> &'static str {
    match moment {
        Moment::Handshake => "during the handshake",
        Moment::AfterHandshake => "after the handshake",
    }
}
