//! The values of this layer that a message may contain.

use super::IdentityState;
use crate::model::parsed;

parsed!(IdentityState);
