//! Rows that several commands show: a plan, as `--dry-run` prints it; certificates and a kit, in
//! text and in JSON.

use super::member::Object;
use super::report::Report;
use super::style::Tone;
use crate::apply::{Issued, MadeKit};
use crate::message;
use crate::model::{Message, Printable};
use crate::plan::{Plan, StepSummary};

/// Adds a plan that was not carried out.
pub(in crate::cli) fn show_plan(report: Report, plan: &Plan) -> Report {
    show_steps(report, plan.summary())
}

/// Adds the steps of something that was not done.
pub(in crate::cli) fn show_steps(report: Report, steps: Vec<StepSummary>) -> Report {
    let report = report.detail("plan", &steps).detail("dry_run", true);
    if steps.is_empty() {
        return report.line("nothing to do");
    }
    let hidden = steps.len().saturating_sub(MOST_SHOWN);
    let shown = steps.into_iter().take(MOST_SHOWN);
    let rows =
        shown.map(|step| (Tone::Plain, vec![message!("would {}", step.step), step.subject, step.detail]));
    let report = report.table(rows.collect());
    let report = if hidden > 0 { report.line(message!("… and {} more steps", hidden)) } else { report };
    report.line("nothing was changed (--dry-run)")
}

/// A certificate that was issued, as a row.
pub(in crate::cli) fn issued_row(issued: &Issued) -> (Tone, Vec<Message>) {
    let until = issued.certificate.validity().not_after.date();
    (Tone::Plain, vec![issued.role.message(), issued.name.message(), message!("until {}", until)])
}

/// The same in JSON.
pub(in crate::cli) fn issued_json(issued: &Issued) -> Object {
    Object::default()
        .with("role", issued.role.as_str())
        .with("name", issued.name.message())
        .with("serial", issued.certificate.serial().message())
        .with("not_after", issued.certificate.validity().not_after.message())
        .with("fingerprint", issued.certificate.fingerprint().message())
}

/// What will keep the client from its daemon although the kit is right.
pub(in crate::cli) fn kit_warnings(report: Report, kit: &MadeKit) -> Report {
    let report = kit.findings.iter().fold(report, |report, finding| {
        let text =
            message!("warning: {}: expected {}, found {}", finding.subject, finding.expected, finding.found);
        let report = report.toned(Tone::Warning, text);
        match &finding.fix {
            Some(fix) => report.line(message!("try: {}", fix)),
            None => report,
        }
    });
    report.findings(kit.findings.clone())
}

/// The kit as a row.
pub(in crate::cli) fn kit_row(kit: &MadeKit, what: &'static str) -> (Tone, Vec<Message>) {
    let until = message!("{}; to be joined before {}", what, kit.terms.join_before.minute());
    (Tone::Plain, vec![message!("kit"), kit.path.message(), until])
}

/// The kit in JSON.
pub(in crate::cli) fn kit_json(kit: &MadeKit) -> Object {
    Object::default()
        .with("path", kit.path.message())
        .with("endpoint", kit.terms.endpoint.message())
        .with("contact", kit.terms.contact.message())
        .with("join_before", kit.terms.join_before.message())
        .with("authority_fingerprint", kit.authority.fingerprint().message())
        .with("authority_words", kit.authority.fingerprint().words())
}

/// A plan for ten thousand clients is read in JSON.
const MOST_SHOWN: usize = 40;
