//! Rollouts: daemons are brought to serve their current credentials, independently and in
//! parallel.
//!
//! Whoever rolls out has the lock of that daemon from before its credentials are committed until it is
//! verified. The state is locked for moments only, so that a restart that takes long, or waits for a build,
//! keeps nobody else from anything.
//!
//! ```text
//! bring_up   one daemon: placed, restarted, verified, and back if it does not work
//! put_back   back to credentials that have worked
//! steps      each of these steps: look at the state, place, restart, verify, record
//! restart    the restart command, the only process that is ever started
//! idleness   what a daemon builds, as far as it tells
//! many       many at the same time
//! turns      how many are restarted at the same time
//! result     how a rollout ends
//! ```

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
