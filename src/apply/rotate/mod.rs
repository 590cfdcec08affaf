//! `rotate`: renewed, placed, restarted, verified; and put back if that fails.

mod facts;
mod passes;
mod rotated;

pub use self::passes::{RotationOrder, rotate};
pub use self::rotated::{IdentityOutcome, IdentityResult, Rotated};
