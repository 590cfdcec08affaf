//! `rollback`, and what a rotation leaves to go back to; copies of clients, kits that wait, and
//! clocks that disagree.

use std::os::unix::fs::{MetadataExt as _, chown};

use kitcert::pki::Certificate;

use crate::join::joining::{Machines, fingerprint};
use crate::rotate::rotating::{Site, generations, last_line, leaf, serial, workspace_aged};
use crate::support::daemon::Daemon;
use crate::support::supervised::SupervisedDaemon;
use crate::support::workspace::{Said, Workspace};

const INSTALLED: &str = "home/.earthly/certs";
const FILES: [&str; 3] = ["ca.pem", "cert.pem", "key.pem"];

fn rollback(workspace: &Workspace, arguments: &[&str]) -> Said {
    workspace.run(["rollback"].iter().chain(arguments))
}

/// The rollback of `builder`, after which that certificate is served again.
#[track_caller]
fn goes_back(site: &Site, previous: &Certificate) {
    let report = rollback(&site.workspace, &["builder", "--format", "json"]).succeeded().json();
    assert_eq!(report["changed"], true, "{report:#}");
    assert_eq!(site.generation("current"), format!("gen-{:04}", report["generation"].as_u64().unwrap()));
    site.assert_serves(previous);
}

/// What `~/.earthly/certs` has is the client's current set.
#[track_caller]
fn assert_installed(workspace: &Workspace) {
    for file in FILES {
        let current = workspace.read(&format!("state/clients/ana/current/{file}"));
        assert_eq!(workspace.read(&format!("{INSTALLED}/{file}")), current, "{file}");
    }
}

#[test]
fn a_rollback_serves_the_former_set_and_the_next_rotation_goes_on_from_it() {
    const TEST: &str = "a_rollback_serves_the_former_set_and_the_next_rotation_goes_on_from_it";
    let Some(site) = Site::new(TEST) else { return };
    let first = site.current();
    site.rotate(&["--force", "builder"]).succeeded();
    let second = site.current();
    goes_back(&site, &first);
    assert_eq!(site.daemon.count("restarts"), 2);
    let log = site.workspace.read("state/log.jsonl");
    let is_told = |line: &str| line.contains("\"rebundled\"") && line.contains("\"rollback\"");
    assert!(log.lines().any(is_told), "{log}");
    let before = site.workspace.snapshot();
    let said = site.rotate(&[]).succeeded();
    assert_eq!(said.out, "nothing is due; every daemon is verified\n");
    before.assert_is(&site.workspace.snapshot(), "the rotation after a rollback");

    site.rotate(&["--force", "builder"]).succeeded();
    site.assert_served();
    assert_eq!(site.generation("current"), "gen-0004");
    let third = site.current();
    assert!([&first, &second].iter().all(|previous| previous.serial() != third.serial()));
    assert_eq!(leaf(&site.workspace, "state/daemons/builder/gen-0002").serial(), second.serial());
}

#[test]
fn a_rollback_without_a_restart_command_awaits_a_restart_by_hand() {
    const TEST: &str = "a_rollback_without_a_restart_command_awaits_a_restart_by_hand";
    let Some(site) = Site::new(TEST) else { return };
    let first = site.current();
    site.rotate(&["--force", "builder"]).succeeded();
    let second = site.current();
    site.leave_out("restart");
    let said = rollback(&site.workspace, &["builder"]).ended_with(6);
    assert!(last_line(&said).contains("restart"), "{}{}", said.out, said.err);
    assert_eq!(site.current().serial(), first.serial());
    assert_eq!(serial(&site.workspace, "root/etc"), first.serial().to_string(), "installed");
    assert_eq!(site.daemon.serial(), Some(second.serial().to_string()), "served");
    site.rotate(&[]).ended_with(6);
    assert_eq!(site.current().serial(), first.serial());

    site.daemon.ask("restart");
    site.rotate(&[]).succeeded();
    site.assert_serves(&first);
}

#[test]
fn a_rollback_whose_restart_fails_does_not_call_a_daemon_down_that_serves() {
    const TEST: &str = "a_rollback_whose_restart_fails_does_not_call_a_daemon_down_that_serves";
    let Some(site) = Site::new(TEST) else { return };
    let first = site.current();
    site.rotate(&["--force", "builder"]).succeeded();
    site.daemon.ask("next refuse");
    let said = rollback(&site.workspace, &["builder"]);
    assert!([1, 6].contains(&said.code), "{said:?}");
    assert!(!said.out.contains("DAEMON DOWN"), "{}", said.out);
    assert!(said.out.contains("the daemon was not restarted, as asked"), "its words: {}", said.out);
    site.rotate(&[]).succeeded();
    site.assert_serves(&first);
}

#[test]
fn a_rollback_of_a_daemon_that_is_not_listed_is_refused() {
    const TEST: &str = "a_rollback_of_a_daemon_that_is_not_listed_is_refused";
    let Some(site) = Site::new(TEST) else { return };
    site.rotate(&["--force", "builder"]).succeeded();
    let text = site.workspace.read("state/kitcert.yaml");
    site.workspace.write("state/kitcert.yaml", text.replace("  builder:", "  another:"));
    let before = site.workspace.snapshot();
    let said = rollback(&site.workspace, &["builder"]).ended_with(1);
    assert!(said.err.contains("kitcert.yaml"), "{}{}", said.out, said.err);
    before.assert_is(&site.workspace.snapshot(), "the rollback of a daemon that is not listed");
}

#[test]
fn a_rollback_of_a_client_replaces_its_copies_and_restarts_nothing() {
    const TEST: &str = "a_rollback_of_a_client_replaces_its_copies_and_restarts_nothing";
    let Some(site) = Site::new(TEST) else { return };
    site.workspace.run(["install", "client", "ana"]).succeeded();
    let first = leaf(&site.workspace, INSTALLED);
    site.rotate(&["--force", "ana"]).succeeded();
    assert_ne!(leaf(&site.workspace, INSTALLED).serial(), first.serial());
    let report = rollback(&site.workspace, &["ana", "--format", "json"]).succeeded().json();
    assert_eq!((&report["changed"], &report["generation"]), (&true.into(), &3.into()), "{report:#}");
    assert_eq!(leaf(&site.workspace, "state/clients/ana/current").serial(), first.serial());
    assert_installed(&site.workspace);
    assert_eq!(site.daemon.count("attempts"), 0);
    site.rotate(&["--force", "ana"]).succeeded();
    assert_eq!(generations(&site.workspace, "clients/ana"), ["gen-0001", "gen-0002", "gen-0003", "gen-0004"]);
    assert_installed(&site.workspace);
}

#[test]
fn a_rollback_to_an_expired_generation_is_refused() {
    for (kind, name, issue, days) in [
        ("daemons", "builder", ["issue", "daemon", "builder"], 450),
        ("clients", "ana", ["issue", "client", "ana"], 100),
    ] {
        let workspace = workspace_aged(days, 8372);
        let validity = leaf(&workspace, &format!("state/{kind}/{name}/current")).validity();
        workspace.run(issue).succeeded();
        assert_eq!(generations(&workspace, &format!("{kind}/{name}")), ["gen-0001", "gen-0002"]);
        let before = workspace.snapshot();
        for more in [&[name][..], &[name, "--dry-run"]] {
            let said = rollback(&workspace, more).ended_with(1);
            for date in [validity.not_before, validity.not_after] {
                assert!(said.err.contains(&date.to_string()), "{date} is not in {}", said.err);
            }
        }
        before.assert_is(&workspace.snapshot(), "a rollback to an expired generation");
    }
}

#[test]
fn a_rollback_of_what_has_nothing_earlier_or_is_unknown_is_refused() {
    let workspace = Workspace::with_state();
    let before = workspace.snapshot();
    for (name, code) in [("builder", 1), ("ana", 1), ("nobody", 2)] {
        for more in [&[name][..], &[name, "--dry-run"]] {
            let said = rollback(&workspace, more).ended_with(code);
            assert!(said.err.contains(name), "{}", said.err);
        }
    }
    before.assert_is(&workspace.snapshot(), "a rollback to nothing");
}

#[test]
fn a_rollback_that_is_only_planned_changes_nothing() {
    let Some(site) = Site::new("a_rollback_that_is_only_planned_changes_nothing") else { return };
    site.rotate(&["--force"]).succeeded();
    let attempts = site.daemon.count("attempts");
    let before = site.workspace.snapshot();
    for name in ["builder", "ana"] {
        let said = rollback(&site.workspace, &[name, "--dry-run"]).succeeded();
        assert!(said.out.contains(name) && said.out.contains("gen-0001"), "{}", said.out);
    }
    before.assert_is(&site.workspace.snapshot(), "rollback --dry-run");
    assert_eq!(site.daemon.count("attempts"), attempts);
}

/// The generations in a folder of the workspace.
fn generations_in(workspace: &Workspace, folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(workspace.path(folder)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("gen-")).collect()
}

#[test]
fn a_handful_of_generations_stays_and_what_a_rollback_needs_is_among_them() {
    const TEST: &str = "a_handful_of_generations_stays_and_what_a_rollback_needs_is_among_them";
    let Some(site) = Site::new(TEST) else { return };
    site.workspace.run(["install", "client", "ana"]).succeeded();
    let mut previous = site.current();
    for _ in 0..8 {
        previous = site.current();
        site.rotate(&["--force"]).succeeded();
    }
    site.assert_served();
    let folders = ["state/daemons/builder", "state/clients/ana", "root/etc/kitcert"];
    for folder in folders.map(str::to_owned).into_iter().chain([format!("{INSTALLED}/kitcert")]) {
        let left = generations_in(&site.workspace, &folder);
        assert!((2..=5).contains(&left.len()), "{folder}: {left:?}");
        let current = std::fs::read_link(site.workspace.path(&folder).join("current")).unwrap();
        assert!(left.iter().any(|one| *one == current.to_string_lossy()), "{folder}: {left:?}");
    }
    assert_eq!(site.generation("current"), "gen-0009");
    goes_back(&site, &previous);
    rollback(&site.workspace, &["ana"]).succeeded();
    assert_installed(&site.workspace);
}

#[test]
fn what_worked_stays_through_rotations_that_nobody_restarts_for() {
    const TEST: &str = "what_worked_stays_through_rotations_that_nobody_restarts_for";
    let Some(site) = Site::new(TEST) else { return };
    let first = site.current();
    for _ in 0..8 {
        site.rotate(&["--force", "--no-restart", "builder"]).ended_with(6);
    }
    let left = generations(&site.workspace, "daemons/builder");
    assert!(left.len() <= 6 && left.contains(&"gen-0001".to_owned()), "{left:?}");
    assert_eq!(
        (site.generation("worked"), site.generation("current")),
        ("gen-0001".into(), "gen-0009".into())
    );
    goes_back(&site, &first);
    assert_eq!(site.daemon.count("attempts"), 0, "it never served anything else");
}

#[test]
fn a_rotation_replaces_a_clients_copies_as_they_were_owned() {
    const TEST: &str = "a_rotation_replaces_a_clients_copies_as_they_were_owned";
    let Some(site) = Site::new(TEST) else { return };
    let workspace = &site.workspace;
    workspace.run(["install", "client", "ana"]).succeeded();
    assert!(workspace.read("state/kitcert.yaml").contains("installed:"));
    let own = workspace.path(INSTALLED).metadata().unwrap().uid();
    // Only root can give files away.
    let owner = if own == 0 { 4321 } else { own };
    if own == 0 {
        give_away(workspace, "home", owner);
    }
    workspace.run(["rotate", "--force", "ana"]).succeeded();
    assert_eq!(generations(workspace, "clients/ana").len(), 2);
    assert_installed(workspace);
    for (file, mode) in [("ca.pem", 0o644), ("cert.pem", 0o644), ("key.pem", 0o600), ("", 0o755)] {
        let stat = workspace.path(&format!("{INSTALLED}/kitcert/current/{file}")).metadata().unwrap();
        assert_eq!((stat.mode() & 0o7777, stat.uid()), (mode, owner), "{file}");
    }
    let before = workspace.snapshot();
    workspace.run(["rotate"]).succeeded();
    before.assert_is(&workspace.snapshot(), "the next rotate");
}

/// The folder and what is below it; links stay whose they are.
fn give_away(workspace: &Workspace, folder: &str, owner: u32) {
    let path = workspace.path(folder);
    chown(&path, Some(owner), Some(owner)).unwrap();
    for entry in std::fs::read_dir(&path).unwrap() {
        let entry = entry.unwrap();
        let inside = format!("{folder}/{}", entry.file_name().to_str().unwrap());
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            give_away(workspace, &inside, owner);
        } else if kind.is_file() {
            chown(entry.path(), Some(owner), Some(owner)).unwrap();
        }
    }
}

#[test]
fn copies_that_were_changed_are_replaced_though_nothing_is_due() {
    const TEST: &str = "copies_that_were_changed_are_replaced_though_nothing_is_due";
    let Some(site) = Site::new(TEST) else { return };
    site.workspace.run(["install", "client", "ana"]).succeeded();
    site.workspace.write(&format!("{INSTALLED}/kitcert/current/cert.pem"), "another");
    site.rotate(&["--check"]).ended_with(4);
    let report = site.rotate(&["--format", "json"]).succeeded().json();
    assert_eq!(report["changed"], true, "{report:#}");
    assert_installed(&site.workspace);
    assert_eq!(generations(&site.workspace, "clients/ana"), ["gen-0001"]);
}

#[test]
fn a_folder_that_was_removed_is_not_made_again() {
    let Some(site) = Site::new("a_folder_that_was_removed_is_not_made_again") else { return };
    site.workspace.run(["install", "client", "ana"]).succeeded();
    std::fs::remove_dir_all(site.workspace.path("home/.earthly")).unwrap();
    let said = site.rotate(&[]).succeeded();
    assert_eq!(said.out, "nothing is due; every daemon is verified\n");
    site.rotate(&["--force", "ana"]).succeeded();
    rollback(&site.workspace, &["ana"]).succeeded();
    assert!(!site.workspace.path("home/.earthly").exists());
}

/// Machines on which `ana` has joined and is renewed by kits, and her receipt.
fn joined_machines() -> (Machines, Daemon, String) {
    let machines = Machines::new();
    let daemon = machines.start_daemon();
    machines.admin.run(["verify", "builder"]).succeeded();
    let answer = machines.kit(&[]);
    let report =
        machines.join(&["--fingerprint", fingerprint(&answer), "--format", "json"]).succeeded().json();
    let text = machines.admin.read("state/kitcert.yaml");
    let edited = text.replace("  ana: {", "  ana: {renew: auto, ");
    assert_ne!(edited, text);
    machines.admin.write("state/kitcert.yaml", edited);
    (machines, daemon, report["receipt"].as_str().unwrap().to_owned())
}

/// A renewal of `ana` by a kit that waits, handed over and joined; her receipt.
fn renewed(machines: &Machines) -> String {
    machines.admin.run(["rotate", "--force", "ana"]).succeeded();
    let said = machines.admin.run(["rotate"]).succeeded();
    assert!(said.out.contains("ana"), "a kit that waits is not told: {}", said.out);
    machines.developer.write("ana.kit", machines.admin.read("state/kits/ana.kit"));
    let report = machines.join(&["--format", "json"]).succeeded().json();
    report["receipt"].as_str().unwrap().to_owned()
}

#[test]
fn a_kit_waits_until_its_client_is_known_to_have_it() {
    let (machines, _daemon, _) = joined_machines();
    let admin = &machines.admin;
    for how in ["by a receipt", "by a file", "by name"] {
        let receipt = renewed(&machines);
        let moved = match how {
            "by a receipt" => receipt,
            "by a file" => admin.write("receipt.txt", format!("{receipt}\n")),
            _ => "ana".to_owned(),
        };
        let received = || admin.read("state/log.jsonl").matches("\"held\"").count();
        let before = received();
        let report = admin.run(["confirm", &moved, "--format", "json"]).succeeded().json();
        assert_eq!(report["changed"], true, "{how}: {report:#}");
        assert!(!admin.path("state/kits/ana.kit").exists(), "{how}");
        assert_eq!(received(), before + 1, "{how}");
        let after = admin.snapshot();
        assert_eq!(
            admin.run(["rotate"]).succeeded().out,
            "nothing is due; every daemon is verified\n",
            "{how}"
        );
        admin.run(["confirm", &moved]).succeeded();
        after.assert_is(&admin.snapshot(), "a word that was taken before");
    }
}

#[test]
fn a_receipt_that_is_by_another_key_or_for_nobody_is_refused_and_one_of_before_ends_nothing() {
    let (machines, _daemon, previous) = joined_machines();
    let receipt = renewed(&machines);
    let (statement, signature) = receipt.rsplit_once(':').unwrap();
    let flipped = if signature.ends_with('0') { "1" } else { "0" };
    let forged = format!("{statement}:{}{flipped}", &signature[..signature.len() - 1]);
    let of_nobody = receipt.replace(":ana:", ":nobody:");
    let admin = &machines.admin;
    let before = admin.snapshot();
    for (receipt, code, says) in [(&forged, 1, "another key"), (&of_nobody, 2, "client nobody")] {
        for more in [&[][..], &["--dry-run"]] {
            let said = admin.run(["confirm", receipt].iter().chain(more)).ended_with(code);
            assert!(said.err.contains(says), "{receipt}: {}", said.err);
        }
    }
    admin.run(["confirm", "nobody"]).ended_with(2);
    admin.run(["confirm", "kitcert-receipt:1:ana"]).ended_with(2);
    before.assert_is(&admin.snapshot(), "a receipt that proves nothing");
    // What it had before it has still; the kit waits for its own receipt.
    admin.run(["confirm", &previous]).succeeded();
    assert!(admin.path("state/kits/ana.kit").exists());
}

/// The site with a daemon whose clock is that far from ours.
fn with_another_clock(site: Site, test: &str, offset: &str) -> Site {
    let Site { workspace, daemon, port } = site;
    drop(daemon);
    std::fs::remove_file(workspace.path("control")).unwrap();
    let options = ["--clock-offset", offset];
    let daemon = SupervisedDaemon::start(test, &workspace, "root/etc", port, &options).unwrap();
    Site { workspace, daemon, port }
}

#[test]
fn a_daemon_with_another_clock_stops_the_rotation_before_anything_is_written() {
    const TEST: &str = "a_daemon_with_another_clock_stops_the_rotation_before_anything_is_written";
    for offset in ["-8760h", "8760h"] {
        let Some(site) = Site::new(TEST) else { return };
        let site = with_another_clock(site, TEST, offset);
        site.describe("restart_timeout", &"2s".into());
        let before = site.workspace.snapshot();
        let said = site.rotate(&["--force", "builder"]).ended_with(1);
        assert!(said.err.contains("clock") && said.err.contains("disagree"), "{offset}: {}", said.err);
        assert!(said.err.contains("--trust-clock"), "{offset}: {}", said.err);
        before.assert_is(&site.workspace.snapshot(), "rotate with clocks that disagree");
        assert_eq!(site.daemon.count("attempts"), 0, "{offset}");

        let said = site.rotate(&["--force", "--trust-clock", "builder"]);
        assert!(!said.err.contains("panicked"), "{offset}: {}", said.err);
        assert!(generations(&site.workspace, "daemons/builder").contains(&"gen-0002".to_owned()), "{said:?}");
        assert!(site.daemon.count("attempts") > 0, "{offset}: {said:?}");
    }
}
