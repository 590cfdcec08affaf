//! TLS that is neither Go's nor ours, on the files that the program issues: it must take them, and
//! the program must say the right thing of servers built on it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::peers;
use crate::support::servers::{Files, Server, peer};

/// A state with a daemon and the client ana, made by the program itself.
pub struct State {
    folder: TempDir,
}

impl State {
    fn new(key: &str) -> State {
        State::of(key, &[HOST, "127.0.0.1"])
    }

    /// The same for other hosts.
    pub fn of(key: &str, hosts: &[&str]) -> State {
        let state = State { folder: tempfile::tempdir().unwrap() };
        let hosts = hosts.iter().flat_map(|host| ["--host", host]);
        let mut init = state.kitcert();
        init.args(["init", "--client", "ana", "--allow-wildcard", "--key-type", key]).args(hosts);
        let done = init.output().unwrap();
        assert!(done.status.success(), "{}", told(&done));
        state
    }

    fn kitcert(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kitcert"));
        command
            .env_clear()
            .env("HOME", self.folder.path())
            .arg("--state")
            .arg(self.folder.path().join("state"));
        command
    }

    /// A path beside the state.
    pub fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// The files of the daemon.
    pub fn daemon(&self) -> Files {
        Files::in_folder(&self.folder.path().join("state/daemons/builder/current"))
    }

    /// A file of the client.
    pub fn ana(&self, file: &str) -> PathBuf {
        self.folder.path().join("state/clients/ana/current").join(file)
    }

    /// What `verify` says of that port, as ana.
    fn verified(&self, port: u16) -> Verified {
        let endpoint = format!("tcp://127.0.0.1:{port}");
        let output = self
            .kitcert()
            .args(["verify", &endpoint, "--client", "ana", "--timeout", "10s", "--format", "json"])
            .output()
            .unwrap();
        let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", told(&output)));
        Verified { exit: output.status.code().unwrap(), report }
    }
}

/// The report of one `verify`.
struct Verified {
    exit: i32,
    report: Value,
}

impl Verified {
    fn verdict(&self) -> &str {
        self.report["verdict"].as_str().unwrap()
    }

    /// The finding about that dial with that rule, as text of its severity, cause and what was found.
    fn finding(&self, rule: &str, subject: &str) -> Option<String> {
        let found = self.report["findings"]
            .as_array()
            .unwrap()
            .iter()
            .find(|one| one["rule"] == rule && one["subject"] == subject)?;
        Some(["severity", "found", "cause"].map(|key| found[key].as_str().unwrap_or_default()).join("; "))
    }

    /// The outcomes of every dial whose name begins so.
    fn outcomes(&self, dial: &str) -> Vec<&str> {
        let dials = self.report["daemon"]["dials"].as_array().unwrap().iter();
        let those = dials.filter(|one| one["dial"].as_str().unwrap().starts_with(dial));
        those.map(|one| one["outcome"].as_str().unwrap()).collect()
    }

    fn is_not_verified(&self) -> bool {
        !self.verdict().contains("OPEN") && !self.verdict().starts_with("verified")
    }
}

/// All that a program said.
pub fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn a_daemon_on_grpcs_c_core_is_verified() {
    for key in ["ecdsa-p256", "ecdsa-p384"] {
        let state = State::new(key);
        let Some(server) = Server::grpcio(&state.daemon(), "require", "a_daemon_on_grpcs_c_core_is_verified")
        else {
            return;
        };
        let verified = state.verified(server.port);
        assert_eq!(verified.exit, 0, "{key}: {:#}", verified.report);
        assert!(verified.verdict().starts_with("verified"), "{key}: {:#}", verified.report);
        assert_eq!(verified.report["daemon"]["version"], "v0.0.0-grpcio");
        assert_eq!(verified.report["daemon"]["workers"][0]["platforms"][0], "linux/amd64");
    }
}

/// Go and openssl verify Ed25519 in a handshake; BoringSSL, unless it is told to, does not.
#[test]
fn a_key_whose_signatures_a_daemon_does_not_accept_is_named() {
    let test = "a_key_whose_signatures_a_daemon_does_not_accept_is_named";
    let state = State::new("ed25519");
    let Some(server) = Server::grpcio(&state.daemon(), "require", test) else { return };
    let verified = state.verified(server.port);
    assert_eq!(verified.exit, 3, "{:#}", verified.report);
    let ours = verified.finding("client-refused", "client").unwrap();
    assert!(ours.contains("accepts no signature of ed25519"), "{ours}");
}

#[test]
fn a_daemon_on_grpcs_c_core_that_asks_nobody_is_called_open() {
    let state = State::new("ecdsa-p256");
    let test = "a_daemon_on_grpcs_c_core_that_asks_nobody_is_called_open";
    let Some(server) = Server::grpcio(&state.daemon(), "open", test) else { return };
    let verified = state.verified(server.port);
    assert_eq!(verified.exit, 3, "{:#}", verified.report);
    assert!(verified.verdict().starts_with("OPEN"), "{:#}", verified.report);
    let accepted = verified.finding("no-certificate-accepted", "no certificate").unwrap();
    assert!(accepted.contains("no client CA"), "{accepted}");
}

#[test]
fn nginxs_refusal_by_http_is_neither_proof_nor_an_open_door() {
    let test = "nginxs_refusal_by_http_is_neither_proof_nor_an_open_door";
    for key in KEYS {
        let state = State::new(key);
        let Some(daemon) = Server::go(&state.daemon(), &[], test) else { return };
        let Some(proxy) = Server::nginx(&state.daemon(), &behind_nginx(&state, "on", daemon.port), test)
        else {
            return;
        };
        let verified = state.verified(proxy.port);
        assert!(verified.outcomes("O").iter().all(|one| *one == "accepted"), "{key}: {:#}", verified.report);
        for (dial, rule, subject) in
            [("N", "no-certificate-accepted", "no certificate"), ("U", "unknown-ca-accepted", "unknown CA")]
        {
            let outcomes = verified.outcomes(dial);
            // nginx ends some handshakes for an error that OpenSSL has left from another connection.
            assert!(outcomes.contains(&"let-in-by-tls"), "{key}: {:#}", verified.report);
            let finding = verified.finding(rule, subject).unwrap();
            assert!(finding.starts_with("error") && finding.contains("proxy"), "{key}: {finding}");
        }
        assert!(verified.is_not_verified() && verified.verdict().contains("HTTP"), "{}", verified.verdict());
    }
}

#[test]
fn nginx_that_lets_anyone_through_to_a_daemon_is_called_open() {
    let test = "nginx_that_lets_anyone_through_to_a_daemon_is_called_open";
    let state = State::new("ecdsa-p256");
    let Some(daemon) = Server::go(&state.daemon(), &[], test) else { return };
    let Some(proxy) = Server::nginx(&state.daemon(), &behind_nginx(&state, "off", daemon.port), test) else {
        return;
    };
    let verified = state.verified(proxy.port);
    assert!(verified.verdict().starts_with("OPEN"), "{:#}", verified.report);
    assert_eq!(verified.exit, 3);
}

/// A proxy that shows ana's certificate to the daemon, whoever asked for it.
fn behind_nginx(state: &State, verify: &str, daemon: u16) -> String {
    let file = |name| state.ana(name).display().to_string();
    format!(
        "ssl_verify_client {verify};\nlocation / {{\ngrpc_pass grpcs://127.0.0.1:{daemon};\n\
         grpc_ssl_certificate {};\ngrpc_ssl_certificate_key {};\ngrpc_ssl_trusted_certificate {};\n\
         grpc_ssl_verify on;\ngrpc_ssl_name {HOST};\n}}",
        file("cert.pem"),
        file("key.pem"),
        file("ca.pem"),
    )
}

#[test]
fn a_web_server_with_our_certificate_is_no_buildkit() {
    let test = "a_web_server_with_our_certificate_is_no_buildkit";
    for (verify, location) in [
        ("off", "return 200 'hello';"),
        ("off", "return 404;"),
        ("on", "return 200 'hello';"),
        ("on", "return 404;"),
    ] {
        let state = State::new("ecdsa-p256");
        let directives = format!("ssl_verify_client {verify};\nlocation / {{ {location} }}");
        let Some(server) = Server::nginx(&state.daemon(), &directives, test) else { return };
        let verified = state.verified(server.port);
        assert_eq!(verified.exit, 3, "{directives}: {:#}", verified.report);
        let ours = verified.finding("not-buildkit", "client").unwrap();
        assert!(ours.starts_with("error") && ours.contains("proxy"), "{directives}: {ours}");
        assert!(verified.is_not_verified(), "{directives}: {}", verified.verdict());
    }
}

#[test]
fn openssls_server_takes_the_client_and_refuses_no_certificate() {
    let test = "openssls_server_takes_the_client_and_refuses_no_certificate";
    for key in KEYS {
        let state = State::new(key);
        let Some(server) = Server::openssl(&state.daemon(), &["-alpn", "h2", "-rev"], test) else { return };
        let verified = state.verified(server.port);
        assert_eq!(verified.exit, 3, "{key}: {:#}", verified.report);
        let ours = verified.finding("not-buildkit", "client").unwrap();
        assert!(ours.contains("another service"), "{key}: {ours}");
        for dial in ["N", "U", "E", "W"] {
            let outcomes = verified.outcomes(dial);
            // It has no HTTP/1.1, and says so (alert 120).
            let (refused, others): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(|one| *one == "refused");
            assert!(!refused.is_empty(), "{key}: {:#}", verified.report);
            assert!(others.is_empty() || others == ["not-served"], "{key}: {:#}", verified.report);
        }
        assert!(verified.is_not_verified(), "{key}: {}", verified.verdict());
    }
}

#[test]
fn a_server_that_shakes_hands_and_says_nothing_is_called_silent() {
    let state = State::new("ecdsa-p256");
    let test = "a_server_that_shakes_hands_and_says_nothing_is_called_silent";
    let Some(server) = Server::openssl(&state.daemon(), &["-alpn", "h2"], test) else { return };
    let verified = state.verified(server.port);
    assert_eq!(verified.exit, 3);
    assert!(verified.verdict().starts_with("not verified: the time was up"), "{}", verified.verdict());
}

#[test]
fn openssls_client_verifies_the_daemon_and_is_let_in_as_ana() {
    let test = "openssls_client_verifies_the_daemon_and_is_let_in_as_ana";
    let Some(openssl) = peers::program("openssl", test) else { return };
    for key in KEYS {
        let state = State::new(key);
        let Some(server) = Server::go(&state.daemon(), &[], test) else { return };
        for (host, code) in [(HOST, "0 (ok)"), ("other.example.com", "62 (hostname mismatch)")] {
            let mut command = Command::new(&openssl);
            command.args(["s_client", "-connect", &format!("127.0.0.1:{}", server.port), "-alpn", "h2"]);
            command.args(["-x509_strict", "-servername", HOST, "-verify_hostname", host]);
            command.arg("-CAfile").arg(state.ana("ca.pem"));
            command.arg("-cert").arg(state.ana("cert.pem")).arg("-key").arg(state.ana("key.pem"));
            let output = told(&peers::run(&mut command, ""));
            assert!(output.contains(&format!("Verify return code: {code}")), "{key}: {output}");
            assert!(output.contains("ALPN protocol: h2"), "{key}: {output}");
        }
    }
}

#[test]
fn gnutls_accepts_daemon_and_client_certificates_of_every_key_type() {
    let test = "gnutls_accepts_daemon_and_client_certificates_of_every_key_type";
    let Some(certtool) = peers::program("certtool", test) else { return };
    let accepts = |authority: &Path, certificate: &Path, host: &str, purpose: &str| {
        let mut command = Command::new(&certtool);
        command.args(["--verify", "--verify-hostname", host, "--verify-purpose", purpose]);
        command.arg("--load-ca-certificate").arg(authority).arg("--infile").arg(certificate);
        peers::run(&mut command, "").status.success()
    };
    for key in KEYS {
        let state = State::new(key);
        let (ca, server, client) = (state.ana("ca.pem"), state.daemon().cert, state.ana("cert.pem"));
        assert!(accepts(&ca, &server, HOST, SERVER_USAGE), "{key}");
        assert!(accepts(&ca, &server, "127.0.0.1", SERVER_USAGE), "{key}");
        assert!(accepts(&ca, &client, ANA, CLIENT_USAGE), "{key}");
        assert!(!accepts(&ca, &server, "other.example.com", SERVER_USAGE), "{key}");
        assert!(!accepts(&ca, &server, HOST, CLIENT_USAGE), "{key}");
        assert!(!accepts(&ca, &client, ANA, SERVER_USAGE), "{key}");
        assert!(!accepts(&State::new(key).ana("ca.pem"), &server, HOST, SERVER_USAGE), "{key}");
    }
}

#[test]
fn gnutlss_client_verifies_the_daemon_and_is_let_in_as_ana() {
    let test = "gnutlss_client_verifies_the_daemon_and_is_let_in_as_ana";
    let Some(gnutls) = peers::program("gnutls-cli", test) else { return };
    for key in KEYS {
        let state = State::new(key);
        let Some(server) = Server::go(&state.daemon(), &[], test) else { return };
        let mut command = Command::new(&gnutls);
        command.args(["--port", &server.port.to_string(), "--verify-hostname", HOST, "--alpn", "h2"]);
        command.arg("--x509cafile").arg(state.ana("ca.pem"));
        command.arg("--x509certfile").arg(state.ana("cert.pem"));
        command.arg("--x509keyfile").arg(state.ana("key.pem")).arg("127.0.0.1");
        let output = peers::run(&mut command, "");
        assert!(output.status.success(), "{key}: {}", told(&output));
        assert!(told(&output).contains("The certificate is trusted"), "{key}: {}", told(&output));
    }
}

#[test]
fn pythons_strict_client_is_let_in_as_ana_and_refused_as_nobody() {
    let test = "pythons_strict_client_is_let_in_as_ana_and_refused_as_nobody";
    let Some(python) = peers::program("python3", test) else { return };
    for key in KEYS {
        let state = State::new(key);
        let Some(server) = Server::go(&state.daemon(), &[], test) else { return };
        let client = |host: &str, identity: &[PathBuf]| {
            let mut command = Command::new(&python);
            command.arg(peer("ssl_client.py")).arg(server.port.to_string()).arg(host);
            told(&command.arg(state.ana("ca.pem")).args(identity).output().unwrap())
        };
        let ana = [state.ana("cert.pem"), state.ana("key.pem")];
        let by_name = client(HOST, &ana);
        assert_eq!(by_name.trim(), "accepted TLSv1.3", "{key}");
        assert_eq!(client("127.0.0.1", &ana), by_name, "{key}");
        let nobody = client(HOST, &[]);
        assert!(nobody.starts_with("refused") && nobody.contains("CERTIFICATE_REQUIRED"), "{key}: {nobody}");
        assert!(client("other.example.com", &ana).starts_with("untrusted"), "{key}");
    }
}

const HOST: &str = "builder.example.com";
const KEYS: [&str; 3] = ["ecdsa-p256", "ecdsa-p384", "ed25519"];
const ANA: &str = "ana.client.kitcert.internal";
/// id-kp-serverAuth and id-kp-clientAuth of RFC 5280 section 4.2.1.12.
const SERVER_USAGE: &str = "1.3.6.1.5.5.7.3.1";
const CLIENT_USAGE: &str = "1.3.6.1.5.5.7.3.2";
