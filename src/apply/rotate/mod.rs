//! `rotate`: renewed, placed, restarted, verified; and put back if that fails.
//!
//! ```text
//! passes    planned and committed under the lock of the state, rolled out without it
//! facts     what it looks at besides the state
//! rotated   what came of it, identity by identity
//! ```

mod facts;
mod passes;
mod rotated;

pub use self::passes::{RotationOrder, rotate};
pub use self::rotated::{FormerKeys, IdentityOutcome, IdentityResult, Rotated};
