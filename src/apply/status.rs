//! `status`: the state, read and judged. Nothing is changed.

use super::change::faults;
use super::client_copies::read_client_copies;
use super::invocation::Invocation;
use super::waiting_kits::{of_other_keys, used_meanwhile};
use crate::message;
use crate::model::{Failure, Message, Quoted, Timestamp};
use crate::plan::{
    self, NextStep, RolloverProgress, StatusRow, Window, next_step, refuse_forgotten, refuse_lost_record,
    rollover_progress,
};
use crate::store::{Interest, KeyPresence, LogEnd, StateDirectory, log_end, logs_put_aside};

/// Whether the windows of the certificates are wanted too, for which each that was ever issued is
/// read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timeline {
    /// They are.
    Wanted,
    /// They are not.
    Unwanted,
}

/// What exists, and how it stands.
#[derive(Debug)]
pub(crate) struct Status {
    /// As of when.
    pub now: Timestamp,
    /// Every CA, daemon and client.
    pub rows: Vec<StatusRow>,
    /// Whether a change was interrupted that the next command finishes.
    pub has_unfinished_change: bool,
    /// What to do next.
    pub next: Option<NextStep>,
    /// From when until when each certificate is good; empty where nobody wants it.
    pub windows: Vec<Window>,
    /// Whether the state is an old copy of itself, as of a backup, or one of two that are in use.
    pub is_old: bool,
    /// What is wrong with what is installed for daemons: by whom it was put there.
    pub misplaced: Vec<Message>,
    /// Why nothing is issued while the state shows a rollover and rollover.json is gone.
    pub lost_rollover: Option<Failure>,
    /// Why no daemon is given another bundle while revocations.json lacks whom they refuse.
    pub lost_revocations: Option<Failure>,
    /// How far the rollover is that is under way.
    pub rollover: Option<RolloverProgress>,
    /// What is wrong with the log.
    pub log_faults: Vec<Message>,
    /// Whether the key of a CA is here that may issue.
    pub can_sign: bool,
}

impl Status {
    /// Why the state is not to be changed as it is, if records of it are lost.
    pub(crate) fn lost(&self) -> Option<&Failure> {
        self.lost_rollover.as_ref().or(self.lost_revocations.as_ref())
    }
}

/// Looks at the whole state.
///
/// # Errors
/// No state, or one that cannot be read.
pub(crate) fn status(invocation: &Invocation<'_>, timeline: Timeline) -> Result<Status, Failure> {
    let is_wanted = timeline == Timeline::Wanted;
    let interest = if is_wanted { Interest::InUse } else { Interest::Everything };
    let (directory, mut observation) = invocation.observe(&interest)?;
    if observation.rollover.is_some() {
        observation.note_copies(&read_client_copies(&observation));
    }
    let now = invocation.judged_at();
    let mut rows = plan::status(&observation, &used_meanwhile(&directory, &observation), now);
    rows.extend(plan::status_of_other_keys(&observation, &of_other_keys(&directory, &observation), now));
    let (is_old, misplaced) = faults(invocation, &observation);
    Ok(Status {
        now,
        has_unfinished_change: directory.has_unfinished_change()?,
        next: next_step(&rows, &observation, now),
        windows: if is_wanted { plan::timeline(&observation, now) } else { Vec::new() },
        is_old,
        misplaced,
        lost_rollover: refuse_lost_record(&observation).err(),
        lost_revocations: refuse_forgotten(&observation).err(),
        rollover: rollover_progress(&observation, now)?,
        log_faults: log_faults(&directory)?,
        can_sign: observation
            .authorities
            .iter()
            .any(|one| one.record.is_usable() && one.key == KeyPresence::Present),
        rows,
    })
}

/// What a person should look at: nothing else depends on the log.
fn log_faults(directory: &StateDirectory) -> Result<Vec<Message>, Failure> {
    let damaged = match log_end(directory) {
        LogEnd::Unreadable(why) => Some(why),
        LogEnd::Entry { is_damaged: true, .. } => {
            Some(message!("log.jsonl has lines near its end that kitcert did not write"))
        }
        LogEnd::Empty | LogEnd::Entry { .. } => None,
    };
    let aside = logs_put_aside(directory)?;
    let aside = aside.iter().map(|path| {
        message!("{} could not be appended to, and was put aside for a new log", Quoted(path.as_path()))
    });
    Ok(damaged.into_iter().chain(aside).collect())
}
