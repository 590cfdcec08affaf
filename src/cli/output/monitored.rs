//! What monitoring reads: the same findings as everybody's, in the forms of other programs.

use crate::model::{Finding, Message, Rule, Severity, Timestamp, Validity};

/// One thing that was looked at: a daemon, an endpoint, a file, a state.
#[derive(Clone, Debug)]
pub(crate) struct Monitored {
    /// What it is called: the daemon's name, the endpoint, the path.
    pub name: Message,
    /// The verdict in one line.
    pub verdict: Message,
    /// Everything that was found.
    pub findings: Vec<Finding>,
    /// The certificates that were seen.
    pub certificates: Vec<MonitoredCertificate>,
    /// How long the dials took together, in seconds; None where nothing was dialed.
    pub seconds: Option<f64>,
    /// When it was looked at, where everything was as it must be.
    pub succeeded_at: Option<Timestamp>,
}

/// A certificate, as far as monitoring cares.
#[derive(Clone, Debug)]
pub(crate) struct MonitoredCertificate {
    /// Whose: `served`, `client ana`, `ca 3f9c21aa`.
    pub whose: Message,
    /// From when until when it is good.
    pub validity: Validity,
    /// From when on it is warned of.
    pub due: Timestamp,
}

impl Monitored {
    /// Whether strangers are kept out: true where a dial without a certificate was refused, and
    /// false where one was accepted; None where neither was seen.
    pub(super) fn enforces_client_auth(&self) -> Option<bool> {
        let intruders = [Rule::NoCertificateAccepted, Rule::UnknownCaAccepted, Rule::PlaintextAccepted];
        let of_intruders = || self.findings.iter().filter(|finding| intruders.contains(&finding.rule));
        if of_intruders().any(|finding| finding.severity == Severity::Critical) {
            return Some(false);
        }
        let is_refused = |rule: &Rule| {
            of_intruders().any(|finding| finding.rule == *rule && finding.severity == Severity::Pass)
        };
        intruders[..2].iter().all(is_refused).then_some(true)
    }

    /// Whether the served certificate is the installed one; None where nothing is installed here.
    pub(super) fn serves_what_is_installed(&self) -> Option<bool> {
        let mut told = self.findings.iter().filter(|finding| finding.rule == Rule::ServedIsStale);
        let gravest = told.by_ref().map(|finding| finding.severity).max()?;
        Some(gravest < Severity::Warning)
    }

    pub(super) fn gravest(&self) -> Severity {
        Finding::gravest(&self.findings)
    }

    /// The finding to tell of first, if one needs attention.
    pub(super) fn worst(&self) -> Option<&Finding> {
        let faults = self.findings.iter().filter(|finding| finding.severity >= Severity::Warning);
        faults.max_by_key(|finding| finding.severity)
    }
}
