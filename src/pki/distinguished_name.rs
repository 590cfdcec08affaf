//! Who a certificate is of, and by.

use std::fmt;

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
