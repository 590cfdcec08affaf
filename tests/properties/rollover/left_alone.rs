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
