//! Rows that several commands show: a plan, as `--dry-run` prints it; certificates and a kit, in
//! text and in JSON.

use schemars::JsonSchema;
use serde::Serialize;

use super::report::Report;
use super::style::Tone;
use crate::apply::{Issued, MadeKit};
use crate::message;
use crate::model::{Message, Printable, Timestamp};
use crate::plan::{Plan, StepSummary};

/// Adds a plan that was not carried out.
pub(in crate::cli) fn show_plan(report: Report, plan: &Plan) -> Report {
    show_steps(report, plan.summary())
}

/// Adds the steps of something that was not done.
pub(in crate::cli) fn show_steps(report: Report, steps: Vec<StepSummary>) -> Report {
    let report = report.object(&Planned { plan: steps.clone(), dry_run: Some(true) });
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

/// Adds a plan that was carried out, for programs.
pub(in crate::cli) fn with_plan(report: Report, steps: Vec<StepSummary>) -> Report {
    report.object(&Planned { plan: steps, dry_run: None })
}

/// What was done, or would be.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::cli) struct Planned {
    /// What was done, or would be, in order.
    plan: Vec<StepSummary>,
    /// True where nothing was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    dry_run: Option<bool>,
}

/// The certificates that were issued.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::cli) struct IssuedObject {
    /// The certificates that were issued.
    issued: Vec<IssuedMember>,
}

/// A certificate that was issued.
#[derive(Debug, Serialize, JsonSchema)]
struct IssuedMember {
    /// `daemon` or `client`.
    role: &'static str,
    /// The name of the identity.
    name: Message,
    /// The serial number, in hex.
    serial: Message,
    /// When it ends, RFC 3339.
    not_after: Timestamp,
    /// SHA-256 of the DER, in hex.
    fingerprint: Message,
}

/// The kit that was made.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::cli) struct KitObject {
    /// The kit that was made.
    kit: KitMember,
}

/// A kit.
#[derive(Debug, Serialize, JsonSchema)]
struct KitMember {
    /// Where it was written.
    path: Message,
    /// The daemon that it is for.
    endpoint: Message,
    /// Whom to ask.
    contact: Message,
    /// Until when it can be joined, RFC 3339.
    join_before: Timestamp,
    /// The CA's fingerprint, to be told by another way.
    authority_fingerprint: Message,
    /// The same in words.
    authority_words: Message,
}

/// A certificate that was issued, as a row.
pub(in crate::cli) fn issued_row(issued: &Issued) -> (Tone, Vec<Message>) {
    let until = issued.certificate.validity().not_after.date();
    (Tone::Plain, vec![issued.role.message(), issued.name.message(), message!("until {}", until)])
}

/// All that were issued, for programs.
pub(in crate::cli) fn issued_object(issued: &[Issued]) -> IssuedObject {
    let member = |one: &Issued| IssuedMember {
        role: one.role.as_str(),
        name: one.name.message(),
        serial: one.certificate.serial().message(),
        not_after: one.certificate.validity().not_after,
        fingerprint: one.certificate.fingerprint().message(),
    };
    IssuedObject { issued: issued.iter().map(member).collect() }
}

/// What will keep the client from its daemon although the kit is right.
pub(in crate::cli) fn kit_warnings(report: Report, kit: &MadeKit) -> Report {
    let report = kit.findings.iter().fold(report, |report, finding| {
        let text =
            message!("warning: {}: expected {}, found {}", finding.subject, finding.expected, finding.found);
        let report = report.toned(Tone::Warning, text);
        match &finding.fix {
            Some(fix) => report.remedy(fix, finding.note.as_ref()),
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

/// The kit, for programs.
pub(in crate::cli) fn kit_object(kit: &MadeKit) -> KitObject {
    let fingerprint = kit.authority.fingerprint();
    KitObject {
        kit: KitMember {
            path: kit.path.message(),
            endpoint: kit.terms.endpoint.message(),
            contact: kit.terms.contact.message(),
            join_before: kit.terms.join_before,
            authority_fingerprint: fingerprint.message(),
            authority_words: fingerprint.words(),
        },
    }
}

/// A plan for ten thousand clients is read in JSON.
const MOST_SHOWN: usize = 40;
