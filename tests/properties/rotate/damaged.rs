//! A damaged file of one identity is that identity's own result: everybody else is renewed, verified and
//! moved, what is damaged is never taken for moved or absent, and what is printed fixes it.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::rotate::rotating::{Site, serial};
use crate::support::workspace::Workspace;

/// Something that a person, a disk or another program does to a folder of an identity.
type Damage = (&'static str, fn(&Path));

const IN_ITS_PLACE: &str = "a file is in its place";

const DAMAGES: [Damage; 11] = [
    ("its certificate is gone", |folder| std::fs::remove_file(folder.join("current/cert.pem")).unwrap()),
    ("its certificate is garbled", |folder| garble(&folder.join("current/cert.pem"))),
    ("its bundle is gone", |folder| std::fs::remove_file(folder.join("current/ca.pem")).unwrap()),
    ("its bundle is garbled", |folder| garble(&folder.join("current/ca.pem"))),
    ("its key is garbled", |folder| garble(&folder.join("current/key.pem"))),
    ("its record is garbled", |folder| garble(&folder.join("identity.json"))),
    ("its record is a folder", |folder| {
        let _ = std::fs::remove_file(folder.join("identity.json"));
        std::fs::create_dir(folder.join("identity.json")).unwrap();
    }),
    ("current leads nowhere", |folder| {
        std::fs::remove_file(folder.join("current")).unwrap();
        symlink("gen-9999", folder.join("current")).unwrap();
    }),
    ("current is gone", |folder| std::fs::remove_file(folder.join("current")).unwrap()),
    ("current is a folder", |folder| {
        std::fs::remove_file(folder.join("current")).unwrap();
        std::fs::create_dir(folder.join("current")).unwrap();
    }),
    (IN_ITS_PLACE, |folder| {
        std::fs::remove_dir_all(folder).unwrap();
        garble(folder);
    }),
];

fn garble(path: &Path) {
    std::fs::write(path, "garbled").unwrap();
}

fn copied(workspace: &Workspace, from: &str, to: &str) {
    let _ = std::fs::remove_dir_all(workspace.path(to));
    let copied =
        Command::new("cp").arg("-a").arg(workspace.path(from)).arg(workspace.path(to)).status().unwrap();
    assert!(copied.success());
}

/// What became of the identity of that name.
#[track_caller]
fn result<'a>(report: &'a Value, kind: &str, name: &str) -> &'a Value {
    let rows = report["results"].as_array().unwrap_or_else(|| panic!("no results: {report:#}"));
    let mut found = rows.iter().filter(|row| row["kind"] == kind && row["name"] == name);
    found.next().unwrap_or_else(|| panic!("nothing of {name}: {report:#}"))
}

/// Runs a command as it is printed.
#[track_caller]
fn paste(workspace: &Workspace, printed: &Value) {
    let command = printed.as_str().unwrap_or_else(|| panic!("no command: {printed}"));
    let words = command.split(' ').skip(1);
    workspace.run(words).succeeded();
}

fn site(test: &str) -> Option<Site> {
    let site = Site::new(test)?;
    site.describe("restart_timeout", &json!("5s"));
    site.workspace.run(["issue", "client", "ben"]).succeeded();
    Some(site)
}

#[test]
fn a_damaged_file_of_one_identity_stops_nobody_else_and_what_is_printed_mends_it() {
    const TEST: &str = "a_damaged_file_of_one_identity_stops_nobody_else_and_what_is_printed_mends_it";
    let Some(site) = site(TEST) else { return };
    let workspace = &site.workspace;
    copied(workspace, "state", "sound-state");
    copied(workspace, "root", "sound-root");
    let both = |one| [("client", "ben"), ("daemon", "builder")].map(|whom| (one, whom));
    // Without anything of it, what is installed for a daemon is another copy's: `recover` is for that.
    let is_meant = |(what, whom): &(&Damage, (&str, &str))| whom.0 == "client" || what.0 != IN_ITS_PLACE;
    for ((what, damage), (kind, name)) in DAMAGES.iter().flat_map(both).filter(is_meant) {
        let case = format!("{kind} {name}: {what}");
        let of_ana = serial(workspace, "state/clients/ana/current");
        damage(&workspace.path(&format!("state/{kind}s/{name}")));
        let said = workspace.run(["rotate", "--force", "--format", "json"]);
        // Of the only daemon nobody may know whether it lets in the others with their new copies.
        assert!(said.code == 1 || said.code == 6 && kind == "daemon", "{case}: {said:?}");
        let report = said.json();
        let damaged = result(&report, kind, name);
        assert_eq!(
            (&damaged["result"], &damaged["exit"]),
            (&json!("failed"), &json!(1)),
            "{case}: {report:#}"
        );
        assert_ne!(serial(workspace, "state/clients/ana/current"), of_ana, "{case}: {report:#}");
        if kind == "client" {
            assert_eq!(result(&report, "daemon", "builder")["result"], "done", "{case}: {report:#}");
            workspace.run(["verify", "builder"]).succeeded();
        } else {
            let said = workspace.run(["rotate"]);
            assert!(!said.out.contains("every daemon is verified"), "{case}: {}", said.out);
        }
        // A key is read only when it is needed.
        if *what != "its key is garbled" {
            let status = workspace.run(["status", "--check", "--format", "json"]).ended_with(4).json();
            let rows = status["identities"].as_array().unwrap();
            let row = rows.iter().find(|row| row["kind"] == kind && row["name"] == name).unwrap();
            assert_eq!((&row["state"], &row["try"]), (&json!("unreadable"), &damaged["try"]), "{case}");
        }
        workspace.run(["issue", "client", "eve"]).succeeded();
        paste(workspace, &damaged["try"]);
        site.rotate(&[]).succeeded();
        workspace.run(["verify", "builder"]).succeeded();
        workspace.run(["status", "--check"]).succeeded();
        copied(workspace, "sound-state", "state");
        copied(workspace, "sound-root", "root");
        site.daemon.ask("restart");
    }
}

#[test]
fn whoever_cannot_be_read_holds_a_rollover_and_is_named_in_an_emergency() {
    const TEST: &str = "whoever_cannot_be_read_holds_a_rollover_and_is_named_in_an_emergency";
    let Some(site) = site(TEST) else { return };
    let workspace = &site.workspace;
    workspace.run(["install", "client", "ana"]).succeeded();
    let of_ben = serial(workspace, "state/clients/ben/current");
    // Nothing of him is left but the file of his certificate, which is garbled too.
    std::fs::remove_dir_all(workspace.path("state/clients/ben")).unwrap();
    garble(&workspace.path("state/clients/ben"));
    garble(&workspace.path(&format!("state/issued/{of_ben}.pem")));
    copied(workspace, "state", "damaged");
    let report = workspace.run(["ca", "rollover", "start", "--format", "json"]).ended_with(1).json();
    assert_eq!(result(&report, "client", "ben")["result"], "failed", "{report:#}");
    assert_eq!(
        result(&report, "certificate", &format!("issued/{of_ben}.pem"))["result"],
        "waiting",
        "{report:#}"
    );
    let held = workspace.run(["status"]).succeeded().out;
    assert!(held.contains("step 2 of 3") && held.contains("waits for client ben"), "{held}");
    workspace.run(["retire", "client/ben"]).succeeded();
    site.rotate(&[]).succeeded();
    let held = workspace.run(["status"]).succeeded().out;
    assert!(held.contains("step 2 of 3") && held.contains(&format!("issued/{of_ben}.pem")), "{held}");
    std::fs::remove_file(workspace.path(&format!("state/issued/{of_ben}.pem"))).unwrap();
    site.rotate(&[]).succeeded();
    assert!(!workspace.path("state/rollover.json").exists(), "it is over");
    site.assert_served();

    // In an emergency nobody waits for him.
    copied(workspace, "damaged", "state");
    let start = ["ca", "rollover", "start", "--compromised", "--format", "json"];
    std::fs::remove_dir_all(workspace.path("root")).unwrap();
    workspace.run(["install", "daemon", "--root", &workspace.text("root")]).succeeded();
    site.daemon.ask("restart");
    let planned = workspace.run(start.iter().chain(&["--dry-run"])).json();
    assert!(planned["locked_out"].as_array().unwrap().contains(&json!("ben")), "{planned:#}");
    let report = workspace.run(start).json();
    assert!(report["locked_out"].as_array().unwrap().contains(&json!("ben")), "{report:#}");
    site.assert_served();
}

#[test]
fn a_daemon_of_which_nobody_knows_what_it_serves_holds_a_rollover() {
    const TEST: &str = "a_daemon_of_which_nobody_knows_what_it_serves_holds_a_rollover";
    let Some(site) = site(TEST) else { return };
    let served = site.daemon.serial();
    std::fs::remove_file(site.workspace.path("state/daemons/builder/current")).unwrap();
    let report = site.workspace.run(["ca", "rollover", "start", "--format", "json"]).ended_with(1).json();
    let builder = result(&report, "daemon", "builder");
    assert_eq!(builder["result"], "failed", "{report:#}");
    let held = site.workspace.run(["status"]).succeeded().out;
    assert!(held.contains("step 1 of 3") && held.contains("waits for daemon builder"), "{held}");
    assert_eq!(site.daemon.serial(), served);
    paste(&site.workspace, &builder["try"]);
    site.rotate(&[]).succeeded();
    let held = site.workspace.run(["status"]).succeeded().out;
    assert!(held.contains("step 2 of 3"), "{held}");
    site.assert_served();
}
