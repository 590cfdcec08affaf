//! Certificates: keys, issuing, requests, chains as each peer sees them, and the lint.
//!
//! Everything here turns bytes and values into bytes and values; the only thing it asks of the
//! machine is random numbers. It knows no path, no clock and no network. Private keys live in
//! [`PrivateKey`] alone, whose bytes leave by two doors that a test counts the users of; a
//! [`Passphrase`] has one of its own.

pub mod audit;
mod authority;
mod certificate;
pub mod chain;
mod chain_fault;
mod der;
mod distinguished_name;
mod encrypted_key;
mod extension;
pub mod handshake;
pub mod kit;
pub mod lint;
mod lost_newlines;
mod name_constraints;
mod passphrase;
mod pem_block;
mod pem_label;
mod printable;
mod private_key;
mod public_key;
mod receipt;
mod request;
mod shape;
mod signature_algorithm;
mod signer;
#[cfg(test)]
mod specimens;
mod trust_bundle;

pub use authority::{AuthorityRequest, CertificateAuthority, LeafRequest};
pub use certificate::Certificate;
pub use distinguished_name::DistinguishedName;
pub use encrypted_key::EncryptedKey;
pub use extension::{BasicConstraints, ExtensionSummary, KeyUsage, NameKind};
pub use kit::{Kit, KitContents};
pub use lost_newlines::LostNewlines;
pub use name_constraints::NameConstraints;
pub use passphrase::Passphrase;
pub use pem_block::{PemBlock, PemFault};
pub use pem_label::PemLabel;
pub use private_key::{KeyEncoding, PrivateKey};
pub use public_key::{PublicKey, PublicKeyKind};
pub use receipt::Receipt;
pub use request::CertificateRequest;
pub use signature_algorithm::SignatureAlgorithm;
pub use trust_bundle::{DroppedBlock, TrustBundle};
