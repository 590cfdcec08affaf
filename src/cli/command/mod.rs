//! One small file a command.

mod completions;
mod demo;
mod init;
mod inspect;
mod install;
mod invite;
mod issue;
mod join;
mod request;
mod rollback;
mod rotate;
mod status;
mod verify;

use super::Console;
use super::arguments::{Arguments, ChangeOptions, Command, GlobalOptions, InstallCommand, IssueCommand};
use super::output::Report;
use crate::apply::{Context, Mode, Progress};
use crate::env::Environment;
use crate::layout::state_place;
use crate::model::Failure;

/// Runs a command.
pub(super) fn run(
    arguments: &Arguments,
    environment: &Environment,
    console: &mut Console,
) -> Result<Report, Failure> {
    let session = Session { global: &arguments.global, environment, console };
    match &arguments.command {
        Command::Init(asked) => init::run(session, asked),
        Command::Issue(IssueCommand::Daemon(asked)) => issue::daemon(session, asked),
        Command::Issue(IssueCommand::Client(asked)) => issue::client(session, asked),
        Command::Install(InstallCommand::Daemon(asked)) => install::daemon(session, asked),
        Command::Install(InstallCommand::Client(asked)) => install::client(session, asked),
        Command::Request(asked) => request::run(session, asked),
        Command::Invite(asked) => invite::run(session, asked),
        Command::Join(asked) => join::run(session, asked),
        Command::Verify(asked) => verify::run(session, asked),
        Command::Rotate(asked) => rotate::run(session, asked),
        Command::Rollback(asked) => rollback::run(session, asked),
        Command::Status(asked) => status::run(session, asked),
        Command::Inspect(asked) => inspect::run(session, asked),
        Command::Demo(_) => demo::run(session),
        Command::Completions(asked) => completions::run(asked),
    }
}

/// What a command has at hand.
struct Session<'a> {
    global: &'a GlobalOptions,
    environment: &'a Environment,
    console: &'a mut Console,
}

impl<'a> Session<'a> {
    /// The context of a deed of this command.
    fn context(
        &self,
        command: &'static str,
        change: Option<ChangeOptions>,
        progress: &'a (dyn Fn(Progress) + Sync),
    ) -> Result<Context<'a>, Failure> {
        Ok(Context {
            environment: self.environment,
            state: state_place::of(self.environment, self.global.state.as_deref())?,
            command,
            mode: match change {
                None => Mode::Look,
                Some(change) if change.dry_run => Mode::DryRun,
                Some(_) => Mode::Apply,
            },
            at: None,
            progress,
        })
    }
}

/// For deeds that are over before anybody could watch.
const UNWATCHED: &(dyn Fn(Progress) + Sync) = &|_| {};
