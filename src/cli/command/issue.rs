//! `kitcert issue`

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::apply::{self, Done, Invocation, IssuedClients, IssuedDaemon, MadeKit, Mode, Progress};
use crate::cli::options::{ChangeOptions, client_name, daemon_name};
use crate::cli::output::{
    Changed, Report, Tone, issued_object, issued_row, kit_object, kit_row, kit_warnings, show_plan, with_plan,
};
use crate::cli::session::{Session, UNWATCHED};
use crate::message;
use crate::model::{
    Contact, Endpoint, ExitCode, Failure, FingerprintPrefix, IdentityName, Lifetime, Message, Quoted,
    Selector, SubjectAltName,
};
use crate::pki::PublicKey;
use crate::plan::{IssueClientsRequest, IssueDaemonRequest, KeyChange, KitRequest, KitTerms};

/// `kitcert issue`
#[derive(Debug, Subcommand)]
pub enum IssueCommand {
    /// Issue a certificate for a daemon
    Daemon(IssueDaemonArguments),
    /// Issue certificates for clients, or sign a client's request
    Client(IssueClientArguments),
}

/// `kitcert issue daemon`
#[derive(Debug, Args)]
pub struct IssueDaemonArguments {
    /// The daemon's name in this state
    #[arg(value_parser = daemon_name)]
    pub name: IdentityName,
    /// A DNS name or IP address that clients use; give it once for each [default: as in kitcert.yaml]
    #[arg(long = "host", value_name = "HOST")]
    pub hosts: Vec<SubjectAltName>,
    /// Where clients reach the daemon [default: the first host, port 8372]
    #[arg(long, value_name = "URL", requires = "hosts")]
    pub endpoint: Option<Endpoint>,
    /// How long the certificate is valid [default: 397d]
    #[arg(long, value_name = "DURATION", requires = "hosts")]
    pub lifetime: Option<Lifetime>,
    /// Allow a host such as *.example.com
    #[arg(long)]
    pub allow_wildcard: bool,
    /// Go on even if this locks out that client; nobody else may be locked out
    #[arg(long, value_name = "NAME", num_args = 1..)]
    pub allow_lockout: Vec<Selector>,
    /// Whether to only print the plan.
    #[command(flatten)]
    pub change: ChangeOptions,
}

/// `kitcert issue client`
#[derive(Debug, Args)]
pub struct IssueClientArguments {
    /// The clients [default: those in kitcert.yaml that have no certificate]
    #[arg(value_name = "NAME", value_parser = client_name)]
    pub names: Vec<IdentityName>,
    /// Read more names from a file, one per line; - is standard input
    #[arg(long, value_name = "FILE")]
    pub from: Option<PathBuf>,
    /// How long the certificates are valid [default: 90d]
    #[arg(long, value_name = "DURATION")]
    pub lifetime: Option<Lifetime>,
    /// Sign a PKCS#10 request; only its key is used
    #[arg(long, value_name = "FILE", conflicts_with = "from")]
    pub csr: Option<PathBuf>,
    /// The fingerprint of the request's key, as its owner told you: the words, or at least 32 hex digits of
    /// the SHA-256
    #[arg(long, value_name = "WORDS|HEX", requires = "csr")]
    pub fingerprint: Option<FingerprintPrefix>,
    /// With --csr, accept another key than the client had; else make a new one. The old certificate works until
    /// it expires or is revoked
    #[arg(long)]
    pub new_key: bool,
    /// Write a kit to this file, for `kitcert join` on the client's machine
    #[arg(long, value_name = "FILE")]
    pub kit: Option<PathBuf>,
    /// The daemon that the client will use [default: as in kitcert.yaml, else the only one]
    #[arg(long, value_name = "URL", requires = "kit")]
    pub endpoint: Option<Endpoint>,
    /// Whom the developer asks; the kit says so [default: as in kitcert.yaml, else your user name]
    #[arg(long, value_name = "TEXT", requires = "kit")]
    pub contact: Option<Contact>,
    /// How long the kit can be joined [default: 14d]
    #[arg(long, value_name = "DURATION", requires = "kit")]
    pub join_within: Option<Lifetime>,
    /// Whether to only print the plan.
    #[command(flatten)]
    pub change: ChangeOptions,
}

pub(in crate::cli) fn daemon(session: Session<'_>, asked: &IssueDaemonArguments) -> Result<Report, Failure> {
    refuse_wildcards(&asked.hosts, asked.allow_wildcard)?;
    let invocation = session.invocation("issue daemon", Some(asked.change), UNWATCHED)?;
    let request = IssueDaemonRequest {
        name: asked.name.clone(),
        hosts: asked.hosts.clone(),
        endpoint: asked.endpoint.clone(),
        lifetime: asked.lifetime,
    };
    let lock_out = asked.allow_lockout.iter().map(|client| client.name.clone()).collect();
    let IssuedDaemon { done, root } = apply::issue_daemon(&invocation, &request, &lock_out)?;
    let root = root.map(|root| message!(" --root {}", Quoted(&root))).unwrap_or_default();
    let next = message!(
        "not verified yet; next: {kitcert} install daemon {}{}; then: {kitcert} verify {}",
        asked.name,
        root,
        asked.name
    );
    Ok(show(Report::new("issue daemon"), &invocation, &done, next))
}

pub(in crate::cli) fn client(
    mut session: Session<'_>,
    asked: &IssueClientArguments,
) -> Result<Report, Failure> {
    let mut names = asked.names.clone();
    if let Some(list) = &asked.from {
        names.extend(apply::names_in(list)?);
    }
    let requested_key = match &asked.csr {
        Some(path) => Some(confirmed_key(&mut session, asked, path)?),
        None => None,
    };
    let bar = progress_bar(&session);
    let watch = |progress| match progress {
        Progress::Issuing(count) => bar.set_length(count),
        Progress::Issued => bar.inc(1),
        Progress::Committing => bar.set_message("making it durable"),
        Progress::Dialing(_) | Progress::Dialed | Progress::Waiting(..) => {}
    };
    let invocation =
        Invocation { progress: &watch, ..session.invocation("issue client", Some(asked.change), UNWATCHED)? };
    let kit = asked.kit.as_ref().map(|path| KitRequest {
        path: path.clone(),
        endpoint: asked.endpoint.clone(),
        contact: asked.contact.clone(),
        join_within: asked.join_within.unwrap_or(JOIN_WITHIN),
    });
    let request = IssueClientsRequest {
        names,
        lifetime: asked.lifetime,
        requested_key,
        key_change: if asked.new_key { KeyChange::Accepted } else { KeyChange::Refused },
        kit,
        user: invocation.contact(),
    };
    let done = apply::issue_clients(&invocation, &request);
    bar.finish_and_clear();
    let IssuedClients { done, kit } = done?;
    let waiting: Vec<_> = done.plan.waiting_kits().collect();
    let next = match done.issued.as_slice() {
        [one] if asked.csr.is_some() => {
            message!("next: {kitcert} issue client {} --kit {}.kit", one.name, one.name)
        }
        [_, ..] if !waiting.is_empty() => hand_over(&invocation.state, &waiting),
        [one] => {
            message!(
                "next: {kitcert} invite {}; or, to use it here: {kitcert} install client {}",
                one.name,
                one.name
            )
        }
        [first, ..] => message!("next: {kitcert} invite {}, and so on", first.name),
        [] => Message::default(),
    };
    match kit {
        Some(kit) => Ok(show_kit(Report::new("issue client"), &invocation, &done, &kit)),
        None => Ok(show(Report::new("issue client"), &invocation, &done, next)),
    }
}

/// A kit without secrets, and the fingerprint by which its client will know it.
fn show_kit(report: Report, invocation: &Invocation<'_>, done: &Done, kit: &MadeKit) -> Report {
    let name = &kit.terms.name;
    let fingerprint = kit.authority.fingerprint();
    let rows = done.issued.iter().map(issued_row).chain([kit_row(kit, "no secret in it")]);
    let report = with_plan(report, done.plan.summary())
        .target(invocation.state.display())
        .changed(Changed::Yes)
        .object(&issued_object(&done.issued))
        .object(&kit_object(kit))
        .table(rows.collect());
    kit_warnings(report, kit)
        .line(message!("tell {} the CA's fingerprint separately from the kit, for example by phone:", name))
        .line(message!("  {}", fingerprint.words()))
        .toned(Tone::Aside, message!("  or SHA-256 {}", fingerprint))
        .line(message!("then, on {}'s machine: kitcert join {}", name, Quoted(&kit.path)))
}

fn hand_over(state: &Path, waiting: &[&KitTerms]) -> Message {
    let kits: Vec<_> = waiting.iter().map(|terms| message!("{}.kit", terms.name)).collect();
    message!("hand over from {}/kits: {}", state.display(), Message::join(kits, ", "))
}

/// A wildcard in a daemon's certificate is good for hosts that nobody thought of.
pub(super) fn refuse_wildcards(hosts: &[SubjectAltName], allowed: bool) -> Result<(), Failure> {
    let wildcard = hosts.iter().find(|host| matches!(host, SubjectAltName::Dns(name) if name.is_wildcard()));
    match wildcard {
        Some(host) if !allowed => Err(Failure::new("reading", "--host")
            .expected("a host, or --allow-wildcard")
            .found(host)
            .exit(ExitCode::Usage)),
        _ => Ok(()),
    }
}

fn show(report: Report, invocation: &Invocation<'_>, done: &Done, next: Message) -> Report {
    let report = report.target(invocation.state.display());
    if invocation.mode == Mode::DryRun {
        return show_plan(report, &done.plan);
    }
    let report = with_plan(report, done.plan.summary()).object(&issued_object(&done.issued));
    let report = match done.issued.as_slice() {
        [] => return report.line("nothing to do: they have certificates already"),
        few if few.len() <= MOST_SHOWN => report.table(few.iter().map(issued_row).collect()),
        many => report.line(summary(many)),
    };
    report.changed(Changed::Yes).line(next)
}

fn summary(issued: &[apply::Issued]) -> Message {
    let earliest = issued.iter().map(|issued| issued.certificate.validity().not_after).min();
    let until = earliest.map(|instant| instant.date()).unwrap_or_default();
    message!("{} {}s  until {}", issued.len(), issued[0].role, until)
}

/// The key of a request, after somebody has given its fingerprint. It is not shown here: who only had to agree
/// would.
fn confirmed_key(
    session: &mut Session<'_>,
    asked: &IssueClientArguments,
    path: &Path,
) -> Result<PublicKey, Failure> {
    let request = apply::request_in(path)?;
    let failure = || Failure::new("signing the request", path.display());
    let told = match &asked.fingerprint {
        Some(told) => told.clone(),
        None => {
            let question = message!(
                "the fingerprint of the key of {}, as its owner told you (twelve words, or at least 32 hex digits): ",
                path
            );
            let answer = session.console.ask(&question).ok_or_else(|| {
                failure()
                    .expected("the fingerprint of its key")
                    .found("no terminal to ask on")
                    .hint(ASK_ITS_OWNER)
                    .exit(ExitCode::Usage)
            })?;
            answer.parse()?
        }
    };
    match told.matches(&request.fingerprint()) {
        true => Ok(request.public_key().clone()),
        false => Err(failure().expected("a key with the fingerprint that was given").found("another key")),
    }
}

fn progress_bar(session: &Session<'_>) -> ProgressBar {
    let watched = session.console.terminals().err && !session.global.quiet;
    let target = if watched { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let style = ProgressStyle::with_template("issuing {bar:30} {pos}/{len} {msg}");
    let bar = ProgressBar::with_draw_target(None, target);
    style.map_or(bar.clone(), |style| bar.with_style(style))
}

/// What nobody can paste: the words are with somebody else.
const ASK_ITS_OWNER: &str = "ask the owner of the request for the words that kitcert request printed, and pass them with --fingerprint";
const MOST_SHOWN: usize = 20;
const JOIN_WITHIN: Lifetime = Lifetime::days(14);
