//! What is no daemon, not yet, or not for long: the verdict says what was seen, in time, and never
//! that the client's certificate was refused.

use std::time::Duration;

use crate::support::daemon::Daemon;
use crate::support::relay::{Fate, Relay};
use crate::support::servers::Server;
use crate::support::supervised::SupervisedDaemon;
use crate::support::verdict_subject::{Subject, Tally, Verdict};

/// What verify may take, with the start of a process on a busy machine.
const DEADLINE: Duration = Duration::from_secs(5);
/// What `verify` is given.
const TIMEOUT: [&str; 2] = ["--timeout", "3s"];
/// A server that has not been heard is not said to have refused anybody, nor to be several.
const UNFOUNDED: [&str; 4] =
    ["client-refused", "several-daemons", "no-certificate-accepted", "unknown-ca-accepted"];

/// Why a verdict is late, or claims what nobody can have seen.
fn why_unfounded(verdict: &Verdict) -> Option<String> {
    let is_late = verdict.elapsed > DEADLINE;
    let is_unfounded = verdict.faults("warning").iter().any(|rule| UNFOUNDED.contains(rule));
    let has_panicked = verdict.said.err.contains("panicked");
    (is_late || is_unfounded || has_panicked)
        .then(|| format!("late {is_late}, unfounded {is_unfounded}: {}", verdict.evidence()))
}

fn why_not(verdict: &Verdict, rules: &[&str]) -> Option<String> {
    why_unfounded(verdict).or_else(|| verdict.why_not_refuted(rules))
}

#[test]
fn a_port_that_does_not_serve_yet_is_said_to() {
    let mut tally = Tally::default();
    for (case, fate) in [("reset", (|_| Fate::Reset) as fn(usize) -> Fate), ("closed", |_| Fate::Closed)] {
        let subject = Subject::of(&["localhost"]).with(&TIMEOUT);
        let relay = Relay::of(Duration::ZERO, fate);
        tally.ask(case, subject.at(relay.port), |verdict| why_not(verdict, &["not-up-yet"]));
        assert!(!subject.is_recorded(), "{case}");
    }
    tally.settle("a port that accepts and does not serve yet");
}

#[test]
fn wait_lasts_until_the_daemon_is_up() {
    let mut tally = Tally::default();
    for before in [1, 20, 40] {
        let subject = Subject::of(&["localhost"]);
        let Some(server) = Server::go(&subject.files(), &[], "wait") else { return };
        let subject = subject.with(&["--wait=20s"]);
        let port = server.port;
        let relay = Relay::of(
            Duration::ZERO,
            move |number| {
                if number < before { Fate::Reset } else { Fate::To(port) }
            },
        );
        let case = format!("up after {before} connections");
        tally.ask(&case, subject.at(relay.port), |verdict| {
            verdict
                .why_not_verified()
                .or_else(|| why_unfounded(verdict).filter(|_| verdict.elapsed > DEADLINE * 4))
        });
    }
    tally.settle("sound: up while verify waits");
}

#[test]
fn wait_ends_when_its_time_is_up() {
    let subject = Subject::of(&["localhost"]).with(&["--wait=2s"]);
    let relay = Relay::of(Duration::ZERO, |_| Fate::Reset);
    let verdict = subject.at(relay.port).verdict();
    assert_eq!(why_not(&verdict, &["not-up-yet"]), None);
    assert!(verdict.elapsed >= Duration::from_secs(1), "{:?}", verdict.elapsed);
}

/// The verdict of the first pass that hears a daemon counts, whatever comes later.
#[test]
fn wait_does_not_wait_for_an_open_daemon_to_be_locked() {
    let subject = Subject::of(&["localhost"]);
    let Some(server) = Server::go(&subject.files(), &["--no-ca"], "wait, open") else { return };
    let verdict = subject.with(&["--wait=20s"]).at(server.port).verdict();
    assert_eq!(verdict.why_not_refuted(&["no-certificate-accepted"]), None);
    assert!(verdict.elapsed < DEADLINE, "{:?}", verdict.elapsed);
}

#[test]
fn a_front_that_expects_the_proxy_protocol_refuses_nobody() {
    const TEST: &str = "a_front_that_expects_the_proxy_protocol_refuses_nobody";
    let subject = Subject::of(&["localhost"]).with(&TIMEOUT);
    let files = subject.files();
    let folder = tempfile::tempdir().unwrap();
    let read = |path: &std::path::Path| std::fs::read_to_string(path).unwrap();
    let pair = folder.path().join("pair.pem");
    std::fs::write(&pair, read(&files.cert) + &read(&files.key)).unwrap();
    let configuration = format!(
        "defaults\n mode http\n timeout connect 5s\n timeout client 30s\n timeout server 30s\n\
         frontend builder\n bind fd@0 accept-proxy ssl crt {} ca-file {} verify required alpn h2\n",
        pair.display(),
        files.ca.display(),
    );
    let Some(server) = Server::haproxy(folder, &configuration, TEST) else { return };
    let mut tally = Tally::default();
    let rules = ["not-up-yet", "inconclusive", "not-tls"];
    tally.ask("PROXY protocol", subject.at(server.port), |verdict| why_not(verdict, &rules));
    assert!(!subject.is_recorded());
    tally.settle("the PROXY protocol is expected");
}

#[test]
fn a_connection_cut_within_the_handshake_refuses_nobody() {
    let mut tally = Tally::default();
    // Within the record's header, within ServerHello, and within what follows.
    for after in [3, 40, 300] {
        let subject = Subject::of(&["localhost"]).with(&TIMEOUT);
        let Some(server) = Server::go(&subject.files(), &[], "cut") else { return };
        let port = server.port;
        let relay = Relay::of(Duration::ZERO, move |_| Fate::Cut { port, after });
        let case = format!("cut after {after} bytes");
        let rules = ["inconclusive", "not-up-yet"];
        tally.ask(&case, subject.at(relay.port), |verdict| why_not(verdict, &rules));
        assert!(!subject.is_recorded(), "{case}");
    }
    tally.settle("connections cut within the handshake");
}

#[test]
fn a_restart_during_the_verdict_is_no_refusal() {
    const TEST: &str = "a_restart_during_the_verdict_is_no_refusal";
    let mut tally = Tally::default();
    for before in [1, 4, 8, 12] {
        let subject = Subject::of(&["localhost"]).with(&TIMEOUT);
        let port = Daemon::free_port();
        let folder = "state/daemons/builder/current";
        let Some(daemon) = SupervisedDaemon::start(TEST, &subject.workspace, folder, port, &[]) else {
            return;
        };
        let relay = Relay::of(Duration::ZERO, move |number| {
            if number == before {
                daemon.ask("restart");
            }
            Fate::To(port)
        });
        let verdict = subject.at(relay.port).verdict();
        let why = match verdict.said.code {
            0 => why_unfounded(&verdict),
            _ => why_not(&verdict, &["inconclusive", "not-up-yet", "unreachable"]),
        };
        println!("restarted at connection {before}: exit {}", verdict.said.code);
        tally.count(&format!("restarted at connection {before}"), &verdict, why);
    }
    tally.settle("a restart during the verdict");
}

#[test]
fn a_daemon_that_opens_during_the_verdict_is_never_verified() {
    let mut tally = Tally::default();
    for before in [3, 8, 12] {
        let subject = Subject::of(&["localhost"]);
        let [Some(locked), Some(open)] =
            [&[][..], &["--no-ca"]].map(|options| Server::go(&subject.files(), options, "opens"))
        else {
            return;
        };
        let (first, then) = (locked.port, open.port);
        let relay =
            Relay::of(Duration::ZERO, move |number| Fate::To(if number < before { first } else { then }));
        let verdict = subject.at(relay.port).verdict();
        let rules = ["no-certificate-accepted", "unknown-ca-accepted", "asks-nobody", "several-daemons"];
        tally.count(&format!("opens after {before} connections"), &verdict, verdict.why_not_refuted(&rules));
        assert!(!subject.is_recorded());
    }
    tally.settle("a daemon that opens during the verdict");
}
