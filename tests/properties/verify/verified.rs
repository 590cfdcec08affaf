//! What `verify` finds is recorded, is shown by `status`, and counts no more when something else is
//! issued; and what it finds is told in the same words on a screen and in JSON.

use std::os::unix::fs::PermissionsExt as _;

use kitcert::model::{IdentityName, Timestamp};
use kitcert::probe::DIAL_LIST_VERSION;
use kitcert::store::{Observation, Vantage, VerifiedRecord};
use serde_json::Value;

use crate::rotate::rotating::workspace_aged;
use crate::support::daemon::Daemon;
use crate::support::peers;
use crate::support::workspace::{Snapshot, Workspace};

/// The generation of a daemon that is `current`, was `verified` last, or `worked` last.
pub fn generation(workspace: &Workspace, daemon: &str, which: &str) -> Option<String> {
    let folder = workspace.path("state/daemons").join(daemon);
    let object = |file: &str| {
        let text = std::fs::read_to_string(folder.join(file)).ok()?;
        Some(serde_json::from_str::<Value>(&text).unwrap())
    };
    let number = match which {
        "current" => {
            return Some(std::fs::read_link(folder.join(which)).unwrap().to_str().unwrap().to_owned());
        }
        "verified" => object("verified.json")?["generation"].as_u64()?,
        "worked" => object("identity.json")?["worked"].as_array()?.last()?["gen"].as_u64()?,
        _ => panic!("{which} is no such thing"),
    };
    Some(format!("gen-{number:04}"))
}

/// Writes into the state that the current generation of its daemon was verified at that time.
pub fn note_verified(workspace: &Workspace, observation: &Observation, at: Timestamp) {
    let name: IdentityName = "builder".parse().unwrap();
    let entry = &observation.inventory.daemons[&name];
    let current = observation.daemons[&name].current.as_ref().unwrap();
    let record = VerifiedRecord {
        dial_list: DIAL_LIST_VERSION,
        kitcert: "0.0.0".to_owned(),
        endpoint: entry.endpoint.clone(),
        server_name: entry.endpoint.host().clone(),
        hosts: entry.hosts.clone(),
        addresses: Vec::new(),
        narrowed_to: Vec::new(),
        vantage: Vantage { host: "here".to_owned(), uid: 0 },
        generation: current.number,
        leaf: current.leaf().fingerprint(),
        bundle: current.trust.fingerprint(),
        dials: 0,
        not_tried: Vec::new(),
        started_at: at,
        verified_at: at,
        command: "verify".to_owned(),
    };
    let folder = "state/daemons/builder";
    workspace.write(&format!("{folder}/verified.json"), record.to_bytes().unwrap());
    let mut history = observation.daemons[&name].history.clone();
    history.note_worked(current.number, at);
    workspace.write(&format!("{folder}/identity.json"), history.to_bytes().unwrap());
}

/// The severity of a rule's gravest finding.
fn severity<'a>(report: &'a Value, rule: &str) -> Vec<&'a str> {
    let findings = report["findings"].as_array().unwrap().iter().filter(|one| one["rule"] == rule);
    findings.map(|one| one["severity"].as_str().unwrap()).collect()
}

#[test]
fn a_verification_is_recorded_once() {
    let port = Daemon::free_port();
    let workspace = Workspace::with_state_for(port);
    workspace.run(["status", "--check"]).ended_with(4);
    let daemon = Daemon::start(&workspace, port, &[]);
    let said = workspace.run(["verify", "builder"]).succeeded();
    for dial in ["client", "no certificate", "unknown CA", "plaintext"] {
        assert!(said.out.contains(&format!("  pass     {dial}")), "{dial} is not in {}", said.out);
    }
    for which in ["verified", "worked"] {
        assert_eq!(generation(&workspace, "builder", which).as_deref(), Some("gen-0001"), "{which}");
    }
    let log = workspace.read("state/log.jsonl");
    assert_eq!(log.matches("\"event\":\"verified\"").count(), 1, "{log}");
    let status = workspace.run(["status", "--check"]).succeeded();
    assert!(!status.out.contains("not verified"), "{}", status.out);

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
fn what_was_issued_anew_is_not_verified_until_it_is_served() {
    let port = Daemon::free_port();
    let workspace = Workspace::with_state_for(port);
    let daemon = Daemon::start(&workspace, port, &[]);
    let verified = || {
        let rows = workspace.run(["status", "--format", "json"]).succeeded().json()["identities"].clone();
        rows.as_array().unwrap().iter().find(|row| row["kind"] == "daemon").unwrap()["verified"].clone()
    };
    assert!(verified().is_null(), "nobody knows yet");
    workspace.run(["verify", "builder"]).succeeded();
    assert_eq!(verified(), true);
    let inventory = workspace.read("state/kitcert.yaml");
    workspace.write("state/kitcert.yaml", inventory.replace("localhost]", "localhost, b.example.com]"));
    workspace.run(["issue", "daemon", "builder"]).succeeded();
    assert!(workspace.run(["status"]).succeeded().out.contains("not verified"));
    workspace.run(["status", "--check"]).ended_with(4);
    assert_eq!(verified(), false, "the last verification was of another");

    let stale = workspace.run(["verify", "builder", "--format", "json"]);
    let report = stale.json();
    assert!(severity(&report, "served-is-stale").iter().any(|one| *one != "pass"), "{report:#}");
    assert_ne!(stale.code, 0, "{report:#}");
    assert!(workspace.run(["status"]).succeeded().out.contains("not verified"));

    drop(daemon);
    let _restarted = Daemon::start(&workspace, port, &[]);
    workspace.run(["verify", "builder"]).succeeded();
    workspace.run(["status", "--check"]).succeeded();
    assert_eq!(generation(&workspace, "builder", "verified").as_deref(), Some("gen-0002"));
}

#[test]
fn installed_files_are_what_is_verified() {
    let port = Daemon::free_port();
    let workspace = Workspace::with_state_for(port);
    workspace.run(["install", "daemon", "--root", &workspace.text("root")]).succeeded();
    let Some(_daemon) = Daemon::on_files(&workspace, "root/etc", port, &[]) else { return };
    let said = workspace.run(["verify", "builder", "-v"]).succeeded();
    assert!(said.out.contains(" ms"), "how long each dial took: {}", said.out);
    workspace.run(["status", "--check"]).succeeded();
}

#[test]
fn an_open_daemon_is_critical_and_not_recorded_as_verified() {
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
        assert_eq!(generation(&workspace, "builder", "verified"), None);
        assert_eq!(generation(&workspace, "builder", "worked"), None);
        workspace.run(["status", "--check"]).ended_with(4);
        // That it was refuted is noted in its folder, and nothing else.
        let but_the_note = |snapshot: Snapshot| {
            let noted = ["", "/.lock", "/state.json", "/daemons/builder", "/daemons/builder/identity.json"];
            let noted = noted.map(|path| format!("state{path}"));
            noted.iter().fold(snapshot, |snapshot, path| snapshot.without(&workspace.path(path)))
        };
        but_the_note(before).assert_is(&but_the_note(workspace.snapshot()), "verify of an open daemon");
        let quiet = workspace.run(["verify", "builder", "-q"]).ended_with(3);
        assert!(quiet.out.contains("CRITICAL") && !quiet.out.contains("  pass"), "{}", quiet.out);
    }
}

/// The exit code of `status --check`.
fn check(workspace: &Workspace) -> i32 {
    workspace.run(["status", "--check"]).code
}

#[test]
fn whatever_refutes_a_daemon_takes_its_record_away_and_what_decides_nothing_does_not() {
    let other = Workspace::with_state();
    let of_other = other.path("state/daemons/builder/current");
    let port = Daemon::free_port();
    let workspace = Workspace::with_state_for(port);
    let folder = "state/daemons/builder/current";
    for (options, files, is_refuted) in [
        (&["--no-ca"][..], folder, true),
        (&["--plaintext"], folder, true),
        (&[], "state/daemons/builder/gen-0001", true),
        (&[], of_other.to_str().unwrap(), true),
        (&["--silent"], folder, false),
    ] {
        let Some(sound) = Daemon::on_files(&workspace, folder, port, &[]) else { return };
        workspace.run(["verify", "builder"]).succeeded();
        let now = generation(&workspace, "builder", "current");
        assert_eq!((check(&workspace), generation(&workspace, "builder", "verified")), (0, now.clone()));
        drop(sound);
        workspace.run(["verify", "builder"]).ended_with(3);
        assert_eq!(check(&workspace), 0, "unreachable says nothing");

        let served = Daemon::on_files(&workspace, files, port, options);
        workspace.run(["verify", "builder", "--timeout", "1s"]).ended_with(3);
        drop(served);
        let (code, verified) = if is_refuted { (4, None) } else { (0, now.clone()) };
        let found = (check(&workspace), generation(&workspace, "builder", "verified"));
        assert_eq!(found, (code, verified), "{options:?} {files}");
        assert_eq!(generation(&workspace, "builder", "worked"), now, "history stays: {options:?}");
        // From the second round on there is an earlier generation.
        workspace.run(["rotate", "--force", "--no-restart", "builder"]).ended_with(6);
    }
}

#[test]
fn another_port_of_a_daemons_host_says_nothing_of_the_daemon() {
    let port = Daemon::free_port();
    let workspace = Workspace::with_state_for(port);
    let folder = "state/daemons/builder/current";
    let elsewhere = Daemon::free_port();
    let endpoint = format!("tcp://127.0.0.1:{elsewhere}");
    let Some(sound) = Daemon::on_files(&workspace, folder, elsewhere, &[]) else { return };
    workspace.run(["verify", &endpoint]).succeeded();
    assert_eq!(generation(&workspace, "builder", "verified"), None, "nobody uses that endpoint");
    drop(sound);
    let _daemon = Daemon::on_files(&workspace, folder, port, &[]);
    workspace.run(["verify", &format!("tcp://127.0.0.1:{port}")]).succeeded();
    assert!(generation(&workspace, "builder", "verified").is_some());
    let _open = Daemon::on_files(&workspace, folder, elsewhere, &["--no-ca"]);
    workspace.run(["verify", &endpoint]).ended_with(3);
    assert!(generation(&workspace, "builder", "verified").is_some());
}

#[test]
fn a_daemon_that_was_dialed_otherwise_than_its_clients_do_is_not_recorded_as_verified() {
    let port = Daemon::free_port();
    let workspace = Workspace::with_state_for(port);
    let _daemon = Daemon::start(&workspace, port, &[]);
    for more in [["--address", "127.0.0.1"], ["--servername", "localhost"]] {
        workspace.run(["verify", "builder"].iter().chain(&more)).succeeded();
        assert_eq!(generation(&workspace, "builder", "verified"), None, "{more:?}");
    }
    let text = workspace.read("state/kitcert.yaml");
    let narrowed = text.replace("    endpoint:", "    addresses: [127.0.0.1]\n    endpoint:");
    assert_ne!(narrowed, text);
    workspace.write("state/kitcert.yaml", narrowed);
    workspace.run(["verify", "builder"]).succeeded();
    assert_eq!(check(&workspace), 0, "kitcert.yaml says so");
    workspace.write("state/kitcert.yaml", text);
    let said = workspace.run(["status", "--check"]).ended_with(4);
    assert!(said.out.contains("it was verified at other addresses"), "{}", said.out);
}

#[test]
fn a_damaged_record_is_no_record_and_is_never_quoted() {
    let port = Daemon::free_port();
    let workspace = Workspace::with_state_for(port);
    let _daemon = Daemon::start(&workspace, port, &[]);
    workspace.run(["verify", "builder"]).succeeded();
    let path = "state/daemons/builder/verified.json";
    let text = workspace.read(path);
    for damaged in [
        String::new(),
        "{}".to_owned(),
        "\u{1b}[31mHUH".to_owned(),
        text.replace("\"generation\"", "\"HUH\""),
        text.replace("tcp://", "HUH://"),
        format!("{text}{}", " ".repeat(100_000)),
    ] {
        workspace.write(path, &damaged);
        for command in [&["status", "--check"][..], &["rotate", "--check"], &["verify", "tcp://127.0.0.1:1"]]
        {
            let said = workspace.run(command);
            assert!([3, 4].contains(&said.code), "{damaged:?}: {said:?}");
            assert!(!said.out.contains("HUH") && !said.err.contains("HUH"), "{said:?}");
        }
        workspace.run(["verify", "builder"]).succeeded();
        assert_eq!(check(&workspace), 0);
    }
}

#[test]
fn status_says_when_and_from_where_a_daemon_was_verified() {
    let port = Daemon::free_port();
    let workspace = Workspace::with_state_for(port);
    let _daemon = Daemon::start(&workspace, port, &[]);
    workspace.run(["verify", "builder"]).succeeded();
    let path = "state/daemons/builder/verified.json";
    let mut record: Value = serde_json::from_str(&workspace.read(path)).unwrap();
    let verified_at = Timestamp::parse(record["verified_at"].as_str().unwrap()).unwrap();
    let ago = |days: i64| verified_at.minus_seconds(days * 86_400 + 60).to_string();
    record["verified_at"] = ago(3).into();
    workspace.write(path, record.to_string());
    let said = workspace.run(["status", "--check"]).succeeded();
    assert!(said.out.contains("ok, verified 3 days ago"), "{}", said.out);
    let report = workspace.run(["status", "--format", "json"]).json();
    let row = report["identities"].as_array().unwrap().iter().find(|row| row["kind"] == "daemon").unwrap();
    assert_eq!(row["verification"]["vantage"], record["vantage"]);
    assert_eq!(row["verification"]["stale"], Value::Null);
    record["verified_at"] = ago(31).into();
    workspace.write(path, record.to_string());
    let said = workspace.run(["status", "--check"]).ended_with(4);
    assert!(said.out.contains("not verified: its last verification is older than 30d"), "{}", said.out);
    workspace.run(["rotate", "--check"]).ended_with(4);
    workspace.run(["rotate"]).succeeded();
    assert_eq!(check(&workspace), 0, "it was verified again, and nothing was restarted");
}

#[test]
fn a_rotation_of_somebody_else_does_not_call_a_daemon_verified_that_is_not() {
    let workspace = Workspace::with_state();
    for (arguments, begins) in
        [(&["rotate", "ana"][..], "nothing is due; "), (&["rotate", "--force", "ana"], "done; ")]
    {
        let said = workspace.run(arguments).succeeded();
        let last = said.out.lines().last().unwrap();
        assert_eq!(last, format!("{begins}not verified: builder; next: kitcert rotate builder"));
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
    assert!(severity(&report, "client-refused").contains(&"pass"));
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
        assert_eq!(
            members,
            ["cause", "causes", "expected", "fix", "found", "note", "rule", "severity", "subject"]
        );
    }
    let failed = workspace.run(["verify", "nobody", "--format", "json"]).ended_with(2).json();
    assert_eq!((&failed["schema"], &failed["exit"]), (&Value::from(1), &Value::from(2)));
    for member in ["doing", "subject", "expected", "found", "try"] {
        assert!(failed["error"][member].is_string(), "{member}: {failed:#}");
    }
}

#[test]
fn the_demo_tells_the_story_and_leaves_nothing() {
    let workspace = Workspace::new();
    let before = workspace.snapshot();
    let mut command = std::process::Command::new(crate::support::workspace::PROGRAM);
    command.env_clear().env("HOME", workspace.path("home")).env("TMPDIR", workspace.path("home")).arg("demo");
    let output = peers::run(&mut command, "");
    let said = crate::support::workspace::Said::of(&output).succeeded();
    for part in [
        "practice daemon on 127.0.0.1:",
        "OPEN: anyone who reaches this port",
        "VERIFIED",
        "sudo kitcert init",
    ] {
        assert!(said.out.to_uppercase().contains(&part.to_uppercase()), "{part} is not in {}", said.out);
    }
    let names =
        |snapshot: &crate::support::workspace::Snapshot| format!("{snapshot:?}").matches("inode").count();
    assert_eq!(names(&before), names(&workspace.snapshot()), "the demo left something behind");
}

/// The CA was made three days ago, and its key taken away since: what had expired then shows it of today.
#[test]
fn that_an_expired_certificate_is_refused_is_tried_without_the_ca_s_key() {
    const SKIPPED: &str = "that_an_expired_certificate_is_refused_is_tried_without_the_ca_s_key";
    if peers::program("go-peer", SKIPPED).is_none() {
        return;
    }
    let port = Daemon::free_port();
    let workspace = workspace_aged(3, port);
    for folder in std::fs::read_dir(workspace.path("state/ca")).unwrap() {
        let folder = folder.unwrap().path();
        std::fs::remove_file(folder.join("key.pem")).unwrap();
        let left = std::fs::metadata(folder.join("expired/key.pem")).unwrap();
        assert_eq!(left.permissions().mode() & 0o777, 0o600);
    }
    let sound = Daemon::start(&workspace, port, &[]);
    let said = workspace.run(["verify", "--format", "json"]).succeeded().json();
    let dials = said["daemon"]["dials"].as_array().unwrap();
    assert!(dials.iter().any(|one| one["dial"] == "E" && one["outcome"] == "refused"), "{said}");
    // One of another CA a daemon refuses whatever it makes of the end.
    let other = workspace_aged(3, port);
    let expired_in = |workspace: &Workspace| {
        let of_state = std::fs::read_dir(workspace.path("state/ca")).unwrap().next().unwrap();
        of_state.unwrap().path().join("expired")
    };
    let kept = workspace.path("kept");
    std::fs::rename(expired_in(&workspace), &kept).unwrap();
    std::fs::rename(expired_in(&other), expired_in(&workspace)).unwrap();
    let said = workspace.run(["verify", "--format", "json"]).succeeded().json();
    let dials = said["daemon"]["dials"].as_array().unwrap();
    assert!(!dials.iter().any(|one| one["dial"] == "E"), "{said}");
    std::fs::remove_dir_all(expired_in(&workspace)).unwrap();
    std::fs::rename(kept, expired_in(&workspace)).unwrap();
    drop(sound);
    // By its clock, nothing has expired that had when the CA was made.
    let behind = Daemon::start(&workspace, port, &["--clock-offset", "-72h30m"]);
    let said = workspace.run(["verify", "--format", "json"]).ended_with(3).json();
    let found = said["findings"].as_array().unwrap().iter().any(|one| one["rule"] == "expired-accepted");
    assert!(found, "{said}");
    drop(behind);
}
