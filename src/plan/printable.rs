//! The values of this layer that a message may contain.

use super::status::IdentityState;
use super::verification::Staleness;
use crate::model::parsed;

parsed!(IdentityState, Staleness);
