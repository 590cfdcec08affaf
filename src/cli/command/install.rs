//! `kitcert install`

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use crate::apply::{self, ClientInstallation, InstalledClient, Mode};
use crate::cli::options::ChangeOptions;
use crate::cli::output::{Changed, Report, Tone, show_plan};
use crate::cli::session::{Session, UNWATCHED};
use crate::layout::{
    ClientTool, CommandLine, DaemonLayout, EnableTls, environment_line, start_command, use_command,
};
use crate::message;
use crate::model::{Endpoint, Failure, IdentityName, Message, Severity, Word};
use crate::plan::{InstallDaemonRequest, InstallRequest, Plan};
use crate::store::{Interest, Observation};

/// `kitcert install`
#[derive(Debug, Subcommand)]
pub enum InstallCommand {
    /// Install a daemon's files where it reads them
    Daemon(InstallDaemonArguments),
    /// Install a client's files, and edit its config in place
    Client(InstallClientArguments),
}

/// `kitcert install daemon`
#[derive(Debug, Args)]
pub struct InstallDaemonArguments {
    /// The daemon [default: the only one]
    pub name: Option<IdentityName>,
    /// Install under this directory instead of / [default: as in kitcert.yaml, else /]
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// Which daemon it is: earthly, earthbuild or buildkit [default: as in kitcert.yaml, else earthly]
    #[arg(long, value_name = "LAYOUT")]
    pub layout: Option<DaemonLayout>,
    /// Give the files to this user and group, names or numbers
    #[arg(long, value_name = "USER:GROUP")]
    pub owner: Option<String>,
    /// Whether to only print the plan.
    #[command(flatten)]
    pub change: ChangeOptions,
}

/// `kitcert install client`
#[derive(Debug, Args)]
pub struct InstallClientArguments {
    /// The client [default: the only one]
    pub name: Option<IdentityName>,
    /// The daemon that it will use [default: the only one's]
    #[arg(long, value_name = "URL")]
    pub endpoint: Option<Endpoint>,
    /// The config file to edit [default: the tool's own]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The tool: earthly, earthbuild, buildctl or buildx
    #[arg(long = "for", value_name = "TOOL", default_value = "earthly")]
    pub tool: ClientTool,
    /// Turn TLS on where the config says tls_enabled: false
    #[arg(long)]
    pub enable_tls: bool,
    /// Whether to only print the plan.
    #[command(flatten)]
    pub change: ChangeOptions,
}

pub(in crate::cli) fn daemon(
    session: Session<'_>,
    asked: &InstallDaemonArguments,
) -> Result<Report, Failure> {
    let context = session.context("install daemon", Some(asked.change), UNWATCHED)?;
    let (_, observation) = context.observe(&Interest::Inventory)?;
    let name = the_only(asked.name.as_ref(), observation.inventory.daemons.keys(), "daemon")?;
    let listed = observation.inventory.daemons.get(&name);
    let there = listed.and_then(|daemon| daemon.install.clone());
    let root = match (&asked.root, &there) {
        (Some(root), _) => session.environment.absolute(root)?,
        (None, Some(there)) => there.root.clone(),
        (None, None) => Path::new("/").to_owned(),
    };
    let owner = asked.owner.as_deref().map(str::parse).transpose()?;
    let request = InstallDaemonRequest {
        name: name.clone(),
        install: InstallRequest {
            layout: asked.layout.or(there.as_ref().map(|there| there.layout)).unwrap_or_default(),
            root,
        },
        owner: owner.or_else(|| there.and_then(|there| there.owner)),
    };
    let plan = apply::install_daemon(&context, &request)?;
    let report = Report::new("install daemon").target(request.install.root.display());
    if context.mode == Mode::DryRun {
        return Ok(show_plan(report, &plan));
    }
    let report = with_plan(report, &plan);
    if plan.is_empty() {
        return Ok(report.line(message!(
            "nothing to do: {} is installed; next: kitcert verify {}",
            name,
            name
        )));
    }
    let report = report.line(installed_line(request.install.layout, &request.install.root));
    let restart = listed.map(|daemon| daemon.restart.clone()).filter(|restart| !restart.is_empty());
    let report = match (listed, restart) {
        (Some(_), Some(restart)) => report.line(message!("restart:  {}", CommandLine(&restart))),
        (Some(daemon), None) => {
            start_lines(report, request.install.layout, &request.install.root, &name, &daemon.endpoint)?
        }
        (None, _) => report,
    };
    Ok(report
        .line(message!("not verified yet; next: start or restart the daemon; then: kitcert verify {}", name)))
}

pub(in crate::cli) fn client(
    session: Session<'_>,
    asked: &InstallClientArguments,
) -> Result<Report, Failure> {
    let context = session.context("install client", Some(asked.change), UNWATCHED)?;
    let (_, observation) = context.observe(&Interest::Inventory)?;
    let config = asked.config.as_ref().map(|config| session.environment.absolute(config)).transpose()?;
    let request = ClientInstallation {
        name: the_only(asked.name.as_ref(), observation.inventory.clients.keys(), "client")?,
        endpoint: endpoint(asked, &observation)?,
        tool: asked.tool,
        config,
        enable_tls: if asked.enable_tls { EnableTls::EvenIfDisabled } else { EnableTls::OnlyIfUnset },
    };
    let installed = apply::install_client(&context, &request)?;
    let place = &installed.place;
    let report = Report::new("install client").target(place.folder.display());
    if context.mode == Mode::DryRun {
        return Ok(show_plan(report, &installed.plan));
    }
    let report = with_plan(report, &installed.plan);
    if installed.plan.is_empty() {
        let endpoint = &request.endpoint;
        let done =
            message!("nothing to do: {} is installed; next: kitcert verify {}", request.name, endpoint);
        return Ok(report.line(done));
    }
    let mut report =
        report.line(message!("installed {}/{{ca,cert,key}}.pem    key 0600", place.folder.display()));
    if let Some(config) = &place.config {
        let edited = if installed.plan.config.is_some() { "edited" } else { "unchanged" };
        report = report.line(message!("config    {} {}", config.path.display(), edited));
    }
    report = managed_daemon_lines(report, &installed);
    let findings = place.findings(&request.endpoint);
    for finding in findings.iter().filter(|finding| finding.severity >= Severity::Warning) {
        report = report.toned(Tone::Warning, message!("warning   {}: {}", finding.subject, finding.found));
    }
    report = report.findings(findings);
    if let Some(line) = environment_line(request.tool, &request.endpoint) {
        report = report
            .line(message!("set too:  {}   # the config's host is ignored without docker or podman", line));
    }
    let next = use_command(place, &request.endpoint);
    Ok(report.line(message!("not verified yet; next: kitcert verify {}; then: {}", request.endpoint, next)))
}

/// What becomes of a daemon that the client's tool starts itself: the tool compares the paths of
/// its files and not what is in them, so that a daemon that runs already keeps its former ones.
fn managed_daemon_lines(report: Report, installed: &InstalledClient) -> Report {
    let (Some(daemon), Some(config)) = (installed.plan.placed_daemon(), &installed.place.config) else {
        return report;
    };
    let (tool, container) = (installed.place.tool, config.container());
    report
        .line(message!(
            "daemon    {}/daemon_{{cert,key}}.pem    {} starts {} with the files of {}",
            installed.place.folder.display(),
            tool,
            Word(&container),
            daemon
        ))
        .line(message!(
            "first:    docker rm -f {}   # if it runs already, it keeps its former files",
            Word(&container)
        ))
}

/// `installed /etc/{ca,cert,key}.pem    key 0600`
pub(super) fn installed_line(layout: DaemonLayout, root: &Path) -> Message {
    let paths = layout.shorthand().into_iter().map(|path| root.join(path));
    message!("installed {}    key 0600", Message::join(paths, " "))
}

/// How the daemon is started with these files.
pub(super) fn start_lines(
    report: Report,
    layout: DaemonLayout,
    root: &Path,
    name: &IdentityName,
    endpoint: &Endpoint,
) -> Result<Report, Failure> {
    let start = start_command(layout, root, name, endpoint.port())?;
    let report = report.detail("start", start.words());
    let lines = start.rendered_lines().into_iter().enumerate();
    Ok(lines.fold(report, |report, (number, line)| match number {
        0 => report.line(message!("start:    {}", line)),
        _ => report.line(message!("        {}", line)),
    }))
}

fn with_plan(report: Report, plan: &Plan) -> Report {
    let changed = if plan.is_empty() { Changed::No } else { Changed::Yes };
    report.changed(changed).detail("plan", plan.summary())
}

fn endpoint(asked: &InstallClientArguments, observation: &Observation) -> Result<Endpoint, Failure> {
    if let Some(endpoint) = &asked.endpoint {
        return Ok(endpoint.clone());
    }
    let name = the_only(None, observation.inventory.daemons.keys(), "daemon").map_err(|failure| {
        failure.hint("kitcert install client --endpoint tcp://builder.example.com:8372")
    })?;
    Ok(observation.inventory.daemons[&name].endpoint.clone())
}

/// The name that was given, or the only one that there is.
fn the_only<'a>(
    given: Option<&IdentityName>,
    listed: impl Iterator<Item = &'a IdentityName>,
    kind: &'static str,
) -> Result<IdentityName, Failure> {
    if let Some(name) = given {
        return Ok(name.clone());
    }
    let listed: Vec<_> = listed.collect();
    match listed.as_slice() {
        [only] => Ok((*only).clone()),
        [] => Err(Failure::new("choosing", message!("a {}", kind))
            .expected("one in kitcert.yaml")
            .found("none")
            .hint(message!("kitcert issue {} NAME", kind))),
        [first, ..] => Err(Failure::new("choosing", message!("a {}", kind))
            .expected(message!("the name of one of {}", listed.len()))
            .found("none")
            .hint(message!("kitcert install {} {}", kind, first))
            .exit(crate::model::ExitCode::Usage)),
    }
}
