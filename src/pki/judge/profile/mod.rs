//! The lint: what some peer of a BuildKit daemon would refuse, or what would surprise somebody.
//!
//! Only deviations are returned. [`leaf`] and [`authority`] look at no clock, so that a verdict
//! on a certificate never changes; they run on every certificate before it leaves the CA. Every
//! finding's subject is the certificate's; who knows a path puts that in its place.

mod bundle;
mod every_certificate;
mod legacy;
mod names;
mod purposes;
mod report;

pub use bundle::bundle;

use self::report::{Fix, Report};
use crate::message;
use crate::model::{Finding, Role, Rule, Severity, Timestamp};
use crate::pki::x509::Certificate;

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
/// Whether the path holds is for [`verify`](super::chain::verify).
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

#[cfg(test)]
mod tests;
