//! The seam at which a test stops a change, as a crash would.
//!
//! Every action that changes a disk asks here first. Outside tests the answer is always yes and
//! the question costs nothing.

use crate::model::Failure;

/// Whether the next action may be done.
#[cfg(not(test))]
pub(in crate::store) fn allow() -> Result<(), Failure> {
    Ok(())
}

/// Whether the next action may be done: not once the steps that a test allowed are used up.
#[cfg(test)]
pub(in crate::store) fn allow() -> Result<(), Failure> {
    LEFT.with(|left| match left.get() {
        None => Ok(()),
        Some(0) => Err(Failure::new("going on", "").found("a crash that a test asked for")),
        Some(steps) => {
            left.set(Some(steps - 1));
            Ok(())
        }
    })
}

/// Allows that many more steps on this thread, all for `None`; gives what was left before.
#[cfg(test)]
pub(in crate::store) fn limit(steps: Option<usize>) -> Option<usize> {
    LEFT.with(|left| left.replace(steps))
}

#[cfg(test)]
thread_local! {
    static LEFT: std::cell::Cell<Option<usize>> = const { std::cell::Cell::new(None) };
}
