//! `kitcert ca`

use clap::{Args, Subcommand};

use super::rotate::{Jobs, restarting};
use super::rotation_report::{Asked, told};
use super::waiting::Waiting;
use crate::apply::{self, ClockTrust, Done, Invocation, RotationOrder};
use crate::cli::options::{ChangeOptions, client_name};
use crate::cli::output::{Changed, Report, Tone, show_plan, with_plan};
use crate::cli::session::Session;
use crate::message;
use crate::model::{AuthorityId, Failure, IdentityName, Message};
use crate::plan::{AuthorityRotation, RotateRequest, StateStep};

/// `kitcert ca`
#[derive(Debug, Subcommand)]
pub enum CaCommand {
    /// Move everyone to another CA, without locking anybody out
    #[command(subcommand, disable_help_subcommand = true)]
    Rollover(RolloverCommand),
    /// Delete the keys of CAs that nothing trusts any more; there is no way back to them
    DeleteFormerKeys(DecideArguments),
}

/// `kitcert ca rollover`
#[derive(Debug, Subcommand)]
pub enum RolloverCommand {
    /// Start a rollover; `rotate` continues it
    Start(StartArguments),
    /// Do not wait for these clients; they are locked out until they have new certificates
    Skip(SkipArguments),
    /// Go back to the previous CA, without locking anybody out
    Abort(AbortArguments),
    /// Do not wait for holders of certificates that this state does not know
    Finish(FinishArguments),
}

/// `kitcert ca rollover start`
#[derive(Debug, Args)]
pub struct StartArguments {
    /// Stop trusting a CA at once, because somebody else has its key [default: the CA in use, if it is the
    /// only one]
    #[arg(long, value_name = "KEYID", num_args = 0..=1, require_equals = true)]
    pub compromised: Option<Option<AuthorityId>>,
    /// How it is done.
    #[command(flatten)]
    pub how: AbortArguments,
}

/// `kitcert ca rollover abort`
#[derive(Debug, Args)]
pub struct AbortArguments {
    /// Renew and install, but do not restart any daemon
    #[arg(long)]
    pub no_restart: bool,
    /// How many daemons are restarted at the same time
    #[command(flatten)]
    pub jobs: Jobs,
    /// Trust this machine's clock, even if the log or a daemon contradicts it
    #[arg(long)]
    pub trust_clock: bool,
    /// Whether to only print the plan.
    #[command(flatten)]
    pub change: ChangeOptions,
}

/// `kitcert ca rollover skip`
#[derive(Debug, Args)]
pub struct SkipArguments {
    /// The clients
    #[arg(value_name = "NAME", required = true, value_parser = client_name)]
    pub names: Vec<IdentityName>,
    /// Whether to only print the plan.
    #[command(flatten)]
    pub change: ChangeOptions,
}

/// `kitcert ca rollover finish`
#[derive(Debug, Args)]
pub struct FinishArguments {
    /// The CA, by its key identifier
    #[arg(value_name = "KEYID")]
    pub id: AuthorityId,
    /// Whether to only print the plan.
    #[command(flatten)]
    pub change: ChangeOptions,
}

/// `kitcert ca delete-former-keys`
#[derive(Debug, Args)]
pub struct DecideArguments {
    /// Whether to only print the plan.
    #[command(flatten)]
    pub change: ChangeOptions,
}

impl CaCommand {
    /// Its name, as JSON and the log have it.
    pub(in crate::cli) fn name(&self) -> &'static str {
        match self {
            CaCommand::Rollover(RolloverCommand::Start(_)) => "ca rollover start",
            CaCommand::Rollover(RolloverCommand::Skip(_)) => "ca rollover skip",
            CaCommand::Rollover(RolloverCommand::Abort(_)) => "ca rollover abort",
            CaCommand::Rollover(RolloverCommand::Finish(_)) => "ca rollover finish",
            CaCommand::DeleteFormerKeys(_) => "ca delete-former-keys",
        }
    }
}

pub(in crate::cli) fn run(session: Session<'_>, asked: &CaCommand) -> Result<Report, Failure> {
    let name = asked.name();
    let waiting = Waiting::shown_by(&session);
    let watch = |progress| waiting.watch(progress);
    let invocation = |change: ChangeOptions| session.invocation(name, Some(change), &watch);
    match asked {
        CaCommand::Rollover(RolloverCommand::Start(start)) => {
            let authority = match &start.compromised {
                Some(which) => AuthorityRotation::Compromised(which.clone()),
                None => AuthorityRotation::Begun,
            };
            rotated(name, &invocation(start.how.change)?, authority, &start.how)
        }
        CaCommand::Rollover(RolloverCommand::Abort(how)) => {
            rotated(name, &invocation(how.change)?, AuthorityRotation::Back, how)
        }
        CaCommand::Rollover(RolloverCommand::Skip(skip)) => {
            let invocation = invocation(skip.change)?;
            let names = Message::few(&skip.names, ", ");
            let done = apply::skip(&invocation, &skip.names)?;
            let told = message!("the rollover does not wait for {}; next: {kitcert} rotate", names);
            Ok(noted(name, &invocation, &done, told))
        }
        CaCommand::Rollover(RolloverCommand::Finish(finish)) => {
            let invocation = invocation(finish.change)?;
            let done = apply::finish(&invocation, &finish.id)?;
            let drops = |step: &StateStep| matches!(step, StateStep::DropAuthority(_));
            let told = match done.plan.state.iter().any(drops) {
                true => message!(
                    "no daemon is to trust CA {} any more; next: {kitcert} rotate",
                    finish.id.short()
                ),
                false => message!(
                    "the rollover does not wait for unknown holders of CA {}; next: {kitcert} rotate",
                    finish.id.short()
                ),
            };
            Ok(noted(name, &invocation, &done, told))
        }
        CaCommand::DeleteFormerKeys(decide) => {
            let invocation = invocation(decide.change)?;
            let done = apply::delete_former_keys(&invocation)?;
            let told = match done.plan.state.len() {
                0 => message!("there is no key of a previous CA here"),
                1 => message!("1 key removed here; remove its copies and backups yourself"),
                keys => message!("{} keys removed here; remove their copies and backups yourself", keys),
            };
            Ok(noted(name, &invocation, &done, told))
        }
    }
}

/// A rotation that begins with what is to become of the CA.
fn rotated(
    name: &'static str,
    invocation: &Invocation<'_>,
    authority: AuthorityRotation,
    how: &AbortArguments,
) -> Result<Report, Failure> {
    let order = RotationOrder {
        request: RotateRequest { authority, ..RotateRequest::new(invocation.contact()) },
        at: None,
        restarting: restarting(how.no_restart),
        jobs: how.jobs.jobs.into(),
        clock: if how.trust_clock { ClockTrust::Believed } else { ClockTrust::Checked },
    };
    let rotated = apply::rotate(invocation, &order)?;
    let asked = if how.change.dry_run { Asked::Plan } else { Asked::Action };
    Ok(told(Report::new(name), invocation, &rotated, asked))
}

/// What was noted, or would be.
pub(super) fn noted(name: &'static str, invocation: &Invocation<'_>, done: &Done, told: Message) -> Report {
    let report = Report::new(name).target(invocation.state.display());
    if !invocation.acts() {
        return show_plan(report, &done.plan);
    }
    let changed = if done.plan.state.is_empty() { Changed::No } else { Changed::Yes };
    with_plan(report, done.plan.summary()).changed(changed).toned(Tone::Good, told)
}
