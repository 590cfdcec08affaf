//! A key that signs.

use rustls::SignatureScheme;

use super::private_key::PrivateKey;
use super::public_key::{PublicKey, PublicKeyKind};
use crate::model::{Failure, KeyAlgorithm};

/// A key that signs, as rcgen asks for one.
pub(in crate::pki) struct Signer {
    public_key: PublicKey,
    signer: Box<dyn rustls::sign::Signer>,
    algorithm: &'static rcgen::SignatureAlgorithm,
}

impl Signer {
    /// A signer with that key, by the one scheme of its kind.
    pub(crate) fn new(key: &PrivateKey) -> Result<Signer, Failure> {
        let (scheme, algorithm) = match key.public_key().kind() {
            PublicKeyKind::Generated(KeyAlgorithm::EcdsaP256) => {
                (SignatureScheme::ECDSA_NISTP256_SHA256, &rcgen::PKCS_ECDSA_P256_SHA256)
            }
            PublicKeyKind::Generated(KeyAlgorithm::EcdsaP384) => {
                (SignatureScheme::ECDSA_NISTP384_SHA384, &rcgen::PKCS_ECDSA_P384_SHA384)
            }
            PublicKeyKind::Generated(KeyAlgorithm::Ed25519) => {
                (SignatureScheme::ED25519, &rcgen::PKCS_ED25519)
            }
            // rustls signs PKCS#1 v1.5 only for TLS 1.2, by the same scheme.
            PublicKeyKind::Rsa(2048..) => (SignatureScheme::RSA_PKCS1_SHA256, &rcgen::PKCS_RSA_SHA256),
            kind => {
                return Err(Failure::new("loading the signing key", "")
                    .expected("ECDSA on P-256 or P-384, Ed25519, or RSA of at least 2048 bits")
                    .found(kind));
            }
        };
        let signer = key.signing_key()?.choose_scheme(&[scheme]);
        let signer = signer
            .ok_or_else(|| Failure::new("loading the signing key", "").found("a key that cannot sign"))?;
        Ok(Signer { public_key: key.public_key().clone(), signer, algorithm })
    }
}

impl Signer {
    /// Signs a message.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Failure> {
        let signature = self.signer.sign(message);
        signature.map_err(|_| Failure::new("signing with", "the key").found("a key that cannot sign"))
    }
}

/// A key that rcgen takes for one that signs. What it encodes with it is a draft: its signature is
/// empty.
pub(in crate::pki) struct Unsigned {
    public_key: PublicKey,
    algorithm: &'static rcgen::SignatureAlgorithm,
}

impl Signer {
    /// For a draft of what this key is to sign.
    pub(in crate::pki) fn unsigned(&self) -> Unsigned {
        Unsigned { public_key: self.public_key.clone(), algorithm: self.algorithm }
    }
}

impl rcgen::PublicKeyData for Unsigned {
    fn der_bytes(&self) -> &[u8] {
        self.public_key.der_bytes()
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        self.algorithm
    }
}

impl rcgen::SigningKey for Unsigned {
    fn sign(&self, _: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(Vec::new())
    }
}

impl rcgen::PublicKeyData for Signer {
    fn der_bytes(&self) -> &[u8] {
        self.public_key.der_bytes()
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        self.algorithm
    }
}

impl rcgen::SigningKey for Signer {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Signer::sign(self, message).map_err(|_| rcgen::Error::RemoteKeyError)
    }
}
