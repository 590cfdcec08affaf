//! A daemon and a client of it, in memory, and what a probe says when one dials the other.

use std::path::Path;
use std::time::{Duration, Instant};

use kitcert::env::Environment;
use kitcert::model::{
    AuthorityName, Endpoint, KeyAlgorithm, Lifetime, Role, Rule, Severity, Timestamp, Validity,
};
use kitcert::pki::{AuthorityRequest, CertificateAuthority, LeafRequest, PrivateKey, TrustBundle};
use kitcert::probe::{Again, CertificateAndKey, Expected, Request, UnknownCa, Verdict, judge, probe};

use crate::support::servers::Files;

/// Where a daemon listens, and what its certificate is for.
pub const HOST: &str = "127.0.0.1";
/// How long a probe may take.
pub const DEADLINE: Duration = Duration::from_secs(3);

/// Whom the daemon trusts and what it shows, and the same of the client; sound until something is
/// changed.
pub struct Scenario {
    /// By the clock of the client.
    pub now: Timestamp,
    /// The one that the client trusts.
    pub authority: Authority,
    /// What the daemon shows.
    pub server: CertificateAndKey,
    /// Whom the daemon lets in.
    pub client_authorities: TrustBundle,
    /// What the client shows.
    pub client: CertificateAndKey,
    /// What the client knows of the daemon's files; nothing but the ca.pem here.
    pub installed_trust: Option<TrustBundle>,
    /// How long the probe may take.
    pub deadline: Duration,
}

/// A CA and its key.
pub struct Authority {
    /// The CA.
    pub made: CertificateAuthority,
    /// Its key.
    pub key: PrivateKey,
}

impl Scenario {
    /// One in which nothing is wrong.
    pub fn sound() -> Scenario {
        let now = Environment::of_process().now();
        Scenario::of(authority(now), now)
    }

    /// The same under that CA.
    pub fn of(authority: Authority, now: Timestamp) -> Scenario {
        let client_authorities = bundle(&[&authority]);
        Scenario {
            now,
            server: issued(&authority, Role::Daemon, HOST, now),
            installed_trust: Some(client_authorities.clone()),
            client_authorities,
            client: issued(&authority, Role::Client, HOST, now),
            authority,
            deadline: DEADLINE,
        }
    }

    /// The daemon's files, written there.
    pub fn files(&self, folder: &Path) -> Files {
        let files = Files::in_folder(folder);
        let chain: String = self.server.chain.iter().map(|link| link.to_pem()).collect();
        std::fs::write(&files.cert, chain).unwrap();
        std::fs::write(&files.key, self.server.key.expose_pem().as_bytes()).unwrap();
        std::fs::write(&files.ca, self.client_authorities.to_pem()).unwrap();
        files
    }

    /// What is said of whoever listens there. Panics where that takes longer than it may, which a
    /// busy machine is forgiven twice.
    pub fn verdict(&self, host: &str, port: u16) -> Verdict {
        for _ in 0..3 {
            let (verdict, took) = self.verdict_at_leisure(host, port);
            if took < self.deadline + LEEWAY {
                return verdict;
            }
        }
        panic!("no verdict on {host}:{port} within {:?}", self.deadline + LEEWAY);
    }

    fn verdict_at_leisure(&self, host: &str, port: u16) -> (Verdict, Duration) {
        let endpoint = Endpoint::new(host.parse().unwrap(), port);
        let trust = bundle(&[&self.authority]);
        let past = self.now.minus(Lifetime::days(3));
        let unknown_ca =
            UnknownCa::beside(self.authority.made.certificate(), self.client.chain.first(), self.now)
                .unwrap();
        let expired = issued(&self.authority, Role::Client, HOST, past);
        let wrong_usage = issued(&self.authority, Role::Daemon, HOST, self.now);
        let started = Instant::now();
        let observed = probe(&Request {
            client: Some(&self.client),
            unknown_ca: Some(&unknown_ca),
            expired: Some(&expired),
            wrong_usage: Some(&wrong_usage),
            ..Request::new(&endpoint, &trust, self.deadline, self.now)
        });
        let took = started.elapsed();
        let verdict = judge(
            &observed,
            &Expected {
                endpoint,
                identity: "client probe".into(),
                now: self.now,
                trust,
                known_authorities: None,
                client: Some(self.client.chain.clone()),
                installed_leaf: self.server.chain.first().cloned(),
                installed_trust: self.installed_trust.clone(),
                daemon: None,
                restart: None,
                start: None,
                give: None,
                renew: None,
                way_out: None,
                layout: None,
                again: Again {
                    command: "kitcert verify".into(),
                    deadline: self.deadline,
                    pace: Duration::ZERO,
                },
            },
        );
        (verdict, took)
    }
}

fn key() -> PrivateKey {
    PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap()
}

/// A CA that has been there for thirty days and will be as long.
pub fn authority(now: Timestamp) -> Authority {
    let from = now.minus(Lifetime::days(30));
    let validity = Validity { not_before: from, not_after: now.plus(Lifetime::days(30)) };
    let (request, key) = (AuthorityRequest { name: AuthorityName::default(), validity }, key());
    Authority { made: CertificateAuthority::create(&request, &key).unwrap(), key }
}

/// Another CA of that one's name.
pub fn impostor(original: &Authority) -> Authority {
    let key = key();
    Authority {
        made: CertificateAuthority::impersonate(
            original.made.certificate(),
            &key,
            original.made.certificate().validity(),
        )
        .unwrap(),
        key,
    }
}

/// Those CAs.
pub fn bundle(authorities: &[&Authority]) -> TrustBundle {
    TrustBundle::new(authorities.iter().map(|authority| authority.made.certificate().clone()).collect())
}

/// A certificate of a day, by the profile.
pub fn issued(authority: &Authority, role: Role, host: &str, now: Timestamp) -> CertificateAndKey {
    issued_for(key(), authority, role, host, now)
}

/// The same for that key.
pub fn issued_for(
    key: PrivateKey,
    authority: &Authority,
    role: Role,
    host: &str,
    now: Timestamp,
) -> CertificateAndKey {
    let hosts = vec![host.parse().unwrap()];
    let request = LeafRequest::new(role, "probe".parse().unwrap(), hosts, now, Lifetime::days(1));
    CertificateAndKey { chain: vec![authority.made.issue(&request, key.public_key()).unwrap()], key }
}

/// The rules that are at fault, but for the host, which is a loopback address in every scenario.
pub fn faults(verdict: &Verdict) -> Vec<Rule> {
    let at_fault = verdict.findings.iter().filter(|one| one.severity >= Severity::Warning);
    at_fault.map(|finding| finding.rule).filter(|rule| *rule != Rule::LoopbackHost).collect()
}

/// What a probe may take beyond its deadline.
const LEEWAY: Duration = Duration::from_millis(50);
