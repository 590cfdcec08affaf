//! What the dials prove: a pure function of what was seen and of what should be.

use super::admission;
use super::intrusion::{self, Footing};
use super::observed::Observed;
use super::presence;
use super::summary::{DaemonFacts, facts, summary};
use crate::layout::DaemonLayout;
use crate::message;
use crate::model::{Endpoint, Finding, IdentityName, Message, Printable, Severity, Timestamp};
use crate::pki::{Certificate, TrustBundle};

/// What this machine knows of the daemon, to compare with what was seen.
#[derive(Clone, Debug)]
pub struct LocalFacts {
    /// Whom the probe dialled.
    pub endpoint: Endpoint,
    /// The instant of the command.
    pub now: Timestamp,
    /// The CAs that the client trusts.
    pub trust: TrustBundle,
    /// The client's chain, leaf first, if it has one.
    pub ours: Option<Vec<Certificate>>,
    /// The certificate in the daemon's cert.pem, if it is installed here.
    pub installed_leaf: Option<Certificate>,
    /// The daemon's ca.pem, if it is installed here.
    pub installed_trust: Option<TrustBundle>,
    /// The daemon's name, if it is one of this state's.
    pub daemon: Option<IdentityName>,
    /// The command that restarts it, if it is known.
    pub restart: Option<Message>,
    /// Which daemon it is, if it is installed from here.
    pub layout: Option<DaemonLayout>,
}

impl LocalFacts {
    /// The command that puts the right files in place and makes the daemon read them.
    pub(super) fn reinstall(&self) -> Message {
        match (&self.daemon, &self.restart) {
            (Some(daemon), Some(restart)) => message!("kitcert install daemon {} && {}", daemon, restart),
            (Some(daemon), None) => {
                message!("kitcert install daemon {}   # prints how it is started", daemon)
            }
            (None, _) => message!("on the daemon's machine: kitcert install daemon, and restart the daemon"),
        }
    }

    /// The command that brings it up.
    pub(super) fn start(&self) -> Message {
        let unknown = "start the daemon, or name the port on which it listens";
        self.restart.clone().unwrap_or_else(|| unknown.message())
    }

    /// The command that makes the daemon read its files again.
    pub(super) fn restart(&self) -> Message {
        self.restart.clone().unwrap_or(message!("restart the daemon: it reads its files only then"))
    }
}

/// The judgement of one daemon.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Everything that was looked at, passes included.
    pub findings: Vec<Finding>,
    /// Whether everything is proven: ours accepted before and after, anonymous, stranger and
    /// plaintext refused by an alert or a close, and nothing else at fault.
    pub proven: bool,
    /// The one line that matters.
    pub summary: Message,
    /// What the daemon showed of itself, for programs.
    pub facts: DaemonFacts,
}

/// Judges what a probe saw. Time-outs, and refusals by somebody above TLS, never pass.
#[must_use]
pub fn judge(observed: &Observed, local: &LocalFacts) -> Verdict {
    let footing = Footing::of(observed);
    let mut findings = Vec::new();
    findings.extend(presence::host(local));
    findings.extend(presence::server(observed, local));
    findings.extend(admission::ours(observed, local));
    findings.extend(intrusion::all(observed, local, footing));
    findings.extend(presence::served(observed, local));
    findings.extend(presence::trusted(observed, local));
    findings.extend(presence::protocol(observed));
    // What mends a cause in general, where nothing better is known.
    for finding in findings.iter_mut().filter(|finding| finding.fix.is_none()) {
        finding.fix = finding.causes.first().map(|cause| cause.fix().message());
    }
    let gravest = Finding::gravest(&findings);
    let proven = gravest < Severity::Error && intrusion::are_all_refused(observed, footing);
    Verdict { summary: summary(observed, &findings, proven), facts: facts(observed, local), findings, proven }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::cast::Cast;
    use super::super::observed::{
        AboveTls, Agreed, Answer, BuildkitVersion, Dialled, Handshake, Moment, Refusal, Stage, Unreachable,
        Withheld, Worker,
    };
    use super::*;
    use crate::model::{Cause, Rule};
    use crate::probe::{Asked, Dial, Inconclusive, Outcome};

    const HOST: &str = "builder.example.com";

    fn accepted() -> Outcome {
        Outcome::Accepted(Answer {
            buildkit: Some(BuildkitVersion { version: "v0.32.2".into(), ..BuildkitVersion::default() }),
            workers: Some(vec![Worker { id: "w".into(), platforms: vec!["linux/amd64".into()] }]),
            idleness: None,
        })
    }

    fn alert(code: u8) -> Outcome {
        Outcome::Refused { how: Refusal::Alert(code), moment: Moment::AfterHandshake }
    }

    fn timed_out() -> Outcome {
        Outcome::Inconclusive(Inconclusive::TimedOut(Stage::Settings))
    }

    fn grpc(status: u32) -> Outcome {
        Outcome::RefusedAbove(AboveTls::Grpc { status, message: Message::default() })
    }

    fn handshake(cast: &Cast) -> Handshake {
        Handshake {
            chain: cast.server.chain.iter().map(|link| link.der().to_vec()).collect(),
            asked: Asked::For(cast.trust.subjects().into_iter().cloned().collect()),
            withheld: None,
            agreed: Some(Agreed { version: "TLS 1.3", protocol: Some("h2".into()) }),
        }
    }

    /// A sound daemon, but for those dials.
    fn observed(cast: &Cast, but: &[(Dial, Outcome)]) -> Observed {
        let refused = [Dial::Anonymous, Dial::Stranger, Dial::Plaintext, Dial::Expired, Dial::DaemonUsage];
        let sound = [Dial::Ours, Dial::Tls12, Dial::OursAgain].map(|dial| (dial, accepted()));
        let all = sound.into_iter().chain(refused.map(|dial| (dial, alert(116)))).chain(but.iter().cloned());
        let dialled = |outcome| Dialled { outcome, handshake: handshake(cast), elapsed: Duration::ZERO };
        Observed {
            dials: all.map(|(dial, outcome)| (dial, dialled(outcome))).collect(),
            ..Observed::default()
        }
    }

    fn only(cast: &Cast, outcome: Outcome) -> Observed {
        let mut observed = observed(cast, &[(Dial::Ours, outcome)]);
        observed.dials.retain(|dial, _| *dial == Dial::Ours);
        observed
    }

    fn worst(verdict: &Verdict) -> Vec<(Rule, Severity)> {
        let grave = verdict.findings.iter().filter(|finding| finding.severity >= Severity::Warning);
        grave.map(|finding| (finding.rule, finding.severity)).collect()
    }

    #[test]
    fn a_sound_daemon_is_proven_and_every_proof_is_named() {
        let cast = Cast::new(HOST);
        let verdict = judge(&observed(&cast, &[]), &cast.local(HOST));
        assert!(verdict.proven, "{:?}", verdict.findings);
        assert!(verdict.summary.starts_with("proven"), "{}", verdict.summary);
        let passed: Vec<_> = verdict.findings.iter().filter(|one| one.severity == Severity::Pass).collect();
        for subject in ["ours", "anonymous", "stranger", "plaintext", "expired", "daemon-usage"] {
            assert!(passed.iter().any(|finding| finding.subject == subject), "{subject}");
        }
        for rule in [Rule::ServedIsStale, Rule::TrustIsStale, Rule::NoAlpn, Rule::ServerUntrusted] {
            assert!(passed.iter().any(|finding| finding.rule == rule), "{rule}");
        }
    }

    #[test]
    fn whoever_gets_in_and_should_not_has_a_rule_of_their_own() {
        let cast = Cast::new(HOST);
        for (dial, rule, severity, summary) in [
            (Dial::Anonymous, Rule::AnonymousAccepted, Severity::Critical, "OPEN"),
            (Dial::Stranger, Rule::StrangerAccepted, Severity::Critical, "OPEN"),
            (Dial::Plaintext, Rule::PlaintextAccepted, Severity::Critical, "OPEN"),
            (Dial::Expired, Rule::ExpiredAccepted, Severity::Error, "not proven"),
            (Dial::DaemonUsage, Rule::DaemonUsageAccepted, Severity::Error, "not proven"),
        ] {
            let verdict = judge(&observed(&cast, &[(dial, accepted())]), &cast.local(HOST));
            assert_eq!(worst(&verdict), [(rule, severity)]);
            assert!(verdict.summary.starts_with(summary) && !verdict.proven, "{}", verdict.summary);
            let finding = verdict.findings.iter().find(|finding| finding.rule == rule).unwrap();
            assert!(finding.cause.is_some() && finding.fix.is_some());
        }
    }

    #[test]
    fn a_refusal_counts_only_as_an_alert_or_a_close() {
        let cast = Cast::new(HOST);
        let reset = Outcome::Refused { how: Refusal::Reset, moment: Moment::AfterHandshake };
        let closed = Outcome::Refused { how: Refusal::Closed, moment: Moment::Handshake };
        for (outcome, severity) in [
            (reset, None),
            (closed, None),
            (grpc(7), Some(Severity::Error)),
            (grpc(16), Some(Severity::Error)),
            (Outcome::RefusedAbove(AboveTls::Http(400)), Some(Severity::Error)),
            (grpc(14), Some(Severity::Error)),
            (Outcome::RefusedAbove(AboveTls::Http(503)), Some(Severity::Error)),
            (timed_out(), Some(Severity::Error)),
            (Outcome::NotTls, Some(Severity::Error)),
            (Outcome::Unreachable(Unreachable::Refused), Some(Severity::Error)),
        ] {
            for dial in [Dial::Anonymous, Dial::Stranger, Dial::Plaintext] {
                let verdict = judge(&observed(&cast, &[(dial, outcome.clone())]), &cast.local(HOST));
                let expected: Vec<_> =
                    severity.map(|severity| (Rule::Inconclusive, severity)).into_iter().collect();
                assert_eq!(worst(&verdict), expected, "{dial}: {outcome:?}");
                assert_eq!(verdict.proven, severity.is_none(), "{dial}: {outcome:?}");
            }
        }
    }

    #[test]
    fn a_refusal_counts_only_while_ours_is_accepted_before_and_after() {
        let cast = Cast::new(HOST);
        for dial in [Dial::Ours, Dial::OursAgain] {
            for outcome in [alert(48), timed_out(), grpc(14), grpc(16)] {
                let verdict = judge(&observed(&cast, &[(dial, outcome.clone())]), &cast.local(HOST));
                assert!(!verdict.proven && !verdict.summary.starts_with("proven"), "{dial}: {outcome:?}");
                assert_eq!(Finding::gravest(&verdict.findings), Severity::Error, "{dial}: {outcome:?}");
                let passed = |finding: &&Finding| {
                    finding.severity == Severity::Pass && finding.rule == Rule::AnonymousAccepted
                };
                assert_eq!(verdict.findings.iter().find(passed), None, "{dial}: {outcome:?}");
            }
        }
    }

    #[test]
    fn a_daemon_that_is_not_there_is_one_error_with_its_cause() {
        let cast = Cast::new(HOST);
        for (outcome, rule, cause) in [
            (Outcome::Unreachable(Unreachable::Refused), Rule::Unreachable, Cause::NothingListens),
            (Outcome::Unreachable(Unreachable::Filtered), Rule::Unreachable, Cause::Filtered),
            (Outcome::Unreachable(Unreachable::Dns("x".into())), Rule::Unreachable, Cause::NameUnresolved),
            (Outcome::Unreachable(Unreachable::NoRoute("x".into())), Rule::Unreachable, Cause::NoRoute),
            (timed_out(), Rule::Inconclusive, Cause::Unanswered),
            (Outcome::NotTls, Rule::NotTls, Cause::OtherService),
        ] {
            let mut seen = only(&cast, outcome.clone());
            seen.dials.values_mut().for_each(|dialled| dialled.handshake = Handshake::default());
            let verdict = judge(&seen, &cast.local(HOST));
            assert_eq!(worst(&verdict), [(rule, Severity::Error)], "{outcome:?}");
            assert_eq!(verdict.findings[0].causes, [cause], "{:?}", verdict.findings);
            assert!(verdict.summary.starts_with("not proven"), "{}", verdict.summary);
        }
    }

    #[test]
    fn the_cause_of_our_refusal_is_told_by_the_alert() {
        let cast = Cast::new(HOST);
        for (code, cause) in [
            (116, "no certificate arrived"),
            (48, "another key"),
            (45, "clock"),
            (42, "another CA"),
            (40, "TLS 1.2"),
            (70, "neither"),
            (112, "proxy"),
            (120, "h2"),
        ] {
            let verdict = judge(&observed(&cast, &[(Dial::Ours, alert(code))]), &cast.local(HOST));
            let finding = verdict.findings.iter().find(|finding| finding.rule == Rule::OursRefused).unwrap();
            assert!(finding.cause.as_ref().unwrap().contains(cause), "{code}: {:?}", finding.cause);
            assert_eq!(verdict.summary, "CLOSED: our own certificate is refused");
        }
    }

    #[test]
    fn a_certificate_that_was_not_sent_is_told_with_the_reason() {
        let cast = Cast::new(HOST);
        let closed = Outcome::Refused { how: Refusal::Closed, moment: Moment::AfterHandshake };
        for outcome in [alert(116), closed] {
            for (withheld, cause) in
                [(Withheld::Issuer, "issued it"), (Withheld::Signature, "no signature of ecdsa-p256")]
            {
                let mut seen = observed(&cast, &[(Dial::Ours, outcome.clone())]);
                seen.dials.get_mut(&Dial::Ours).unwrap().handshake.withheld = Some(withheld);
                let verdict = judge(&seen, &cast.local(HOST));
                let finding = verdict.findings.iter().find(|one| one.rule == Rule::OursRefused).unwrap();
                assert!(finding.cause.as_ref().unwrap().contains(cause), "{:?}", finding.cause);
            }
        }
    }

    #[test]
    fn our_own_certificates_fault_comes_before_the_alerts_meaning() {
        let cast = Cast::new(HOST);
        let seen = observed(&cast, &[(Dial::Ours, alert(42))]);
        for (chain, cause) in
            [(&cast.expired.chain, "our certificate expired"), (&cast.daemon_usage.chain, "lack clientAuth")]
        {
            let local = LocalFacts { ours: Some(chain.clone()), ..cast.local(HOST) };
            let verdict = judge(&seen, &local);
            let finding = verdict.findings.iter().find(|finding| finding.rule == Rule::OursRefused).unwrap();
            assert!(finding.cause.as_ref().unwrap().contains(cause), "{:?}", finding.cause);
        }
    }

    #[test]
    fn a_daemon_that_was_not_restarted_is_told_by_what_it_serves_and_asks_for() {
        let cast = Cast::new(HOST);
        let newer = Cast::new(HOST);
        let verdict = judge(
            &observed(&cast, &[]),
            &LocalFacts {
                installed_leaf: newer.server.chain.first().cloned(),
                installed_trust: Some(newer.trust.clone()),
                ..cast.local(HOST)
            },
        );
        let stale = [(Rule::ServedIsStale, Severity::Error), (Rule::TrustIsStale, Severity::Error)];
        assert_eq!(worst(&verdict), stale);
        assert_eq!(
            verdict
                .findings
                .iter()
                .filter(|one| one.fix.as_deref() == Some("docker restart earthly-buildkitd"))
                .count(),
            2
        );

        let mut silent = observed(&cast, &[]);
        silent.dials.values_mut().for_each(|dialled| dialled.handshake.asked = Asked::For(Vec::new()));
        let verdict = judge(&silent, &cast.local(HOST));
        let unknown = verdict.findings.iter().find(|finding| finding.rule == Rule::TrustIsStale).unwrap();
        assert_eq!(unknown.severity, Severity::Info);
        assert!(verdict.proven);
    }

    #[test]
    fn a_daemon_without_alpn_and_a_loopback_host_are_warnings_and_still_proven() {
        let cast = Cast::new("127.0.0.1");
        let mut seen = observed(&cast, &[]);
        for dialled in seen.dials.values_mut() {
            dialled.handshake.agreed = Some(Agreed { version: "TLS 1.3", protocol: None });
        }
        let verdict = judge(&seen, &cast.local("127.0.0.1"));
        let warnings = [(Rule::LoopbackHost, Severity::Warning), (Rule::NoAlpn, Severity::Warning)];
        assert_eq!(worst(&verdict), warnings);
        assert!(verdict.proven);
    }

    #[test]
    fn what_answers_must_be_buildkit_with_a_worker() {
        let cast = Cast::new(HOST);
        let nobody = Outcome::Accepted(Answer { workers: Some(Vec::new()), ..Answer::default() });
        let other = Outcome::Accepted(Answer::default());
        let web = Outcome::RefusedAbove(AboveTls::Http(404));
        for outcome in [nobody, other, web] {
            let verdict = judge(&observed(&cast, &[(Dial::Ours, outcome)]), &cast.local(HOST));
            assert!(
                worst(&verdict).contains(&(Rule::NotBuildkit, Severity::Error)),
                "{:?}",
                verdict.findings
            );
            assert!(!verdict.proven);
        }
    }

    #[test]
    fn without_a_certificate_of_ours_or_a_strangers_nothing_is_proven() {
        let cast = Cast::new(HOST);
        for missing in [Dial::Ours, Dial::Stranger] {
            let mut seen = observed(&cast, &[]);
            seen.dials.remove(&missing);
            let verdict = judge(&seen, &cast.local(HOST));
            assert!(!verdict.proven && verdict.summary.starts_with("not proven"), "{}", verdict.summary);
        }
    }
}
