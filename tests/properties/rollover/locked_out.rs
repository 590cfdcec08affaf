//! Nobody is locked out unsaid, on real files and with a real daemon: what was seen to lock somebody out,
//! each as it was done.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::rotate::rotating::{Site, last_line, leaf, workspace_aged};
use crate::support::daemon::Daemon;
use crate::support::peers;
use crate::support::supervised::SupervisedDaemon;
use crate::support::workspace::Workspace;

const COPIES: &str = "home/.earthly/certs";

/// A site with the client installed on this machine.
pub fn site(test: &str) -> Option<Site> {
    let site = Site::new(test)?;
    site.describe("restart_timeout", &json!("2s"));
    site.workspace.run(["install", "client", "ana"]).succeeded();
    Some(site)
}

/// The same, with a daemon that was never verified.
fn never_verified(test: &str) -> Option<Site> {
    let port = Daemon::free_port();
    let workspace = workspace_aged(0, port);
    workspace.run(["install", "daemon", "--root", &workspace.text("root")]).succeeded();
    let daemon = SupervisedDaemon::start(test, &workspace, "root/etc", port, &[])?;
    let site = Site { workspace, daemon, port };
    site.describe("restart_timeout", &json!("2s"));
    site.workspace.run(["install", "client", "ana"]).succeeded();
    Some(site)
}

/// Whether the client gets in with its own copies.
pub fn gets_in(site: &Site) -> bool {
    is_let_in(site, &site.workspace.text(COPIES), &format!("{COPIES}/ca.pem"))
}

/// Whether a client with the pair of that folder gets in, who trusts those CAs, by Go's word.
pub fn is_let_in(site: &Site, folder: &str, trust: &str) -> bool {
    let mut command = Command::new(peers::program("go-peer", "locked_out").unwrap());
    command.args(["client", "--addr", &format!("127.0.0.1:{}", site.port)]);
    command.arg("--ca").arg(site.workspace.path(trust));
    for name in ["cert", "key"] {
        command.arg(format!("--{name}")).arg(Path::new(folder).join(format!("{name}.pem")));
    }
    site.workspace.finish(command, "").out.starts_with("accepted")
}

fn copy_of_the_state(workspace: &Workspace) -> String {
    let copy = workspace.text("backup");
    let copied = Command::new("cp").arg("-a").arg(workspace.path("state")).arg(&copy).status().unwrap();
    assert!(copied.success());
    copy
}

fn restore(workspace: &Workspace, copy: &str) {
    std::fs::remove_dir_all(workspace.path("state")).unwrap();
    let copied = Command::new("cp").arg("-a").arg(copy).arg(workspace.path("state")).status().unwrap();
    assert!(copied.success());
}

/// The key identifier of the CA that has issued what is served.
fn serving_ca(site: &Site) -> String {
    let authority = leaf(&site.workspace, "root/etc");
    let issuer = authority.authority_key_identifier().unwrap();
    issuer.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// The key identifier of the only CA.
fn only_ca(site: &Site) -> String {
    let mut names = std::fs::read_dir(site.workspace.path("state/ca")).unwrap();
    names.next().unwrap().unwrap().file_name().into_string().unwrap()
}

fn keys(workspace: &Workspace) -> Vec<std::path::PathBuf> {
    let folders = std::fs::read_dir(workspace.path("state/ca")).unwrap();
    folders.map(|folder| folder.unwrap().path().join("key.pem")).filter(|key| key.exists()).collect()
}

#[test]
fn without_the_ca_s_key_a_rollover_leaves_the_daemon_its_certificate_and_nobody_is_out() {
    const TEST: &str = "without_the_ca_s_key_a_rollover_leaves_the_daemon_its_certificate_and_nobody_is_out";
    let Some(site) = site(TEST) else { return };
    let served = site.daemon.serial();
    for key in keys(&site.workspace) {
        std::fs::remove_file(key).unwrap();
    }
    let said = site.rotate(&["--force", "builder"]).ended_with(1);
    assert!(said.out.contains("kitcert ca rollover start"), "{said:?}");
    let begun = site.workspace.run(["ca", "rollover", "start", "--no-restart"]).ended_with(6);
    assert_eq!(site.daemon.serial(), served, "{begun:?}");
    assert_eq!(leaf(&site.workspace, "root/etc").serial().to_string(), served.clone().unwrap());
    assert!(gets_in(&site), "before the daemon has read its new ca.pem");
    site.rotate(&[]).succeeded();
    assert!(gets_in(&site));
    site.assert_served();
    assert!(!site.workspace.path("state/rollover.json").exists(), "it is over");
}

#[test]
fn a_compromise_is_not_forgotten_when_a_restart_fails() {
    const TEST: &str = "a_compromise_is_not_forgotten_when_a_restart_fails";
    let Some(site) = site(TEST) else { return };
    let stolen = copy_of_the_state(&site.workspace);
    let before = site.workspace.snapshot();
    let start = ["ca", "rollover", "start", "--compromised"];
    let said = site.workspace.run(start.iter().chain(&["--dry-run"])).succeeded();
    before.assert_is(&site.workspace.snapshot(), "a dry run");
    assert!(said.out.contains("trusting only the new CA"), "it describes the emergency: {said:?}");

    site.daemon.ask("always refuse");
    let copies = site.workspace.read(&format!("{COPIES}/cert.pem"));
    let named = format!("--compromised={}", only_ca(&site));
    let again = ["ca", "rollover", "start", &named];
    for run in [&start[..], &["rotate"], &again, &["rotate"]] {
        let said = site.workspace.run(run).ended_with(6);
        assert!(said.out.contains("STILL LETS IN"), "{run:?}: {said:?}");
        assert_eq!(site.workspace.read(&format!("{COPIES}/cert.pem")), copies, "{run:?}: the client is out");
        assert!(gets_in(&site), "{run:?}");
        site.workspace.run(["status", "--check"]).ended_with(4);
        let status = site.workspace.run(["status"]).succeeded().out;
        assert!(status.contains("EMERGENCY"), "{run:?}: {status}");
    }
    site.daemon.ask("forget");
    site.rotate(&[]).succeeded();
    assert!(gets_in(&site));
    assert!(!site.workspace.path("state/rollover.json").exists(), "it is over");
    let thief = format!("{stolen}/clients/ana/current");
    assert!(!is_let_in(&site, &thief, "root/etc/ca.pem"), "the thief gets in");
    site.workspace.run(["ca", "rollover", "abort"]).ended_with(1);
    let verify = || site.workspace.run(["verify", "builder"]).succeeded().out;
    assert!(!verify().contains("not tried"), "{}", verify());
    let compromised = named.trim_start_matches("--compromised=");
    std::fs::remove_file(site.workspace.path(&format!("state/ca/{compromised}/key.pem"))).unwrap();
    let untried = format!("not tried: distrusted CA (the key of CA {} is not here)", &compromised[..8]);
    assert!(verify().contains(&untried), "{}", verify());
}

#[test]
fn copies_change_in_a_compromise_only_when_a_daemon_was_seen_to_serve_its_new_files() {
    const TEST: &str = "copies_change_in_a_compromise_only_when_a_daemon_was_seen_to_serve_its_new_files";
    for how in ["refuses to restart", "no restart command"] {
        let Some(site) = never_verified(TEST) else { return };
        if how == "refuses to restart" {
            site.describe("restart", &json!(site.daemon.restart()));
            site.daemon.ask("always refuse");
        }
        for run in [&["ca", "rollover", "start", "--compromised"][..], &["rotate"], &["rotate", "--force"]] {
            let said = site.workspace.run(run).ended_with(6);
            assert!(said.out.contains("STILL LETS IN"), "{how}, {run:?}: {said:?}");
            assert!(gets_in(&site), "{how}, {run:?}: {said:?}");
        }
        site.describe("restart", &json!(site.daemon.restart()));
        site.daemon.ask("forget");
        site.rotate(&[]).succeeded();
        assert!(gets_in(&site), "{how}");
        site.assert_served();
        assert!(!site.workspace.path("state/rollover.json").exists(), "{how}: it is over");
    }
}

#[test]
fn a_state_that_was_restored_from_before_a_compromise_lets_nobody_in_again() {
    const TEST: &str = "a_state_that_was_restored_from_before_a_compromise_lets_nobody_in_again";
    for when in ["before", "in an ordinary rollover"] {
        let Some(site) = site(TEST) else { return };
        if when != "before" {
            site.workspace.run(["issue", "client", "ben"]).succeeded();
            site.workspace.run(["ca", "rollover", "start"]).succeeded();
        }
        let first = serving_ca(&site);
        let backup = copy_of_the_state(&site.workspace);
        let first_pem = site.workspace.read(&format!("state/ca/{first}/ca.pem"));
        site.workspace.run(["ca", "rollover", "start", &format!("--compromised={first}")]).succeeded();
        let installed = site.workspace.read("root/etc/ca.pem");
        restore(&site.workspace, &backup);
        site.workspace.run(["status", "--check"]).ended_with(3);
        for run in [
            &["rotate"][..],
            &["rotate", "--force", "builder"],
            &["install", "daemon", "builder"],
            &["install", "client", "ana"],
            &["issue", "client", "new"],
            &["rollback", "builder"],
        ] {
            let said = site.workspace.run(run);
            assert!(said.code != 0, "{when}, {run:?}: {said:?}");
            let told = format!("{}{}", said.out, said.err);
            assert!(told.contains("an old copy of it"), "{when}, {run:?}: {said:?}");
            assert_eq!(site.workspace.read("root/etc/ca.pem"), installed, "{when}, {run:?}");
        }
        let said = site.workspace.run(["recover"]).succeeded();
        assert_eq!(site.workspace.read("root/etc/ca.pem"), installed, "{when}: nothing is placed");
        site.workspace.run(["recover"]).succeeded();
        if when == "before" {
            // The key of the CA that is trusted now is in the copy that was lost.
            let second = serving_ca(&site);
            assert!(said.out.contains("kitcert ca rollover start"), "{said:?}");
            assert!(gets_in(&site), "it had its new files before");
            let thief = format!("{backup}/clients/ana/current");
            assert!(!is_let_in(&site, &thief, "root/etc/ca.pem"), "a client of the CA that is compromised");
            site.workspace.run(["ca", "rollover", "start"]).succeeded();
            // Whoever has a certificate of that CA is unknown here.
            site.workspace.run(["ca", "rollover", "finish", &second]).succeeded();
            site.rotate(&[]).succeeded();
            let now = site.workspace.read("root/etc/ca.pem");
            assert!(!now.contains(first_pem.trim()), "the CA that is compromised is back");
            site.assert_served();
            assert!(gets_in(&site));
            continue;
        }
        site.rotate(&[]).succeeded();
        site.assert_served();
        assert_eq!(site.workspace.read("root/etc/ca.pem"), installed, "the CA that is compromised is gone");
        assert!(gets_in(&site));
    }
}

#[test]
fn a_host_is_not_taken_from_a_client_unsaid_and_everybody_else_is_renewed() {
    const TEST: &str = "a_host_is_not_taken_from_a_client_unsaid_and_everybody_else_is_renewed";
    let Some(site) = site(TEST) else { return };
    let text = site.workspace.read("state/kitcert.yaml");
    site.workspace.write("state/kitcert.yaml", text.replace("[127.0.0.1, localhost]", "[127.0.0.1]"));
    let served = site.daemon.serial();
    let report = site.rotate(&["--force", "--format", "json"]).ended_with(1).json();
    assert_eq!(report["locked_out"], json!(["ana"]), "{report:#}");
    let action = |kind: &str| -> Value {
        let rows = report["results"].as_array().unwrap();
        rows.iter().find(|row| row["kind"] == kind).unwrap()["action"].clone()
    };
    assert_eq!((action("daemon"), action("client")), ("refused".into(), "renewed".into()), "{report:#}");
    assert_eq!(site.daemon.serial(), served);
    let said = site.workspace.run(["issue", "daemon", "builder"]).ended_with(1);
    let (_, command) = said.err.split_once("try: kitcert ").unwrap();
    let command: Vec<&str> = command.lines().next().unwrap().split_whitespace().collect();
    site.workspace.run(command).succeeded();
    assert_ne!(site.daemon.serial(), served, "the command that it prints does it");
    site.assert_served();
}

#[test]
fn a_daemon_and_a_client_of_one_name_are_told_apart() {
    const TEST: &str = "a_daemon_and_a_client_of_one_name_are_told_apart";
    let Some(site) = Site::new(TEST) else { return };
    site.workspace.run(["issue", "client", "builder"]).succeeded();
    site.rotate(&["--force", "daemon/builder"]).succeeded();
    let clients = || site.workspace.read("state/clients/builder/current/cert.pem");
    let client = clients();
    let said = site.workspace.run(["rollback", "builder"]).ended_with(2);
    assert!(said.err.contains("try: kitcert rollback daemon/builder\nnote: or client/builder\n"), "{said:?}");
    site.workspace.run(["rollback", "daemon/builder"]).succeeded();
    site.assert_served();
    assert_eq!(clients(), client);
    site.rotate(&["--force", "client/builder"]).succeeded();
    assert_ne!(clients(), client);
    site.workspace.run(["verify", "daemon/builder"]).succeeded();
    site.workspace.run(["verify", "client/builder"]).ended_with(2);
}

/// The certificate would satisfy a look at it alone: that the daemon knows the new CA is seen only by a
/// client of it.
#[test]
fn a_rollover_does_not_go_on_while_a_daemon_serves_the_former_bundle() {
    const TEST: &str = "a_rollover_does_not_go_on_while_a_daemon_serves_the_former_bundle";
    let Some(site) = site(TEST) else { return };
    site.workspace.run(["ca", "rollover", "start", "--no-restart"]).ended_with(6);
    let copies = site.workspace.read(&format!("{COPIES}/cert.pem"));
    let said = site.workspace.run(["verify", "builder"]).ended_with(3);
    assert!(last_line(&said).contains("not verified"), "{said:?}");
    site.rotate(&["--no-restart"]).ended_with(6);
    assert_eq!(site.workspace.read(&format!("{COPIES}/cert.pem")), copies, "the client was moved");
    let status = site.workspace.run(["status"]).succeeded().out;
    assert!(status.contains("step 1 of 3"), "{status}");
    assert!(Path::new(&site.workspace.text("state/rollover.json")).exists());
}

#[test]
fn a_retired_daemon_that_lets_the_clients_of_a_compromised_ca_in_is_not_forgotten() {
    const TEST: &str = "a_retired_daemon_that_lets_the_clients_of_a_compromised_ca_in_is_not_forgotten";
    for how in ["retired", "not listed"] {
        let Some(site) = site(TEST) else { return };
        let id = only_ca(&site);
        if how == "retired" {
            site.workspace.run(["retire", "daemon/builder"]).succeeded();
        } else {
            let text = site.workspace.read("state/kitcert.yaml");
            let (head, rest) = text.split_once("daemons:\n").unwrap();
            let (_, clients) = rest.split_once("clients:\n").unwrap();
            site.workspace.write("state/kitcert.yaml", format!("{head}daemons: {{}}\nclients:\n{clients}"));
        }
        let said = site.workspace.run(["ca", "rollover", "start", "--compromised"]).ended_with(6);
        assert!(gets_in(&site), "it was not touched");
        let status = site.workspace.run(["status", "--check"]).ended_with(4).out;
        assert!(
            status.contains("EMERGENCY") && status.contains("daemon builder"),
            "{how}: {said:?} {status}"
        );
        site.workspace.run(["ca", "rollover", "finish", &id]).succeeded();
        // The client keeps its files: no daemon that is left would let it in with others.
        let said = site.rotate(&[]);
        assert!([0, 6].contains(&said.code), "{said:?}");
        assert!(!site.workspace.path("state/rollover.json").exists(), "{how}");
    }
}

#[test]
fn which_ca_is_compromised_has_to_be_said_where_several_come_into_question() {
    const TEST: &str = "which_ca_is_compromised_has_to_be_said_where_several_come_into_question";
    let Some(site) = site(TEST) else { return };
    let id = only_ca(&site);
    let start = ["ca", "rollover", "start", "--compromised"];
    let said = site.workspace.run(start).succeeded();
    assert!(said.out.contains("distrusted"), "{said:?}");
    let said = site.workspace.run(start).ended_with(2);
    assert!(said.err.contains("--compromised=KEYID"), "{said:?}");
    let again = format!("kitcert ca rollover start --compromised={}\nnote: the CA in use", serving_ca(&site));
    assert!(said.err.contains(&again), "{said:?}");
    site.workspace.run(["ca", "rollover", "start", &format!("--compromised={id}")]).succeeded();
    assert!(!site.workspace.path("state/rollover.json").exists(), "that one is distrusted already");
    assert!(gets_in(&site));
}

#[test]
fn a_home_that_is_gone_is_waited_for() {
    const TEST: &str = "a_home_that_is_gone_is_waited_for";
    let Some(site) = site(TEST) else { return };
    let other = site.workspace.text("other-home");
    std::fs::create_dir_all(&other).unwrap();
    let endpoint = format!("tcp://localhost:{}", site.port);
    let install = ["install", "client", "ana", "--tool", "buildctl", "--endpoint", &endpoint];
    let mut command = site.workspace.command(install);
    command.env("HOME", &other);
    site.workspace.finish(command, "").succeeded();
    let folder = format!("other-home/.config/kitcert/buildctl/localhost-{}", site.port);
    assert!(is_let_in(&site, &site.workspace.text(&folder), &format!("{folder}/ca.pem")));
    let away = site.workspace.text("away");
    std::fs::rename(&other, &away).unwrap();
    let said = site.workspace.run(["ca", "rollover", "start"]).succeeded();
    assert!(said.out.contains("the rollover waits for ana"), "{said:?}");
    std::fs::rename(&away, &other).unwrap();
    assert!(is_let_in(&site, &site.workspace.text(&folder), &format!("{folder}/ca.pem")));
    site.rotate(&[]).succeeded();
    assert!(is_let_in(&site, &site.workspace.text(&folder), &format!("{folder}/ca.pem")));
    assert!(!site.workspace.path("state/rollover.json").exists(), "it is over");
}
