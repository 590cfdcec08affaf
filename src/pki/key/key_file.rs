//! The private key of a PEM file, whether or not this program can sign with it.

use zeroize::Zeroizing;

use super::inverse::{is_inverse, is_inverse_below};
use super::key_structure::{KeyEncoding, KeyStructure, TakenApart, whole_pkcs8};
use super::private_key::PrivateKey;
use super::public_half::public_half;
use super::public_key::{PublicKey, PublicKeyKind};
use crate::message;
use crate::model::profile::LARGEST_PEM;
use crate::model::{Failure, Message, Printable, Quoted};
use crate::pki::element::parts;
use crate::pki::form::WrongForm;
use crate::pki::pem::{PemBlock, PemFault, PemLabel};

/// The private key of a file.
pub enum FoundKey {
    /// One that this program signs with.
    Ours(PrivateKey),
    /// One that it cannot sign with.
    Other(OtherKey),
}

/// A key that daemons and clients sign with and this program does not. It holds nothing secret.
pub struct OtherKey {
    /// What kind of key it is.
    pub kind: PublicKeyKind,
    /// Its public half; None where it does not stand in the file.
    pub public_key: Option<PublicKey>,
}

/// What a key file holds.
pub struct KeyFile {
    /// The key.
    pub key: FoundKey,
    /// How its bytes are wrapped.
    pub encoding: KeyEncoding,
    /// What stands behind BEGIN.
    pub label: PemLabel,
    /// Whether the public half in the file is another's, or something stands there that does not belong there: Go
    /// passes over it, others refuse the key.
    pub has_other_half: bool,
    /// The form in which no consumer reads the file, where it stands in one.
    pub form: Option<WrongForm>,
}

impl KeyFile {
    /// Reads the first private key of a PEM file, as Go's `LoadX509KeyPair` does: whatever its label
    /// says, PKCS#8, SEC 1 or PKCS#1, with or without its public half; other blocks are passed over.
    /// A file in a form that no consumer reads is read too, and the form is told.
    ///
    /// `subject` is the path or name for messages.
    ///
    /// # Errors
    /// No key, an encrypted one, one that is damaged, or more than 64 KiB.
    pub fn read(bytes: &[u8], subject: impl Printable) -> Result<KeyFile, Failure> {
        match WrongForm::fix(bytes) {
            Some((pem, form)) => Ok(KeyFile { form: Some(form), ..KeyFile::from_pem(&pem, subject)? }),
            None => KeyFile::from_pem(bytes, subject),
        }
    }

    pub(super) fn from_pem(bytes: &[u8], subject: impl Printable) -> Result<KeyFile, Failure> {
        let wrong = |found: Message| {
            let failure = Failure::new("reading the private key", &subject)
                .expected("one unencrypted PRIVATE KEY in PEM")
                .found(found);
            match WrongForm::of(bytes) {
                Some(form) => failure.hint(form.repair(&subject)),
                None => failure.hint(message!("{kitcert} inspect {}", Quoted(&subject))),
            }
        };
        if bytes.len() > LARGEST_PEM {
            return Err(wrong(message!("{} bytes", bytes.len())));
        }
        let blocks = PemBlock::all_of(bytes);
        let first = blocks.first().map(|block| block.label);
        let Some(block) = blocks.into_iter().find(|block| block.label.is_private_key()) else {
            return Err(wrong(match (first, WrongForm::of(bytes)) {
                _ if bytes.is_empty() => message!("an empty file"),
                (_, Some(form)) => form.message(),
                (Some(label), None) if label == "CERTIFICATE" => message!("a certificate"),
                (Some(label), None) => label.message(),
                (None, None) => message!("no PEM block"),
            }));
        };
        KeyFile::of_block(block).map_err(wrong)
    }

    /// The key of a block, or what stands there instead.
    fn of_block(block: PemBlock) -> Result<KeyFile, Message> {
        let label = block.label;
        if label == "ENCRYPTED PRIVATE KEY" || matches!(&block.contents, Err(PemFault::Headers)) {
            return Err(message!("an encrypted key (daemons have no passphrase option)"));
        }
        if label == "OPENSSH PRIVATE KEY" {
            return Err(message!("a key in OpenSSH's own form"));
        }
        let der = block.contents.map_err(|fault| message!("a block that {}", fault))?;
        let (key, encoding, has_other_half) =
            FoundKey::of(der).ok_or_else(|| message!("a key that is damaged or of an unknown kind"))?;
        Ok(KeyFile { key, encoding, label, has_other_half, form: None })
    }

    /// Its public half; None where it is not known.
    #[must_use]
    pub fn public_key(&self) -> Option<&PublicKey> {
        match &self.key {
            FoundKey::Ours(key) => Some(key.public_key()),
            FoundKey::Other(key) => key.public_key.as_ref(),
        }
    }

    /// What kind of key it is.
    #[must_use]
    pub fn kind(&self) -> &PublicKeyKind {
        match &self.key {
            FoundKey::Ours(key) => key.public_key().kind(),
            FoundKey::Other(key) => &key.kind,
        }
    }
}

impl PrivateKey {
    /// Reads the key of a PEM file as [`KeyFile::read`] does, in a form that every consumer reads.
    ///
    /// `subject` is the path or name for messages.
    ///
    /// # Errors
    /// No key, an encrypted one, a key that does not hold together, one that this program cannot sign
    /// with, and a form that no consumer reads.
    pub fn from_pem(bytes: &[u8], subject: impl Printable) -> Result<PrivateKey, Failure> {
        let subject = subject.message();
        match KeyFile::from_pem(bytes, &subject)?.key {
            FoundKey::Ours(key) => Ok(key),
            FoundKey::Other(key) => Err(Failure::new("reading the private key", subject)
                .expected("a key of ECDSA on P-256 or P-384, of Ed25519, or of RSA with 2048 to 4096 bits")
                .found(match key.kind.is_read_by_go() {
                    true => message!("{}, with which kitcert cannot sign; daemons and clients can", key.kind),
                    false => message!("{}, with which nobody here can sign", key.kind),
                })),
        }
    }
}

impl FoundKey {
    pub(super) fn of(der: Zeroizing<Vec<u8>>) -> Option<(FoundKey, KeyEncoding, bool)> {
        let TakenApart { structure, encoding, is_odd } = TakenApart::of(&der)?;
        if !has_its_exponents(&structure) {
            return None;
        }
        let ours = PrivateKey::from_der(der.clone(), encoding).or_else(|| in_our_words(&structure));
        let key = match ours {
            Some(key) => FoundKey::Ours(key),
            None if is_of_ours(&structure) => return None,
            None => {
                let public_key = structure.public_key();
                let kind = public_key.clone().or_else(|| structure.without_bits())?.kind().clone();
                FoundKey::Other(OtherKey { kind, public_key })
            }
        };
        let has_other_half = match (&structure, &key, structure.public_key()) {
            _ if is_odd => true,
            (_, FoundKey::Ours(key), Some(half)) => *key.public_key() != half,
            (KeyStructure::Elliptic { point, .. }, _, None) => point.is_some(),
            _ => false,
        };
        Some((key, encoding, has_other_half))
    }
}

/// A key that ring does not take as it stands: without its public half, or with another's, which Go
/// does not look at; or with attributes.
fn in_our_words(structure: &KeyStructure<'_>) -> Option<PrivateKey> {
    match structure {
        KeyStructure::Elliptic { curve, scalar, .. } => {
            let (scalar, point) = public_half(structure.curve()?, scalar)?;
            PrivateKey::from_der(whole_pkcs8(curve, &scalar, &point), KeyEncoding::Pkcs8)
        }
        KeyStructure::Rsa { pkcs1, .. } => {
            PrivateKey::from_der(Zeroizing::new(pkcs1.to_vec()), KeyEncoding::Pkcs1)
        }
        KeyStructure::Other { .. } => None,
    }
}

/// Whether ring takes a key of that kind, if it is whole.
fn is_of_ours(structure: &KeyStructure<'_>) -> bool {
    match structure {
        KeyStructure::Elliptic { .. } => structure.curve().is_some(),
        KeyStructure::Rsa { exponent, has_more_primes, .. } => {
            let kind = structure.public_key().map(|key| key.kind().clone());
            *exponent == [1, 0, 1]
                && !has_more_primes
                && matches!(kind, Some(PublicKeyKind::Rsa(bits @ 2048..=4096)) if bits % 512 == 0)
        }
        KeyStructure::Other { algorithm, .. } => {
            parts(algorithm).is_some_and(|parts| parts.first().is_some_and(|kind| kind.1 == ED25519))
        }
    }
}

/// Whether the numbers of an RSA key belong together, which Go looks at, and ring does not at each. Of keys with more
/// primes that is not known here.
fn has_its_exponents(structure: &KeyStructure<'_>) -> bool {
    let KeyStructure::Rsa {
        exponent,
        private_exponent,
        primes,
        exponents,
        coefficient,
        has_more_primes: false,
        ..
    } = structure
    else {
        return true;
    };
    let is_whole = primes.iter().zip(exponents).all(|(prime, of_prime)| {
        is_inverse_below(private_exponent, exponent, prime) && is_inverse_below(of_prime, exponent, prime)
    });
    is_whole && is_inverse(coefficient, primes[1], primes[0])
}

/// 1.3.101.112
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::KeyAlgorithm;

    #[test]
    fn the_first_key_of_a_file_counts_whatever_else_is_in_it() {
        let [one, other] = [KeyAlgorithm::EcdsaP256, KeyAlgorithm::Ed25519].map(|algorithm| {
            let key = PrivateKey::generate(algorithm).ok().unwrap();
            (key.public_key().clone(), key.expose_pem())
        });
        let certificate = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
        for file in [
            format!("{certificate}{}{}", *one.1, *other.1),
            format!("{}{certificate}", *one.1),
            format!("words\n{}-----BEGIN DH PARAMETERS-----\n", *one.1),
        ] {
            assert!(PrivateKey::from_pem(file.as_bytes(), "key.pem").ok().unwrap().public_key() == &one.0);
        }
    }

    #[test]
    fn a_label_says_nothing_of_what_is_in_the_block() {
        let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).ok().unwrap();
        for label in ["EC PRIVATE KEY", "RSA PRIVATE KEY", "ANY PRIVATE KEY"] {
            let pem = key.expose_pem().replace("PRIVATE KEY", label);
            let read = KeyFile::read(pem.as_bytes(), "key.pem").ok().unwrap();
            assert!(read.public_key() == Some(key.public_key()), "{label}");
            assert_eq!(read.encoding, KeyEncoding::Pkcs8);
        }
    }
}
