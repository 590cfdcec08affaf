//! What a rotation is asked for, what it looks at, and what it does.

use std::collections::BTreeSet;

use serde::Serialize;

use super::request::KeyRenewal;
use super::step::Plan;
use crate::model::{Contact, IdentityName, Role};
use crate::pki::{Certificate, Receipt};

/// What `rotate` was asked for.
#[derive(Clone, Debug)]
pub struct RotateRequest {
    /// The daemons and clients; empty: all.
    pub names: Vec<IdentityName>,
    /// Whether only what is due.
    pub scope: RotationScope,
    /// Whether a renewal keeps its key.
    pub key: KeyRenewal,
    /// The clients of which it is known that they have their certificate.
    pub received: Vec<Reception>,
    /// Whether another CA is wanted.
    pub authority: AuthorityRotation,
    /// The clients that a rollover leaves behind.
    pub dropped: Vec<IdentityName>,
    /// Who asks, whom kits name where kitcert.yaml names nobody.
    pub user: Contact,
}

/// Which certificates a rotation renews.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RotationScope {
    /// Those that are due.
    #[default]
    Due,
    /// All that it is about; and a change that locks somebody out is no reason to stop.
    Forced,
}

/// Whether a rotation moves everything to another CA.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AuthorityRotation {
    /// It goes on with a rollover that is under way, and begins one where the CA's remaining life
    /// does not cover a new certificate's.
    #[default]
    IfNeeded,
    /// It begins one, unless one is under way.
    Begun,
    /// The CA's key is known to somebody: nothing of it is trusted any more, at once.
    Compromised,
    /// It goes to that CA, from which everything came.
    Back(String),
}

/// By what it is known that a client has its certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reception {
    /// Somebody says so.
    Told(IdentityName),
    /// Its key says so.
    Signed(Receipt),
}

/// What was seen besides the state itself.
#[derive(Clone, Debug, Default)]
pub struct RotationFacts {
    /// Every certificate ever issued; read only where something is renewed or rolls over.
    pub issued: Vec<Certificate>,
    /// Whether this run has begun a rollover, or gone on with one: it begins no other.
    pub has_begun: bool,
    /// Whether `issued` was read: before, it is not known whether all clients have moved.
    pub is_complete: bool,
    /// The identities whose installed copies are not their current set.
    pub outdated: BTreeSet<(Role, IdentityName)>,
}

/// What a rotation does.
#[derive(Clone, Debug, Default)]
pub struct Rotation {
    /// The changes of the state.
    pub plan: Plan,
    /// The daemons that are to be placed, restarted and proven.
    pub daemons: Vec<IdentityName>,
    /// The clients whose installed copies are to be replaced.
    pub clients: Vec<IdentityName>,
    /// What is done or to be said, identity by identity.
    pub rows: Vec<RotationRow>,
    /// Whether a rollover is under way.
    pub rolls_over: bool,
}

/// What a rotation does about one identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RotationRow {
    /// `daemon` or `client`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// What.
    pub action: RotationAction,
    /// Why, or what is left for a person to do.
    pub reason: String,
    /// The end of its certificate, in RFC 3339, where it gets a new one.
    pub expires: Option<String>,
}

/// What becomes of an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RotationAction {
    /// It gets its first certificate.
    Issued,
    /// It gets another one.
    Renewed,
    /// Nothing new; it is to be shown that its daemon serves what it has.
    ToProve,
    /// Its installed copies are replaced.
    Placed,
    /// It was said to have its certificate.
    Received,
    /// A rollover leaves it behind.
    Left,
    /// Nothing; a person has something to do.
    Reported,
}

impl RotationAction {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            RotationAction::Issued => "issued",
            RotationAction::Renewed => "renewed",
            RotationAction::ToProve => "to prove",
            RotationAction::Placed => "placed",
            RotationAction::Received => "received",
            RotationAction::Left => "left",
            RotationAction::Reported => "reported",
        }
    }
}

impl Rotation {
    /// Whether there is nothing to do; something may be to be said all the same.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.plan.is_empty() && self.daemons.is_empty() && self.clients.is_empty()
    }
}

impl Reception {
    /// The client.
    #[must_use]
    pub fn name(&self) -> &IdentityName {
        match self {
            Reception::Told(name) => name,
            Reception::Signed(receipt) => receipt.name(),
        }
    }
}
