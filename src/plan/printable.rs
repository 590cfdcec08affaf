//! The values of this layer that a message may contain.

use super::identity_state::IdentityState;
use super::verification::Staleness;
use crate::model::parsed;

parsed!(IdentityState, Staleness);
