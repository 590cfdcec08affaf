//! A name of several addresses: each is judged, or said not to be.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::support::peers;
use crate::support::servers::{Files, Server};
use crate::support::turns::is_turn;
use crate::support::verdict_subject::{NAME, Subject, Tally};

/// Go's daemon at that address and port.
fn at(address: &str, port: u16, files: &Files, options: &[&str], test: &str) -> Option<Server> {
    let address = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
    let mut command = Command::new(peers::program("go-peer", test)?);
    command.args(["serve", "--addr", &format!("{address}:{port}"), "--cert"]).arg(&files.cert);
    command.arg("--key").arg(&files.key).arg("--ca").arg(&files.ca).args(options);
    Some(Server::greeting(&mut command, "listening"))
}

/// An address and port at which connections are neither accepted nor refused.
fn unanswered(address: &str, port: u16, test: &str) -> Option<Server> {
    let mut command = Command::new(peers::program("go-peer", test)?);
    command.args(["unanswered", "--addr", &format!("{address}:{port}")]);
    Some(Server::greeting(&mut command, "listening"))
}

/// Two daemons at the same port of two addresses, the second with those options.
fn both(subject: &Subject, addresses: [&str; 2], options: &[&str], test: &str) -> Option<[Server; 2]> {
    let files = subject.files();
    // The system knows a port that is free at one address, and another test may have it at the other.
    let is_free = |port: u16| {
        let address: std::net::IpAddr = addresses[0].parse().unwrap();
        std::net::TcpListener::bind((address, port)).is_ok()
    };
    loop {
        let second = at(addresses[1], 0, &files, options, test)?;
        if is_free(second.port) {
            let first = at(addresses[0], second.port, &files, &[], test)?;
            return Some([first, second]);
        }
    }
}

#[test]
fn a_second_address_with_a_hole_is_never_verified() {
    const TEST: &str = "a_second_address_with_a_hole_is_never_verified";
    if !is_turn(TEST) {
        return;
    }
    let mut tally = Tally::default();
    let doors = ["sni=none", "sni=foreign", "sni=name", "tls=1.2", "tls=1.3", "alpn=none", "alpn=h2"];
    let doors = doors.map(|door| ["--open-for", door, "--open-as", "optional"]);
    let holes = [&["--no-ca"][..], &["--plaintext"], &["--plaintext-too", "http2"]];
    let holes: Vec<_> = holes.into_iter().chain(doors.iter().map(|door| &door[..])).collect();
    for addresses in [["127.0.0.2", "127.0.0.3"], ["127.0.0.3", "127.0.0.2"], ["::1", "127.0.0.1"]] {
        for hole in &holes {
            let Some(subject) = Subject::named(&addresses, TEST) else { return };
            let Some([first, _second]) = both(&subject, addresses, hole, TEST) else { return };
            let rules = ["no-certificate-accepted", "plaintext-accepted"];
            let case = format!("{} is open at {}: {}", NAME, addresses[1], hole.join(" "));
            tally.expect_refuted(&case, subject.at(first.port), &rules);
        }
    }
    tally.settle("a second address with a hole");
}

#[test]
fn two_daemons_of_one_name_are_told_apart() {
    const TEST: &str = "two_daemons_of_one_name_are_told_apart";
    let addresses = ["127.0.0.2", "127.0.0.3"];
    let Some(subject) = Subject::named(&addresses, TEST) else { return };
    let previous = Files::in_folder(&subject.workspace.path("state/daemons/builder/gen-0001"));
    let inventory = subject.workspace.read("state/kitcert.yaml");
    subject
        .workspace
        .write("state/kitcert.yaml", inventory.replace("second.example", "second.example, third.example"));
    subject.workspace.run(["issue", "daemon", "builder"]).succeeded();
    assert_ne!(std::fs::read(&previous.cert).unwrap(), std::fs::read(&subject.files().cert).unwrap());
    let Some(current) = at(addresses[0], 0, &subject.files(), &[], TEST) else { return };
    let _previous = at(addresses[1], current.port, &previous, &[], TEST);
    let mut tally = Tally::default();
    let rules = ["several-daemons", "served-is-stale"];
    tally.expect_refuted("the previous leaf at one address", subject.at(current.port), &rules);
    tally.settle("two daemons of one name");
}

#[test]
fn a_name_of_locked_addresses_is_verified_each_time() {
    const TEST: &str = "a_name_of_locked_addresses_is_verified_each_time";
    let mut tally = Tally::default();
    for addresses in [["127.0.0.2", "127.0.0.3"], ["::1", "127.0.0.1"]] {
        let Some(subject) = Subject::named(&addresses, TEST) else { return };
        let Some([first, _second]) = both(&subject, addresses, &[], TEST) else { return };
        tally.expect_verified(&format!("{addresses:?} locked"), subject.at(first.port));
    }
    tally.settle("sound: two locked addresses");
}

/// Docker's hosts file gives a name `::1` too, and a port may be published on IPv4 alone.
#[test]
fn an_address_at_which_nothing_listens_does_not_prevent_verified() {
    const TEST: &str = "an_address_at_which_nothing_listens_does_not_prevent_verified";
    let mut tally = Tally::default();
    for addresses in [["::1", "127.0.0.1"], ["127.0.0.3", "127.0.0.2"]] {
        let Some(subject) = Subject::named(&addresses, TEST) else { return };
        let Some(server) = at(addresses[1], 0, &subject.files(), &[], TEST) else { return };
        let case = format!("nothing listens at {}", addresses[0]);
        tally.ask(&case, subject.at(server.port), |verdict| {
            let is_said = verdict.faults("warning") == ["address-not-served"];
            verdict.why_not_verified().or_else(|| (!is_said).then(|| verdict.evidence()))
        });
    }
    tally.settle("sound: nothing listens at one of two addresses");
}

#[test]
fn an_address_that_cannot_be_reached_is_not_judged() {
    const TEST: &str = "an_address_that_cannot_be_reached_is_not_judged";
    let mut tally = Tally::default();
    // Nobody has the first (RFC 3849): there is no route to it, or no answer.
    for unreachable in ["2001:db8::1", "127.0.0.3"] {
        let Some(subject) = Subject::named(&["127.0.0.2", unreachable], TEST) else { return };
        let subject = subject.with(&["--timeout", "3s"]);
        let Some(server) = at("127.0.0.2", 0, &subject.files(), &[], TEST) else { return };
        let Some(_unanswered) = unanswered("127.0.0.3", server.port, TEST) else { return };
        let case = format!("{unreachable} cannot be reached");
        tally.ask(&case, subject.at(server.port), |verdict| {
            let is_late = verdict.elapsed > Duration::from_secs(5);
            let late = is_late.then(|| format!("late: {}", verdict.evidence()));
            verdict.why_not_refuted(&["address-not-judged"]).or(late)
        });
        assert!(!subject.is_recorded(), "{case}");

        let narrowed = subject.with(&["--address", "127.0.0.2"]);
        tally.ask(&format!("{case}, --address"), &narrowed, |verdict| {
            let is_said = verdict.last_line().contains("127.0.0.2");
            verdict.why_not_verified().or_else(|| (!is_said).then(|| verdict.evidence()))
        });
    }
    tally.settle("an address that cannot be reached");
}

#[test]
fn fifty_addresses_are_too_many_to_be_verified() {
    const TEST: &str = "fifty_addresses_are_too_many_to_be_verified";
    let addresses: Vec<_> = (1..=50).map(|number| format!("127.0.1.{number}")).collect();
    let addresses: Vec<_> = addresses.iter().map(String::as_str).collect();
    let Some(subject) = Subject::named(&addresses, TEST) else { return };
    let Some(server) = at("0.0.0.0", 0, &subject.files(), &[], TEST) else { return };
    let mut tally = Tally::default();
    tally.ask("fifty addresses", subject.at(server.port), |verdict| {
        let is_late = verdict.elapsed > Duration::from_secs(7);
        let late = is_late.then(|| format!("late: {}", verdict.evidence()));
        verdict.why_not_refuted(&["address-not-judged"]).or(late)
    });
    assert!(!subject.is_recorded() && Path::new(&subject.files().ca).exists());
    tally.settle("a name of fifty addresses");
}

#[test]
fn ports_are_looked_at_on_every_address() {
    const TEST: &str = "ports_are_looked_at_on_every_address";
    let addresses = ["127.0.53.76", "127.0.53.77"];
    let Some(subject) = Subject::named(&addresses, TEST) else { return };
    let Some([first, _second]) = both(&subject, addresses, &[], TEST) else { return };
    // One of the ports that `--ports` knows, at addresses that nobody else uses.
    let Some(_locked) = at(addresses[0], 6060, &subject.files(), &[], TEST) else { return };
    let Some(_open) = at(addresses[1], 6060, &subject.files(), &["--plaintext"], TEST) else { return };
    let mut tally = Tally::default();
    let subject = subject.with(&["--ports"]);
    tally.ask("a second address has another port", subject.at(first.port), |verdict| {
        let is_named = verdict.faults("warning").contains(&"exposed-port");
        (!is_named).then(|| verdict.evidence())
    });
    tally.settle("ports of a second address");
}
