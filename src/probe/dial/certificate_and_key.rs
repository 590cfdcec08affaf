//! What a peer of TLS shows.

use crate::pki::{Certificate, PrivateKey};

/// A certificate chain, leaf first, and its key: what a peer of TLS shows.
pub struct CertificateAndKey {
    /// The certificates, leaf first.
    pub chain: Vec<Certificate>,
    /// The key of the leaf.
    pub key: PrivateKey,
}
