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
mod extension;
pub mod handshake;
mod key;
pub mod kit;
pub mod lint;
mod name_constraints;
mod pem;
mod printable;
mod receipt;
mod request;
mod shape;
mod signature_algorithm;
#[cfg(test)]
mod specimens;
mod trust_bundle;

pub use self::pem::{PemBlock, PemFault, PemLabel};
pub use authority::{AuthorityRequest, CertificateAuthority, LeafRequest};
pub use certificate::Certificate;
pub use distinguished_name::DistinguishedName;
pub use extension::{BasicConstraints, ExtensionSummary, KeyUsage, NameKind};
pub use key::{EncryptedKey, KeyEncoding, LostNewlines, Passphrase, PrivateKey, PublicKey, PublicKeyKind};
pub use kit::{Kit, KitContents};
pub use name_constraints::NameConstraints;
pub use receipt::Receipt;
pub use request::CertificateRequest;
pub use signature_algorithm::SignatureAlgorithm;
pub use trust_bundle::{DroppedBlock, TrustBundle};
