//! What a command has at hand.

use super::console::Console;
use super::options::{ChangeOptions, GlobalOptions};
use crate::apply::{Invocation, Mode, Progress};
use crate::env::Environment;
use crate::layout::state_paths;
use crate::model::Failure;

/// What a command has at hand.
pub(super) struct Session<'a> {
    pub(super) global: &'a GlobalOptions,
    pub(super) environment: &'a Environment,
    pub(super) console: &'a mut Console,
}

impl<'a> Session<'a> {
    /// The invocation of a deed of this command.
    pub(super) fn invocation(
        &self,
        command: &'static str,
        change: Option<ChangeOptions>,
        progress: &'a (dyn Fn(Progress) + Sync),
    ) -> Result<Invocation<'a>, Failure> {
        Ok(Invocation {
            environment: self.environment,
            state: state_paths::of(self.environment, self.global.state.as_deref())?,
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
pub(super) const UNWATCHED: &(dyn Fn(Progress) + Sync) = &|_| {};
