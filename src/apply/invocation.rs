//! What every deed needs to know of the command that it is done for.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::env::Environment;
use crate::layout::state_paths;
use crate::message;
use crate::model::{Contact, ExitCode, Failure, IdentityName, Message, Printable, Quoted, Timestamp};
use crate::store::{Interest, Observation, StateDirectory, observe, user_name};

/// The command that a deed is done for.
pub struct Invocation<'a> {
    /// Its surroundings.
    pub environment: &'a Environment,
    /// The state directory that it is about.
    pub state: PathBuf,
    /// Its name, for the log: `init`, `issue client`.
    pub command: &'static str,
    /// Whether to act.
    pub mode: Mode,
    /// As of when what is seen is judged; None: now.
    pub at: Option<Timestamp>,
    /// Who is told how far it is.
    pub progress: &'a (dyn Fn(Progress) + Sync),
}

/// Whether a plan is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// There is none: the command only looks.
    Look,
    /// It is only made.
    DryRun,
    /// It is carried out.
    Apply,
}

/// How far a long deed is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// That many certificates are going to be issued.
    Issuing(u64),
    /// One more is.
    Issued,
    /// All are, and are being made durable.
    Committing,
    /// That many daemons are going to be dialed.
    Dialing(u64),
    /// One more was.
    Dialed,
    /// A daemon is not restarted yet, for what it does; None: it is waited for no longer.
    Waiting(IdentityName, Option<Message>),
}

/// In characters: twice what Linux lets a user's name have.
const LONGEST_USER: usize = 64;

/// How long a command waits for another that holds the lock.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

impl Invocation<'_> {
    /// Who typed the command; with sudo, the user behind it.
    pub(super) fn user(&self) -> Message {
        self.contact().message()
    }

    /// As of when what is seen is judged. What is made, such as a certificate to dial with, is made
    /// now.
    pub(super) fn judged_at(&self) -> Timestamp {
        self.at.unwrap_or(self.environment.present())
    }

    /// Whether the plan is carried out.
    pub(crate) fn acts(&self) -> bool {
        self.mode == Mode::Apply
    }

    /// The same, as kits name them.
    #[must_use]
    pub fn contact(&self) -> Contact {
        // Whatever is in a variable goes into every line of the log.
        let cut = |user: &str| user.chars().take(LONGEST_USER).collect::<String>();
        let variable = |name| cut(self.environment.variable(name)?).parse::<Contact>().ok();
        // cron sets LOGNAME alone.
        let named = ["SUDO_USER", "USER", "LOGNAME"].into_iter().find_map(variable);
        let known = || user_name(self.environment.user_id())?.parse().ok();
        named.or_else(known).unwrap_or_else(|| Contact::of_user_id(self.environment.user_id()))
    }

    /// The state, read as far as `interest` goes.
    ///
    /// # Errors
    /// No state where it was looked for: the message names that place, and another where there is
    /// one. A state that cannot be read, or that others can write.
    pub fn observe(&self, interest: &Interest) -> Result<(StateDirectory, Observation), Failure> {
        let directory = self.open()?.ok_or_else(|| self.no_state())?;
        let observation = self.observe_in(&directory, interest)?;
        Ok((directory, observation))
    }

    /// The state directory, if there is one. A change that was interrupted after it was committed
    /// is finished first: planned from half of it, the rest would look like nothing to do.
    pub(super) fn open(&self) -> Result<Option<StateDirectory>, Failure> {
        let Some(directory) = StateDirectory::find(&self.state)? else { return Ok(None) };
        if directory.has_unfinished_change()? {
            match self.mode {
                Mode::Look => {}
                Mode::DryRun => return Err(self.interrupted()),
                Mode::Apply => {
                    drop(directory.lock(self.command, PATIENCE)?);
                    return StateDirectory::find(&self.state);
                }
            }
        }
        Ok(Some(directory))
    }

    /// What is in a state directory, as far as `interest` goes.
    pub(super) fn observe_in(
        &self,
        directory: &StateDirectory,
        interest: &Interest,
    ) -> Result<Observation, Failure> {
        observe(directory, interest).map_err(|failure| match directory.has_unfinished_change() {
            Ok(true) => self.interrupted(),
            Ok(false) | Err(_) => failure,
        })
    }

    /// Half of a change is in place: somebody is at it right now, or was interrupted.
    fn interrupted(&self) -> Failure {
        Failure::new("reading the state", self.state.display())
            .found("another command is changing it, or was interrupted")
            .hint("wait for that command; if none is running, the next command that changes something finishes the change")
            .exit(ExitCode::Busy)
    }

    /// Why there is nothing to work on.
    pub(super) fn no_state(&self) -> Failure {
        let failure = Failure::new("opening the state", self.state.display())
            .expected("a folder with a kitcert.yaml")
            .found("none");
        let elsewhere = state_paths::elsewhere(self.environment, &self.state);
        match elsewhere.iter().find(|place| exists(place)) {
            // Another state than the one that every other command to paste names.
            Some(place) => failure.hint(message!("kitcert --state {} status", Quoted(place)).into_command()),
            None => failure.hint(
                "to create a CA on this machine: kitcert init; to use a kit that somebody sent you: kitcert join; if you \
                 have joined: kitcert verify",
            ),
        }
    }
}

fn exists(place: &Path) -> bool {
    matches!(StateDirectory::find(place), Ok(Some(_)))
}
