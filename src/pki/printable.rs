//! The values of this layer that a message may contain.

use super::judge::ChainFault;
use super::key::Cost;
use super::x509::{Identifier, InCertificate};
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
