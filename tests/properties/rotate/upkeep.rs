//! What a rotation clears away and what it reaches besides the daemon: what has expired, what
//! failed, the key of a previous CA, and the files of a daemon that a client's tool starts.

use serde_json::json;

use crate::rotate::rotating::{Site, last_line, leaf, workspace_aged};
use crate::support::daemon::Daemon;
use crate::support::workspace::Workspace;

#[test]
fn a_rollover_waits_until_a_daemon_that_builds_is_idle() {
    let Some(site) = Site::new("a_rollover_waits_until_a_daemon_that_builds_is_idle") else { return };
    site.describe("restart_when", &json!("idle"));
    site.daemon.ask("idle 1 0");
    let asked = site.daemon.count("information");
    std::thread::scope(|scope| {
        let rotation = scope.spawn(|| site.workspace.run(["ca", "rollover", "start"]));
        site.daemon.ask(&format!("await information {}", asked + 2));
        assert_eq!(site.daemon.count("attempts"), 0, "a running build was cut");
        site.daemon.ask("idle 0 60");
        rotation.join().unwrap().succeeded();
    });
    assert_eq!(site.daemon.count("restarts"), 1);
    site.assert_served();
}

#[test]
fn the_files_of_a_daemon_that_a_tool_starts_are_renewed_with_it() {
    let port = Daemon::free_port();
    let workspace = Workspace::new();
    let endpoint = format!("tcp://127.0.0.1:{port}");
    let hosts = ["--host", "127.0.0.1", "--host", "localhost", "--endpoint", &endpoint];
    workspace.run(["init", "--client", "ana"].iter().chain(&hosts)).succeeded();
    workspace.run(["install", "client", "ana", "--endpoint", &endpoint]).succeeded();
    let folder = workspace.text("home/.earthly/certs");
    let noted = workspace.read("state/kitcert.yaml");
    assert_eq!(noted.matches(&format!("installed: [{folder}]")).count(), 2, "{noted}");

    let previous = leaf(&workspace, "state/daemons/builder/current");
    let said = workspace.run(["rotate", "--force", "builder"]).ended_with(6);
    assert!(last_line(&said).contains("docker rm -f earthly-buildkitd"), "{said:?}");
    let current = leaf(&workspace, "state/daemons/builder/current");
    assert_ne!(current.serial(), previous.serial());
    for (installed, file) in [("daemon_cert.pem", "cert.pem"), ("daemon_key.pem", "key.pem")] {
        let current = workspace.read(&format!("state/daemons/builder/current/{file}"));
        assert_eq!(workspace.read(&format!("{folder}/{installed}")), current, "{installed}");
    }

    // Whoever has removed them does not get them again.
    std::fs::remove_dir_all(workspace.path("home/.earthly/certs/kitcert-daemon")).unwrap();
    workspace.run(["rotate", "--force", "builder"]).ended_with(6);
    assert!(!workspace.path("home/.earthly/certs/kitcert-daemon").exists());
}

#[test]
fn an_expired_certificate_is_removed_once_no_keys_age_is_read_from_it() {
    let workspace = workspace_aged(120, Daemon::free_port());
    let expired = leaf(&workspace, "state/clients/ana/current");
    let daemons = leaf(&workspace, "state/daemons/builder/current");
    let is_there =
        |serial: &dyn ToString| workspace.path(&format!("state/issued/{}.pem", serial.to_string())).exists();
    for more in [&[][..], &["--new-key"]] {
        workspace.run(["rotate", "--force", "ana"].iter().chain(more)).succeeded();
        assert!(is_there(expired.serial()), "its key was in use when that was planned");
    }
    workspace.run(["rotate", "--force", "ana"]).succeeded();
    assert!(!is_there(expired.serial()), "it has expired, and its key is in use no more");
    assert!(is_there(daemons.serial()), "it has not expired");
}

const DELETE: [&str; 2] = ["ca", "delete-former-keys"];

#[test]
fn the_key_of_a_former_ca_is_destroyed_when_asked_and_no_rollover_needs_it() {
    const TEST: &str = "the_key_of_a_former_ca_is_destroyed_when_asked_and_no_rollover_needs_it";
    let Some(site) = Site::new(TEST) else { return };
    let keys = || {
        let folders = std::fs::read_dir(site.workspace.path("state/ca")).unwrap();
        folders.filter(|folder| folder.as_ref().unwrap().path().join("key.pem").exists()).count()
    };
    let said = site.workspace.run(["ca", "rollover", "start"]).succeeded();
    assert_eq!(last_line(&said), "the rollover waits for ana");
    let status = site.workspace.run(["status"]).succeeded().out;
    assert!(status.contains("step 2 of 3") && status.contains("waits for client ana"), "{status}");
    for more in [&[][..], &["--dry-run"]] {
        let said = site.workspace.run(DELETE.iter().chain(more));
        assert!(said.ended_with(1).err.contains("no rollover in progress"));
    }
    site.workspace.run(["confirm", "ana"]).succeeded();
    site.rotate(&[]).succeeded();
    assert_eq!(keys(), 2, "nobody asked");
    site.assert_served();

    site.workspace.run(DELETE).succeeded();
    assert_eq!(keys(), 1);
    assert!(site.workspace.read("state/log.jsonl").contains("key-destroyed"));
    site.workspace.run(DELETE).succeeded();
    site.workspace.run(["ca", "rollover", "abort"]).ended_with(1);
    let said = site.workspace.run(["rollback", "builder"]).ended_with(1);
    assert!(said.err.contains("a CA that nothing trusts any more"), "{said:?}");
    site.rotate(&["--force", "builder"]).succeeded();
    site.assert_served();
}

#[test]
fn a_rollback_does_not_come_upon_a_generation_that_failed() {
    const TEST: &str = "a_rollback_does_not_come_upon_a_generation_that_failed";
    let Some(site) = Site::new(TEST) else { return };
    let first = site.current();
    let other_state = Workspace::with_state();
    site.describe("restart_timeout", &json!("2s"));
    site.daemon.ask(&format!("next wrong {}", other_state.text("state/daemons/builder/current")));
    site.rotate(&["--force", "builder"]).ended_with(1);
    site.assert_serves(&first);
    site.rotate(&["--force", "builder"]).succeeded();
    assert_ne!(site.current().serial(), first.serial());
    site.workspace.run(["rollback", "builder"]).succeeded();
    site.assert_serves(&first);
}
