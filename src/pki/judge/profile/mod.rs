//! The lint of our profile: what some peer of a BuildKit daemon would refuse, or what would surprise somebody.
//!
//! ```text
//! every_certificate   what a CA's certificate and a leaf have in common
//! names               what a certificate is called
//! purposes            what it may be used for
//! bundle              a bundle as a whole
//! legacy              the marks of generators that are known for their flaws
//! report              what is found of one certificate, and what fixes it
//! ```
//!
//! Only deviations are returned. [`leaf`] and [`authority`] look at no clock and run on every certificate
//! before it leaves the CA; dates are judged apart. Every finding's subject is the certificate's, and callers
//! that know a path replace it by that. The words of the rules, with cause and fix, are in `model/rule`.

mod bundle;
mod every_certificate;
mod legacy;
mod names;
mod purposes;
mod report;

pub(super) use bundle::bundle;
pub use report::Standard;

use self::report::{Fix, Report};
use crate::message;
use crate::model::{Finding, Role, Rule, Severity, Timestamp};
use crate::pki::x509::Certificate;

/// An end-entity certificate by the profile of its role. With `issuer`, also what the two must
/// agree on.
#[must_use]
pub(super) fn leaf(
    certificate: &Certificate,
    role: Role,
    issuer: Option<&Certificate>,
    standard: Standard,
) -> Vec<Finding> {
    let mut report = Report::on(certificate, Fix::of(role), standard);
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

/// A CA's certificate by the profile. With `issuer`, also what the two must agree on.
#[must_use]
pub(super) fn authority(
    certificate: &Certificate,
    issuer: Option<&Certificate>,
    standard: Standard,
) -> Vec<Finding> {
    let mut report = Report::on(certificate, Fix::NewAuthority, standard);
    every_certificate::judge(&mut report);
    every_certificate::judge_subject_of_authority(&mut report);
    purposes::judge_authority(&mut report);
    if let Some(issuer) = issuer {
        every_certificate::judge_with_issuer(&mut report, issuer);
    }
    legacy::judge_authority(&mut report);
    report.findings
}

/// A path in use, the leaf first. Whether it holds is for the [chain](super::chain)'s rules.
#[must_use]
pub(super) fn path(path: &[Certificate], role: Role) -> Vec<Finding> {
    let judged = path.iter().enumerate().map(|(at, certificate)| {
        let issuer = path.get(at + 1);
        match at {
            0 => leaf(certificate, role, issuer, Standard::InUse),
            _ => authority(certificate, issuer, Standard::InUse),
        }
    });
    judged.flatten().collect()
}

/// Whether a certificate is valid at `now`, and for how long: less than a third of its lifetime
/// is a warning.
#[must_use]
pub(super) fn dates(certificate: &Certificate, now: Timestamp) -> Vec<Finding> {
    let fix = if certificate.is_authority() { Fix::NewAuthority } else { Fix::Renew };
    let mut report = Report::on(certificate, fix, Standard::Profile);
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
