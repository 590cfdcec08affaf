//! The values of this layer that a message may contain.

use std::fmt;

use super::chain::ChainFault;
use super::key::Cost;
use super::{
    DistinguishedName, LostNewlines, NameKind, PemFault, PublicKeyKind, Receipt, SignatureAlgorithm,
};
use crate::model::parsed;

parsed!(
    ChainFault,
    Cost,
    DistinguishedName,
    Identifier<'_>,
    InCertificate<'_>,
    LostNewlines,
    NameKind,
    PemFault,
    PublicKeyKind,
    Receipt,
    SignatureAlgorithm,
    x509_parser::der_parser::oid::Oid<'_>,
);

// Fixed words, and a place in the bytes.
parsed!(pkcs8::der::Error, pkcs8::pkcs5::Error);

/// A text that stands in a parsed certificate, in quotes.
#[derive(Debug)]
pub(super) struct InCertificate<'a>(pub &'a str);

impl fmt::Display for InCertificate<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// An object identifier of a parsed certificate, dotted.
#[derive(Debug)]
pub(super) struct Identifier<'a>(pub &'a str);

impl fmt::Display for Identifier<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}
