//! Certificates: what is written in them, and what Go reads of it.
//!
//! ```text
//! certificate           a certificate, read once
//! pem_chain             the certificates of a file in PEM
//! distinguished_name    who it is of, and by
//! extension             what stands in its extensions
//! authority_hint        what else an authorityKeyIdentifier says of the issuer
//! uri                   which URIs Go reads
//! name_constraints      which names a CA's certificates may have
//! exclusions            the names that a trust anchor excludes
//! shape, der            which element stands where, and DER to the letter
//! stray                 what Go passes over and OpenSSL refuses to read
//! signature_algorithm   what it is signed with
//! draft                 a certificate that rcgen has encoded, finished: its names and its signature
//! trust_bundle          the CAs that a peer trusts: a ca.pem
//! quoted                texts of a certificate, as a message shows them
//! ```
//!
//! It signs nothing and judges nothing: whether a peer accepts what is read here is for
//! [`judge`](super::judge).

mod authority_hint;
mod certificate;
pub(super) mod der;
mod distinguished_name;
mod draft;
mod exclusions;
mod extension;
mod name_constraints;
mod pem_chain;
mod quoted;
mod shape;
mod signature_algorithm;
mod stray;
mod trust_bundle;
mod uri;

pub use certificate::Certificate;
pub(crate) use distinguished_name::DistinguishedName;
pub(super) use draft::finish;
pub use exclusions::Exclusions;
pub(crate) use extension::NameKind;
pub(super) use extension::{READ_BY_GO, name_of, oid, usages_of};
pub(crate) use name_constraints::NameConstraints;
pub(super) use quoted::{Identifier, InCertificate};
pub(super) use shape::{EXTENSIONS, VERSION};
pub(crate) use signature_algorithm::SignatureAlgorithm;
pub(super) use stray::Stray;
pub(crate) use trust_bundle::DroppedBlock;
pub use trust_bundle::TrustBundle;
