//! What a probe is asked to do.

use std::net::IpAddr;
use std::time::Duration;

use super::certificate_and_key::CertificateAndKey;
use super::unknown_ca::UnknownCa;
use crate::model::{Endpoint, SubjectAltName, Timestamp};
use crate::pki::TrustBundle;

/// Whom to probe, with what.
pub struct Request<'a> {
    /// The daemon.
    pub endpoint: &'a Endpoint,
    /// The name that its certificate must have and that the ClientHello carries, if it is not the
    /// endpoint's host.
    pub server_name: Option<&'a SubjectAltName>,
    /// The addresses to dial instead of every address of the host; none for every one.
    pub addresses: &'a [IpAddr],
    /// The daemon's other hosts, as far as they are known here.
    pub other_hosts: &'a [SubjectAltName],
    /// The CAs that a client of it trusts.
    pub trust: &'a TrustBundle,
    /// A client's own identity; without it nothing can be verified.
    pub client: Option<&'a CertificateAndKey>,
    /// Certificates of CAs that the daemon does not know.
    pub unknown_ca: Option<&'a UnknownCa>,
    /// An expired identity of the client's CA.
    pub expired: Option<&'a CertificateAndKey>,
    /// An identity of the client's CA with a daemon's usage.
    pub wrong_usage: Option<&'a CertificateAndKey>,
    /// How much of the list is dialed.
    pub extent: Extent,
    /// How often the whole list is dialed; at least once.
    pub samples: u16,
    /// How long to wait between two dials; then no two are open at once.
    pub pace: Duration,
    /// For how long a daemon is waited for that is not up yet.
    pub wait: Duration,
    /// How long all dials together may take.
    pub deadline: Duration,
    /// The instant at which certificates are judged.
    pub now: Timestamp,
}

/// How much of the list is dialed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All of it.
    Matrix,
    /// One dial to the first address that can be connected to, as the client or, without a
    /// certificate, as nobody. It verifies nothing.
    Glance,
    /// The same dial, which also asks what the daemon builds.
    Activity,
    /// The same dial, by a client of a CA that must not be trusted any more: its certificate is shown
    /// whatever CAs the daemon names, since whoever has a stolen key does not hold back.
    Distrusted,
}

impl<'a> Request<'a> {
    /// One with nothing at hand, and nothing else set.
    #[must_use]
    pub fn new(endpoint: &'a Endpoint, trust: &'a TrustBundle, deadline: Duration, now: Timestamp) -> Self {
        Request {
            endpoint,
            server_name: None,
            addresses: &[],
            other_hosts: &[],
            trust,
            client: None,
            unknown_ca: None,
            expired: None,
            wrong_usage: None,
            extent: Extent::Matrix,
            samples: 1,
            pace: Duration::ZERO,
            wait: Duration::ZERO,
            deadline,
            now,
        }
    }

    /// The name that the daemon's certificate must have.
    pub(super) fn host(&self) -> &'a SubjectAltName {
        self.server_name.unwrap_or(self.endpoint.host())
    }
}
