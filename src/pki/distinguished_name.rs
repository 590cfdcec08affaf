//! Who a certificate is of, and by.

use std::fmt;

use x509_parser::asn1_rs::Tag;
use x509_parser::prelude::FromDer;
use x509_parser::x509::X509Name;

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
    pub(super) fn to_rcgen(&self) -> Option<rcgen::DistinguishedName> {
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
        Some(copy)
    }
}

/// As `CN=ana, O=Acme`; the hex of the DER where it cannot be read.
impl fmt::Display for DistinguishedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match X509Name::from_der(&self.0) {
            // A name from elsewhere must not be able to steer a terminal.
            Ok((_, name)) => f.pad(&name.to_string().replace(char::is_control, "\u{fffd}")),
            Err(_) => self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}")),
        }
    }
}
