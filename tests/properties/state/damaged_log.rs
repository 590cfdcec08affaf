//! `log.jsonl` is for people. Whatever is in it, or in its place, everything else goes on.

use serde_json::json;

use crate::rotate::rotating::Site;
use crate::support::workspace::Workspace;

#[test]
fn a_long_user_name_stops_no_rotation() {
    let workspace = Workspace::with_state();
    for variable in ["USER", "SUDO_USER"] {
        for _ in 0..3 {
            let mut command = workspace.command(["rotate", "--force", "ana"]);
            command.env(variable, "x".repeat(20_000));
            workspace.finish(command, "").succeeded();
        }
    }
    let longest = workspace.read("state/log.jsonl").lines().map(str::len).max();
    assert!(longest < Some(4096), "{longest:?} bytes");
}

/// Puts something there that no log is, or no line of it.
type Damage = fn(&Workspace);

fn damages() -> [(&'static str, Damage); 4] {
    [
        ("a long line", |it| damage(it, &"x".repeat(20_000))),
        ("a longer line", |it| damage(it, &"x".repeat(3_000_000))),
        ("no JSON", |it| {
            it.write("state/log.jsonl", "\u{0}\u{0}\u{0}\n{\n");
        }),
        ("a folder", |it| {
            std::fs::remove_file(it.path("state/log.jsonl")).unwrap();
            std::fs::create_dir(it.path("state/log.jsonl")).unwrap();
        }),
    ]
}

fn damage(workspace: &Workspace, line: &str) {
    let log = workspace.read("state/log.jsonl");
    workspace.write("state/log.jsonl", format!("{log}{line}\n"));
}

#[test]
fn a_damaged_log_is_reported_and_stops_no_rotation() {
    for (what, plant) in damages() {
        let workspace = Workspace::with_state();
        plant(&workspace);
        let said = workspace.run(["status"]).succeeded();
        assert!(said.out.contains("log.jsonl"), "{what}: {}", said.out);
        workspace.run(["rotate", "--force", "ana"]).succeeded();
        workspace.run(["rotate", "--force", "ana"]).succeeded();
        let log = workspace.read("state/log.jsonl");
        assert!(log.lines().last().unwrap().contains("client ana"), "{what}: nothing was logged");
        if what == "a folder" {
            let status = workspace.run(["status", "-q"]).succeeded().out;
            assert!(status.contains("log.jsonl.aside-"), "{what}: {status}");
        }
    }
}

#[test]
fn a_damaged_log_stops_no_emergency() {
    for (what, plant) in damages() {
        let Some(site) = Site::new("a_damaged_log_stops_no_emergency") else { return };
        site.describe("restart_timeout", &json!("2s"));
        plant(&site.workspace);
        let said = site.workspace.run(["ca", "rollover", "start", "--compromised"]);
        assert!([0, 6].contains(&said.code), "{what}: {said:?}");
        assert_eq!(site.daemon.count("restarts"), 1, "{what}: the daemon lets the thief in");
    }
}
