//! The public half of a key.

use std::fmt;

use ring::agreement::{self, Algorithm, ECDH_P256, ECDH_P384, EphemeralPrivateKey, agree_ephemeral};
use ring::digest::{Context, SHA256, digest};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey,
    VerificationAlgorithm,
};
use x509_parser::der_parser::der::Tag;
use x509_parser::oid_registry::{
    OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384, OID_NIST_EC_P521, OID_SIG_ED25519,
};
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey as ParsedKey;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::model::{DnsName, Failure, Fingerprint, KeyAlgorithm};

/// A public key as the DER of its SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7).
#[derive(Clone, Debug, Eq)]
pub struct PublicKey {
    spki: Vec<u8>,
    bits: Vec<u8>,
    kind: PublicKeyKind,
}

impl PartialEq for PublicKey {
    /// A point is the same in either form of SEC 1 section 2.3.3: whole, or without the number that follows from the
    /// other.
    fn eq(&self, other: &PublicKey) -> bool {
        // Of two that are whole, each number counts.
        let is_short = |key: &PublicKey| matches!(key.bits.first(), Some(2 | 3));
        let is_same_point = || {
            self.kind == other.kind
                && (is_short(self) != is_short(other))
                && self.compressed().is_some_and(|point| other.compressed() == Some(point))
        };
        self.spki == other.spki || is_same_point()
    }
}

/// What kind of key it is, as far as a peer's verifier cares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublicKeyKind {
    /// One of the kinds that we generate.
    Generated(KeyAlgorithm),
    /// RSA with a modulus of that many bits.
    Rsa(usize),
    /// ECDSA on P-521: Go takes it, ring cannot verify it.
    EcdsaP521,
    /// ECDSA on another curve, by its object identifier; empty where it has none. Go cannot read
    /// a certificate with such a key.
    OtherCurve(String),
    /// ML-DSA (FIPS 204), by its parameters: Go has taken it since 1.27, ring and openssl 3.0 do not.
    MlDsa(&'static str),
    /// Anything else, by the object identifier of its algorithm; empty for one that is too long to be told.
    Other(String),
}

impl PublicKeyKind {
    /// Whether Go reads such a private key, so that a daemon or a client may have it: what else there is
    /// is for nobody's TLS.
    #[must_use]
    pub fn is_read_by_go(&self) -> bool {
        match self {
            PublicKeyKind::OtherCurve(curve) => curve == P224,
            PublicKeyKind::Other(_) => false,
            _ => true,
        }
    }
}

impl PublicKey {
    /// Reads a SubjectPublicKeyInfo.
    ///
    /// # Errors
    /// Bytes that are none, or that are followed by others.
    pub fn from_spki_der(der: &[u8]) -> Result<PublicKey, Failure> {
        let broken = || {
            Failure::new("reading", "a public key")
                .expected("a SubjectPublicKeyInfo in DER")
                .found("something else")
        };
        let (rest, spki) = SubjectPublicKeyInfo::from_der(der).map_err(|_| broken())?;
        if rest.is_empty() { Ok(PublicKey::of(&spki)) } else { Err(broken()) }
    }

    pub(in crate::pki) fn of(spki: &SubjectPublicKeyInfo<'_>) -> PublicKey {
        PublicKey {
            spki: spki.raw.to_vec(),
            bits: spki.subject_public_key.data.to_vec(),
            kind: kind_of(spki),
        }
    }

    /// The key of that algorithm with those bits, which ring has just made.
    pub(super) fn generated(algorithm: KeyAlgorithm, bits: &[u8]) -> PublicKey {
        let mut spki = spki_prefix(algorithm).to_vec();
        spki.extend_from_slice(bits);
        PublicKey { spki, bits: bits.to_vec(), kind: PublicKeyKind::Generated(algorithm) }
    }

    /// The DER of its SubjectPublicKeyInfo.
    #[must_use]
    pub fn spki_der(&self) -> &[u8] {
        &self.spki
    }

    /// What kind of key it is.
    #[must_use]
    pub fn kind(&self) -> &PublicKeyKind {
        &self.kind
    }

    /// The parity of a point's second number, as SEC 1 writes it, and the first; None for what is no point.
    fn compressed(&self) -> Option<(u8, &[u8])> {
        let is_curve = match &self.kind {
            PublicKeyKind::Generated(algorithm) => *algorithm != KeyAlgorithm::Ed25519,
            PublicKeyKind::EcdsaP521 | PublicKeyKind::OtherCurve(_) => true,
            PublicKeyKind::Rsa(_) | PublicKeyKind::MlDsa(_) | PublicKeyKind::Other(_) => false,
        };
        match self.bits.split_first().filter(|_| is_curve)? {
            (form @ (2 | 3), first) => Some((*form, first)),
            (4, both) if both.len() % 2 == 0 => {
                let (first, second) = both.split_at(both.len() / 2);
                Some((2 + (second.last()? & 1), first))
            }
            _ => None,
        }
    }

    /// SHA-256 of the SubjectPublicKeyInfo, as `openssl pkey -pubin -outform DER | sha256sum`
    /// prints it.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::new(sha256(&self.spki))
    }

    /// The dNSName of this key in a client's certificate, by which a daemon can be made to refuse it.
    #[must_use]
    pub fn key_dns_name(&self) -> DnsName {
        self.fingerprint().key_dns_name()
    }

    /// Why Go cannot read a certificate with this key, where it cannot. Whether the key is a point
    /// of its curve is not looked at: no signature of one that is not is ever right, and telling
    /// costs as much as checking one.
    #[must_use]
    pub fn unreadable_to_go(&self) -> Option<&'static str> {
        match &self.kind {
            PublicKeyKind::Generated(KeyAlgorithm::Ed25519) if self.bits.len() != 32 => {
                Some("a key of a wrong length")
            }
            PublicKeyKind::OtherCurve(curve) if curve != P224 => {
                Some("a key on a curve that Go does not know")
            }
            _ => None,
        }
    }

    /// Whether the key is what its kind says: a point of its curve, which Go looks at when it reads a
    /// certificate. An agreement with it fails where it is not; that costs as much as checking a
    /// signature. Of other kinds than ECDSA on P-256 and P-384 nothing is said.
    #[must_use]
    pub fn is_a_point(&self) -> bool {
        let curve: &'static Algorithm = match &self.kind {
            PublicKeyKind::Generated(KeyAlgorithm::EcdsaP256) => &ECDH_P256,
            PublicKeyKind::Generated(KeyAlgorithm::EcdsaP384) => &ECDH_P384,
            _ => return true,
        };
        let Ok(own) = EphemeralPrivateKey::generate(curve, &SystemRandom::new()) else { return true };
        agree_ephemeral(own, &agreement::UnparsedPublicKey::new(curve, &self.bits), |_| ()).is_ok()
    }

    /// Whether this key signed that message, by the one scheme of its kind that we sign with.
    #[must_use]
    pub(in crate::pki) fn signed(&self, message: &[u8], signature: &[u8]) -> bool {
        let scheme: &dyn VerificationAlgorithm = match &self.kind {
            PublicKeyKind::Generated(KeyAlgorithm::EcdsaP256) => &ECDSA_P256_SHA256_ASN1,
            PublicKeyKind::Generated(KeyAlgorithm::EcdsaP384) => &ECDSA_P384_SHA384_ASN1,
            PublicKeyKind::Generated(KeyAlgorithm::Ed25519) => &ED25519,
            PublicKeyKind::Rsa(_) => &RSA_PKCS1_2048_8192_SHA256,
            _ => return false,
        };
        UnparsedPublicKey::new(scheme, &self.bits).verify(message, signature).is_ok()
    }

    /// The key identifier that we give this key: the left-most 160 bits of the SHA-256 of the
    /// BIT STRING's value (RFC 7093 section 2 method 1).
    #[must_use]
    pub fn key_identifier(&self) -> Vec<u8> {
        sha256(&self.bits)[..20].to_vec()
    }
}

impl PublicKeyKind {
    /// Whether this program can check what such a key has signed: ring knows no P-521 and no RSA
    /// below 2048 bits.
    #[must_use]
    pub fn is_verifiable(&self) -> bool {
        matches!(self, PublicKeyKind::Generated(_) | PublicKeyKind::Rsa(2048..=8192))
    }
}

/// The rcgen face of a public key. The algorithm here names the key's own kind; it does not say
/// what a request with this key was signed with.
impl rcgen::PublicKeyData for PublicKey {
    fn der_bytes(&self) -> &[u8] {
        &self.bits
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        match &self.kind {
            PublicKeyKind::Generated(KeyAlgorithm::EcdsaP384) => &rcgen::PKCS_ECDSA_P384_SHA384,
            PublicKeyKind::Generated(KeyAlgorithm::Ed25519) => &rcgen::PKCS_ED25519,
            PublicKeyKind::Rsa(_) => &rcgen::PKCS_RSA_SHA256,
            _ => &rcgen::PKCS_ECDSA_P256_SHA256,
        }
    }
}

/// As `ecdsa-p256`, `rsa-2048`.
impl fmt::Display for PublicKeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PublicKeyKind::Generated(algorithm) => algorithm.fmt(f),
            PublicKeyKind::Rsa(bits) => f.pad(&format!("rsa-{bits}")),
            PublicKeyKind::EcdsaP521 => f.pad("ecdsa-p521"),
            PublicKeyKind::OtherCurve(curve) if curve.is_empty() => f.pad("ecdsa on a curve without a name"),
            PublicKeyKind::OtherCurve(curve) => f.pad(&format!("ecdsa on {curve}")),
            PublicKeyKind::MlDsa(name) => f.pad(name),
            PublicKeyKind::Other(identifier) if identifier.is_empty() => f.pad("an unknown algorithm"),
            PublicKeyKind::Other(identifier) => f.pad(identifier),
        }
    }
}

/// The SHA-256 of several public things, one behind the other.
#[must_use]
pub(crate) fn checksum(parts: &[&[u8]]) -> Fingerprint {
    let mut context = Context::new(&SHA256);
    parts.iter().for_each(|part| context.update(part));
    let mut octets = [0; 32];
    octets.copy_from_slice(context.finish().as_ref());
    Fingerprint::new(octets)
}

pub(in crate::pki) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut octets = [0; 32];
    octets.copy_from_slice(digest(&SHA256, bytes).as_ref());
    octets
}

fn kind_of(spki: &SubjectPublicKeyInfo<'_>) -> PublicKeyKind {
    let identifier = &spki.algorithm.algorithm;
    // Whatever else stands there is not told: of a key's file it may be the key.
    let curve = || {
        let named =
            spki.algorithm.parameters.as_ref().filter(|parameters| {
                parameters.tag() == Tag::Oid && parameters.data.len() <= LONGEST_IDENTIFIER
            });
        named.and_then(|parameters| parameters.as_oid().ok())
    };
    if *identifier == OID_SIG_ED25519 {
        return PublicKeyKind::Generated(KeyAlgorithm::Ed25519);
    }
    if *identifier == OID_KEY_TYPE_EC_PUBLIC_KEY {
        return match curve() {
            Some(curve) if curve == OID_EC_P256 => PublicKeyKind::Generated(KeyAlgorithm::EcdsaP256),
            Some(curve) if curve == OID_NIST_EC_P384 => PublicKeyKind::Generated(KeyAlgorithm::EcdsaP384),
            Some(curve) if curve == OID_NIST_EC_P521 => PublicKeyKind::EcdsaP521,
            curve => PublicKeyKind::OtherCurve(curve.map_or_else(String::new, |curve| curve.to_id_string())),
        };
    }
    match spki.parsed() {
        Ok(ParsedKey::RSA(key)) => {
            let leading_zeros = key.modulus.iter().take_while(|octet| **octet == 0).count();
            let significant = &key.modulus[leading_zeros..];
            let spare = significant.first().map_or(0, |octet| octet.leading_zeros() as usize);
            PublicKeyKind::Rsa(significant.len() * 8 - spare)
        }
        _ => match identifier.to_id_string().as_str() {
            "2.16.840.1.101.3.4.3.17" => PublicKeyKind::MlDsa("ml-dsa-44"),
            "2.16.840.1.101.3.4.3.18" => PublicKeyKind::MlDsa("ml-dsa-65"),
            "2.16.840.1.101.3.4.3.19" => PublicKeyKind::MlDsa("ml-dsa-87"),
            _ if identifier.as_bytes().len() > LONGEST_IDENTIFIER => PublicKeyKind::Other(String::new()),
            other => PublicKeyKind::Other(other.to_owned()),
        },
    }
}

/// Bytes of an object identifier that is told; those of algorithms and curves have ten at the most.
const LONGEST_IDENTIFIER: usize = 16;

/// secp224r1, which Go reads and TLS does not use.
const P224: &str = "1.3.132.0.33";

/// Everything of the SubjectPublicKeyInfo that is before the key's own bits (RFC 5480 section 2,
/// RFC 8410 section 4): it is the same for every key of an algorithm.
fn spki_prefix(algorithm: KeyAlgorithm) -> &'static [u8] {
    match algorithm {
        KeyAlgorithm::EcdsaP256 => &[
            0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
            0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
        ],
        KeyAlgorithm::EcdsaP384 => &[
            0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b,
            0x81, 0x04, 0x00, 0x22, 0x03, 0x62, 0x00,
        ],
        KeyAlgorithm::Ed25519 => &[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00],
    }
}

#[cfg(test)]
mod tests {
    use x509_parser::certificate::X509Certificate;

    use super::*;
    use crate::pki::element::element;
    use crate::pki::{Certificate, PrivateKey};

    const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
    const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
    const P384: &[u8] = &[0x2b, 0x81, 4, 0, 34];
    const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
    const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
    const RSA_PSS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 10];

    /// A key of that algorithm, whose parameters are an identifier where there is one.
    fn key(algorithm: &[u8], curve: Option<&[u8]>, bits: &[u8]) -> PublicKey {
        let parameters = curve.map_or_else(Vec::new, |curve| element(0x06, curve));
        let algorithm = element(0x30, &[element(0x06, algorithm), parameters].concat());
        let bits = element(0x03, &[&[0], bits].concat());
        PublicKey::from_spki_der(&element(0x30, &[algorithm, bits].concat())).unwrap()
    }

    /// An RSA key with that modulus.
    fn rsa_of(algorithm: &[u8], modulus: &[u8]) -> PublicKey {
        let numbers = [element(0x02, modulus), element(0x02, &[1, 0, 1])];
        key(algorithm, None, &element(0x30, &numbers.concat()))
    }

    /// One of 2048 bits.
    fn rsa(algorithm: &[u8]) -> PublicKey {
        rsa_of(algorithm, &[&[0][..], &[0xc1; 256]].concat())
    }

    #[test]
    fn keys_are_told_apart_by_algorithm_and_curve() {
        let kind = |key: PublicKey| key.kind().to_string();
        assert_eq!(kind(key(EC, Some(P256), &[4; 65])), "ecdsa-p256");
        assert_eq!(kind(key(EC, Some(P384), &[4; 97])), "ecdsa-p384");
        assert_eq!(kind(key(EC, Some(&[0x2b, 0x81, 4, 0, 33]), &[4; 57])), "ecdsa on 1.3.132.0.33");
        assert_eq!(kind(key(ED25519, None, &[7; 32])), "ed25519");
        assert_eq!(kind(rsa(RSA)), "rsa-2048");
        assert_eq!(kind(rsa_of(RSA, &[0x7f; 256])), "rsa-2047");
        assert_eq!(kind(rsa_of(RSA, &[0x01; 256])), "rsa-2041");
        assert_eq!(kind(rsa(RSA_PSS)), "1.2.840.113549.1.1.10", "a key for RSA-PSS alone");
    }

    #[test]
    fn go_reads_an_ed25519_key_of_32_octets_and_the_curves_that_it_knows() {
        assert_eq!(key(ED25519, None, &[7; 32]).unreadable_to_go(), None);
        for length in [31, 33] {
            assert_eq!(
                key(ED25519, None, &vec![7; length]).unreadable_to_go(),
                Some("a key of a wrong length")
            );
        }
        let on = |last| key(EC, Some(&[0x2b, 0x81, 4, 0, last]), &[4; 57]).unreadable_to_go();
        assert_eq!(on(33), None, "P-224");
        assert_eq!(on(34), None, "P-384");
        assert_eq!(on(35), None, "P-521");
        assert_eq!(on(10), Some("a key on a curve that Go does not know"), "secp256k1");
    }

    #[test]
    fn a_key_that_we_make_is_a_point_and_one_that_is_changed_is_none() {
        for algorithm in [KeyAlgorithm::EcdsaP256, KeyAlgorithm::EcdsaP384] {
            let made = PrivateKey::generate(algorithm).unwrap().public_key().clone();
            assert!(made.is_a_point(), "{algorithm}");
            let mut changed = made.clone();
            changed.bits.iter_mut().skip(1).for_each(|octet| *octet = 0xff);
            assert!(!changed.is_a_point(), "{algorithm}");
        }
        assert!(rsa(RSA).is_a_point(), "of others nothing is said");
    }

    #[test]
    fn rcgen_is_told_the_kind_of_every_key() {
        let of = |key: PublicKey| rcgen::PublicKeyData::algorithm(&key);
        assert_eq!(of(key(EC, Some(P256), &[4; 65])), &rcgen::PKCS_ECDSA_P256_SHA256);
        assert_eq!(of(key(EC, Some(P384), &[4; 97])), &rcgen::PKCS_ECDSA_P384_SHA384);
        assert_eq!(of(key(ED25519, None, &[7; 32])), &rcgen::PKCS_ED25519);
        assert_eq!(of(rsa(RSA)), &rcgen::PKCS_RSA_SHA256);
    }

    #[test]
    fn what_an_rsa_key_signed_is_told_from_what_it_did_not() {
        let path = format!("{}/fixtures/pki/legacy/earthly/ca_cert.pem", env!("CARGO_MANIFEST_DIR"));
        let ca = Certificate::chain_from_pem(&std::fs::read(&path).unwrap(), std::path::Path::new(&path))
            .unwrap()
            .remove(0);
        let (_, parsed) = X509Certificate::from_der(ca.der()).unwrap();
        let (signed, signature) = (parsed.tbs_certificate.as_ref(), &parsed.signature_value.data);
        assert!(ca.public_key().signed(signed, signature));
        assert!(!ca.public_key().signed(&signed[1..], signature));
    }
}
