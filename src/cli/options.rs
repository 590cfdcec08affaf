//! Options that several commands understand.

use std::path::PathBuf;

use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};

use crate::layout::{ClientTool, DaemonLayout};
use crate::model::{Failure, IdentityName, KeyAlgorithm, Role, Selector};

/// Options that may stand before or after the command.
#[derive(Debug, Args)]
pub struct GlobalOptions {
    /// The state directory [default: /var/lib/kitcert for root, else $XDG_DATA_HOME/kitcert, which is
    /// ~/.local/share/kitcert unless you set it]
    #[arg(long, global = true, value_name = "DIR", env = "KITCERT_STATE", hide_env_values = true)]
    pub state: Option<PathBuf>,
    /// How to print the result
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text")]
    pub format: Format,
    /// Print only problems
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Print more: every check, and how long it took
    #[arg(short, long, global = true)]
    pub verbose: bool,
    /// When to use color; NO_COLOR turns it off too
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
    /// One line for Nagios or Icinga, with a plugin's exit codes (verify, status).
    Nagios,
    /// Metrics for the textfile collector (verify, status).
    Prometheus,
    /// SARIF 2.1.0 (verify, inspect).
    Sarif,
}

impl Format {
    /// Those that a command has.
    pub(super) fn of(command: &str) -> &'static [Format] {
        match command {
            "verify" => &[Format::Text, Format::Json, Format::Nagios, Format::Prometheus, Format::Sarif],
            "status" => &[Format::Text, Format::Json, Format::Nagios, Format::Prometheus],
            "inspect" => &[Format::Text, Format::Json, Format::Sarif],
            _ => &[Format::Text, Format::Json],
        }
    }

    /// As it is typed.
    pub(super) fn word(self) -> &'static str {
        match self {
            Format::Text => "text",
            Format::Json => "json",
            Format::Nagios => "nagios",
            Format::Prometheus => "prometheus",
            Format::Sarif => "sarif",
        }
    }
}

/// When color is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    /// On a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What every command that changes something understands.
#[derive(Clone, Copy, Debug, Args)]
pub struct ChangeOptions {
    /// Print the plan, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Where the result goes, of the commands that only look: what others say may be shown once alone,
/// and to a person.
#[derive(Debug, Args)]
pub struct ResultOptions {
    /// Write the result to this file, by a rename, instead of printing it; - is standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// Reads a daemon's name: `builder` or `daemon/builder`.
pub(super) fn daemon_name(text: &str) -> Result<IdentityName, Failure> {
    text.parse::<Selector>()?.name_of(Role::Daemon)
}

/// Reads a client's name: `ana` or `client/ana`.
pub(super) fn client_name(text: &str) -> Result<IdentityName, Failure> {
    text.parse::<Selector>()?.name_of(Role::Client)
}

/// Closed sets of words: help lists them, and shells complete them.
macro_rules! words {
    ($($kind:ty),+) => {
        $(impl ValueEnum for $kind {
            fn value_variants<'a>() -> &'a [$kind] {
                &<$kind>::ALL
            }

            fn to_possible_value(&self) -> Option<PossibleValue> {
                Some(PossibleValue::new(self.as_str()))
            }
        })+
    };
}

words!(ClientTool, DaemonLayout, KeyAlgorithm);
