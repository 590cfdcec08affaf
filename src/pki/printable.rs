//! The values of this layer that a message may contain.

use super::judge::ChainFault;
use super::key::Cost;
use super::x509::{Identifier, InCertificate};
use super::{
    DistinguishedName, ForeignKey, NameKind, PemFault, PublicKeyKind, Receipt, SignatureAlgorithm, WrongForm,
};
use crate::model::{DnsName, Line, Message, Printable, parsed};

parsed!(
    ChainFault,
    Cost,
    DistinguishedName,
    ForeignKey,
    Identifier<'_>,
    InCertificate<'_>,
    PemFault,
    PublicKeyKind,
    Receipt,
    SignatureAlgorithm,
    WrongForm,
    x509_parser::der_parser::oid::Oid<'_>,
);

// Fixed words, and a place in the bytes.
parsed!(pkcs8::der::Error, pkcs8::pkcs5::Error);

/// Whoever makes a certificate writes into it what he likes: a name that is no host is text.
impl Printable for NameKind {
    fn message(&self) -> Message {
        match self {
            NameKind::Dns(name) => match name.parse::<DnsName>() {
                Ok(name) => name.message(),
                Err(_) => Line(name).message(),
            },
            NameKind::Uri(text) | NameKind::Email(text) | NameKind::Malformed(text) => Line(text).message(),
            NameKind::Ip(address) => address.message(),
            NameKind::Other => "a name of another kind".message(),
        }
    }
}
