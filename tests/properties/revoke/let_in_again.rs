//! Whatever is done after a revocation, nobody revoked gets in again unsaid, and nobody else is out.

use std::path::Path;
use std::time::Instant;

use serde_json::Value;

use crate::figures::publish;
use crate::rollover::rolling_over::{ABORT, Fleet, START};
use crate::rotate::rotating::leaf;
use crate::support::interference::{Fault, Threads, calls, interfered};
use crate::support::numbers::number;
use crate::support::peers;
use crate::support::turns::is_turn;
use crate::support::whole::assert_whole;
use crate::support::workspace::Said;

pub fn fleet(test: &'static str) -> Option<Fleet> {
    Fleet::new(test, 2, &["dan", "eva"])
}

fn key_of(fleet: &Fleet, folder: &str) -> String {
    leaf(&fleet.admin, folder).public_key().fingerprint().to_string()
}

pub fn copied(from: &Path, to: &Path) {
    let status = std::process::Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(status.success());
}

/// The state is as it was when it was copied.
pub fn restore(fleet: &Fleet, copy: &str) {
    std::fs::remove_dir_all(fleet.admin.path("state")).unwrap();
    copied(&fleet.admin.path(copy), &fleet.admin.path("state"));
}

fn assert_fails(said: &Said) {
    assert_ne!(said.code, 0, "{said:?}");
}

#[test]
fn whatever_comes_after_a_revocation_lets_nobody_in_again() {
    const TEST: &str = "whatever_comes_after_a_revocation_lets_nobody_in_again";
    let Some(fleet) = fleet(TEST) else { return };
    let stolen = fleet.copy("dan");
    let mut crowd = fleet.crowd(&["ana", "ben", "eva"]);
    let began = Instant::now();
    fleet.admin.run(["revoke", "dan"]).succeeded();
    let seconds = format!("{:.1} s, two daemons restarted and verified", began.elapsed().as_secs_f64());
    publish("rotation", "from `revoke` to every daemon's refusal", seconds, None);
    fleet.assert_dials(&stolen, "refused");
    let mut thief = fleet.crowd_at("dan");
    let commands: [&[&str]; 6] = [
        &["rotate", "--force"],
        &["rotate", "--force", "--new-key", "builder"],
        &["rollback", "builder"],
        &["rollback", "spare"],
        &["rotate"],
        &["revoke", "dan"],
    ];
    for command in commands {
        let said = fleet.admin.run(command);
        assert!([0, 1].contains(&said.code), "{command:?}: {said:?}");
        fleet.assert_dials(&stolen, "refused");
        crowd.assert_works();
    }
    // Confirmed or not, a kit of its own or not, it is not let in.
    let said = fleet.admin.run(["confirm", "dan"]);
    assert!([0, 1, 2].contains(&said.code), "{said:?}");
    fleet.rotate(&["--force"]).succeeded();
    fleet.assert_dials(&stolen, "refused");
    fleet.admin.run(["verify", "--all"]).succeeded();
    crowd.assert_works();
    thief.assert_kept_out();
    println!("{} handshakes of others, none refused", crowd.accepted());
}

#[test]
fn a_rollover_in_each_of_its_stages_and_taken_back_lets_nobody_in_again() {
    const TEST: &str = "a_rollover_in_each_of_its_stages_and_taken_back_lets_nobody_in_again";
    let Some(fleet) = fleet(TEST) else { return };
    let of_dan = fleet.copy("dan");
    let mut crowd = fleet.crowd(&["ana", "ben", "eva"]);
    fleet.admin.run(["revoke", "dan"]).succeeded();
    let mut thief = fleet.crowd_at("dan");
    let assert_out = |fleet: &Fleet| fleet.assert_dials(&of_dan, "refused");
    // Before a rollover, while it is under way, and once it is over.
    fleet.start().succeeded();
    assert_out(&fleet);
    crowd.assert_works();
    let new = fleet.target();
    fleet.hand_over("eva", &new);
    crowd.assert_works();
    let of_ben = fleet.copy("ben");
    fleet.admin.run(["revoke", "ben"]).succeeded();
    fleet.assert_dials(&of_ben, "refused");
    fleet.admin.run(ABORT).succeeded();
    assert_out(&fleet);
    fleet.assert_dials(&of_ben, "refused");
    let old = fleet.target();
    let receipt = fleet.hand_over("eva", &old);
    fleet.confirm(&[&receipt]);
    fleet.rotate(&[]);
    assert_out(&fleet);
    fleet.assert_dials(&of_ben, "refused");
    let said = fleet.admin.run(["status", "--check"]);
    println!("{}: {}", said.code, said.out);
    let said = fleet.admin.run(["ca", "rollover", "start", "--compromised"]).succeeded();
    println!("{}", said.out);
    for stolen in [&of_dan, &of_ben] {
        fleet.assert_dials(stolen, "refused");
    }
    for client in ["dan", "ben"] {
        assert!(!fleet.admin.path(&format!("state/kits/{client}.kit")).exists(), "a kit for {client}");
        fleet.admin.run(["invite", client]).ended_with(1);
    }
    thief.assert_kept_out();
}

#[test]
fn a_key_that_is_revoked_is_never_certified_again() {
    const TEST: &str = "a_key_that_is_revoked_is_never_certified_again";
    let Some(fleet) = fleet(TEST) else { return };
    let (of_ana, of_dan) = (fleet.copy("ana"), fleet.copy("dan"));
    let keys = [&of_ana, &of_dan].map(|folder| key_of(&fleet, folder));
    for (client, key) in ["ana", "dan"].iter().zip(&keys) {
        fleet.admin.run(["revoke", client, "--only-key", key]).succeeded();
    }
    let issued = |fleet: &Fleet| std::fs::read_dir(fleet.admin.path("state/issued")).unwrap().count();
    let before = issued(&fleet);
    // Neither a renewal nor another name has the revoked key certified.
    let said = fleet.rotate(&["--force"]);
    assert!([0, 4].contains(&said.code), "{said:?}");
    assert_ne!(key_of(&fleet, &fleet.folder("ana")), keys[0]);
    assert_eq!(
        leaf(&fleet.admin, "state/clients/dan/current").serial(),
        leaf(&fleet.admin, &of_dan).serial()
    );
    assert!(issued(&fleet) > before);
    fleet.assert_dials(&fleet.folder("ana"), "accepted");
    let csr = fleet.admin.write("again.csr", fleet.developer("dan").machine.read("dan.csr"));
    for name in ["dan", "fay"] {
        let issue = ["issue", "client", name, "--csr", &csr, "--fingerprint", &keys[1], "--new-key"];
        let said = fleet.admin.run(issue);
        assert_fails(&said);
        assert!(said.err.contains("revoked"), "{name}: {}", said.err);
    }
    for stolen in [&of_ana, &of_dan] {
        fleet.assert_dials(stolen, "refused");
    }
}

#[test]
fn an_earlier_backup_is_not_used_and_is_told_by_the_daemons_whom_they_refuse() {
    const TEST: &str = "an_earlier_backup_is_not_used_and_is_told_by_the_daemons_whom_they_refuse";
    let Some(fleet) = fleet(TEST) else { return };
    let (of_dan, of_ana) = (fleet.copy("dan"), fleet.copy("ana"));
    let key = key_of(&fleet, &of_ana);
    copied(&fleet.admin.path("state"), &fleet.admin.path("backup"));
    fleet.admin.run(["revoke", "dan"]).succeeded();
    fleet.admin.run(["revoke", "ana", "--only-key", &key]).succeeded();
    restore(&fleet, "backup");
    let refused: [&[&str]; 8] = [
        &["rotate", "--force"],
        &["rotate"],
        &["issue", "client", "fay"],
        &["invite", "dan"],
        &["install", "daemon", "builder"],
        &["rollback", "builder"],
        &["revoke", "eva"],
        &START,
    ];
    for command in refused {
        let said = fleet.admin.run(command);
        assert_fails(&said);
        assert!(said.err.contains("recover") || said.out.contains("recover"), "{command:?}: {said:?}");
        fleet.assert_dials(&of_dan, "refused");
        fleet.assert_dials(&of_ana, "refused");
    }
    println!("{}", fleet.admin.run(["recover"]).succeeded().out);
    for round in 0..2 {
        let said = fleet.rotate(if round == 0 { &[] } else { &["--force"] });
        assert!([0, 4].contains(&said.code), "{said:?}");
        fleet.assert_dials(&of_dan, "refused");
        fleet.assert_dials(&of_ana, "refused");
    }
    fleet.admin.run(["invite", "dan"]).ended_with(1);
    assert_fails(&fleet.admin.run(["revoke", "--undo", "fay"]));
    fleet.admin.run(["revoke", "--undo", "dan"]).succeeded();
    fleet.assert_dials(&of_dan, "accepted");
    fleet.assert_dials(&of_ana, "refused");
}

/// A whole machine comes back as it was, with the files that it brings to its daemons: what they do is seen on the wire
/// alone, and they are given nothing that lets somebody in again.
#[test]
fn a_backup_of_everything_lets_nobody_in_again_whom_the_daemons_refuse() {
    const TEST: &str = "a_backup_of_everything_lets_nobody_in_again_whom_the_daemons_refuse";
    let Some(fleet) = fleet(TEST) else { return };
    let (of_dan, of_ana, of_eva) = (fleet.copy("dan"), fleet.copy("ana"), fleet.copy("eva"));
    let key = key_of(&fleet, &of_ana);
    copied(&fleet.admin.path("state"), &fleet.admin.path("backup"));
    for machine in &fleet.daemons {
        copied(&machine.path("root"), &machine.path("root-before"));
    }
    fleet.admin.run(["revoke", "dan"]).succeeded();
    fleet.admin.run(["revoke", "ana", "--only-key", &key]).succeeded();
    restore(&fleet, "backup");
    for machine in &fleet.daemons {
        std::fs::remove_dir_all(machine.path("root")).unwrap();
        copied(&machine.path("root-before"), &machine.path("root"));
    }
    let restarts = fleet.restarts();
    let commands: [&[&str]; 6] = [
        &["recover"],
        &["rotate", "--force"],
        &["verify", "builder"],
        &["revoke", "eva"],
        &["rollback", "builder"],
        &START,
    ];
    for command in commands {
        let said = fleet.admin.run(command);
        assert_fails(&said);
        let told = format!("{}{}", said.out, said.err);
        assert!(told.contains("builder refuses "), "{command:?}: {said:?}");
        fleet.assert_dials(&of_dan, "refused");
        fleet.assert_dials(&of_ana, "refused");
    }
    assert_eq!(fleet.restarts(), restarts);
    // By what it says, whoever is refused is known here again.
    for _ in 0..2 {
        let said = fleet.admin.run(["recover"]).ended_with(4).out;
        let words = said.lines().last().unwrap().split("next: kitcert ").nth(1).unwrap();
        fleet.admin.run(words.split(' '));
        fleet.assert_dials(&of_dan, "refused");
        fleet.assert_dials(&of_ana, "refused");
    }
    fleet.rotate(&[]).succeeded();
    for stolen in [&of_dan, &of_ana, &of_eva] {
        fleet.assert_dials(stolen, "refused");
    }
    fleet.admin.run(["verify", "builder"]).succeeded();
}

/// The CA that the rollover made is known from the daemons' files alone, which exclude dan already.
#[test]
fn after_a_rollover_that_a_backup_does_not_know_nothing_is_renewed_again_and_again() {
    const TEST: &str = "after_a_rollover_that_a_backup_does_not_know_nothing_is_renewed_again_and_again";
    let Some(fleet) = fleet(TEST) else { return };
    let stolen = fleet.copy("dan");
    fleet.admin.run(["revoke", "dan"]).succeeded();
    copied(&fleet.admin.path("state"), &fleet.admin.path("backup"));
    fleet.admin.run(START).succeeded();
    fleet.rotate(&[]);
    restore(&fleet, "backup");
    fleet.admin.run(["recover"]).succeeded();
    fleet.rotate(&[]);
    fleet.admin.run(START);
    fleet.rotate(&[]);
    let restarts = fleet.restarts();
    for _ in 0..2 {
        let said = fleet.rotate(&[]);
        assert!(!said.out.contains("to refuse dan"), "{}", said.out);
    }
    assert_eq!(fleet.restarts(), restarts);
    let status = fleet.admin.run(["status"]).out;
    assert!(!status.contains("LETS IN"), "{status}");
    fleet.assert_dials(&stolen, "refused");
    fleet.admin.run(["revoke", "--undo", "dan"]);
    fleet.rotate(&[]);
    let status = fleet.admin.run(["status"]).out;
    assert!(!status.contains("LETS IN"), "{status}");
}

#[test]
fn a_revocation_that_is_made_again_looks_at_every_daemon_again() {
    const TEST: &str = "a_revocation_that_is_made_again_looks_at_every_daemon_again";
    let Some(fleet) = fleet(TEST) else { return };
    let stolen = fleet.copy("dan");
    let spare = &fleet.daemons[1];
    let before = std::fs::read(spare.path("root/etc/ca.pem")).unwrap();
    fleet.admin.run(["revoke", "dan"]).succeeded();
    let restarts = fleet.restarts();
    fleet.admin.run(["revoke", "dan"]).succeeded();
    assert_eq!(fleet.restarts(), restarts, "what refuses him is not restarted");
    // Somebody puts the previous file back, by hand.
    let real = std::fs::canonicalize(spare.path("root/etc/ca.pem")).unwrap();
    std::fs::write(&real, before).unwrap();
    spare.daemon.ask("restart");
    fleet.assert_dials_one(1, &stolen, "accepted");
    let said = fleet.admin.run(["revoke", "dan"]);
    println!("{}: {}{}", said.code, said.out, said.err);
    if said.code == 0 {
        fleet.assert_dials(&stolen, "refused");
    } else {
        assert!(!said.out.contains("every daemon refuses"), "{said:?}");
    }
}

#[test]
fn of_a_daemon_that_was_never_verified_nobody_says_that_it_refuses_anybody() {
    const TEST: &str = "of_a_daemon_that_was_never_verified_nobody_says_that_it_refuses_anybody";
    let Some(fleet) = fleet(TEST) else { return };
    let stolen = fleet.copy("dan");
    // As one that was rolled out and never seen: its history is gone.
    let record = "state/daemons/spare/identity.json";
    let mut history: Value = serde_json::from_str(&fleet.admin.read(record)).unwrap();
    history["worked"] = serde_json::json!([]);
    fleet.admin.write_private(record, history.to_string().as_bytes());
    std::fs::remove_file(fleet.admin.path("state/daemons/spare/verified.json")).unwrap();
    fleet.daemons[1].daemon.ask("always refuse");
    for _ in 0..2 {
        let said = fleet.admin.run(["revoke", "dan"]).ended_with(6);
        assert!(said.out.contains("STILL LETS IN dan on spare"), "{}", said.out);
        assert!(!said.out.contains("every daemon refuses"), "{}", said.out);
        fleet.assert_dials_one(1, &stolen, "accepted");
    }
    fleet.daemons[1].daemon.ask("forget");
    fleet.admin.run(["revoke", "dan"]).succeeded();
    fleet.assert_dials(&stolen, "refused");
}

#[test]
fn the_revocation_of_a_former_key_leaves_the_kit_of_the_new_one() {
    const TEST: &str = "the_revocation_of_a_former_key_leaves_the_kit_of_the_new_one";
    let Some(fleet) = fleet(TEST) else { return };
    let stolen = fleet.copy("dan");
    let key = key_of(&fleet, &stolen);
    let other = crate::support::workspace::Workspace::new();
    let asked = other.run(["request", "dan", "--format", "json"]).succeeded().json();
    let csr = fleet.admin.write("new.csr", other.read("dan.csr"));
    let words = asked["words"].as_str().unwrap();
    fleet
        .admin
        .run(["issue", "client", "dan", "--csr", &csr, "--fingerprint", words, "--new-key"])
        .succeeded();
    fleet.rotate(&["--force", "dan"]);
    let kit = fleet.admin.path("state/kits/dan.kit");
    let waited = kit.exists();
    println!("a kit waits: {waited}");
    fleet.admin.run(["revoke", "dan", "--only-key", &key]).succeeded();
    assert_eq!(kit.exists(), waited);
    fleet.assert_dials(&stolen, "refused");
}

#[test]
fn a_certificate_of_somebody_else_is_not_revoked_with_a_clients() {
    const TEST: &str = "a_certificate_of_somebody_else_is_not_revoked_with_a_clients";
    let Some(fleet) = fleet(TEST) else { return };
    let own = fleet.admin.text("state/clients/ana/current/cert.pem");
    let daemons = fleet.admin.text("state/daemons/builder/current/ca.pem");
    let key = fleet.admin.text("state/clients/ana/current/key.pem");
    let huge = fleet.admin.write("huge.pem", "A".repeat(40_000_000));
    for (file, code) in [(&own, 2), (&daemons, 2), (&key, 1), (&huge, 1)] {
        let said = fleet.admin.run(["revoke", "dan", "--cert", file]);
        println!("{file}: {}: {}", said.code, said.err);
        assert_eq!(said.code, code, "{file}: {said:?}");
        assert!(
            !said.err.contains(&fleet.admin.read("state/clients/ana/current/key.pem")[40..80]),
            "{said:?}"
        );
    }
    assert!(!fleet.admin.path("state/revocations.json").exists());
    fleet.crowd(&["ana", "ben", "dan", "eva"]).assert_works();
}

#[test]
fn a_daemon_that_nobody_renews_or_that_is_down_is_named_and_the_others_refuse() {
    const TEST: &str = "a_daemon_that_nobody_renews_or_that_is_down_is_named_and_the_others_refuse";
    let Some(fleet) = fleet(TEST) else { return };
    let stolen = fleet.copy("dan");
    let mut crowd = fleet.crowd_of_one(0, &["ana", "ben", "eva"]);
    fleet.admin.run(["retire", "daemon/spare"]).succeeded();
    for command in [["revoke", "dan"], ["revoke", "dan"]] {
        let said = fleet.admin.run(command);
        println!("{}: {}{}", said.code, said.out, said.err);
        assert_eq!(said.code, 6, "{said:?}");
        assert!(said.out.contains("STILL LETS IN dan on spare"), "{}", said.out);
        assert!(!said.out.contains("every daemon refuses"), "{}", said.out);
        fleet.assert_dials_one(0, &stolen, "refused");
    }
    fleet.admin.run(["status", "--check"]).ended_with(4);
    crowd.assert_works();
    let said = fleet.rotate(&[]).ended_with(6);
    assert!(said.out.contains("STILL LETS IN dan") && said.out.contains("revoke --seen dan"), "{}", said.out);
    fleet.assert_dials_one(0, &stolen, "refused");
    crowd.assert_works();
    // A person has stopped it.
    fleet.daemons[1].daemon.ask("stop");
    fleet.admin.run(["revoke", "--seen", "dan"]).succeeded();
    fleet.rotate(&[]).succeeded();
    fleet.admin.run(["status", "--check"]).succeeded();
    crowd.assert_works();
}

#[test]
fn a_restart_that_takes_up_the_former_bundle_is_not_taken_for_a_refusal() {
    const TEST: &str = "a_restart_that_takes_up_the_former_bundle_is_not_taken_for_a_refusal";
    let Some(fleet) = fleet(TEST) else { return };
    let stolen = fleet.copy("dan");
    // As a server that heeds no name constraints: the same certificate, and a ca.pem without exclusions.
    for file in ["ca.pem", "cert.pem", "key.pem"] {
        let served = fleet.daemons[1].path(&format!("root/etc/{file}"));
        fleet.admin.write_private(&format!("previous/{file}"), std::fs::read(served).unwrap().as_slice());
    }
    fleet.daemons[1].daemon.ask(&format!("always wrong {}", fleet.admin.text("previous")));
    let inventory = fleet.admin.read("state/kitcert.yaml");
    let hurried = inventory.replace("    restart: ", "    restart_timeout: 2s\n    restart: ");
    fleet.admin.write("state/kitcert.yaml", hurried);
    for command in [["revoke", "dan", "--format", "json"], ["revoke", "dan", "--format", "json"]] {
        let said = fleet.admin.run(command).ended_with(6);
        let json: Value = said.json();
        assert_eq!(
            json["still_let_in"],
            serde_json::json!([{"daemon": "spare", "who": ["dan"]}]),
            "{json:#}"
        );
        fleet.assert_dials_one(0, &stolen, "refused");
        fleet.assert_dials_one(1, &stolen, "accepted");
    }
    fleet.admin.run(["verify", "spare"]).ended_with(3);
    fleet.daemons[1].daemon.ask("forget");
    fleet.rotate(&[]).succeeded();
    fleet.assert_dials(&stolen, "refused");
}

#[test]
fn the_copies_of_a_revoked_client_go_from_every_home() {
    const TEST: &str = "the_copies_of_a_revoked_client_go_from_every_home";
    let Some(fleet) = fleet(TEST) else { return };
    let home = fleet.admin.path("second-home");
    std::fs::create_dir_all(&home).unwrap();
    let endpoint = format!("tcp://localhost:{}", fleet.daemons[0].port);
    let install = ["install", "client", "ben", "--tool", "buildctl", "--endpoint", &endpoint];
    let mut command = fleet.admin.command(install);
    command.env("HOME", &home);
    fleet.admin.finish(command, "").succeeded();
    let second = home.join(format!(".config/kitcert/buildctl/localhost-{}", fleet.daemons[0].port));
    let has = |folder: &Path| folder.join("key.pem").exists();
    assert!(has(&second) && has(Path::new(&fleet.folder("ben"))));
    fleet.admin.run(["revoke", "ben"]).succeeded();
    assert!(!has(&second) && !has(Path::new(&fleet.folder("ben"))));
}

/// A command is killed so many times, unless `KITCERT_REVOCATIONS` says otherwise.
const KILLED: usize = 6;

#[test]
fn a_revocation_that_is_killed_goes_on_with_the_next_run_and_so_does_one_taken_back() {
    const TEST: &str = "a_revocation_that_is_killed_goes_on_with_the_next_run_and_so_does_one_taken_back";
    if !is_turn(TEST) {
        return;
    }
    let Some(strace) = peers::program("strace", TEST) else { return };
    let Some(fleet) = Fleet::new(TEST, 1, &["dan", "eva"]) else { return };
    let stolen = fleet.copy("dan");
    let mut crowd = fleet.crowd(&["ana", "eva"]);
    let commands = [&["revoke", "dan"][..], &["revoke", "--undo", "dan"]];
    let moments = commands.map(|command| calls(&fleet.admin, &strace, Threads::First, command));
    let tried = number("KITCERT_REVOCATIONS", KILLED);
    let mut killed = 0;
    for index in 0..tried {
        for (command, moments) in commands.iter().zip(&moments) {
            let at = &moments[index * moments.len() / tried];
            let moment = format!("{command:?}, killed at {at}");
            let (said, _) =
                interfered(&fleet.admin, &strace, Threads::First, command.iter(), at, Fault::Kill);
            killed += usize::from(said.code != 0);
            assert!(!said.err.contains("panicked"), "{moment}: {}", said.err);
            assert_whole(&fleet.admin, &moment);
            let is_noted = fleet.admin.run(["status", "--format", "json"]);
            assert_eq!(is_noted.code, 0, "{moment}: {is_noted:?}");
            // Either the next rotation goes on, or the same command does.
            if index % 2 == 0 {
                fleet.rotate(&[]).succeeded();
            }
            let again = fleet.admin.run(command.iter());
            assert_eq!(again.code, 0, "after {moment}: {again:?}");
            let expected = if command.contains(&"--undo") { "accepted" } else { "refused" };
            fleet.assert_dials(&stolen, expected);
            crowd.assert_works();
        }
    }
    let all: usize = moments.iter().map(Vec::len).sum();
    println!("{killed} of {} runs were killed at one of {all} calls", 2 * tried);
    let value = format!("{killed} of {all} calls, all went on with the next run");
    publish("crash and fault", "a revocation, and one taken back, killed at a writing call", value, None);
    assert!(killed >= tried, "only {killed} of {} runs were killed", 2 * tried);
}

#[test]
fn a_dry_run_says_what_is_done_and_writes_nothing() {
    const TEST: &str = "a_dry_run_says_what_is_done_and_writes_nothing";
    let Some(fleet) = fleet(TEST) else { return };
    let listing = |fleet: &Fleet| {
        let out = std::process::Command::new("sh")
            .args(["-c", "cd \"$1\" && find . -type f -not -name '.lock' -exec sha256sum {} + | sort", "sh"])
            .arg(fleet.admin.path("."))
            .output()
            .unwrap();
        String::from_utf8(out.stdout).unwrap()
    };
    let before = listing(&fleet);
    let said = fleet.admin.run(["revoke", "ben", "--dry-run"]).succeeded();
    assert_eq!(listing(&fleet), before);
    println!("{}", said.out);
    assert_eq!(said.out.matches("nothing was changed").count(), 1, "{}", said.out);
    assert!(said.out.contains(&fleet.folder("ben")), "{}", said.out);
    let real = fleet.admin.run(["revoke", "ben"]).succeeded();
    println!("{}", real.out);
    for daemon in ["builder", "spare"] {
        assert!(said.out.contains(daemon) && real.out.contains(daemon), "{}{}", said.out, real.out);
    }
}

#[test]
fn names_that_begin_or_end_alike_are_not_each_others() {
    const TEST: &str = "names_that_begin_or_end_alike_are_not_each_others";
    let Some(fleet) = fleet(TEST) else { return };
    let alike = ["b", "a.b", "a-b", "ab", "ba", "b.a", "a.b.c"];
    fleet.admin.run(["issue", "client"].iter().chain(&alike)).succeeded();
    let folder = |name: &str| fleet.admin.text(&format!("state/clients/{name}/current"));
    for (done, name) in alike.iter().enumerate().take(3) {
        fleet.admin.run(["revoke", name]).succeeded();
        for (number, other) in alike.iter().enumerate() {
            fleet.assert_dials(&folder(other), if number <= done { "refused" } else { "accepted" });
        }
    }
    let said = fleet.admin.run(["revoke", "bb"]).ended_with(2);
    assert!(said.err.contains("did you mean"), "{}", said.err);
}

#[test]
fn a_record_that_cannot_be_read_gives_way_to_what_the_daemons_refuse() {
    const TEST: &str = "a_record_that_cannot_be_read_gives_way_to_what_the_daemons_refuse";
    let Some(fleet) = fleet(TEST) else { return };
    let stolen = fleet.copy("dan");
    fleet.admin.run(["revoke", "dan"]).succeeded();
    fleet.admin.write("state/revocations.json", "{}");
    let said = fleet.admin.run(["rotate"]).ended_with(1);
    assert!(said.err.contains("&& kitcert recover"), "{}", said.err);
    let record = fleet.admin.path("state/revocations.json");
    std::fs::rename(&record, fleet.admin.path("state/revocations.json.before-kitcert")).unwrap();
    fleet.admin.run(["recover"]).succeeded();
    assert!(fleet.admin.read("state/revocations.json").contains("dns:dan.client.kitcert.internal"));
    fleet.rotate(&["--force"]);
    fleet.assert_dials(&stolen, "refused");
}

#[test]
fn what_was_revoked_of_a_key_is_given_back_by_that_key_alone() {
    const TEST: &str = "what_was_revoked_of_a_key_is_given_back_by_that_key_alone";
    let Some(fleet) = fleet(TEST) else { return };
    let stolen = fleet.copy("ana");
    let key = key_of(&fleet, &stolen);
    fleet.admin.run(["revoke", "ana", "--only-key", &key]).succeeded();
    let said = fleet.admin.run(["revoke", "--undo", "ana", "--new-key"]).ended_with(2);
    assert!(said.err.contains("try: kitcert invite ana"), "{}", said.err);
    let said = fleet.admin.run(["revoke", "--undo", "ana"]).ended_with(2);
    assert!(said.err.contains(&format!("--only-key {key}")), "{}", said.err);
    fleet.assert_dials(&stolen, "refused");
    fleet.admin.run(["revoke", "ana"]).succeeded();
    let said = fleet.admin.run(["verify", "builder", "--client", "ana"]).ended_with(3);
    assert!(said.out.contains("client-revoked") && said.out.contains("try: kitcert status"), "{}", said.out);
    let said = fleet.admin.run(["revoke", "--undo", "ana", "--only-key", &key]).succeeded();
    assert!(said.out.contains("revoked still, with every key"), "{}", said.out);
    fleet.assert_dials(&stolen, "refused");
    fleet.admin.run(["revoke", "ana", "--only-key", &key]).succeeded();
    let said = fleet.admin.run(["revoke", "--undo", "ana"]).succeeded();
    assert!(said.out.contains(&format!("but not with {key}")), "{}", said.out);
    fleet.assert_dials(&stolen, "refused");
    fleet.admin.run(["revoke", "--undo", "ana", "--only-key", &key]).succeeded();
    fleet.assert_dials(&stolen, "accepted");
    // Who was let in too far is let in with another key alone.
    fleet.admin.run(["revoke", "ana"]).succeeded();
    fleet.admin.run(["revoke", "--undo", "ana"]).succeeded();
    fleet.assert_dials(&stolen, "accepted");
    let said = fleet.admin.run(["revoke", "--undo", "ana", "--new-key"]).succeeded();
    assert!(said.out.contains("with another key alone"), "{}", said.out);
    fleet.assert_dials(&stolen, "refused");
    fleet.admin.run(["issue", "client", "ana", "--new-key"]).succeeded();
    fleet.assert_dials(&fleet.admin.text("state/clients/ana/current"), "accepted");
}

#[test]
fn without_the_cas_key_no_change_is_in_effect_before_it_was_tried_or_seen() {
    const TEST: &str = "without_the_cas_key_no_change_is_in_effect_before_it_was_tried_or_seen";
    let Some(fleet) = fleet(TEST) else { return };
    let of_dan = fleet.copy("dan");
    for entry in std::fs::read_dir(fleet.admin.path("state/ca")).unwrap() {
        std::fs::remove_file(entry.unwrap().path().join("key.pem")).unwrap();
    }
    // The daemons go on with their first bundle, which lets everybody in.
    for arguments in [&["revoke", "dan"][..], &["revoke", "ana"], &["revoke", "--undo", "ana"]] {
        let said = fleet.admin.run(arguments.iter().chain(&["--no-restart"]));
        assert_eq!(said.code, 6, "{arguments:?}: {said:?}");
    }
    fleet.assert_dials(&of_dan, "accepted");
    for daemon in ["builder", "spare"] {
        assert_fails(&fleet.admin.run(["verify", daemon]));
    }
    assert_fails(&fleet.rotate(&[]));
    fleet.assert_dials(&of_dan, "refused");
    let said = fleet.admin.run(["status", "--check"]).ended_with(4);
    assert!(said.out.contains("not tried whether it refuses") && !said.out.contains("LETS IN"), "{said:?}");
    assert!(said.out.contains("next: kitcert revoke --seen dan"), "{said:?}");
    fleet.admin.run(["revoke", "--seen", "dan"]).succeeded();
    fleet.admin.run(["status", "--check"]).succeeded();
}
