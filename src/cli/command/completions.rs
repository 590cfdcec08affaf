//! `kitcert completions`

use clap::Args;

use crate::cli::output::Report;
use crate::model::Failure;

/// `kitcert completions`
#[derive(Debug, Args)]
pub struct CompletionsArguments {
    /// The shell
    pub shell: clap_complete::Shell,
}

pub(in crate::cli) fn run(
    asked: &CompletionsArguments,
    command: &mut clap::Command,
) -> Result<Report, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(asked.shell, command, "kitcert", &mut script);
    Ok(Report::new("completions").script(&String::from_utf8_lossy(&script)))
}
