//! A daemon that is left alone while the CA gives way to another, and comes back: whoever uses it is in.

use crate::rotate::rotating::{Site, issue_to_another_machine};
use crate::support::workspace::Workspace;

/// What `status` says of the rollover has that in it.
#[track_caller]
fn assert_said(workspace: &Workspace, what: &str) {
    let status = workspace.run(["status"]).succeeded().out;
    let line = status.lines().find(|line| line.contains("rollover to")).unwrap_or_else(|| panic!("{status}"));
    assert!(line.contains(what), "{status}");
}

#[test]
fn a_rollover_without_a_daemon_waits_for_the_clients_and_nobody_is_out_when_it_comes_back() {
    const TEST: &str =
        "a_rollover_without_a_daemon_waits_for_the_clients_and_nobody_is_out_when_it_comes_back";
    for how in ["it is retired", "it is taken out of kitcert.yaml"] {
        let Some(site) = Site::new(TEST) else { return };
        let workspace = &site.workspace;
        workspace.run(["install", "client", "ana"]).succeeded();
        issue_to_another_machine(&site, "ben", 0);
        let text = workspace.read("state/kitcert.yaml");
        if how == "it is retired" {
            workspace.run(["retire", "daemon/builder"]).succeeded();
        } else {
            let (before, after) = (text.find("daemons:").unwrap(), text.find("clients:").unwrap());
            let clients = text[after..].lines().filter(|line| !line.starts_with("  ben:"));
            let clients: Vec<&str> = clients.collect();
            let without = format!("{}daemons: {{}}\n{}\n", &text[..before], clients.join("\n"));
            workspace.write("state/kitcert.yaml", without);
        }
        let begun = workspace.run(["ca", "rollover", "start"]);
        assert_ne!(begun.code, 0, "{how}: {begun:?}");
        assert_said(workspace, "client ben");
        if how == "it is retired" {
            workspace.run(["issue", "daemon", "builder"]).succeeded();
        } else {
            workspace.write("state/kitcert.yaml", &text);
        }
        site.rotate(&[]).succeeded();
        assert_said(workspace, "step 2 of 3");
        assert_said(workspace, "client ben");
        site.assert_served();
        let trusted = workspace.read("root/etc/ca.pem");
        assert_eq!(trusted.matches("BEGIN CERTIFICATE").count(), 2, "{how}: he is in with what he has");
        workspace.run(["confirm", "ben"]).succeeded();
        site.rotate(&[]).succeeded();
        assert!(!workspace.path("state/rollover.json").exists(), "{how}: it is over");
        site.assert_served();
    }
}

/// Its passphrase was lost, so that a second kit was made: nobody has the key of the first.
#[test]
fn a_kit_that_nobody_has_joined_holds_a_rollover_until_its_key_is_revoked() {
    const TEST: &str = "a_kit_that_nobody_has_joined_holds_a_rollover_until_its_key_is_revoked";
    let Some(site) = Site::new(TEST) else { return };
    let workspace = &site.workspace;
    workspace.run(["install", "client", "ana"]).succeeded();
    for kit in ["one.kit", "two.kit"] {
        workspace.run(["invite", "ben", "--output", &workspace.text(kit)]).succeeded();
    }
    workspace.run(["ca", "rollover", "start"]);
    site.rotate(&[]);
    let told = workspace.run(["confirm", "ben"]);
    let key = told.err.lines().find_map(|line| line.split("--key-id ").nth(1));
    workspace.run(["status"]);
    let second = {
        let chain = workspace.read("state/clients/ben/current/cert.pem");
        let leaf = kitcert::pki::Certificate::chain_from_pem(chain.as_bytes(), "cert.pem").unwrap().remove(0);
        leaf.public_key().fingerprint().to_string()
    };
    assert!(key.is_some());
    workspace.run(["confirm", "ben", "--key-id", &second]).succeeded();
    let said = site.rotate(&["--dry-run"]);
    let word = "kitcert revoke ben --only-key ";
    let all = format!("{}{}", said.out, said.err);
    let other: String = all.split(word).nth(1).unwrap_or_else(|| panic!("{all}")).chars().take(64).collect();
    workspace.run(["revoke", "ben", "--only-key", &other]).succeeded();
    site.rotate(&[]);
    assert!(!workspace.path("state/rollover.json").exists(), "{}", workspace.run(["status"]).out);
}

#[test]
fn a_rollover_says_at_its_start_whom_it_leaves_behind_with_what_is_retired() {
    const TEST: &str = "a_rollover_says_at_its_start_whom_it_leaves_behind_with_what_is_retired";
    let Some(site) = Site::new(TEST) else { return };
    let workspace = &site.workspace;
    workspace.run(["install", "client", "ana"]).succeeded();
    issue_to_another_machine(&site, "ben", 0);
    workspace.run(["retire", "client/ben"]).succeeded();
    workspace.run(["retire", "daemon/builder"]).succeeded();
    for more in [&["--dry-run"][..], &[]] {
        let said = workspace.run(["ca", "rollover", "start"].iter().chain(more)).out;
        let told =
            |name: &str, what: &str| said.lines().any(|line| line.contains(name) && line.contains(what));
        assert!(told("builder", "retired: refuses each client that has moved"), "{said}");
        assert!(told("ben", "retired: locked out once the rollover is over"), "{said}");
    }
}
