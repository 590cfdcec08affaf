//! What an authorityKeyIdentifier says beside the key identifier (RFC 5280 section 4.2.1.1): Go passes over it, and
//! openssl finds no issuer that it does not name.

use super::distinguished_name::DistinguishedName;
use crate::model::SerialNumber;
use crate::pki::element::{only, parts};

/// The issuer's certificate, by the issuer's issuer and serial number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::pki) struct AuthorityHint {
    /// Who has issued the issuer's certificate.
    pub issuer: Option<DistinguishedName>,
    /// The serial number of the issuer's certificate.
    pub serial: Option<SerialNumber>,
    /// Whether there is anything else in it than the three fields.
    pub is_odd: bool,
}

impl AuthorityHint {
    /// Reads the extension's value; only where a byte is not what it should be, it is odd.
    pub(super) fn of(value: &[u8]) -> AuthorityHint {
        let Some(fields) = only(value, SEQUENCE).and_then(parts) else {
            return AuthorityHint { is_odd: true, ..AuthorityHint::default() };
        };
        let mut hint = AuthorityHint::default();
        for (tag, contents) in fields {
            match tag {
                KEY_IDENTIFIER => {}
                ISSUER => match parts(contents).as_deref() {
                    // Others than a name in a directory nobody compares.
                    Some(names) => {
                        let name = names.iter().find(|(tag, _)| *tag == DIRECTORY_NAME);
                        hint.issuer = name.map(|(_, name)| DistinguishedName::from_der(name));
                    }
                    None => hint.is_odd = true,
                },
                SERIAL => hint.serial = Some(SerialNumber::from_der_octets(contents)),
                _ => hint.is_odd = true,
            }
        }
        hint
    }
}

const SEQUENCE: u8 = 0x30;
const KEY_IDENTIFIER: u8 = 0x80;
const ISSUER: u8 = 0xa1;
const SERIAL: u8 = 0x82;
const DIRECTORY_NAME: u8 = 0xa4;
