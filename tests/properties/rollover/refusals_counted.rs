//! Eight clients at work at two daemons while a CA gives way to another, is taken back from each stage, loses
//! its key, and is known to a thief. Every handshake is counted: nobody is refused who was not named.

use serde_json::json;

use crate::figures::{Aim, publish};
use crate::rollover::rolling_over::{ABORT, Crowd, Fleet, START};
use crate::support::turns::is_turn;

/// Those whose files are on the admin's machine, and those who get theirs by a kit.
const INSTALLED: [&str; 3] = ["ana", "ben", "cas"];
const DEVELOPERS: [&str; 5] = ["dan", "eva", "fay", "gus", "hal"];

/// A rollover is over.
#[track_caller]
fn assert_over(fleet: &Fleet, crowd: &mut Crowd) {
    assert!(!fleet.admin.path("state/rollover.json").exists(), "it is over");
    crowd.assert_works();
}

/// The kits that wait are joined, receipts arrive, of whom no kit waits somebody says so; what follows.
fn everybody_moves(fleet: &Fleet) {
    let to = fleet.target();
    for name in DEVELOPERS {
        let word = match fleet.admin.path(&format!("state/kits/{name}.kit")).exists() {
            true => fleet.hand_over(name, &to),
            false => name.to_owned(),
        };
        fleet.admin.run(["confirm", &word]).succeeded();
    }
}

/// The step that a rollover is at, from 1 to 3.
#[track_caller]
fn assert_step(fleet: &Fleet, step: u8) {
    let status = fleet.admin.run(["status"]).succeeded().out;
    assert!(status.contains(&format!("step {step} of 3")), "{status}");
}

/// The key identifier of the CA that is in use.
fn active(fleet: &Fleet) -> String {
    let target = fleet.target();
    let octets = target.subject_key_identifier().unwrap();
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn taken_back_from_each_step(fleet: &Fleet, crowd: &mut Crowd) {
    fleet.admin.run(START.iter().chain(&["--no-restart"])).ended_with(6);
    assert_step(fleet, 1);
    crowd.assert_works();
    fleet.admin.run(ABORT).succeeded();
    fleet.rotate(&[]).succeeded();
    assert_over(fleet, crowd);

    fleet.start().succeeded();
    assert_step(fleet, 2);
    let receipt = fleet.hand_over("dan", &fleet.target());
    fleet.admin.run(["confirm", &receipt]).succeeded();
    // She has hers, and nobody here knows.
    fleet.hand_over("eva", &fleet.target());
    crowd.assert_works();
    fleet.admin.run(ABORT).succeeded();
    crowd.assert_works();
    everybody_moves(fleet);
    fleet.rotate(&[]).succeeded();
    assert_over(fleet, crowd);

    fleet.start().succeeded();
    everybody_moves(fleet);
    fleet.daemons[1].daemon.ask("always refuse");
    fleet.rotate(&[]).ended_with(1);
    assert_step(fleet, 3);
    crowd.assert_works();
    fleet.daemons[1].daemon.ask("forget");
    fleet.admin.run(ABORT).succeeded();
    crowd.assert_works();
    everybody_moves(fleet);
    fleet.rotate(&[]).succeeded();
    assert_over(fleet, crowd);
}

fn moved_to_the_end(fleet: &Fleet, crowd: &mut Crowd) {
    fleet.start().succeeded();
    crowd.assert_works();
    everybody_moves(fleet);
    crowd.assert_works();
    fleet.rotate(&[]).succeeded();
    assert_over(fleet, crowd);
}

/// Nobody is out while no daemon can be restarted; then those are who were named, until they have their kits.
fn known_to_a_thief(fleet: &Fleet, mut crowd: Crowd) -> u64 {
    fleet.daemons.iter().for_each(|machine| drop(machine.daemon.ask("always refuse")));
    let compromised = format!("--compromised={}", active(fleet));
    let start = START.iter().copied().chain([compromised.as_str(), "--format", "json"]);
    let said = fleet.admin.run(start).ended_with(6).json();
    assert_eq!(said["locked_out"], json!(DEVELOPERS), "{said:#}");
    crowd.assert_works();
    fleet.daemons.iter().for_each(|machine| drop(machine.daemon.ask("forget")));
    // Between a daemon's restart and its own new files nobody is let in.
    let mut handshakes = crowd.accepted();
    drop(crowd);
    fleet.rotate(&[]).succeeded();
    fleet.crowd(&DEVELOPERS).assert_kept_out();
    let mut installed = fleet.crowd(&INSTALLED);
    installed.assert_works();
    everybody_moves(fleet);
    fleet.rotate(&[]).succeeded();
    let mut all = fleet.crowd(&DEVELOPERS);
    all.assert_works();
    assert_over(fleet, &mut installed);
    handshakes += installed.accepted() + all.accepted();
    handshakes
}

/// Two daemons, and eight clients at work that are all let in.
fn at_work(test: &'static str) -> Option<(Fleet, Crowd)> {
    let fleet = Fleet::new(test, INSTALLED.len(), &DEVELOPERS)?;
    let everybody: Vec<&str> = INSTALLED.into_iter().chain(DEVELOPERS).collect();
    let mut crowd = fleet.crowd(&everybody);
    crowd.assert_works();
    Some((fleet, crowd))
}

fn tell(what: &str, handshakes: u64) {
    println!("{what}: {handshakes} handshakes, none refused but of whom it was said");
    let aim = Aim { words: "nobody refused but the named", is_met: true };
    let figure = format!("8 clients at 2 daemons: {what}");
    publish("rollover", &figure, format!("{handshakes} handshakes, 0 refused"), Some(aim));
}

#[test]
fn a_rollover_that_is_taken_back_from_each_step_refuses_nobody() {
    const TEST: &str = "a_rollover_that_is_taken_back_from_each_step_refuses_nobody";
    if !is_turn(TEST) {
        return;
    }
    let Some((fleet, mut crowd)) = at_work(TEST) else { return };
    taken_back_from_each_step(&fleet, &mut crowd);
    tell("a rollover taken back from each step", crowd.accepted());
}

#[test]
fn a_rollover_without_the_key_and_from_a_thief_refuses_nobody_but_the_named() {
    const TEST: &str = "a_rollover_without_the_key_and_from_a_thief_refuses_nobody_but_the_named";
    if !is_turn(TEST) {
        return;
    }
    let Some((fleet, mut crowd)) = at_work(TEST) else { return };
    moved_to_the_end(&fleet, &mut crowd);
    let lost = format!("state/ca/{}/key.pem", active(&fleet));
    std::fs::remove_file(fleet.admin.path(&lost)).unwrap();
    moved_to_the_end(&fleet, &mut crowd);
    tell("a rollover, a lost key and a compromise", known_to_a_thief(&fleet, crowd));
}
