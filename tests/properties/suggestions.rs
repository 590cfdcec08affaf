//! Every text of the source that suggests a command is reached by a test in which the command is carried out, or
//! stands here with the reason why not.

use std::collections::BTreeSet;

use crate::daemon::Daemon;
use crate::suggested::{self, Suggested, shell_words};
use crate::workspace::{Said, Workspace};

/// The command that an output tells to try, carried out as it stands.
#[track_caller]
fn tried(workspace: &Workspace, said: &Said, expected: &str) -> Said {
    let line = said.err.lines().chain(said.out.lines()).find_map(|line| line.strip_prefix("try: "));
    let command = line.unwrap_or_else(|| panic!("nothing to try: {said:?}"));
    assert_eq!(command, expected, "{said:?}");
    let words = shell_words(command.split("   #").next().unwrap());
    workspace.run(&words[1..])
}

#[test]
fn a_format_that_a_command_has_none_of_is_replaced_by_one_that_it_has() {
    let workspace = Workspace::with_state();
    for (line, expected) in [
        ("status --format sarif", "kitcert status --format json"),
        ("invite ana --format=prometheus --dry-run", "kitcert invite ana --dry-run --format json"),
    ] {
        let said = workspace.run(line.split(' ')).ended_with(2);
        tried(&workspace, &said, expected).succeeded();
    }
}

#[test]
fn the_same_command_with_what_was_missing_is_made_of_what_was_typed() {
    let workspace = Workspace::with_state();
    workspace.run(["issue", "daemon", "spare", "--host", "spare.example"]).succeeded();
    let said = workspace.run(["invite", "ben", "--kit", "my kit", "--join-within=2d"]).ended_with(2);
    let expected = "kitcert invite ben --kit 'my kit' --join-within=2d --endpoint tcp://127.0.0.1:8372   # or that \
                    of another daemon of kitcert.yaml";
    tried(&workspace, &said, expected).succeeded();
    // One option takes the place of the same, and another is left out.
    let config = workspace.write("home/.earthly/config.yml", "global: {tls_enabled: false}\n");
    let said =
        workspace.run(["install", "client", "ana", "--endpoint", "tcp://127.0.0.1:8372"]).ended_with(1);
    let expected = "kitcert install client ana --endpoint tcp://127.0.0.1:8372 --enable-tls";
    tried(&workspace, &said, expected).succeeded();
    let buildctl = ["install", "client", "ana", "--endpoint", "tcp://127.0.0.1:8372", "--for", "buildctl"];
    let said = workspace.run(buildctl.iter().chain(&["--config", &config])).ended_with(2);
    let expected = "kitcert install client ana --endpoint tcp://127.0.0.1:8372 --for buildctl";
    tried(&workspace, &said, expected).succeeded();
    let said = workspace.run(["verify", "--for", "buildctl", &format!("--config={config}")]).ended_with(2);
    tried(&workspace, &said, "kitcert verify --for buildctl").ended_with(2);
}

#[test]
fn a_client_whose_key_is_here_is_invited_instead() {
    let workspace = Workspace::with_state();
    let said = workspace.run(["issue", "client", "ana", "--kit", "ana.kit"]).ended_with(1);
    tried(&workspace, &said, "kitcert invite ana   # a kit with the key, under a passphrase").succeeded();
}

/// All that is suggested of `verify`, at a daemon that is verified.
#[test]
fn each_form_of_verify_that_is_suggested_is_carried_out() {
    let port = Daemon::free_port();
    let workspace = Workspace::with_state_for(port);
    let daemon = Daemon::start(&workspace, port, &[]);
    let said = workspace.run(["verify", "client/ana"]).ended_with(2);
    tried(&workspace, &said, "kitcert verify --client ana").succeeded();
    let said = workspace.run(["verify", &format!("127.0.0.1:{port}")]).ended_with(2);
    tried(&workspace, &said, &format!("kitcert verify tcp://127.0.0.1:{port}")).succeeded();
    for next in [vec!["verify"], vec!["verify", "builder"], vec!["verify", "--all"], vec!["verify", "--wait"]]
    {
        workspace.run(next).succeeded();
    }
    let spare = ["issue", "daemon", "spare", "--host", "127.0.0.1", "--endpoint", "tcp://127.0.0.1:1"];
    workspace.run(spare).succeeded();
    let said = workspace.run(["verify"]).ended_with(2);
    tried(&workspace, &said, "kitcert verify --all").ended_with(3);
    drop(daemon);
}

#[test]
fn what_is_not_carried_out_is_still_suggested_and_has_a_reason() {
    let texts: BTreeSet<String> = suggested::all().into_iter().map(|one| one.text).collect();
    for (text, reason) in NOT_CARRIED_OUT {
        assert!(texts.contains(*text), "not in the source any more: {text:?}");
        assert!(reason.split(' ').count() >= 4, "{text}: {reason}");
    }
    let distinct: BTreeSet<&str> = NOT_CARRIED_OUT.iter().map(|(text, _)| *text).collect();
    assert_eq!(distinct.len(), NOT_CARRIED_OUT.len(), "one of them stands there twice");
}

/// After a run of all tests with `KITCERT_FOLLOWED`, as `tests/run` makes one.
#[test]
#[ignore = "reads what a run of all tests has carried out"]
fn every_text_that_suggests_something_is_carried_out_or_listed() {
    let record = std::env::var_os("KITCERT_FOLLOWED").expect("KITCERT_FOLLOWED names the record of a run");
    let record = std::fs::read_to_string(record).unwrap();
    let lines: Vec<&str> = record.lines().filter_map(|line| line.split('\t').nth(2)).collect();
    assert!(lines.len() > 500, "only {} were carried out", lines.len());
    let listed: BTreeSet<&str> = NOT_CARRIED_OUT.iter().map(|(text, _)| *text).collect();
    let (mut never, mut both) = (Vec::new(), Vec::new());
    for Suggested { file, text } in suggested::all() {
        // Those of `verify` are carried out above.
        let is_of_verify =
            suggested::commands(&text, "{kitcert}").iter().all(|one| one.starts_with("verify"));
        let is_reached = is_of_verify || lines.iter().any(|line| is_of(line, &text));
        match (is_reached, listed.contains(text.as_str())) {
            (false, false) => never.push(format!("{file}: {text:?}")),
            (true, true) => both.push(text),
            _ => {}
        }
    }
    assert!(never.is_empty(), "{} were never carried out:\n{}", never.len(), never.join("\n"));
    assert!(both.is_empty(), "these are carried out, and need no exception:\n{}", both.join("\n"));
}

/// Whether a line was printed of that text: its words stand there in order.
fn is_of(line: &str, text: &str) -> bool {
    let mut rest = line;
    text.replace("{kitcert}", "kitcert{}").split("{}").all(|words| {
        // Behind the program's name `--state` may stand.
        match rest.find(words) {
            Some(at) => {
                rest = &rest[at + words.len()..];
                true
            }
            None => false,
        }
    })
}

/// What no test carries out as it was printed, and why. All of them are parsed.
const NOT_CARRIED_OUT: &[(&str, &str)] = &[];
