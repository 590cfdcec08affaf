//! The command that a finding prints fixes what it found, and breaks nothing else.

use serde_json::Value;

use crate::support::daemon::Daemon;
use crate::support::workspace::{Said, Workspace};

fn run(workspace: &Workspace, line: &str) -> Said {
    workspace.run(line.split(' '))
}

/// A state whose daemon is installed below `root`, and no restart command.
fn installed(port: u16) -> Workspace {
    let workspace = Workspace::with_state_for(port);
    let root = workspace.text("root");
    run(&workspace, &format!("install daemon builder --root {root}")).succeeded();
    workspace
}

/// What fixes a finding of that rule.
fn fix(workspace: &Workspace, rule: &str) -> String {
    let report = run(workspace, "verify builder --format json").ended_with(3).json();
    let findings = report["findings"].as_array().unwrap().iter();
    let mut found = findings.filter(|one| one["rule"] == rule && one["severity"] != "pass");
    found.next().unwrap_or_else(|| panic!("no {rule}: {report:#}"))["fix"].as_str().unwrap().to_owned()
}

/// A container that lets everybody in has been made without the files: no restart adds a mount.
#[test]
fn a_daemon_that_runs_without_its_files_is_to_be_made_anew_with_them() {
    for (option, rule) in [("--no-ca", "no-certificate-accepted"), ("--plaintext", "plaintext-accepted")] {
        let port = Daemon::free_port();
        let workspace = installed(port);
        let Some(_daemon) = Daemon::on_files(&workspace, "root/etc/kitcert/current", port, &[option]) else {
            return;
        };
        let told = fix(&workspace, rule);
        let (first, start) = told.split_once("; ").unwrap_or_else(|| panic!("{told}"));
        assert_eq!(first, "docker rm -f earthly-buildkitd", "{option}");
        let said = run(&workspace, "install daemon builder --format json").succeeded();
        let Value::Array(words) = &said.json()["start"] else { panic!("it is not told again: {said:?}") };
        assert!(words.iter().all(|word| start.contains(word.as_str().unwrap())), "{start}\n{words:?}");
        for file in ["ca.pem", "cert.pem", "key.pem"] {
            let source = workspace.text(&format!("root/etc/{file}"));
            assert!(start.contains(&format!("src={source},dst=/etc/{file},readonly")), "{start}");
        }
        assert!(start.contains("BUILDKIT_TLS_ENABLED=true"), "{start}");

        // What was issued again is put there first.
        run(&workspace, "rotate --force client/ana").ended_with(0);
        std::fs::remove_dir_all(workspace.path("root")).unwrap();
        let told = fix(&workspace, rule);
        assert!(told.starts_with("kitcert install daemon builder && docker rm -f "), "{told}");
    }
}

#[test]
fn how_a_daemon_that_somebody_else_has_made_is_given_its_files_is_printed_by_install() {
    for restart in ["systemctl, restart, b", "docker, restart, b"] {
        printed_by_install(restart);
    }
}

fn printed_by_install(restart: &str) {
    let port = Daemon::free_port();
    let workspace = installed(port);
    let text = workspace.read("state/kitcert.yaml");
    let text = text.replace("    lifetime: 397d", &format!("    lifetime: 397d\n    restart: [{restart}]"));
    workspace.write("state/kitcert.yaml", text);
    let Some(_daemon) = Daemon::on_files(&workspace, "root/etc/kitcert/current", port, &["--no-ca"]) else {
        return;
    };
    let told = fix(&workspace, "no-certificate-accepted");
    assert_eq!(told, "kitcert install daemon builder");
    let said = run(&workspace, "install daemon builder").succeeded();
    assert!(said.out.contains("start:    docker run"), "{said:?}");
    assert!(said.out.contains(&format!("restart:  {}", restart.replace(',', ""))), "{said:?}");
}

#[test]
fn where_nothing_listens_one_looks_before_one_restarts() {
    let workspace = installed(9);
    let told = fix(&workspace, "unreachable");
    assert_eq!(told, "docker ps -a --filter name=earthly-buildkitd");
}

/// Two daemons on one machine: what the second is told to do leaves the first alone.
#[test]
fn the_commands_for_another_daemon_of_this_machine_are_right() {
    let workspace = installed(9);
    // As if it were installed in /, which a test must not write.
    let text = workspace.read("state/kitcert.yaml");
    workspace.write("state/kitcert.yaml", text.replace(&workspace.text("root"), "/"));
    let said = run(&workspace, "issue daemon third --host third.example.com").succeeded();
    let next = "next: kitcert install daemon third --root /srv/third; then: kitcert verify third";
    assert!(said.out.contains(next), "{said:?}");
    workspace.write(
        "state/kitcert.yaml",
        workspace
            .read("state/kitcert.yaml")
            .replace("root: /}", &format!("root: {}}}", workspace.text("root"))),
    );
    let root = workspace.text("root");
    let said = run(&workspace, &format!("install daemon third --root {root}")).ended_with(1);
    let (_, hint) = said.err.split_once("try: ").unwrap();
    assert_eq!(hint.trim(), "kitcert install daemon third --root /srv/third");
    let first = run(&workspace, "issue daemon fourth --host fourth.example.com").succeeded();
    assert!(first.out.contains("next: kitcert install daemon fourth; then"), "/ is free: {first:?}");
}
