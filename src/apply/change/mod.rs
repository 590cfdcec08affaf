//! The one transaction in which the state changes: planned under its lock, judged by the guard, staged, read
//! back, committed.

mod log_lines;
mod old_copy;
mod records;
mod staging;
mod take_in;
mod transaction;

pub(super) use log_lines::line;
pub(super) use old_copy::{faults, installed, is_issued, refuse_misplaced, refuse_old_copy, unknown_leaves};
pub(crate) use staging::Issued;
pub(crate) use transaction::Done;
pub(super) use transaction::{carry_out, change_existing, change_state, refuse_lock_out};
