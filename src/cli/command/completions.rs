//! `kitcert completions`

use clap::CommandFactory;

use crate::cli::arguments::{Arguments, CompletionsArguments};
use crate::cli::output::Report;
use crate::model::Failure;

pub(super) fn run(asked: &CompletionsArguments) -> Result<Report, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(asked.shell, &mut Arguments::command(), "kitcert", &mut script);
    Ok(Report::new("completions").script(&String::from_utf8_lossy(&script)))
}
