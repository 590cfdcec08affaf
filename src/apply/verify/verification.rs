//! What came of a verification: its outcome, its findings, and its last line.

use std::time::Duration;

use crate::apply::printable::Tenths;
use crate::message;
use crate::model::{Endpoint, Failure, Finding, Message, Printable, Rule, Severity};
use crate::pki::Certificate;
use crate::probe::{DaemonFacts, DialResults, Dialed, Port, Verdict, judge_ports};

/// What a verification says of a daemon: one definition, for whichever command verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Every dial went as it must, the files are without fault, and a daemon of the state serves its
    /// current generation.
    Verified,
    /// Somebody gets in who must not.
    Open,
    /// It was seen not to do as it must.
    NotVerified,
    /// Neither was seen: it does not answer, a dial came to no verdict, or our own credentials are at
    /// fault.
    Inconclusive,
}

impl Outcome {
    /// What the verdict and the findings beside it come to.
    pub(super) fn of(verdict: &Verdict, beside: Beside) -> Outcome {
        let is_verified = verdict.verified && beside.serves_current;
        if verdict.open {
            Outcome::Open
        } else if is_verified && !beside.daemon_is_at_fault && !beside.client_is_at_fault {
            Outcome::Verified
        } else if verdict.lets_in {
            // Whoever was let in is in, whatever is the matter with the client's own files.
            Outcome::NotVerified
        } else if beside.client_is_at_fault || verdict.inconclusive_only || verdict.unreachable {
            Outcome::Inconclusive
        } else {
            Outcome::NotVerified
        }
    }
}

/// Whether a verification changed what the state says of a daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recorded {
    /// It may be called verified since now, or may not any more.
    Changed,
    /// It is called what it was called before; the time of its last verification may be newer.
    Unchanged,
    /// Nothing was written: what was verified is not what is current now.
    Superseded,
}

/// What was seen beside the dials.
#[derive(Clone, Copy)]
pub(super) struct Beside {
    /// Whether the daemon's files are at fault, or what it serves and trusts.
    pub daemon_is_at_fault: bool,
    /// Whether whom we dialed as is: its config or its files.
    pub client_is_at_fault: bool,
    /// Whether a daemon of the state serves its current generation; true of every other daemon.
    pub serves_current: bool,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Verification {
    /// Who was dialed, or would have been.
    pub target: Message,
    /// The same, if there was one.
    pub endpoint: Option<Endpoint>,
    /// As whom, in words.
    pub identity: Message,
    /// Everything that was found, the files' first.
    pub findings: Vec<Finding>,
    /// The verdict in one line.
    pub verdict: Message,
    /// What the daemon showed of itself; None if nobody was dialed.
    pub daemon_facts: Option<DaemonFacts>,
    /// The certificates that both sides showed: whose, and which.
    pub certificates: Vec<(Message, Certificate)>,
    /// How long all dials took together; None if nobody was dialed.
    pub elapsed: Option<Duration>,
    /// What it says of the daemon.
    pub outcome: Outcome,
    /// Each dial and how long it took.
    pub timings: Vec<Vec<Message>>,
    /// Whether the state remembers something else of the daemon now.
    pub recorded: Recorded,
}

/// What a verification calls the certificate of the daemon.
pub(super) const SERVED: &str = "served";

impl Verification {
    /// The certificate that the daemon served.
    pub(in crate::apply) fn served(&self) -> Option<&Certificate> {
        let served = self.certificates.iter().find(|(what, _)| what.as_str() == SERVED);
        served.map(|(_, certificate)| certificate)
    }

    /// Whether the daemon is verified, and nothing else is wrong that was looked at.
    #[must_use]
    pub(crate) fn is_verified(&self) -> bool {
        self.outcome == Outcome::Verified && Finding::gravest(&self.findings) < Severity::Error
    }

    /// Nobody was dialed, since the tool could not dial either; the findings say why.
    pub(super) fn undialed(endpoint: Option<Endpoint>, findings: Vec<Finding>) -> Verification {
        let gravest = findings.iter().max_by_key(|finding| finding.severity);
        let why = gravest.map_or_else(Message::default, |finding| message!(": {}", finding.found));
        Verification {
            target: endpoint.map_or_else(|| message!("no endpoint"), |endpoint| endpoint.message()),
            endpoint: None,
            identity: message!("nobody"),
            verdict: message!("not dialed{}", why),
            findings,
            daemon_facts: None,
            certificates: Vec::new(),
            elapsed: None,
            outcome: Outcome::Inconclusive,
            timings: Vec::new(),
            recorded: Recorded::Unchanged,
        }
    }

    /// The state changed while the daemon was dialed: what was verified is not what is current.
    pub(super) fn supersede(&mut self) {
        let again = message!("{kitcert} verify {}", self.target);
        self.outcome = Outcome::Inconclusive;
        self.findings.push(
            Finding::new(Rule::Inconclusive, Severity::Error, "state")
                .expected("no change of the credentials, the endpoint or the hosts meanwhile")
                .found("a change, or a newer verification that found something wrong")
                .fix(&again),
        );
        self.verdict = message!("not verified: the state changed during the verification; next: {}", again);
    }

    /// What else is open on the daemon's host. It makes no verification of the daemon less true.
    pub(super) fn add_ports(&mut self, ports: &[Port], endpoint: &Endpoint) {
        let findings = judge_ports(ports, endpoint);
        let at_fault = |severity| findings.iter().filter(|finding| finding.severity >= severity).count();
        self.verdict = match (at_fault(Severity::Critical), at_fault(Severity::Error)) {
            (0, 0) => std::mem::take(&mut self.verdict),
            (0, 1) => message!("{}; another port of the host is open to anyone", self.verdict),
            (0, count) => message!("{}; {} other ports of the host are open to anyone", self.verdict, count),
            _ => message!("OPEN: another port of the host speaks HTTP/2 without TLS, as a daemon would"),
        };
        if let Some(facts) = &mut self.daemon_facts {
            facts.add_ports(ports);
        }
        // Less important than the daemon itself, and so before it.
        self.findings.splice(0..0, findings);
    }
}

/// A daemon that is perfect today may be served wrong files at its next restart: it is not verified
/// then either.
pub(super) fn last_line(verdict: &Verdict, files: &[Finding]) -> Message {
    let mut faults = files.iter().filter(|finding| finding.severity >= Severity::Error);
    let not_installed = files.iter().find(|finding| finding.rule == Rule::ServedIsStale);
    let said = if verdict.verified { message!("not verified") } else { verdict.summary.clone() };
    match (faults.next(), not_installed.and_then(|finding| finding.fix.as_ref())) {
        (None, _) => verdict.summary.clone(),
        (_, Some(fix)) => message!("{}: what was issued last is not installed; next: {}", said, fix),
        (Some(first), None) => {
            let more = match faults.count() {
                0 => Message::default(),
                others => message!("; and {} more in the files", others),
            };
            message!(
                "{}: {}: expected {}, found {}{}",
                said,
                first.subject,
                first.expected,
                first.found,
                more
            )
        }
    }
}

/// That the state does not remember a verification.
pub(super) fn not_recorded(failure: &Failure) -> Finding {
    Finding::new(Rule::NotRecorded, Severity::Warning, failure.subject())
        .expected("the state to remember this verification")
        .found(failure.what_was_found())
        .cause("status shows what it showed before")
}

/// How long each dial took.
pub(super) fn timings(observed: &DialResults) -> Vec<Vec<Message>> {
    let row = |dialed: &Dialed| {
        let took = message!("{} ms", Tenths(dialed.elapsed.as_secs_f64() * 1e3));
        vec![message!("  {}", dialed.dial), took, dialed.message()]
    };
    observed.dials().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(verified: bool, open: bool, inconclusive_only: bool, unreachable: bool) -> Verdict {
        Verdict {
            verified,
            open,
            lets_in: false,
            inconclusive_only,
            unreachable,
            findings: Vec::new(),
            summary: Message::default(),
            not_tried: Vec::new(),
            addresses: Vec::new(),
            dials: Vec::new(),
            facts: DaemonFacts::default(),
        }
    }

    /// For every combination of what is seen beside the dials: the daemon's fault, the client's, current.
    fn outcomes(verdict: &Verdict) -> Vec<Outcome> {
        let all = (0..8).map(|bits| Beside {
            daemon_is_at_fault: bits & 4 != 0,
            client_is_at_fault: bits & 2 != 0,
            serves_current: bits & 1 != 0,
        });
        all.map(|beside| Outcome::of(verdict, beside)).collect()
    }

    #[test]
    fn only_a_daemon_without_any_fault_that_serves_what_is_current_is_verified() {
        use Outcome::{Inconclusive, NotVerified, Verified};
        let passed = verdict(true, false, false, false);
        let expected = [NotVerified, Verified, Inconclusive, Inconclusive, NotVerified, NotVerified];
        assert_eq!(outcomes(&passed), [&expected[..], &[Inconclusive, Inconclusive]].concat());
    }

    #[test]
    fn whoever_gets_in_makes_it_open_whatever_else_there_is() {
        assert_eq!(outcomes(&verdict(false, true, false, false)), [Outcome::Open; 8]);
    }

    #[test]
    fn what_decides_nothing_takes_nothing_away_and_every_other_error_does() {
        for undecided in [verdict(false, false, true, false), verdict(false, false, false, true)] {
            assert_eq!(outcomes(&undecided), [Outcome::Inconclusive; 8]);
        }
        for (bits, outcome) in outcomes(&verdict(false, false, false, false)).into_iter().enumerate() {
            let is_client = bits & 2 != 0;
            let expected = if is_client { Outcome::Inconclusive } else { Outcome::NotVerified };
            assert_eq!(outcome, expected, "{bits}: our own fault says nothing of the daemon");
        }
    }
}
