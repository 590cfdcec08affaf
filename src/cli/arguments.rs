//! The command line: what can be typed. Help, man pages and completions come from here alone.

use std::ffi::OsString;
use std::path::Path;

use clap::builder::styling::{AnsiColor, Style, Styles};
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use clap::{Arg, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum as _};

use super::command::{
    CaCommand, CompletionsArguments, ConfirmArguments, DemoArguments, InitArguments, InspectArguments,
    InstallCommand, InviteArguments, IssueCommand, JoinArguments, RecoverArguments, RequestArguments,
    RetireArguments, RevokeArguments, RollbackArguments, RotateArguments, StatusArguments, VerifyArguments,
};
use super::options::{Format, GlobalOptions};

/// Certificates and verified mutual TLS for build daemons that speak BuildKit's gRPC
///
/// A build daemon runs any code that a client sends. kitcert issues the certificates that keep strangers
/// out, installs them where the daemon and its clients read them, and tests the port: the right people get
/// in, and nobody else does.
#[derive(Debug, Parser)]
#[command(
    name = "kitcert",
    version,
    max_term_width = 100,
    styles = STYLES,
    before_help = commands_by_reader(),
    after_help = EXIT_CODES,
    help_template = TEMPLATE,
)]
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
    /// Create a CA, a daemon's certificate and the first clients
    Init(InitArguments),
    /// Issue certificates for more daemons or clients
    #[command(subcommand, disable_help_subcommand = true)]
    Issue(IssueCommand),
    /// Install files where a daemon or a client reads them
    #[command(subcommand, disable_help_subcommand = true)]
    Install(InstallCommand),
    /// Create a kit: a client's certificate and key in one encrypted file
    Invite(InviteArguments),
    /// Record that a client has its certificate
    Confirm(ConfirmArguments),
    /// Stop renewing a daemon or a client
    ///
    /// Its certificate works until it expires, or a rollover of its CA ends. Nothing waits for it any more. `issue` and
    /// `invite` undo this.
    Retire(RetireArguments),
    /// Take a client's access away at once, and verify that every daemon refuses it
    ///
    /// Nobody else needs a new certificate. Every daemon gets a ca.pem that excludes the client, and is
    /// restarted at once. --undo gives the access back.
    Revoke(RevokeArguments),
    /// Repair a state: a lost kitcert.yaml, a backup, a second copy
    ///
    /// kitcert.yaml is written again from the certificates. What only kitcert.yaml knew, such as a restart
    /// command, is listed, so that you can add it. Nothing else is changed or removed.
    ///
    /// A state from a backup goes on with what its daemons have installed. That is also how kitcert recognizes
    /// an old backup. If only clients were issued certificates since the backup, nothing shows that it is old,
    /// and a CA rollover does not wait for these clients. So make a backup after issuing, too. Certificates
    /// that a restored state lacks may be in use: until the longest lifetime has passed, a CA rollover waits
    /// for their holders.
    Recover(RecoverArguments),
    /// Move to another CA, or delete the keys of previous CAs
    #[command(subcommand, disable_help_subcommand = true)]
    Ca(CaCommand),
    /// Create a key and a certificate request
    Request(RequestArguments),
    /// Install a kit, and verify the connection
    Join(JoinArguments),
    /// Test that the right people get in and nobody else does
    Verify(VerifyArguments),
    /// Renew what is due, install it, restart, verify, and roll back what fails
    ///
    /// For a job that runs every day. If nothing is due and every daemon is verified, it dials, writes and
    /// restarts nothing. A daemon is restarted by the `restart` command of its entry in kitcert.yaml. Without
    /// one, the command to run is printed, and the exit code is 6 until the daemon serves its new files.
    Rotate(RotateArguments),
    /// Go back to the previous credentials of a daemon or a client, and verify
    Rollback(RollbackArguments),
    /// Show what exists, when it expires, and what is not verified
    Status(StatusArguments),
    /// Judge certificates, keys, bundles, requests, kits, configs, or an endpoint
    Inspect(InspectArguments),
    /// Show the whole story on this machine, in a temporary directory
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
            Command::Revoke(_) => "revoke",
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

/// The command line, with what each command does not need to explain again left out of its help: the
/// global options are one line there, and formats are those that the command has.
#[must_use]
pub fn command_line() -> clap::Command {
    let shown = |hide: bool| {
        move |argument: Arg| if argument.is_global_set() { argument.hide(hide) } else { argument }
    };
    let mut whole = Arguments::command().mut_args(shown(true));
    whole.build();
    whole.mut_args(shown(false)).mut_subcommands(|command| brief(command, ""))
}

/// Parses a command line, program name first.
///
/// # Errors
/// It makes no sense, or asks for help.
pub(super) fn parse(typed: &[OsString]) -> Result<Arguments, clap::Error> {
    let mut command = command_line();
    let matches = command.try_get_matches_from_mut(typed)?;
    Arguments::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

fn brief(command: clap::Command, above: &str) -> clap::Command {
    let name = format!("{above}{}", command.get_name());
    let words: Vec<_> = Format::of(&name).iter().map(|format| format.word()).collect();
    let line = format!("Global options: --state DIR, --format {}, -q, -v, --color WHEN", words.join("|"));
    let above = format!("{name} ");
    let format = PossibleValuesParser::new(words).try_map(|word| Format::from_str(&word, false));
    command
        .mut_args(|argument| match argument.get_id().as_str() {
            "format" => argument.value_parser(format.clone()),
            _ => argument,
        })
        .mut_subcommands(|command| brief(command, &above))
        .after_help(line)
}

/// Who reads about which commands.
const READERS: [(&str, &[&str]); 4] = [
    (
        "For the admin of a daemon",
        &["init", "issue", "install", "invite", "confirm", "retire", "revoke", "ca", "recover"],
    ),
    ("For a developer", &["request", "join"]),
    ("For operations", &["verify", "rotate", "rollback", "status", "inspect"]),
    ("Other commands", &["demo", "completions", "help"]),
];

/// The commands, grouped by reader.
fn commands_by_reader() -> String {
    let known = Command::augment_subcommands(clap::Command::default());
    let about = |name: &str| match known.find_subcommand(name).and_then(clap::Command::get_about) {
        Some(about) => about.to_string(),
        None => "Print this, or the help of a command".to_owned(),
    };
    let group = |(reader, names): &(&str, &[&str])| {
        let lines: Vec<_> = names.iter().map(|name| format!("  {name:<13}{}\n", about(name))).collect();
        format!("{reader}:\n{}", lines.concat())
    };
    READERS.iter().map(group).collect::<Vec<_>>().join("\n")
}

const TEMPLATE: &str = "\
{about-with-newline}
{usage-heading} {usage}

{before-help}Options:
{options}{after-help}
";

/// The table of exit codes, as the last part of `--help` and of the man page.
const EXIT_CODES: &str = "\
Exit codes:
  0  done, or nothing to do
  1  something failed, and nothing is worse than before
  2  wrong usage
  3  verification found errors, or the daemon cannot be reached
  4  something is due, or there are only warnings (--check, --fail-on warning)
  5  another kitcert is running, or something changed meanwhile; try again
  6  the new files are in place, but the daemon does not serve them yet
  7  a daemon is down or changed, and the previous files could not be brought back
If several apply, the exit code is the first of 7, 6, 3, 1, 5, 4, 0.";

const STYLES: Styles = Styles::styled()
    .header(Style::new().bold())
    .usage(Style::new().bold())
    .literal(AnsiColor::Cyan.on_default())
    .placeholder(AnsiColor::Green.on_default());

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_in_one_group_of_readers() {
        let mut grouped: Vec<_> = READERS.iter().flat_map(|(_, names)| *names).copied().collect();
        let whole = command_line();
        let mut all: Vec<_> = whole.get_subcommands().map(clap::Command::get_name).collect();
        grouped.sort_unstable();
        all.sort_unstable();
        assert_eq!(grouped, all);
    }

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
