//! Every client's TLS against every server's, on the files that the program issues: each pair must
//! find each other, and none may be taken in by certificates that are at fault.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;

use kitcert::env::Environment;
use kitcert::model::{KeyAlgorithm, Lifetime, Role, Timestamp, Validity};
use kitcert::pki::{Certificate, CertificateAuthority, LeafRequest, PrivateKey};

use crate::figures::{Aim, publish};
use crate::pki::other_stacks::{State, told};
use crate::support::numbers::some_of;
use crate::support::peers;
use crate::support::servers::{Files, Server, peer};
use crate::support::turns::is_turn;

const TEST: &str = "every_clients_tls_and_every_servers_agree_on_what_is_issued";
pub const KEYS: [&str; 3] = ["ecdsa-p256", "ecdsa-p384", "ed25519"];
/// A name of each kind that the daemon's certificate has, as a client verifies it.
const NAMES: [&str; 4] = ["builder.example.com", "127.0.0.1", "::1", "one.wild.example.com"];
const OTHER_NAMES: [&str; 3] = ["other.example.com", "127.0.0.2", "one.two.wild.example.com"];

/// Whose TLS a server has, or a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stack {
    Go,
    OlderGo,
    Openssl,
    Nginx,
    Gnutls,
    Python,
    Java,
}

pub const SERVERS: [Stack; 6] =
    [Stack::Go, Stack::OlderGo, Stack::Openssl, Stack::Nginx, Stack::Python, Stack::Java];
pub const CLIENTS: [Stack; 6] =
    [Stack::Go, Stack::OlderGo, Stack::Openssl, Stack::Gnutls, Stack::Python, Stack::Java];

/// Where two programs of others do not get along, whatever the certificates, or where one is known
/// to be more lenient: with the reason, since an exception without one is a defect.
pub fn exception(server: Stack, client: Stack, key: &str) -> Option<&'static str> {
    match (server, client, key) {
        (Stack::Java, _, "ed25519") | (_, Stack::Java, "ed25519") => {
            Some("Java 17 offers no Ed25519 in TLS (JDK-8166595 made the keys, not the handshake)")
        }
        _ => None,
    }
}

/// Files that a server or a client presents.
#[derive(Clone)]
pub struct Pair {
    pub cert: PathBuf,
    pub key: PathBuf,
}

impl Pair {
    /// Writes both into a folder.
    pub fn written(folder: &Path, certificates: &str, key: &PrivateKey) -> Pair {
        std::fs::create_dir_all(folder).unwrap();
        let pair = Pair { cert: folder.join("cert.pem"), key: folder.join("key.pem") };
        std::fs::write(&pair.cert, certificates).unwrap();
        std::fs::write(&pair.key, key.expose_pem().as_bytes()).unwrap();
        pair
    }
}

/// What is at fault with a pair that nobody may be taken in by.
const FAULTS: [&str; 3] = ["another CA of the same name", "expired", "the other side's usage"];

/// Java's client, one process for all of its dials.
pub struct JavaClient {
    child: Child,
    asked: ChildStdin,
    said: BufReader<ChildStdout>,
}

impl JavaClient {
    pub fn start() -> Option<JavaClient> {
        let mut child = java()?.arg("dial").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (asked, said) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Some(JavaClient { child, asked, said })
    }

    fn dial(&mut self, port: u16, name: &str, ca: &Path, pair: Option<&Pair>) -> String {
        let path =
            |file: Option<&PathBuf>| file.map_or_else(|| "-".to_owned(), |file| file.display().to_string());
        let (cert, key) = (path(pair.map(|pair| &pair.cert)), path(pair.map(|pair| &pair.key)));
        writeln!(self.asked, "{port} {name} {} {cert} {key}", ca.display()).unwrap();
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        line
    }
}

impl Drop for JavaClient {
    fn drop(&mut self) {
        let _ = self.child.kill();
        self.child.wait().unwrap();
    }
}

/// A program in Java; `None` where Java or its program is not here.
fn java() -> Option<Command> {
    let program = peers::program("java", TEST)?;
    let classes = Path::new(&std::env::var_os("KITCERT_PEERS")?).join("java");
    if !classes.join("TlsPeer.class").is_file() {
        peers::skip(TEST, "no javac here");
        return None;
    }
    let mut command = Command::new(program);
    command.args(["-XX:TieredStopAtLevel=1", "-Xshare:auto", "-cp"]).arg(classes).arg("TlsPeer");
    Some(command)
}

/// The program in Go, as that Go compiled it.
fn portable(stack: Stack) -> &'static str {
    if stack == Stack::OlderGo { "go-portable-1.19" } else { "go-portable" }
}

/// A server that insists on a client's certificate; `None`, and a skip, where the program is not here.
pub fn serve(stack: Stack, ca: &Path, pair: &Pair) -> Option<Server> {
    let mut command = match stack {
        Stack::Go | Stack::OlderGo => {
            let mut command = Command::new(peers::program(portable(stack), TEST)?);
            command
                .args(["welcome", "--ca"])
                .arg(ca)
                .arg("--cert")
                .arg(&pair.cert)
                .arg("--key")
                .arg(&pair.key);
            command
        }
        Stack::Python => {
            let mut command = Command::new(peers::program("python3", TEST)?);
            command.arg(peer("ssl_server.py")).args([ca, &pair.cert, &pair.key]);
            command
        }
        Stack::Java => {
            let mut command = java()?;
            command.arg("serve").args([ca, &pair.cert, &pair.key]);
            command
        }
        Stack::Openssl => {
            let mut command = Command::new(peers::program("openssl", TEST)?);
            command.args([
                "s_server",
                "-accept",
                "127.0.0.1:0",
                "-www",
                "-Verify",
                "1",
                "-verify_return_error",
            ]);
            command.arg("-x509_strict").arg("-CAfile").arg(ca).stderr(Stdio::null());
            command.arg("-cert").arg(&pair.cert).arg("-key").arg(&pair.key).args(sent_with(pair));
            return Some(Server::greeting(&mut command, "ACCEPT"));
        }
        Stack::Nginx => {
            let files = Files { ca: ca.to_owned(), cert: pair.cert.clone(), key: pair.key.clone() };
            return Server::nginx(&files, "ssl_verify_client on;\nreturn 200;", TEST);
        }
        Stack::Gnutls => unreachable!("gnutls-serv cannot be told to listen on 127.0.0.1 alone"),
    };
    Some(Server::greeting(&mut command, "listening"))
}

/// What a client makes of a server, and the server of it: begins with `accepted` where both took
/// the other; `None`, and a skip, where the program is not here.
pub fn dial(
    stack: Stack,
    java: &Mutex<Option<JavaClient>>,
    port: u16,
    name: &str,
    ca: &Path,
    pair: Option<&Pair>,
) -> Option<String> {
    let request = "GET / HTTP/1.0\r\n\r\n";
    let address = format!("127.0.0.1:{port}");
    let own = |command: &mut Command, cert: &str, key: &str| {
        if let Some(pair) = pair {
            command.arg(cert).arg(&pair.cert).arg(key).arg(&pair.key);
        }
    };
    let said = match stack {
        Stack::Go | Stack::OlderGo => {
            let mut command = Command::new(peers::program(portable(stack), TEST)?);
            command.args(["greeted", "--addr", &address, "--name", name, "--ca"]).arg(ca);
            own(&mut command, "--cert", "--key");
            told(&peers::run(&mut command, ""))
        }
        Stack::Python => {
            let mut command = Command::new(peers::program("python3", TEST)?);
            command.arg(peer("ssl_client.py")).args(["--ask", &port.to_string(), name]).arg(ca);
            if let Some(pair) = pair {
                command.args([&pair.cert, &pair.key]);
            }
            told(&peers::run(&mut command, ""))
        }
        Stack::Java => java.lock().unwrap().as_mut()?.dial(port, name, ca, pair),
        Stack::Openssl => {
            let mut command = Command::new(peers::program("openssl", TEST)?);
            command.args(["s_client", "-connect", &address, "-quiet", "-ign_eof", "-verify_return_error"]);
            let is_address = name.parse::<std::net::IpAddr>().is_ok();
            command.args([if is_address { "-verify_ip" } else { "-verify_hostname" }, name]);
            command.arg("-x509_strict").arg("-CAfile").arg(ca);
            own(&mut command, "-cert", "-key");
            command.args(pair.map_or_else(Vec::new, sent_with));
            judged(&told(&peers::run(&mut command, request)))
        }
        Stack::Gnutls => {
            let mut command = Command::new(peers::program("gnutls-cli", TEST)?);
            command.args(["--port", &port.to_string(), "--verify-hostname", name, "--x509cafile"]).arg(ca);
            own(&mut command, "--x509certfile", "--x509keyfile");
            judged(&told(&peers::run(command.arg("127.0.0.1"), request)))
        }
        Stack::Nginx => unreachable!("nginx is no client"),
    };
    Some(said)
}

/// What openssl's programs must be told to send what stands behind the leaf in a file.
fn sent_with(pair: &Pair) -> Vec<OsString> {
    let text = std::fs::read_to_string(&pair.cert).unwrap();
    let end = "-----END CERTIFICATE-----\n";
    match text.split_once(end) {
        Some((_, rest)) if !rest.is_empty() => {
            let path = pair.cert.with_extension("rest");
            std::fs::write(&path, rest).unwrap();
            vec!["-cert_chain".into(), path.into()]
        }
        _ => Vec::new(),
    }
}

/// What a client that prints the answer has seen.
fn judged(output: &str) -> String {
    let is_answer = |line: &str| {
        line.starts_with("welcome") || line.starts_with("HTTP/1.1 200") || line.starts_with("HTTP/1.0 200")
    };
    let is_accepted = output.lines().any(is_answer);
    if is_accepted { "accepted".to_owned() } else { format!("refused or untrusted: {output}") }
}

/// A pair that is at fault, for a daemon or a client.
fn faulty(state: &State, key: &str, role: Role, fault: &str) -> Pair {
    let algorithm: KeyAlgorithm = key.parse().unwrap();
    let read = |path: PathBuf| std::fs::read(path).unwrap();
    let ca = Certificate::chain_from_pem(&read(state.ana("ca.pem")), "ca.pem").unwrap().remove(0);
    let folder = std::fs::read_dir(state.path("state/ca")).unwrap().next().unwrap().unwrap().path();
    let own_key = PrivateKey::from_pem(&read(folder.join("key.pem")), "key.pem").ok().unwrap();
    let authority = match fault {
        "another CA of the same name" => {
            let key = PrivateKey::generate(algorithm).ok().unwrap();
            CertificateAuthority::impersonate(&ca, &key, ca.validity()).ok().unwrap()
        }
        _ => CertificateAuthority::load(ca, &own_key, "ca.pem").ok().unwrap(),
    };
    let now = Environment::of_process().now();
    let validity = match fault {
        "expired" => Validity { not_before: ago(now, 1_800), not_after: ago(now, 600) },
        _ => Validity { not_before: ago(now, 1_800), not_after: now.plus(Lifetime::days(1)) },
    };
    let issued_role = match (role, fault) {
        (Role::Daemon, "the other side's usage") => Role::Client,
        (Role::Client, "the other side's usage") => Role::Daemon,
        (role, _) => role,
    };
    // What is for the other side has the right names all the same, as far as the program issues them.
    let hosts = match issued_role {
        Role::Daemon => NAMES.map(|name| name.parse().unwrap()).to_vec(),
        Role::Client => Vec::new(),
    };
    let request = LeafRequest { role: issued_role, name: "ana".parse().unwrap(), hosts, validity };
    let key = PrivateKey::generate(algorithm).ok().unwrap();
    let certificate = authority.issue(&request, key.public_key()).unwrap();
    let folder = state.path(&format!("faulty/{role}/{fault}").replace([' ', '\''], "-"));
    Pair::written(&folder, &certificate.to_pem(), &key)
}

fn ago(now: Timestamp, seconds: u32) -> Timestamp {
    now.minus(Lifetime::from_seconds(seconds))
}

#[test]
fn every_clients_tls_and_every_servers_agree_on_what_is_issued() {
    if !is_turn("every_clients_tls_and_every_servers_agree_on_what_is_issued") {
        return;
    }
    let java = Mutex::new(JavaClient::start());
    let (mut accepted, mut refused, mut excepted) = (0, 0, 0);
    let keys = some_of(KEYS, ("KITCERT_KEYS", 1), 1);
    println!("keys: {keys:?}");
    for key in keys.iter().copied() {
        let state = State::of(key, &["builder.example.com", "127.0.0.1", "::1", "*.wild.example.com"]);
        let ca = state.ana("ca.pem");
        let ana = Pair { cert: state.ana("cert.pem"), key: state.ana("key.pem") };
        let builder = Pair { cert: state.daemon().cert, key: state.daemon().key };
        let faulty_clients = FAULTS.map(|fault| (fault, faulty(&state, key, Role::Client, fault)));
        for server_stack in SERVERS {
            if exception(server_stack, Stack::Go, key).is_some() {
                excepted += CLIENTS.len();
                continue;
            }
            let Some(server) = serve(server_stack, &ca, &builder) else { continue };
            for client_stack in CLIENTS {
                let between = format!("{key}: {client_stack:?} to {server_stack:?}");
                if exception(server_stack, client_stack, key).is_some() {
                    excepted += 1;
                    continue;
                }
                let ask =
                    |name: &str, pair: Option<&Pair>| dial(client_stack, &java, server.port, name, &ca, pair);
                for name in NAMES {
                    let Some(said) = ask(name, Some(&ana)) else { break };
                    assert!(said.starts_with("accepted"), "{between}, {name}: {said}");
                    accepted += 1;
                }
                for name in OTHER_NAMES {
                    let Some(said) = ask(name, Some(&ana)) else { break };
                    assert!(!said.starts_with("accepted"), "{between}, {name}: {said}");
                    refused += 1;
                }
                let nobody = ask(NAMES[0], None);
                let faulty = faulty_clients.iter().map(|(fault, pair)| (*fault, ask(NAMES[0], Some(pair))));
                for (fault, said) in std::iter::once(("no certificate", nobody)).chain(faulty) {
                    let Some(said) = said else { break };
                    assert!(!said.starts_with("accepted"), "{between}, client with {fault}: {said}");
                    refused += 1;
                }
            }
        }
        for fault in FAULTS {
            let pair = faulty(&state, key, Role::Daemon, fault);
            let Some(server) = serve(Stack::Go, &ca, &pair) else { continue };
            for client_stack in CLIENTS {
                if exception(Stack::Go, client_stack, key).is_some() {
                    continue;
                }
                let Some(said) = dial(client_stack, &java, server.port, NAMES[0], &ca, Some(&ana)) else {
                    continue;
                };
                assert!(
                    !said.starts_with("accepted"),
                    "{key}: {client_stack:?}, daemon with {fault}: {said}"
                );
                refused += 1;
            }
        }
    }
    println!("{accepted} accepted, {refused} refused, {excepted} pairs excepted");
    let aim = Aim { words: "every one", is_met: true };
    publish(
        "interoperability",
        &format!("6 clients' TLS to 6 servers', {}, 4 kinds of name: accepted", keys.join(", ")),
        accepted,
        Some(aim),
    );
    publish(
        "interoperability",
        "the same with a wrong name, no certificate, another CA, expired, wrong usage: refused",
        refused,
        Some(aim),
    );
    publish(
        "interoperability",
        "pairs of programs that do not speak a kind of key (Java 17 and Ed25519)",
        excepted,
        None,
    );
}
