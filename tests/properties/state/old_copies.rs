//! An old copy of a state, and two copies that are both in use: told at the first chance, on both sides, and
//! nothing is put over what another has installed.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::rotate::rotating::Site;
use crate::support::workspace::{Said, Workspace};

/// Where the daemon is installed.
const ORIGIN: &str = "root/etc/kitcert/current/origin.json";

fn run(workspace: &Workspace, state: &str, line: &str) -> Said {
    let state = workspace.text(state);
    workspace.run(["--state", &state].into_iter().chain(line.split(' ')))
}

/// A state whose daemon is installed on this machine, where nothing listens.
fn site() -> Workspace {
    let workspace = Workspace::new();
    init(&workspace, "state", "builder").succeeded();
    workspace
}

fn init(workspace: &Workspace, state: &str, daemon: &str) -> Said {
    let root = workspace.text("root");
    let endpoint = "--endpoint tcp://127.0.0.1:9";
    run(
        workspace,
        state,
        &format!("init --host 127.0.0.1 {endpoint} --name {daemon} --client ana --install={root}"),
    )
}

fn copy(workspace: &Workspace, from: &str, to: &str) {
    let copied = Command::new("cp").arg("-a").arg(workspace.path(from)).arg(workspace.path(to)).status();
    assert!(copied.unwrap().success());
}

/// Renews the daemon's certificate and puts it in place.
fn place(workspace: &Workspace, state: &str) {
    let before = origin(workspace);
    let said = run(workspace, state, "rotate --force builder --no-restart").ended_with(6);
    assert_ne!(origin(workspace), before, "{said:?}");
}

fn origin(workspace: &Workspace) -> Value {
    serde_json::from_str(&workspace.read(ORIGIN)).unwrap()
}

/// Everything that is in the folder where a daemon reads its files.
fn installed(workspace: &Workspace) -> Vec<(String, Vec<u8>)> {
    let folder = workspace.path("root/etc/kitcert/current");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap())
        .map(|file| (file.file_name().into_string().unwrap(), std::fs::read(file.path()).unwrap()))
        .collect();
    files.sort();
    files
}

/// Whatever changes the state or places files is refused, and `status` says it.
#[track_caller]
fn assert_told(workspace: &Workspace, state: &str, words: &str) {
    let before = (installed(workspace), workspace.snapshot());
    run(workspace, state, "status --check").ended_with(3);
    let said = run(workspace, state, "status --format json").succeeded();
    assert_eq!(said.json()["state_is_old"], true, "{said:?}");
    // Monitoring is told too.
    let said = run(workspace, state, "status --format nagios").ended_with(2);
    assert!(said.out.contains("old copy"), "{said:?}");
    let said = run(workspace, state, "status --format prometheus");
    assert!(!said.out.contains("\nkitcert_last_success_timestamp_seconds{"), "{}", said.out);
    for line in
        ["issue client new", "rotate", "rotate --force builder", "install daemon builder", "rollback builder"]
    {
        let said = run(workspace, state, line).ended_with(1);
        assert!(said.err.contains(words), "{line}: {said:?}");
        assert!(said.err.contains("recover"), "{line}: {said:?}");
    }
    assert_eq!(installed(workspace), before.0);
    before.1.assert_is(&workspace.snapshot(), "what was refused");
}

#[test]
fn two_copies_that_are_used_in_turns_are_told_on_both_sides() {
    for commits in [0, 3] {
        let workspace = site();
        copy(&workspace, "state", "other");
        for client in 0..commits {
            run(&workspace, "other", &format!("issue client c{client}")).succeeded();
        }
        place(&workspace, "state");
        let words = if commits == 0 { "an old copy" } else { "a second copy" };
        assert_told(&workspace, "other", words);
        // What is told by this side is not told by the one that has placed.
        run(&workspace, "state", "issue client here").succeeded();

        let before = installed(&workspace);
        let said = run(&workspace, "other", "recover").succeeded();
        assert!(said.out.contains("current here too"), "{said:?}");
        assert_eq!(installed(&workspace), before, "nothing is placed");
        let taken_in = workspace.read("other/daemons/builder/current/cert.pem");
        assert_eq!(taken_in, workspace.read("root/etc/cert.pem"));
        let quiet = workspace.snapshot();
        run(&workspace, "other", "recover").succeeded();
        quiet.assert_is(&workspace.snapshot(), "a second recover");
        let status = run(&workspace, "other", "status --format json").succeeded();
        assert_eq!(status.json()["state_is_old"], false, "{status:?}");

        for client in 0..commits {
            run(&workspace, "state", &format!("issue client d{client}")).succeeded();
        }
        place(&workspace, "other");
        let words = if commits == 0 { "an old copy" } else { "a second copy" };
        assert_told(&workspace, "state", words);
    }
}

#[test]
fn the_daemon_of_another_state_is_named_and_left_alone() {
    let workspace = site();
    let before = installed(&workspace);
    for daemon in ["builder", "spare"] {
        let state = format!("state-{daemon}");
        let said = init(&workspace, &state, daemon).ended_with(1);
        assert!(said.err.contains("another state has installed, for its daemon builder"), "{said:?}");
        assert!(said.err.contains("--root"), "{said:?}");
        assert_eq!(installed(&workspace), before);
        assert!(!workspace.path(&state).exists(), "nothing was made");
    }
}

#[test]
fn a_state_that_has_lost_its_name_still_knows_what_it_has_made() {
    let workspace = site();
    std::fs::remove_file(workspace.path("state/state.json")).unwrap();
    run(&workspace, "state", "issue client ben").succeeded();
    place(&workspace, "state");
    let status = run(&workspace, "state", "status --format json").succeeded();
    assert_eq!(status.json()["state_is_old"], false, "{status:?}");
}

#[test]
fn files_that_were_changed_by_hand_are_told() {
    for change in ["ca.pem", "origin.json"] {
        let workspace = site();
        let path = workspace.path(&format!("root/etc/kitcert/current/{change}"));
        if change == "ca.pem" {
            let text = std::fs::read_to_string(&path).unwrap();
            std::fs::write(&path, format!("# mine\n{text}")).unwrap();
        } else {
            std::fs::remove_file(&path).unwrap();
        }
        let said = run(&workspace, "state", "status").succeeded();
        assert!(said.out.contains("builder were changed by hand"), "{change}: {said:?}");
        let said = run(&workspace, "state", "status --format json").succeeded();
        assert_eq!(said.json()["state_is_old"], false, "{said:?}");
        let said = run(&workspace, "state", "install daemon builder").succeeded();
        assert!(said.out.contains("changed by hand"), "{change}: {said:?}");
        let said = run(&workspace, "state", "status").succeeded();
        assert!(!said.out.contains("by hand"), "{change}: {said:?}");
    }
}

/// One of the files is gone, and what is noted beside them says who placed them.
#[test]
fn an_old_copy_is_told_though_an_installed_file_is_gone() {
    let workspace = site();
    copy(&workspace, "state", "old");
    place(&workspace, "state");
    place(&workspace, "state");
    std::fs::remove_file(workspace.path("root/etc/kitcert/current/key.pem")).unwrap();
    assert_told(&workspace, "old", "an old copy of it");
    run(&workspace, "state", "rotate --force builder --no-restart").ended_with(6);
}

/// To install what this copy has would be refused.
#[test]
fn of_an_old_copy_verify_does_not_suggest_to_install_its_files() {
    let workspace = site();
    copy(&workspace, "state", "old");
    place(&workspace, "state");
    place(&workspace, "state");
    let report = run(&workspace, "old", "verify builder --timeout 1s --format json").ended_with(3).json();
    let findings = report["findings"].as_array().unwrap();
    let stale = findings.iter().find(|one| one["rule"] == "served-is-stale").unwrap();
    assert!(stale["fix"].as_str().unwrap().starts_with("kitcert recover"), "{stale:#}");
    let report = run(&workspace, "state", "verify builder --timeout 1s --format json").ended_with(3).json();
    assert!(!report.to_string().contains("kitcert recover"), "{report:#}");
}

/// Two states see an empty folder at the same moment, and both want it.
#[test]
fn of_two_that_place_at_the_same_moment_one_does_and_the_other_is_told() {
    let workspace = Workspace::new();
    for state in ["one", "two"] {
        let init = "init --host 127.0.0.1 --endpoint tcp://127.0.0.1:9 --name builder --client ana";
        run(&workspace, state, init).succeeded();
    }
    for round in 0..ROUNDS {
        let root = workspace.text(&format!("root-{round}"));
        let start = |state: &str| {
            let state = workspace.text(state);
            let line = ["--state", &state, "install", "daemon", "builder", "--root", &root];
            workspace.command(line).stdout(std::process::Stdio::null()).spawn().unwrap()
        };
        let mut both = [start("one"), start("two")];
        let codes = both.each_mut().map(|child| child.wait().unwrap().code().unwrap());
        let winners = codes.iter().filter(|code| **code == 0).count();
        assert_eq!(winners, 1, "round {round}: {codes:?}");
        let winner = if codes[0] == 0 { "one" } else { "two" };
        let served = std::fs::read(Path::new(&root).join("etc/cert.pem")).unwrap();
        let made = workspace.read(&format!("{winner}/daemons/builder/current/cert.pem"));
        assert_eq!(served, made.as_bytes(), "round {round}: {winner} said that it had placed");
        let there =
            std::fs::read_to_string(Path::new(&root).join("etc/kitcert/current/origin.json")).unwrap();
        assert!(there.contains("\"builder\""), "{there}");
    }
}

const ROUNDS: usize = 12;

/// A daemon that is installed on another machine is seen on the wire alone.
#[test]
fn a_served_certificate_that_this_state_has_not_issued_is_told_with_all_that_it_may_mean() {
    const TEST: &str = "a_served_certificate_that_this_state_has_not_issued";
    let Some(site) = Site::new(TEST) else { return };
    let workspace = &site.workspace;
    copy(workspace, "state", "other");
    // The other copy does not know where the daemon is installed, as on another machine.
    let text = workspace.read("other/kitcert.yaml");
    let line = text.lines().find(|line| line.contains("install:")).unwrap();
    workspace.write("other/kitcert.yaml", text.replace(&format!("{line}\n"), ""));
    run(workspace, "other", "verify builder").succeeded();
    site.rotate(&["--force", "builder"]).succeeded();

    let said = run(workspace, "other", "verify builder").ended_with(3);
    let meanings = ["an old copy", "a second copy", "stolen CA key"];
    assert!(meanings.iter().all(|meaning| said.out.contains(meaning)), "{said:?}");
    run(workspace, "other", "status --check").ended_with(3);
    for line in ["rotate", "issue client new"] {
        let said = run(workspace, "other", line).ended_with(1);
        assert!(meanings.iter().all(|meaning| said.err.contains(meaning)), "{line}: {said:?}");
        assert!(said.err.contains(" recover;") && said.err.contains("--compromised"), "{said:?}");
    }
    // Whoever thinks of a thief is not stopped.
    run(workspace, "other", "ca rollover start --compromised --dry-run").succeeded();

    let said = run(workspace, "other", "recover").succeeded();
    assert!(said.out.contains("ca rollover start --compromised"), "{said:?}");
    run(workspace, "other", "recover").succeeded();
    run(workspace, "other", "issue client new").succeeded();
    // From then on there may be others of that CA, and one is no news.
    site.rotate(&["--force", "builder"]).succeeded();
    let said = run(workspace, "other", "verify builder --format json").ended_with(3).json();
    let findings = said["findings"].as_array().unwrap().iter();
    let severities: Vec<&Value> =
        findings.filter(|one| one["rule"] == "unknown-leaf").map(|one| &one["severity"]).collect();
    assert_eq!(severities, ["info"], "{said:#}");
    let status = run(workspace, "other", "status --format json").succeeded();
    assert_eq!(status.json()["state_is_old"], false, "{status:?}");
}

#[test]
fn what_cannot_be_taken_in_is_replaced_after_recover_and_told_no_more() {
    for damage in ["key.pem", "cert.pem"] {
        let workspace = site();
        copy(&workspace, "state", "old");
        place(&workspace, "state");
        let file = format!("root/etc/kitcert/current/{damage}");
        std::fs::remove_file(workspace.path(&file)).unwrap();
        let other = workspace.read("old/clients/ana/current/key.pem");
        workspace.write_private(&file, if damage == "key.pem" { &other } else { "nothing of use" });
        run(&workspace, "old", "status --check").ended_with(3);
        run(&workspace, "old", "rotate").ended_with(1);
        let said = run(&workspace, "old", "recover").succeeded();
        assert!(said.out.contains("could not be read"), "{damage}: {said:?}");
        // Nothing restarts the daemon here.
        run(&workspace, "old", "rotate --no-restart").ended_with(6);
        let status = run(&workspace, "old", "status --format json").succeeded();
        assert_eq!(status.json()["state_is_old"], false, "{damage}: {}", status.out);
        run(&workspace, "old", "recover").succeeded();
    }
}
