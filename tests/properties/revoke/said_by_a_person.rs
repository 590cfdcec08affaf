//! Where nothing here can try whether somebody is refused, a person says so: of the daemons that were restarted with
//! what refuses him, of what they have then, and until something speaks against it.

use std::path::PathBuf;

use crate::rollover::rolling_over::Fleet;
use crate::support::daemon::Daemon;
use crate::support::relay::{Fate, Relay};
use crate::support::servers::{Files, Server};
use crate::support::supervised::SupervisedDaemon;
use crate::support::workspace::Workspace;

const DEVELOPERS: [&str; 2] = ["dan", "eva"];

fn fleet(test: &'static str) -> Option<Fleet> {
    Fleet::new(test, 2, &DEVELOPERS)
}

/// The CA's key is somewhere else: where it belongs, and where it is.
fn without_the_key(fleet: &Fleet) -> (PathBuf, PathBuf) {
    let folder = std::fs::read_dir(fleet.admin.path("state/ca")).unwrap().next().unwrap().unwrap().path();
    std::fs::create_dir(fleet.admin.path("elsewhere")).unwrap();
    let places = (folder.join("key.pem"), fleet.admin.path("elsewhere/key.pem"));
    std::fs::rename(&places.0, &places.1).unwrap();
    places
}

/// A daemon is restarted with that ca.pem, as whoever restores a file by hand does it.
fn restart_with(fleet: &Fleet, daemon: usize, bundle: &[u8]) {
    let machine = &fleet.daemons[daemon];
    let real = std::fs::canonicalize(machine.path("root/etc/ca.pem")).unwrap();
    std::fs::write(&real, bundle).unwrap();
    machine.daemon.ask("restart");
}

fn bundle(fleet: &Fleet, daemon: usize) -> Vec<u8> {
    std::fs::read(fleet.daemons[daemon].path("root/etc/ca.pem")).unwrap()
}

#[test]
fn a_person_s_word_counts_for_no_daemon_whose_restart_has_failed() {
    const TEST: &str = "a_person_s_word_counts_for_no_daemon_whose_restart_has_failed";
    let Some(fleet) = fleet(TEST) else { return };
    let stolen = fleet.copy("dan");
    without_the_key(&fleet);
    fleet.daemons[1].daemon.ask("always refuse");
    for arguments in [&["revoke", "dan"][..], &["revoke", "--seen", "dan"], &["revoke", "dan"]] {
        let said = fleet.admin.run(arguments).ended_with(6);
        assert!(said.out.contains("STILL LETS IN dan on spare"), "{arguments:?}: {}", said.out);
        fleet.assert_dials_one(1, &stolen, "accepted");
        let status = fleet.admin.run(["status", "--check"]).ended_with(4).out;
        assert!(status.contains("LETS IN a revoked client"), "{status}");
    }
    fleet.daemons[1].daemon.ask("forget");
    let said = fleet.rotate(&[]).ended_with(6);
    assert!(!said.out.contains("STILL LETS IN") && said.out.contains("revoke --seen dan"), "{}", said.out);
    fleet.assert_dials(&stolen, "refused");
    fleet.admin.run(["status", "--check"]).ended_with(4);
    fleet.admin.run(["revoke", "--seen", "dan"]).succeeded();
    fleet.admin.run(["status", "--check"]).succeeded();
    // What only a person has said is not called anything else.
    let said = fleet.admin.run(["revoke", "dan"]).succeeded();
    assert!(said.out.contains("it was said of builder on") && said.out.contains("spare on"), "{}", said.out);
}

#[test]
fn a_person_s_word_is_of_no_use_once_other_files_stood_at_the_daemon_s_place() {
    const TEST: &str = "a_person_s_word_is_of_no_use_once_other_files_stood_at_the_daemon_s_place";
    let Some(fleet) = fleet(TEST) else { return };
    let stolen = fleet.copy("dan");
    let before = bundle(&fleet, 1);
    without_the_key(&fleet);
    fleet.admin.run(["revoke", "dan"]).ended_with(6);
    fleet.admin.run(["revoke", "--seen", "dan"]).succeeded();
    restart_with(&fleet, 1, &before);
    fleet.assert_dials_one(1, &stolen, "accepted");
    let restarts = fleet.restarts();
    let said = fleet.rotate(&[]).ended_with(6);
    assert!(said.out.contains("revoke --seen dan"), "{}", said.out);
    assert_eq!(fleet.restarts()[1], restarts[1] + 1, "it is restarted with what refuses him");
    assert_eq!(fleet.restarts()[0], restarts[0]);
    fleet.assert_dials(&stolen, "refused");
    fleet.admin.run(["status", "--check"]).ended_with(4);
    fleet.admin.run(["revoke", "--seen", "dan"]).succeeded();
    fleet.admin.run(["status", "--check"]).succeeded();
}

#[test]
fn what_a_person_has_said_is_tried_once_the_ca_s_key_is_back() {
    const TEST: &str = "what_a_person_has_said_is_tried_once_the_ca_s_key_is_back";
    let Some(fleet) = fleet(TEST) else { return };
    let stolen = fleet.copy("dan");
    let before = bundle(&fleet, 1);
    let (key, elsewhere) = without_the_key(&fleet);
    fleet.admin.run(["revoke", "dan"]).ended_with(6);
    fleet.admin.run(["revoke", "--seen", "dan"]).succeeded();
    // He was mistaken: it went on with its former ca.pem, and nothing at its place shows that.
    let current = bundle(&fleet, 1);
    restart_with(&fleet, 1, &before);
    let real = std::fs::canonicalize(fleet.daemons[1].path("root/etc/ca.pem")).unwrap();
    std::fs::write(&real, current).unwrap();
    fleet.assert_dials_one(1, &stolen, "accepted");
    std::fs::rename(&elsewhere, &key).unwrap();
    let status = fleet.admin.run(["status", "--check"]).ended_with(4).out;
    assert!(status.lines().last().unwrap().contains("rotate"), "{status}");
    let restarts = fleet.restarts();
    fleet.rotate(&[]).succeeded();
    fleet.assert_dials(&stolen, "refused");
    assert_eq!(fleet.restarts(), [restarts[0], restarts[1] + 1]);
    fleet.admin.run(["status", "--check"]).succeeded();
}

/// Who gets in as it is seen on the wire was not refused, whatever was said.
#[test]
fn a_dial_that_sees_somebody_in_takes_a_person_s_word_away() {
    const TEST: &str = "a_dial_that_sees_somebody_in_takes_a_person_s_word_away";
    let Some(fleet) = fleet(TEST) else { return };
    let before = bundle(&fleet, 1);
    let (key, elsewhere) = without_the_key(&fleet);
    fleet.admin.run(["revoke", "dan"]).ended_with(6);
    fleet.admin.run(["revoke", "--seen", "dan"]).succeeded();
    let current = bundle(&fleet, 1);
    restart_with(&fleet, 1, &before);
    let real = std::fs::canonicalize(fleet.daemons[1].path("root/etc/ca.pem")).unwrap();
    std::fs::write(&real, current).unwrap();
    std::fs::rename(&elsewhere, &key).unwrap();
    fleet.admin.run(["verify", "spare"]).ended_with(3);
    std::fs::rename(&key, &elsewhere).unwrap();
    let status = fleet.admin.run(["status", "--check"]).ended_with(4).out;
    assert!(status.contains("LETS IN a revoked client"), "{status}");
    let restarts = fleet.restarts();
    fleet.rotate(&[]).ended_with(6);
    assert_eq!(fleet.restarts(), [restarts[0], restarts[1] + 1]);
}

#[test]
fn nobody_is_asked_again_after_a_renewal_and_of_the_latest_revocation_alone() {
    const TEST: &str = "nobody_is_asked_again_after_a_renewal_and_of_the_latest_revocation_alone";
    let Some(fleet) = fleet(TEST) else { return };
    let (of_dan, of_eva) = (fleet.copy("dan"), fleet.copy("eva"));
    let (key, elsewhere) = without_the_key(&fleet);
    fleet.admin.run(["revoke", "dan"]).ended_with(6);
    fleet.admin.run(["revoke", "--seen", "dan"]).succeeded();
    let said = fleet.admin.run(["revoke", "eva"]).ended_with(6);
    assert!(said.out.contains("--seen eva") && !said.out.contains("--seen dan"), "{}", said.out);
    fleet.admin.run(["revoke", "--seen", "eva"]).succeeded();
    fleet.admin.run(["status", "--check"]).succeeded();
    std::fs::rename(&elsewhere, &key).unwrap();
    fleet.rotate(&["--force"]).succeeded();
    std::fs::rename(&key, &elsewhere).unwrap();
    fleet.rotate(&[]).succeeded();
    fleet.admin.run(["status", "--check"]).succeeded();
    fleet.assert_dials(&of_dan, "refused");
    fleet.assert_dials(&of_eva, "refused");
    // Of whom gets in again it is asked once more.
    let said = fleet.admin.run(["revoke", "--undo", "dan"]).ended_with(6);
    assert!(said.out.contains("--seen dan") && !said.out.contains("--seen eva"), "{}", said.out);
    fleet.admin.run(["revoke", "--seen", "dan"]).succeeded();
    fleet.admin.run(["status", "--check"]).succeeded();
    fleet.assert_dials(&of_dan, "accepted");
    fleet.assert_dials(&of_eva, "refused");
}

/// After a restored backup nobody knows what the daemons have taken up.
#[test]
fn what_another_copy_has_put_in_place_is_not_taken_for_served() {
    const TEST: &str = "what_another_copy_has_put_in_place_is_not_taken_for_served";
    let Some(fleet) = fleet(TEST) else { return };
    let stolen = fleet.copy("dan");
    let copied = |from: &str, to: &str| {
        let of = |name: &str| fleet.admin.path(name);
        let status = std::process::Command::new("cp").arg("-a").args([of(from), of(to)]).status().unwrap();
        assert!(status.success());
    };
    copied("state", "backup");
    fleet.admin.run(["revoke", "dan", "--no-restart"]).ended_with(6);
    fleet.assert_dials(&stolen, "accepted");
    std::fs::remove_dir_all(fleet.admin.path("state")).unwrap();
    copied("backup", "state");
    let said = fleet.admin.run(["recover"]).succeeded();
    assert!(!said.out.contains("the daemons refuse dan"), "{}", said.out);
    let status = fleet.admin.run(["status", "--check"]).ended_with(4).out;
    assert!(status.contains("LETS IN a revoked client"), "{status}");
    fleet.rotate(&[]).succeeded();
    fleet.assert_dials(&stolen, "refused");
    fleet.admin.run(["status", "--check"]).succeeded();
}

/// What lies where the CA's key belongs and is of no use counts as no key: nobody stays in for the sake of a file.
#[test]
fn a_ca_key_that_cannot_be_used_holds_up_no_revocation_and_is_told() {
    const TEST: &str = "a_ca_key_that_cannot_be_used_holds_up_no_revocation_and_is_told";
    let Some(fleet) = fleet(TEST) else { return };
    let stolen = fleet.copy("dan");
    let of_eva = fleet.copy("eva");
    let (key, elsewhere) = without_the_key(&fleet);
    let others = fleet.admin.read("state/clients/ana/current/key.pem");
    for (client, there, stays_out) in [("dan", others.as_str(), &stolen), ("eva", "-----BEGIN", &of_eva)] {
        fleet.admin.write_private(key.to_str().unwrap(), there.as_bytes());
        let said = fleet.admin.run(["revoke", client]).ended_with(6);
        assert!(!said.out.contains("STILL LETS IN"), "{}", said.out);
        fleet.assert_dials(stays_out, "refused");
        let status = fleet.admin.run(["status", "--check"]).ended_with(4).out;
        assert!(status.contains("unreadable") && status.contains("ca rollover start"), "{status}");
        let said = fleet.rotate(&[]).out;
        assert!(said.contains("reported"), "{said}");
        let said = fleet.admin.run(["issue", "client", "gus"]).ended_with(1);
        assert!(said.err.contains("ca rollover start"), "{}", said.err);
    }
    std::fs::remove_file(&key).unwrap();
    std::fs::rename(&elsewhere, &key).unwrap();
    fleet.rotate(&[]).succeeded();
    fleet.admin.run(["status", "--check"]).succeeded();
}

/// Behind a proxy that turns strangers away above TLS nothing is ever verified, and nobody knows whom it refuses: it is
/// not said that it lets somebody in, and it is not restarted again and again.
#[test]
fn what_cannot_be_told_behind_a_proxy_is_not_called_let_in_and_ends_with_a_person_s_word() {
    const TEST: &str =
        "what_cannot_be_told_behind_a_proxy_is_not_called_let_in_and_ends_with_a_person_s_word";
    let Some((admin, daemon)) = behind_a_proxy(TEST) else { return };
    restarted_by(&admin, &serde_json::json!(daemon.restart()));
    for _ in 0..2 {
        let said = admin.run(["revoke", "dan"]).ended_with(6).out;
        assert!(said.contains("revoke --seen dan") && !said.contains("STILL LETS IN"), "{said}");
        let status = admin.run(["status", "--check"]).ended_with(4).out;
        assert!(status.contains("not tried whether it refuses"), "{status}");
    }
    let said = admin.run(["rotate"]).ended_with(6).out;
    assert!(!said.contains("STILL LETS IN"), "{said}");
    assert_eq!(daemon.count("restarts"), 1);
    let said = admin.run(["revoke", "--seen", "dan"]).ended_with(3).out;
    assert!(said.lines().last().unwrap().starts_with("noted what you have seen of client dan"), "{said}");
    let said = admin.run(["revoke", "dan"]).ended_with(3).out;
    assert!(!said.contains("every daemon refuses") && said.contains("it was said of builder on"), "{said}");
    let status = admin.run(["status", "--check"]).ended_with(4).out;
    assert!(!status.contains("LETS IN") && !status.contains("--seen"), "{status}");
    assert_eq!(daemon.count("restarts"), 1);
    // What it is given afterwards excludes him too: nobody has to look again.
    for _ in 0..2 {
        let said = admin.run(["rotate", "--force", "daemon/builder"]).ended_with(3).out;
        assert!(!said.contains("--seen") && !said.contains("STILL LETS IN"), "{said}");
    }
    assert_eq!(daemon.count("restarts"), 3);
    admin.run(["revoke", "--undo", "dan"]);
    let said = admin.run(["revoke", "dan"]).ended_with(6).out;
    assert!(said.contains("revoke --seen dan"), "{said}");
}

/// What a daemon was given between what was verified last and what is current it may have taken up.
#[test]
fn whom_a_generation_lets_in_that_was_never_verified_counts_as_let_in() {
    const TEST: &str = "whom_a_generation_lets_in_that_was_never_verified_counts_as_let_in";
    let Some(fleet) = fleet(TEST) else { return };
    let stolen = fleet.copy("dan");
    fleet.admin.run(["revoke", "dan"]).succeeded();
    fleet.admin.run(["revoke", "--undo", "dan", "--no-restart"]).ended_with(6);
    fleet.daemons.iter().for_each(|machine| drop(machine.daemon.ask("restart")));
    fleet.assert_dials(&stolen, "accepted");
    let spare = &fleet.daemons[1].daemon;
    spare.ask("always refuse");
    let idle = fleet.admin.read("state/kitcert.yaml");
    let idle = idle.replace("    restart: ", "    restart_when: idle\n    idle_limit: 5s\n    restart: ");
    fleet.admin.write("state/kitcert.yaml", idle);
    fleet.daemons[0].daemon.ask("builds 1");
    let restarts = fleet.restarts();
    for _ in 0..2 {
        let said = fleet.admin.run(["revoke", "dan"]).ended_with(6).out;
        assert!(said.contains("STILL LETS IN dan on spare") && !said.contains("after 5s"), "{said}");
        fleet.assert_dials_one(0, &stolen, "refused");
    }
    assert_eq!(fleet.restarts()[0], restarts[0] + 1, "an emergency waits for no build");
    fleet.admin.run(["retire", "daemon/spare"]).succeeded();
    let status = fleet.admin.run(["status", "--check"]).ended_with(4).out;
    assert!(status.contains("LETS IN a revoked client"), "{status}");
    let said = fleet.admin.run(["revoke", "dan"]).ended_with(6).out;
    assert!(said.contains("STILL LETS IN dan on spare"), "{said}");
}

/// Of one that nothing here restarts a person says so by its name, once it is restarted.
#[test]
fn a_person_s_word_of_a_daemon_that_nothing_restarts_names_it() {
    const TEST: &str = "a_person_s_word_of_a_daemon_that_nothing_restarts_names_it";
    let Some(fleet) = fleet(TEST) else { return };
    let stolen = fleet.copy("dan");
    let text = fleet.admin.read("state/kitcert.yaml");
    let (first, last) = text.split_at(text.find("  spare:").unwrap());
    let kept = last.lines().filter(|line| !line.starts_with("    restart: "));
    let last: String = kept.map(|line| format!("{line}\n")).collect();
    fleet.admin.write("state/kitcert.yaml", format!("{first}{last}"));
    without_the_key(&fleet);
    let said = fleet.admin.run(["revoke", "dan"]).ended_with(6).out;
    assert!(said.contains("STILL LETS IN dan on spare") && said.contains("--on spare"), "{said}");
    assert!(!said.lines().last().unwrap().contains("--seen"), "{said}");
    let said = fleet.admin.run(["revoke", "--seen", "dan"]).ended_with(6).out;
    assert!(said.contains("STILL LETS IN dan on spare"), "{said}");
    fleet.assert_dials_one(1, &stolen, "accepted");
    fleet.daemons[1].daemon.ask("restart");
    fleet.assert_dials(&stolen, "refused");
    fleet.admin.run(["revoke", "--seen", "dan", "--on", "spares"]).ended_with(2);
    fleet.admin.run(["revoke", "--seen", "dan", "--on", "spare"]).succeeded();
    fleet.admin.run(["status", "--check"]).succeeded();
    // What was said of one change says nothing of the next.
    fleet.admin.run(["revoke", "--undo", "dan"]).ended_with(6);
    fleet.admin.run(["revoke", "--seen", "dan"]).ended_with(6);
    fleet.daemons[1].daemon.ask("restart");
    fleet.admin.run(["revoke", "--seen", "dan", "--on", "spare"]).succeeded();
    let said = fleet.admin.run(["revoke", "dan", "--no-restart"]).ended_with(6).out;
    assert!(said.contains("to refuse dan") && !said.contains("again"), "{said}");
}

/// A daemon behind a proxy that lets strangers in by TLS, and turns them away above it.
fn behind_a_proxy(test: &'static str) -> Option<(Workspace, SupervisedDaemon)> {
    supervised(test, &["--lenient"])
}

/// The only daemon of a state, with those options, and an admin who has two clients.
fn supervised(test: &'static str, options: &[&str]) -> Option<(Workspace, SupervisedDaemon)> {
    let (admin, port) = (Workspace::new(), Daemon::free_port());
    let endpoint = format!("tcp://127.0.0.1:{port}");
    let init = ["init", "--host", "127.0.0.1", "--endpoint", &endpoint, "--client", "ana", "--client", "dan"];
    admin.run(init).succeeded();
    admin.run(["install", "daemon", "--root", &admin.text("root")]).succeeded();
    let daemon = SupervisedDaemon::start(test, &admin, "root/etc", port, options)?;
    Some((admin, daemon))
}

fn restarted_by(admin: &Workspace, command: &serde_json::Value) {
    let text = admin.read("state/kitcert.yaml");
    let kept = text.lines().filter(|line| !line.starts_with("    restart"));
    let text: String = kept.map(|line| format!("{line}\n")).collect();
    let described = format!("  builder:\n    restart: {command}\n    restart_timeout: 2s\n");
    admin.write("state/kitcert.yaml", text.replacen("  builder:\n", &described, 1));
}

/// A restart that is none is seen behind a proxy too: whoever is answered gets in.
#[test]
fn behind_a_proxy_whoever_is_answered_is_let_in_and_other_files_are_taken_up() {
    const TEST: &str = "behind_a_proxy_whoever_is_answered_is_let_in_and_other_files_are_taken_up";
    let Some((admin, daemon)) = behind_a_proxy(TEST) else { return };
    let before = std::fs::read(std::fs::canonicalize(admin.path("root/etc/ca.pem")).unwrap()).unwrap();
    restarted_by(&admin, &serde_json::json!(["/bin/true"]));
    for arguments in [&["revoke", "dan"][..], &["revoke", "--seen", "dan"]] {
        let said = admin.run(arguments).ended_with(6).out;
        assert!(said.contains("STILL LETS IN dan on builder"), "{arguments:?}: {said}");
    }
    restarted_by(&admin, &serde_json::json!(daemon.restart()));
    let said = admin.run(["rotate"]).ended_with(6).out;
    assert!(said.contains("revoke --seen dan"), "{said}");
    assert_eq!(daemon.count("restarts"), 1);
    admin.run(["revoke", "--seen", "dan"]).ended_with(3);
    // Other files at its place take the word away, and the daemon takes up what refuses him.
    let real = std::fs::canonicalize(admin.path("root/etc/ca.pem")).unwrap();
    std::fs::write(&real, before).unwrap();
    daemon.ask("restart");
    let said = admin.run(["rotate"]).ended_with(6).out;
    assert!(said.contains("revoke --seen dan"), "{said}");
    assert_eq!(daemon.count("restarts"), 3);
}

/// Nobody is left to dial as but whoever is revoked.
#[test]
fn of_a_client_who_is_the_only_one_with_a_key_here_nothing_untrue_is_said() {
    const TEST: &str = "of_a_client_who_is_the_only_one_with_a_key_here_nothing_untrue_is_said";
    let Some(fleet) = Fleet::new(TEST, 1, &["dan"]) else { return };
    without_the_key(&fleet);
    let said = fleet.admin.run(["revoke", "ana"]).ended_with(6).out;
    assert!(!said.contains("STILL LETS IN") && said.contains("revoke --seen ana"), "{said}");
    let restarts = fleet.restarts();
    fleet.rotate(&[]);
    fleet.rotate(&[]);
    assert_eq!(fleet.restarts(), restarts, "it is not restarted again and again");
    let said = fleet.admin.run(["revoke", "--seen", "ana"]).out;
    assert!(said.contains("noted what you have seen of client ana"), "{said}");
    let status = fleet.admin.run(["status", "--check"]).ended_with(4).out;
    assert!(!status.contains("LETS IN") && !status.contains("--seen"), "{status}");
}

/// Nothing is graver than a daemon that is open to everybody, whoever is revoked.
#[test]
fn a_daemon_that_is_open_to_everybody_is_called_open_whoever_is_revoked() {
    const TEST: &str = "a_daemon_that_is_open_to_everybody_is_called_open_whoever_is_revoked";
    let Some((admin, daemon)) = supervised(TEST, &["--no-ca"]) else { return };
    restarted_by(&admin, &serde_json::json!(daemon.restart()));
    let said = admin.run(["revoke", "dan"]).ended_with(6).out;
    assert!(said.contains("STILL LETS IN dan on builder"), "{said}");
    let said = admin.run(["verify", "-q", "builder"]).ended_with(3).out;
    assert!(said.lines().last().unwrap().starts_with("OPEN: "), "{said}");
    let generations = || std::fs::read_dir(admin.path("state/daemons/builder")).unwrap().count();
    let before = generations();
    admin.run(["rotate"]).ended_with(6);
    assert_eq!(generations(), before, "no other files make it less open");
}

#[test]
fn a_rollover_that_a_proxy_holds_is_given_up_and_no_restart_is_advised_that_does_not_help() {
    const TEST: &str =
        "a_rollover_that_a_proxy_holds_is_given_up_and_no_restart_is_advised_that_does_not_help";
    let Some((admin, daemon)) = behind_a_proxy(TEST) else { return };
    admin.run(["ca", "rollover", "start"]).ended_with(6);
    daemon.ask("restart");
    for _ in 0..2 {
        let said = admin.run(["rotate"]).ended_with(3).out;
        assert!(said.contains("only HTTP or gRPC turns them away; next: kitcert verify builder"), "{said}");
    }
    let status = admin.run(["status"]).succeeded().out;
    assert!(status.contains("step 1 of 3") && status.contains("waits for daemon builder"), "{status}");
    let said = admin.run(["ca", "rollover", "abort"]).out;
    assert!(said.contains("the rollover is over"), "{said}");
    daemon.ask("restart");
    let said = admin.run(["rotate"]).ended_with(3).out;
    assert!(said.contains("next: kitcert verify builder"), "{said}");
    let status = admin.run(["status"]).succeeded().out;
    assert!(!status.contains("step ") && status.contains("retired"), "{status}");
}

/// Nobody knows where it is, and no rotation reaches it: a person stops it, and says so.
#[test]
fn of_a_daemon_that_is_not_listed_the_next_step_is_one_that_helps() {
    const TEST: &str = "of_a_daemon_that_is_not_listed_the_next_step_is_one_that_helps";
    let Some(fleet) = fleet(TEST) else { return };
    let text = fleet.admin.read("state/kitcert.yaml");
    let (from, to) = (text.find("  spare:\n").unwrap(), text.find("clients:\n").unwrap());
    fleet.admin.write("state/kitcert.yaml", format!("{}{}", &text[..from], &text[to..]));
    for client in ["dan", "eva"] {
        let said = fleet.admin.run(["revoke", client]).ended_with(6).out;
        assert!(said.contains("on spare"), "{said}");
        let status = fleet.admin.run(["status", "--check"]).ended_with(4).out;
        let words = status.lines().last().unwrap().split("if it is stopped: kitcert ").nth(1).unwrap();
        assert_eq!(words, format!("revoke --seen {client} --on spare"), "{status}");
        fleet.admin.run(words.split(' ')).succeeded();
        fleet.admin.run(["status", "--check"]).succeeded();
    }
}

/// One name, and a process behind it that no restart reached: each dial may meet another.
#[test]
fn one_of_four_behind_a_name_that_was_not_restarted_is_seen() {
    const TEST: &str = "one_of_four_behind_a_name_that_was_not_restarted_is_seen";
    let (admin, port) = (Workspace::new(), Daemon::free_port());
    let missed = std::sync::Arc::new(std::sync::atomic::AtomicU16::new(port));
    let missed_port = std::sync::Arc::clone(&missed);
    let relay = Relay::of(std::time::Duration::ZERO, move |number| match number % 4 {
        3 => Fate::To(missed_port.load(std::sync::atomic::Ordering::Relaxed)),
        _ => Fate::To(port),
    });
    let endpoint = format!("tcp://127.0.0.1:{}", relay.port);
    let init = ["init", "--host", "127.0.0.1", "--endpoint", &endpoint, "--client", "ana", "--client", "dan"];
    admin.run(init).succeeded();
    admin.run(["install", "daemon", "--root", &admin.text("root")]).succeeded();
    let Some(daemon) = SupervisedDaemon::start(TEST, &admin, "root/etc", port, &[]) else { return };
    restarted_by(&admin, &serde_json::json!(daemon.restart()));
    let files = Files::in_folder(&admin.path("root/etc"));
    let other = Server::go(&files, &[], TEST).unwrap();
    missed.store(other.port, std::sync::atomic::Ordering::Relaxed);
    admin.run(["rotate"]).succeeded();
    let said = admin.run(["revoke", "dan"]).ended_with(6).out;
    assert!(said.contains("STILL LETS IN dan on builder"), "{said}");
    drop(other);
    let other = Server::go(&files, &[], TEST).unwrap();
    missed.store(other.port, std::sync::atomic::Ordering::Relaxed);
    admin.run(["rotate"]).succeeded();
    assert!(!admin.run(["revoke", "--undo", "dan"]).out.contains("gets in again, with the keys that it had"));
}
