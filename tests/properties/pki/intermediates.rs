//! An intermediate of another program's root that is loaded as a CA: what it issues is accepted by
//! everybody who trusts the root, as long as the intermediate comes with it.

use std::path::Path;
use std::sync::Mutex;

use kitcert::env::Environment;
use kitcert::model::{Finding, KeyAlgorithm, Lifetime, Role, Severity};
use kitcert::pki::judge::Peer;
use kitcert::pki::{Certificate, CertificateAuthority, LeafRequest, PrivateKey, TrustBundle};

use crate::figures::{Aim, publish};
use crate::pki::interoperability::{CLIENTS, JavaClient, KEYS, Pair, SERVERS, Stack, dial, exception, serve};
use crate::pki::taken_in::run;
use crate::support::peers;
use crate::support::servers::{Files, Server};
use crate::support::turns::is_turn;
use crate::support::workspace::Workspace;

const TEST: &str = "a_chain_through_an_imported_intermediate_is_accepted_whole_and_refused_without_it";
const HOSTS: [&str; 2] = ["builder.example.com", "127.0.0.1"];

/// A root and an intermediate of openssl's, and files of a daemon and a client below.
struct Corporation {
    workspace: Workspace,
    algorithm: KeyAlgorithm,
}

impl Corporation {
    fn found(openssl: &Path, key: &str) -> Corporation {
        let workspace = Workspace::new();
        let kind: &[&str] = match key {
            "ecdsa-p256" => &["ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
            "ecdsa-p384" => &["ec", "-pkeyopt", "ec_paramgen_curve:P-384"],
            kind => &[kind],
        };
        let openssl = |arguments: &[&str]| drop(run(openssl, &workspace.path("."), arguments));
        let request = |name: &str| {
            let (subject, key, csr) = (format!("/CN={name}"), format!("{name}.key"), format!("{name}.csr"));
            let files = ["-nodes", "-subj", &subject, "-keyout", &key, "-out", &csr];
            openssl(&[&["req", "-new", "-newkey"], kind, &files].concat());
        };
        let common = "keyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n";
        let write = |name: &str, text: &str| std::fs::write(workspace.path(name), text).unwrap();
        write("root.cnf", &format!("basicConstraints=critical,CA:TRUE\n{common}"));
        let constraints = "basicConstraints=critical,CA:TRUE,pathlen:0\nauthorityKeyIdentifier=keyid\n";
        write("intermediate.cnf", &format!("{constraints}{common}"));
        request("root");
        request("intermediate");
        let root = ["-in", "root.csr", "-signkey", "root.key", "-extfile", "root.cnf", "-out", "ca.pem"];
        openssl(&[&["x509", "-req", "-days", "30"], &root[..]].concat());
        let by_root = ["-CA", "ca.pem", "-CAkey", "root.key", "-extfile", "intermediate.cnf"];
        let files = ["-in", "intermediate.csr", "-out", "intermediate.pem"];
        openssl(&[&["x509", "-req", "-days", "20"], &by_root[..], &files].concat());
        Corporation { workspace, algorithm: key.parse().unwrap() }
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.workspace.path(name)).unwrap()
    }

    fn intermediate(&self) -> Certificate {
        Certificate::chain_from_pem(&self.read("intermediate.pem"), "intermediate.pem").unwrap().remove(0)
    }

    /// What the intermediate issues: with it, and without.
    fn issue(&self, role: Role) -> [Pair; 2] {
        let key = PrivateKey::from_pem(&self.read("intermediate.key"), "intermediate.key").ok().unwrap();
        let authority =
            CertificateAuthority::load(self.intermediate(), &key, "intermediate.pem").ok().unwrap();
        let hosts = match role {
            Role::Daemon => HOSTS.map(|host| host.parse().unwrap()).to_vec(),
            Role::Client => Vec::new(),
        };
        let now = Environment::of_process().now();
        let request = LeafRequest::new(role, "ana".parse().unwrap(), hosts, now, Lifetime::days(7));
        let key = PrivateKey::generate(self.algorithm).ok().unwrap();
        let leaf = authority.issue(&request, key.public_key()).unwrap();
        let folder = |name: &str| self.workspace.path(&format!("{role}{name}"));
        let alone = leaf.to_pem();
        let whole = alone.clone() + &self.intermediate().to_pem();
        [("", whole), ("-alone", alone)].map(|(name, chain)| Pair::written(&folder(name), &chain, &key))
    }

    /// What our judgement of chains is of a client's file.
    fn gravest(&self, pair: &Pair) -> Severity {
        let chain = Certificate::chain_from_pem(&std::fs::read(&pair.cert).unwrap(), "cert.pem").unwrap();
        let trust = TrustBundle::from_pem(&self.read("ca.pem"), "ca.pem").unwrap();
        let now = Environment::of_process().now();
        Finding::gravest(&Peer { trust: &trust, accepts: Role::Client, host: None, now }.findings(&chain))
    }
}

#[test]
fn a_chain_through_an_imported_intermediate_is_accepted_whole_and_refused_without_it() {
    if !is_turn("a_chain_through_an_imported_intermediate_is_accepted_whole_and_refused_without_it") {
        return;
    }
    let Some(openssl) = peers::program("openssl", TEST) else { return };
    let java = Mutex::new(JavaClient::start());
    let (mut accepted, mut refused) = (0, 0);
    for key in KEYS {
        let corporation = Corporation::found(&openssl, key);
        let ca = corporation.workspace.path("ca.pem");
        let [daemon, bare_daemon] = corporation.issue(Role::Daemon);
        let [client, bare_client] = corporation.issue(Role::Client);
        assert!(corporation.gravest(&client) < Severity::Error, "{key}");
        assert_eq!(corporation.gravest(&bare_client), Severity::Error, "{key}");
        let speak = |server: Stack, client: Stack| exception(server, client, key).is_none();
        for server_stack in SERVERS.into_iter().filter(|server| speak(*server, Stack::Go)) {
            let Some(server) = serve(server_stack, &ca, &daemon) else { continue };
            for client_stack in CLIENTS.into_iter().filter(|client| speak(server_stack, *client)) {
                let ask =
                    |name: &str, pair: &Pair| dial(client_stack, &java, server.port, name, &ca, Some(pair));
                for name in HOSTS {
                    let Some(said) = ask(name, &client) else { break };
                    let between = format!("{key}, {client_stack:?} to {server_stack:?}, {name}");
                    assert!(said.starts_with("accepted"), "{between}: {said}");
                    accepted += 1;
                }
                let Some(said) = ask(HOSTS[0], &bare_client) else { continue };
                let between = format!("{key}, {client_stack:?} alone to {server_stack:?}");
                assert!(!said.starts_with("accepted"), "{between}: {said}");
                refused += 1;
            }
        }
        let Some(server) = serve(Stack::Go, &ca, &bare_daemon) else { continue };
        for client_stack in CLIENTS.into_iter().filter(|client| speak(Stack::Go, *client)) {
            let said = dial(client_stack, &java, server.port, HOSTS[0], &ca, Some(&client));
            let Some(said) = said else { continue };
            assert!(!said.starts_with("accepted"), "{key}, {client_stack:?} to a daemon alone: {said}");
            refused += 1;
        }
    }
    let aim = Aim { words: "every one", is_met: true };
    let figure =
        "clients' TLS to servers', through an intermediate of openssl's root that we issue by: accepted";
    publish("interoperability", figure, accepted, Some(aim));
    publish(
        "interoperability",
        "clients' TLS to servers', that intermediate left out: refused",
        refused,
        Some(aim),
    );
}

#[test]
fn verify_proves_a_daemon_whose_chain_has_an_intermediate() {
    const TEST: &str = "verify_proves_a_daemon_whose_chain_has_an_intermediate";
    let Some(openssl) = peers::program("openssl", TEST) else { return };
    let corporation = Corporation::found(&openssl, "ecdsa-p256");
    let [daemon, _] = corporation.issue(Role::Daemon);
    let [client, bare_client] = corporation.issue(Role::Client);
    let files = Files { ca: corporation.workspace.path("ca.pem"), cert: daemon.cert, key: daemon.key };
    let Some(server) = Server::go(&files, &[], TEST) else { return };
    let target = format!("tcp://127.0.0.1:{}", server.port);
    let verify = |pair: &Pair| {
        let mut verify = corporation.workspace.command(["verify", &target, "--format", "json"]);
        verify.arg("--ca").arg(&files.ca).arg("--cert").arg(&pair.cert).arg("--key").arg(&pair.key);
        corporation.workspace.finish(verify, "").json()
    };
    let proven = verify(&client);
    let dials = proven["daemon"]["dials"].as_array().unwrap();
    let client = dials.iter().find(|one| one["dial"] == "O").unwrap();
    assert_eq!(client["outcome"], "accepted", "{proven:#}");
    let alone = verify(&bare_client);
    assert!(alone.to_string().contains("client-intermediate-missing"), "{alone:#}");
}
