//! `kitcert verify`

use std::path::Path;

use super::{Session, UNWATCHED};
use crate::apply::{self, ConfigChoice, Credentials, Proof, Recorded, Target, VerifyRequest};
use crate::cli::arguments::{GlobalOptions, VerifyArguments};
use crate::cli::report::{Changed, Report, Tone, tone_of};
use crate::model::{ExitCode, Failure, Finding, Rule, Severity};

pub(super) fn run(session: Session<'_>, asked: &VerifyArguments) -> Result<Report, Failure> {
    let context = session.context("verify", None, UNWATCHED)?;
    let targets = match asked.targets.as_slice() {
        [] => vec![Target::Configured],
        named => named.iter().map(|target| target_of(target)).collect::<Result<_, _>>()?,
    };
    let config = asked.config.as_ref().map(|config| session.environment.absolute(config)).transpose()?;
    let mut report = Report::new("verify");
    let mut exits = Vec::new();
    for target in targets {
        let request = VerifyRequest {
            target,
            credentials: credentials(&session, asked)?,
            config: ConfigChoice { tool: asked.tool, path: config.clone() },
            deadline: asked.timeout,
        };
        let proof = apply::verify(&context, &request)?;
        exits.push(Finding::exit_code(&proof.findings, asked.fail_on_severity()));
        let detail = if session.global.quiet { Detail::Faults } else { Detail::Everything };
        report = show(report, session.global, detail, proof);
    }
    Ok(report.exit(ExitCode::of_all(exits)))
}

/// How much of a proof is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detail {
    /// What passed too.
    Everything,
    /// What needs attention.
    Faults,
}

fn target_of(text: &str) -> Result<Target, Failure> {
    if text.contains("://") {
        return text.parse().map(Target::Endpoint);
    }
    text.parse().map(Target::Daemon).map_err(|_: Failure| {
        Failure::new("reading the target", format!("{text:?}"))
            .expected("tcp://host:port or the name of a daemon")
            .found("something else")
            .hint(format!("kitcert verify tcp://{text}"))
            .exit(ExitCode::Usage)
    })
}

fn credentials(session: &Session<'_>, asked: &VerifyArguments) -> Result<Credentials, Failure> {
    let absolute = |path: &Path| session.environment.absolute(path);
    if let Some(name) = &asked.client {
        return Ok(Credentials::Client(name.clone()));
    }
    if let Some(folder) = &asked.tlsdir {
        return Ok(Credentials::Directory(absolute(folder)?));
    }
    match (&asked.ca, &asked.cert, &asked.key) {
        (Some(ca), Some(cert), Some(key)) => Ok(Credentials::Files {
            authority: absolute(ca)?,
            certificate: absolute(cert)?,
            key: absolute(key)?,
        }),
        _ => Ok(Credentials::Automatic),
    }
}

/// The findings, worst last, and the verdict as the last line.
pub(super) fn show(report: Report, global: &GlobalOptions, detail: Detail, proof: Proof) -> Report {
    let mut shown: Vec<&Finding> =
        proof.findings.iter().filter(|finding| is_shown(finding, detail)).collect();
    shown.sort_by_key(|finding| finding.severity);
    let rows = shown.iter().map(|finding| (tone_of(finding.severity), row(finding))).collect();
    let gravest = Finding::gravest(&proof.findings);
    let mut report = report
        .target(proof.target.clone())
        .changed(match proof.recorded {
            Recorded::Moved => Changed::Yes,
            Recorded::Unchanged => Changed::No,
        })
        .line(format!("{}  as {}", proof.target, proof.identity))
        .table(rows);
    if let Some(worst) = explanation(&shown) {
        report = match &worst.cause {
            Some(cause) => report.line(format!("cause: {cause}")),
            None => report,
        };
        report = match &worst.fix {
            Some(fix) => report.line(format!("try: {fix}")),
            None => report,
        };
    }
    if global.verbose {
        report = report.table(proof.timings.iter().map(|timing| (Tone::Aside, timing.clone())).collect());
    }
    let verdict = proof.verdict.clone();
    report
        .detail("verdict", &proof.verdict)
        .detail("daemon", &proof.daemon_facts)
        .findings(proof.findings)
        .toned(
            match gravest {
                Severity::Pass | Severity::Info => Tone::Good,
                severity => tone_of(severity),
            },
            verdict,
        )
}

/// The finding that explains the others: a key that is not its certificate's is why everybody
/// refuses it; else the gravest, which stands last, if it says how it is mended.
fn explanation<'a>(shown: &[&'a Finding]) -> Option<&'a Finding> {
    let mut errors = shown.iter().copied().filter(|finding| finding.severity >= Severity::Error);
    let mismatch = errors.clone().find(|finding| finding.rule == Rule::KeyMismatch);
    let mut warnings = shown.iter().copied().filter(|finding| finding.severity == Severity::Warning);
    mismatch.or_else(|| errors.next_back()).or_else(|| warnings.rfind(|finding| finding.fix.is_some()))
}

fn is_shown(finding: &Finding, detail: Detail) -> bool {
    detail == Detail::Everything || finding.severity >= Severity::Warning
}

/// `CRITICAL  anonymous  expected refused, found Info answered`
fn row(finding: &Finding) -> Vec<String> {
    let severity = match finding.severity {
        Severity::Critical => "CRITICAL".to_owned(),
        Severity::Error => "ERROR".to_owned(),
        severity => severity.to_string(),
    };
    let text = match (finding.severity, finding.expected.is_empty()) {
        (Severity::Pass | Severity::Info, _) | (_, true) => finding.found.clone(),
        _ => format!("expected {}, found {}", finding.expected, finding.found),
    };
    vec![format!("  {severity}"), finding.subject.clone(), text]
}
