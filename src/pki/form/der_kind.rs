//! What a file of DER holds, by its outermost elements.

use crate::pki::element::{
    BIT_STRING, Element, INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, only, parts,
};

/// What a file of DER holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DerKind {
    /// X.509.
    Certificate,
    /// PKCS#10.
    Request,
    /// PKCS#8, PKCS#1 or SEC 1.
    PrivateKey,
    /// PKCS#8 under a passphrase.
    EncryptedKey,
    /// PKCS#7 with certificates.
    Pkcs7,
    /// PKCS#12: a `.pfx` or `.p12`.
    Pkcs12,
}

impl DerKind {
    /// None for anything else.
    #[must_use]
    pub(super) fn of(der: &[u8]) -> Option<DerKind> {
        let outer = parts(only(der, SEQUENCE)?)?;
        match outer.as_slice() {
            [(SEQUENCE, body), (SEQUENCE, _), (BIT_STRING, _)] => signed(body),
            [(SEQUENCE, algorithm), (OCTET_STRING, _)] => {
                (parts(algorithm)?.first()?.0 == OBJECT_IDENTIFIER).then_some(DerKind::EncryptedKey)
            }
            [(INTEGER, [3]), (SEQUENCE, _), ..] => Some(DerKind::Pkcs12),
            [(INTEGER, [0 | 1]), rest @ ..] => is_key(rest).then_some(DerKind::PrivateKey),
            [(OBJECT_IDENTIFIER, SIGNED_DATA), ..] => Some(DerKind::Pkcs7),
            _ => None,
        }
    }

    /// The label that it has in PEM; None where consumers read it in no PEM.
    #[must_use]
    pub(super) fn label(self) -> Option<&'static str> {
        match self {
            DerKind::Certificate => Some("CERTIFICATE"),
            DerKind::Request => Some("CERTIFICATE REQUEST"),
            DerKind::PrivateKey => Some("PRIVATE KEY"),
            DerKind::EncryptedKey | DerKind::Pkcs7 | DerKind::Pkcs12 => None,
        }
    }
}

fn signed(body: &[u8]) -> Option<DerKind> {
    let tags: Vec<u8> = parts(body)?.into_iter().map(|part| part.0).collect();
    match tags.as_slice() {
        [0xa0, INTEGER, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE, ..]
        | [INTEGER, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE] => Some(DerKind::Certificate),
        [INTEGER, SEQUENCE, SEQUENCE, 0xa0] => Some(DerKind::Request),
        _ => None,
    }
}

/// Whether what is behind the version is that of PKCS#8, of SEC 1 or of PKCS#1.
fn is_key(rest: &[Element<'_>]) -> bool {
    match rest {
        [(SEQUENCE, _), (OCTET_STRING, _), ..] | [(OCTET_STRING, _), ..] => true,
        numbers => numbers.len() >= 8 && numbers.iter().take(8).all(|number| number.0 == INTEGER),
    }
}

/// 1.2.840.113549.1.7.2
const SIGNED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
