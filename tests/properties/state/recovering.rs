//! A kitcert.yaml that is lost: no command takes the state for none, and `recover` writes it again.

use kitcert::layout::Inventory;
use serde_json::Value;

use crate::crash::survival::{Scenario, survives};
use crate::support::daemon::Daemon;
use crate::support::workspace::{Said, Workspace};

/// Every command that is about a state, and what it is about.
const COMMANDS: &[&str] = &[
    "init --host b.example.com",
    "init --host b.example.com --dry-run",
    "status",
    "status --timeline",
    "rotate",
    "rotate --dry-run",
    "rollback ana",
    "verify",
    "verify --all",
    "verify builder",
    "issue client zoe",
    "issue daemon d --host d",
    "install daemon",
    "install client ana",
    "invite zoe",
    "confirm ana",
    "retire client/ana",
    "ca rollover start",
    "ca rollover skip ana",
    "ca rollover abort",
    "ca rollover finish ab",
    "ca delete-former-keys",
];

fn run(workspace: &Workspace, line: &str) -> Said {
    workspace.run(line.split(' '))
}

fn inventory(workspace: &Workspace) -> Inventory {
    let path = workspace.path("state/kitcert.yaml");
    Inventory::parse(workspace.read("state/kitcert.yaml").as_bytes(), &path).unwrap()
}

/// A state without its kitcert.yaml, and what that was.
fn remains() -> (Workspace, Inventory) {
    let workspace = Workspace::new();
    run(&workspace, "init --host b.example.com --host 10.0.0.5 --client ana --ca-lifetime 8y").succeeded();
    run(&workspace, "issue daemon spare --host s.example.com --lifetime 100d").succeeded();
    run(&workspace, "issue client ben --lifetime 7d").succeeded();
    run(&workspace, "issue client gone").succeeded();
    run(&workspace, "retire client/gone").succeeded();
    let mut lost = inventory(&workspace);
    lost.clients.remove(&"gone".parse().unwrap());
    // Which daemon was the first is written nowhere else.
    lost.defaults.endpoint = None;
    std::fs::remove_file(workspace.path("state/kitcert.yaml")).unwrap();
    (workspace, lost)
}

#[test]
fn no_command_takes_a_state_without_its_kitcert_yaml_for_none() {
    let (workspace, _) = remains();
    let before = workspace.snapshot();
    for line in COMMANDS {
        let said = run(&workspace, line).ended_with(1);
        assert!(said.err.contains("certificates were issued here"), "{line}: {said:?}");
        assert!(said.err.contains("try: kitcert recover"), "{line}: {said:?}");
        before.assert_is(&workspace.snapshot(), line);
    }
}

/// What an editor or a full disk leaves of it says nothing, and is as good as none.
#[test]
fn an_emptied_kitcert_yaml_is_written_again_as_a_lost_one_is() {
    let workspace = Workspace::new();
    run(&workspace, "init --host builder.example.com --client ana").succeeded();
    for left in ["", "\n\n", "# once there was more here\n"] {
        workspace.write("state/kitcert.yaml", left);
        let said = run(&workspace, "status").ended_with(1).err;
        assert!(said.contains("found nothing") || said.contains("nothing"), "{said}");
        assert!(said.contains("try: kitcert recover"), "{said}");
        let said = run(&workspace, "recover").succeeded().out;
        assert!(said.contains("if it runs on this machine: kitcert install daemon builder"), "{said}");
        assert!(inventory(&workspace).clients.len() == 1, "{said}");
        run(&workspace, "status").succeeded();
    }
}

#[test]
fn any_folder_with_what_was_issued_is_enough_to_refuse_another_ca() {
    for folder in ["ca", "daemons", "clients", "issued"] {
        let (workspace, _) = remains();
        for other in ["ca", "daemons", "clients", "issued"].into_iter().filter(|other| *other != folder) {
            std::fs::remove_dir_all(workspace.path(&format!("state/{other}"))).unwrap();
        }
        let said = run(&workspace, "init --host b.example.com").ended_with(1);
        assert!(said.err.contains("try: kitcert recover"), "{folder}: {said:?}");
        assert_eq!(workspace.path("state/ca").exists(), folder == "ca");
        // Without a CA there is nothing to go on with.
        run(&workspace, "recover").ended_with(i32::from(folder != "ca"));
    }
}

#[test]
fn recover_lists_again_what_can_be_told_and_changes_nothing_else() {
    let (workspace, lost) = remains();
    let before = workspace.snapshot();
    let said = run(&workspace, "recover --dry-run").succeeded();
    assert!(said.out.contains("would write  kitcert.yaml"), "{said:?}");
    before.assert_is(&workspace.snapshot(), "recover --dry-run");
    let ids: Vec<_> = std::fs::read_dir(workspace.path("state/ca")).unwrap().collect();
    let record = ids[0].as_ref().unwrap().path().join("ca.json");

    let said = run(&workspace, "recover --format json").succeeded();
    let what = said.json()["unknown"].to_string();
    for key in ["restart", "install", "renew", "contact"] {
        assert!(what.contains(key), "{key}: {what}");
    }
    assert_eq!(inventory(&workspace), lost);
    let open: Value = serde_json::from_slice(&std::fs::read(&record).unwrap()).unwrap();
    assert!(open["open_until"].is_string(), "{open}");
    let after = workspace.snapshot();
    let changed = ["", "state", "state/kitcert.yaml", "state/state.json", "state/log.jsonl", "state/.lock"]
        .map(|one| workspace.path(one));
    let ca = [record.parent().unwrap().to_owned(), record.clone(), workspace.path("state/ca")];
    let [before, after] = [before, after]
        .map(|snapshot| changed.iter().chain(&ca).fold(snapshot, |snapshot, path| snapshot.without(path)));
    before.assert_is(&after, "recover");

    let said = run(&workspace, "rotate --dry-run");
    assert!(!said.out.contains("would issue"), "nothing is due: {said:?}");
    let before = workspace.snapshot();
    run(&workspace, "recover").succeeded();
    before.assert_is(&workspace.snapshot(), "recover, of a state that needs it not");
}

#[test]
fn a_daemon_that_was_verified_still_is_where_it_was_dialed() {
    let port = Daemon::free_port();
    let workspace = Workspace::with_state_for(port);
    let _daemon = Daemon::start(&workspace, port, &[]);
    run(&workspace, "verify builder").succeeded();
    let lost = inventory(&workspace);
    std::fs::remove_file(workspace.path("state/kitcert.yaml")).unwrap();
    let said = run(&workspace, "recover").succeeded();
    assert!(!said.out.contains("is a guess"), "{said:?}");
    assert_eq!(inventory(&workspace), lost);
    let said = run(&workspace, "rotate").succeeded();
    assert!(said.out.contains("every daemon is verified"), "{said:?}");
    run(&workspace, "verify builder").succeeded();
}

#[test]
fn recover_is_for_a_state_that_has_lost_something() {
    let workspace = Workspace::new();
    let said = run(&workspace, "recover").ended_with(1);
    assert!(said.err.contains("to create a CA on this machine: kitcert init"), "{said:?}");
    run(&workspace, "request zoe").succeeded();
    run(&workspace, "recover").ended_with(1);
    run(&workspace, "init --host b.example.com").succeeded();
}

/// Whoever is killed has written nothing, or all of it: then there is nothing left to recover.
#[test]
fn recover_survives() {
    let (workspace, lost) = remains();
    let finished = |workspace: &Workspace| assert_eq!(inventory(workspace), lost);
    survives("recover_survives", &Scenario::new(&workspace, &["recover"], &finished));
}
