//! What `verify` proves is recorded once, is shown by `status`, and is lost again when something
//! else is issued; and what it finds is told in the same words on a screen and in JSON.

use serde_json::Value;

use crate::daemon::Daemon;
use crate::peers;
use crate::workspace::Workspace;

/// The severity of a rule's gravest finding.
fn severity<'a>(report: &'a Value, rule: &str) -> Vec<&'a str> {
    let findings = report["findings"].as_array().unwrap().iter().filter(|one| one["rule"] == rule);
    findings.map(|one| one["severity"].as_str().unwrap()).collect()
}

#[test]
fn a_proof_is_recorded_once() {
    let port = Daemon::free_port();
    let workspace = Workspace::with_state_for(port);
    workspace.run(["status", "--check"]).ended_with(4);
    let daemon = Daemon::start(&workspace, port, &[]);
    let said = workspace.run(["verify", "builder"]).succeeded();
    for dial in ["client", "no certificate", "unknown CA", "plaintext"] {
        assert!(said.out.contains(&format!("  pass     {dial}")), "{dial} is not in {}", said.out);
    }
    assert_eq!(
        std::fs::read_link(workspace.path("state/daemons/builder/proven")).unwrap().to_str(),
        Some("gen-0001")
    );
    let log = workspace.read("state/log.jsonl");
    assert_eq!(log.matches("\"event\":\"proven\"").count(), 1, "{log}");
    let status = workspace.run(["status", "--check"]).succeeded();
    assert!(!status.out.contains("not proven"), "{}", status.out);

    let before = workspace.snapshot();
    workspace.run(["verify", "builder"]).succeeded();
    before.assert_is(&workspace.snapshot(), "the second verify");
    let quiet = workspace.run(["verify", "builder", "-q"]).succeeded();
    assert_eq!((quiet.out.as_str(), quiet.err.as_str()), ("", ""));
    let strict = workspace.run(["verify", "builder", "--fail-on", "warning"]).ended_with(4);
    assert!(strict.out.contains("127.0.0.1"), "a loopback host is a warning: {}", strict.out);
    before.assert_is(&workspace.snapshot(), "verify -q and --fail-on");
    drop(daemon);
}

#[test]
fn what_was_issued_anew_is_not_proven_until_it_is_served() {
    let port = Daemon::free_port();
    let workspace = Workspace::with_state_for(port);
    let daemon = Daemon::start(&workspace, port, &[]);
    let proven = || {
        let rows = workspace.run(["status", "--format", "json"]).succeeded().json()["identities"].clone();
        rows.as_array().unwrap().iter().find(|row| row["kind"] == "daemon").unwrap()["proven"].clone()
    };
    assert!(proven().is_null(), "nobody knows yet");
    workspace.run(["verify", "builder"]).succeeded();
    assert_eq!(proven(), true);
    let inventory = workspace.read("state/kitcert.yaml");
    workspace.write("state/kitcert.yaml", inventory.replace("localhost]", "localhost, b.example.com]"));
    workspace.run(["issue", "daemon", "builder"]).succeeded();
    assert!(workspace.run(["status"]).succeeded().out.contains("not proven"));
    workspace.run(["status", "--check"]).ended_with(4);
    assert_eq!(proven(), false, "the last proof was of another");

    let stale = workspace.run(["verify", "builder", "--format", "json"]);
    let report = stale.json();
    assert!(severity(&report, "served-is-stale").iter().any(|one| *one != "pass"), "{report:#}");
    assert_ne!(stale.code, 0, "{report:#}");
    assert!(workspace.run(["status"]).succeeded().out.contains("not proven"));

    drop(daemon);
    let _restarted = Daemon::start(&workspace, port, &[]);
    workspace.run(["verify", "builder"]).succeeded();
    workspace.run(["status", "--check"]).succeeded();
    let proven = std::fs::read_link(workspace.path("state/daemons/builder/proven")).unwrap();
    assert_eq!(proven.to_str(), Some("gen-0002"));
}

#[test]
fn installed_files_are_what_is_proven() {
    let port = Daemon::free_port();
    let workspace = Workspace::with_state_for(port);
    workspace.run(["install", "daemon", "--root", &workspace.text("root")]).succeeded();
    let Some(_daemon) = Daemon::on_files(&workspace, "root/etc", port, &[]) else { return };
    let said = workspace.run(["verify", "builder", "-v"]).succeeded();
    assert!(said.out.contains(" ms"), "how long each dial took: {}", said.out);
    workspace.run(["status", "--check"]).succeeded();
}

#[test]
fn an_open_daemon_is_critical_and_nothing_is_recorded() {
    for option in ["--no-ca", "--plaintext"] {
        let port = Daemon::free_port();
        let workspace = Workspace::with_state_for(port);
        let Some(_daemon) = Daemon::on_files(&workspace, "state/daemons/builder/current", port, &[option])
        else {
            return;
        };
        let before = workspace.snapshot();
        let said = workspace.run(["verify", "builder"]).ended_with(3);
        assert!(said.out.contains("CRITICAL") && said.out.contains("\ncause: "), "{}", said.out);
        assert!(
            said.out.trim_end().ends_with("OPEN: anyone who reaches this port can run code here"),
            "{}",
            said.out
        );
        let report = workspace.run(["verify", "builder", "--format", "json"]).ended_with(3).json();
        let rules: &[&str] = match option {
            "--no-ca" => &["no-certificate-accepted", "unknown-ca-accepted"],
            _ => &["plaintext-accepted"],
        };
        for rule in rules {
            assert_eq!(severity(&report, rule), ["critical"], "{option}: {report:#}");
        }
        before.assert_is(&workspace.snapshot(), "verify of an open daemon");
        let quiet = workspace.run(["verify", "builder", "-q"]).ended_with(3);
        assert!(quiet.out.contains("CRITICAL") && !quiet.out.contains("  pass"), "{}", quiet.out);
    }
}

#[test]
fn silence_ends_at_the_deadline_and_no_alpn_is_a_note() {
    let port = Daemon::free_port();
    let workspace = Workspace::with_state_for(port);
    let folder = "state/daemons/builder/current";
    let Some(silent) = Daemon::on_files(&workspace, folder, port, &["--silent"]) else { return };
    let said = workspace.run(["verify", "builder", "--timeout", "1s"]).ended_with(3);
    assert!(said.out.contains("\ncause: ") && said.out.contains("not verified"), "{}", said.out);
    drop(silent);
    let _daemon = Daemon::on_files(&workspace, folder, port, &["--no-alpn"]);
    let report = workspace.run(["verify", "builder", "--format", "json"]).succeeded().json();
    assert_eq!(severity(&report, "no-alpn").len(), 1, "{report:#}");
    assert!(severity(&report, "ours-refused").contains(&"pass"));
}

#[test]
fn the_json_has_every_member_of_its_schema() {
    let port = Daemon::free_port();
    let workspace = Workspace::with_state_for(port);
    let _daemon = Daemon::start(&workspace, port, &[]);
    let report = workspace.run(["verify", "builder", "--format", "json"]).succeeded().json();
    assert_eq!((&report["schema"], &report["command"]), (&Value::from(1), &Value::from("verify")));
    assert_eq!((&report["changed"], &report["exit"]), (&Value::from(true), &Value::from(0)));
    assert!(report["verdict"].is_string() && report["daemon"].is_object(), "{report:#}");
    for finding in report["findings"].as_array().unwrap() {
        let members: Vec<_> = finding.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(members, ["cause", "causes", "expected", "fix", "found", "rule", "severity", "subject"]);
    }
    let failed = workspace.run(["verify", "nobody", "--format", "json"]).ended_with(1).json();
    assert_eq!((&failed["schema"], &failed["exit"]), (&Value::from(1), &Value::from(1)));
    for member in ["doing", "subject", "expected", "found", "try"] {
        assert!(failed["error"][member].is_string(), "{member}: {failed:#}");
    }
}

#[test]
fn the_demo_tells_the_story_and_leaves_nothing() {
    let workspace = Workspace::new();
    let before = workspace.snapshot();
    let mut command = std::process::Command::new(crate::workspace::PROGRAM);
    command.env_clear().env("HOME", workspace.path("home")).env("TMPDIR", workspace.path("home")).arg("demo");
    let output = peers::run(&mut command, "");
    let said = crate::workspace::Said::of(&output).succeeded();
    for part in
        ["practice daemon on 127.0.0.1:", "OPEN: anyone who reaches this port", "PROVEN", "sudo kitcert init"]
    {
        assert!(said.out.to_uppercase().contains(&part.to_uppercase()), "{part} is not in {}", said.out);
    }
    let names = |snapshot: &crate::workspace::Snapshot| format!("{snapshot:?}").matches("inode").count();
    assert_eq!(names(&before), names(&workspace.snapshot()), "the demo left something behind");
}
