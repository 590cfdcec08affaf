//! `kitcert inspect`

use std::path::{Path, PathBuf};

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use crate::apply::{self, Inspected};
use crate::cli::options::ResultOptions;
use crate::cli::output::{Report, Tone, tone_of};
use crate::cli::session::{Session, UNWATCHED};
use crate::message;
use crate::model::{ExitCode, Failure, Finding, Message, Printable, Severity, Timestamp};
use crate::pki::Receipt;

/// `kitcert inspect`
#[derive(Debug, Args)]
pub struct InspectArguments {
    /// Files, folders, - for standard input, tcp://host:port, or a receipt of kitcert join
    #[arg(value_name = "PATH|URL", required = true)]
    pub subjects: Vec<PathBuf>,
    /// Where the result goes.
    #[command(flatten)]
    pub result: ResultOptions,
}

pub(in crate::cli) fn run(session: Session<'_>, asked: &InspectArguments) -> Result<Report, Failure> {
    let now = session.environment.now();
    let mut report = Report::new("inspect");
    let mut inspected = Vec::new();
    let mut left_out = Vec::new();
    for subject in &asked.subjects {
        let (files, others) = meant_by(&session, subject)?;
        left_out.extend(others.into_iter().map(|name| LeftOut { folder: subject.message(), name }));
        for file in files {
            let one = inspect(&session, &file)?;
            inspected.push((file, one));
        }
    }
    let mut together = apply::compare(&inspected, now);
    let all: Vec<Finding> =
        inspected.iter().flat_map(|(_, one)| &one.findings).chain(&together).cloned().collect();
    let count = inspected.len();
    let mut exits = vec![Finding::exit_code(&together, None)];
    let mut objects = Vec::new();
    for (subject, one) in inspected {
        exits.push(Finding::exit_code(&one.findings, None));
        objects.push(InspectedMember {
            subject: subject.message(),
            kind: one.kind.clone(),
            facts: one.facts.iter().map(fact).collect(),
        });
        report = show(report, &subject, one);
    }
    if !together.is_empty() {
        report = show_findings(report.line("together"), &mut together).findings(together);
    }
    if !left_out.is_empty() {
        let names = left_out.iter().map(|one| &one.name);
        report = report.toned(
            Tone::Warning,
            message!(
                "not looked at (hidden, a folder, a pipe or a link to nothing): {}",
                Message::few(names, ", ")
            ),
        );
    }
    let report = last_line(report, count, &all);
    let report = if let [only] = asked.subjects.as_slice() { report.target(only.display()) } else { report };
    Ok(report.object(&InspectObject { now, inspected: objects, left_out }).exit(ExitCode::of_all(exits)))
}

/// What was looked at.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::cli) struct InspectObject {
    /// As of when, RFC 3339.
    now: Timestamp,
    /// Each thing that was looked at.
    inspected: Vec<InspectedMember>,
    /// What is in a folder that was named, and was not looked at.
    left_out: Vec<LeftOut>,
}

/// What was not looked at.
#[derive(Debug, Serialize, JsonSchema)]
struct LeftOut {
    /// The folder.
    folder: Message,
    /// What it is called there.
    name: Message,
}

/// A thing that was looked at.
#[derive(Debug, Serialize, JsonSchema)]
struct InspectedMember {
    /// A path, an endpoint or a receipt.
    subject: Message,
    /// What it is.
    kind: Message,
    /// What it says.
    facts: Vec<FactMember>,
}

/// Something that it says.
#[derive(Debug, Serialize, JsonSchema)]
struct FactMember {
    /// Of what.
    name: &'static str,
    /// Its value, in words.
    value: Message,
}

fn fact((name, value): &(&'static str, Message)) -> FactMember {
    FactMember { name, value: value.clone() }
}

/// The files that are meant: what is in a folder, or the subject itself; and what else is in that folder.
fn meant_by(session: &Session<'_>, subject: &Path) -> Result<(Vec<PathBuf>, Vec<Message>), Failure> {
    let is_path = subject != Path::new("-")
        && subject.to_str().is_none_or(|text| !text.contains("://") && text.parse::<Receipt>().is_err());
    if !is_path {
        return Ok((vec![subject.to_owned()], Vec::new()));
    }
    let path = session.environment.absolute(subject)?;
    let files = apply::files_at(&path)?;
    let others = apply::left_out(&path, &files);
    // What was typed is shown as it was typed.
    Ok(match files.as_slice() {
        [only] if path == *only => (vec![subject.to_owned()], others),
        _ => (files, others),
    })
}

fn inspect(session: &Session<'_>, subject: &Path) -> Result<Inspected, Failure> {
    let endpoint = subject.to_str().filter(|text| text.contains("://"));
    let invocation = session.invocation("inspect", None, UNWATCHED)?;
    let receipt = subject.to_str().and_then(|text| text.parse::<Receipt>().ok());
    match (endpoint, receipt) {
        (Some(endpoint), _) => apply::inspect_endpoint(session.environment, &endpoint.parse()?),
        (_, Some(receipt)) => apply::inspect_receipt(&invocation, &receipt),
        _ if subject == Path::new("-") => apply::inspect_standard_input(&invocation),
        _ => apply::inspect_file(&invocation, &session.environment.absolute(subject)?),
    }
}

fn show(report: Report, subject: &Path, mut inspected: Inspected) -> Report {
    let rows = numbered(&inspected.facts).into_iter().map(|cells| (Tone::Plain, cells));
    let report = report.line(message!("{}  {}", subject.display(), inspected.kind)).table(rows.collect());
    show_findings(report, &mut inspected.findings).findings_at(&subject.message(), inspected.findings)
}

/// What a file says, each fact a row. Of several certificates, each has its number before its subject.
fn numbered(facts: &[(&'static str, Message)]) -> Vec<Vec<Message>> {
    let is_subject = |(name, _): &&(&'static str, Message)| *name == SUBJECT;
    let are_several = facts.iter().filter(is_subject).count() > 1;
    let mut count = 0;
    let mut row = |fact: &(&'static str, Message)| {
        let (name, value) = fact;
        let name = match (are_several, is_subject(&fact)) {
            (true, true) => {
                count += 1;
                message!("  {}. {}", count, name)
            }
            (true, false) => message!("     {}", name),
            (false, _) => message!("  {}", name),
        };
        vec![name, value.clone()]
    };
    facts.iter().map(&mut row).collect()
}

/// The findings, worst last, and how many there are.
fn show_findings(report: Report, findings: &mut [Finding]) -> Report {
    findings.sort_by_key(|finding| finding.severity);
    let rows = findings.iter().map(|finding| (tone_of(finding.severity), row(finding)));
    let report = report.table(rows.collect());
    // Each fault has to be fixed; of what is less, the gravest is enough.
    let faults = findings.iter().filter(|finding| finding.severity >= Severity::Error);
    let mut explained: Vec<&Finding> = faults.collect();
    if explained.is_empty() {
        explained.extend(findings.last());
    }
    report.explained(&explained, |finding| finding.rule.message())
}

/// What is said of everything that was looked at: files of one folder are one thing.
fn last_line(report: Report, files: usize, findings: &[Finding]) -> Report {
    let count = findings.iter().filter(|finding| finding.severity >= Severity::Warning).count();
    let found = match count {
        0 if files > 1 => message!("nothing wrong"),
        0 => message!("nothing wrong"),
        1 => message!("1 finding"),
        count => message!("{} findings", count),
    };
    let tone = if count == 0 { Tone::Good } else { tone_of(Finding::gravest(findings)) };
    match files {
        1 => report.toned(tone, found),
        files => report.toned(tone, message!("{} files together: {}", files, found)),
    }
}

/// `ERROR  key-mode  expected mode 0600, found mode 0444`
fn row(finding: &Finding) -> Vec<Message> {
    let severity = match finding.severity {
        Severity::Critical => message!("CRITICAL"),
        Severity::Error => message!("ERROR"),
        severity => severity.message(),
    };
    let text = match finding.expected.is_empty() {
        true => finding.found.clone(),
        false => message!("expected {}, found {}", finding.expected, finding.found),
    };
    vec![message!("  {}", severity), finding.rule.message(), text]
}

/// The fact that each certificate's begin with.
const SUBJECT: &str = "subject";
