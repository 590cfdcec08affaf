//! The values of this layer that a message may contain, beside those that are put together of others.

use super::dial_list::{Caller, Dial};
use super::outcome::Outcome;
use crate::model::parsed;

parsed!(Caller, Dial, Outcome);
