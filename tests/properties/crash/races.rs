//! Two commands at once on one state and one daemon: each is held at the door of every lock in turn while the
//! other goes on, or is killed there. What is left is whole, and the next rotation ends well.

use std::path::Path;
use std::process::Command;

use crate::rotate::rotating::Site;
use crate::support::held::Held;
use crate::support::interference::place;
use crate::support::numbers::{number, some_of};
use crate::support::peers;
use crate::support::turns::is_turn;
use crate::support::whole::assert_whole;

/// What is held, and what goes on meanwhile.
type Pair = (&'static [&'static str], &'static [&'static str]);

const PAIRS: [Pair; 7] = [
    (&["rotate", "--force", "builder"], &["rotate", "--force", "builder"]),
    (&["rotate", "--force", "builder"], &["rollback", "builder"]),
    (&["rollback", "builder"], &["rotate", "--force", "builder"]),
    (&["rotate", "--force", "builder"], &["ca", "rollover", "start"]),
    (&["ca", "rollover", "start"], &["rotate", "--force", "builder"]),
    (&["rotate", "--force", "builder"], &["ca", "rollover", "start", "--compromised"]),
    (&["rotate", "--force", "builder"], &["verify", "builder"]),
];

/// At so many locks each is held, unless `KITCERT_RACES` says otherwise.
const RACES: usize = 1;

/// Those that this run tries, each with its place among all.
fn pairs(which: usize) -> Vec<(usize, Pair)> {
    some_of(PAIRS.into_iter().enumerate(), ("KITCERT_PAIRS", 3), which)
}

/// A site with something to go back to, and the client's files as its user has them.
fn prepared(test: &str) -> Option<Site> {
    let site = Site::new(test)?;
    site.rotate(&["--force", "builder"]).succeeded();
    let copied = Command::new("cp")
        .args(["-rL".as_ref(), site.workspace.path("state/clients/ana/current").as_os_str()])
        .arg(site.workspace.path("of-ana"))
        .status();
    assert!(copied.unwrap().success());
    Some(site)
}

/// Whether the client still gets in with the files that it was given, by Go's word.
fn ana_gets_in(site: &Site, test: &str) -> bool {
    let folder = site.workspace.path("of-ana");
    let file = |folder: &Path, name: &str| folder.join(format!("{name}.pem"));
    let mut go = Command::new(peers::program("go-peer", test).unwrap());
    go.args(["client", "--addr", &format!("127.0.0.1:{}", site.port)]);
    for name in ["ca", "cert", "key"] {
        go.arg(format!("--{name}")).arg(file(&folder, name));
    }
    site.workspace.finish(go, "").out.starts_with("accepted")
}

/// The next rotation ends well, and the daemon serves what is current.
fn assert_mended(site: &Site, is_emergency: bool, moment: &str, test: &str) {
    assert_whole(&site.workspace, moment);
    let said = site.rotate(&[]);
    assert_eq!(said.code, 0, "{moment}: {said:?}");
    site.assert_served();
    assert_eq!(ana_gets_in(site, test), !is_emergency, "{moment}: the client is out, or the thief is in");
}

/// At how many locks a command stands.
fn locks(site: &Site, arguments: &[&str], test: &str) -> Option<usize> {
    let mut strace = Command::new(peers::program("strace", test)?);
    let trace = site.workspace.path("locks");
    strace.args(["-f", "-e", "trace=flock", "-o"]).arg(&trace);
    let command = site.workspace.command_under(strace, arguments);
    site.workspace.finish(command, "");
    Some(std::fs::read_to_string(trace).unwrap().matches(" flock(").count())
}

/// The locks at which one of them is held: some of all, others with each seed.
fn chosen(all: usize, first: usize) -> Vec<usize> {
    let wanted = number("KITCERT_RACES", RACES).min(all);
    (0..wanted).map(|nth| 1 + (first + place(nth, wanted, all)) % all).collect()
}

#[test]
fn of_two_commands_at_once_neither_undoes_the_other_whichever_comes_first() {
    const TEST: &str = "of_two_commands_at_once_neither_undoes_the_other_whichever_comes_first";
    if !is_turn(TEST) {
        return;
    }
    let mut races = 0;
    for (first, (held, other)) in pairs(0) {
        let Some(site) = prepared(TEST) else { return };
        let Some(all) = locks(&site, held, TEST) else { return };
        for nth in chosen(all, first) {
            let Some(site) = prepared(TEST) else { return };
            let moment = format!("{} at lock {nth} of {all}, beside {}", held.join(" "), other.join(" "));
            let Some(held) = Held::at(&site.workspace, held, nth, TEST) else { continue };
            let said = [site.workspace.run(other), held.finish()];
            for said in &said {
                // One of two may find the other at work, or the state changed.
                assert!([0, 1, 3, 5, 6].contains(&said.code), "{moment}: {said:?}");
            }
            let is_emergency = other.contains(&"--compromised");
            assert_mended(&site, is_emergency, &moment, TEST);
            races += 1;
        }
    }
    println!("{races} races");
    // A command may end before it comes to a lock that another run came to.
    assert!(races * 2 > pairs(0).len(), "most pairs were never raced");
}

#[test]
fn whoever_is_killed_at_the_door_of_a_lock_keeps_nobody_from_going_on() {
    const TEST: &str = "whoever_is_killed_at_the_door_of_a_lock_keeps_nobody_from_going_on";
    if !is_turn(TEST) {
        return;
    }
    let mut races = 0;
    for (first, (held, other)) in pairs(1) {
        let Some(site) = prepared(TEST) else { return };
        let Some(all) = locks(&site, held, TEST) else { return };
        for nth in chosen(all, first) {
            let Some(site) = prepared(TEST) else { return };
            let moment =
                format!("{} killed at lock {nth} of {all}, then {}", held.join(" "), other.join(" "));
            let Some(held) = Held::at(&site.workspace, held, nth, TEST) else { continue };
            held.kill();
            let said = site.workspace.run(other);
            assert!([0, 3, 6].contains(&said.code), "{moment}: {said:?}");
            assert_mended(&site, other.contains(&"--compromised"), &moment, TEST);
            races += 1;
        }
    }
    println!("{races} kills");
    // A command may end before it comes to a lock that another run came to.
    assert!(races * 2 > pairs(1).len(), "most pairs were never raced");
}
