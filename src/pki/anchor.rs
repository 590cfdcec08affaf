//! A CA's certificate again, with names that it excludes.
//!
//! Daemons read no CRL, and yet every verifier holds to the name constraints of its trust anchor. So access is
//! taken away by another certificate of the same CA, which whoever runs the daemon can make without the CA's
//! key: nobody checks the signature of an anchor.

use super::element::{
    BIT_STRING, BOOLEAN, Element, INTEGER, NULL, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, element, only,
    parts,
};
use super::key::{PrivateKey, PublicKey, PublicKeyKind, Signer};
use super::x509::{Certificate, EXTENSIONS, Exclusions, VERSION};
use crate::message;
use crate::model::profile::{LARGEST_EXCLUSIONS, MOST_EXCLUSIONS};
use crate::model::{Failure, KeyAlgorithm};

impl Certificate {
    /// This CA's certificate with critical name constraints that exclude these names and their canary, beside
    /// what it constrains itself. Name, key, key identifier, serial number and validity stay: of leaves that
    /// name their issuer's serial number (easy-rsa's), OpenSSL takes no other.
    ///
    /// It is self-signed by `signer`, the CA's own key. Without it, the signature stays what it was and holds no
    /// more, and the same exclusions make the same certificate. One that another CA issued becomes self-issued,
    /// since OpenSSL would look for that CA and check the signature.
    ///
    /// # Errors
    /// A certificate that is no CA's, a key that is not its own, or more names than handshakes can bear.
    pub fn excluding(
        &self,
        exclusions: &Exclusions,
        signer: Option<&PrivateKey>,
    ) -> Result<Certificate, Failure> {
        let failure = || Failure::new("excluding names in the certificate of", self.subject());
        let is_of_old = self.version() < 3 && self.basic_constraints().is_none();
        if !self.is_authority() && !is_of_old {
            return Err(failure().expected("a CA's certificate").found("an end-entity certificate"));
        }
        if exclusions.len() > MOST_EXCLUSIONS || exclusions.der_len() > LARGEST_EXCLUSIONS {
            return Err(failure()
                .expected(message!("{} names in {} bytes at the most", MOST_EXCLUSIONS, LARGEST_EXCLUSIONS))
                .found(message!("{} names in {} bytes", exclusions.len(), exclusions.der_len())));
        }
        if signer.is_some_and(|signer| signer.public_key() != self.public_key()) {
            return Err(failure().expected("the CA's own key").found("another key"));
        }
        let unread = || failure().found("a certificate that cannot be taken apart");
        let own = algorithm_of(self.public_key());
        let kept = (self.is_self_issued() && self.names_own_key()).then(|| signature_of(self));
        let (algorithm, signature) = match (signer, kept, own) {
            (None, Some(kept), _) => kept.ok_or_else(unread)?,
            (_, _, Some(own)) => (own, placeholder(self.public_key())),
            _ => {
                return Err(failure()
                    .expected("a key that signs certificates")
                    .found(self.public_key().kind()));
            }
        };
        let body = constrained(self, exclusions, &algorithm).ok_or_else(unread)?;
        let signature = match signer {
            Some(key) => Signer::new(key)?.sign(&body)?,
            None => signature,
        };
        let all = [body, algorithm, element(BIT_STRING, &[&[0], signature.as_slice()].concat())].concat();
        Certificate::from_der(&element(SEQUENCE, &all))
    }

    /// The CA's certificate without what [`Certificate::excluding`] has added: to the byte what it was, where that
    /// had no key. What the CA constrains itself cannot be told apart, and goes too. None for one that excludes nothing
    /// for us.
    #[must_use]
    pub fn without_exclusions(&self) -> Option<Certificate> {
        Exclusions::canary_in(self)?;
        let [(_, body), (_, algorithm), (_, signature)]: [Element<'_>; 3] =
            parts(only(self.der(), SEQUENCE)?)?.try_into().ok()?;
        let mut made = Vec::new();
        for (tag, contents) in parts(body)? {
            if tag == EXTENSIONS {
                let mut kept = Vec::new();
                for (_, extension) in parts(only(contents, SEQUENCE)?)? {
                    if parts(extension)?.first()?.1 != NAME_CONSTRAINTS {
                        kept.extend(element(SEQUENCE, extension));
                    }
                }
                made.extend(element(EXTENSIONS, &element(SEQUENCE, &kept)));
            } else {
                made.extend(element(tag, contents));
            }
        }
        let all = [element(SEQUENCE, &made), element(SEQUENCE, algorithm), element(BIT_STRING, signature)];
        Certificate::from_der(&element(SEQUENCE, &all.concat())).ok()
    }

    /// Whether its key usage says that it signs certificates (RFC 5280 section 4.2.1.3): without that, it may be
    /// somebody's own.
    #[must_use]
    pub fn says_that_it_signs(&self) -> bool {
        self.key_usage().is_some_and(|usage| usage.key_cert_sign)
    }

    /// Whether it says of no other key that it made the signature.
    fn names_own_key(&self) -> bool {
        let by = self.authority_key_identifier();
        by.is_none() || by == self.subject_key_identifier()
    }
}

/// The algorithm and the signature of a certificate.
fn signature_of(certificate: &Certificate) -> Option<(Vec<u8>, Vec<u8>)> {
    let [_, (_, algorithm), (_, bits)]: [Element<'_>; 3] =
        parts(only(certificate.der(), SEQUENCE)?)?.try_into().ok()?;
    let (_, signature) = bits.split_first()?;
    Some((element(SEQUENCE, algorithm), signature.to_vec()))
}

/// What is signed: the CA's own fields, with the extensions of a constrained anchor.
fn constrained(original: &Certificate, exclusions: &Exclusions, algorithm: &[u8]) -> Option<Vec<u8>> {
    let [(_, body), ..]: [Element<'_>; 3] = parts(only(original.der(), SEQUENCE)?)?.try_into().ok()?;
    let fields = parts(body)?;
    let has = |tag| fields.iter().find(|field| field.0 == tag).map(|field| field.1);
    let mut made = element(VERSION, &element(INTEGER, &[2]));
    let numbered = fields.iter().filter(|field| field.0 != VERSION && field.0 != EXTENSIONS).enumerate();
    for (at, (tag, contents)) in numbered {
        made.extend(match at {
            ALGORITHM => algorithm.to_vec(),
            ISSUER => original.subject().der().to_vec(),
            _ => element(*tag, contents),
        });
    }
    // Those of an older version count for nothing, and would from now on.
    let extensions_before = has(EXTENSIONS).filter(|_| original.version() == 3);
    let before = extensions_before.map_or(Some(Vec::new()), |all| parts(only(all, SEQUENCE)?))?;
    let extensions = extensions(original, &before, exclusions)?;
    made.extend(element(EXTENSIONS, &element(SEQUENCE, &extensions)));
    Some(element(SEQUENCE, &made))
}

fn extensions(original: &Certificate, before: &[Element<'_>], exclusions: &Exclusions) -> Option<Vec<u8>> {
    let mut made = Vec::new();
    let mut constraints = None;
    for (_, extension) in before {
        let fields = parts(extension)?;
        match (fields.first()?.1, fields.last()?.1) {
            (NAME_CONSTRAINTS, value) => constraints = Some(value),
            (AUTHORITY_KEY_IDENTIFIER, _) if !original.names_own_key() => {
                let own = original
                    .subject_key_identifier()
                    .map(|own| element(SEQUENCE, &element(KEY_IDENTIFIER, own)));
                made.extend(own.iter().flat_map(|value| written(AUTHORITY_KEY_IDENTIFIER, false, value)));
            }
            _ => made.extend(element(SEQUENCE, extension)),
        }
    }
    if original.basic_constraints().is_none() {
        let is_authority = element(SEQUENCE, &element(BOOLEAN, &[0xff]));
        made.extend(written(BASIC_CONSTRAINTS, true, &is_authority));
    }
    made.extend(written(NAME_CONSTRAINTS, true, &exclusions.extension(constraints)?));
    Some(made)
}

fn written(identifier: &[u8], critical: bool, value: &[u8]) -> Vec<u8> {
    let critical = if critical { element(BOOLEAN, &[0xff]) } else { Vec::new() };
    let fields = [element(OBJECT_IDENTIFIER, identifier), critical, element(OCTET_STRING, value)];
    element(SEQUENCE, &fields.concat())
}

/// The algorithm that a key of ours signs certificates with: OpenSSL takes a certificate for self-signed only if
/// its algorithm is one of its key's kind.
fn algorithm_of(key: &PublicKey) -> Option<Vec<u8>> {
    let named = |identifier: &[u8], parameters: &[u8]| {
        element(SEQUENCE, &[element(OBJECT_IDENTIFIER, identifier).as_slice(), parameters].concat())
    };
    match key.kind() {
        PublicKeyKind::Generated(KeyAlgorithm::EcdsaP256) => Some(named(ECDSA_SHA256, &[])),
        PublicKeyKind::Generated(KeyAlgorithm::EcdsaP384) => Some(named(ECDSA_SHA384, &[])),
        PublicKeyKind::Generated(KeyAlgorithm::Ed25519) => Some(named(ED25519, &[])),
        PublicKeyKind::Rsa(_) => Some(named(RSA_SHA256, &[NULL, 0])),
        _ => None,
    }
}

/// What stands where a signature would be, of the form that a signature of that key has.
fn placeholder(key: &PublicKey) -> Vec<u8> {
    match key.kind() {
        PublicKeyKind::Rsa(bits) => vec![1; bits.div_ceil(8)],
        PublicKeyKind::Generated(KeyAlgorithm::Ed25519) => vec![1; 64],
        _ => element(SEQUENCE, &[element(INTEGER, &[1]), element(INTEGER, &[1])].concat()),
    }
}

/// After the version: serialNumber, signature, issuer (RFC 5280 section 4.1).
const ALGORITHM: usize = 1;
const ISSUER: usize = 2;
/// 2.5.29.30
const NAME_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x1e];
/// 2.5.29.19
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
/// 2.5.29.35
const AUTHORITY_KEY_IDENTIFIER: &[u8] = &[0x55, 0x1d, 0x23];
const KEY_IDENTIFIER: u8 = 0x80;
/// 1.2.840.10045.4.3.2
const ECDSA_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
/// 1.2.840.10045.4.3.3
const ECDSA_SHA384: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03];
/// 1.3.101.112
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
/// 1.2.840.113549.1.1.11
const RSA_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b];

#[cfg(test)]
mod tests;
