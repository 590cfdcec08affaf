//! `verify` of a thousand daemons at once, beside what handshakes cost without a network.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rayon::prelude::*;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};

use crate::counterpart::go_peer;
use crate::figures::{Aim, publish};
use crate::measure::{Contender, Place, Scale, compare, ratio};
use crate::{SECTION, init_command, kitcert, milliseconds, run};

/// Many daemons of one process of Go's, each on a port of its own.
struct Fleet {
    child: Child,
    urls: Vec<String>,
}

impl Fleet {
    fn start(program: &Path, set: &Path, count: usize, options: &[&str]) -> Fleet {
        let mut command = Command::new(program);
        command.args(["fleet", "--count", &count.to_string(), "--addresses", &ADDRESSES.to_string()]);
        for (option, file) in [("--ca", "ca.pem"), ("--cert", "cert.pem"), ("--key", "key.pem")] {
            command.arg(option).arg(set.join(file));
        }
        let started = command.args(options).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = started.expect("the Go peer");
        let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let lines = lines.map(|line| line.expect("a line of it"));
        let urls = lines.take_while(|line| line != "listening").collect();
        Fleet { child, urls }
    }

    fn list(&self, path: &Path) {
        let mut file = std::fs::File::create(path).expect("a file of targets");
        file.write_all(self.urls.join("\n").as_bytes()).expect("room on the disk");
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // It ends by itself now, and how does not matter.
        let _ = self.child.wait();
    }
}

/// The whole command beside the handshakes that it makes, done without a network on every core; and
/// the same where a tenth of the daemons never says a word.
pub fn fleet(scale: Scale, place: &Place) {
    let Some(program) = go_peer() else {
        println!("\nverify of many daemons: not measured, the Go peer was not built");
        return;
    };
    let state = place.fresh();
    let hosts = (1..=ADDRESSES).flat_map(|number| ["--host".to_owned(), format!("127.0.0.{number}")]);
    run(init_command(&state).args(hosts));
    let set = state.join("daemons/builder/current");
    let sound = Fleet::start(&program, &set, scale.daemons, &[]);
    let partly = Fleet::start(&program, &set, scale.daemons, &["--silent-each", "10"]);
    let (sound_list, partly_list) = (place.fresh(), place.fresh());
    sound.list(&sound_list);
    partly.list(&partly_list);
    let verify = |list: &Path| {
        let mut command = kitcert();
        command.arg("--state").arg(&state).args(["verify", "--client", "ana", "--targets"]).arg(list);
        // Whatever it finds, the time counts.
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().expect("kitcert to run");
    };
    let handshakes = scale.daemons * DIALS_WITH_TLS;
    let pair = Pair::of(&set, &state.join("clients/ana/current"));
    let medians = compare(
        &format!("verify --targets, {} daemons", scale.daemons),
        scale.long_runs,
        &mut [
            Contender::new("kitcert verify, every dial", || verify(&sound_list)),
            Contender::new("the same, a tenth of them silent", || verify(&partly_list)),
            Contender::new("rustls alone: as many handshakes, both sides", || pair.shake_hands(handshakes)),
        ],
    );
    let [all, partly, ceiling] = medians[..] else { return };
    let rate = handshakes as f64 / all.as_secs_f64();
    println!("  {:54} {:>9} {rate:9.0}", "handshakes a second", "");
    let title = format!("verify of {} daemons at once", scale.daemons);
    publish(SECTION, &title, milliseconds(all), None);
    publish(SECTION, &format!("{title}: handshakes a second"), format!("{rate:.0}"), None);
    let share = format!("{:.2}", ratio(ceiling, all));
    publish(SECTION, &format!("{title}: share of what rustls does without a network"), share, None);
    let longer = partly.saturating_sub(all);
    let aim = Aim { words: "at most one deadline, 5 s", is_met: longer <= DEADLINE };
    publish(SECTION, &format!("{title}, a tenth silent: longer by"), milliseconds(longer), Some(aim));
}

/// Both sides of a handshake, in memory.
struct Pair {
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
}

impl Pair {
    fn of(server: &Path, client: &Path) -> Pair {
        let mut roots = RootCertStore::empty();
        roots.add(certificate(&client.join("ca.pem"))).expect("a CA");
        let roots = Arc::new(roots);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider));
        let verifier = verifier.build().expect("a verifier");
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let server = builder
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![certificate(&server.join("cert.pem"))], key(&server.join("key.pem")))
            .expect("the daemon's pair");
        let builder = ClientConfig::builder_with_provider(provider);
        let mut client = builder
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_client_auth_cert(vec![certificate(&client.join("cert.pem"))], key(&client.join("key.pem")))
            .expect("the client's pair");
        client.resumption = rustls::client::Resumption::disabled();
        Pair { client: Arc::new(client), server: Arc::new(server) }
    }

    fn shake_hands(&self, count: usize) {
        (0..count).into_par_iter().for_each(|_| {
            let name = ServerName::try_from("127.0.0.1").expect("an address");
            let client = ClientConnection::new(Arc::clone(&self.client), name);
            let mut client = client.expect("a client");
            let mut server = ServerConnection::new(Arc::clone(&self.server)).expect("a server");
            let mut bytes = Vec::new();
            while client.is_handshaking() || server.is_handshaking() {
                bytes.clear();
                client.write_tls(&mut bytes).expect("memory");
                server.read_tls(&mut bytes.as_slice()).expect("memory");
                server.process_new_packets().expect("a client that is accepted");
                bytes.clear();
                server.write_tls(&mut bytes).expect("memory");
                client.read_tls(&mut bytes.as_slice()).expect("memory");
                client.process_new_packets().expect("a server that is accepted");
            }
        });
    }
}

fn certificate(path: &Path) -> CertificateDer<'static> {
    CertificateDer::from(block(path))
}

fn key(path: &Path) -> PrivateKeyDer<'static> {
    PrivatePkcs8KeyDer::from(block(path)).into()
}

fn block(path: &Path) -> Vec<u8> {
    pem::parse(std::fs::read(path).expect("a file of the set")).expect("PEM").into_contents()
}

/// The client, TLS 1.2, no certificate, an unknown CA, expired, a daemon's usage, and the client again.
const DIALS_WITH_TLS: usize = 7;
/// Of the loopback's, from 127.0.0.1 on.
const ADDRESSES: usize = 8;
/// That of `verify` where nobody gives another.
const DEADLINE: Duration = Duration::from_secs(5);
