//! The values of this layer that a message may contain.

use std::fmt;
use std::process::ExitStatus;

use crate::model::parsed;

/// How a process ended: `exit status: 1`.
pub(super) struct Ended(pub ExitStatus);

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A measured number with one decimal.
pub(super) struct Tenths(pub f64);

impl fmt::Display for Tenths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1}", self.0)
    }
}

parsed!(Ended, Tenths);
