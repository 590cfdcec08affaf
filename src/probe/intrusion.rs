//! Whether those who must not get in are refused.

use super::clock;
use super::observed::{AboveTls, Asked, Dial, Inconclusive, Observed, Outcome};
use super::verdict::LocalFacts;
use crate::message;
use crate::model::{Cause, Finding, Rule, Severity};

/// What a refusal rests on: it counts only while our own certificate is accepted, or a daemon
/// that refuses everybody would pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Footing {
    /// Ours was accepted before and after.
    Firm,
    /// It was not.
    None,
}

impl Footing {
    pub(super) fn of(observed: &Observed) -> Footing {
        let accepted = |dial| matches!(observed.outcome(dial), Some(Outcome::Accepted(_)));
        if accepted(Dial::Ours) && accepted(Dial::OursAgain) { Footing::Firm } else { Footing::None }
    }
}

/// Whether every one of the three that decide was refused by an alert or a close.
pub(super) fn are_all_refused(observed: &Observed, footing: Footing) -> bool {
    let refused = |dial: &Dial| matches!(observed.outcome(*dial), Some(Outcome::Refused { .. }));
    footing == Footing::Firm && [Dial::Anonymous, Dial::Stranger, Dial::Plaintext].iter().all(refused)
}

/// One finding for each of them that was tried, and for a stranger that was not.
pub(super) fn all(observed: &Observed, local: &LocalFacts, footing: Footing) -> Vec<Finding> {
    let mut findings = Vec::new();
    for dial in [Dial::Anonymous, Dial::Stranger, Dial::Plaintext, Dial::Expired, Dial::DaemonUsage] {
        match observed.outcome(dial) {
            Some(outcome) => findings.extend(finding(dial, outcome, observed, local, footing)),
            None => findings.extend(untried(dial, observed)),
        }
    }
    findings.extend(
        observed
            .outcome(Dial::Tls12)
            .map(|outcome| Finding::new(Rule::Tls12Accepted, Severity::Info, Dial::Tls12).found(outcome)),
    );
    findings
}

fn finding(
    dial: Dial,
    outcome: &Outcome,
    observed: &Observed,
    local: &LocalFacts,
    footing: Footing,
) -> Option<Finding> {
    let (rule, severity) = gravity(dial);
    let unproven = |severity| {
        Finding::new(Rule::Inconclusive, severity, dial).expected("an alert or a close").found(outcome)
    };
    Some(match outcome {
        Outcome::Accepted(_) => {
            let finding = Finding::new(rule, severity, dial).expected("refused").found("a call answered");
            let fix = local.reinstall();
            match cause_of_acceptance(dial, observed) {
                Some(Cause::ClocksDiffer) => clock::of_an_expired_one(finding, observed, local),
                Some(cause) => finding.because(&[cause]).fix(fix),
                None => finding.cause("the daemon lets in whoever asks").fix(fix),
            }
        }
        Outcome::Refused { .. } if footing == Footing::Firm => {
            Finding::new(rule, Severity::Pass, dial).expected("refused").found(outcome)
        }
        // Whatever keeps ours out has its own finding, and explains all the others.
        _ if has_said_it_all(observed) => return None,
        Outcome::Refused { .. } => Finding::new(Rule::Inconclusive, Severity::Info, dial)
            .expected("refused while ours is accepted before and after")
            .found(message!("{}, as ours is: that proves nothing", outcome))
            .cause("a daemon that refuses everybody proves nothing"),
        Outcome::RefusedAbove(above) if is_a_refusal(above) => match dial {
            Dial::Plaintext => unproven(Severity::Error)
                .because(&[Cause::WebServer])
                .cause("something there reads HTTP without TLS, and turned it away"),
            _ => unproven(Severity::Error)
                .because(&[Cause::TurnedDownAboveTls])
                .cause("TLS let it in; somebody above it, or a proxy, turned it away"),
        },
        Outcome::RefusedAbove(_) => unproven(Severity::Error)
            .because(&[Cause::ProxyWithoutDaemon])
            .cause("a proxy's word, which may be another the next time"),
        Outcome::Inconclusive(Inconclusive::TimedOut(_)) => {
            let cause = "silence is no refusal: the daemon may only be slow";
            unproven(Severity::Error).because(&[Cause::Unanswered]).cause(cause)
        }
        Outcome::Untrusted(_)
        | Outcome::NotTls
        | Outcome::Unreachable(_)
        | Outcome::Inconclusive(
            Inconclusive::Protocol(_) | Inconclusive::Greeted(_) | Inconclusive::NotDialled(_),
        ) => unproven(Severity::Error),
    })
}

/// Whether the first dial already ended for a reason that has nothing to do with who we are.
fn has_said_it_all(observed: &Observed) -> bool {
    let first = observed.outcome(Dial::Ours).or_else(|| observed.outcome(Dial::Anonymous));
    matches!(first, None | Some(Outcome::Untrusted(_) | Outcome::NotTls | Outcome::Unreachable(_)))
        || matches!(
            first,
            Some(Outcome::Inconclusive(Inconclusive::TimedOut(_) | Inconclusive::NotDialled(_)))
        )
}

/// Only a stranger is always at hand, once a daemon was reached in earnest.
fn untried(dial: Dial, observed: &Observed) -> Option<Finding> {
    let in_earnest = observed.dials.contains_key(&Dial::Tls12);
    (dial == Dial::Stranger && in_earnest).then(|| {
        Finding::new(Rule::Inconclusive, Severity::Error, dial)
            .expected("refused")
            .found("not tried")
            .cause("there was no certificate of a stranger to show")
    })
}

fn gravity(dial: Dial) -> (Rule, Severity) {
    match dial {
        Dial::Stranger => (Rule::StrangerAccepted, Severity::Critical),
        Dial::Plaintext => (Rule::PlaintextAccepted, Severity::Critical),
        Dial::Expired => (Rule::ExpiredAccepted, Severity::Error),
        Dial::DaemonUsage => (Rule::DaemonUsageAccepted, Severity::Error),
        Dial::Anonymous | Dial::Ours | Dial::OursAgain | Dial::Tls12 => {
            (Rule::AnonymousAccepted, Severity::Critical)
        }
    }
}

fn cause_of_acceptance(dial: Dial, observed: &Observed) -> Option<Cause> {
    let asks = observed.handshake().is_some_and(|handshake| handshake.asked != Asked::Nothing);
    let lets_in = |dial| matches!(observed.outcome(dial), Some(Outcome::Accepted(_)));
    let lets_anyone_in = lets_in(Dial::Anonymous);
    Some(match (dial, lets_anyone_in, asks) {
        (Dial::Plaintext, _, _) => Cause::PlaintextDaemon,
        (_, true, false) => Cause::NoClientCa,
        (_, true, true) => Cause::CertificateOptional,
        _ if lets_in(Dial::Stranger) => Cause::SignatureUnchecked,
        (Dial::Expired, ..) => Cause::ClocksDiffer,
        (Dial::DaemonUsage, ..) => Cause::UsageUnchecked,
        _ => return None,
    })
}

/// PERMISSION_DENIED and UNAUTHENTICATED, and HTTP's 4xx, are meant as refusals.
fn is_a_refusal(above: &AboveTls) -> bool {
    match above {
        AboveTls::Grpc { status, .. } => matches!(status, 7 | 16),
        AboveTls::Http(status) => (400..500).contains(status),
    }
}
