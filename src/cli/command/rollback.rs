//! `kitcert rollback`

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use super::rotate::restarting;
use super::rotation_report::line;
use crate::apply::{self, Mode, RolloutResult};
use crate::cli::options::ChangeOptions;
use crate::cli::output::{Changed, Report, Tone, show_steps, with_plan};
use crate::cli::session::{Session, UNWATCHED};
use crate::message;
use crate::model::{ExitCode, Failure, Generation, Selector};
use crate::plan::Rollback;

/// `kitcert rollback`
#[derive(Debug, Args)]
pub struct RollbackArguments {
    /// The daemon or client; daemon/NAME or client/NAME if both have that name
    pub name: Selector,
    /// Install the files, but do not restart the daemon
    #[arg(long)]
    pub no_restart: bool,
    /// Whether to only print the plan.
    #[command(flatten)]
    pub change: ChangeOptions,
}

pub(in crate::cli) fn run(session: Session<'_>, asked: &RollbackArguments) -> Result<Report, Failure> {
    let invocation = session.invocation("rollback", Some(asked.change), UNWATCHED)?;
    let Selector { role, name } = &asked.name;
    let done = apply::rollback(&invocation, (*role, name), &restarting(asked.no_restart))?;
    let report = Report::new("rollback").target(name);
    if invocation.mode == Mode::DryRun {
        return Ok(show_steps(report, done.steps));
    }
    let report = with_plan(report, done.steps)
        .changed(Changed::Yes)
        .object(&RollbackObject { generation: done.rollback.generation });
    let Some(result) = done.result else {
        let Rollback { from, generation, .. } = &done.rollback;
        let text = message!("client {} has the certificate of {} again, as {}", name, from, generation);
        return Ok(report.toned(Tone::Good, text));
    };
    if let RolloutResult::RolledBack { generation, from, .. } = result {
        let text = message!(
            "verified: {} serves {} (the certificate of {}), and lets in only clients of its CAs",
            name,
            generation,
            from
        );
        return Ok(report.exit(ExitCode::Done).toned(Tone::Good, text));
    }
    let (exit, tone, text) = line(name, &result);
    Ok(report.exit(exit).toned(tone, text))
}

/// What is back.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::cli) struct RollbackObject {
    /// The generation that is back.
    generation: Generation,
}
