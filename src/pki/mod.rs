//! Certificates: keys, issuing, requests, chains as each peer sees them, and the lint.
//!
//! Everything here turns bytes and values into bytes and values; the only thing it asks of the
//! machine is random numbers. It knows no path, no clock and no network. Private keys live in
//! [`PrivateKey`] alone, whose bytes leave by two doors that a test counts the users of.

mod authority;
mod certificate;
pub mod chain;
mod chain_fault;
mod der;
mod distinguished_name;
mod extension;
pub mod lint;
mod name_constraints;
mod pem_block;
mod private_key;
mod public_key;
mod request;
mod signature_algorithm;
mod trust_bundle;

pub use authority::{AuthorityRequest, CertificateAuthority, LeafRequest};
pub use certificate::Certificate;
pub use distinguished_name::DistinguishedName;
pub use extension::{BasicConstraints, ExtensionSummary, KeyUsage, NameKind};
pub use name_constraints::NameConstraints;
pub use pem_block::{PemBlock, PemFault};
pub use private_key::{KeyEncoding, PrivateKey};
pub use public_key::{PublicKey, PublicKeyKind};
pub use request::CertificateRequest;
pub use signature_algorithm::SignatureAlgorithm;
pub use trust_bundle::{DroppedBlock, TrustBundle};
