//! Every kind of dial against the practice daemon, and against listeners that are none.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::cast::Cast;
use super::*;
use crate::model::Printable;
use crate::model::Rule;
use crate::practice::{self, PracticeDaemon};

fn is_refused(observed: &Observed, dial: Dial) -> bool {
    matches!(observed.outcome(dial), Some(Outcome::Refused { .. }))
}

fn is_accepted(observed: &Observed, dial: Dial) -> bool {
    matches!(observed.outcome(dial), Some(Outcome::Accepted(_)))
}

#[test]
fn a_locked_daemon_accepts_ours_and_refuses_all_others() {
    let cast = Cast::new("127.0.0.1");
    let daemon = PracticeDaemon::start(0, &cast.server, Some(&cast.trust)).unwrap();
    let observed = cast.probe(daemon.address().port());
    for dial in [Dial::Ours, Dial::OursAgain, Dial::Tls12] {
        assert!(is_accepted(&observed, dial), "{dial}: {:?}", observed.outcome(dial));
    }
    for dial in [Dial::Anonymous, Dial::Stranger, Dial::Expired, Dial::DaemonUsage, Dial::Plaintext] {
        assert!(is_refused(&observed, dial), "{dial}: {:?}", observed.outcome(dial));
    }
    let answer = observed.answer().unwrap();
    assert_eq!(answer.buildkit.as_ref().unwrap().package, "kitcert practice daemon");
    assert_eq!(answer.workers.as_ref().unwrap()[0].platforms.len(), 1);
    let handshake = observed.handshake().unwrap();
    assert_eq!(handshake.leaf().unwrap(), cast.server.chain[0]);
    assert_eq!(handshake.asked, Asked::For(vec![cast.trust.certificates()[0].subject().clone()]));
    assert_eq!(handshake.agreed.as_ref().unwrap().protocol.as_deref(), Some("h2"));
}

#[test]
fn an_unlocked_daemon_is_caught() {
    let cast = Cast::new("127.0.0.1");
    let daemon = PracticeDaemon::start(0, &cast.server, None).unwrap();
    let observed = cast.probe(daemon.address().port());
    for dial in [Dial::Ours, Dial::Anonymous, Dial::Stranger, Dial::Expired, Dial::DaemonUsage] {
        assert!(is_accepted(&observed, dial), "{dial}: {:?}", observed.outcome(dial));
    }
    assert_eq!(observed.handshake().unwrap().asked, Asked::Nothing);
}

#[test]
fn nothing_of_ours_goes_to_a_daemon_of_another_name_or_ca() {
    let cast = Cast::new("other.example");
    let daemon = PracticeDaemon::start(0, &cast.server, Some(&cast.trust)).unwrap();
    let observed = cast.probe(daemon.address().port());
    let Some(Outcome::Untrusted(faults)) = observed.outcome(Dial::Ours) else { panic!("{observed:?}") };
    assert_eq!(faults[0].rule, Rule::ServerNameMismatch);
    let Some(Outcome::Untrusted(_)) = observed.outcome(Dial::Anonymous) else { panic!("{observed:?}") };
    let dialled: Vec<_> = observed.dials.keys().copied().collect();
    assert_eq!(dialled, [Dial::Ours, Dial::Anonymous, Dial::Plaintext]);
    assert_eq!(observed.handshake().unwrap().leaf().unwrap(), cast.server.chain[0]);

    let elsewhere = Cast::new("127.0.0.1");
    let daemon = PracticeDaemon::start(0, &elsewhere.server, Some(&elsewhere.trust)).unwrap();
    let observed = cast.probe(daemon.address().port());
    let Some(Outcome::Untrusted(faults)) = observed.outcome(Dial::Ours) else { panic!("{observed:?}") };
    assert_eq!(faults[0].rule, Rule::ServerUntrusted);
}

#[test]
fn our_certificate_never_reaches_a_daemon_of_another_name() {
    let cast = Cast::new("other.example");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let configuration = Arc::new(practice::configuration(&cast.server, Some(&cast.trust)).unwrap());
    let daemon = std::thread::spawn(move || {
        let mut saw_a_certificate = |stream: std::io::Result<TcpStream>| {
            let mut stream = stream.unwrap();
            let mut connection = rustls::ServerConnection::new(Arc::clone(&configuration)).unwrap();
            // Every one of these handshakes is meant to fail.
            let _ = connection.complete_io(&mut stream);
            connection.peer_certificates().is_some()
        };
        listener.incoming().take(3).map(&mut saw_a_certificate).collect::<Vec<_>>()
    });
    cast.probe(port);
    assert_eq!(daemon.join().unwrap(), [false, false, false]);
}

#[test]
fn our_certificate_is_withheld_where_go_would_withhold_it() {
    let cast = Cast::new("127.0.0.1");
    let elsewhere = Cast::new("127.0.0.1");
    let daemon = PracticeDaemon::start(0, &cast.server, Some(&elsewhere.trust)).unwrap();
    let observed = cast.probe(daemon.address().port());
    let ours = &observed.dials[&Dial::Ours];
    assert_eq!(ours.handshake.withheld, Some(Withheld::Issuer));
    assert!(is_refused(&observed, Dial::Ours), "{:?}", ours.outcome);
    assert!(!observed.dials.contains_key(&Dial::OursAgain));
}

#[test]
fn a_silent_listener_ends_at_its_deadline() {
    let cast = Cast::new("127.0.0.1");
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let started = Instant::now();
    let observed = cast.probe_within(silent.local_addr().unwrap().port(), Duration::from_millis(200));
    assert!(started.elapsed() < Duration::from_secs(2));
    let timed_out = Outcome::Inconclusive(Inconclusive::TimedOut(Stage::Handshake));
    assert_eq!(observed.outcome(Dial::Ours), Some(&timed_out));
    assert_eq!(observed.dials.len(), 1);
}

#[test]
fn a_port_where_nothing_listens_is_told_apart() {
    let cast = Cast::new("127.0.0.1");
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let observed = cast.probe(port);
    assert_eq!(observed.outcome(Dial::Ours), Some(&Outcome::Unreachable(Unreachable::Refused)));
}

#[test]
fn what_is_not_tls_is_told_apart() {
    let cast = Cast::new("127.0.0.1");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let shell = std::thread::spawn(move || {
        for stream in listener.incoming().take(2) {
            let mut stream = stream.unwrap();
            stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n").unwrap();
            let _ = stream.read(&mut [0; 4096]);
        }
    });
    let observed = cast.probe(port);
    assert_eq!(observed.outcome(Dial::Ours), Some(&Outcome::NotTls));
    assert!(!is_accepted(&observed, Dial::Plaintext), "{observed:?}");
    shell.join().unwrap();
}

/// A plain HTTP/2 server that answers every call with that response and those bytes.
fn hostile(response: fn() -> http::Response<()>, body: usize) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    listener.set_nonblocking(true).unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            // A stream that is dropped is reset, which would be the end of the answer.
            let mut held = Vec::new();
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut connection) = h2::server::handshake(stream).await else { continue };
                while let Some(Ok((_, mut respond))) = connection.accept().await {
                    let Ok(mut stream) = respond.send_response(response(), false) else { continue };
                    let _ = stream.send_data(vec![0; body].into(), false);
                    held.push(stream);
                }
            }
        });
    });
    port
}

#[test]
fn a_hostile_daemon_neither_hangs_nor_bloats_the_probe() {
    let cast = Cast::new("127.0.0.1");
    let plain = || http::Response::new(());
    let many_headers = || {
        let mut response = http::Response::new(());
        for count in 0..2000 {
            response.headers_mut().append("x-filler", http::HeaderValue::from(count));
        }
        response
    };
    let too_long = "an answer of more than 1 MiB";
    for (port, expected) in [(hostile(plain, 4 << 20), too_long), (hostile(many_headers, 1), "HTTP/2")] {
        let observed = cast.probe(port);
        let outcome = observed.outcome(Dial::Plaintext).unwrap();
        assert!(matches!(outcome, Outcome::Inconclusive(Inconclusive::Protocol(_))), "{outcome:?}");
        assert!(outcome.message().contains(expected), "{outcome:?}");
    }
    let observed = cast.probe_within(hostile(plain, 1), Duration::from_secs(1));
    let waiting = Outcome::Inconclusive(Inconclusive::TimedOut(Stage::Call));
    assert_eq!(observed.outcome(Dial::Plaintext), Some(&waiting));
}
