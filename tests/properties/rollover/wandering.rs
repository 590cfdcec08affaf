//! Rollovers at random, with real files, a real daemon and dials of Go and openssl: whatever is done in
//! whatever order, whoever got in gets in still, unless it was said that they do not.

use std::collections::BTreeSet;
use std::process::Command;

use kitcert::pki::Kit;
use serde_json::Value;

use crate::figures::publish;
use crate::rollover::rolling_over::Fleet;
use crate::support::numbers::{Numbers, number, seed};
use crate::support::peers;
use crate::support::turns::is_turn;

/// So many paths of so many steps, unless `KITCERT_PATHS` says otherwise; from that of the number
/// `KITCERT_FIRST_PATH`, which is the seed's otherwise.
const PATHS: usize = 3;
const STEPS: usize = 8;

const CLIENTS: [&str; 2] = ["ana", "dan"];

/// What may be done. `next refuse` makes the next restart fail.
const DEEDS: [&str; 15] = [
    "rotate",
    "rotate",
    "refuse rotate",
    "rotate --no-restart",
    "rotate --force",
    "ca rollover start",
    "refuse ca rollover start",
    "ca rollover abort",
    "ca rollover start --compromised",
    "join",
    "join and confirm",
    "confirm dan",
    "ca rollover skip dan",
    "rollback daemon/builder",
    "rollback client/ana",
];

/// One path; how many steps lost somebody who was named.
fn path(fleet: &Fleet, index: usize, test: &str) -> usize {
    let mut numbers = Numbers::of(index);
    let mut done = Vec::new();
    // Who is out or will be, and was named for it.
    let mut named: BTreeSet<&str> = BTreeSet::new();
    let mut lost = 0;
    let mut before = CLIENTS.map(|client| gets_in(fleet, client, test));
    for _ in 0..STEPS {
        let deed = DEEDS[numbers.below(DEEDS.len())];
        done.push(deed);
        // A person's word is taken, even of what dan has not.
        if deed == "confirm dan" && !has_current(fleet, "dan") {
            named.insert("dan");
        }
        let said = act(fleet, deed);
        assert!(!said.contains("panicked"), "path {index}, {done:?}: {said}");
        let after = CLIENTS.map(|client| gets_in(fleet, client, test));
        let listed = locked_out(&said);
        // Of an emergency it is said when it begins; the daemon may follow later.
        let is_emergency = std::fs::read_to_string(fleet.admin.path("state/rollover.json"));
        let is_emergency = is_emergency.is_ok_and(|record| record.contains("\"compromised\""));
        for (index_of, client) in CLIENTS.into_iter().enumerate() {
            let is_listed = listed.iter().any(|one| one == client);
            if is_emergency && is_listed || deed == format!("ca rollover skip {client}") {
                named.insert(client);
            }
            match (before[index_of], after[index_of]) {
                (true, false) => {
                    let is_named = is_listed || named.contains(client);
                    assert!(is_named, "path {index}: {client} is out: {done:?}\n{said}");
                    lost += 1;
                }
                (false, true) => {
                    named.remove(client);
                }
                _ => {}
            }
        }
        before = after;
    }
    lost
}

/// Whether a client's machine has what is current for it.
fn has_current(fleet: &Fleet, client: &str) -> bool {
    let current = fleet.admin.read(&format!("state/clients/{client}/current/cert.pem"));
    fleet.admin.read(&format!("{}/cert.pem", fleet.folder(client))) == current
}

/// Whom a command names as locked out.
fn locked_out(said: &str) -> Vec<String> {
    let report = serde_json::Deserializer::from_str(said).into_iter::<Value>().next();
    let report = report.and_then(Result::ok).unwrap_or_default();
    let names = report["locked_out"].as_array().cloned().unwrap_or_default();
    names.iter().map(|name| name.as_str().unwrap().to_owned()).collect()
}

fn act(fleet: &Fleet, deed: &str) -> String {
    match deed {
        "join" | "join and confirm" => {
            let path = fleet.admin.path("state/kits/dan.kit");
            let Ok(text) = std::fs::read_to_string(path) else { return String::new() };
            let kit = Kit::from_text(text.as_bytes(), "a kit").unwrap();
            let words = kit.contents().trust[0].fingerprint().words();
            let machine = &fleet.developer("dan").machine;
            let file = machine.write("waiting.kit", &text);
            let join = ["join", &file, "--tool", "buildctl", "--fingerprint", &words, "--format", "json"];
            let said = machine.run(join);
            if said.code == 0 && deed == "join and confirm" {
                let receipt = said.json()["receipt"].as_str().unwrap().to_owned();
                fleet.admin.run(["confirm", &receipt]).succeeded();
            }
            said.out
        }
        deed => {
            let words = deed.strip_prefix("refuse ").unwrap_or(deed);
            if words != deed {
                fleet.daemons[0].daemon.ask("next refuse");
            }
            let words = words.split(' ').chain(["--format", "json"]);
            let said = fleet.admin.run(words);
            fleet.daemons[0].daemon.ask("forget");
            format!("{}\n{}", said.out.trim_end(), said.err)
        }
    }
}

/// Whether that client gets in with what is on its machine, by Go's word and by openssl's.
fn gets_in(fleet: &Fleet, client: &str, test: &str) -> bool {
    let folder = fleet.folder(client);
    let address = format!("127.0.0.1:{}", fleet.daemons[0].port);
    let file = |name: &str| format!("{folder}/{name}.pem");
    let mut go = Command::new(peers::program("go-peer", test).unwrap());
    go.args(["client", "--addr", &address, "--ca", &file("ca")]);
    go.args(["--cert", &file("cert"), "--key", &file("key")]);
    let said = fleet.admin.finish(go, "");
    let by_go = said.out.starts_with("accepted");
    let mut openssl = Command::new("openssl");
    // Of TLS 1.2 a refusal is part of the handshake, so that nothing has to be waited for.
    openssl.args([
        "s_client",
        "-tls1_2",
        "-connect",
        &address,
        "-CAfile",
        &file("ca"),
        "-verify_return_error",
    ]);
    openssl.args(["-cert", &file("cert"), "-key", &file("key")]);
    let dialed = fleet.admin.finish(openssl, "");
    assert_eq!(by_go, dialed.code == 0, "{client}: {said:?} {dialed:?}");
    by_go
}

#[test]
fn whatever_is_done_in_whatever_order_nobody_is_out_unsaid() {
    const TEST: &str = "whatever_is_done_in_whatever_order_nobody_is_out_unsaid";
    if !is_turn(TEST) {
        return;
    }
    let paths = number("KITCERT_PATHS", PATHS);
    let first = number("KITCERT_FIRST_PATH", usize::try_from(seed() % 1_000_000).unwrap());
    let mut named = 0;
    for index in first..first + paths {
        let Some(fleet) = Fleet::new(TEST, 1, &["dan"]) else { return };
        named += path(&fleet, index, TEST);
    }
    println!("{paths} paths of {STEPS} steps; {named} times somebody was out who was named");
    let value = format!("{paths} paths of {STEPS} steps, nobody out unsaid");
    publish("rollover", "random paths on real files, dialed by Go and openssl", value, None);
}
