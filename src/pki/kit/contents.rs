//! What a kit says, and whose it is.

use crate::message;
use crate::model::{Contact, Endpoint, Failure, FingerprintPrefix, IdentityName, Message, Timestamp};
use crate::pki::key::EncryptedKey;
use crate::pki::x509::{Certificate, TrustBundle};

/// A kit whose every signature is right. Whose they are, and whether it may still be joined, is
/// for whoever reads it to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kit {
    pub(super) contents: KitContents,
    pub(super) key: Option<EncryptedKey>,
    pub(super) signatures: Vec<KitSignature>,
    pub(super) seal: Option<Seal>,
}

/// What a kit says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KitContents {
    /// The client.
    pub name: IdentityName,
    /// Its daemon.
    pub endpoint: Endpoint,
    /// Whom to ask.
    pub contact: Contact,
    /// When it was made.
    pub created: Timestamp,
    /// Until when it may be joined.
    pub join_before: Timestamp,
    /// The client's certificate, and what its chain needs.
    pub chain: Vec<Certificate>,
    /// The CAs that the client is to trust.
    pub trust: Vec<Certificate>,
}

/// The signature of a CA of the kit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KitSignature {
    pub key_identifier: Vec<u8>,
    pub signature: Vec<u8>,
}

/// What ties a kit with a key to its passphrase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seal {
    pub salt: Vec<u8>,
    pub code: Vec<u8>,
}

impl Kit {
    /// What it says.
    #[must_use]
    pub fn contents(&self) -> &KitContents {
        &self.contents
    }

    /// Whether it brings a key, for which a passphrase is needed.
    #[must_use]
    pub fn has_key(&self) -> bool {
        self.key.is_some()
    }

    /// The CAs that signed it.
    pub fn signers(&self) -> impl Iterator<Item = &Certificate> {
        let signer = |signature: &KitSignature| self.contents.authority(&signature.key_identifier);
        self.signatures.iter().filter_map(signer)
    }

    /// Makes sure that it is of the CA whose fingerprint somebody was told.
    ///
    /// # Errors
    /// None of its signers has that fingerprint.
    pub fn is_of(&self, told: &FingerprintPrefix) -> Result<(), Failure> {
        if self.signers().any(|signer| told.matches(&signer.fingerprint())) {
            return Ok(());
        }
        // Two sets of words go to and fro where somebody has made a request.
        if told.matches(&self.contents.leaf().public_key().fingerprint()) {
            return Err(self
                .failure("joining")
                .expected("the fingerprint of the CA, which the sender reads out")
                .found("that of your own request")
                .hint(message!("ask {} for the fingerprint of the CA", self.contents.contact.person())));
        }
        let found = Message::join(self.signers().map(|signer| signer.fingerprint()), ", ");
        Err(self
            .failure("joining")
            .expected(message!("a kit signed by the CA with the fingerprint that you gave ({}…)", told))
            .found(message!("one of {}", found))
            .hint(message!(
                "ask {} to read the fingerprint out again; if it is the same, somebody replaced this kit on its way",
                self.contents.contact.person()
            )))
    }

    /// Whether it is signed by one of the CAs that are trusted here already.
    #[must_use]
    pub fn is_of_trusted(&self, trusted: &TrustBundle) -> bool {
        self.signers().any(|signer| trusted.trusts(signer))
    }

    pub(super) fn failure(&self, doing: &'static str) -> Failure {
        Failure::new(doing, message!("the kit of {}", self.contents.name))
    }
}

impl KitContents {
    /// The client's own certificate.
    #[must_use]
    pub fn leaf(&self) -> &Certificate {
        &self.chain[0]
    }

    pub(super) fn authority(&self, key_identifier: &[u8]) -> Option<&Certificate> {
        self.trust.iter().find(|one| one.key_identifier() == key_identifier)
    }
}

/// No kit is larger, in bytes: a bundle of 16 certificates fits twice.
pub(crate) const LARGEST_KIT: usize = 64 * 1024;
