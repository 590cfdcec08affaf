//! The values of this layer that a message may contain.

use super::{IdentityState, Staleness};
use crate::model::parsed;

parsed!(IdentityState, Staleness);
