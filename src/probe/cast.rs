//! The people of the tests: a CA, a daemon, a client, and those who must not get in.

use std::time::Duration;

use super::{Identity, LocalFacts, Observed, Request, probe};
use crate::env::Environment;
use crate::message;
use crate::model::{
    AuthorityName, Endpoint, IdentityName, KeyAlgorithm, Lifetime, Role, SubjectAltName, Timestamp, Validity,
};
use crate::pki::{AuthorityRequest, CertificateAuthority, LeafRequest, PrivateKey, TrustBundle};

/// A CA with every identity that a probe has use for.
pub(super) struct Cast {
    pub(super) trust: TrustBundle,
    pub(super) server: Identity,
    pub(super) ours: Identity,
    pub(super) unknown_ca: Identity,
    pub(super) expired: Identity,
    pub(super) wrong_usage: Identity,
    pub(super) now: Timestamp,
}

impl Cast {
    pub(super) fn new(host: &str) -> Cast {
        // The practice daemon's verifier has the system's clock, as buildkitd has.
        let now = Environment::of_process().now();
        let authority = authority(now);
        let unknown_ca = CertificateAuthority::impersonate(authority.certificate(), &key()).unwrap();
        let past = now.minus(Lifetime::days(3));
        Cast {
            trust: TrustBundle::new(vec![authority.certificate().clone()]),
            server: issued(&authority, Role::Daemon, &[host], now),
            ours: issued(&authority, Role::Client, &[], now),
            unknown_ca: issued(&unknown_ca, Role::Client, &[], now),
            expired: issued(&authority, Role::Client, &[], past),
            wrong_usage: issued(&authority, Role::Daemon, &[host], now),
            now,
        }
    }

    pub(super) fn probe(&self, port: u16) -> Observed {
        self.probe_within(port, Duration::from_secs(10))
    }

    pub(super) fn probe_within(&self, port: u16, deadline: Duration) -> Observed {
        let endpoint = endpoint(port);
        probe(&self.request(&endpoint, deadline))
    }

    /// Everything at hand.
    pub(super) fn request<'a>(&'a self, endpoint: &'a Endpoint, deadline: Duration) -> Request<'a> {
        Request {
            ours: Some(&self.ours),
            unknown_ca: Some(&self.unknown_ca),
            expired: Some(&self.expired),
            wrong_usage: Some(&self.wrong_usage),
            ..Request::new(endpoint, &self.trust, deadline, self.now)
        }
    }

    /// What this machine knows of the daemon that was dialled.
    pub(super) fn local(&self, host: &str) -> LocalFacts {
        LocalFacts {
            again: message!("{kitcert} verify"),
            deadline: Duration::from_secs(10),
            endpoint: Endpoint::new(host.parse().unwrap(), 8372),
            identity: "client probe".into(),
            known_authorities: None,
            now: self.now,
            trust: self.trust.clone(),
            ours: Some(self.ours.chain.clone()),
            installed_leaf: self.server.chain.first().cloned(),
            installed_trust: Some(self.trust.clone()),
            layout: None,
            daemon: Some("builder".parse().unwrap()),
            restart: Some("docker restart earthly-buildkitd".into()),
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

fn issued(authority: &CertificateAuthority, role: Role, hosts: &[&str], now: Timestamp) -> Identity {
    let name: IdentityName = "probe".parse().unwrap();
    let hosts = hosts.iter().map(|host| host.parse().unwrap()).collect();
    let key = key();
    let request = LeafRequest::new(role, name, hosts, now, Lifetime::days(1));
    Identity { chain: vec![authority.issue(&request, key.public_key()).unwrap()], key }
}

pub(super) fn endpoint(port: u16) -> Endpoint {
    let host: SubjectAltName = "127.0.0.1".parse().unwrap();
    Endpoint::new(host, port)
}
