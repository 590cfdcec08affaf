//! How a CA or an identity stands, in one word.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use crate::model::Rule;

/// How a CA or an identity stands. The order is that of urgency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum IdentityState {
    /// Nothing to do.
    Ok,
    /// An identity is neither renewed nor waited for any more; a CA is trusted by nobody any more, or is
    /// not to be.
    Retired,
    /// The access of a client was taken away.
    Revoked,
    /// It is on disk, and kitcert.yaml does not list it.
    NotListed,
    /// It was renewed, and its kit waits in `kits/` to be handed over.
    KitWaiting,
    /// No verification of it counts: there was none, or it is stale.
    NotVerified,
    /// Little of its lifetime is left: a third, or what kitcert.yaml says; for a CA, less than a new leaf
    /// would need.
    Due,
    /// It ends within a month, and its CA cannot renew it: the key is not here.
    NotRenewable,
    /// Its kit waits, and the certificate that it has until then has used up half of the time that was
    /// left for handing the kit over.
    KitEnding,
    /// kitcert.yaml gives a daemon other hosts than its certificate has.
    HostsChanged,
    /// kitcert.yaml lists it, and it has no certificate.
    NotIssued,
    /// The key of a client is revoked, and it has no other one.
    KeyRevoked,
    /// Others than its owner can read its key.
    KeyExposed,
    /// It is not valid yet.
    NotYetValid,
    /// A daemon was restarted with what excludes whoever is revoked, and nothing here can try whether it refuses them.
    RefusalNotTried,
    /// A daemon may let somebody in whose access was taken away.
    LetsInRevoked,
    /// Its kit waits, and the certificate that it has until then is over.
    KitOverdue,
    /// It is over.
    Expired,
    /// Something of it cannot be read.
    Unreadable,
}

impl IdentityState {
    /// Whether `status --check` and a rotation have something to do about it.
    #[must_use]
    pub(crate) fn needs_attention(self) -> bool {
        self >= IdentityState::NotVerified
    }

    /// The rule by which it is told, and accepted; None where there is nothing to tell.
    #[must_use]
    pub(crate) fn rule(self) -> Option<Rule> {
        Some(match self {
            IdentityState::Ok | IdentityState::Retired | IdentityState::Revoked => return None,
            IdentityState::LetsInRevoked => Rule::NotRevokedYet,
            IdentityState::RefusalNotTried => Rule::RevokedNotTried,
            IdentityState::NotListed => Rule::NotListed,
            IdentityState::KitWaiting | IdentityState::KitEnding | IdentityState::KitOverdue => {
                Rule::KitWaiting
            }
            IdentityState::NotVerified => Rule::NotVerified,
            IdentityState::Due | IdentityState::NotRenewable => Rule::ExpiresSoon,
            IdentityState::HostsChanged | IdentityState::NotIssued | IdentityState::KeyRevoked => {
                Rule::NotIssued
            }
            IdentityState::KeyExposed => Rule::KeyMode,
            IdentityState::NotYetValid => Rule::NotYetValid,
            IdentityState::Expired => Rule::Expired,
            IdentityState::Unreadable => Rule::Unreadable,
        })
    }
}

impl fmt::Display for IdentityState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            IdentityState::Ok => "ok",
            IdentityState::Retired => "retired",
            IdentityState::Revoked => "revoked",
            IdentityState::NotListed => "not listed",
            IdentityState::KitWaiting => "kit waiting",
            IdentityState::NotVerified => "not verified",
            IdentityState::Due => "due",
            IdentityState::NotRenewable => "ends, and its CA cannot renew it",
            IdentityState::KitEnding => "kit waiting, and the certificate in use ends soon",
            IdentityState::KitOverdue => "kit waiting, and the certificate in use has expired",
            IdentityState::HostsChanged => "hosts changed",
            IdentityState::NotIssued => "not issued",
            IdentityState::KeyRevoked => "its key is revoked",
            IdentityState::KeyExposed => "others can read its key",
            IdentityState::NotYetValid => "not yet valid",
            IdentityState::RefusalNotTried => "not tried whether it refuses who is revoked",
            IdentityState::LetsInRevoked => "LETS IN a revoked client",
            IdentityState::Expired => "expired",
            IdentityState::Unreadable => "unreadable",
        })
    }
}
