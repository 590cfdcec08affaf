//! Taking over is killed at one writing call after another: what the daemon reads is whole all the while, and the
//! same command goes on.

use super::makers::{Maker, Pki};
use crate::support::daemon::Daemon;
use crate::support::interference::{Fault, Threads, calls, interfered, spread};
use crate::support::numbers::number;
use crate::support::peers;
use crate::support::turns::is_turn;
use crate::support::whole::assert_matches;
use crate::support::workspace::Workspace;

/// At so many calls of each command, unless `KITCERT_TAKEOVERS` says otherwise.
const TAKEOVERS: usize = 6;

#[test]
fn what_a_daemon_reads_is_whole_wherever_a_takeover_is_killed() {
    const TEST: &str = "what_a_daemon_reads_is_whole_wherever_a_takeover_is_killed";
    if !is_turn(TEST) {
        return;
    }
    let Some(strace) = peers::program("strace", TEST) else { return };
    let Some(pki) = Pki::new(Maker::OpensslEc, 365, TEST) else { return };
    let endpoint = format!("tcp://127.0.0.1:{}", Daemon::free_port());
    let adopt = ["init", "--adopt", "certs", "--endpoint", &endpoint];
    let fresh = || {
        let workspace = Workspace::new();
        pki.place_daemon(&workspace, "certs");
        workspace
    };
    let measured = fresh();
    let adopting = calls(&measured, &strace, Threads::First, adopt);
    let moving = calls(&measured, &strace, Threads::First, ["rotate"]);
    assert!(adopting.len().min(moving.len()) > 20, "strace saw only {adopting:?} and {moving:?}");
    let tried = number("KITCERT_TAKEOVERS", TAKEOVERS);
    for (at, call) in spread(&adopting, tried).into_iter().enumerate() {
        let workspace = fresh();
        let before = ["ca", "cert", "key"].map(|name| workspace.read(&format!("certs/{name}.pem")));
        interfered(&workspace, &strace, Threads::First, adopt, &call, Fault::Kill);
        if at % 2 == 1 && workspace.path("state/kitcert.yaml").exists() {
            // Cron comes first.
            workspace.run(["rotate"]).ended_with(6);
            assert_matches(&workspace.path("certs"), &format!("init, killed at {call}, then rotate"));
            assert!(workspace.path("certs/key.pem").is_symlink(), "init, killed at {call}, then rotate");
            continue;
        }
        workspace.run(adopt).succeeded();
        let after = ["ca", "cert", "key"].map(|name| workspace.read(&format!("certs/{name}.pem")));
        assert!(before == after, "init, killed at {call}");
        assert!(workspace.path("certs/kitcert/current/key.pem").exists(), "init, killed at {call}");
        workspace.run(["rotate"]).ended_with(6);
    }
    for call in spread(&moving, tried) {
        let workspace = fresh();
        workspace.run(adopt).succeeded();
        interfered(&workspace, &strace, Threads::First, ["rotate"], &call, Fault::Kill);
        assert_matches(&workspace.path("certs"), &format!("rotate, killed at {call}"));
        workspace.run(["rotate"]).ended_with(6);
        assert_matches(&workspace.path("certs"), "rotated again");
        assert!(workspace.path("certs/key.pem").is_symlink(), "rotate, killed at {call}");
    }
}

#[test]
fn a_takeover_that_did_not_come_to_note_its_files_is_gone_on_with_by_rotate() {
    const TEST: &str = "a_takeover_that_did_not_come_to_note_its_files_is_gone_on_with_by_rotate";
    let Some(pki) = Pki::new(Maker::OpensslEc, 365, TEST) else { return };
    let endpoint = format!("tcp://127.0.0.1:{}", Daemon::free_port());
    let workspace = Workspace::new();
    pki.place_daemon(&workspace, "certs");
    let before = workspace.read("certs/ca.pem");
    workspace.run(["init", "--adopt", "certs", "--endpoint", &endpoint]).succeeded();
    // As if init had been killed once the state knew of it.
    std::fs::remove_dir_all(workspace.path("certs/kitcert")).unwrap();
    workspace.run(["rotate"]).ended_with(6);
    assert!(workspace.path("certs/key.pem").is_symlink());
    assert!(workspace.read("certs/ca.pem") != before);
    assert_matches(&workspace.path("certs"), "rotated");
    assert_eq!(workspace.read("certs/kitcert/gen-0001/ca.pem"), before);
}
