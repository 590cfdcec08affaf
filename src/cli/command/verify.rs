//! `kitcert verify`

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::ProgressBar;
use schemars::JsonSchema;
use serde::Serialize;

use crate::apply::{
    self, ClientChoice, ConfigChoice, DialOptions, FleetRequest, Invocation, Member, Outcome, Progress,
    Recorded, Scope, Target, Verification,
};
use crate::cli::options::{GlobalOptions, ResultOptions, client_name};
use crate::cli::output::{Changed, Monitored, MonitoredCertificate, Report, Tone, tone_of};
use crate::cli::session::{Session, UNWATCHED};
use crate::layout::ClientTool;
use crate::message;
use crate::model::{
    ExitCode, Failure, Finding, IdentityName, Lifetime, Message, Printable, Rule, Severity, SubjectAltName,
    Timestamp,
};
use crate::pki::Certificate;
use crate::probe::DaemonFacts;

/// `kitcert verify`
#[derive(Debug, Args)]
pub struct VerifyArguments {
    /// tcp://HOST:PORT or a daemon's name [default: what your tool's config names]
    #[arg(value_name = "TARGET")]
    pub targets: Vec<String>,
    /// Verify every daemon in kitcert.yaml
    #[arg(long, conflicts_with_all = ["targets", "list"])]
    pub all: bool,
    /// Read targets from a file, one per line, # for comments; - is standard input
    #[arg(long = "targets", id = "list", value_name = "FILE", conflicts_with = "targets")]
    pub list: Option<PathBuf>,
    /// How many daemons to dial at the same time
    #[arg(long, value_name = "COUNT", default_value_t = 256, value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: u16,
    /// Judge as of that time, such as 2027-02-01; the dials are made now
    #[arg(long, value_name = "TIME", value_parser = Timestamp::parse)]
    pub at: Option<Timestamp>,
    /// The client tool whose config is read [default: the one that has a config]
    #[arg(long, value_name = "TOOL")]
    pub tool: Option<ClientTool>,
    /// Read this config file [default: the tool's own]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Dial as this client of the state
    #[arg(long, value_name = "NAME", value_parser = client_name, conflicts_with_all = ["tlsdir", "ca"])]
    pub client: Option<IdentityName>,
    /// Dial with the ca.pem, cert.pem and key.pem in this folder
    #[arg(long, value_name = "DIR", conflicts_with = "ca")]
    pub tlsdir: Option<PathBuf>,
    /// Dial with this CA bundle
    #[arg(long, value_name = "FILE", requires_all = ["cert", "key"])]
    pub ca: Option<PathBuf>,
    /// Dial with this certificate
    #[arg(long, value_name = "FILE", requires_all = ["ca", "key"])]
    pub cert: Option<PathBuf>,
    /// Dial with this key
    #[arg(long, value_name = "FILE", requires_all = ["ca", "cert"])]
    pub key: Option<PathBuf>,
    /// How long all dials to a daemon may take together
    #[arg(long, value_name = "DURATION", default_value = "20s")]
    pub timeout: Lifetime,
    /// Wait for a daemon that is starting [60s if no duration is given]
    #[arg(
        long,
        value_name = "DURATION",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "60s"
    )]
    pub wait: Option<Lifetime>,
    /// The name that the daemon's certificate must have [default: the host]
    #[arg(long, value_name = "NAME", conflicts_with_all = ["all", "list"])]
    pub servername: Option<SubjectAltName>,
    /// Dial only this address of the host; give it once for each
    #[arg(long = "address", value_name = "IP", conflicts_with_all = ["all", "list"])]
    pub addresses: Vec<IpAddr>,
    /// Repeat the whole test, to reach several daemons through a load balancer
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub samples: u16,
    /// Dial one at a time, with this pause, for a daemon behind a connection limit
    #[arg(long, value_name = "DURATION")]
    pub pace: Option<Lifetime>,
    /// Also test neighboring ports: what answers there without a certificate?
    #[arg(long)]
    pub ports: bool,
    /// Exit 4 if the gravest finding is a warning
    #[arg(long, value_name = "SEVERITY", value_parser = ["warning"])]
    pub fail_on: Option<String>,
    /// Where the result goes.
    #[command(flatten)]
    pub result: ResultOptions,
}

impl VerifyArguments {
    /// From which severity on a list without errors still fails.
    #[must_use]
    pub fn fail_on_severity(&self) -> Option<Severity> {
        self.fail_on.as_ref().map(|_| Severity::Warning)
    }
}

pub(in crate::cli) fn run(session: Session<'_>, asked: &VerifyArguments) -> Result<Report, Failure> {
    let bar = fleet_bar(&session);
    let watch = |progress| match progress {
        Progress::Dialing(count) => bar.set_length(count),
        Progress::Dialed => bar.inc(1),
        _ => {}
    };
    let invocation =
        Invocation { at: asked.at, progress: &watch, ..session.invocation("verify", None, UNWATCHED)? };
    let config = asked.config.as_ref().map(|config| session.environment.absolute(config)).transpose()?;
    let request = FleetRequest {
        targets: targets(&session, &invocation, asked)?,
        client: client_choice(&session, asked)?,
        config: ConfigChoice { tool: asked.tool, path: config },
        options: dial_options(asked),
        scope: if asked.ports { Scope::Ports } else { Scope::Daemon },
        jobs: asked.jobs.into(),
    };
    let is_fleet = asked.all || asked.list.is_some();
    let mut members = apply::verify_fleet(&invocation, &request)?;
    bar.finish_and_clear();
    if !is_fleet && let Some(at) = members.iter().position(|member| member.verification.is_err()) {
        // Of a few that were named, one that cannot be dialed is the command's own failure.
        return members.swap_remove(at).verification.map(|_| Report::new("verify"));
    }
    let exit = |member: &Member| match &member.verification {
        Ok(verification) => {
            let found = Finding::exit_code(&verification.findings, asked.fail_on_severity());
            // Whatever kitcert.yaml accepts, what is not verified is no success.
            let verified = (verification.outcome != Outcome::Verified).then_some(ExitCode::Verification);
            ExitCode::of_all(std::iter::once(found).chain(verified))
        }
        Err(failure) => failure.exit_code(),
    };
    let exit = ExitCode::of_all(members.iter().map(exit));
    let now = session.environment.now();
    let mut report = Report::new("verify");
    if let Some(at) = asked.at {
        report = report.line(message!("judged as of {}; the dials were made now; not recorded", at.minute()));
    }
    let report = match is_fleet {
        true => fleet(report, &members),
        false => members.iter().filter_map(|member| member.verification.as_ref().ok()).fold(
            report,
            |report, verification| {
                let detail = if session.global.quiet { Detail::Faults } else { Detail::Everything };
                show(report, session.global, detail, verification)
            },
        ),
    };
    let all: Vec<Monitored> = members.iter().map(|member| monitored(member, now)).collect();
    let report = report.object(&VerifyObject { targets: all.iter().map(target).collect(), at: asked.at });
    let changed = members.iter().any(|member| {
        member.verification.as_ref().is_ok_and(|verification| verification.recorded == Recorded::Changed)
    });
    let report = if changed { report.changed(Changed::Yes) } else { report };
    Ok(all.into_iter().fold(report, Report::about).exit(exit))
}

/// One daemon, for programs.
fn target(one: &Monitored) -> TargetMember {
    TargetMember {
        target: one.name.clone(),
        verdict: one.verdict.clone(),
        verified: one.succeeded_at.is_some(),
        seconds: one.seconds,
        severity: Finding::gravest(&one.findings),
        findings: one.findings.clone(),
    }
}

/// What was asked for.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::cli) struct VerifyObject {
    /// Each daemon that was asked for, in that order.
    targets: Vec<TargetMember>,
    /// The time as of which it was judged, RFC 3339; there where one was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<Timestamp>,
}

/// A daemon that was asked for.
#[derive(Debug, Serialize, JsonSchema)]
struct TargetMember {
    /// Which, as it was asked for.
    target: Message,
    /// Its verdict in one line.
    verdict: Message,
    /// Whether everything is as it must be.
    verified: bool,
    /// How long its dials took together; null where nobody was dialed.
    seconds: Option<f64>,
    /// Of its gravest finding.
    severity: Severity,
    /// Those of `findings` that are about it, in the same shape.
    findings: Vec<Finding>,
}

/// The daemon that was dialed last, if several were.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::cli) struct DaemonObject {
    /// The verdict in one line.
    verdict: Message,
    /// What the daemon showed of itself; null where nobody was dialed.
    daemon: Option<DaemonFacts>,
}

fn dial_options(asked: &VerifyArguments) -> DialOptions {
    DialOptions {
        server_name: asked.servername.clone(),
        addresses: asked.addresses.clone(),
        samples: asked.samples,
        pace: asked.pace.map(Lifetime::as_duration).unwrap_or_default(),
        wait: asked.wait.map(Lifetime::as_duration).unwrap_or_default(),
        deadline: asked.timeout.as_duration(),
        ..DialOptions::default()
    }
}

fn targets(
    session: &Session<'_>,
    invocation: &Invocation<'_>,
    asked: &VerifyArguments,
) -> Result<Vec<Target>, Failure> {
    match (&asked.list, asked.all, asked.targets.as_slice()) {
        (Some(list), ..) if list == Path::new("-") => apply::listed_targets(list),
        (Some(list), ..) => apply::listed_targets(&session.environment.absolute(list)?),
        (None, true, _) => apply::every_daemon(invocation),
        (None, false, []) => Ok(vec![Target::Configured]),
        (None, false, named) => named.iter().map(|target| target.parse()).collect(),
    }
}

/// A line for each, the worst last, and how many there are of which kind.
fn fleet(report: Report, members: &[Member]) -> Report {
    let gravest = |member: &Member| match &member.verification {
        Ok(verification) => Finding::gravest(&verification.findings),
        Err(_) => Severity::Error,
    };
    let mut sorted: Vec<&Member> = members.iter().collect();
    sorted.sort_by_key(|member| gravest(member));
    let row = |member: &&Member| {
        let (word, said) = match &member.verification {
            Ok(verification) => (word(gravest(member)), verification.verdict.clone()),
            Err(failure) => (message!("ERROR"), failure.message()),
        };
        (tone_of(gravest(member)), vec![message!("  {}", word), member.target.message(), said])
    };
    let report = report.table(sorted.iter().map(row).collect());
    let count = |wanted: &dyn Fn(Severity) -> bool| members.iter().filter(|one| wanted(gravest(one))).count();
    let open = count(&|severity| severity == Severity::Critical);
    let faulty = count(&|severity| severity == Severity::Error);
    let sound = members.len() - open - faulty;
    let tone = match (open, faulty) {
        (0, 0) => Tone::Good,
        _ => Tone::Bad,
    };
    let daemons = if members.len() == 1 { "daemon" } else { "daemons" };
    let count = members.len();
    report.toned(
        tone,
        message!("{} {}: {} verified, {} not verified, {} OPEN", count, daemons, sound, faulty, open),
    )
}

/// What monitoring reads of it.
fn monitored(member: &Member, now: Timestamp) -> Monitored {
    let certificate = |(whose, certificate): &(Message, Certificate)| MonitoredCertificate {
        whose: whose.clone(),
        validity: certificate.validity(),
        due: certificate.validity().not_after.minus_seconds(certificate.validity().renewal_window()),
    };
    match &member.verification {
        Ok(verification) => Monitored {
            name: match &member.target {
                Target::Configured => verification.target.clone(),
                target => target.message(),
            },
            verdict: verification.verdict.clone(),
            findings: verification.findings.clone(),
            certificates: verification.certificates.iter().map(certificate).collect(),
            seconds: verification.elapsed.map(|elapsed| elapsed.as_secs_f64()),
            succeeded_at: verification.is_verified().then_some(now),
        },
        Err(failure) => Monitored {
            name: member.target.message(),
            verdict: failure.message(),
            findings: vec![
                Finding::new(Rule::Inconclusive, Severity::Error, &member.target)
                    .expected(failure.what_was_expected())
                    .found(failure.what_was_found()),
            ],
            certificates: Vec::new(),
            seconds: None,
            succeeded_at: None,
        },
    }
}

/// Shown to a person alone, and only where there is something to wait for.
fn fleet_bar(session: &Session<'_>) -> ProgressBar {
    if session.global.quiet || !session.console.terminals().err {
        return ProgressBar::hidden();
    }
    ProgressBar::new(0)
}

/// How much of a verification is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detail {
    /// What passed too.
    Everything,
    /// What needs attention.
    Faults,
}

fn client_choice(session: &Session<'_>, asked: &VerifyArguments) -> Result<ClientChoice, Failure> {
    let absolute = |path: &Path| session.environment.absolute(path);
    if let Some(name) = &asked.client {
        return Ok(ClientChoice::Client(name.clone()));
    }
    if let Some(folder) = &asked.tlsdir {
        return Ok(ClientChoice::Directory(absolute(folder)?));
    }
    match (&asked.ca, &asked.cert, &asked.key) {
        (Some(ca), Some(cert), Some(key)) => Ok(ClientChoice::Files {
            authority: absolute(ca)?,
            certificate: absolute(cert)?,
            key: absolute(key)?,
        }),
        _ => Ok(ClientChoice::Automatic),
    }
}

/// The findings, worst last, and the verdict as the last line.
pub(super) fn show(
    report: Report,
    global: &GlobalOptions,
    detail: Detail,
    verification: &Verification,
) -> Report {
    let mut shown: Vec<&Finding> =
        verification.findings.iter().filter(|finding| is_shown(finding, detail)).collect();
    shown.sort_by_key(|finding| finding.severity);
    let rows = shown.iter().map(|finding| (tone_of(finding.severity), row(finding))).collect();
    let gravest = Finding::gravest(&verification.findings);
    let mut report = report
        .target(verification.target.clone())
        .changed(match verification.recorded {
            Recorded::Changed => Changed::Yes,
            Recorded::Unchanged | Recorded::Superseded => Changed::No,
        })
        .line(message!("{}  as {}", verification.target, verification.identity))
        .table(rows);
    report = report.explained(&explanations(&shown), |finding| finding.subject.clone());
    if global.verbose {
        report =
            report.table(verification.timings.iter().map(|timing| (Tone::Aside, timing.clone())).collect());
    }
    let verdict = verification.verdict.clone();
    let daemon = verification.daemon_facts.clone();
    report.object(&DaemonObject { verdict: verdict.clone(), daemon }).toned(
        match gravest {
            Severity::Pass | Severity::Info => Tone::Good,
            severity => tone_of(severity),
        },
        verdict,
    )
}

/// The findings that explain the others, the gravest last: a key that is not its certificate's is why everybody
/// refuses it; else each error that has a cause; without one, the warnings.
fn explanations<'a>(shown: &[&'a Finding]) -> Vec<&'a Finding> {
    let of = |severity: Severity| shown.iter().copied().filter(move |one| one.severity >= severity);
    let mismatch: Vec<_> = of(Severity::Error).filter(|one| one.rule == Rule::KeyMismatch).collect();
    let errors: Vec<_> = of(Severity::Error).filter(|one| one.cause.is_some()).collect();
    let warnings = of(Severity::Warning).filter(|one| one.fix.is_some()).collect();
    [mismatch, errors].into_iter().find(|some| !some.is_empty()).unwrap_or(warnings)
}

fn is_shown(finding: &Finding, detail: Detail) -> bool {
    detail == Detail::Everything || finding.severity >= Severity::Warning
}

/// `CRITICAL  no certificate  expected refused, found a call answered`
fn row(finding: &Finding) -> Vec<Message> {
    let text = match (finding.severity, finding.expected.is_empty()) {
        (Severity::Pass | Severity::Info, _) | (_, true) => finding.found.clone(),
        _ => message!("expected {}, found {}", finding.expected, finding.found),
    };
    vec![message!("  {}", word(finding.severity)), finding.subject.clone(), text]
}

/// What needs attention is told loudly.
fn word(severity: Severity) -> Message {
    match severity {
        Severity::Critical => message!("CRITICAL"),
        Severity::Error => message!("ERROR"),
        severity => severity.message(),
    }
}
