//! `kitcert rollback`

use super::rotate::{line, restarting};
use super::{Session, UNWATCHED, plan_view};
use crate::apply::{self, Ending, Mode};
use crate::cli::report::{Changed, Report, Tone};
use crate::cli::rotation_arguments::RollbackArguments;
use crate::model::{ExitCode, Failure};

pub(super) fn run(session: Session<'_>, asked: &RollbackArguments) -> Result<Report, Failure> {
    let context = session.context("rollback", Some(asked.change), UNWATCHED)?;
    let done = apply::rollback(&context, &asked.name, &restarting(asked.no_restart))?;
    let report = Report::new("rollback").target(asked.name.to_string());
    if context.mode == Mode::DryRun {
        return Ok(plan_view::show(report, &done.rollback.plan()));
    }
    let report = report.changed(Changed::Yes).detail("generation", done.rollback.generation);
    let Some(ending) = done.ending else {
        let text = format!("client {} has gen-{:04} again", asked.name, done.rollback.generation);
        return Ok(report.toned(Tone::Good, text));
    };
    if let Ending::RolledBack { generation, .. } = ending {
        let text =
            format!("proven: {} serves gen-{generation:04} again, and strangers are refused", asked.name);
        return Ok(report.exit(ExitCode::Done).toned(Tone::Good, text));
    }
    let (exit, tone, text) = line(&asked.name, &Ok(ending));
    Ok(report.exit(exit).toned(tone, text))
}
