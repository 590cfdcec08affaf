//! The marks of generators that are known for their flaws: `earthly bootstrap` first of all
//! (`buildkitd/certificates.go`; EarthBuild kept it under names of its own).

use super::report::Report;
use crate::message;
use crate::model::Lifetime;
use crate::model::Rule::LegacyGenerator;
use crate::model::Severity::{Info, Warning};

pub(super) fn judge_leaf(report: &mut Report<'_>) {
    let subject = report.certificate.subject().organization();
    if subject.as_deref().is_some_and(|name| LEAVES.iter().any(|prefix| name.starts_with(prefix))) {
        judge_not_before(report);
        judge_origin(report, "a certificate of earthly's own generator");
    }
    if report.certificate.validity().seconds() > LONGEST_SENSIBLE.seconds() {
        let days = report.certificate.validity().seconds() / Lifetime::days(1).seconds();
        let cause = "a certificate works until it expires: daemons read no CRL";
        report.add(
            LegacyGenerator,
            Warning,
            "a lifetime of at most 3 years",
            message!("{} days", days),
            cause,
        );
    }
}

pub(super) fn judge_authority(report: &mut Report<'_>) {
    let subject = report.certificate.subject();
    let known = subject.organization().is_some_and(|name| AUTHORITIES.contains(&name.as_str()));
    if known && subject.common_name().is_none() {
        judge_not_before(report);
        judge_origin(report, "earthly's own CA, which has the same name everywhere, and no common name");
    }
}

fn judge_origin(report: &mut Report<'_>, found: &'static str) {
    let cause = "its CA key lies beside every client's certificate, all key files are made readable to \
        everybody (0444), and nothing is ever renewed";
    report.add(LegacyGenerator, Warning, "a CA of your own", found, cause);
}

fn judge_not_before(report: &mut Report<'_>) {
    let found =
        message!("valid from {}, when it was made", report.certificate.validity().not_before.minute());
    let cause = "peers whose clocks are behind refuse it at first";
    report.add(LegacyGenerator, Info, "valid from an hour before it was made", found, cause);
}

const AUTHORITIES: [&str; 3] =
    ["Earthly Buildkit GRPC CA", "earth Buildkit GRPC CA", "EarthBuild Buildkit GRPC CA"];
const LEAVES: [&str; 3] = ["Earthly GRPC: ", "EarthBuild GRPC: ", "earth GRPC: "];

/// Longer than what public CAs ever allowed; mkcert's 825 days lie below.
const LONGEST_SENSIBLE: Lifetime = Lifetime::days(3 * 365);
