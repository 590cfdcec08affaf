//! What the state remembers of a verdict: a refutation takes the record away, no answer leaves it,
//! and another endpoint has no part in it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use crate::support::relay::{Fate, Relay};
use crate::support::servers::{Files, Server};
use crate::support::verdict_subject::{OTHER_NAME, Subject};
use crate::support::workspace::Workspace;

/// A daemon that gives way to another at the same port.
struct Successive {
    relay: Relay,
    port: Arc<AtomicU16>,
}

impl Successive {
    fn beginning_with(port: u16) -> Successive {
        let port = Arc::new(AtomicU16::new(port));
        let now = Arc::clone(&port);
        let fate = move |_| match now.load(Ordering::SeqCst) {
            0 => Fate::Reset,
            port => Fate::To(port),
        };
        Successive { relay: Relay::of(Duration::ZERO, fate), port }
    }

    /// From now on it is the one at that port; without one, each connection is reset.
    fn becomes(&self, port: u16) {
        self.port.store(port, Ordering::SeqCst);
    }
}

/// A daemon that was verified, behind something that may become another.
fn verified(test: &str) -> Option<(Subject, Server, Successive)> {
    let subject = Subject::of(&["localhost", OTHER_NAME]);
    let server = Server::go(&subject.files(), &[], test)?;
    let daemon = Successive::beginning_with(server.port);
    let verdict = subject.at(daemon.relay.port).verdict();
    assert_eq!(verdict.said.code, 0, "{}", verdict.evidence());
    assert!(subject.is_recorded(), "{}", verdict.evidence());
    Some((subject, server, daemon))
}

#[test]
fn what_was_verified_is_recorded() {
    let Some((subject, ..)) = verified("what_was_verified_is_recorded") else { return };
    assert!(subject.workspace.path("state/daemons/builder/verified.json").exists());
    subject.workspace.run(["status", "--check"]).succeeded();
}

#[test]
fn a_refutation_takes_the_record_away() {
    const TEST: &str = "a_refutation_takes_the_record_away";
    let another = Workspace::with_state();
    let other_ca = another.path("state/daemons/builder/current/ca.pem");
    let other_state = Workspace::with_state();
    let strange = Files::in_folder(&other_state.path("state/daemons/builder/current"));
    type Change<'a> = (&'a str, &'a [&'a str], &'a dyn Fn(Files) -> Files);
    let same = |files: Files| files;
    let changes: [Change; 5] = [
        ("TLS without a client CA", &["--no-ca"], &same),
        ("TLS off", &["--plaintext"], &same),
        ("open for no SNI", &["--open-for", "sni=none", "--open-as", "optional"], &same),
        ("another client CA", &[], &|files| Files { ca: other_ca.clone(), ..files }),
        ("another daemon", &[], &|_| strange.clone()),
    ];
    for (case, options, files) in changes {
        let Some((subject, _first, daemon)) = verified(TEST) else { return };
        let Some(changed) = Server::go(&files(subject.files()), options, TEST) else { return };
        daemon.becomes(changed.port);
        let verdict = subject.verdict();
        assert_eq!(verdict.said.code, 3, "{case}: {}", verdict.evidence());
        assert!(!subject.is_recorded(), "{case}");
        assert_ne!(subject.workspace.run(["status", "--check"]).code, 0, "{case}");
    }
}

#[test]
fn a_daemon_that_is_not_heard_keeps_its_record() {
    let Some((subject, _server, daemon)) = verified("a_daemon_that_is_not_heard_keeps_its_record") else {
        return;
    };
    daemon.becomes(0);
    let verdict = subject.verdict();
    assert_eq!(verdict.said.code, 3, "{}", verdict.evidence());
    assert!(subject.is_recorded(), "{}", verdict.evidence());
}

#[test]
fn a_client_of_another_ca_says_nothing_of_the_daemon() {
    const TEST: &str = "a_client_of_another_ca_says_nothing_of_the_daemon";
    let Some((subject, _server, _daemon)) = verified(TEST) else { return };
    let other_state = Workspace::with_state();
    let folder = other_state.text("state/clients/ana/current");
    let verdict = subject.verdict_of(&["builder", "--tlsdir", &folder]);
    assert_eq!(verdict.said.code, 3, "{}", verdict.evidence());
    assert!(subject.is_recorded(), "{}", verdict.evidence());
    let own = subject.workspace.text("state/clients/ana/current");
    let verdict = subject.verdict_of(&["builder", "--tlsdir", &own]);
    assert_eq!(verdict.said.code, 0, "{}", verdict.evidence());
}

/// A person's config may name the daemon and the files of another CA.
#[test]
fn a_stale_config_says_nothing_of_the_daemon() {
    const TEST: &str = "a_stale_config_says_nothing_of_the_daemon";
    let Some((subject, _server, daemon)) = verified(TEST) else { return };
    let other_state = Workspace::with_state();
    let files = other_state.text("state/clients/ana/current");
    let port = daemon.relay.port;
    let config = format!(
        "global:\n  buildkit_host: tcp://localhost:{port}\n  tls_enabled: true\n  tlsca: {files}/ca.pem\n  \
         tlscert: {files}/cert.pem\n  tlskey: {files}/key.pem\n"
    );
    subject.workspace.write("home/.earthly/config.yml", config);
    let verdict = subject.verdict_of(&[]);
    assert_eq!(verdict.said.code, 3, "{}", verdict.evidence());
    assert!(subject.is_recorded(), "{}", verdict.evidence());
}

#[test]
fn a_refutation_counts_however_the_daemon_was_dialed() {
    const TEST: &str = "a_refutation_counts_however_the_daemon_was_dialed";
    // Its name, its endpoint, and a time.
    for way in [&["builder", ENDPOINT][..], &[ENDPOINT, "builder"], &["builder", "--at", "2030-01-01"]] {
        let Some((subject, _first, daemon)) = verified(TEST) else { return };
        let Some(open) = Server::go(&subject.files(), &["--no-ca"], TEST) else { return };
        daemon.becomes(open.port);
        let endpoint = format!("tcp://localhost:{}", daemon.relay.port);
        let words: Vec<&str> =
            way.iter().map(|word| if *word == ENDPOINT { &endpoint } else { *word }).collect();
        let verdict = subject.verdict_of(&words);
        assert_eq!(verdict.said.code, 3, "{words:?}: {:?}", verdict.said);
        assert!(!subject.is_recorded(), "{words:?}: {:?}", verdict.said);
    }
}

#[test]
fn the_daemons_of_one_endpoint_are_refuted_together_and_another_address_says_nothing() {
    const TEST: &str = "the_daemons_of_one_endpoint_are_refuted_together_and_another_address_says_nothing";
    let Some((subject, _first, daemon)) = verified(TEST) else { return };
    let endpoint = format!("tcp://localhost:{}", daemon.relay.port);
    let other = ["issue", "daemon", "other", "--host", "localhost", "--endpoint", &endpoint];
    subject.workspace.run(other).succeeded();
    let strange = Workspace::with_state();
    let files = Files::in_folder(&strange.path("state/daemons/builder/current"));
    let address = format!("127.0.0.2:{}", daemon.relay.port);
    let Some(elsewhere) = Server::go_at(&address, &files, &["--no-ca"], TEST) else { return };
    let verdict = subject.verdict_of(&["builder", "--address", "127.0.0.2"]);
    assert_eq!(verdict.said.code, 3, "{}", verdict.evidence());
    assert!(subject.is_recorded(), "what is elsewhere is not the daemon: {}", verdict.evidence());
    drop(elsewhere);
    let Some(open) = Server::go(&subject.files(), &["--no-ca"], TEST) else { return };
    daemon.becomes(open.port);
    let verdict = subject.verdict_of(&["other"]);
    assert_eq!(verdict.said.code, 3, "{}", verdict.evidence());
    assert!(!subject.is_recorded(), "{}", verdict.evidence());
}

#[test]
fn what_answers_without_tls_is_judged_at_once_however_long_it_may_be_waited_for() {
    const TEST: &str = "what_answers_without_tls_is_judged_at_once_however_long_it_may_be_waited_for";
    let subject = Subject::of(&["localhost", OTHER_NAME]);
    let Some(open) = Server::go(&subject.files(), &["--plaintext"], TEST) else { return };
    let verdict = subject.at(open.port).verdict_of(&["builder", "--wait=600s"]);
    assert_eq!(verdict.said.code, 3, "{}", verdict.evidence());
    assert!(verdict.elapsed < Duration::from_secs(60), "{:?}", verdict.elapsed);
}

#[test]
fn another_endpoint_of_the_host_is_not_the_daemon() {
    const TEST: &str = "another_endpoint_of_the_host_is_not_the_daemon";
    let subject = Subject::of(&["localhost", OTHER_NAME]);
    let Some(server) = Server::go(&subject.files(), &[], TEST) else { return };
    let target = format!("tcp://localhost:{}", server.port);
    let verdict = subject.verdict_of(&[&target]);
    assert!(!subject.is_recorded(), "of an endpoint that kitcert.yaml does not list: {}", verdict.evidence());

    // Nor does an open one of the same host say anything of the daemon.
    let Some((subject, ..)) = verified(TEST) else { return };
    let Some(open) = Server::go(&subject.files(), &["--no-ca"], TEST) else { return };
    let target = format!("tcp://localhost:{}", open.port);
    let verdict = subject.verdict_of(&[&target]);
    assert_eq!(verdict.said.code, 3, "{}", verdict.evidence());
    assert!(subject.is_recorded(), "{}", verdict.evidence());
}

/// In place of what is known only when the daemon listens.
const ENDPOINT: &str = "ENDPOINT";
