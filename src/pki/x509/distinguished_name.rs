//! Who a certificate is of, and by.

use std::fmt;

use x509_parser::asn1_rs::Tag;
use x509_parser::prelude::FromDer;
use x509_parser::x509::X509Name;

use super::shape::sets_in;

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

    /// The name as rcgen takes it; nothing where rcgen would not write the same bytes again.
    pub(in crate::pki) fn to_rcgen(&self) -> Option<rcgen::DistinguishedName> {
        let (_, name) = X509Name::from_der(&self.0).ok()?;
        let mut copy = rcgen::DistinguishedName::new();
        let mut seen = Vec::new();
        for part in name.iter_rdn() {
            let mut attributes = part.iter();
            let (Some(attribute), None) = (attributes.next(), attributes.next()) else { return None };
            let identifier: Vec<u64> = attribute.attr_type().iter()?.collect();
            if seen.contains(&identifier) {
                return None;
            }
            let text = attribute.as_str().ok()?;
            let value = match attribute.attr_value().tag() {
                Tag::Utf8String => rcgen::DnValue::Utf8String(text.to_owned()),
                Tag::PrintableString => rcgen::DnValue::PrintableString(text.try_into().ok()?),
                Tag::Ia5String => rcgen::DnValue::Ia5String(text.try_into().ok()?),
                _ => return None,
            };
            copy.push(rcgen::DnType::from_oid(&identifier), value);
            seen.push(identifier);
        }
        // The parser stops at a set that is empty.
        (sets_in(&self.0) == Some(seen.len())).then_some(copy)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Printable;
    use crate::pki::x509::der::tests::element;

    const COMMON_NAME: &[u8] = &[0x55, 4, 3];
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

    #[test]
    fn a_name_that_can_be_written_again_to_the_byte_is_and_no_other() {
        let ana = || attribute(COMMON_NAME, 0x0c, b"ana");
        let acme = |tag| attribute(ORGANIZATION, tag, b"Acme");
        for tag in [0x0c, 0x13, 0x16] {
            let copied = name(&[&[acme(tag)], &[ana()]]).to_rcgen().unwrap();
            let parts: Vec<_> = copied.iter().map(|(kind, _)| kind.clone()).collect();
            assert_eq!(parts, [rcgen::DnType::OrganizationName, rcgen::DnType::CommonName], "{tag:02x}");
        }
        assert!(name(&[&[acme(0x14)]]).to_rcgen().is_none(), "T61String");
        assert!(name(&[&[ana()], &[ana()]]).to_rcgen().is_none(), "a part twice");
        assert!(name(&[&[ana(), acme(0x0c)]]).to_rcgen().is_none(), "two in one set");
        assert!(name(&[&[ana()], &[], &[acme(0x0c)]]).to_rcgen().is_none(), "an empty set");
        assert!(DistinguishedName::from_der(b"no name").to_rcgen().is_none());
    }
}
