//! A daemon whose clock is another refuses what is not valid by it: that says nothing of whom its ca.pem excludes.

use serde_json::json;

use crate::rotate::rotating::{issue_days_ago, workspace_aged};
use crate::support::daemon::Daemon;
use crate::support::numbers::some_of;
use crate::support::supervised::{SupervisedDaemon, WorkingClients};

#[test]
fn what_a_daemon_refuses_for_its_clock_is_no_proof_that_it_refuses_somebody() {
    const TEST: &str = "what_a_daemon_refuses_for_its_clock_is_no_proof_that_it_refuses_somebody";
    let offsets = [("-3m", 0), ("-70m", 3), ("-30h", 3), ("+2h", 0), ("+60h", 0)];
    for (offset, exit) in some_of(offsets, ("KITCERT_CLOCKS", 2), 0) {
        let port = Daemon::free_port();
        let admin = workspace_aged(20, port);
        issue_days_ago(&admin, "dan", 20, None);
        admin.run(["install", "daemon", "--root", &admin.text("root")]).succeeded();
        let options = ["--clock-offset", offset];
        let Some(daemon) = SupervisedDaemon::start(TEST, &admin, "root/etc", port, &options) else { return };
        let accepted = || {
            let folder = [admin.text("state/clients/dan/current")];
            let mut clients = WorkingClients::start(TEST, &admin, port, &folder, &[]).unwrap();
            clients.settle()["accepted"].as_u64().unwrap() > 0
        };
        let restarted_by = |command: &serde_json::Value| {
            let text = admin.read("state/kitcert.yaml");
            let kept = text.lines().filter(|line| !line.starts_with("    restart"));
            let text: String = kept.map(|line| format!("{line}\n")).collect();
            let described = format!("  builder:\n    restart: {command}\n    restart_timeout: 2s\n");
            admin.write("state/kitcert.yaml", text.replacen("  builder:\n", &described, 1));
        };
        restarted_by(&json!(["/bin/true"]));
        let said = admin.run(["revoke", "dan"]).ended_with(6).out;
        assert!(said.contains("STILL LETS IN dan on builder") && accepted(), "{offset}: {said}");
        restarted_by(&json!(daemon.restart()));
        let before = daemon.count("restarts");
        for _ in 0..2 {
            // A daemon whose clock is behind lets in who has a certificate that has ended, and that is told.
            let said = admin.run(["rotate"]).ended_with(exit).out;
            assert!(!said.contains("STILL LETS IN") && !accepted(), "{offset}: {said}");
            assert_eq!(said.contains("expired certificate: expected refused"), exit != 0, "{offset}: {said}");
            assert_eq!(daemon.count("restarts"), before + 1, "{offset}: once is enough");
        }
        let said = admin.run(["revoke", "--undo", "dan"]).ended_with(exit).out;
        assert!(!said.contains("refused") || exit != 0, "{offset}: {said}");
        assert!(accepted(), "{offset}");
    }
}
