//! What was written is read back and judged as both peers would, before anybody depends on it.

use std::path::Path;

use crate::model::profile::LARGEST_PEM;
use crate::model::{Failure, IdentityName, Role, SubjectAltName, Timestamp};
use crate::pki::chain::{self, Purpose};
use crate::pki::{Certificate, PrivateKey, PublicKey, TrustBundle};
use crate::plan::Issuance;
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
    pub fn check(&self, now: Timestamp) -> Result<(), Failure> {
        let wrong = |expected: &str, found: String| {
            Err(Failure::new(format!("checking the files of {}", self.role), self.name)
                .expected(expected)
                .found(found))
        };
        let purpose = match self.role {
            Role::Daemon => Purpose::Server,
            Role::Client => Purpose::Client,
        };
        if let Err(fault) = chain::verify(self.chain, self.trust, purpose, now) {
            return wrong("a certificate that its peer accepts", fault.to_string());
        }
        let Some(leaf) = self.chain.first() else {
            return wrong("a certificate", "none".to_owned());
        };
        if leaf.public_key() != self.key {
            return wrong("the key of the certificate", "another key".to_owned());
        }
        match self.hosts.iter().find(|host| !names(leaf, host)) {
            Some(host) => wrong("a certificate for each host", format!("none for {host}")),
            None => Ok(()),
        }
    }
}

/// Reads a staged generation back and checks it.
pub(super) fn staged_set(
    staged: &StagedChange<'_>,
    set: &Path,
    issuance: &Issuance,
    key: &PublicKey,
    now: Timestamp,
) -> Result<(), Failure> {
    let subject = |file: &str| set.join(file).display().to_string();
    let chain = Certificate::chain_from_pem(
        &staged.read_back(&set.join("cert.pem"), LARGEST_PEM)?.bytes,
        &subject("cert.pem"),
    )?;
    let trust = TrustBundle::from_pem(
        &staged.read_back(&set.join("ca.pem"), LARGEST_PEM)?.bytes,
        &subject("ca.pem"),
    )?;
    if let crate::plan::KeySource::New(_) | crate::plan::KeySource::Kept { .. } = issuance.key {
        let written = PrivateKey::from_pem(
            &staged.read_back(&set.join("key.pem"), LARGEST_PEM)?.bytes,
            &subject("key.pem"),
        )?;
        if written.public_key() != key {
            return Err(Failure::new("reading back", subject("key.pem"))
                .expected("the key that was written")
                .found("another"));
        }
    }
    Set {
        role: issuance.role,
        name: &issuance.name,
        trust: &trust,
        chain: &chain,
        key,
        hosts: &issuance.hosts,
    }
    .check(now)
}

/// Reads a staged CA back and checks that its key is its own.
pub(super) fn staged_authority(staged: &StagedChange<'_>, folder: &Path) -> Result<(), Failure> {
    let subject = |file: &str| folder.join(file).display().to_string();
    let chain = Certificate::chain_from_pem(
        &staged.read_back(&folder.join("ca.pem"), LARGEST_PEM)?.bytes,
        &subject("ca.pem"),
    )?;
    let key = PrivateKey::from_pem(
        &staged.read_back(&folder.join("key.pem"), LARGEST_PEM)?.bytes,
        &subject("key.pem"),
    )?;
    match chain.as_slice() {
        [certificate]
            if certificate.public_key() == key.public_key() && certificate.is_signed_by(key.public_key()) =>
        {
            Ok(())
        }
        _ => Err(Failure::new("reading back", subject("ca.pem"))
            .expected("the CA that was written")
            .found("another")),
    }
}

/// Whether a certificate has a host among its names; a wildcard stands for itself.
fn names(leaf: &Certificate, host: &SubjectAltName) -> bool {
    leaf.covers(host) || leaf.usable_names().contains(host)
}
