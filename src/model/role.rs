//! What an end-entity certificate is for.

use std::fmt;

/// Who holds a certificate. A role has exactly one extended key usage, so that a stolen client
/// key cannot stand in for the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// A build daemon: serverAuth.
    Daemon,
    /// A client of one: clientAuth.
    Client,
}

impl Role {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Daemon => "daemon",
            Role::Client => "client",
        }
    }

    /// The folder of a state with the identities of this role.
    pub(crate) fn folder(self) -> &'static str {
        match self {
            Role::Daemon => "daemons",
            Role::Client => "clients",
        }
    }

    /// The one usage that certificates of this role carry.
    #[must_use]
    pub fn extended_key_usage(self) -> ExtendedKeyUsage {
        match self {
            Role::Daemon => ExtendedKeyUsage::ServerAuth,
            Role::Client => ExtendedKeyUsage::ClientAuth,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A purpose of the extended key usage extension (RFC 5280 section 4.2.1.12).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ExtendedKeyUsage {
    /// id-kp-serverAuth.
    ServerAuth,
    /// id-kp-clientAuth.
    ClientAuth,
    /// anyExtendedKeyUsage, which Go takes for every purpose.
    Any,
    /// Any other, by its dotted object identifier.
    Other(String),
}

impl fmt::Display for ExtendedKeyUsage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            ExtendedKeyUsage::ServerAuth => "serverAuth",
            ExtendedKeyUsage::ClientAuth => "clientAuth",
            ExtendedKeyUsage::Any => "anyExtendedKeyUsage",
            ExtendedKeyUsage::Other(identifier) => identifier,
        })
    }
}
