//! Each way in which a daemon can be wrong, on Go's TLS set up as buildkitd's: the probe must
//! name the right fault, no other, and in time.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kitcert::env::Environment;
use kitcert::model::{
    AuthorityName, Endpoint, KeyAlgorithm, Lifetime, Role, Rule, Severity, Timestamp, Validity,
};
use kitcert::pki::{AuthorityRequest, CertificateAuthority, LeafRequest, PrivateKey, TrustBundle};
use kitcert::probe::{Identity, LocalFacts, Request, Verdict, judge, probe};

use crate::peers;

const HOST: &str = "127.0.0.1";
const DEADLINE: Duration = Duration::from_secs(3);

/// The daemon and the client of one scenario; sound until something is changed.
struct Scenario {
    now: Timestamp,
    authority: CertificateAuthority,
    server: Identity,
    client_authorities: TrustBundle,
    ours: Identity,
    options: &'static [&'static str],
    deadline: Duration,
}

impl Scenario {
    fn sound() -> Scenario {
        let now = Environment::of_process().now();
        let authority = authority(now);
        Scenario {
            now,
            server: issued(&authority, Role::Daemon, HOST, now),
            client_authorities: bundle(&[&authority]),
            ours: issued(&authority, Role::Client, HOST, now),
            authority,
            options: &[],
            deadline: DEADLINE,
        }
    }

    fn with(options: &'static [&'static str]) -> Scenario {
        Scenario { options, ..Scenario::sound() }
    }

    /// Starts the daemon and probes it. `None` where there is no Go to compile it with.
    fn verdict(&self) -> Option<Verdict> {
        let folder = tempfile::tempdir().unwrap();
        let peer = Peer::start(folder.path(), self)?;
        let started = Instant::now();
        let verdict = self.verdict_of(peer.port);
        assert!(started.elapsed() < self.deadline + Duration::from_millis(50), "{:?}", started.elapsed());
        Some(verdict)
    }

    fn verdict_of(&self, port: u16) -> Verdict {
        let stranger = impostor(&self.authority);
        let endpoint = Endpoint::new(HOST.parse().unwrap(), port);
        let trust = bundle(&[&self.authority]);
        let past = self.now.minus(Lifetime::days(3));
        let observed = probe(&Request {
            endpoint: &endpoint,
            trust: &trust,
            ours: Some(&self.ours),
            stranger: Some(&issued(&stranger, Role::Client, HOST, self.now)),
            expired: Some(&issued(&self.authority, Role::Client, HOST, past)),
            daemon_usage: Some(&issued(&self.authority, Role::Daemon, HOST, self.now)),
            deadline: self.deadline,
            now: self.now,
        });
        judge(
            &observed,
            &LocalFacts {
                endpoint,
                now: self.now,
                trust,
                ours: Some(self.ours.chain.clone()),
                installed_leaf: self.server.chain.first().cloned(),
                installed_trust: Some(self.client_authorities.clone()),
                daemon: None,
                restart: None,
                layout: None,
            },
        )
    }
}

/// A running `go-peer serve`, which ends when its standard input does.
struct Peer {
    child: Child,
    port: u16,
}

impl Peer {
    fn start(folder: &Path, scenario: &Scenario) -> Option<Peer> {
        let program = peers::program("go-peer", "verify_scenarios")?;
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let chain: String = scenario.server.chain.iter().map(|link| link.to_pem()).collect();
        let mut child = Command::new(program)
            .args(["serve", "--addr", "127.0.0.1:0"])
            .arg("--cert")
            .arg(write("cert.pem", &chain))
            .arg("--key")
            .arg(write("key.pem", &scenario.server.key.expose_pem()))
            .arg("--ca")
            .arg(write("ca.pem", &scenario.client_authorities.to_pem()))
            .args(scenario.options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().rsplit_once(':').unwrap().1.parse().unwrap();
        Some(Peer { child, port })
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        self.child.wait().unwrap();
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

fn impostor(original: &CertificateAuthority) -> CertificateAuthority {
    CertificateAuthority::impersonate(original.certificate(), &key()).unwrap()
}

fn bundle(authorities: &[&CertificateAuthority]) -> TrustBundle {
    TrustBundle::new(authorities.iter().map(|authority| authority.certificate().clone()).collect())
}

fn issued(authority: &CertificateAuthority, role: Role, host: &str, now: Timestamp) -> Identity {
    let key = key();
    let hosts = vec![host.parse().unwrap()];
    let request = LeafRequest::new(role, "probe".parse().unwrap(), hosts, now, Lifetime::days(1));
    Identity { chain: vec![authority.issue(&request, key.public_key()).unwrap()], key }
}

/// The rules that are at fault, but for the host, which is a loopback address in every scenario.
fn faults(verdict: &Verdict) -> Vec<Rule> {
    let at_fault = verdict.findings.iter().filter(|one| one.severity >= Severity::Warning);
    at_fault.map(|finding| finding.rule).filter(|rule| *rule != Rule::LoopbackHost).collect()
}

fn cause_of(verdict: &Verdict, rule: Rule) -> String {
    let finding = verdict.findings.iter().find(|finding| finding.rule == rule);
    finding.and_then(|finding| finding.cause.clone()).unwrap_or_default()
}

#[test]
fn a_sound_daemon_is_proven_whatever_it_may_lack() {
    for (options, faulty) in [
        (&[][..], vec![]),
        (&["--tls12"], vec![]),
        (&["--no-alpn"], vec![Rule::NoAlpn]),
        (&["--no-info"], vec![]),
        (&["--slow", "200ms"], vec![]),
        (&["--idle", "42"], vec![]),
    ] {
        let Some(verdict) = Scenario::with(options).verdict() else { return };
        assert_eq!(faults(&verdict), faulty, "{options:?}: {:#?}", verdict.findings);
        assert!(verdict.proven, "{options:?}: {}", verdict.summary);
    }
}

#[test]
fn an_open_daemon_is_called_open() {
    let everybody =
        [Rule::AnonymousAccepted, Rule::StrangerAccepted, Rule::ExpiredAccepted, Rule::DaemonUsageAccepted];
    let Some(verdict) = Scenario::with(&["--no-ca"]).verdict() else { return };
    assert_eq!(faults(&verdict), everybody);
    assert_eq!(verdict.summary, "OPEN: anyone who reaches this port can run code here");
    assert_eq!(
        cause_of(&verdict, Rule::AnonymousAccepted),
        "TLS has a certificate and a key, and no CA for its clients"
    );

    let Some(verdict) = Scenario::with(&["--plaintext"]).verdict() else { return };
    assert_eq!(faults(&verdict), [Rule::NotTls, Rule::PlaintextAccepted]);
    assert!(verdict.summary.starts_with("OPEN"));
}

#[test]
fn a_proxys_refusal_and_silence_are_no_proof() {
    for options in [&["--lenient"][..], &["--silent"], &["--slow", "10s"]] {
        let deadline = if options[0] == "--lenient" { DEADLINE } else { Duration::from_millis(300) };
        let Some(verdict) = (Scenario { deadline, ..Scenario::with(options) }).verdict() else { return };
        let faulty = faults(&verdict);
        assert!(!faulty.is_empty() && faulty.iter().all(|rule| *rule == Rule::Inconclusive), "{options:?}");
        assert!(!verdict.proven && verdict.summary.starts_with("not proven"), "{}", verdict.summary);
    }
}

#[test]
fn what_answers_and_is_no_working_buildkit_is_named() {
    for (options, rule) in [
        (&["--workers", "0"][..], Rule::NotBuildkit),
        (&["--grpc-status", "12"], Rule::NotBuildkit),
        (&["--http-status", "503"], Rule::NotBuildkit),
        (&["--grpc-status", "14"], Rule::OursRefused),
        (&["--grpc-status", "16"], Rule::OursRefused),
    ] {
        let Some(verdict) = Scenario::with(options).verdict() else { return };
        assert_eq!(faults(&verdict).first(), Some(&rule), "{options:?}: {:#?}", verdict.findings);
        assert!(!verdict.proven, "{options:?}");
    }
}

#[test]
fn a_daemons_certificate_at_fault_is_named_and_nothing_of_ours_is_sent() {
    let sound = Scenario::sound;
    let now = sound().now;
    let past = now.minus(Lifetime::days(3));
    let of = |make: &dyn Fn(&Scenario) -> Identity| {
        let scenario = sound();
        Scenario { server: make(&scenario), ..scenario }
    };
    for (scenario, rule, cause) in [
        (
            of(&|one| issued(&one.authority, Role::Daemon, "other.example", now)),
            Rule::ServerNameMismatch,
            "for other hosts",
        ),
        (of(&|one| issued(&one.authority, Role::Daemon, HOST, past)), Rule::ServerExpired, ""),
        (of(&|_| issued(&authority(now), Role::Daemon, HOST, now)), Rule::ServerUntrusted, "by another CA"),
        (
            of(&|one| issued(&impostor(&one.authority), Role::Daemon, HOST, now)),
            Rule::ServerUntrusted,
            "another key",
        ),
    ] {
        let Some(verdict) = scenario.verdict() else { return };
        assert_eq!(faults(&verdict), [rule], "{:#?}", verdict.findings);
        assert!(cause_of(&verdict, rule).contains(cause), "{}", cause_of(&verdict, rule));
        assert!(verdict.summary.contains("nothing of ours was sent"), "{}", verdict.summary);
    }
    let scenario = of(&|one| issued(&one.authority, Role::Client, HOST, now));
    let Some(verdict) = scenario.verdict() else { return };
    assert!(faults(&verdict).contains(&Rule::ServerUsage), "{:#?}", verdict.findings);
}

#[test]
fn why_ours_is_refused_is_told_apart() {
    let now = Scenario::sound().now;
    let past = now.minus(Lifetime::days(3));
    let trusting = |make: &dyn Fn(&Scenario) -> TrustBundle| {
        let scenario = Scenario::sound();
        Scenario { client_authorities: make(&scenario), ..scenario }
    };
    let showing = |make: &dyn Fn(&Scenario) -> Identity| {
        let scenario = Scenario::sound();
        Scenario { ours: make(&scenario), ..scenario }
    };
    for (scenario, cause) in [
        (trusting(&|_| bundle(&[&authority(now)])), "was not sent"),
        (trusting(&|one| bundle(&[&impostor(&one.authority)])), "another key"),
        (showing(&|one| issued(&one.authority, Role::Client, HOST, past)), "our certificate expired"),
        (showing(&|one| issued(&one.authority, Role::Daemon, HOST, now)), "lack clientAuth"),
    ] {
        let Some(verdict) = scenario.verdict() else { return };
        assert_eq!(faults(&verdict).first(), Some(&Rule::OursRefused), "{:#?}", verdict.findings);
        assert!(cause_of(&verdict, Rule::OursRefused).contains(cause), "{:#?}", verdict.findings);
        assert_eq!(verdict.summary, "CLOSED: our own certificate is refused");
    }
}

#[test]
fn a_bundle_of_two_cas_is_proven_and_an_older_one_is_stale() {
    let sound = Scenario::sound();
    let newer = authority(sound.now);
    let client_authorities = bundle(&[&newer, &sound.authority]);
    let Some(verdict) = (Scenario { client_authorities, ..sound }).verdict() else { return };
    assert!(verdict.proven, "{:#?}", verdict.findings);
}

#[test]
fn a_port_where_nothing_listens_is_unreachable() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let verdict = Scenario::sound().verdict_of(port);
    assert_eq!(faults(&verdict), [Rule::Unreachable]);
}

#[test]
fn an_earthly_daemon_tells_how_long_it_has_been_idle() {
    let Some(verdict) = Scenario::with(&["--idle", "42"]).verdict() else { return };
    assert_eq!(verdict.facts["idle_seconds"], 42);
    assert_eq!(verdict.facts["sessions"], 0);
    let Some(verdict) = Scenario::sound().verdict() else { return };
    assert!(verdict.facts["idle_seconds"].is_null());
}
