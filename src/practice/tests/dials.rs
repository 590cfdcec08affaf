//! Every kind of dial against the practice daemon, and against listeners that are none.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::model::{Rule, Severity};
use crate::practice::{self, PracticeDaemon};
use crate::probe::{
    AddressResult, Asked, Cast, Dial, DialResults, DialStage, Dialed, Facts, Outcome, Request, Unreachable,
    Withheld, endpoint as endpoint_at, judge, probe,
};

/// The outcomes of all attempts at that dial.
fn outcomes(observed: &DialResults, dial: Dial) -> Vec<Outcome> {
    observed.dials().filter(|dialed| dialed.dial == dial).map(|dialed| dialed.outcome).collect()
}

fn is_refused(observed: &DialResults, dial: Dial) -> bool {
    matches!(outcomes(observed, dial).last(), Some(Outcome::Refused(_)))
}

/// The practice daemon has HTTP/2 alone, and says so (alert 120).
fn is_of_http1(dial: Dial) -> bool {
    matches!(dial, Dial::NoCertificate(14) | Dial::UnknownCa(14))
}

fn first(observed: &DialResults) -> &Dialed {
    observed.first().unwrap()
}

/// How many dials are opened at once, where everything is at hand: W, E and O beside those that everybody
/// gets.
fn first_phase() -> usize {
    Dial::refusals(false).count() + 3
}

/// Whoever must be refused over TLS; the daemons of these tests have no name.
fn refusals() -> impl Iterator<Item = Dial> {
    Dial::refusals(false).skip(2).chain([Dial::Expired, Dial::WrongUsage])
}

#[test]
fn a_locked_daemon_accepts_the_client_and_refuses_all_others() {
    let cast = Cast::new("127.0.0.1");
    let daemon = PracticeDaemon::start(0, &cast.server, Some(&cast.trust)).unwrap();
    let observed = cast.probe(daemon.address().port());
    for dial in [Dial::Client, Dial::ClientAgain] {
        assert_eq!(outcomes(&observed, dial), [Outcome::Accepted], "{dial}: {observed:#?}");
    }
    for dial in refusals() {
        let is_not_served = is_of_http1(dial) && outcomes(&observed, dial) == [Outcome::NotServed];
        assert!(is_refused(&observed, dial) || is_not_served, "{dial}: {:?}", outcomes(&observed, dial));
    }
    let plaintext = outcomes(&observed, Dial::Plaintext);
    assert!(matches!(plaintext[..], [Outcome::Refused(_) | Outcome::RefusedByEnd]), "{plaintext:?}");
    let answer = observed.answer().unwrap();
    assert_eq!(answer.buildkit.as_ref().unwrap().package, "kitcert practice daemon");
    assert_eq!(answer.workers.as_ref().unwrap()[0].platforms.len(), 1);
    let handshake = observed.handshake().unwrap();
    assert_eq!(handshake.leaf().unwrap(), cast.server.chain[0]);
    assert_eq!(handshake.asked, Asked::For(vec![cast.trust.certificates()[0].subject().clone()]));
    assert_eq!(handshake.agreed.as_ref().unwrap().protocol.as_deref(), Some("h2"));
    let verdict = judge(&observed, &cast.expected("127.0.0.1"));
    assert!(verdict.verified, "{:#?}", verdict.findings);
}

/// Every dial is opened before any has been refused, and the client's is the last of each phase.
#[test]
fn the_list_is_dialed_in_its_order() {
    let cast = Cast::new("127.0.0.1");
    let daemon = PracticeDaemon::start(0, &cast.server, Some(&cast.trust)).unwrap();
    let observed = cast.probe(daemon.address().port());
    let list: Vec<String> = observed.dials().map(|dialed| dialed.dial.to_string()).collect();
    let expected = "P H N1 N2 N5 N6 N7 N8 N11 N12 N13 N14 N15 U1 U3 U4 U6 U7 U8 U11 U12 U13 U14 U15 U16 \
                    U17 U18 U19 W E O N1' O'";
    assert_eq!(list.join(" "), expected);
}

#[test]
fn an_unlocked_daemon_is_caught() {
    let cast = Cast::new("127.0.0.1");
    let daemon = PracticeDaemon::start(0, &cast.server, None).unwrap();
    let observed = cast.probe(daemon.address().port());
    for dial in refusals() {
        let outcome = if is_of_http1(dial) { Outcome::NotServed } else { Outcome::Open };
        assert_eq!(outcomes(&observed, dial), [outcome], "{dial}");
    }
    assert_eq!(outcomes(&observed, Dial::Client), [Outcome::AsksNobody]);
    assert_eq!(observed.handshake().unwrap().asked, Asked::Nothing);
    let verdict = judge(&observed, &cast.expected("127.0.0.1"));
    assert!(verdict.open && !verdict.verified && !verdict.inconclusive_only);
}

#[test]
fn nothing_of_the_clients_goes_to_a_daemon_of_another_name_or_ca() {
    let cast = Cast::new("other.example");
    let daemon = PracticeDaemon::start(0, &cast.server, Some(&cast.trust)).unwrap();
    let observed = cast.probe(daemon.address().port());
    assert_eq!(first(&observed).account.faults[0].rule, Rule::ServerNameMismatch);
    for dial in [Dial::Client, Dial::Expired, Dial::WrongUsage] {
        let sent = |dialed: &Dialed| matches!(dialed.facts, Facts::Tls(facts) if facts.finished);
        assert!(!observed.dials().any(|dialed| dialed.dial == dial && sent(dialed)), "{dial}");
    }
    assert_eq!(observed.handshake().unwrap().leaf().unwrap(), cast.server.chain[0]);

    let elsewhere = Cast::new("127.0.0.1");
    let daemon = PracticeDaemon::start(0, &elsewhere.server, Some(&elsewhere.trust)).unwrap();
    let observed = cast.probe(daemon.address().port());
    assert_eq!(first(&observed).account.faults[0].rule, Rule::ServerUntrusted);
}

#[test]
fn the_clients_certificate_never_reaches_a_daemon_of_another_name() {
    let cast = Cast::new("other.example");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let configuration = Arc::new(practice::configuration(&cast.server, Some(&cast.trust)).unwrap());
    let unknown_ca = cast.unknown_ca.namesake.chain[0].der().to_vec();
    let daemon = std::thread::spawn(move || {
        let mut shown = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut connection = rustls::ServerConnection::new(Arc::clone(&configuration)).unwrap();
            // Every one of these handshakes is meant to fail.
            let _ = connection.complete_io(&mut stream);
            if connection.server_name() == Some("the.end") {
                return shown;
            }
            shown.extend(connection.peer_certificates().map(|chain| chain[0].to_vec()));
        }
        shown
    });
    cast.probe(port);
    let mut end = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let client = Arc::new(
        rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth(),
    );
    let mut connection = rustls::ClientConnection::new(client, "the.end".try_into().unwrap()).unwrap();
    // It only tells the daemon that the probe is over.
    let _ = connection.complete_io(&mut end);
    let shown = daemon.join().unwrap();
    assert!(shown.iter().all(|leaf| *leaf == unknown_ca), "{} certificates", shown.len());
}

#[test]
fn the_clients_certificate_is_withheld_if_go_would_withhold_it() {
    let cast = Cast::new("127.0.0.1");
    let elsewhere = Cast::new("127.0.0.1");
    let daemon = PracticeDaemon::start(0, &cast.server, Some(&elsewhere.trust)).unwrap();
    let observed = cast.probe(daemon.address().port());
    assert_eq!(observed.client().unwrap().handshake.withheld, Some(Withheld::Issuer));
    assert!(is_refused(&observed, Dial::Client), "{:?}", outcomes(&observed, Dial::Client));
    assert_eq!(outcomes(&observed, Dial::ClientAgain), []);
}

#[test]
fn a_silent_listener_ends_at_its_deadline() {
    let cast = Cast::new("127.0.0.1");
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let started = Instant::now();
    let observed = cast.probe_within(silent.local_addr().unwrap().port(), Duration::from_millis(200));
    assert!(started.elapsed() < Duration::from_secs(2));
    assert_eq!(outcomes(&observed, Dial::Client), [Outcome::NotUpYet]);
    assert_eq!(first(&observed).account.stage, Some(DialStage::Handshake));
    assert!(observed.dials().all(|dialed| dialed.is_timed_out()));
}

#[test]
fn a_port_where_nothing_listens_is_told_apart() {
    let cast = Cast::new("127.0.0.1");
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let observed = cast.probe(port);
    assert_eq!(first(&observed).account.unreachable, Some(Unreachable::Refused));
    assert!(observed.addresses[0].is_not_served());
}

#[test]
fn what_is_not_tls_is_told_apart() {
    let cast = Cast::new("127.0.0.1");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let shell = std::thread::spawn(move || {
        for stream in listener.incoming().take(first_phase()) {
            let mut stream = stream.unwrap();
            // Whoever was greeted may be gone already.
            let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n");
            let _ = stream.read(&mut [0; 4096]);
        }
    });
    let observed = cast.probe(port);
    assert!(first(&observed).account.is_no_tls, "{observed:#?}");
    let verdict = judge(&observed, &cast.expected("127.0.0.1"));
    assert!(verdict.findings.iter().any(|finding| finding.rule == Rule::NotTls), "{:#?}", verdict.findings);
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
        let plain = observed.dials().find(|dialed| dialed.dial == Dial::Plaintext).unwrap();
        assert_eq!(plain.outcome, Outcome::LetIn);
        assert!(plain.account.trouble.as_ref().unwrap().contains(expected), "{plain:?}");
    }
    let observed = cast.probe_within(hostile(plain, 1), Duration::from_secs(1));
    let plain = observed.dials().find(|dialed| dialed.dial == Dial::Plaintext).unwrap();
    assert!(plain.is_timed_out(), "{plain:?}");
    assert_eq!(plain.account.stage, Some(DialStage::Call));
}

/// Passes connections on to that port, each way `delay` later, but for the first ones, which it
/// drops. Ends with its handle.
fn relay(port: u16, delay: Duration, dropped: usize) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let relayed = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().skip(dropped) {
            let (Ok(near), Ok(far)) = (stream, TcpStream::connect(("127.0.0.1", port))) else { continue };
            let (near_end, far_end) = (near.try_clone().unwrap(), far.try_clone().unwrap());
            std::thread::spawn(move || pass_on(near, far, delay));
            std::thread::spawn(move || pass_on(far_end, near_end, delay));
        }
    });
    relayed
}

/// What was read goes on when it is due, however much is read meanwhile; an end too.
fn pass_on(mut from: TcpStream, mut to: TcpStream, delay: Duration) {
    let (queue, due) = std::sync::mpsc::channel::<(Instant, Vec<u8>)>();
    let writer = std::thread::spawn(move || {
        for (at, bytes) in due {
            std::thread::sleep(at.saturating_duration_since(Instant::now()));
            // A side that is gone is told nothing more.
            let is_over = bytes.is_empty() || to.write_all(&bytes).is_err();
            if is_over {
                let _ = to.shutdown(std::net::Shutdown::Both);
                return;
            }
        }
    });
    let mut buffer = [0; 16 * 1024];
    loop {
        let count = from.read(&mut buffer).unwrap_or(0);
        let sent = queue.send((Instant::now() + delay, buffer[..count].to_vec()));
        if count == 0 || sent.is_err() {
            break;
        }
    }
    writer.join().unwrap();
}

/// Six round trips, whatever they take: of the eight that the issue allows for. What the machine takes
/// for the dials themselves is seen at no distance.
#[test]
fn a_daemon_that_is_far_away_is_verified_in_its_own_time() {
    let cast = Cast::new("127.0.0.1");
    let daemon = PracticeDaemon::start(0, &cast.server, Some(&cast.trust)).unwrap();
    let mut machine = Duration::ZERO;
    for round_trip in [0, 80, 200, 300, 600].map(Duration::from_millis) {
        let port = relay(daemon.address().port(), round_trip / 2, 0);
        let started = Instant::now();
        let observed = cast.probe(port);
        let took = started.elapsed();
        if round_trip.is_zero() {
            machine = took;
        }
        let verdict = judge(&observed, &cast.expected("127.0.0.1"));
        println!("{round_trip:?}: {took:?}, {} dials", verdict.dials.len());
        assert!(verdict.verified, "{round_trip:?}: {:#?}", verdict.findings);
        assert!(took < round_trip * 8 + machine * 2 + Duration::from_secs(1), "{round_trip:?} took {took:?}");
    }
}

#[test]
fn a_daemon_that_is_not_up_yet_is_waited_for_and_the_first_server_hello_decides() {
    let cast = Cast::new("127.0.0.1");
    let daemon = PracticeDaemon::start(0, &cast.server, Some(&cast.trust)).unwrap();
    // The whole list, and the client's once more.
    let one_pass = first_phase() + 1;
    for (wait, is_verified) in [(Duration::ZERO, false), (Duration::from_secs(10), true)] {
        let endpoint = endpoint_at(relay(daemon.address().port(), Duration::ZERO, one_pass));
        let request = cast.request(&endpoint, Duration::from_secs(10));
        let verdict = judge(&probe(&Request { wait, ..request }), &cast.expected("127.0.0.1"));
        assert_eq!(verdict.verified, is_verified, "{wait:?}: {:#?}", verdict.findings);
        if !is_verified {
            let errors = verdict.findings.iter().filter(|one| one.severity >= Severity::Error);
            assert!(errors.clone().count() > 0 && errors.into_iter().all(|one| one.rule == Rule::NotUpYet));
            assert!(verdict.inconclusive_only);
        }
    }
}

#[test]
fn every_address_is_dialed_and_one_where_nothing_listens_is_named() {
    let cast = Cast::new("127.0.0.1");
    let daemon = PracticeDaemon::start(0, &cast.server, Some(&cast.trust)).unwrap();
    let endpoint = endpoint_at(daemon.address().port());
    let addresses = ["127.0.0.1", "127.0.0.2"].map(|address| address.parse().unwrap());
    let request = cast.request(&endpoint, Duration::from_secs(10));
    let verdict = judge(&probe(&Request { addresses: &addresses, ..request }), &cast.expected("127.0.0.1"));
    assert!(verdict.verified, "{:#?}", verdict.findings);
    assert!(verdict.findings.iter().any(|one| one.rule == Rule::AddressNotServed));
    let results: Vec<_> = verdict.addresses.iter().map(|one| one.result).collect();
    assert_eq!(results, [AddressResult::Passed, AddressResult::NotServed]);
}

#[test]
fn a_host_beyond_those_that_are_dialed_is_said_not_to_be_tried() {
    let cast = Cast::new("127.0.0.1");
    let daemon = PracticeDaemon::start(0, &cast.server, Some(&cast.trust)).unwrap();
    let endpoint = endpoint_at(daemon.address().port());
    let hosts: Vec<_> = (1..=10).map(|number| format!("h{number}.example").parse().unwrap()).collect();
    for (hosts, beyond) in [(&hosts[..8], 0), (&hosts[..], 2)] {
        let request = cast.request(&endpoint, Duration::from_secs(10));
        let observed = probe(&Request { other_hosts: hosts, samples: 2, ..request });
        assert!(is_refused(&observed, Dial::OtherHost(8)));
        assert_eq!(outcomes(&observed, Dial::OtherHost(9)), []);
        let dials: Vec<_> = observed.not_tried.iter().map(|one| one.dial).collect();
        assert_eq!(dials, [Dial::OtherHost(9), Dial::OtherHost(10)][..beyond]);
        let verdict = judge(&observed, &cast.expected("127.0.0.1"));
        assert!(verdict.verified, "{:#?}", verdict.findings);
        for host in ["h9.example", "h10.example"] {
            assert_eq!(verdict.summary.contains(host), beyond > 0, "{}", verdict.summary);
        }
    }
}

#[test]
fn with_a_pace_no_two_dials_are_open_at_once_and_samples_repeat_the_list() {
    let cast = Cast::new("127.0.0.1");
    let daemon = PracticeDaemon::start(0, &cast.server, Some(&cast.trust)).unwrap();
    let endpoint = endpoint_at(daemon.address().port());
    let request = cast.request(&endpoint, Duration::from_secs(10));
    let observed = probe(&Request { pace: Duration::from_millis(1), samples: 2, ..request });
    assert!(observed.dials().all(|dialed| dialed.is_alone));
    assert_eq!(observed.addresses[0].passes.len(), 2);
    assert!(judge(&observed, &cast.expected("127.0.0.1")).verified);
}
