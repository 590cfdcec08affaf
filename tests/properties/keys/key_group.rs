//! A key that a group may read: accepted if kitcert.yaml names the group, written so where it does, and
//! refused or found in every other case.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::peers;
use crate::support::suggested::shell_words;
use crate::support::workspace::{Said, Workspace};

const GROUP: u32 = 4321;
const ANOTHER: u32 = 4322;

/// Only root gives files to any group.
fn is_root(test: &str) -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        peers::skip(test, "only root can give a file to a group that it is not in");
    }
    is_root
}

fn give(path: &Path, mode: u32, group: u32) {
    chown(path, None, Some(group)).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn mode_and_group(path: &Path) -> (u32, u32) {
    let stat = path.metadata().unwrap();
    (stat.mode() & 0o777, stat.gid())
}

/// Writes words into a mapping of kitcert.yaml, behind those that begin it.
fn add(workspace: &Workspace, begin: &str, words: &str) {
    let text = workspace.read("state/kitcert.yaml");
    assert_eq!(text.matches(begin).count(), 1, "{text}");
    workspace.write("state/kitcert.yaml", text.replace(begin, &format!("{begin}{words}")));
}

fn key_of_ca(workspace: &Workspace) -> PathBuf {
    let mut keys = workspace.keys_of_cas("state");
    assert_eq!(keys.len(), 1, "{keys:?}");
    keys.remove(0)
}

/// Carries out what is to be tried, as a shell does.
fn try_it(said: &Said) {
    let line = said.err.lines().find_map(|line| line.strip_prefix("try: "));
    let words = shell_words(line.unwrap_or_else(|| panic!("nothing to try: {said:?}")));
    assert_eq!(words[0], "chmod", "{said:?}");
    assert!(std::process::Command::new(&words[0]).args(&words[1..]).status().unwrap().success());
}

#[test]
fn the_key_of_a_ca_is_read_by_the_named_group_and_by_no_other() {
    const TEST: &str = "the_key_of_a_ca_is_read_by_the_named_group_and_by_no_other";
    if !is_root(TEST) {
        return;
    }
    let workspace = Workspace::with_state();
    let key = key_of_ca(&workspace);
    give(&key, 0o640, GROUP);
    let said = workspace.run(["status"]).ended_with(1);
    assert!(said.err.contains("its owner alone can read (0600), found mode 0640, group 4321"), "{said:?}");
    assert!(inspected(&workspace, &key).contains(&("warning".to_owned(), "key-mode".to_owned())));

    add(&workspace, "ca: {", &format!("key_group: {GROUP}, "));
    workspace.run(["status"]).succeeded();
    workspace.run(["issue", "client", "ben"]).succeeded();
    assert_eq!(mode_and_group(&key), (0o640, GROUP));
    assert!(inspected(&workspace, &key).is_empty(), "the group is meant to read it");
    for (mode, group) in [
        (0o640, ANOTHER),
        (0o660, GROUP),
        (0o650, GROUP),
        (0o644, GROUP),
        (0o604, GROUP),
        (0o666, GROUP),
        (0o641, GROUP),
        (0o620, GROUP),
    ] {
        give(&key, mode, group);
        let said = workspace.run(["status"]).ended_with(1);
        if mode & 0o022 == 0 {
            let told = format!("or group {GROUP} too (0640), found mode {mode:04o}, group {group}");
            assert!(said.err.contains(&told), "{said:?}");
        }
        let mut said = said;
        // One that others could write is closed in two steps.
        while said.code != 0 {
            try_it(&said);
            said = workspace.run(["status"]);
        }
        assert_eq!(mode_and_group(&key).0 & 0o037, 0, "{mode:04o}");
    }
}

#[test]
fn the_key_of_the_next_ca_is_written_for_the_named_group() {
    const TEST: &str = "the_key_of_the_next_ca_is_written_for_the_named_group";
    if !is_root(TEST) {
        return;
    }
    let workspace = Workspace::with_state();
    let first = key_of_ca(&workspace);
    add(&workspace, "ca: {", &format!("key_group: {GROUP}, "));
    workspace.run(["ca", "rollover", "start"]);
    let mut keys = workspace.keys_of_cas("state");
    keys.retain(|path| *path != first);
    assert_eq!(keys.len(), 1, "{keys:?}");
    assert_eq!(mode_and_group(&keys[0]), (0o640, GROUP));
    assert_eq!(mode_and_group(keys[0].parent().unwrap()), (0o750, GROUP));
    assert_eq!(mode_and_group(&first).0, 0o600, "what is there stays");
    let own = workspace.files_named("key.pem");
    let of_leaves = own.iter().filter(|path| !path.starts_with(workspace.path("state/ca")));
    of_leaves.for_each(|path| assert_eq!(mode_and_group(path).0, 0o600, "{}", path.display()));
    workspace.run(["status"]).succeeded();
}

#[test]
fn a_group_that_this_machine_does_not_know_is_named_where_it_matters() {
    let workspace = Workspace::with_state();
    add(&workspace, "ca: {", "key_group: no-such-group, ");
    workspace.run(["status"]).succeeded();
    let said = workspace.run(["ca", "rollover", "start"]).ended_with(1);
    assert!(
        said.err.contains("reading key_group no-such-group: expected a group of this machine"),
        "{said:?}"
    );
    add(&workspace, "ca: {key_group: ", "'-x y', lifetime: 10y, key: ed25519, name: ");
    let said = workspace.run(["status"]).ended_with(1);
    assert!(said.err.contains("line "), "{said:?}");
}

fn inspected(workspace: &Workspace, path: &Path) -> Vec<(String, String)> {
    let said = workspace.run(["--format", "json", "inspect", &path.display().to_string()]);
    let findings = said.json()["findings"].as_array().unwrap().clone();
    let text = |finding: &Value, member: &str| finding[member].as_str().unwrap().to_owned();
    let mut told: Vec<_> = findings.iter().map(|one| (text(one, "severity"), text(one, "rule"))).collect();
    told.retain(|(severity, _)| ["warning", "error", "critical"].contains(&severity.as_str()));
    told
}

#[test]
fn an_installed_key_is_written_for_the_named_group_and_found_for_another() {
    const TEST: &str = "an_installed_key_is_written_for_the_named_group_and_found_for_another";
    if !is_root(TEST) {
        return;
    }
    let workspace = Workspace::with_state();
    let root = workspace.text("root");
    workspace.run(["install", "daemon", "--root", &root]).succeeded();
    let key = workspace.path("root/etc/key.pem");
    assert_eq!(mode_and_group(&key).0, 0o600);
    add(&workspace, "install: {", &format!("key_group: {GROUP}, "));
    let said = workspace.run(["install", "daemon", "--format", "json"]).succeeded();
    assert_eq!(said.json()["changed"], true, "{said:?}");
    assert_eq!(mode_and_group(&key), (0o640, GROUP));
    let is_listed = workspace.read("state/kitcert.yaml").contains(&format!("key_group: {GROUP}"));
    assert!(is_listed, "an install leaves it in kitcert.yaml");
    let again = workspace.run(["install", "daemon", "--format", "json"]).succeeded();
    assert_eq!(again.json()["changed"], false, "{again:?}");
    assert!(inspected(&workspace, &key).is_empty());
    let about_its_mode = |workspace: &Workspace| {
        let said = workspace.run(["verify", "builder", "--timeout", "1s", "--format", "json"]);
        let findings = said.json()["findings"].as_array().unwrap().clone();
        findings.iter().any(|one| one["rule"] == "key-mode")
    };
    assert!(!about_its_mode(&workspace));
    give(&key, 0o640, ANOTHER);
    assert!(about_its_mode(&workspace));
    assert!(inspected(&workspace, &key).contains(&("warning".to_owned(), "key-mode".to_owned())));
    workspace.run(["install", "daemon"]).succeeded();
    assert_eq!(mode_and_group(&key), (0o640, GROUP));
    let text = workspace.read("state/kitcert.yaml");
    workspace.write("state/kitcert.yaml", text.replace(&format!("key_group: {GROUP}, "), ""));
    assert!(about_its_mode(&workspace), "it is named no more");
    workspace.run(["install", "daemon"]).succeeded();
    assert_eq!(mode_and_group(&key).0, 0o600);
}
