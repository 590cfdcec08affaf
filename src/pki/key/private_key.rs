//! The secret half of a key.

use std::sync::Arc;

use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
};
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer};
use zeroize::Zeroizing;

use super::key_structure::KeyEncoding;
use super::public_key::PublicKey;
use crate::message;
use crate::model::{Failure, KeyAlgorithm};
use crate::pki::pem::encode_secret;

/// A private key. Its bytes are overwritten when it is dropped; it has no Debug, Display or
/// Clone, and what it holds is seen only through [`PrivateKey::expose_pem`] and
/// [`PrivateKey::expose_der`].
///
/// ring and rustls keep numbers of their own of a key that signs, and do not overwrite them.
pub struct PrivateKey {
    der: Zeroizing<Vec<u8>>,
    encoding: KeyEncoding,
    public_key: PublicKey,
}

impl PrivateKey {
    /// Makes a key from the machine's random numbers.
    ///
    /// # Errors
    /// The machine gives no random numbers.
    pub fn generate(algorithm: KeyAlgorithm) -> Result<PrivateKey, Failure> {
        let random = SystemRandom::new();
        let document = match algorithm {
            KeyAlgorithm::EcdsaP256 => EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random),
            KeyAlgorithm::EcdsaP384 => EcdsaKeyPair::generate_pkcs8(&ECDSA_P384_SHA384_ASN1_SIGNING, &random),
            KeyAlgorithm::Ed25519 => Ed25519KeyPair::generate_pkcs8(&random),
        };
        let no_random =
            |_| Failure::new("making", message!("an {} key", algorithm)).found("no random numbers");
        let document = document.map_err(no_random)?;
        let bytes = document.as_ref();
        // The public key ends every document that ring makes; reading the key again to learn it
        // would cost as much as making it.
        let public_key = PublicKey::generated(algorithm, &bytes[bytes.len() - public_length(algorithm)..]);
        let der = match algorithm {
            KeyAlgorithm::Ed25519 => ed25519_version_1(bytes),
            KeyAlgorithm::EcdsaP256 | KeyAlgorithm::EcdsaP384 => Zeroizing::new(bytes.to_vec()),
        };
        Ok(PrivateKey { der, encoding: KeyEncoding::Pkcs8, public_key })
    }

    pub(super) fn from_der(der: Zeroizing<Vec<u8>>, encoding: KeyEncoding) -> Option<PrivateKey> {
        let signing_key = any_supported_type(&wrap(&der, encoding)).ok()?;
        let public_key = PublicKey::from_spki_der(signing_key.public_key()?.as_ref()).ok()?;
        Some(PrivateKey { der, encoding, public_key })
    }

    /// Its public half.
    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// How its bytes are wrapped.
    #[must_use]
    pub fn encoding(&self) -> KeyEncoding {
        self.encoding
    }

    /// The door to a file: the key in PEM, one block, LF.
    #[must_use]
    pub fn expose_pem(&self) -> Zeroizing<String> {
        let label = match self.encoding {
            KeyEncoding::Pkcs8 => "PRIVATE KEY",
            KeyEncoding::Sec1 => "EC PRIVATE KEY",
            KeyEncoding::Pkcs1 => "RSA PRIVATE KEY",
        };
        encode_secret(label, &self.der)
    }

    /// The door to a handshake: the key as rustls takes it.
    #[must_use]
    pub fn expose_der(&self) -> PrivateKeyDer<'_> {
        wrap(&self.der, self.encoding)
    }

    /// The door to an encryption: the key as PKCS#8.
    ///
    /// # Errors
    /// A key in another wrapping, which was made elsewhere.
    pub(super) fn expose_pkcs8(&self) -> Result<&[u8], Failure> {
        match self.encoding {
            KeyEncoding::Pkcs8 => Ok(&self.der),
            KeyEncoding::Sec1 | KeyEncoding::Pkcs1 => Err(Failure::new("encrypting", "the key")
                .expected("PKCS#8, as kitcert makes it")
                .found("another form, made elsewhere")),
        }
    }

    /// The key of an unencrypted PKCS#8; None for anything else.
    pub(super) fn from_pkcs8(der: Zeroizing<Vec<u8>>) -> Option<PrivateKey> {
        PrivateKey::from_der(der, KeyEncoding::Pkcs8)
    }

    pub(super) fn signing_key(&self) -> Result<Arc<dyn rustls::sign::SigningKey>, Failure> {
        any_supported_type(&self.expose_der())
            .map_err(|_| Failure::new("loading", "a private key").found("one that cannot sign"))
    }
}

fn wrap(der: &[u8], encoding: KeyEncoding) -> PrivateKeyDer<'_> {
    match encoding {
        KeyEncoding::Pkcs8 => PrivatePkcs8KeyDer::from(der).into(),
        KeyEncoding::Sec1 => PrivateSec1KeyDer::from(der).into(),
        KeyEncoding::Pkcs1 => PrivatePkcs1KeyDer::from(der).into(),
    }
}

/// ring writes Ed25519 keys as version 2 of PKCS#8, with the public key behind them, which
/// openssl 3.0 cannot read; this is version 1 (RFC 8410 section 7) of the same key.
fn ed25519_version_1(version_2: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut der = Zeroizing::new(Vec::with_capacity(48));
    der.extend_from_slice(&[
        0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
    ]);
    der.extend_from_slice(&version_2[16..48]);
    der
}

fn public_length(algorithm: KeyAlgorithm) -> usize {
    match algorithm {
        KeyAlgorithm::EcdsaP256 => 65,
        KeyAlgorithm::EcdsaP384 => 97,
        KeyAlgorithm::Ed25519 => 32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::profile::LARGEST_PEM;

    #[test]
    fn a_generated_key_is_read_again_with_the_same_public_half() {
        for algorithm in KeyAlgorithm::ALL {
            let key = PrivateKey::generate(algorithm).unwrap();
            let pem = key.expose_pem();
            let again = PrivateKey::from_pem(pem.as_bytes(), "key.pem").ok().unwrap();
            assert!(again.public_key() == key.public_key(), "{algorithm}");
            assert_eq!(again.public_key().kind(), &crate::pki::PublicKeyKind::Generated(algorithm));
        }
    }

    #[test]
    fn a_file_of_a_key_has_64_kib_at_the_most() {
        let key = PrivateKey::generate(KeyAlgorithm::Ed25519).unwrap();
        let mut file = key.expose_pem().as_bytes().to_vec();
        file.resize(LARGEST_PEM, b'\n');
        assert!(PrivateKey::from_pem(&file, "key.pem").is_ok());
        file.push(b'\n');
        assert_eq!(PrivateKey::from_pem(&file, "key.pem").err().unwrap().what_was_found(), "65537 bytes");
    }

    #[test]
    fn what_is_no_key_is_named() {
        let found =
            |bytes: &[u8]| PrivateKey::from_pem(bytes, "key.pem").err().unwrap().what_was_found().to_owned();
        assert_eq!(found(b""), "an empty file");
        assert_eq!(found(b"\x00\xff\x30"), "no PEM block");
        assert_eq!(found(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), "a certificate");
        assert!(found(b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n").contains("damaged"));
    }
}
