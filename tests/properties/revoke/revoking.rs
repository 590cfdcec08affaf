//! Somebody's access is taken away while everybody works: whoever is revoked is refused from the restart on,
//! and nobody else ever is.

use std::time::Instant;

use serde_json::Value;

use crate::figures::{Aim, publish};
use crate::rollover::rolling_over::Fleet;

const INSTALLED: [&str; 2] = ["ana", "ben"];
const DEVELOPERS: [&str; 2] = ["dan", "eva"];

fn fleet(test: &'static str) -> Option<Fleet> {
    Fleet::new(test, INSTALLED.len(), &DEVELOPERS)
}

#[test]
fn whoever_is_revoked_is_refused_everywhere_and_nobody_else_is() {
    const TEST: &str = "whoever_is_revoked_is_refused_everywhere_and_nobody_else_is";
    let Some(fleet) = fleet(TEST) else { return };
    let stolen = fleet.copy("dan");
    let mut crowd = fleet.crowd(&["ana", "ben", "eva"]);
    crowd.assert_works();
    fleet.assert_dials(&stolen, "accepted");
    let began = Instant::now();
    let said = fleet.admin.run(["revoke", "dan", "--reason", "laptop stolen", "--format", "json"]);
    let took = began.elapsed().as_secs_f64();
    let said: Value = said.succeeded().json();
    assert_eq!(said["still_let_in"], serde_json::json!([]), "{said:#}");
    fleet.assert_dials(&stolen, "refused");
    crowd.assert_works();
    let handshakes = crowd.accepted();
    publish("revoke", "from the command to the verified refusal, 2 daemons", format!("{took:.2} s"), None);
    let aim = Aim { words: "nobody else is refused", is_met: true };
    let figure = "3 clients at 2 daemons while a 4th is revoked";
    publish("revoke", figure, format!("{handshakes} handshakes, 0 refused"), Some(aim));
    // Nothing is left to do, and every daemon is verified.
    let status = fleet.admin.run(["status", "--check"]).succeeded().out;
    assert!(status.contains("revoked"), "{status}");
    let again = fleet.rotate(&[]).succeeded().out;
    assert!(again.contains("nothing is due"), "{again}");
    for refused in
        [vec!["invite", "dan"], vec!["issue", "client", "dan"], vec!["issue", "client", "dan", "--new-key"]]
    {
        let said = fleet.admin.run(refused).ended_with(1);
        assert!(said.err.contains("revoke --undo dan"), "{}", said.err);
    }
    fleet.admin.run(["revoke", "--undo", "dan"]).succeeded();
    fleet.assert_dials(&stolen, "accepted");
    crowd.assert_works();
    fleet.admin.run(["verify", "--all"]).succeeded();
}

#[test]
fn a_revoked_key_is_refused_and_its_owner_gets_in_with_another() {
    const TEST: &str = "a_revoked_key_is_refused_and_its_owner_gets_in_with_another";
    let Some(fleet) = fleet(TEST) else { return };
    let stolen = fleet.copy("ana");
    let key = crate::rotate::rotating::leaf(&fleet.admin, &stolen).public_key().fingerprint().to_string();
    let mut crowd = fleet.crowd(&["ben", "dan", "eva"]);
    fleet.admin.run(["revoke", "ana", "--only-key", &key]).succeeded();
    fleet.assert_dials(&stolen, "refused");
    crowd.assert_works();
    let said = fleet.admin.run(["status"]).succeeded();
    assert!(said.out.contains(&format!("ana with key {}", &key[..16])), "{}", said.out);
    let said = fleet.admin.run(["issue", "client", "ana"]).ended_with(1);
    assert!(said.err.contains("--new-key"), "{}", said.err);
    fleet.admin.run(["issue", "client", "ana", "--new-key"]).succeeded();
    fleet.assert_dials(&fleet.admin.text("state/clients/ana/current"), "accepted");
    fleet.assert_dials(&stolen, "refused");
    crowd.assert_works();
}

#[test]
fn a_revocation_whose_restart_fails_stays_and_is_said_until_it_is_in_effect() {
    const TEST: &str = "a_revocation_whose_restart_fails_stays_and_is_said_until_it_is_in_effect";
    let Some(fleet) = fleet(TEST) else { return };
    let stolen = fleet.copy("dan");
    let mut crowd = fleet.crowd(&["ana", "ben", "eva"]);
    fleet.daemons[1].daemon.ask("always refuse");
    let said = fleet.admin.run(["revoke", "dan"]).ended_with(6);
    assert!(said.out.contains("STILL LETS IN dan on spare"), "{}", said.out);
    assert!(!said.out.contains("on builder"), "{}", said.out);
    crowd.assert_works();
    let status = fleet.admin.run(["status", "--check"]).ended_with(4).out;
    let last = status.lines().last().unwrap();
    assert!(last.contains("lets in somebody who is revoked") && last.contains("kitcert rotate"), "{status}");
    fleet.admin.run(["verify", "spare"]).ended_with(3);
    fleet.rotate(&[]).ended_with(6);
    // The earlier generation does not come back with what let him in.
    fleet.admin.run(["rollback", "builder"]).ended_with(1);
    fleet.daemons[1].daemon.ask("forget");
    fleet.rotate(&[]).succeeded();
    fleet.assert_dials(&stolen, "refused");
    crowd.assert_works();
    fleet.admin.run(["status", "--check"]).succeeded();
    // Who is revoked is not left behind by a rollover, and is renewed by nothing.
    let said = fleet.admin.run(["ca", "rollover", "start", "--dry-run"]).succeeded().out;
    assert!(!said.contains("issue client dan"), "{said}");
}

#[test]
fn a_revocation_that_is_noted_and_not_rolled_out_says_who_gets_in_still() {
    const TEST: &str = "a_revocation_that_is_noted_and_not_rolled_out_says_who_gets_in_still";
    let Some(fleet) = fleet(TEST) else { return };
    // A restart that takes kitcert.yaml away: nothing can be read afterwards.
    let inventory = fleet.admin.read("state/kitcert.yaml");
    let path = fleet.admin.text("state/kitcert.yaml");
    let restart = serde_json::json!(["sh", "-c", format!("rm -f {path}; exit 1")]);
    let others = inventory.lines().map(|line| match line.starts_with("    restart: ") {
        true => format!("    restart: {restart}\n"),
        false => format!("{line}\n"),
    });
    fleet.admin.write("state/kitcert.yaml", others.collect::<String>());
    let said = fleet.admin.run(["revoke", "dan"]).ended_with(6).out;
    for daemon in ["builder", "spare"] {
        assert!(said.contains(&format!("STILL LETS IN dan on {daemon}")), "{said}");
    }
    assert!(!said.contains("nothing is due"), "{said}");
    fleet.admin.write("state/kitcert.yaml", inventory);
    fleet.rotate(&[]).succeeded();
    fleet.admin.run(["status", "--check"]).succeeded();
}

#[test]
fn a_second_revocation_and_one_taken_back_are_seen_on_the_wire() {
    const TEST: &str = "a_second_revocation_and_one_taken_back_are_seen_on_the_wire";
    let Some(fleet) = fleet(TEST) else { return };
    let (of_dan, of_eva) = (fleet.copy("dan"), fleet.copy("eva"));
    fleet.admin.run(["revoke", "dan"]).succeeded();
    let restarts = fleet.restarts();
    fleet.admin.run(["revoke", "eva"]).succeeded();
    fleet.assert_dials(&of_eva, "refused");
    assert!(fleet.restarts().iter().zip(&restarts).all(|(now, before)| *now == before + 1));
    for machine in &fleet.daemons {
        machine.daemon.ask("always vanish");
    }
    let inventory = fleet.admin.read("state/kitcert.yaml");
    let hurried = inventory.replace("    restart: ", "    restart_timeout: 2s\n    restart: ");
    fleet.admin.write("state/kitcert.yaml", hurried);
    // A restart that is none changes nothing, and is not taken for one.
    let said = fleet.admin.run(["revoke", "--undo", "dan"]);
    assert_ne!(said.code, 0, "{said:?}");
    for machine in &fleet.daemons {
        machine.daemon.ask("forget");
    }
    fleet.rotate(&[]).succeeded();
    fleet.assert_dials(&of_dan, "accepted");
    fleet.assert_dials(&of_eva, "refused");
}

#[test]
fn a_revocation_without_the_cas_key_is_in_effect_and_says_that_nobody_can_try_it() {
    const TEST: &str = "a_revocation_without_the_cas_key_is_in_effect_and_says_that_nobody_can_try_it";
    let Some(fleet) = fleet(TEST) else { return };
    let stolen = fleet.copy("dan");
    let mut crowd = fleet.crowd(&["ana", "ben", "eva"]);
    for entry in std::fs::read_dir(fleet.admin.path("state/ca")).unwrap() {
        std::fs::remove_file(entry.unwrap().path().join("key.pem")).unwrap();
    }
    let said = fleet.admin.run(["revoke", "dan"]).ended_with(6);
    assert!(said.out.contains("revoke --seen dan"), "{}", said.out);
    fleet.assert_dials(&stolen, "refused");
    crowd.assert_works();
    fleet.admin.run(["revoke", "--seen", "dan"]).succeeded();
    fleet.admin.run(["status", "--check"]).succeeded();
    // What was seen of dan then says nothing of the bundle that lets him in again.
    let said = fleet.admin.run(["revoke", "--undo", "dan"]).ended_with(6);
    assert!(said.out.contains("revoke --seen dan") && !said.out.contains("verified by"), "{}", said.out);
    fleet.assert_dials(&stolen, "accepted");
    fleet.admin.run(["revoke", "--seen", "dan"]).succeeded();
    fleet.admin.run(["status", "--check"]).succeeded();
    // Of a client whose key is here the daemon is asked itself.
    let of_ben = fleet.copy("ben");
    drop(crowd);
    fleet.admin.run(["revoke", "ben"]).succeeded();
    fleet.assert_dials(&of_ben, "refused");
    let said = fleet.admin.run(["install", "client", "ben", "--tool", "buildctl"]).ended_with(1);
    assert!(said.err.contains("revoke --undo ben"), "{}", said.err);
    fleet.admin.run(["rollback", "client/ben"]).ended_with(1);
    assert!(!std::path::Path::new(&fleet.folder("ben")).join("key.pem").exists());
}

#[test]
fn a_daemon_whose_key_was_stolen_gets_another_and_is_said_to_be_imitable_still() {
    const TEST: &str = "a_daemon_whose_key_was_stolen_gets_another_and_is_said_to_be_imitable_still";
    let Some(fleet) = fleet(TEST) else { return };
    let key =
        || crate::rotate::rotating::leaf(&fleet.admin, "state/daemons/builder/current").public_key().clone();
    let (stolen, spare) = (key(), fleet.daemons[1].daemon.serial());
    let mut crowd = fleet.crowd(&["ana", "dan", "eva"]);
    let said = fleet.admin.run(["revoke", "daemon/builder", "--dry-run"]).succeeded().out;
    assert_eq!(said.matches("nothing was changed").count(), 1, "{said}");
    assert_eq!((said.matches("would note").count(), said.matches("would issue").count()), (1, 1), "{said}");
    assert_eq!(key(), stolen);
    let said = fleet.admin.run(["revoke", "daemon/builder"]).succeeded().out;
    assert!(said.contains("can still pass for builder"), "{said}");
    assert_ne!(key(), stolen);
    assert_eq!(fleet.daemons[1].daemon.serial(), spare);
    crowd.assert_works();
    fleet.admin.run(["revoke", "daemon/builder", "--undo"]).succeeded();
}

#[test]
fn a_daemon_that_keeps_its_revoked_key_is_not_verified() {
    let Some(fleet) = fleet("a_daemon_that_keeps_its_revoked_key_is_not_verified") else { return };
    fleet.admin.run(["verify", "builder"]).succeeded();
    fleet.daemons[0].daemon.ask("always refuse");
    let said = fleet.admin.run(["revoke", "daemon/builder"]).ended_with(6).out;
    assert!(said.contains("not done: builder keeps its key"), "{said}");
    let said = fleet.admin.run(["verify", "builder"]).ended_with(3).out;
    assert!(said.contains("one whose key is revoked") && said.contains("not verified"), "{said}");
    fleet.admin.run(["verify", "spare"]).succeeded();
    fleet.admin.run(["status", "--check"]).ended_with(4);
    fleet.daemons[0].daemon.ask("forget");
    fleet.rotate(&[]).succeeded();
    fleet.admin.run(["verify", "builder"]).succeeded();
}

#[test]
fn a_state_that_has_forgotten_whom_its_daemons_refuse_lets_nobody_in_again() {
    const TEST: &str = "a_state_that_has_forgotten_whom_its_daemons_refuse_lets_nobody_in_again";
    let Some(fleet) = fleet(TEST) else { return };
    let stolen = fleet.copy("dan");
    fleet.admin.run(["revoke", "dan"]).succeeded();
    std::fs::remove_file(fleet.admin.path("state/revocations.json")).unwrap();
    let status = fleet.admin.run(["status", "--check"]).ended_with(3).out;
    assert!(status.contains("revocations.json") && status.contains("recover"), "{status}");
    let said = fleet.rotate(&["--force"]);
    assert_ne!(said.code, 0, "{said:?}");
    assert!(said.out.contains("recover"), "{}", said.out);
    fleet.assert_dials(&stolen, "refused");
    fleet.admin.run(["recover"]).succeeded();
    fleet.rotate(&["--force"]).succeeded();
    fleet.assert_dials(&stolen, "refused");
    fleet.admin.run(["invite", "dan"]).ended_with(1);
}

/// What nobody can try is tried once the key is back: nobody is asked to look, and nothing is restarted.
#[test]
fn a_revocation_that_nobody_could_try_is_tried_once_the_ca_s_key_is_back() {
    const TEST: &str = "a_revocation_that_nobody_could_try_is_tried_once_the_ca_s_key_is_back";
    let Some(fleet) = fleet(TEST) else { return };
    let stolen = fleet.copy("dan");
    let folder = std::fs::read_dir(fleet.admin.path("state/ca")).unwrap().next().unwrap().unwrap().path();
    let (key, elsewhere) = (folder.join("key.pem"), fleet.admin.path("key.pem"));
    std::fs::rename(&key, &elsewhere).unwrap();
    fleet.admin.run(["revoke", "dan"]).ended_with(6);
    let status = fleet.admin.run(["status", "--check"]).ended_with(4).out;
    assert!(status.lines().last().unwrap().contains("revoke --seen dan"), "{status}");
    std::fs::rename(&elsewhere, &key).unwrap();
    let status = fleet.admin.run(["status", "--check"]).ended_with(4).out;
    assert!(!status.contains("--seen") && status.lines().last().unwrap().contains("rotate"), "{status}");
    let restarts = fleet.restarts();
    fleet.rotate(&[]).succeeded();
    assert_eq!(fleet.restarts(), restarts, "what refuses him is not restarted");
    fleet.assert_dials(&stolen, "refused");
    fleet.admin.run(["status", "--check"]).succeeded();
}

/// Neither a client nor a CA's key is left to dial with: it is said that nobody can try it, and a person's word ends
/// it, without another restart.
#[test]
fn of_the_only_client_it_is_said_that_nobody_can_try_whether_he_is_refused() {
    const TEST: &str = "of_the_only_client_it_is_said_that_nobody_can_try_whether_he_is_refused";
    let Some(fleet) = Fleet::new(TEST, 1, &["dan"]) else { return };
    for client in ["ana", "ben"] {
        fleet.admin.run(["retire", &format!("client/{client}")]);
    }
    let stolen = fleet.copy("dan");
    for entry in std::fs::read_dir(fleet.admin.path("state/ca")).unwrap() {
        std::fs::remove_file(entry.unwrap().path().join("key.pem")).unwrap();
    }
    for entry in std::fs::read_dir(fleet.admin.path("state/clients")).unwrap() {
        let folder = entry.unwrap().path();
        if !folder.ends_with("dan") {
            std::fs::remove_dir_all(folder).unwrap();
        }
    }
    let said = fleet.admin.run(["revoke", "dan"]).ended_with(6);
    assert!(said.out.contains("revoke --seen dan") && !said.out.contains("STILL LETS IN"), "{}", said.out);
    fleet.assert_dials(&stolen, "refused");
    let restarts = fleet.restarts();
    let said = fleet.admin.run(["revoke", "--seen", "dan"]);
    assert!(!said.out.contains("STILL LETS IN"), "{}", said.out);
    let said = fleet.rotate(&[]);
    assert!(!said.out.contains("STILL LETS IN"), "{}", said.out);
    assert_eq!(fleet.restarts(), restarts, "what refuses him is not restarted");
    let status = fleet.admin.run(["status", "--check"]).ended_with(4).out;
    assert!(!status.contains("LETS IN") && !status.contains("--seen"), "{status}");
}

#[test]
fn who_names_a_daemon_is_told_how_a_daemon_is_revoked() {
    const TEST: &str = "who_names_a_daemon_is_told_how_a_daemon_is_revoked";
    let Some(fleet) = Fleet::new(TEST, 1, &["dan"]) else { return };
    let said = fleet.admin.run(["revoke", "spare"]).ended_with(2);
    assert!(said.err.contains("revoke daemon/spare"), "{}", said.err);
}

/// The last exclusion goes, and with it the canary: whoever was let in before says nothing of the other.
#[test]
fn two_revocations_that_are_taken_back_last_first_are_both_seen_on_the_wire() {
    const TEST: &str = "two_revocations_that_are_taken_back_last_first_are_both_seen_on_the_wire";
    let Some(fleet) = fleet(TEST) else { return };
    let (of_dan, of_eva) = (fleet.copy("dan"), fleet.copy("eva"));
    fleet.admin.run(["revoke", "dan"]).succeeded();
    fleet.admin.run(["revoke", "eva"]).succeeded();
    fleet.admin.run(["revoke", "--undo", "eva"]).succeeded();
    fleet.admin.run(["revoke", "--undo", "dan"]).succeeded();
    fleet.assert_dials(&of_eva, "accepted");
    fleet.assert_dials(&of_dan, "accepted");
}

#[test]
fn a_rotation_of_one_daemon_says_that_another_lets_somebody_in() {
    const TEST: &str = "a_rotation_of_one_daemon_says_that_another_lets_somebody_in";
    let Some(fleet) = Fleet::new(TEST, 1, &["dan"]) else { return };
    let stolen = fleet.copy("dan");
    fleet.admin.run(["revoke", "dan", "--no-restart"]).ended_with(6);
    let said = fleet.rotate(&["builder"]).ended_with(6);
    assert!(said.out.contains("STILL LETS IN dan; next: kitcert rotate spare"), "{said:?}");
    fleet.assert_dials_one(0, &stolen, "refused");
    fleet.assert_dials_one(1, &stolen, "accepted");
    let said = fleet.rotate(&["spare"]).succeeded();
    assert!(!said.out.contains("STILL LETS IN"), "{said:?}");
    fleet.assert_dials(&stolen, "refused");
}
