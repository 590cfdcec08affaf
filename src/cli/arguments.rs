//! The command line: what can be typed. Help, man pages and completions come from here alone.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::builder::styling::{AnsiColor, Style, Styles};
use clap::{Args, Parser, Subcommand, ValueEnum};

use super::kit_arguments::{InviteArguments, JoinArguments, RequestArguments};
use super::rotation_arguments::{RollbackArguments, RotateArguments};
use crate::layout::{ClientTool, DaemonLayout};
use crate::model::{
    AuthorityName, Contact, Endpoint, FingerprintPrefix, IdentityName, KeyAlgorithm, Lifetime, Severity,
    SubjectAltName, Timestamp,
};

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

/// Options that may stand before or behind the command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub struct GlobalOptions {
    /// The state directory [default: /var/lib/kitcert for root, else $XDG_DATA_HOME/kitcert]
    #[arg(long, global = true, value_name = "DIR", env = "KITCERT_STATE", hide_env_values = true)]
    pub state: Option<PathBuf>,
    /// How to print the result
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text")]
    pub format: Format,
    /// Print nothing that does not need attention
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Print more: every check, and how long each took
    #[arg(short, long, global = true)]
    pub verbose: bool,
    /// When to use colour; NO_COLOR turns it off too
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: ColorChoice,
}

/// How a result is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For a person.
    Text,
    /// One JSON object, `"schema": 1`.
    Json,
    /// A plugin's line for Nagios or Icinga, with exit codes of its own (verify, status).
    Nagios,
    /// Metrics for the textfile collector (verify, status).
    Prometheus,
    /// SARIF 2.1.0 (verify, inspect).
    Sarif,
}

/// When colour is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    /// On a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
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
    /// Put the former set of a daemon or a client back, and verify it
    Rollback(RollbackArguments),
    /// Show what exists, when it ends, and what is not verified
    Status(StatusArguments),
    /// Read and judge certificates, keys, bundles, requests, kits, configs, or a live endpoint
    Inspect(InspectArguments),
    /// Show the whole story on this machine, in a throw-away directory
    Demo(DemoArguments),
    /// Print a completion script for a shell
    Completions(CompletionsArguments),
}

/// What every command that changes something understands.
#[derive(Clone, Copy, Debug, Args)]
pub struct ChangeOptions {
    /// Print what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Where the result goes, of the commands that only look: what others say may be shown once alone,
/// and to a person.
#[derive(Debug, Args)]
pub struct ResultOptions {
    /// Write the result to this file, by a rename, instead of printing it
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// `kitcert init`
#[derive(Debug, Args)]
pub struct InitArguments {
    /// A name or an address that clients dial; give it again for each
    #[arg(long = "host", value_name = "HOST", required = true)]
    pub hosts: Vec<SubjectAltName>,
    /// What the daemon is called here
    #[arg(long, value_name = "NAME", default_value = "builder")]
    pub name: IdentityName,
    /// A client to issue a certificate for; give it again for each
    #[arg(long = "client", value_name = "NAME")]
    pub clients: Vec<IdentityName>,
    /// Where clients reach the daemon [default: the first host, port 8372]
    #[arg(long, value_name = "URL")]
    pub endpoint: Option<Endpoint>,
    /// The first part of the CA's common name
    #[arg(long, value_name = "TEXT", default_value = "buildkit CA")]
    pub ca_name: AuthorityName,
    /// How long the CA is valid
    #[arg(long, value_name = "DURATION", default_value = "10y")]
    pub ca_lifetime: Lifetime,
    /// How long the daemon's certificate is valid
    #[arg(long, value_name = "DURATION", default_value = "397d")]
    pub lifetime: Lifetime,
    /// How long the clients' certificates are valid
    #[arg(long, value_name = "DURATION", default_value = "90d")]
    pub client_lifetime: Lifetime,
    /// The type of every key: ecdsa-p256, ecdsa-p384 or ed25519
    #[arg(long, value_name = "TYPE", default_value = "ecdsa-p256")]
    pub key: KeyAlgorithm,
    /// Install the daemon's files too, under / or another root
    #[arg(long, value_name = "ROOT", num_args = 0..=1, require_equals = true, default_missing_value = "/")]
    pub install: Option<PathBuf>,
    /// Which daemon the files are installed for: earthly, earthbuild or buildkit
    #[arg(long, value_name = "LAYOUT", default_value = "earthly", requires = "install")]
    pub layout: DaemonLayout,
    /// Allow a host such as *.example.com
    #[arg(long)]
    pub allow_wildcard: bool,
    /// Whether to only print the plan.
    #[command(flatten)]
    pub change: ChangeOptions,
}

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
    /// What the daemon is called here
    pub name: IdentityName,
    /// A name or an address that clients dial; give it again for each [default: as in kitcert.yaml]
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
    /// Whether to only print the plan.
    #[command(flatten)]
    pub change: ChangeOptions,
}

/// `kitcert issue client`
#[derive(Debug, Args)]
pub struct IssueClientArguments {
    /// The clients [default: those of kitcert.yaml that have no certificate]
    #[arg(value_name = "NAME")]
    pub names: Vec<IdentityName>,
    /// Read more names from a file, one a line; - is standard input
    #[arg(long, value_name = "FILE")]
    pub from: Option<PathBuf>,
    /// How long the certificates are valid [default: 90d]
    #[arg(long, value_name = "DURATION")]
    pub lifetime: Option<Lifetime>,
    /// Sign a PKCS#10 request, taking its key and nothing else from it
    #[arg(long, value_name = "FILE", conflicts_with = "from")]
    pub csr: Option<PathBuf>,
    /// The SHA-256 of the request's public key, as its owner told you: the words, or at least 32 hex
    /// digits
    #[arg(long, value_name = "WORDS|HEX", requires = "csr")]
    pub fingerprint: Option<FingerprintPrefix>,
    /// Take a request with another key than the client had; its old certificate stays good until
    /// it ends
    #[arg(long, requires = "csr")]
    pub new_key: bool,
    /// Answer with a kit, for kitcert join on the client's machine
    #[arg(long, value_name = "FILE")]
    pub kit: Option<PathBuf>,
    /// The daemon that the kit names [default: as in kitcert.yaml, else the only one]
    #[arg(long, value_name = "URL", requires = "kit")]
    pub endpoint: Option<Endpoint>,
    /// Whom to ask, as the kit says it [default: as in kitcert.yaml, else your user name]
    #[arg(long, value_name = "TEXT", requires = "kit")]
    pub contact: Option<Contact>,
    /// For how long the kit may be joined [default: 14d]
    #[arg(long, value_name = "DURATION", requires = "kit")]
    pub join_within: Option<Lifetime>,
    /// Whether to only print the plan.
    #[command(flatten)]
    pub change: ChangeOptions,
}

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

/// `kitcert verify`
#[derive(Debug, Args)]
pub struct VerifyArguments {
    /// tcp://host:port or a daemon's name [default: what the client's own config says]
    #[arg(value_name = "TARGET")]
    pub targets: Vec<String>,
    /// Every daemon of kitcert.yaml
    #[arg(long, conflicts_with_all = ["targets", "list"])]
    pub all: bool,
    /// The targets that a file lists, one a line, # begins a comment; - for standard input
    #[arg(long = "targets", id = "list", value_name = "FILE", conflicts_with = "targets")]
    pub list: Option<PathBuf>,
    /// How many are dialled at the same time
    #[arg(long, value_name = "COUNT", default_value_t = 256, value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: u16,
    /// Judge as of that time, such as 2027-02-01: would it pass then? The dials are made now
    #[arg(long, value_name = "TIME", value_parser = Timestamp::parse)]
    pub at: Option<Timestamp>,
    /// Whose config is read: earthly or earthbuild; buildctl has BUILDKIT_HOST [default: whose config is there]
    #[arg(long = "for", value_name = "TOOL")]
    pub tool: Option<ClientTool>,
    /// Read this config [default: the tool's own]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Dial as this client of the state
    #[arg(long, value_name = "NAME", conflicts_with_all = ["tlsdir", "ca"])]
    pub client: Option<IdentityName>,
    /// Dial with the ca.pem, cert.pem and key.pem of a directory
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
    #[arg(long, value_name = "DURATION", default_value = "10s")]
    pub timeout: Lifetime,
    /// Wait for a daemon that is not up yet [default: 60s]
    #[arg(
        long,
        value_name = "DURATION",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "60s"
    )]
    pub wait: Option<Lifetime>,
    /// The name that the daemon's certificate must have, if it is not the host that is dialled
    #[arg(long, value_name = "NAME", conflicts_with_all = ["all", "list"])]
    pub servername: Option<SubjectAltName>,
    /// Dial this address only, instead of every address of the host; may be given several times
    #[arg(long = "address", value_name = "IP", conflicts_with_all = ["all", "list"])]
    pub addresses: Vec<IpAddr>,
    /// Repeat the whole test, for balancers
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub samples: u16,
    /// Dial one after the other, with this pause, for daemons behind a limit on connections
    #[arg(long, value_name = "DURATION")]
    pub pace: Option<Lifetime>,
    /// Look at the ports around the daemon's too: what answers there without credentials
    #[arg(long)]
    pub ports: bool,
    /// Exit 4 where the gravest finding is a warning
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

/// `kitcert status`
#[derive(Debug, Args)]
pub struct StatusArguments {
    /// Show what will be so at that time
    #[arg(long, value_name = "TIME", value_parser = Timestamp::parse)]
    pub at: Option<Timestamp>,
    /// Exit 4 if something is due or not verified
    #[arg(long)]
    pub check: bool,
    /// Draw from when until when every certificate is good, those that were replaced included
    #[arg(long)]
    pub timeline: bool,
    /// Where the result goes.
    #[command(flatten)]
    pub result: ResultOptions,
}

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

/// `kitcert demo`
#[derive(Debug, Args)]
pub struct DemoArguments {}

/// `kitcert completions`
#[derive(Debug, Args)]
pub struct CompletionsArguments {
    /// The shell
    pub shell: clap_complete::Shell,
}

/// The table of exit codes, as the last part of `--help` and of the man page.
const EXIT_CODES: &str = "\
Exit codes:
  0  done, or nothing to do
  1  failed; nothing changed, or the former set is back and served
  2  usage
  3  verification found errors, an unreachable daemon included
  4  something is due, or only warnings, where that was asked
  5  busy or changed underneath; safe to retry
  6  files are committed, the daemon does not serve them yet
  7  changed or down, and the former set could not be brought back";

const STYLES: Styles = Styles::styled()
    .header(Style::new().bold())
    .usage(Style::new().bold())
    .literal(AnsiColor::Cyan.on_default())
    .placeholder(AnsiColor::Green.on_default());
