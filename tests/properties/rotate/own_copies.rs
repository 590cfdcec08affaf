//! The copies of clients on the admin's machine are read again, never assumed: whoever else has the key, and
//! whatever has become of their folder.

use std::os::unix::fs::symlink;
use std::process::Command;

use serde_json::{Value, json};

use crate::rollover::locked_out::{gets_in, is_let_in, site};
use crate::rotate::rotating::Site;

const HOME: &str = "other-home";
const START: [&str; 3] = ["ca", "rollover", "start"];
const EMERGENCY: [&str; 4] = ["ca", "rollover", "start", "--compromised"];

/// Where his copies are.
fn copies(site: &Site) -> String {
    format!("{HOME}/.config/kitcert/buildctl/localhost-{}", site.port)
}

/// A site with a second client, ben, installed in a home of his own.
fn with_ben(test: &str) -> Option<Site> {
    let site = site(test)?;
    site.workspace.run(["issue", "client", "ben"]).succeeded();
    std::fs::create_dir_all(site.workspace.path(HOME)).unwrap();
    let endpoint = format!("tcp://localhost:{}", site.port);
    let install = ["install", "client", "ben", "--tool", "buildctl", "--endpoint", &endpoint];
    let mut command = site.workspace.command(install);
    command.env("HOME", site.workspace.path(HOME));
    site.workspace.finish(command, "").succeeded();
    assert!(ben_gets_in(&site));
    Some(site)
}

/// Whether ben gets in with what is in his home.
fn ben_gets_in(site: &Site) -> bool {
    is_let_in(site, &site.workspace.text(&copies(site)), &format!("{}/ca.pem", copies(site)))
}

/// What `rsync -L` leaves of a home: plain files, and nothing of where the links led.
fn flatten(site: &Site) {
    for name in ["ca.pem", "cert.pem", "key.pem"] {
        let path = format!("{}/{name}", copies(site));
        let bytes = site.workspace.read(&path);
        std::fs::remove_file(site.workspace.path(&path)).unwrap();
        site.workspace.write_private(&path, bytes);
    }
    std::fs::remove_dir_all(site.workspace.path(&format!("{}/kitcert", copies(site)))).unwrap();
}

/// Takes the home away, or puts it back.
fn rename_home(site: &Site, from: &str, to: &str) {
    std::fs::rename(site.workspace.path(from), site.workspace.path(to)).unwrap();
}

/// What is said of ben.
fn row(report: &Value) -> Value {
    let rows = report["results"].as_array().unwrap();
    rows.iter().rev().find(|row| row["kind"] == "client" && row["name"] == "ben").cloned().unwrap_or_default()
}

fn is_over(site: &Site) -> bool {
    !site.workspace.path("state/rollover.json").exists()
}

#[test]
fn a_receipt_of_another_machine_does_not_stand_for_the_copies_here() {
    const TEST: &str = "a_receipt_of_another_machine_does_not_stand_for_the_copies_here";
    for home in ["here", "away", "flat"] {
        let Some(site) = with_ben(TEST) else { return };
        site.workspace.run(["invite", "ben"]).succeeded();
        match home {
            "away" => rename_home(&site, HOME, "away"),
            "flat" => flatten(&site),
            _ => {}
        }
        site.workspace.run(START);
        site.workspace.run(["confirm", "ben"]).succeeded();
        let report = site.rotate(&["--format", "json"]).succeeded().json();
        if home == "away" {
            assert!(!is_over(&site), "{report:#}");
            rename_home(&site, "away", HOME);
        }
        assert!(ben_gets_in(&site), "{home}: {report:#}");
        if home == "flat" {
            assert!(!is_over(&site), "{report:#}");
            let why = row(&report)["why"].to_string();
            assert!(why.contains("holds the rollover") && why.contains(&copies(&site)), "{report:#}");
            let status = site.workspace.run(["status"]).succeeded().out;
            assert!(status.contains("waits for client ben"), "{status}");
            let said = site.workspace.run(["issue", "daemon", "builder"]);
            assert!(ben_gets_in(&site), "{said:?}");
            continue;
        }
        site.rotate(&[]).succeeded();
        assert!(is_over(&site), "{home}");
        assert!(ben_gets_in(&site), "{home}");
        site.assert_served();
    }
}

#[test]
fn a_compromise_names_everybody_whose_key_is_not_on_this_machine_alone() {
    const TEST: &str = "a_compromise_names_everybody_whose_key_is_not_on_this_machine_alone";
    let Some(site) = with_ben(TEST) else { return };
    site.workspace.run(["invite", "ben"]).succeeded();
    let command = EMERGENCY.iter().copied().chain(["--format", "json"]);
    let report = site.workspace.run(command).succeeded().json();
    assert_eq!(report["locked_out"], json!(["ben"]), "{report:#}");
    assert!(ben_gets_in(&site), "his home has its own key, and follows");
}

#[test]
fn a_compromise_names_whoever_dials_by_a_host_that_goes_with_it() {
    const TEST: &str = "a_compromise_names_whoever_dials_by_a_host_that_goes_with_it";
    let Some(site) = with_ben(TEST) else { return };
    let text = site.workspace.read("state/kitcert.yaml");
    site.workspace.write("state/kitcert.yaml", text.replace("[127.0.0.1, localhost]", "[127.0.0.1]"));
    let command = EMERGENCY.iter().copied().chain(["--format", "json"]);
    let report = site.workspace.run(command).succeeded().json();
    assert_eq!(report["locked_out"], json!(["ana", "ben"]), "{report:#}");
    assert!(row(&report)["why"].to_string().contains("localhost"), "{report:#}");
}

#[test]
fn copies_that_cannot_be_replaced_are_not_called_done() {
    const TEST: &str = "copies_that_cannot_be_replaced_are_not_called_done";
    for what in ["flat", "a link that leads elsewhere"] {
        let Some(site) = with_ben(TEST) else { return };
        match what {
            "flat" => flatten(&site),
            _ => {
                let link = site.workspace.path(&format!("{}/cert.pem", copies(&site)));
                std::fs::remove_file(&link).unwrap();
                symlink("kitcert/gen-0001/cert.pem", &link).unwrap();
            }
        }
        let report = site.rotate(&["--force", "--format", "json"]).ended_with(1).json();
        assert_eq!(row(&report)["result"], "failed", "{what}: {report:#}");
        assert!(ben_gets_in(&site), "{what}");
        site.workspace.run(START);
        let said = site.rotate(&[]).succeeded();
        assert!(said.out.contains("the rollover waits for ben"), "{what}: {said:?}");
        let of_new = site.workspace.read("state/rollover.json");
        let record: Value = serde_json::from_str(&of_new).unwrap();
        let compromised = format!("--compromised={}", record["from"][0].as_str().unwrap());
        let command = START.iter().copied().chain([compromised.as_str(), "--format", "json"]);
        let report = site.workspace.run(command).json();
        assert_eq!(report["locked_out"], json!(["ben"]), "{what}: {report:#}");
        let mut way = Value::Null;
        for _ in 0..2 {
            let report = site.rotate(&["--format", "json"]).ended_with(1).json();
            assert_eq!(report["locked_out"], json!(["ben"]), "{what}: {report:#}");
            way = row(&report)["try"].clone();
        }
        let way = way.as_str().unwrap();
        assert!(Command::new("sh").args(["-c", way]).status().unwrap().success(), "{what}: {way}");
        site.rotate(&[]).succeeded();
        assert!(ben_gets_in(&site), "{what}: {way}");
        // The key that was put aside is the person's to remove.
        let _ =
            std::fs::remove_file(site.workspace.path(&format!("{}/key.pem.before-kitcert", copies(&site))));
    }
}

#[test]
fn working_files_are_not_replaced_by_some_that_no_daemon_accepts_yet() {
    const TEST: &str = "working_files_are_not_replaced_by_some_that_no_daemon_accepts_yet";
    let Some(site) = site(TEST) else { return };
    site.workspace.run(EMERGENCY.iter().chain(&["--no-restart"])).ended_with(6);
    let before = site.workspace.snapshot();
    let said = site.workspace.run(["install", "client", "ana"]).ended_with(1);
    assert!(said.err.contains("a daemon that lets it in"), "{said:?}");
    before.assert_is(&site.workspace.snapshot(), "refused");
    assert!(gets_in(&site));
    site.rotate(&[]).succeeded();
    site.workspace.run(["install", "client", "ana"]).succeeded();
    assert!(gets_in(&site));
}

#[test]
fn a_client_gets_its_files_with_the_daemon_that_alone_was_named() {
    const TEST: &str = "a_client_gets_its_files_with_the_daemon_that_alone_was_named";
    let Some(site) = with_ben(TEST) else { return };
    site.workspace.run(EMERGENCY.iter().chain(&["--no-restart"])).ended_with(6);
    assert!(ben_gets_in(&site));
    let certificate = site.workspace.read("state/clients/ben/current/cert.pem");
    site.rotate(&["builder"]).succeeded();
    assert!(ben_gets_in(&site), "the daemon trusts the new CA alone");
    assert_eq!(site.workspace.read("state/clients/ben/current/cert.pem"), certificate);
    assert!(is_over(&site));
}
