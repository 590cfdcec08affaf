//! What is written for somebody else is his alone, and what cannot be written is refused before anything is
//! done.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::process::Command;

use crate::support::peers;
use crate::support::workspace::{Said, Workspace};

fn mode(workspace: &Workspace, file: &str) -> u32 {
    workspace.path(file).metadata().unwrap().mode() & 0o7777
}

fn set_mode(workspace: &Workspace, file: &str, mode: u32) {
    std::fs::set_permissions(workspace.path(file), std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_kit_with_a_key_is_its_owners_alone_whatever_was_in_its_place() {
    let workspace = Workspace::with_state();
    workspace.run(["invite", "ana"]).succeeded();
    assert_eq!(mode(&workspace, "ana.kit"), 0o600);
    for open in [0o644, 0o660, 0o777] {
        set_mode(&workspace, "ana.kit", open);
        workspace.run(["invite", "ana"]).succeeded();
        assert_eq!(mode(&workspace, "ana.kit"), 0o600, "{open:o}");
    }
    // What is no secret stays as somebody has made it.
    workspace.run(["verify", "--timeout", "1s", "--output", "report"]);
    set_mode(&workspace, "report", 0o640);
    workspace.run(["verify", "--timeout", "1s", "-o", "report"]);
    assert_eq!(mode(&workspace, "report"), 0o640);
}

/// Another user, whom this machine has.
fn nobody() -> Option<(u32, u32)> {
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let line = users.lines().find(|line| line.starts_with("nobody:"))?.to_owned();
    let fields: Vec<&str> = line.split(':').collect();
    Some((fields[2].parse().unwrap(), fields[3].parse().unwrap()))
}

#[test]
fn under_sudo_a_kit_is_the_callers_who_is_to_send_it_and_his_folder_is_trusted() {
    let test = "under_sudo_a_kit_is_the_callers_who_is_to_send_it_and_his_folder_is_trusted";
    let workspace = Workspace::with_state();
    let (Some((user, group)), true) = (nobody(), workspace.path("").metadata().unwrap().uid() == 0) else {
        return peers::skip(test, "only root can do it, where there is a user nobody");
    };
    workspace.write("his/old.kit", "");
    chown(workspace.path("his"), Some(user), Some(group)).unwrap();
    let kit = workspace.text("his/ana.kit");
    let run = |caller: Option<&str>, line: &[&str]| -> Said {
        let mut command = workspace.command(line);
        command.envs(caller.map(|name| ("SUDO_USER", name)));
        workspace.finish(command, "")
    };
    let refused = run(None, &["invite", "ana", "--output", &kit]).ended_with(1);
    assert!(refused.err.contains("a folder of root or of this user"), "{refused:?}");
    run(Some("root"), &["invite", "ana", "--output", &kit]).ended_with(1);
    run(Some("nobody"), &["invite", "ana", "--output", &kit]).succeeded();
    let seen = workspace.path("his/ana.kit").metadata().unwrap();
    assert_eq!((seen.mode() & 0o7777, seen.uid(), seen.gid()), (0o600, user, group));
    // What he is told to paste works for him: with sudo, which forgets the variable that names the state.
    let named = format!("sudo kitcert --state {}", workspace.text("state"));
    let said = run(Some("nobody"), &["status"]).succeeded();
    assert!(said.out.ends_with(&format!("next: {named} verify builder\n")), "{said:?}");
    let said = run(Some("nobody"), &["rotate", "nobody"]).ended_with(2);
    assert!(said.err.ends_with(&format!("try: {named} status\n")), "{said:?}");
    let report = workspace.text("his/report");
    run(Some("nobody"), &["inspect", &kit, "-o", &report]);
    assert_eq!(workspace.path("his/report").metadata().unwrap().uid(), user);
    run(Some("nobody"), &["request", "ben", "--output", &workspace.text("his/ben.csr")]).succeeded();
    assert_eq!(workspace.path("his/ben.csr").metadata().unwrap().uid(), user);
}

#[test]
fn a_result_to_minus_is_a_result_on_standard_output() {
    let workspace = Workspace::with_state();
    let certificate = workspace.text("state/daemons/builder/current/cert.pem");
    for option in ["--output", "-o"] {
        let said = workspace.run(["inspect", &certificate, option, "-"]).succeeded();
        assert_eq!(said.out, workspace.run(["inspect", &certificate]).succeeded().out);
        assert!(!workspace.path("-").exists());
    }
}

/// A container mounts a single file so.
#[test]
fn a_config_that_is_mounted_by_itself_is_refused_with_the_lines_before_any_file_is_placed() {
    let test = "a_config_that_is_mounted_by_itself_is_refused_with_the_lines_before_any_file_is_placed";
    let Some(unshare) = peers::program("unshare", test) else { return };
    let workspace = Workspace::with_state();
    let config = workspace.write("home/.earthly/config.yml", "global:\n  cache_size_mb: 10\n");
    let outside = workspace.write("outside.yml", "global:\n  cache_size_mb: 10\n");
    let mut command = Command::new(unshare);
    let script = "mount --bind \"$1\" \"$2\" || exit 77; shift 2; exec \"$@\"";
    command.args(["--mount", "sh", "-c", script, "sh", &outside, &config]);
    let said = workspace.finish(workspace.command_under(command, ["install", "client"]), "");
    if said.code == 77 || said.err.contains("unshare") {
        return peers::skip(test, "this user cannot mount");
    }
    let said = said.ended_with(1);
    assert!(said.err.contains("mounted here by itself"), "{said:?}");
    assert!(said.err.contains(&format!("try: ${{EDITOR:-vi}} {config}")), "{said:?}");
    for key in ["buildkit_host: tcp://127.0.0.1:8372", "tls_enabled: true", "tlsca:", "tlscert:", "tlskey:"] {
        assert!(said.err.contains(key), "{key}: {said:?}");
    }
    assert!(!workspace.path("home/.earthly/certs").exists(), "the files were placed");
    assert!(workspace.read("outside.yml").ends_with("cache_size_mb: 10\n"));
}

#[test]
fn a_restart_command_is_no_program_of_the_working_directory() {
    let workspace = Workspace::with_state();
    let text = workspace.read("state/kitcert.yaml");
    for (restart, is_refused) in
        [("[./x.sh]", true), ("[bin/x.sh]", true), ("[x.sh]", false), ("[/bin/x]", false)]
    {
        let line = format!("    lifetime: 397d\n    restart: {restart}");
        workspace.write("state/kitcert.yaml", text.replace("    lifetime: 397d", &line));
        let said = workspace.run(["status"]);
        assert_eq!(said.code == 1, is_refused, "{restart}: {said:?}");
        if is_refused {
            assert!(said.err.contains("kitcert.yaml line ") && said.err.contains("from / on"), "{said:?}");
        }
    }
}

#[test]
fn the_files_of_a_state_are_known_for_what_they_are() {
    let workspace = Workspace::with_state();
    let said = workspace.run(["inspect", &workspace.text("state")]).succeeded();
    assert!(said.out.contains("log.jsonl  log of a state\n  entries  3\n"), "{}", said.out);
    assert!(said.out.contains("state.json  record of a state"), "{}", said.out);
    workspace.run(["inspect", &workspace.text("state/daemons/builder")]).succeeded();
    let log = workspace.read("state/log.jsonl");
    let damaged = workspace.write("log.jsonl", format!("{log}no entry\n{{}}\n"));
    let said = workspace.run(["inspect", &damaged]).succeeded();
    assert!(
        said.out.contains("log-damaged  expected entries alone, found 2 lines that are none"),
        "{said:?}"
    );
    // Of others nothing is claimed.
    let other = workspace.write("other.json", "{\"schema\": 1}");
    workspace.run(["inspect", &other]).ended_with(3);
}
