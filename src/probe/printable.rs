//! The values of this layer that a message may contain, beside those that are put together of others.

use super::{Dial, Refusal};
use crate::model::parsed;

parsed!(Dial, Refusal);
