//! Making a kit, and opening one with a passphrase.

use ring::hmac;

use super::contents::{Kit, KitContents, KitSignature, Seal};
use crate::message;
use crate::model::{Failure, Hex};
use crate::pki::authority::CertificateAuthority;
use crate::pki::key::{EncryptedKey, Passphrase, PrivateKey, random};

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
            let key_identifier = certificate.key_identifier();
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
                .found(passphrase.mistake().unwrap_or(message!("another")))
                .hint(message!(
                    "type the words as {} told them, or ask {} for a new kit",
                    self.contents.contact.person(),
                    self.contents.contact.person()
                ))
        })?;
        key.unlock(passphrase)
    }
}
