//! Whose the installed files of a daemon are, seen from this state: `origin.json` beside them, compared with
//! what this state remembers. No clock is asked.

use crate::message;
use crate::model::{Fingerprint, Generation, IdentityName, Message};
use crate::store::{DaemonHistory, Origin, StateRecord};

/// Whose the installed files of a daemon are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nobody's yet, or this state has made them.
    Ours,
    /// Not as kitcert has put them there.
    ByHand,
    /// This state has put them there, after so many changes; it has had fewer, so that it is an old copy of
    /// itself.
    Later(u64),
    /// A copy of this state has made that generation.
    SecondCopy(Generation),
    /// This state has put them there, for another daemon.
    OtherDaemon(IdentityName),
    /// Another state has put them there, for that daemon.
    OtherState(IdentityName),
}

impl Standing {
    /// Whether what this state would issue and put in place would be of the past, or of one of two presents.
    #[must_use]
    pub(crate) fn is_old(&self) -> bool {
        matches!(self, Standing::Later(_) | Standing::SecondCopy(_))
    }

    /// What is wrong, of a daemon; None where nothing is.
    #[must_use]
    pub(crate) fn fault(&self, daemon: &IdentityName) -> Option<Message> {
        Some(match self {
            Standing::Ours => return None,
            Standing::ByHand => {
                message!("the installed files of {} were changed by hand; an install replaces them", daemon)
            }
            Standing::Later(commit) => message!(
                "an old copy of it, as of a backup: what is installed for {} came later (after change {})",
                daemon,
                commit
            ),
            Standing::SecondCopy(generation) => message!(
                "a second copy of it in use: what is installed for {} ({}) was made by another copy",
                daemon,
                generation
            ),
            Standing::OtherDaemon(other) => message!("the files of daemon {}", other),
            Standing::OtherState(other) => {
                message!("files that another state has installed, for its daemon {}", other)
            }
        })
    }
}

/// Whose files are that a place has: with their origin, if it is noted, and what they are now.
pub(crate) fn standing(
    daemon: &IdentityName,
    noted: Option<&Origin>,
    there: &Fingerprint,
    (own, history): (&StateRecord, &DaemonHistory),
) -> Standing {
    let Some(noted) = noted else { return Standing::ByHand };
    // A state of which state.json was lost has another name, and still knows what it has made.
    if noted.state != own.id && !history.has_made(&noted.sha256) {
        return Standing::OtherState(noted.daemon.clone());
    }
    if noted.state == own.id && noted.commit > own.commit {
        return Standing::Later(noted.commit);
    }
    if noted.daemon != *daemon {
        return Standing::OtherDaemon(noted.daemon.clone());
    }
    if !history.may_have_made(noted.generation, &noted.sha256) {
        return Standing::SecondCopy(noted.generation);
    }
    if noted.sha256 == *there { Standing::Ours } else { Standing::ByHand }
}
