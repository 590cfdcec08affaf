//! `kitcert install`

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use schemars::JsonSchema;
use serde::Serialize;

use crate::apply::{self, ClientInstallation, DaemonInstallation, InstalledClient, InstalledDaemon, Mode};
use crate::cli::options::{ChangeOptions, client_name, daemon_name};
use crate::cli::output::{Changed, Report, Tone, show_plan, with_plan};
use crate::cli::session::{Session, UNWATCHED};
use crate::layout::{
    ClientTool, CommandLine, DaemonLayout, EnableTls, environment_line, start_command, use_command,
};
use crate::message;
use crate::model::{Endpoint, Failure, IdentityName, Message, Severity, Word};
use crate::plan::Plan;

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
    #[arg(value_parser = daemon_name)]
    pub name: Option<IdentityName>,
    /// Install below this folder instead of / [default: as in kitcert.yaml, else /]
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// Which daemon program the files are for [default: as in kitcert.yaml, else earthly]
    #[arg(long, value_name = "LAYOUT")]
    pub layout: Option<DaemonLayout>,
    /// Who owns the files, by name or number
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
    #[arg(value_parser = client_name)]
    pub name: Option<IdentityName>,
    /// The daemon that the client will use [default: the only one]
    #[arg(long, value_name = "URL")]
    pub endpoint: Option<Endpoint>,
    /// The config file to edit [default: the tool's own]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The client tool
    #[arg(long, value_name = "TOOL", default_value = "earthly")]
    pub tool: ClientTool,
    /// Turn TLS on, even if the config says tls_enabled: false
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
    let invocation = session.invocation("install daemon", Some(asked.change), UNWATCHED)?;
    let installed = apply::install_daemon(
        &invocation,
        &DaemonInstallation {
            name: asked.name.clone(),
            root: asked.root.as_ref().map(|root| session.environment.absolute(root)).transpose()?,
            layout: asked.layout,
            owner: asked.owner.as_deref().map(str::parse).transpose()?,
        },
    )?;
    let InstalledDaemon { plan, name, install, entry, by_hand } = &installed;
    let report = Report::new("install daemon").target(install.root.display());
    let report = by_hand.iter().fold(report, |report, one| report.toned(Tone::Warning, one.clone()));
    if invocation.mode == Mode::DryRun {
        return Ok(show_plan(report, plan));
    }
    let mut report = carried_out(report, plan);
    if !plan.is_empty() {
        report = report.line(installed_line(install.layout, &install.root));
    }
    if let Some(daemon) = entry {
        report = start_lines(report, install.layout, &install.root, name, &daemon.endpoint)?;
        if !daemon.restart.is_empty() {
            report = report.line(message!("restart:  {}", CommandLine(&daemon.restart)));
        }
    }
    if plan.is_empty() {
        return Ok(report.line(message!(
            "nothing to do: {} is installed; next: {kitcert} verify {}",
            name,
            name
        )));
    }
    Ok(report.line(message!(
        "not verified yet; next: start or restart the daemon; then: {kitcert} verify {}",
        name
    )))
}

pub(in crate::cli) fn client(
    session: Session<'_>,
    asked: &InstallClientArguments,
) -> Result<Report, Failure> {
    let invocation = session.invocation("install client", Some(asked.change), UNWATCHED)?;
    let config = asked.config.as_ref().map(|config| session.environment.absolute(config)).transpose()?;
    let request = ClientInstallation {
        name: asked.name.clone(),
        endpoint: asked.endpoint.clone(),
        tool: asked.tool,
        config,
        enable_tls: if asked.enable_tls { EnableTls::EvenIfDisabled } else { EnableTls::OnlyIfUnset },
    };
    let installed = apply::install_client(&invocation, &request)?;
    let place = &installed.place;
    let report = Report::new("install client").target(place.folder.display());
    if invocation.mode == Mode::DryRun {
        return Ok(show_plan(report, &installed.plan));
    }
    let report = carried_out(report, &installed.plan);
    if installed.plan.is_empty() {
        let endpoint = &installed.endpoint;
        let done =
            message!("nothing to do: {} is installed; next: {kitcert} verify {}", installed.name, endpoint);
        return Ok(report.line(done));
    }
    let mut report =
        report.line(message!("installed {}/ca.pem, cert.pem, key.pem    key 0600", place.folder.display()));
    if let Some(config) = &place.config {
        let edited = if installed.plan.config.is_some() { "edited" } else { "unchanged" };
        report = report.line(message!("config    {} {}", config.path.display(), edited));
    }
    report = managed_daemon_lines(report, &installed);
    let findings = place.findings(&installed.endpoint, invocation.environment);
    for finding in findings.iter().filter(|finding| finding.severity >= Severity::Warning) {
        report = report.toned(Tone::Warning, message!("warning   {}: {}", finding.subject, finding.found));
    }
    report = report.findings(findings);
    if let Some(line) = environment_line(request.tool, &installed.endpoint) {
        report = report
            .line(message!("set too:  {}", line))
            .line(message!("note:     the config's host is ignored without docker or podman"));
    }
    let next = use_command(place, &installed.endpoint);
    Ok(report.line(message!(
        "not verified yet; next: {kitcert} verify {}; then: {}",
        installed.endpoint,
        next
    )))
}

/// What becomes of a daemon that the client's tool starts itself: the tool compares the paths of
/// its files and not what is in them, so that a daemon that runs already keeps its previous ones.
fn managed_daemon_lines(report: Report, installed: &InstalledClient) -> Report {
    let (Some(daemon), Some(config)) = (installed.plan.placed_daemon(), &installed.place.config) else {
        return report;
    };
    let (tool, container) = (installed.place.tool, config.container());
    report
        .line(message!(
            "daemon    {}/daemon_{cert,key}.pem    {} starts {} with the files of {}",
            installed.place.folder.display(),
            tool,
            Word(&container),
            daemon
        ))
        .line(message!("first:    docker rm -f {}", Word(&container)))
        .line(message!("note:     if it is running, it keeps its previous files"))
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
    let Some(start) = start_command(layout, root, name, endpoint.port())? else { return Ok(report) };
    let report = report.object(&StartObject { start: start.words() });
    let lines = start.rendered_lines().into_iter().enumerate();
    Ok(lines.fold(report, |report, (number, line)| match number {
        0 => report.line(message!("start:    {}", line)),
        _ => report.line(message!("        {}", line)),
    }))
}

fn carried_out(report: Report, plan: &Plan) -> Report {
    let changed = if plan.is_empty() { Changed::No } else { Changed::Yes };
    with_plan(report, plan.summary()).changed(changed)
}

/// How a daemon is started.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::cli) struct StartObject {
    /// The command that starts the daemon with its files, word by word.
    start: Vec<Message>,
}
