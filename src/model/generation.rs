//! The numbered versions of an identity's credentials.

use std::fmt;

/// One version of an identity's credentials, by its number: `gen-0007`, as its folder is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub u32);

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "gen-{:04}", self.0)
    }
}
