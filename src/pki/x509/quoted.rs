//! Texts of a parsed certificate, as a message shows them.

use std::fmt;

/// A text that stands in a parsed certificate, in quotes.
#[derive(Debug)]
pub(in crate::pki) struct InCertificate<'a>(pub &'a str);

impl fmt::Display for InCertificate<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// An object identifier of a parsed certificate, dotted.
#[derive(Debug)]
pub(in crate::pki) struct Identifier<'a>(pub &'a str);

impl fmt::Display for Identifier<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}
