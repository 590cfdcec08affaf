//! A verification dials without a lock, and waits for it afterwards. Whatever happens to the state in
//! between, what is written is about what is current.

use crate::rotate::rotating::Site;
use crate::support::daemon::Daemon;
use crate::support::held::Held;
use crate::support::numbers::number;
use crate::support::workspace::Workspace;
use crate::verify::verified::generation;

/// Forgets the last verification, so that the next has something to write.
fn forget(workspace: &Workspace) {
    std::fs::remove_file(workspace.path("state/daemons/builder/verified.json")).unwrap();
}

#[test]
fn a_verification_that_waits_for_the_lock_writes_nothing_about_what_is_not_current() {
    const TEST: &str = "a_verification_that_waits_for_the_lock_writes_nothing_about_what_is_not_current";
    let Some(site) = Site::new(TEST) else { return };
    let record = || site.workspace.read("state/daemons/builder/verified.json");
    for round in 0..number("KITCERT_LOCK_RACES", 3) {
        forget(&site.workspace);
        let Some(held) = Held::at(&site.workspace, &["verify", "builder"], 1, TEST) else { return };
        site.rotate(&["--force", "builder"]).succeeded();
        let before = record();
        let said = held.finish().ended_with(3);
        assert!(said.out.contains("the state changed during"), "{round}: {}", said.out);
        assert_eq!(record(), before, "{round}: the record is older than what is current");
        site.assert_served();
        site.workspace.run(["status", "--check"]).succeeded();
        site.rotate(&[]).succeeded();
        site.workspace.run(["rollback", "builder"]).succeeded();
        site.assert_served();
    }
}

#[test]
fn a_verification_that_began_before_a_refutation_is_not_recorded() {
    const TEST: &str = "a_verification_that_began_before_a_refutation_is_not_recorded";
    for has_record in [false, true] {
        let port = Daemon::free_port();
        let workspace = Workspace::with_state_for(port);
        let folder = "state/daemons/builder/current";
        let Some(sound) = Daemon::on_files(&workspace, folder, port, &[]) else { return };
        if has_record {
            workspace.run(["verify", "builder"]).succeeded();
            // One that is not of today is written again.
            let text = workspace.read("state/daemons/builder/verified.json");
            let old = text.replace("\"dial_list\": ", "\"dial_list\": 9");
            assert_ne!(old, text);
            workspace.write("state/daemons/builder/verified.json", old);
        }
        let Some(held) = Held::at(&workspace, &["verify", "builder"], 1, TEST) else { return };
        drop(sound);
        let open = Daemon::on_files(&workspace, folder, port, &["--no-ca"]);
        workspace.run(["verify", "builder"]).ended_with(3);
        let said = held.finish().ended_with(3);
        assert!(said.out.contains("the state changed during"), "{}", said.out);
        assert_eq!(generation(&workspace, "builder", "verified"), None);
        workspace.run(["status", "--check"]).ended_with(4);

        drop(open);
        let _sound = Daemon::on_files(&workspace, folder, port, &[]);
        workspace.run(["verify", "builder"]).succeeded();
        workspace.run(["status", "--check"]).succeeded();
    }
}
