//! What stands in the DER of a private key, as Go looks at it: by its structure, not by its label.

use zeroize::Zeroizing;

use super::public_key::PublicKey;
use crate::model::KeyAlgorithm;
use crate::pki::element::{
    BIT_STRING, INTEGER, NULL, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, element, only, parts,
};

/// A private key's parts, borrowed from its DER.
pub(super) enum KeyStructure<'a> {
    /// PKCS#1, alone or in PKCS#8.
    Rsa {
        /// The whole of the PKCS#1.
        pkcs1: &'a [u8],
        /// The modulus, as an INTEGER's contents.
        modulus: &'a [u8],
        /// The public exponent, in the same way.
        exponent: &'a [u8],
        /// The private exponent, in the same way.
        private_exponent: &'a [u8],
        /// Its two primes, in the same way.
        primes: [&'a [u8]; 2],
        /// The private exponent for each of them, in the same way.
        exponents: [&'a [u8]; 2],
        /// The inverse of the second prime for the first, in the same way.
        coefficient: &'a [u8],
        /// Whether it has more than two primes.
        has_more_primes: bool,
    },
    /// SEC 1, alone or in PKCS#8.
    Elliptic {
        /// The object identifier's contents.
        curve: &'a [u8],
        /// The secret number.
        scalar: &'a [u8],
        /// The public half, where it is there.
        point: Option<&'a [u8]>,
    },
    /// PKCS#8 of another algorithm.
    Other {
        /// The AlgorithmIdentifier's contents.
        algorithm: &'a [u8],
    },
}

/// How the bytes of a key are wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyEncoding {
    /// `PRIVATE KEY` (RFC 5958), what we write.
    Pkcs8,
    /// `EC PRIVATE KEY` (RFC 5915).
    Sec1,
    /// `RSA PRIVATE KEY` (RFC 8017), what Earthly's own generator writes.
    Pkcs1,
}

/// A private key, taken apart.
pub(super) struct TakenApart<'a> {
    pub structure: KeyStructure<'a>,
    pub encoding: KeyEncoding,
    /// Whether something stands there that does not belong there: Go passes over it, and OpenSSL refuses the key.
    pub is_odd: bool,
}

impl<'a> TakenApart<'a> {
    /// Takes a key apart; None for what is none.
    pub(super) fn of(der: &'a [u8]) -> Option<TakenApart<'a>> {
        if let Some((structure, is_odd)) = rsa(der) {
            return Some(TakenApart { structure, encoding: KeyEncoding::Pkcs1, is_odd });
        }
        let fields = parts(only(der, SEQUENCE)?)?;
        match fields.as_slice() {
            [(INTEGER, [0 | 1]), (SEQUENCE, algorithm), (OCTET_STRING, key), rest @ ..] => {
                let (structure, is_odd) = in_pkcs8(algorithm, key)?;
                // OpenSSL 3.0 reads attributes, and no public half (RFC 5958) behind them.
                let is_known = match rest {
                    [] => true,
                    [(0xa0, attributes)] => {
                        parts(attributes).is_some_and(|all| all.iter().all(|one| one.0 == SEQUENCE))
                    }
                    _ => false,
                };
                Some(TakenApart { structure, encoding: KeyEncoding::Pkcs8, is_odd: is_odd || !is_known })
            }
            _ => {
                let (structure, is_odd) = elliptic(der, None)?;
                Some(TakenApart { structure, encoding: KeyEncoding::Sec1, is_odd })
            }
        }
    }
}

impl KeyStructure<'_> {
    /// The public half, as far as it stands in the file.
    pub(super) fn public_key(&self) -> Option<PublicKey> {
        let spki = match self {
            KeyStructure::Rsa { modulus, exponent, .. } => {
                let numbers = [element(INTEGER, modulus), element(INTEGER, exponent)].concat();
                spki(
                    &[element(OBJECT_IDENTIFIER, RSA_ENCRYPTION), element(NULL, &[])],
                    &element(SEQUENCE, &numbers),
                )
            }
            KeyStructure::Elliptic { curve, point, .. } => spki(
                &[element(OBJECT_IDENTIFIER, EC_PUBLIC_KEY), element(OBJECT_IDENTIFIER, curve)],
                (*point)?,
            ),
            KeyStructure::Other { .. } => return None,
        };
        PublicKey::from_spki_der(&spki).ok()
    }

    /// What kind of key it is, where no public half says so: its algorithm with no bits.
    pub(super) fn without_bits(&self) -> Option<PublicKey> {
        let spki = match self {
            KeyStructure::Rsa { .. } => return None,
            KeyStructure::Elliptic { curve, .. } => {
                spki(&[element(OBJECT_IDENTIFIER, EC_PUBLIC_KEY), element(OBJECT_IDENTIFIER, curve)], &[])
            }
            KeyStructure::Other { algorithm, .. } => spki(&[algorithm.to_vec()], &[]),
        };
        PublicKey::from_spki_der(&spki).ok()
    }

    /// The curve of ours that the key is on.
    pub(super) fn curve(&self) -> Option<KeyAlgorithm> {
        match self {
            KeyStructure::Elliptic { curve: P256, .. } => Some(KeyAlgorithm::EcdsaP256),
            KeyStructure::Elliptic { curve: P384, .. } => Some(KeyAlgorithm::EcdsaP384),
            _ => None,
        }
    }
}

/// The PKCS#8 of an elliptic key with its public half, as ring reads it.
pub(super) fn whole_pkcs8(curve: &[u8], scalar: &[u8], point: &[u8]) -> Zeroizing<Vec<u8>> {
    let secret = |tag: u8, parts: &[&[u8]]| Zeroizing::new(element(tag, &Zeroizing::new(parts.concat())));
    let public = element(PUBLIC, &element(BIT_STRING, &[&[0], point].concat()));
    let sec1 = secret(SEQUENCE, &[&element(INTEGER, &[1]), &secret(OCTET_STRING, &[scalar]), &public]);
    let algorithm = [element(OBJECT_IDENTIFIER, EC_PUBLIC_KEY), element(OBJECT_IDENTIFIER, curve)].concat();
    let algorithm = element(SEQUENCE, &algorithm);
    secret(SEQUENCE, &[&element(INTEGER, &[0]), &algorithm, &secret(OCTET_STRING, &[&sec1])])
}

fn spki(algorithm: &[Vec<u8>], bits: &[u8]) -> Vec<u8> {
    let bits = element(BIT_STRING, &[&[0], bits].concat());
    element(SEQUENCE, &[element(SEQUENCE, &algorithm.concat()), bits].concat())
}

/// With whether something stands there that does not belong there.
fn rsa(der: &[u8]) -> Option<(KeyStructure<'_>, bool)> {
    let numbers = parts(only(der, SEQUENCE)?)?;
    let [version, rest @ ..] = numbers.as_slice() else { return None };
    let (INTEGER, [version @ (0 | 1)]) = version else { return None };
    let eight: Vec<&[u8]> = rest.iter().take(8).filter(|one| one.0 == INTEGER).map(|one| one.1).collect();
    let [modulus, exponent, private_exponent, one, other, of_one, of_other, coefficient] =
        eight.try_into().ok()?;
    let has_more_primes = *version == 1;
    let structure = KeyStructure::Rsa {
        pkcs1: der,
        modulus,
        exponent,
        private_exponent,
        primes: [one, other],
        exponents: [of_one, of_other],
        coefficient,
        has_more_primes,
    };
    Some((structure, rest.len() != if has_more_primes { 9 } else { 8 }))
}

/// With whether something stands there that does not belong there.
fn in_pkcs8<'a>(algorithm: &'a [u8], key: &'a [u8]) -> Option<(KeyStructure<'a>, bool)> {
    let fields = parts(algorithm)?;
    match fields.as_slice() {
        [(OBJECT_IDENTIFIER, RSA_ENCRYPTION), rest @ ..] => {
            let (structure, is_odd) = rsa(key)?;
            Some((structure, is_odd || rest.len() > 1))
        }
        [(OBJECT_IDENTIFIER, EC_PUBLIC_KEY), (OBJECT_IDENTIFIER, curve), rest @ ..] => {
            let (structure, is_odd) = elliptic(key, Some(curve))?;
            Some((structure, is_odd || !rest.is_empty()))
        }
        [(OBJECT_IDENTIFIER, _), ..] => Some((KeyStructure::Other { algorithm }, false)),
        _ => None,
    }
}

/// With whether something else than a curve and a public half, in this order, is behind the number.
fn elliptic<'a>(der: &'a [u8], known: Option<&'a [u8]>) -> Option<(KeyStructure<'a>, bool)> {
    let fields = parts(only(der, SEQUENCE)?)?;
    let [(INTEGER, [1]), (OCTET_STRING, scalar), rest @ ..] = fields.as_slice() else { return None };
    let inner = |tag: u8, kind: u8| {
        let (_, contents) = rest.iter().find(|field| field.0 == tag)?;
        only(contents, kind)
    };
    // Go looks for the curve in its place alone.
    let own = rest.first().filter(|first| first.0 == CURVE).and_then(|_| inner(CURVE, OBJECT_IDENTIFIER));
    let curve = known.or(own)?;
    let point = inner(PUBLIC, BIT_STRING).and_then(|bits| bits.strip_prefix(&[0]));
    let is_whole = |(tag, contents): &(u8, &[u8])| match *tag {
        CURVE => only(contents, OBJECT_IDENTIFIER).is_some(),
        PUBLIC => only(contents, BIT_STRING).is_some_and(|bits| bits.starts_with(&[0])),
        _ => false,
    };
    let is_in_order = rest.is_sorted_by(|one, other| one.0 < other.0);
    let is_odd = !is_in_order || own.is_some_and(|own| own != curve) || !rest.iter().all(is_whole);
    Some((KeyStructure::Elliptic { curve, scalar, point }, is_odd))
}

/// The tags `[0]` and `[1]` of RFC 5915.
const CURVE: u8 = 0xa0;
const PUBLIC: u8 = 0xa1;
const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
