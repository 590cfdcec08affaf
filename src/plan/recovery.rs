//! What `recover` found.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Serialize;

use super::steps::Plan;
use crate::layout::Inventory;
use crate::model::{IdentityName, Message, Timestamp};

/// What was recovered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recovered {
    /// A kitcert.yaml that was lost.
    Inventory,
    /// An old copy of the state, or one of two that are in use.
    Copy,
}

/// What `recover` found.
#[derive(Debug)]
pub(crate) struct Recovery {
    /// What that is.
    pub what: Recovered,
    /// What it writes.
    pub plan: Plan,
    /// kitcert.yaml, as far as it can be told.
    pub inventory: Inventory,
    /// Until when there may be certificates that this state does not know.
    pub open_until: Timestamp,
    /// What a person must look at.
    pub unknown: Vec<Unknown>,
    /// The clients that do not get in any more with what they have, once a daemon serves what is installed
    /// for it.
    pub locked_out: BTreeSet<IdentityName>,
}

/// Something that kitcert.yaml may have said and nothing else remembers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Unknown {
    /// Of what: `every daemon`, `client ana`.
    pub subject: Message,
    /// What it is.
    pub what: Message,
    /// The command by which the state knows the reason of it, where there is one.
    #[serde(rename = "try")]
    pub remedy: Option<Message>,
}
