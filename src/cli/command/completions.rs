//! `kitcert completions`

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

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
    let script = String::from_utf8_lossy(&script).trim_end().to_owned();
    let report = Report::new("completions").object(&CompletionsObject { script: &script });
    Ok(report.script(script))
}

/// What the shell reads.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::cli) struct CompletionsObject<'a> {
    /// The script.
    script: &'a str,
}
