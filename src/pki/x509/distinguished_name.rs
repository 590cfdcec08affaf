//! Who a certificate is of, and by.

use std::fmt;

use x509_parser::prelude::FromDer;
use x509_parser::x509::X509Name;

use crate::pki::element::{OBJECT_IDENTIFIER, SEQUENCE, SET, UTF8_STRING, element};

/// An X.501 name as the bytes of its DER, which is how every verifier compares them
/// (Go: `RawSubject`; RFC 5280 section 7.1 allows more, and nobody does it).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DistinguishedName(Vec<u8>);

impl DistinguishedName {
    /// The name with that DER encoding.
    #[must_use]
    pub fn from_der(der: &[u8]) -> DistinguishedName {
        DistinguishedName(der.to_vec())
    }

    /// The name that is that common name and nothing else.
    #[must_use]
    pub(in crate::pki) fn of_common_name(text: &str) -> DistinguishedName {
        let attribute = [element(OBJECT_IDENTIFIER, COMMON_NAME), element(UTF8_STRING, text.as_bytes())];
        let set = element(SET, &element(SEQUENCE, &attribute.concat()));
        DistinguishedName(element(SEQUENCE, &set))
    }

    /// Its DER encoding.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.0
    }

    /// Whether it names nothing: an empty sequence.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0 == [0x30, 0x00]
    }

    /// The first common name, where there is one that is text.
    #[must_use]
    pub fn common_name(&self) -> Option<String> {
        let (_, name) = X509Name::from_der(&self.0).ok()?;
        let common_name = name.iter_common_name().next()?.as_str().ok()?;
        Some(common_name.to_owned())
    }

    /// The first organization, where there is one that is text.
    #[must_use]
    pub fn organization(&self) -> Option<String> {
        let (_, name) = X509Name::from_der(&self.0).ok()?;
        let organization = name.iter_organization().next()?.as_str().ok()?;
        Some(organization.to_owned())
    }
}

/// As `CN=ana, O=Acme`; the hex of the DER where it cannot be read.
impl fmt::Display for DistinguishedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match X509Name::from_der(&self.0) {
            Ok((_, name)) => f.pad(&name.to_string()),
            Err(_) => self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}")),
        }
    }
}

/// 2.5.4.3
const COMMON_NAME: &[u8] = &[0x55, 4, 3];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Printable;

    const ORGANIZATION: &[u8] = &[0x55, 4, 10];

    fn attribute(kind: &[u8], tag: u8, text: &[u8]) -> Vec<u8> {
        element(0x30, &[element(0x06, kind), element(tag, text)].concat())
    }

    /// A name of those sets of attributes.
    fn name(sets: &[&[Vec<u8>]]) -> DistinguishedName {
        let sets: Vec<u8> = sets.iter().flat_map(|set| element(0x31, &set.concat())).collect();
        DistinguishedName::from_der(&element(0x30, &sets))
    }

    #[test]
    fn the_parts_of_a_name_are_told_apart() {
        let name =
            name(&[&[attribute(ORGANIZATION, 0x0c, b"Acme")], &[attribute(COMMON_NAME, 0x13, b"ana")]]);
        assert_eq!(name.common_name().as_deref(), Some("ana"));
        assert_eq!(name.organization().as_deref(), Some("Acme"));
        assert_eq!(name.to_string(), "O=Acme, CN=ana");
        assert_eq!(DistinguishedName::from_der(name.der()), name);
        assert!(!name.is_empty());
    }

    #[test]
    fn a_name_without_a_part_has_none() {
        let empty = name(&[]);
        assert!(empty.is_empty());
        assert_eq!((empty.common_name(), empty.organization()), (None, None));
        let broken = DistinguishedName::from_der(&[0x30, 0x02, 0xff]);
        assert_eq!((broken.common_name(), broken.organization()), (None, None));
        assert_eq!(broken.to_string(), "3002ff");
    }

    #[test]
    fn a_name_from_elsewhere_cannot_steer_a_terminal() {
        let hostile = name(&[&[attribute(COMMON_NAME, 0x0c, b"ana\x1b[2J")]]);
        assert_eq!(hostile.message(), "CN=ana\\u{1b}[2J");
    }
}
