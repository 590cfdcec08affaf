//! What is found of one certificate, and what fixes it.

use crate::message;
use crate::model::{Finding, Printable, Role, Rule, Severity};
use crate::pki::x509::Certificate;

/// By what a certificate is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standard {
    /// Our own profile: what any verifier refuses is an error.
    Profile,
    /// What others made and is in use: a fault that some verifier refuses by default is an error,
    /// and one that only the strict ones refuse, or that only a thief has use for, a warning.
    InUse,
}

/// What is found of one certificate.
pub(super) struct Report<'a> {
    pub certificate: &'a Certificate,
    fix: Fix,
    /// How grave it is what only strict verifiers refuse, or what only a thief has use for.
    pub strict: Severity,
    pub findings: Vec<Finding>,
}

/// What fixes a certificate's every fault.
#[derive(Clone, Copy)]
pub(super) enum Fix {
    NewDaemon,
    NewClient,
    NewAuthority,
    Renew,
}

impl Fix {
    pub(super) fn of(role: Role) -> Fix {
        match role {
            Role::Daemon => Fix::NewDaemon,
            Role::Client => Fix::NewClient,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Fix::NewDaemon => "issue the daemon another certificate, for each host that clients dial",
            Fix::NewClient => "issue the client another certificate",
            Fix::NewAuthority => "move to another CA: {kitcert} ca rollover start",
            Fix::Renew => "{kitcert} rotate   # renews what is due",
        }
    }
}

impl<'a> Report<'a> {
    pub(super) fn on(certificate: &'a Certificate, fix: Fix, standard: Standard) -> Report<'a> {
        let strict = match standard {
            Standard::Profile => Severity::Error,
            Standard::InUse => Severity::Warning,
        };
        Report { certificate, fix, strict, findings: Vec::new() }
    }

    pub(super) fn finding(&self, rule: Rule, severity: Severity) -> Finding {
        if self.certificate.subject().is_empty() {
            return Finding::new(rule, severity, message!("serial {}", self.certificate.serial()));
        }
        Finding::new(rule, severity, self.certificate.subject())
    }

    /// A fault that a new certificate fixes.
    pub(super) fn add(
        &mut self,
        rule: Rule,
        severity: Severity,
        expected: impl Printable,
        found: impl Printable,
        cause: &'static str,
    ) {
        let finding = self.finding(rule, severity).expected(expected).found(found);
        self.findings.push(finding.cause(cause).fix(self.fix.as_str()));
    }
}
