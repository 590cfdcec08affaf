//! The command line: what can be typed. Help, man pages and completions come from here alone.

use std::path::Path;

use clap::builder::styling::{AnsiColor, Style, Styles};
use clap::{Parser, Subcommand};

use super::command::{
    CaCommand, CompletionsArguments, ConfirmArguments, DemoArguments, InitArguments, InspectArguments,
    InstallCommand, InviteArguments, IssueCommand, JoinArguments, RecoverArguments, RequestArguments,
    RetireArguments, RollbackArguments, RotateArguments, StatusArguments, VerifyArguments,
};
use super::options::GlobalOptions;

/// Certificates and verified mutual TLS for build daemons that speak BuildKit's gRPC
///
/// A remote build daemon runs whatever a client sends it. kitcert issues the certificates that
/// keep everybody else out, puts them where the daemon and its clients read them, and verifies on the
/// wire that the right people get in and nobody else does.
#[derive(Debug, Parser)]
#[command(name = "kitcert", version, max_term_width = 100, styles = STYLES, after_long_help = EXIT_CODES)]
pub struct Arguments {
    /// What every command understands.
    #[command(flatten)]
    pub global: GlobalOptions,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a CA, a daemon's certificate and the first clients'
    Init(InitArguments),
    /// Issue certificates for more daemons or clients
    #[command(subcommand)]
    Issue(IssueCommand),
    /// Put files where a daemon or a client reads them
    #[command(subcommand)]
    Install(InstallCommand),
    /// Make a key and a request, to join a builder of somebody else
    Request(RequestArguments),
    /// Make a kit with a key in it, for somebody who is to join
    Invite(InviteArguments),
    /// Use a builder of somebody else: put a kit's files in place, and verify them
    Join(JoinArguments),
    /// Verify that the right people get in and nobody else does
    Verify(VerifyArguments),
    /// Renew what is due, put it in place, restart, verify, and roll back what fails
    ///
    /// For a job that runs every day: where nothing is due and every daemon is verified, nothing is dialled,
    /// written or restarted. A daemon is restarted by the `restart` of its entry in kitcert.yaml; without
    /// one, the command to run is printed, and the exit code is 6 until the daemon serves its new files.
    Rotate(RotateArguments),
    /// Put the previous credentials of a daemon or a client back, and verify
    Rollback(RollbackArguments),
    /// Note that a client has its certificate
    Confirm(ConfirmArguments),
    /// Neither renew an identity nor wait for it any more, until it is issued to again
    Retire(RetireArguments),
    /// Write a lost kitcert.yaml again, from the certificates of the state
    ///
    /// Nothing else is changed or removed. What only kitcert.yaml knew, such as a daemon's restart command,
    /// is named, to be added by hand. Certificates that a restored state lacks may be in use: until the
    /// longest lifetime has passed, a CA rollover waits for their holders.
    ///
    /// A state that is an old copy goes on with what its daemons have installed. By that alone an old copy is
    /// told: of a backup since which only clients were issued certificates, nothing tells that it is old, and
    /// a CA rollover does not wait for these clients. Make backups after issuing, too.
    Recover(RecoverArguments),
    /// Decide about the CA: a rollover to another, the keys of former ones
    #[command(subcommand)]
    Ca(CaCommand),
    /// Show what exists, when it ends, and what is not verified
    Status(StatusArguments),
    /// Read and judge certificates, keys, bundles, requests, kits, configs, or a live endpoint
    Inspect(InspectArguments),
    /// Show the whole story on this machine, in a throw-away directory
    Demo(DemoArguments),
    /// Print a completion script for a shell
    Completions(CompletionsArguments),
}

impl Command {
    /// Its name, as JSON and the log have it: `issue client`.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Command::Init(_) => "init",
            Command::Issue(IssueCommand::Daemon(_)) => "issue daemon",
            Command::Issue(IssueCommand::Client(_)) => "issue client",
            Command::Install(InstallCommand::Daemon(_)) => "install daemon",
            Command::Install(InstallCommand::Client(_)) => "install client",
            Command::Request(_) => "request",
            Command::Invite(_) => "invite",
            Command::Join(_) => "join",
            Command::Verify(_) => "verify",
            Command::Rotate(_) => "rotate",
            Command::Rollback(_) => "rollback",
            Command::Confirm(_) => "confirm",
            Command::Retire(_) => "retire",
            Command::Recover(_) => "recover",
            Command::Ca(asked) => asked.name(),
            Command::Status(_) => "status",
            Command::Inspect(_) => "inspect",
            Command::Demo(_) => "demo",
            Command::Completions(_) => "completions",
        }
    }

    /// The file that its result goes to, where one is named; `-` is standard output.
    pub(super) fn output(&self) -> Option<&Path> {
        let named = match self {
            Command::Verify(asked) => asked.result.output.as_deref(),
            Command::Status(asked) => asked.result.output.as_deref(),
            Command::Inspect(asked) => asked.result.output.as_deref(),
            _ => None,
        };
        named.filter(|path| *path != Path::new("-"))
    }
}

/// The table of exit codes, as the last part of `--help` and of the man page.
const EXIT_CODES: &str = "\
Exit codes:
  0  done, or nothing to do
  1  failed; nothing changed, or the previous credentials are back and served
  2  usage
  3  verification found errors, an unreachable daemon included
  4  something is due, or only warnings, where that was asked
  5  busy or changed underneath; safe to retry
  6  files are committed, the daemon does not serve them yet
  7  changed or down, and the previous credentials could not be brought back";

const STYLES: Styles = Styles::styled()
    .header(Style::new().bold())
    .usage(Style::new().bold())
    .literal(AnsiColor::Cyan.on_default())
    .placeholder(AnsiColor::Green.on_default());

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_have_its_own_role_before_it_and_no_other() {
        for (role, other, line) in [
            ("daemon", "client", "init --host b --name"),
            ("client", "daemon", "init --host b --client"),
            ("daemon", "client", "issue daemon"),
            ("client", "daemon", "issue client"),
            ("daemon", "client", "install daemon"),
            ("client", "daemon", "install client"),
            ("client", "daemon", "request"),
            ("client", "daemon", "invite"),
            ("client", "daemon", "verify --client"),
            ("client", "daemon", "ca rollover skip"),
        ] {
            let parse = |name: &str| {
                Arguments::try_parse_from(["kitcert"].into_iter().chain(line.split(' ')).chain([name]))
            };
            assert!(parse("ana").is_ok(), "{line}");
            assert!(parse(&format!("{role}/ana")).is_ok(), "{line}");
            let error = parse(&format!("{other}/ana")).unwrap_err().to_string();
            assert!(error.contains(&format!("found a {other}")), "{line}: {error}");
        }
    }
}
