//! What a probe is asked to do.

use std::time::Duration;

use crate::model::{Endpoint, Timestamp};
use crate::pki::{Certificate, PrivateKey, TrustBundle};

/// A certificate chain, leaf first, and its key: what a peer of TLS shows.
pub struct Identity {
    /// The certificates, leaf first.
    pub chain: Vec<Certificate>,
    /// The key of the leaf.
    pub key: PrivateKey,
}

/// Whom to probe, with what.
pub struct Request<'a> {
    /// The daemon.
    pub endpoint: &'a Endpoint,
    /// The CAs that a client of it trusts.
    pub trust: &'a TrustBundle,
    /// A client's own identity; without it nothing can be proven.
    pub ours: Option<&'a Identity>,
    /// An identity of a stranger's CA that looks like ours.
    pub stranger: Option<&'a Identity>,
    /// An expired identity of our CA.
    pub expired: Option<&'a Identity>,
    /// An identity of our CA with a daemon's usage.
    pub daemon_usage: Option<&'a Identity>,
    /// How long all dials together may take.
    pub deadline: Duration,
    /// The instant at which certificates are judged.
    pub now: Timestamp,
}
