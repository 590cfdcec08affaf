//! How many daemons are restarted at the same time.

use std::sync::{Condvar, Mutex, PoisonError};

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

    /// Waits for a turn; in an emergency nobody waits.
    pub(super) fn take(&self, is_emergency: bool) -> Turn<'_> {
        if is_emergency {
            return Turn { of: None };
        }
        let left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let left = self.given_back.wait_while(left, |left| *left == 0);
        let mut left = left.unwrap_or_else(PoisonError::into_inner);
        *left = left.saturating_sub(1);
        Turn { of: Some(self) }
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
