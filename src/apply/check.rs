//! What was written is read back and judged as both peers would, before anybody depends on it.

use std::path::Path;

use crate::message;
use crate::model::profile::LARGEST_PEM;
use crate::model::{Failure, IdentityName, Message, Printable, Role, SubjectAltName, Timestamp};
use crate::pki::chain::{self, Purpose};
use crate::pki::{Certificate, PublicKey, TrustBundle};
use crate::store::StagedChange;

/// A whole set of files as it is about to be used: ca.pem, cert.pem and, where it is at hand,
/// key.pem.
pub(super) struct Set<'a> {
    /// Whose it is.
    pub role: Role,
    /// Whose it is.
    pub name: &'a IdentityName,
    /// ca.pem.
    pub trust: &'a TrustBundle,
    /// cert.pem.
    pub chain: &'a [Certificate],
    /// The public half of the key that it is for.
    pub key: &'a PublicKey,
    /// The hosts that a daemon's certificate must be good for.
    pub hosts: &'a [SubjectAltName],
}

impl Set<'_> {
    /// Whether both peers would take it at `now`: the chain by Go's rules, the names, the key.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn check(&self, now: Timestamp) -> Result<(), Failure> {
        let wrong = |expected: &'static str, found: Message| {
            Err(Failure::new(message!("checking the files of {}", self.role), self.name)
                .expected(expected)
                .found(found))
        };
        let purpose = match self.role {
            Role::Daemon => Purpose::Server,
            Role::Client => Purpose::Client,
        };
        if let Err(fault) = chain::verify(self.chain, self.trust, purpose, now) {
            return wrong("a certificate that its peer accepts", fault.message());
        }
        let Some(leaf) = self.chain.first() else {
            return wrong("a certificate", message!("none"));
        };
        if leaf.public_key() != self.key {
            return wrong("the key of the certificate", message!("another key"));
        }
        match self.hosts.iter().find(|host| !names(leaf, host)) {
            Some(host) => wrong("a certificate for each host", message!("none for {}", host)),
            None => Ok(()),
        }
    }
}

/// Whether the disk gives back, byte for byte, what was staged. What was judged before it was
/// written need not be parsed again then.
///
/// # Errors
/// It gives something else, or nothing.
pub(super) fn is_as_written(staged: &StagedChange<'_>, path: &Path, written: &[u8]) -> Result<(), Failure> {
    if staged.read_back(path, LARGEST_PEM)?.bytes.as_slice() == written {
        return Ok(());
    }
    Err(Failure::new("reading back", path.display()).expected("what was written").found("other bytes"))
}

/// Whether a certificate has a host among its names; a wildcard stands for itself.
fn names(leaf: &Certificate, host: &SubjectAltName) -> bool {
    leaf.covers(host) || leaf.usable_names().contains(host)
}
