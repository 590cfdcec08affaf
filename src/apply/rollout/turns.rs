//! How many daemons are restarted at the same time.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// The turns that are left.
pub(super) struct Turns {
    left: Mutex<usize>,
    given_back: Condvar,
}

/// The right to restart a daemon; given back when it is dropped.
pub(super) struct Turn<'a> {
    of: Option<&'a Turns>,
}

impl Turns {
    pub(super) fn new(count: usize) -> Turns {
        Turns { left: Mutex::new(count.max(1)), given_back: Condvar::new() }
    }

    /// In an emergency nobody waits.
    pub(super) fn at_once() -> Turn<'static> {
        Turn { of: None }
    }

    /// Waits for a turn; None where `is_superseded` says meanwhile that there is something else to do.
    pub(super) fn take(&self, is_superseded: &dyn Fn() -> bool) -> Option<Turn<'_>> {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        while *left == 0 {
            let waited = self.given_back.wait_timeout_while(left, LOOK_AGAIN, |left| *left == 0);
            (left, _) = waited.unwrap_or_else(PoisonError::into_inner);
            if is_superseded() {
                return None;
            }
        }
        *left = left.saturating_sub(1);
        Some(Turn { of: Some(self) })
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let Some(turns) = self.of else { return };
        let mut left = turns.left.lock().unwrap_or_else(PoisonError::into_inner);
        *left = left.saturating_add(1);
        turns.given_back.notify_one();
    }
}

/// How soon whoever waits notices that there is something else to do.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
