//! `status`: the state, read and judged. Nothing is changed.

use super::context::Context;
use crate::model::{Failure, Timestamp};
use crate::plan::{
    self, NextStep, RolloverProgress, StatusRow, Window, next_step, rollover_progress, rolls_over,
};
use crate::store::{Interest, observe_issued};

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
    /// How far the rollover is that is under way.
    pub rollover: Option<RolloverProgress>,
}

/// Looks at the whole state.
///
/// # Errors
/// No state, or one that cannot be read.
pub(crate) fn status(context: &Context<'_>, timeline: Timeline) -> Result<Status, Failure> {
    let (directory, observation) = context.observe(&Interest::Everything)?;
    let now = context.judged_at();
    let rows = plan::status(&observation, now);
    let is_wanted = timeline == Timeline::Wanted;
    let rolls_over = rolls_over(&observation);
    let issued = if rolls_over || is_wanted { observe_issued(&directory)? } else { Vec::new() };
    Ok(Status {
        now,
        has_unfinished_change: directory.has_unfinished_change()?,
        next: next_step(&rows, &observation),
        windows: if is_wanted { plan::timeline(&observation, &issued, now) } else { Vec::new() },
        rollover: rolls_over.then(|| rollover_progress(&observation, &issued, now)).flatten(),
        rows,
    })
}
