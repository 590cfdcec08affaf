//! What a change takes in that was made elsewhere. It holds secrets, so that it is no part of a plan.

use crate::model::{Failure, IdentityName};
use crate::pki::{Certificate, CertificateAuthority, PrivateKey};
use crate::store::CredentialBytes;

/// What a change takes in that was made elsewhere.
#[derive(Default)]
pub(crate) struct Supplies {
    /// The key of a CA.
    pub authority_key: Option<PrivateKey>,
    /// The files of a daemon, to the byte.
    pub daemon: Option<CredentialBytes>,
}

impl Supplies {
    /// The CA of that certificate, with its key.
    ///
    /// # Errors
    /// No key, or another's.
    pub(super) fn authority(&self, certificate: &Certificate) -> Result<CertificateAuthority, Failure> {
        CertificateAuthority::load(certificate.clone(), self.authority_key()?, certificate.subject())
    }

    pub(super) fn authority_key(&self) -> Result<&PrivateKey, Failure> {
        let missing = || Failure::new("taking in", "a CA").expected("its key").found("none");
        self.authority_key.as_ref().ok_or_else(missing)
    }

    pub(super) fn files_of(&self, name: &IdentityName) -> Result<&CredentialBytes, Failure> {
        let missing = || Failure::new("taking over daemon", name).expected("its files").found("none");
        self.daemon.as_ref().ok_or_else(missing)
    }
}
