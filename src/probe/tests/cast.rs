//! The people of the tests: a CA, a daemon, a client, and those who must not get in.

use std::time::Duration;

use crate::env::Environment;
use crate::message;
use crate::model::{
    AuthorityName, Endpoint, IdentityName, KeyAlgorithm, Lifetime, Role, SubjectAltName, Timestamp, Validity,
};
use crate::pki::{AuthorityRequest, CertificateAuthority, LeafRequest, PrivateKey, TrustBundle};
use crate::probe::{CertificateAndKey, DialResults, Expected, Request, UnknownCa, probe};

/// A CA with every identity that a probe has use for.
pub(crate) struct Cast {
    pub(crate) trust: TrustBundle,
    pub(crate) server: CertificateAndKey,
    pub(crate) client: CertificateAndKey,
    pub(crate) unknown_ca: UnknownCa,
    pub(crate) expired: CertificateAndKey,
    pub(crate) wrong_usage: CertificateAndKey,
    pub(crate) now: Timestamp,
}

impl Cast {
    pub(crate) fn new(host: &str) -> Cast {
        // The practice daemon's verifier has the system's clock, as buildkitd has.
        let now = Environment::of_process().now();
        let authority = authority(now);
        let past = now.minus(Lifetime::days(3));
        let client = issued(&authority, Role::Client, &[], now);
        Cast {
            trust: TrustBundle::new(vec![authority.certificate().clone()]),
            server: issued(&authority, Role::Daemon, &[host], now),
            unknown_ca: UnknownCa::beside(authority.certificate(), client.chain.first(), now).unwrap(),
            client,
            expired: issued(&authority, Role::Client, &[], past),
            wrong_usage: issued(&authority, Role::Daemon, &[host], now),
            now,
        }
    }

    pub(crate) fn probe(&self, port: u16) -> DialResults {
        self.probe_within(port, Duration::from_secs(10))
    }

    pub(crate) fn probe_within(&self, port: u16, deadline: Duration) -> DialResults {
        let endpoint = endpoint(port);
        probe(&self.request(&endpoint, deadline))
    }

    /// Everything at hand.
    pub(crate) fn request<'a>(&'a self, endpoint: &'a Endpoint, deadline: Duration) -> Request<'a> {
        Request {
            client: Some(&self.client),
            unknown_ca: Some(&self.unknown_ca),
            expired: Some(&self.expired),
            wrong_usage: Some(&self.wrong_usage),
            ..Request::new(endpoint, &self.trust, deadline, self.now)
        }
    }

    /// What this machine knows of the daemon that was dialed.
    pub(crate) fn expected(&self, host: &str) -> Expected {
        Expected {
            again: crate::probe::Again {
                command: message!("{kitcert} verify"),
                deadline: Duration::from_secs(10),
                pace: Duration::ZERO,
            },
            endpoint: Endpoint::new(host.parse().unwrap(), 8372),
            identity: "client probe".into(),
            known_authorities: None,
            now: self.now,
            trust: self.trust.clone(),
            client: Some(self.client.chain.clone()),
            installed_leaf: self.server.chain.first().cloned(),
            installed_trust: Some(self.trust.clone()),
            layout: None,
            daemon: Some("builder".parse().unwrap()),
            restart: Some("docker restart earthly-buildkitd".into()),
            start: None,
            give: None,
            renew: None,
            way_out: None,
        }
    }
}

fn key() -> PrivateKey {
    PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap()
}

fn authority(now: Timestamp) -> CertificateAuthority {
    let from = now.minus(Lifetime::days(30));
    let validity = Validity { not_before: from, not_after: now.plus(Lifetime::days(30)) };
    CertificateAuthority::create(&AuthorityRequest { name: AuthorityName::default(), validity }, &key())
        .unwrap()
}

fn issued(authority: &CertificateAuthority, role: Role, hosts: &[&str], now: Timestamp) -> CertificateAndKey {
    let name: IdentityName = "probe".parse().unwrap();
    let hosts = hosts.iter().map(|host| host.parse().unwrap()).collect();
    let key = key();
    let request = LeafRequest::new(role, name, hosts, now, Lifetime::days(1));
    CertificateAndKey { chain: vec![authority.issue(&request, key.public_key()).unwrap()], key }
}

pub(crate) fn endpoint(port: u16) -> Endpoint {
    let host: SubjectAltName = "127.0.0.1".parse().unwrap();
    Endpoint::new(host, port)
}
