//! How a rollout ends.

use crate::message;
use crate::model::{ExitCode, Failure, Generation, IdentityName, Message, Printable};

/// How it ended for a daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RolloutResult {
    /// It serves its current credentials, and everything is as it must be.
    Verified {
        /// What a person should know of how it came to that.
        remark: Option<Message>,
    },
    /// Nothing here restarts it; the command to run, where one is known.
    NotServed {
        /// Why it was not restarted.
        why: Message,
        /// The command.
        command: Option<Message>,
    },
    /// It does something of which this state knows nothing, and goes on as it was: with other files, or after a
    /// restart, that would be lost.
    HeldBack {
        /// What it does.
        why: Message,
        /// The command by which the state knows it again.
        command: Message,
    },
    /// It was restarted, and nothing here can try whether it refuses whoever is revoked.
    Untried {
        /// The verdict.
        why: Message,
        /// The command by which a person says that he has seen it.
        word: Message,
    },
    /// It serves its current credentials, and verification found errors that no others would fix.
    Faulty {
        /// The verdict.
        why: Message,
    },
    /// It did not, and the earlier credentials are current and served again.
    RolledBack {
        /// The generation that it serves now.
        generation: Generation,
        /// The one whose certificate that is.
        from: Generation,
        /// What went wrong.
        why: Message,
    },
    /// It does not serve anything that has worked, and could not be brought back.
    Down {
        /// What went wrong, and what was tried.
        why: Message,
    },
    /// It was left as it is: another command is at work on it, or its clock and the one here disagree.
    LeftAlone(Failure),
    /// Its files could not be read or put in place: nothing that it reads has changed.
    Failed(Failure),
}

impl RolloutResult {
    /// What it is worth.
    #[must_use]
    pub fn exit(&self) -> ExitCode {
        match self {
            RolloutResult::Verified { .. } => ExitCode::Done,
            RolloutResult::NotServed { .. }
            | RolloutResult::HeldBack { .. }
            | RolloutResult::Untried { .. } => ExitCode::NotServed,
            RolloutResult::Faulty { .. } => ExitCode::Verification,
            RolloutResult::RolledBack { .. } => ExitCode::Failed,
            RolloutResult::Down { .. } => ExitCode::Down,
            RolloutResult::LeftAlone(failure) => failure.exit_code(),
            // The state has its new credentials by now, and nobody knows that they are served.
            RolloutResult::Failed(failure)
                if [ExitCode::Failed, ExitCode::Busy].contains(&failure.exit_code()) =>
            {
                ExitCode::NotServed
            }
            RolloutResult::Failed(failure) => failure.exit_code(),
        }
    }

    /// What went wrong, where something did, or what a person should know.
    #[must_use]
    pub fn why(&self) -> Option<Message> {
        match self {
            RolloutResult::Verified { remark } => remark.clone(),
            RolloutResult::NotServed { why, .. }
            | RolloutResult::HeldBack { why, .. }
            | RolloutResult::Untried { why, .. }
            | RolloutResult::Faulty { why }
            | RolloutResult::RolledBack { why, .. }
            | RolloutResult::Down { why } => Some(why.clone()),
            RolloutResult::Failed(failure) | RolloutResult::LeftAlone(failure) => Some(failure.message()),
        }
    }

    /// The same ending, with something else that went wrong after it.
    pub(super) fn because(self, failure: &Failure) -> RolloutResult {
        let and = |why: Message| message!("{}; {}", why, failure);
        match self {
            RolloutResult::NotServed { why, command } => RolloutResult::NotServed { why: and(why), command },
            RolloutResult::Faulty { why } => RolloutResult::Faulty { why: and(why) },
            RolloutResult::Down { why } => RolloutResult::Down { why: and(why) },
            other => other,
        }
    }

    /// The command that goes on from here, where there is one.
    #[must_use]
    pub fn next(&self, name: &IdentityName) -> Option<Message> {
        match self {
            RolloutResult::Verified { .. } | RolloutResult::RolledBack { .. } => None,
            RolloutResult::NotServed { command: Some(command), .. } => Some(command.clone()),
            RolloutResult::HeldBack { command, .. } => Some(command.clone()),
            RolloutResult::Untried { word, .. } => Some(word.clone()),
            RolloutResult::NotServed { command: None, .. } => Some(message!("{kitcert} rotate {}", name)),
            RolloutResult::Faulty { .. } | RolloutResult::Down { .. } => {
                Some(message!("{kitcert} verify {}", name))
            }
            RolloutResult::LeftAlone(failure) if failure.exit_code() == ExitCode::Busy => {
                Some(message!("{kitcert} rotate {}", name))
            }
            RolloutResult::Failed(failure) | RolloutResult::LeftAlone(failure) => {
                failure.remedy().map(|remedy| remedy.parted().0)
            }
        }
    }
}

/// Whether a restart command may be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Restarting {
    /// It may.
    Allowed,
    /// It may, while the daemon builds nothing, even if somebody is to be shut out at once.
    WhenIdle,
    /// It may not; why.
    Refused(Message),
}
