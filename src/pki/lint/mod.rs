//! The lint: what some peer of a BuildKit daemon would refuse, or what would surprise somebody.
//!
//! Only deviations are returned. [`leaf`] and [`authority`] look at no clock, so that a verdict
//! on a certificate never changes; they run on every certificate before it leaves the CA. Every
//! finding's subject is the certificate's; who knows a path puts that in its place.

mod every_certificate;
mod key_mode;
mod legacy;
mod names;
mod purposes;

pub use key_mode::{key_mode, key_owner};

use super::certificate::Certificate;
use super::trust_bundle::{DroppedBlock, TrustBundle};
use crate::message;
use crate::model::profile::LARGEST_BUNDLE;
use crate::model::{Finding, Printable, Role, Rule, Severity, Timestamp};

/// An end-entity certificate by the profile of its role. With `issuer`, also what the two must
/// agree on.
#[must_use]
pub fn leaf(certificate: &Certificate, role: Role, issuer: Option<&Certificate>) -> Vec<Finding> {
    judge_leaf(Report::on(certificate, Fix::of(role)), role, issuer)
}

/// The same on a leaf that others may have made and that is in use, judged as in [`path`].
#[must_use]
pub fn leaf_in_use(certificate: &Certificate, role: Role, issuer: Option<&Certificate>) -> Vec<Finding> {
    judge_leaf(Report::on(certificate, Fix::of(role)).in_use(), role, issuer)
}

/// A CA's certificate by the profile.
#[must_use]
pub fn authority(certificate: &Certificate) -> Vec<Finding> {
    judge_authority(Report::on(certificate, Fix::NewAuthority), None)
}

/// A path, the leaf first, as it is in use: a fault that some verifier refuses by default is an
/// error, and one that only the strict ones refuse, or that only a thief has use for, a warning.
/// Whether the path holds is for [`verify`](crate::pki::chain::verify).
#[must_use]
pub fn path(path: &[Certificate], role: Role) -> Vec<Finding> {
    let judged = path.iter().enumerate().map(|(at, certificate)| {
        let issuer = path.get(at + 1);
        match at {
            0 => leaf_in_use(certificate, role, issuer),
            _ => judge_authority(Report::on(certificate, Fix::NewAuthority).in_use(), issuer),
        }
    });
    judged.flatten().collect()
}

fn judge_leaf(mut report: Report<'_>, role: Role, issuer: Option<&Certificate>) -> Vec<Finding> {
    every_certificate::judge(&mut report);
    every_certificate::judge_subject_of_leaf(&mut report);
    purposes::judge_leaf(&mut report, role);
    names::judge(&mut report, role);
    if let Some(issuer) = issuer {
        every_certificate::judge_with_issuer(&mut report, issuer);
    }
    legacy::judge_leaf(&mut report);
    report.findings
}

fn judge_authority(mut report: Report<'_>, issuer: Option<&Certificate>) -> Vec<Finding> {
    every_certificate::judge(&mut report);
    every_certificate::judge_subject_of_authority(&mut report);
    purposes::judge_authority(&mut report);
    if let Some(issuer) = issuer {
        every_certificate::judge_with_issuer(&mut report, issuer);
    }
    legacy::judge_authority(&mut report);
    report.findings
}

/// Whether a certificate is valid at `now`, and for how long: less than a third of its lifetime
/// is a warning.
#[must_use]
pub fn dates(certificate: &Certificate, now: Timestamp) -> Vec<Finding> {
    let fix = if certificate.is_authority() { Fix::NewAuthority } else { Fix::Renew };
    let mut report = Report::on(certificate, fix);
    let validity = certificate.validity();
    let left = validity.not_after.seconds_since(now);
    if now < validity.not_before {
        let found = message!("valid from {}; it is {} here", validity.not_before.minute(), now.minute());
        let finding = report.finding(Rule::NotYetValid, Severity::Error).expected("valid now").found(found);
        let cause = "the clock of this machine, or of the one that issued it, is wrong";
        report.findings.push(finding.cause(cause).fix("timedatectl status"));
    } else if left < 0 {
        let found = message!("valid until {}", validity.not_after.minute());
        report.add(Rule::Expired, Severity::Error, "valid now", found, "it was not renewed in time");
    } else if left < validity.renewal_window() {
        let found = message!("valid until {}", validity.not_after.minute());
        let cause = "two thirds of its lifetime are over";
        report.add(Rule::ExpiresSoon, Severity::Warning, "a third of its lifetime left", found, cause);
    }
    report.findings
}

/// A `ca.pem` as a whole; its certificates one by one are for [`authority`].
#[must_use]
pub fn bundle(bundle: &TrustBundle) -> Vec<Finding> {
    let mut findings: Vec<_> = bundle.dropped().iter().map(dropped).collect();
    let certificates = bundle.certificates();
    for (at, certificate) in certificates.iter().enumerate() {
        let before = certificates.get(..at).unwrap_or_default();
        if before.contains(certificate) {
            findings.push(
                Finding::new(Rule::BundleDuplicate, Severity::Warning, certificate.subject())
                    .expected("each certificate once")
                    .found(message!("certificate {} again", at + 1))
                    .fix("delete the second of the two blocks"),
            );
        } else if !certificate.is_authority() {
            findings.push(leaf_in_bundle(certificate));
        }
    }
    if certificates.is_empty() || certificates.len() > LARGEST_BUNDLE {
        findings.push(
            Finding::new(Rule::BundleSize, Severity::Error, "the bundle")
                .expected(message!("1 to {} certificates", LARGEST_BUNDLE))
                .found(certificates.len())
                .cause("verifiers give up after a hundred signature checks")
                .fix("delete the blocks of CAs that nobody uses any more"),
        );
    }
    findings
}

fn dropped(block: &DroppedBlock) -> Finding {
    let subject = message!("line {}", block.line);
    if block.label.is_private_key() {
        return Finding::new(Rule::KeyInBundle, Severity::Critical, subject)
            .expected("certificates only")
            .found("a private key")
            .cause("bundles are handed to everybody; whoever has read this one may have the key")
            .fix("delete the block, and replace what the key belongs to: {kitcert} issue, under a new name");
    }
    Finding::new(Rule::BundleBlockDropped, Severity::Error, subject)
        .expected("a certificate that Go loads")
        .found(message!("{} that {}", block.label, block.why))
        .cause("Go passes it over without a word, and the daemon starts without that CA")
        .fix("copy the certificate again from where it came")
}

fn leaf_in_bundle(certificate: &Certificate) -> Finding {
    let finding = |severity| {
        Finding::new(Rule::BundleHoldsLeaf, severity, certificate.subject())
            .expected("CA certificates only")
            .fix("put the CA's certificate in its place: {kitcert} status")
    };
    if certificate.is_self_issued() {
        return finding(Severity::Info)
            .found("a self-signed certificate that is no CA")
            .cause("it lets in the one client that holds its key");
    }
    finding(Severity::Warning)
        .found("an end-entity certificate")
        .cause("its own client withholds it, as its issuer is not among the names that the daemon offers")
}

/// What is found of one certificate.
struct Report<'a> {
    certificate: &'a Certificate,
    fix: Fix,
    /// How grave it is what only strict verifiers refuse, or what only a thief has use for.
    strict: Severity,
    findings: Vec<Finding>,
}

/// What mends a certificate's every fault.
#[derive(Clone, Copy)]
enum Fix {
    NewDaemon,
    NewClient,
    NewAuthority,
    Renew,
}

impl Fix {
    fn of(role: Role) -> Fix {
        match role {
            Role::Daemon => Fix::NewDaemon,
            Role::Client => Fix::NewClient,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Fix::NewDaemon => "{kitcert} issue daemon NAME --host HOST",
            Fix::NewClient => "{kitcert} issue client NAME",
            Fix::NewAuthority => "kitcert --state DIR init …   # a new CA",
            Fix::Renew => "{kitcert} rotate NAME",
        }
    }
}

impl<'a> Report<'a> {
    fn on(certificate: &'a Certificate, fix: Fix) -> Report<'a> {
        Report { certificate, fix, strict: Severity::Error, findings: Vec::new() }
    }

    /// The same on a certificate that others made and that is in use.
    fn in_use(self) -> Report<'a> {
        Report { strict: Severity::Warning, ..self }
    }

    fn finding(&self, rule: Rule, severity: Severity) -> Finding {
        if self.certificate.subject().is_empty() {
            return Finding::new(rule, severity, message!("serial {}", self.certificate.serial()));
        }
        Finding::new(rule, severity, self.certificate.subject())
    }

    /// A fault that a new certificate mends.
    fn add(
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

#[cfg(test)]
mod tests;
