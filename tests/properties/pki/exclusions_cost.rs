//! What excluded names in a daemon's anchor cost its clients: Go puts the anchor into every session ticket.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kitcert::model::Exclusion;
use kitcert::model::profile::{LARGEST_EXCLUSIONS, MOST_EXCLUSIONS};
use kitcert::pki::{Certificate, Exclusions};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use crate::figures::{Aim, publish};
use crate::pki::other_stacks::State;
use crate::support::servers::{Files, Server};

const HOST: &str = "builder.example.com";

/// Counts what is received.
struct Counted {
    stream: TcpStream,
    received: usize,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = self.stream.read(buffer)?;
        self.received += length;
        Ok(length)
    }
}

impl Write for Counted {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        self.stream.write(buffer)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.stream.flush()
    }
}

/// A client as ana, which keeps its tickets.
fn client_of(state: &State) -> Arc<ClientConfig> {
    let block = |file: &str| pem::parse(std::fs::read(state.ana(file)).unwrap()).unwrap().into_contents();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(block("ca.pem"))).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(block("key.pem")));
    let chain = vec![CertificateDer::from(block("cert.pem"))];
    let mut config = builder.with_root_certificates(roots).with_client_auth_cert(chain, key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Arc::new(config)
}

/// How long it takes until the daemon's SETTINGS are here, how many bytes came until then, and whether the
/// session was resumed.
fn handshake(config: &Arc<ClientConfig>, port: u16) -> (Duration, usize, bool) {
    let began = Instant::now();
    let name = ServerName::try_from(HOST).unwrap();
    let mut connection = ClientConnection::new(Arc::clone(config), name).unwrap();
    let mut counted =
        Counted { stream: TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap(), received: 0 };
    let mut frame = [0; 9];
    rustls::Stream::new(&mut connection, &mut counted).read_exact(&mut frame).expect("to be let in");
    let is_resumed = connection.handshake_kind() == Some(rustls::HandshakeKind::Resumed);
    (began.elapsed(), counted.received, is_resumed)
}

/// A daemon whose anchor excludes those names, in a file of that name.
fn excluding(state: &State, names: &Exclusions, test: &str) -> Option<Server> {
    let ca = Certificate::chain_from_pem(&std::fs::read(state.ana("ca.pem")).unwrap(), "ca.pem")
        .unwrap()
        .remove(0);
    let path = state.path(&format!("{}.pem", names.len()));
    std::fs::write(&path, ca.excluding(names, None).unwrap().to_pem()).unwrap();
    Server::go(&Files { ca: path, ..state.daemon() }, &[], test)
}

#[test]
fn at_the_limits_of_an_anchor_clients_are_let_in_again_with_their_tickets() {
    let test = "at_the_limits_of_an_anchor_clients_are_let_in_again_with_their_tickets";
    let state = State::of("ecdsa-p256", &[HOST, "127.0.0.1"]);
    let excluded = |at: usize| format!("dns:{at:03}{}.{}.example", "a".repeat(40), "b".repeat(51));
    let names: Exclusions =
        (0..MOST_EXCLUSIONS).map(|at| excluded(at).parse::<Exclusion>().unwrap()).collect();
    assert!(
        (LARGEST_EXCLUSIONS - 1_024..=LARGEST_EXCLUSIONS).contains(&names.der_len()),
        "{}",
        names.der_len()
    );
    let Some(server) = excluding(&state, &names, test) else { return };
    let client = client_of(&state);
    let resumed = (0..5).filter(|_| handshake(&client, server.port).2).count();
    assert!(resumed > 0, "no session was resumed");
}

#[test]
fn the_cost_of_a_handshake_with_excluded_names_is_known() {
    let test = "the_cost_of_a_handshake_with_excluded_names_is_known";
    const RUNS: usize = 41;
    let state = State::of("ecdsa-p256", &[HOST, "127.0.0.1"]);
    let excluded =
        |at: usize| format!("dns:former-{at}.client.kitcert.internal").parse::<Exclusion>().unwrap();
    let counts = [0, 30, MOST_EXCLUSIONS];
    let servers = counts.map(|count| excluding(&state, &(0..count).map(excluded).collect(), test));
    let [Some(none), Some(few), Some(most)] = servers else { return };
    let mut config = Arc::unwrap_or_clone(client_of(&state));
    config.resumption = rustls::client::Resumption::disabled();
    let config = Arc::new(config);
    let mut taken = [const { Vec::new() }; 3];
    let mut received = [0; 3];
    // In turn, so that whatever else the machine does meets all alike.
    for _ in 0..RUNS {
        for (at, server) in [&none, &few, &most].into_iter().enumerate() {
            let (time, octets, _) = handshake(&config, server.port);
            taken[at].push(time);
            received[at] = octets.max(received[at]);
        }
    }
    let [none, few, most] = taken.map(|mut times| {
        times.sort_unstable();
        times[RUNS / 2].as_secs_f64()
    });
    let times = |one: f64| format!("{:.2} times", one / none);
    println!("30: {}, {MOST_EXCLUSIONS}: {}, {received:?} bytes", times(few), times(most));
    publish("revocation", "a handshake with Go's TLS at 30 excluded names, to one at none", times(few), None);
    publish("revocation", "the same at 300", times(most), None);
    let aim = Aim { words: "under 64 KiB, which a ticket holds", is_met: received[2] < 65_536 };
    assert!(aim.is_met, "{received:?}");
    let octets = format!("{} · {} · {}", received[0], received[1], received[2]);
    publish("revocation", "bytes that a client receives in it, at 0 · 30 · 300", octets, Some(aim));
}
