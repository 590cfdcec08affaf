//! A kit: everything that a client needs to use a daemon, in one text file.
//!
//! ```text
//! sha256: 0b6e…                                    of every octet behind this line: against accidents
//! kitcert-kit: 1                                   the version of the form
//! name: ana
//! endpoint: tcp://builder.example.com:8372
//! contact: jo@example.com                          whom to ask
//! created: 2026-11-24T17:00:00Z
//! join-before: 2026-12-08T17:00:00Z
//! serial: 4f…                                      of the first certificate
//! certificate:
//! -----BEGIN CERTIFICATE----- …                    the client's, then what its chain needs
//! trust:
//! -----BEGIN CERTIFICATE----- …                    what becomes ca.pem
//! key:                                             only in a kit with a key
//! -----BEGIN ENCRYPTED PRIVATE KEY----- …
//! signature: 3f9c… 3045…                           by that CA of `trust`, over the lines from the
//!                                                  second to the one before the first signature
//! seal: 9d… 51…                                    only with a key: salt, and HMAC-SHA256 over the
//!                                                  lines from the second to the last signature,
//!                                                  under scrypt of passphrase and salt
//! ```
//!
//! There is one form for one kit: whatever is not to the byte what [`Kit::to_text`] would print is
//! refused. The checksum tells a kit that was cut off or mangled from one that somebody changed;
//! only signature and seal speak of who made it. During a CA rollover a kit is signed by each CA
//! whose key is at hand, so that clients of either recognise it.

mod text;

#[cfg(test)]
mod tests;

use ring::hmac;

use super::authority::CertificateAuthority;
use super::key::{EncryptedKey, Passphrase, PrivateKey, random};
use super::x509::{Certificate, TrustBundle};
use crate::message;
use crate::model::{Contact, Endpoint, Failure, FingerprintPrefix, Hex, IdentityName, Message, Timestamp};

/// A kit whose every signature is right. Whose they are, and whether it may still be joined, is
/// for whoever reads it to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kit {
    contents: KitContents,
    key: Option<EncryptedKey>,
    signatures: Vec<KitSignature>,
    seal: Option<Seal>,
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
struct KitSignature {
    key_identifier: Vec<u8>,
    signature: Vec<u8>,
}

/// What ties a kit with a key to its passphrase.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seal {
    salt: Vec<u8>,
    code: Vec<u8>,
}

impl Kit {
    /// Makes a kit that holds no secret, for a client that made its own key.
    ///
    /// # Errors
    /// A CA that is not among those that the client is to trust.
    pub fn sign(contents: KitContents, authorities: &[CertificateAuthority]) -> Result<Kit, Failure> {
        Kit { contents, key: None, signatures: Vec::new(), seal: None }.signed(authorities)
    }

    /// Makes a kit with the client's key in it, encrypted under a passphrase and sealed as a whole
    /// by it.
    ///
    /// # Errors
    /// As [`Kit::sign`], and a machine without random numbers.
    pub fn seal(
        contents: KitContents,
        authorities: &[CertificateAuthority],
        key: &PrivateKey,
        passphrase: &Passphrase,
    ) -> Result<Kit, Failure> {
        let key = Some(EncryptedKey::lock(key, passphrase)?);
        let mut kit = Kit { contents, key, signatures: Vec::new(), seal: None }.signed(authorities)?;
        let salt: [u8; 16] = random()?;
        let code = hmac::sign(&passphrase.authentication_key(&salt)?, kit.sealed_text().as_bytes());
        kit.seal = Some(Seal { salt: salt.to_vec(), code: code.as_ref().to_vec() });
        Ok(kit)
    }

    fn signed(mut self, authorities: &[CertificateAuthority]) -> Result<Kit, Failure> {
        let text = self.body();
        for authority in authorities {
            let certificate = authority.certificate();
            let key_identifier = certificate.subject_key_identifier().unwrap_or_default().to_vec();
            if !self.contents.trust.contains(certificate) {
                return Err(self
                    .failure("signing")
                    .expected(message!("CA {} among those that it trusts", Hex(&key_identifier)))
                    .found("others"));
            }
            let signature = authority.sign(text.as_bytes())?;
            self.signatures.push(KitSignature { key_identifier, signature });
        }
        Ok(self)
    }

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
        let found = Message::join(self.signers().map(|signer| signer.fingerprint()), ", ");
        Err(self
            .failure("joining")
            .expected(message!("a kit signed by the CA with the fingerprint that you gave ({}…)", told))
            .found(message!("one of {}", found))
            .hint(message!(
                "ask {} for the fingerprint, and by which way this kit came",
                self.contents.contact
            )))
    }

    /// Whether it is signed by one of the CAs that are trusted here already.
    #[must_use]
    pub fn is_of_trusted(&self, trusted: &TrustBundle) -> bool {
        self.signers().any(|signer| trusted.certificates().contains(signer))
    }

    /// Opens a kit with a key: makes sure that whoever made it knew the passphrase, and decrypts
    /// the key. Guessing at a passphrase costs 16 MiB and some 30 ms twice.
    ///
    /// # Errors
    /// Another passphrase; a kit without a key.
    pub fn open(&self, passphrase: &Passphrase) -> Result<PrivateKey, Failure> {
        let (Some(key), Some(seal)) = (&self.key, &self.seal) else {
            return Err(self.failure("opening").expected("a kit with a key").found("one without"));
        };
        let authentication = passphrase.authentication_key(&seal.salt)?;
        // Signatures and checksum were right, so that it is the passphrase that is not.
        hmac::verify(&authentication, self.sealed_text().as_bytes(), &seal.code).map_err(|_| {
            self.failure("opening")
                .expected("the passphrase that was shown when it was made")
                .found("another")
                .hint(message!(
                    "the same command, with the words as {} told them; or ask {} for a new kit",
                    self.contents.contact,
                    self.contents.contact
                ))
        })?;
        key.unlock(passphrase)
    }

    fn failure(&self, doing: &'static str) -> Failure {
        Failure::new(doing, message!("the kit of {}", self.contents.name))
    }
}

impl KitContents {
    /// The client's own certificate.
    #[must_use]
    pub fn leaf(&self) -> &Certificate {
        &self.chain[0]
    }

    fn authority(&self, key_identifier: &[u8]) -> Option<&Certificate> {
        self.trust.iter().find(|one| one.subject_key_identifier() == Some(key_identifier))
    }
}

/// No kit is larger, in octets: a bundle of 16 certificates fits twice.
pub const LARGEST_KIT: usize = 64 * 1024;
