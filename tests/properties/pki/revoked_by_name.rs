//! What every TLS that can be had makes of a daemon's anchor that excludes names: whoever is excluded
//! is refused by name and by key, and everybody else is let in, whether or not the CA's key was at hand.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use kitcert::model::Role;
use kitcert::model::profile::MOST_EXCLUSIONS;
use kitcert::pki::judge::Peer;
use kitcert::pki::{Certificate, TrustBundle};

use crate::figures::{Aim, publish};
use crate::pki::excluded_clients::{Issued, issued_by_another, like_easy_rsa, now, of_kitcert, of_version_1};
use crate::pki::interoperability::{JavaClient, Pair, SERVERS, Stack, dial, serve};
use crate::pki::other_stacks::{State, told};
use crate::support::peers;
use crate::support::servers::{Files, Server, peer};
use crate::support::turns::is_turn;

const TEST: &str = "every_tls_refuses_the_excluded_and_lets_the_others_in";
const HOST: &str = "builder.example.com";

/// Whose rules an anchor and a leaf are judged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Verifier {
    Kitcert,
    OpensslVerify,
    Certtool,
    Pyca,
    Server(Served),
}

/// Servers in the order of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Served {
    Go,
    OlderGo,
    Grpc,
    Openssl,
    Nginx,
    Haproxy,
    Python,
    Java,
}

const VERIFIERS: [Verifier; 12] = [
    Verifier::Kitcert,
    Verifier::OpensslVerify,
    Verifier::Certtool,
    Verifier::Pyca,
    Verifier::Server(Served::Go),
    Verifier::Server(Served::OlderGo),
    Verifier::Server(Served::Grpc),
    Verifier::Server(Served::Openssl),
    Verifier::Server(Served::Nginx),
    Verifier::Server(Served::Haproxy),
    Verifier::Server(Served::Python),
    Verifier::Server(Served::Java),
];

/// What a verifier with one anchor makes of clients.
struct Asked<'a> {
    verifier: Verifier,
    state: &'a State,
    anchor: &'a Path,
    server: Option<Server>,
}

impl<'a> Asked<'a> {
    /// None, and a skip, where the verifier is not here.
    fn start(verifier: Verifier, state: &'a State, anchor: &'a Path) -> Option<Asked<'a>> {
        let asked = |server| Some(Asked { verifier, state, anchor, server });
        let daemon = Files { ca: anchor.to_owned(), ..state.daemon() };
        let pair = Pair { cert: daemon.cert.clone(), key: daemon.key.clone() };
        let stack = match verifier {
            Verifier::Kitcert => return asked(None),
            Verifier::OpensslVerify => return peers::program("openssl", TEST).and_then(|_| asked(None)),
            Verifier::Certtool => return peers::program("certtool", TEST).and_then(|_| asked(None)),
            Verifier::Pyca => {
                let python = peers::program("python3", TEST)?;
                let import = "from cryptography.x509.verification import ExtensionPolicy";
                let has_it =
                    Command::new(python).args(["-c", import]).stderr(Stdio::null()).status().unwrap();
                if !has_it.success() {
                    peers::skip(TEST, "pyca/cryptography is not here, or older than 45");
                    return None;
                }
                return asked(None);
            }
            Verifier::Server(Served::Grpc) => return asked(Some(Server::grpcio(&daemon, "require", TEST)?)),
            Verifier::Server(Served::Haproxy) => return asked(Some(haproxy(&daemon)?)),
            Verifier::Server(Served::Go) => Stack::Go,
            Verifier::Server(Served::OlderGo) => Stack::OlderGo,
            Verifier::Server(Served::Openssl) => Stack::Openssl,
            Verifier::Server(Served::Nginx) => Stack::Nginx,
            Verifier::Server(Served::Python) => Stack::Python,
            Verifier::Server(Served::Java) => Stack::Java,
        };
        assert!(SERVERS.contains(&stack));
        asked(Some(serve(stack, anchor, &pair)?))
    }

    /// Begins with `accepted` for whoever is let in; None, and a skip, without the client's program.
    fn of(&self, client: &Pair) -> Option<String> {
        let run = |program: &str, arguments: &[&dyn AsRef<std::ffi::OsStr>]| {
            let mut command = Command::new(peers::program(program, TEST).unwrap());
            command.args(arguments.iter().map(AsRef::as_ref));
            peers::run(&mut command, "")
        };
        let by_status = |output: std::process::Output| match output.status.success() {
            true => "accepted".to_owned(),
            false => format!("refused {}", told(&output).replace('\n', " ")),
        };
        let cert = &client.cert;
        Some(match self.verifier {
            Verifier::Kitcert => judged(self.anchor, cert),
            Verifier::OpensslVerify => by_status(run(
                "openssl",
                &[&"verify", &"-x509_strict", &"-purpose", &"sslclient", &"-CAfile", &self.anchor, cert],
            )),
            Verifier::Certtool => by_status(run(
                "certtool",
                &[
                    &"--verify",
                    &"--verify-purpose",
                    &"1.3.6.1.5.5.7.3.2",
                    &"--load-ca-certificate",
                    &self.anchor,
                    &"--infile",
                    cert,
                ],
            )),
            Verifier::Pyca => told(&run("python3", &[&peer("pyca_verify.py"), &self.anchor, cert])),
            Verifier::Server(Served::Grpc) => {
                let address = format!("127.0.0.1:{}", self.server.as_ref()?.port);
                let mut command = Command::new(peers::program("go-peer", TEST)?);
                command.args(["client", "--addr", &address, "--name", HOST, "--ca"]);
                command.arg(self.state.ana("ca.pem")).arg("--cert").arg(cert).arg("--key").arg(&client.key);
                told(&peers::run(&mut command, ""))
            }
            Verifier::Server(_) => {
                let no_java: Mutex<Option<JavaClient>> = Mutex::new(None);
                let port = self.server.as_ref()?.port;
                dial(Stack::Go, &no_java, port, HOST, &self.state.ana("ca.pem"), Some(client))?
            }
        })
    }
}

fn judged(anchor: &Path, cert: &Path) -> String {
    let trust = TrustBundle::from_pem(&std::fs::read(anchor).unwrap(), "ca.pem").unwrap();
    let chain = Certificate::chain_from_pem(&std::fs::read(cert).unwrap(), "cert.pem").unwrap();
    let peer = Peer { trust: &trust, accepts: Role::Client, host: None, now: now() };
    match peer.accept(&chain) {
        Ok(_) => "accepted".to_owned(),
        Err(refusals) => format!("refused {refusals:?}"),
    }
}

fn haproxy(files: &Files) -> Option<Server> {
    let folder = tempfile::tempdir().unwrap();
    let read = |path: &PathBuf| std::fs::read_to_string(path).unwrap();
    let pair = folder.path().join("pair.pem");
    std::fs::write(&pair, format!("{}{}", read(&files.cert), read(&files.key))).unwrap();
    let configuration = format!(
        "defaults\n mode http\n timeout connect 5s\n timeout client 30s\n timeout server 30s\n\
         frontend builder\n bind fd@0 ssl crt {} ca-file {} verify required\n http-request return status 200\n",
        pair.display(),
        files.ca.display(),
    );
    Server::haproxy(folder, &configuration, TEST)
}

/// Who lets in whom all the same, with the reason: an exception that is none any more fails.
fn exception(verifier: Verifier) -> Option<&'static str> {
    match verifier {
        Verifier::Server(Served::Java) => Some("Java 17 does not look at the name constraints of an anchor"),
        _ => None,
    }
}

/// What was said of those who are excluded, and of the others.
#[derive(Default)]
struct Said {
    refused: usize,
    accepted: usize,
    let_in_though_excluded: usize,
    wrong: Vec<String>,
}

impl Said {
    fn add(&mut self, other: Said) {
        self.refused += other.refused;
        self.accepted += other.accepted;
        self.let_in_though_excluded += other.let_in_though_excluded;
        self.wrong.extend(other.wrong);
    }
}

/// What every verifier says of the clients of a CA, with each of its anchors.
fn said_of(issued: &Issued, state: &State, all: &Mutex<BTreeMap<Verifier, Said>>) {
    let written = |anchor: &Certificate| {
        let path = state.path(&format!("{}.pem", anchor.fingerprint()));
        std::fs::write(&path, anchor.to_pem()).unwrap();
        path
    };
    let original = written(&issued.ca);
    let takes_original = |verifier: Verifier| {
        let asked = Asked::start(verifier, state, &original);
        asked.and_then(|asked| asked.of(&issued.ana)).is_some_and(|word| word.starts_with("accepted"))
    };
    // Strict ones never took a CA of version 1.
    let judges = VERIFIERS.into_iter().filter(|one| issued.ca.version() == 3 || takes_original(*one));
    let judges: Vec<Verifier> = judges.collect();
    for (set, _) in &issued.canaries {
        let canaries = issued.canaries.iter().map(|(of, pair)| ("a canary", pair, set == of));
        let clients = [
            ("ben, by name", &issued.ben, true),
            ("cleo, by her key", &issued.cleo, set.len() == MOST_EXCLUSIONS),
            ("ana", &issued.ana, false),
        ];
        let clients: Vec<_> = clients.into_iter().chain(canaries).collect();
        for (how, signer) in [("self-signed", Some(&issued.key)), ("without the CA's key", None)] {
            let anchor = issued.ca.excluding(set, signer).unwrap();
            assert_eq!(anchor.is_self_signed(), signer.is_some());
            let path = written(&anchor);
            for verifier in &judges {
                let Some(asked) = Asked::start(*verifier, state, &path) else { continue };
                let mut said = Said::default();
                for (client, pair, is_excluded) in &clients {
                    let Some(word) = asked.of(pair) else { continue };
                    match (word.starts_with("accepted"), is_excluded) {
                        (false, true) => said.refused += 1,
                        (true, false) => said.accepted += 1,
                        (true, true) if exception(*verifier).is_some() => said.let_in_though_excluded += 1,
                        _ => said.wrong.push(format!(
                            "{verifier:?}, CA {}, {how}, {} excluded: {client}: {}",
                            issued.what,
                            set.len(),
                            word.trim()
                        )),
                    }
                }
                all.lock().unwrap().entry(*verifier).or_default().add(said);
            }
        }
    }
}

#[test]
fn every_tls_refuses_the_excluded_and_lets_the_others_in() {
    if !is_turn("every_tls_refuses_the_excluded_and_lets_the_others_in") {
        return;
    }
    let state = State::of("ecdsa-p256", &[HOST, "127.0.0.1"]);
    let makers = [like_easy_rsa, of_version_1, issued_by_another];
    let of_others = makers.iter().filter_map(|make| make(&state, TEST));
    let issued: Vec<Issued> = [of_kitcert(&state)].into_iter().chain(of_others).collect();
    let all = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for issued in &issued {
            scope.spawn(|| said_of(issued, &state, &all));
        }
    });
    let all = all.into_inner().unwrap();
    for (verifier, said) in &all {
        let Said { refused, accepted, let_in_though_excluded, wrong } = said;
        println!(
            "{verifier:?}: {refused} refused, {accepted} accepted, {let_in_though_excluded} let in though excluded"
        );
        wrong.iter().for_each(|wrong| println!("  {wrong}"));
        // An exception that is none any more.
        assert_eq!(*let_in_though_excluded > 0, exception(*verifier).is_some(), "{verifier:?}");
    }
    assert!(all.values().all(|said| said.wrong.is_empty()), "see above");
    let enforcing: Vec<&Said> = all.values().filter(|said| said.refused > 0).collect();
    let sum = |count: fn(&Said) -> usize| enforcing.iter().map(|said| count(said)).sum::<usize>();
    let aim = Some(Aim { words: "every one", is_met: true });
    let words =
        |what: &str| format!("clients at {} verifiers whose anchor excludes names: {what}", enforcing.len());
    publish("revocation", &words("those excluded, refused"), sum(|said| said.refused), aim);
    publish("revocation", &words("the others, accepted"), sum(|said| said.accepted), aim);
    publish(
        "revocation",
        "verifiers that enforce no exclusions (Java 17)",
        all.len() - enforcing.len(),
        None,
    );
}
