//! What every deed needs to know of the command that it is done for.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::env::Environment;
use crate::layout::state_place;
use crate::model::Failure;
use crate::store::{Interest, Observation, StateDirectory, observe};

/// The command that a deed is done for.
pub struct Context<'a> {
    /// Its surroundings.
    pub environment: &'a Environment,
    /// The state directory that it is about.
    pub state: PathBuf,
    /// Its name, for the log: `init`, `issue client`.
    pub command: &'static str,
    /// Whether to act.
    pub mode: Mode,
    /// Who is told how far it is.
    pub progress: &'a (dyn Fn(Progress) + Sync),
}

/// Whether a plan is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It is only made.
    DryRun,
    /// It is carried out.
    Apply,
}

/// How far a long deed is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// That many certificates are going to be issued.
    Issuing(u64),
    /// One more is.
    Issued,
    /// All are, and are being made durable.
    Committing,
}

/// How long a command waits for another that holds the lock.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

impl Context<'_> {
    /// Who typed the command; with sudo, the user behind it.
    pub(super) fn user(&self) -> String {
        let variable = |name| self.environment.variable(name).map(str::to_owned);
        let named = variable("SUDO_USER").or_else(|| variable("USER"));
        named.unwrap_or_else(|| format!("user {}", self.environment.user_id()))
    }

    /// The state, read as far as `interest` goes.
    ///
    /// # Errors
    /// No state where it was looked for: the message names that place, and another where there is
    /// one. A state that cannot be read, or that others can write.
    pub fn observe(&self, interest: &Interest) -> Result<(StateDirectory, Observation), Failure> {
        let directory = StateDirectory::find(&self.state)?.ok_or_else(|| self.no_state())?;
        let observation = observe(&directory, interest)?;
        Ok((directory, observation))
    }

    /// Why there is nothing to work on.
    pub(super) fn no_state(&self) -> Failure {
        let failure = Failure::new("opening the state", self.state.display())
            .expected("a directory with a kitcert.yaml (kitcert init makes one)")
            .found("none");
        let elsewhere = state_place::elsewhere(self.environment, &self.state);
        match elsewhere.iter().find(|place| exists(place)) {
            Some(place) => {
                failure.hint(format!("kitcert --state {} …   # there is a state", place.display()))
            }
            None => failure.hint("kitcert init --host builder.example.com --client ana"),
        }
    }
}

fn exists(place: &Path) -> bool {
    matches!(StateDirectory::find(place), Ok(Some(_)))
}
