//! `kitcert rotate`

use clap::Args;

use super::rotation_report::{Asked, told};
use super::waiting::Waiting;
use crate::apply::{self, ClockTrust, Invocation, Mode, Restarting, RotationOrder};
use crate::cli::options::ChangeOptions;
use crate::cli::output::Report;
use crate::cli::session::Session;
use crate::message;
use crate::model::{ExitCode, Failure, Selector, Timestamp};
use crate::plan::{AuthorityRotation, KeyRenewal, RotateRequest, RotationScope};

/// `kitcert rotate`
#[derive(Debug, Args)]
pub struct RotateArguments {
    /// Only these daemons and clients [default: all in kitcert.yaml]
    #[arg(value_name = "NAME")]
    pub names: Vec<Selector>,
    /// Renew even what is not due
    #[arg(long)]
    pub force: bool,
    /// Go on even if this locks out that client; nobody else may be locked out
    #[arg(long, value_name = "NAME", num_args = 1..)]
    pub allow_lockout: Vec<Selector>,
    /// Create a new key for each renewed certificate whose key is in this state
    #[arg(long)]
    pub new_key: bool,
    /// Renew and install, but do not restart any daemon
    #[arg(long)]
    pub no_restart: bool,
    /// How many daemons are restarted at the same time
    #[command(flatten)]
    pub jobs: Jobs,
    /// Change nothing, and exit 4 if something is due or not verified
    #[arg(long)]
    pub check: bool,
    /// With --dry-run or --check: what will be due at that time, such as 2027-02-01
    #[arg(long, value_name = "TIME", value_parser = Timestamp::parse)]
    pub at: Option<Timestamp>,
    /// Trust this machine's clock, even if the log or a daemon contradicts it
    #[arg(long)]
    pub trust_clock: bool,
    /// Whether to only print the plan.
    #[command(flatten)]
    pub change: ChangeOptions,
}

/// How many daemons are restarted at the same time.
#[derive(Clone, Copy, Debug, Args)]
pub struct Jobs {
    /// How many daemons to restart at the same time; an emergency restarts all at once
    #[arg(long, value_name = "COUNT", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: u16,
}

pub(in crate::cli) fn run(session: Session<'_>, asked: &RotateArguments) -> Result<Report, Failure> {
    let looks = asked.change.dry_run || asked.check;
    if asked.at.is_some() && !looks {
        return Err(Failure::new("reading", "--at")
            .expected("--dry-run or --check, since nothing can be done at another time")
            .found("neither")
            .exit(ExitCode::Usage));
    }
    let waiting = Waiting::shown_by(&session);
    let watch = |progress| waiting.watch(progress);
    let mut invocation = session.invocation("rotate", Some(asked.change), &watch)?;
    if asked.check {
        invocation.mode = Mode::DryRun;
    }
    let rotated = apply::rotate(&invocation, &order(&invocation, asked))?;
    Ok(told(Report::new("rotate"), &invocation, &rotated, asked_for(asked)))
}

fn order(invocation: &Invocation<'_>, asked: &RotateArguments) -> RotationOrder {
    RotationOrder {
        request: RotateRequest {
            names: asked.names.clone(),
            scope: if asked.force { RotationScope::Forced } else { RotationScope::Due },
            key: if asked.new_key { KeyRenewal::Fresh } else { KeyRenewal::Keep },
            authority: AuthorityRotation::IfNeeded,
            lock_out: asked.allow_lockout.iter().map(|client| client.name.clone()).collect(),
            user: invocation.contact(),
        },
        at: asked.at,
        restarting: restarting(asked.no_restart),
        jobs: asked.jobs.jobs.into(),
        clock: if asked.trust_clock { ClockTrust::Believed } else { ClockTrust::Checked },
    }
}

pub(super) fn restarting(no_restart: bool) -> Restarting {
    if no_restart { Restarting::Refused(message!("--no-restart")) } else { Restarting::Allowed }
}

fn asked_for(asked: &RotateArguments) -> Asked {
    match (asked.change.dry_run, asked.check) {
        (true, _) => Asked::Plan,
        (false, true) => Asked::Check(asked.at),
        (false, false) => Asked::Action,
    }
}
