//! `status`: the state, read and judged. Nothing is changed.

use super::context::Context;
use super::old_copy::faults;
use crate::model::{Failure, Message, Timestamp};
use crate::plan::{
    self, NextStep, RolloverProgress, StatusRow, Window, next_step, refuse_lost_record, rollover_progress,
};
use crate::store::Interest;

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
    /// How far the rollover is that is under way.
    pub rollover: Option<RolloverProgress>,
}

/// Looks at the whole state.
///
/// # Errors
/// No state, or one that cannot be read.
pub(crate) fn status(context: &Context<'_>, timeline: Timeline) -> Result<Status, Failure> {
    let is_wanted = timeline == Timeline::Wanted;
    let interest = if is_wanted { Interest::InUse } else { Interest::Everything };
    let (directory, observation) = context.observe(&interest)?;
    let now = context.judged_at();
    let rows = plan::status(&observation, now);
    let (is_old, misplaced) = faults(context, &observation);
    Ok(Status {
        now,
        has_unfinished_change: directory.has_unfinished_change()?,
        next: next_step(&rows, &observation),
        windows: if is_wanted { plan::timeline(&observation, now) } else { Vec::new() },
        is_old,
        misplaced,
        lost_rollover: refuse_lost_record(&observation).err(),
        rollover: rollover_progress(&observation, now)?,
        rows,
    })
}
