//! Rollouts: daemons are brought to serve their current credentials, independently and in
//! parallel.
//!
//! Whoever rolls out has the lock of that daemon from before its credentials are committed until it is
//! verified. The state is locked for moments only, so that a restart that takes long, or waits for a build,
//! keeps nobody else from anything.

mod bring_up;
mod idleness;
mod many;
mod put_back;
mod restart;
mod result;
mod steps;
mod turns;

pub(super) use self::many::{Locked, roll_out};
pub use self::result::{Restarting, RolloutResult};
pub(super) use self::steps::{Rollout, earlier_generations, placed};
