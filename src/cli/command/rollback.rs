//! `kitcert rollback`

use clap::Args;

use super::rotate::{Asked, line, restarting, told};
use crate::apply::{self, ClockTrust, Context, Ending, Mode, RotationOrder};
use crate::cli::options::ChangeOptions;
use crate::cli::output::{Changed, Report, Tone, show_plan};
use crate::cli::session::{Session, UNWATCHED};
use crate::message;
use crate::model::{ExitCode, Failure, IdentityName};
use crate::plan::RotateRequest;

/// `kitcert rollback`
#[derive(Debug, Args)]
pub struct RollbackArguments {
    /// The daemon or the client
    #[arg(required_unless_present = "ca", conflicts_with = "ca")]
    pub name: Option<IdentityName>,
    /// Go back to the CA from which a rollover is moving everything
    #[arg(long)]
    pub ca: bool,
    /// Put the files in place, but run no restart command
    #[arg(long)]
    pub no_restart: bool,
    /// Whether to only print the plan.
    #[command(flatten)]
    pub change: ChangeOptions,
}

pub(in crate::cli) fn run(session: Session<'_>, asked: &RollbackArguments) -> Result<Report, Failure> {
    let context = session.context("rollback", Some(asked.change), UNWATCHED)?;
    let Some(name) = &asked.name else { return authority(&context, asked) };
    let done = apply::rollback(&context, name, &restarting(asked.no_restart))?;
    let report = Report::new("rollback").target(name);
    if context.mode == Mode::DryRun {
        return Ok(show_plan(report, &done.rollback.plan()));
    }
    let report = report.changed(Changed::Yes).detail("generation", done.rollback.generation);
    let Some(ending) = done.ending else {
        let text = message!("client {} has {} again", name, done.rollback.generation);
        return Ok(report.toned(Tone::Good, text));
    };
    if let Ending::RolledBack { generation, .. } = ending {
        let text = message!(
            "verified: {} serves {} again, and nobody without a certificate of yours gets in",
            name,
            generation
        );
        return Ok(report.exit(ExitCode::Done).toned(Tone::Good, text));
    }
    let (exit, tone, text) = line(name, &Ok(ending));
    Ok(report.exit(exit).toned(tone, text))
}

/// The former CA again: the steps of a rollover, the other way round.
fn authority(context: &Context<'_>, asked: &RollbackArguments) -> Result<Report, Failure> {
    let order = RotationOrder {
        request: RotateRequest::new(context.contact()),
        at: None,
        restarting: restarting(asked.no_restart),
        clock: ClockTrust::Checked,
    };
    let rotated = apply::roll_back_authority(context, order)?;
    let how = if asked.change.dry_run { Asked::Plan } else { Asked::Action };
    Ok(told(Report::new("rollback"), context, &rotated, how))
}
