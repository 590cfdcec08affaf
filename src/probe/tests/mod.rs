//! What the tests of the verdict, and those against the practice daemon, have in common.

pub(super) mod cast;
pub(super) mod made;

pub(crate) use cast::{Cast, endpoint};
