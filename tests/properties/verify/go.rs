//! Go's TLS as buildkitd configures it, with one hole, and without any; and gRPC's C core.

use std::time::Duration;

use kitcert::model::KeyAlgorithm;
use kitcert::pki::{Certificate, CertificateAuthority, PrivateKey};

use crate::support::relay::{Fate, Relay};
use crate::support::servers::{Files, Server};
use crate::support::verdict_subject::{OTHER_NAME, Subject, Tally};
use crate::support::workspace::Workspace;

const NO_CERTIFICATE: &[&str] = &["no-certificate-accepted"];
const UNKNOWN_CA: &[&str] = &["unknown-ca-accepted"];

/// What a client shows before the daemon decides whether to ask it for a certificate.
const SNI: [&str; 3] = ["sni=none", "sni=foreign", "sni=name"];
const VERSION: [&str; 2] = ["tls=1.2", "tls=1.3"];
/// What only the dials with the daemon's name show.
const RARE: [&str; 2] = ["tls=1.3-alone", "alpn=http/1.1"];
const ALPN: [&str; 2] = ["alpn=none", "alpn=h2"];

#[test]
fn a_daemon_open_for_one_kind_of_client_is_never_verified() {
    let doors = SNI.iter().chain(&VERSION).chain(&ALPN).chain(&RARE).map(|one| (*one).to_owned());
    refuted_when_open(doors, "Go, open for one kind of client");
}

#[test]
fn a_daemon_open_for_a_pair_of_kinds_is_never_verified() {
    let doors = pairs(&SNI, &VERSION).chain(pairs(&ALPN, &VERSION)).chain(pairs(&SNI, &ALPN));
    refuted_when_open(doors, "Go, open for a pair of kinds of client");
}

#[track_caller]
fn refuted_when_open(doors: impl Iterator<Item = String>, figure: &str) {
    let mut tally = Tally::default();
    for door in doors {
        for how in ["unasked", "optional"] {
            refuted(&mut tally, &["--open-for", &door, "--open-as", how], NO_CERTIFICATE);
        }
    }
    tally.settle(figure);
}

fn pairs<'a>(left: &'a [&'a str], right: &'a [&'a str]) -> impl Iterator<Item = String> + 'a {
    left.iter().flat_map(|one| right.iter().map(move |other| format!("{one},{other}")))
}

fn refuted(tally: &mut Tally, options: &[&str], rules: &[&str]) {
    let subject = Subject::of(&["localhost", OTHER_NAME]);
    let case = options.join(" ");
    let Some(server) = Server::go(&subject.files(), options, &case) else { return };
    tally.expect_refuted(&case, subject.at(server.port), rules);
}

/// Its clients get in, too, and the daemon tells the name twice.
#[test]
fn a_second_ca_of_the_same_name_is_never_verified() {
    const TEST: &str = "a_second_ca_of_the_same_name_is_never_verified";
    let mut tally = Tally::default();
    let subject = Subject::of(&["localhost", OTHER_NAME]);
    let files = subject.files();
    let known = std::fs::read_to_string(&files.ca).unwrap();
    let chain = Certificate::chain_from_pem(known.as_bytes(), "ca.pem").unwrap();
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
    let namesake = CertificateAuthority::impersonate(&chain[0], &key, chain[0].validity()).unwrap();
    let both = subject.workspace.write("both.pem", known + &namesake.certificate().to_pem());
    let Some(server) = Server::go(&Files { ca: both.into(), ..files }, &[], TEST) else { return };
    tally.expect_refuted("a namesake", subject.at(server.port), &["other-ca-trusted", "trust-is-stale"]);
    tally.settle("Go, with a second CA of the same name");
}

#[test]
fn a_daemon_open_for_another_of_its_hosts_is_never_verified() {
    let mut tally = Tally::default();
    let door = format!("sni={OTHER_NAME}");
    for how in ["unasked", "optional"] {
        refuted(&mut tally, &["--open-for", &door, "--open-as", how], NO_CERTIFICATE);
    }
    tally.settle("Go, open for another of its hosts");
}

/// A daemon may have more hosts than are dialed; what was not tried is said.
#[test]
fn hosts_beyond_those_that_are_dialed_are_named() {
    const TEST: &str = "hosts_beyond_those_that_are_dialed_are_named";
    let others: Vec<_> = (1..=12).map(|number| format!("h{number}.example")).collect();
    let hosts: Vec<_> = ["localhost"].into_iter().chain(others.iter().map(String::as_str)).collect();
    let mut tally = Tally::default();
    for open in ["h9.example", "h12.example"] {
        let subject = Subject::of(&hosts);
        let door = format!("sni={open}");
        let options = ["--open-for", &door, "--open-as", "optional"];
        let Some(server) = Server::go(&subject.files(), &options, TEST) else { return };
        tally.ask(&door, subject.at(server.port), |verdict| {
            let is_said = verdict.said.code == 0 && verdict.last_line().contains("not tried");
            verdict.why_not_refuted(NO_CERTIFICATE).filter(|_| !is_said)
        });
    }
    tally.settle("Go, thirteen hosts, one of them open");
}

#[test]
fn a_daemon_that_takes_any_certificate_of_one_kind_of_client_is_never_verified() {
    let mut tally = Tally::default();
    for door in ["all", "sni=none", "sni=foreign", "tls=1.2", "alpn=none"] {
        refuted(&mut tally, &["--open-for", door, "--open-as", "any"], UNKNOWN_CA);
    }
    // Where nothing older than TLS 1.3 is served, a refusal of TLS 1.2 says nothing of certificates.
    for door in ["sni=none", "sni=foreign", "alpn=none"] {
        refuted(&mut tally, &["--tls13", "--open-for", door, "--open-as", "any"], UNKNOWN_CA);
    }
    tally.settle("Go, any certificate of one kind of client");
}

/// Whoever made a certificate with a client's name, or with a CA of the name of the daemon's, gets in.
#[test]
fn a_daemon_that_decides_by_names_is_never_verified() {
    let mut tally = Tally::default();
    for how in [
        ["--open-as", "named", "--client-name", "client ana"],
        ["--open-as", "imitated", "--client-name", ""],
    ] {
        for version in ["--tls12", "--tls13"] {
            let options = [&["--open-for", "all", version][..], &how].concat();
            refuted(&mut tally, &options, UNKNOWN_CA);
        }
    }
    tally.settle("Go, by the client's name or by the CA's");
}

/// Whoever has a stolen key of that CA does not hold back because the daemon does not name it.
#[test]
fn a_compromised_ca_that_is_trusted_and_not_named_is_never_verified() {
    const TEST: &str = "a_compromised_ca_that_is_trusted_and_not_named_is_never_verified";
    let mut tally = Tally::default();
    let subject = Subject::of(&["localhost", OTHER_NAME]);
    let previous = subject.workspace.read("state/daemons/builder/current/ca.pem");
    let previous = subject.workspace.write("previous.pem", previous);
    subject.workspace.run(["ca", "rollover", "start", "--compromised", "--no-restart"]);
    let options = ["--trusts-unnamed", &previous];
    let Some(server) = Server::go(&subject.files(), &options, TEST) else { return };
    tally.expect_refuted("a previous CA", subject.at(server.port), &["trust-is-stale"]);
    let Some(server) = Server::go(&subject.files(), &[], TEST) else { return };
    let sound = subject.at(server.port).verdict();
    assert_eq!(sound.said.code, 0, "{}", sound.evidence());
    tally.settle("Go, a compromised CA trusted and not named");
}

/// It waits for the client's first word, and not for long: a silent dial ends as one that was refused.
#[test]
fn an_end_of_patience_does_not_pass_for_a_refusal() {
    let mut tally = Tally::default();
    let options =
        ["--open-for", "all", "--open-as", "optional", "--tls13", "--no-tickets", "--patience", "100ms"];
    refuted(&mut tally, &options, NO_CERTIFICATE);
    tally.settle("Go, open, that ends silent connections");
}

#[test]
fn a_daemon_that_takes_certificates_of_any_usage_is_never_verified() {
    let mut tally = Tally::default();
    refuted(&mut tally, &["--any-usage"], &["wrong-usage-accepted"]);
    tally.settle("Go, certificates of any usage");
}

#[test]
fn a_limit_of_connections_does_not_pass_for_a_refusal() {
    let mut tally = Tally::default();
    let rules = ["no-certificate-accepted", "asks-nobody", "inconclusive"];
    for how in ["unasked", "optional"] {
        for over in ["reset", "cut", "end"] {
            for limit in ["1", "3"] {
                let options = ["--open-for", "all", "--open-as", how, "--limit", limit, "--over", over];
                refuted(&mut tally, &options, &rules);
            }
        }
    }
    tally.settle("Go, open, with a limit of connections");
}

#[test]
fn plaintext_beside_tls_is_never_verified() {
    let mut tally = Tally::default();
    for protocol in ["http2", "http1"] {
        refuted(&mut tally, &["--plaintext-too", protocol], &["plaintext-accepted"]);
    }
    tally.settle("Go, plaintext beside TLS");
}

#[test]
fn another_ca_in_the_bundle_is_named() {
    let other_state = Workspace::with_state();
    let other = other_state.text("state/daemons/builder/current/ca.pem");
    let mut tally = Tally::default();
    refuted(&mut tally, &["--also-trusts", &other], &["other-ca-trusted"]);

    // A developer has no state that could say which CAs are meant.
    let subject = Subject::of(&["localhost"]);
    let options = ["--also-trusts", &other];
    if let Some(server) = Server::go(&subject.files(), &options, "another_ca_in_the_bundle_is_named") {
        let folder = subject.workspace.text("state/clients/ana/current");
        let developer = Subject::of(&["localhost"]).with(&["--tlsdir", &folder]);
        let target = format!("tcp://localhost:{}", server.port);
        let state = developer.workspace.path("state");
        std::fs::remove_dir_all(state).unwrap();
        let verdict = developer.verdict_of(&[&target]);
        assert!(verdict.faults("warning").contains(&"other-ca-trusted"), "{}", verdict.evidence());
        assert_eq!(verdict.said.code, 0, "{}", verdict.evidence());
        let strict = developer.with(&["--fail-on", "warning"]).verdict_of(&[&target]);
        assert_eq!(strict.said.code, 4, "{}", strict.evidence());
    }
    tally.settle("Go, another CA trusted");
}

#[test]
fn one_open_daemon_of_four_behind_a_balancer_is_never_verified() {
    const TEST: &str = "one_open_daemon_of_four_behind_a_balancer_is_never_verified";
    let mut tally = Tally::default();
    for open in [&["--no-ca"][..], &["--open-for", "all", "--open-as", "unasked"], &["--plaintext"]] {
        let subject = Subject::of(&["localhost"]);
        let files = subject.files();
        let locked: Option<Vec<_>> = (0..3).map(|_| Server::go(&files, &[], TEST)).collect();
        let Some(mut servers) = locked else { return };
        servers.extend(Server::go(&files, open, TEST));
        let ports: Vec<_> = servers.iter().map(|server| server.port).collect();
        let balancer = Relay::of(Duration::ZERO, move |number| Fate::To(ports[number % ports.len()]));
        let rules = [
            "no-certificate-accepted",
            "unknown-ca-accepted",
            "plaintext-accepted",
            "asks-nobody",
            "several-daemons",
            // Of dials that reached the one without TLS.
            "inconclusive",
            "not-tls",
        ];
        tally.expect_refuted(&open.join(" "), subject.at(balancer.port), &rules);
    }
    tally.settle("Go, one open daemon of four behind a balancer");
}

/// Starts a server on those files, and names it.
type Start = (&'static str, fn(&Files) -> Option<Server>);

#[test]
fn a_sound_daemon_is_verified_each_time() {
    const TEST: &str = "a_sound_daemon_is_verified_each_time";
    let starts: [Start; 11] = [
        ("Go", |files| Server::go(files, &[], TEST)),
        ("Go without ALPN", |files| Server::go(files, &["--no-alpn"], TEST)),
        ("Go, TLS 1.2", |files| Server::go(files, &["--tls12"], TEST)),
        ("Go, TLS 1.2 without ALPN", |files| Server::go(files, &["--tls12", "--no-alpn"], TEST)),
        ("Go, TLS 1.3", |files| Server::go(files, &["--tls13"], TEST)),
        ("Go, one connection at once, others cut", |files| {
            Server::go(files, &["--limit", "1", "--over", "cut"], TEST)
        }),
        ("Go, three connections at once, others cut", |files| {
            Server::go(files, &["--limit", "3", "--over", "cut"], TEST)
        }),
        ("Go, without Info", |files| Server::go(files, &["--no-info"], TEST)),
        ("Go, one connection at once", |files| Server::go(files, &["--limit", "1"], TEST)),
        ("Go, three connections at once", |files| Server::go(files, &["--limit", "3"], TEST)),
        ("gRPC's C core", |files| Server::grpcio(files, "require", TEST)),
    ];
    let mut tally = Tally::default();
    for host in ["localhost", "127.0.0.1"] {
        for (name, start) in starts {
            let subject = Subject::of(&[host, OTHER_NAME]);
            let Some(server) = start(&subject.files()) else { continue };
            tally.expect_verified(&format!("{name} at {host}"), subject.at(server.port));
        }
    }
    tally.settle("sound: Go and gRPC's C core");
}

/// One open daemon of many is met by more dials, if at all.
#[test]
fn samples_find_one_open_daemon_of_twelve() {
    const TEST: &str = "samples_find_one_open_daemon_of_twelve";
    let subject = Subject::of(&["localhost"]);
    let files = subject.files();
    let locked: Option<Vec<_>> = (0..11).map(|_| Server::go(&files, &[], TEST)).collect();
    let Some(mut servers) = locked else { return };
    servers.extend(Server::go(&files, &["--open-for", "all", "--open-as", "optional"], TEST));
    let ports: Vec<_> = servers.iter().map(|server| server.port).collect();
    let balancer = Relay::of(Duration::ZERO, move |number| Fate::To(ports[number % ports.len()]));
    let subject = subject.with(&["--samples", "12", "--timeout", "20s"]);
    let mut tally = Tally::default();
    tally.expect_refuted("one of twelve", subject.at(balancer.port), NO_CERTIFICATE);
    tally.settle("Go, one open daemon of twelve, twelve samples");
}

#[test]
fn the_name_that_the_daemon_is_known_by_can_be_given() {
    const TEST: &str = "the_name_that_the_daemon_is_known_by_can_be_given";
    let mut tally = Tally::default();
    for is_sound in [true, false] {
        let subject = Subject::of(&[OTHER_NAME]);
        let door: &[&str] = if is_sound { &[] } else { &["--open-for", "sni=name", "--open-as", "optional"] };
        let Some(server) = Server::go(&subject.files(), door, TEST) else { return };
        let folder = subject.workspace.text("state/clients/ana/current");
        let target = format!("tcp://127.0.0.1:{}", server.port);
        let subject = subject.with(&["--tlsdir", &folder]);
        let verdict = subject.verdict_of(&[&target]);
        tally.count("without the name", &verdict, verdict.why_not_refuted(&["server-name-mismatch"]));
        let verdict = subject.with(&["--servername", OTHER_NAME]).verdict_of(&[&target]);
        let why = if is_sound { verdict.why_not_verified() } else { verdict.why_not_refuted(NO_CERTIFICATE) };
        tally.count(&format!("with the name, sound: {is_sound}"), &verdict, why);
    }
    tally.settle("a server name that is given");
}
