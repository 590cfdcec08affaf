//! Rotations, many of them, many at once, killed and failed at every call that writes: whoever has
//! a right to get in gets in, and the next run always ends well.

use std::collections::BTreeMap;

use crate::figures::{Aim, publish};
use crate::rotate::rotating::{Site, generations, serial, workspace_aged};
use crate::support::daemon::Daemon;
use crate::support::interference::{ERRORS, Fault, Hit, Threads, calls, interfered, spread};
use crate::support::numbers::number;
use crate::support::peers;
use crate::support::supervised::WorkingClients;
use crate::support::turns::is_turn;
use crate::support::whole::assert_whole;
use crate::support::workspace::Said;

#[test]
fn nobody_is_refused_while_certificates_are_rotated() {
    const TEST: &str = "nobody_is_refused_while_certificates_are_rotated";
    if !is_turn(TEST) {
        return;
    }
    let Some(site) = Site::new(TEST) else { return };
    let names: Vec<String> = (1..8).map(|number| format!("c{number}")).collect();
    site.workspace.run(["issue", "client"].into_iter().chain(names.iter().map(String::as_str))).succeeded();
    let folders: Vec<String> =
        ["ana"].into_iter().chain(names.iter().map(String::as_str)).map(folder_of).collect();
    let read = ["root/etc", "state/daemons/builder/current"];
    let mut clients = WorkingClients::start(TEST, &site.workspace, site.port, &folders, &read).unwrap();
    clients.settle();

    let rotations = number("KITCERT_ROTATIONS", 25);
    for round in 1..=rotations {
        // Every fifth renews the clients too, while they work.
        let whom: &[&str] = if round % 5 == 0 { &[] } else { &["builder"] };
        let said = site.rotate(&[&["--force"], whom].concat());
        assert_eq!(said.code, 0, "rotation {round}: {}{}", said.out, said.err);
        site.assert_served();
        let newest = serial(&site.workspace, "state/daemons/builder/current");
        let seen = clients.settle();
        for client in seen["serials"].as_array().unwrap() {
            assert_eq!(*client, newest, "rotation {round}: {seen:#}");
        }
    }
    let counted = clients.settle();
    println!("{rotations} rotations: {counted:#}");
    let value = format!(
        "{} let in, {} refused, {} mixed pairs of {} read",
        counted["accepted"], counted["refused"], counted["mismatched"], counted["pairs"]
    );
    let figure = format!("{rotations} forced rotations while eight clients work");
    let is_met = counted["refused"] == 0 && counted["mismatched"] == 0;
    publish("rotation", &figure, value, Some(Aim { words: "0 refused, 0 mixed", is_met }));
    for count in ["refused", "untrusted", "late", "mismatched", "unreadable"] {
        assert_eq!(counted[count], 0, "{count}: {counted:#}");
    }
    // A restart cuts what a client is just doing, and a client does one thing at a time.
    let restarts = site.daemon.count("restarts");
    assert_eq!(restarts, rotations as u64);
    assert!(counted["cut"].as_u64().unwrap() <= restarts * folders.len() as u64, "{counted:#}");
}

fn folder_of(client: &str) -> String {
    format!("state/clients/{client}/current")
}

/// So many at once.
const AT_ONCE: usize = 64;

#[test]
fn of_many_rotations_at_once_one_renews_what_is_due() {
    if !is_turn("of_many_rotations_at_once_one_renews_what_is_due") {
        return;
    }
    let rounds = number("KITCERT_ROUNDS", 3);
    let mut codes: BTreeMap<i32, usize> = BTreeMap::new();
    for round in 1..=rounds {
        let port = Daemon::free_port();
        let workspace = workspace_aged(80, port);
        let _daemon = Daemon::start(&workspace, port, &[]);
        workspace.run(["verify", "builder"]).succeeded();
        let said = at_once(|| workspace.run(["rotate", "--format", "json"]));
        let changed = said.iter().filter(|one| one.code == 0 && one.json()["changed"] == true).count();
        for one in &said {
            assert!([0, 5].contains(&one.code), "round {round}: {}{}", one.out, one.err);
            *codes.entry(one.code).or_default() += 1;
        }
        assert_eq!(changed, 1, "round {round}: so many say that they changed something");
        assert_eq!(generations(&workspace, "clients/ana"), ["gen-0001", "gen-0002"], "round {round}");
        assert_eq!(generations(&workspace, "daemons/builder"), ["gen-0001"], "round {round}");
        let log = workspace.read("state/log.jsonl");
        assert_eq!(log.matches("client ana").count(), 2, "round {round}: {log}");
        assert_whole(&workspace, &format!("round {round}"));
    }
    println!("{rounds} rounds of {AT_ONCE} at once ended with {codes:?}");
    let figure = format!("{rounds} rounds of {AT_ONCE} rotations at once: exit codes");
    publish("rotation", &figure, format!("{codes:?}, one writer each"), None);
}

#[test]
fn of_many_rotations_at_once_one_restarts_the_daemon() {
    const TEST: &str = "of_many_rotations_at_once_one_restarts_the_daemon";
    if !is_turn(TEST) {
        return;
    }
    let Some(site) = Site::aged(TEST, 300) else { return };
    site.workspace.run(["rotate", "ana"]).succeeded();
    for one in at_once(|| site.rotate(&["builder"])) {
        assert!([0, 5].contains(&one.code), "{}{}", one.out, one.err);
    }
    assert_eq!(generations(&site.workspace, "daemons/builder"), ["gen-0001", "gen-0002"]);
    assert_eq!(site.daemon.count("attempts"), 1);
    site.assert_served();
}

fn at_once(run: impl Fn() -> Said + Sync) -> Vec<Said> {
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(&run)).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    })
}

/// Of so many calls one is interfered with, unless `KITCERT_MOMENTS` says otherwise.
const MOMENTS: usize = 8;

const FORCED: [&str; 3] = ["rotate", "--force", "builder"];

#[test]
fn a_rotation_that_is_killed_is_finished_by_the_next() {
    if !is_turn("a_rotation_that_is_killed_is_finished_by_the_next") {
        return;
    }
    survives("a_rotation_that_is_killed_is_finished_by_the_next", &[Fault::Kill], &|moment, said| {
        // How often the threads of a dial wake one another by a write is not the same in every run, so
        // that the last of the writes may not come.
        assert!(said.code != 0 || moment.contains("write"), "{moment} was not the end");
    });
}

#[test]
fn a_rotation_that_a_disk_fails_leaves_one_set_or_the_other() {
    if !is_turn("a_rotation_that_a_disk_fails_leaves_one_set_or_the_other") {
        return;
    }
    survives("a_rotation_that_a_disk_fails_leaves_one_set_or_the_other", &ERRORS, &|moment, said| {
        assert!([0, 1, 6].contains(&said.code), "{moment}: {said:?}");
        let words = said.out.trim().len() + said.err.trim().len();
        assert!(said.code == 0 || words > 0, "{moment}: {} without a word", said.code);
    });
}

/// Interferes with a rotation at one call after another, and rotates again each time.
fn survives(test: &str, faults: &[Fault], expected: &dyn Fn(&str, &Said)) {
    let Some(strace) = peers::program("strace", test) else { return };
    let Some(site) = Site::new(test) else { return };
    let clients = [folder_of("ana")];
    let mut clients =
        WorkingClients::start(test, &site.workspace, site.port, &clients, &["root/etc"]).unwrap();
    // Until as many generations are pruned as are made.
    for _ in 0..6 {
        site.workspace.run(FORCED).succeeded();
    }
    let calls = calls(&site.workspace, &strace, Threads::First, FORCED);
    assert!(calls.len() > 20, "strace saw only {calls:?}");
    let points = calls.iter().flat_map(|call| faults.iter().map(move |fault| (call.clone(), *fault)));
    let points: Vec<_> = points.collect();
    let tried = spread(&points, number("KITCERT_MOMENTS", MOMENTS));
    let mut codes: BTreeMap<i32, usize> = BTreeMap::new();
    for (call, fault) in &tried {
        let moment = format!("{fault} at {call}");
        let (said, hit) = interfered(&site.workspace, &strace, Threads::First, FORCED, call, *fault);
        // Whoever is hit where no disk is concerned is only asked to leave a whole state.
        let is_disks = hit == Hit::Disk;
        assert_whole(&site.workspace, &moment);
        if is_disks {
            *codes.entry(said.code).or_default() += 1;
            assert!(!said.err.contains("has a fault"), "{moment}: {}", said.err);
            expected(&moment, &said);
        }
        if said.code == 1 && is_disks {
            let current = serial(&site.workspace, "state/daemons/builder/current");
            assert_eq!(site.daemon.serial(), Some(current), "{moment}: served, and current: {said:?}");
        }
        let again = site.rotate(&[]);
        assert_eq!(again.code, 0, "after {moment}: {}{}", again.out, again.err);
        assert_whole(&site.workspace, &moment);
        site.assert_served();
        assert_eq!(site.workspace.run(["status", "--check"]).code, 0, "status after {moment}");
        let counted = clients.settle();
        for count in ["refused", "untrusted", "mismatched", "unreadable"] {
            assert_eq!(counted[count], 0, "{moment}: {counted:#}");
        }
    }
    println!("{} of {} points, {} calls by {faults:?}: {codes:?}", tried.len(), points.len(), calls.len());
    let kind = if faults == [Fault::Kill] { "killed" } else { "failed" };
    let value = format!("{} of {} points at {} calls", tried.len(), points.len(), calls.len());
    let aim = Aim { words: "the old set or the new, nobody refused, the next run converges", is_met: true };
    publish(
        "crash and fault",
        &format!("rotate with a daemon and a client at work, {kind}"),
        value,
        Some(aim),
    );
}
