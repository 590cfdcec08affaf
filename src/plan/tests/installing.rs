//! What is placed for a client and its tool, and where that is noted.

use std::path::Path;

use super::{INVENTORY, State, name, placed};
use crate::layout::InventoryChange;
use crate::model::Role;
use crate::plan::{
    InstallClientRequest, InventoryStep, ManagedDaemonRequest, PlacedState, StateStep, install_client,
    note_installed,
};

#[test]
fn only_what_is_outdated_is_placed_and_the_daemon_that_the_tool_starts_with_it() {
    let planned = |client, daemon: Option<PlacedState>| {
        let daemon =
            daemon.map(|state| ManagedDaemonRequest { name: name("builder"), placed: placed(state) });
        let request = InstallClientRequest { name: name("ana"), config: None, daemon };
        let plan = install_client(&request, &placed(client)).unwrap();
        plan.placements.iter().map(|step| (step.role, step.generation.number())).collect::<Vec<_>>()
    };
    use PlacedState::{Outdated, UpToDate};
    assert_eq!(planned(UpToDate, None), []);
    assert_eq!(planned(Outdated, None), [(Role::Client, 4)]);
    assert_eq!(planned(Outdated, Some(UpToDate)), [(Role::Client, 4)]);
    assert_eq!(planned(UpToDate, Some(Outdated)), [(Role::Daemon, 4)]);
    assert_eq!(planned(Outdated, Some(Outdated)), [(Role::Client, 4), (Role::Daemon, 4)]);
}

#[test]
fn where_files_are_installed_is_noted_once_of_whom_kitcert_yaml_lists() {
    let (certs, other) = (Path::new("/certs"), Path::new("/other"));
    let noted = |state: &State, client: &str, daemon: Option<&str>, folder: &Path| {
        let daemon = daemon.map(name);
        match note_installed(&name(client), daemon.as_ref(), folder, &state.observation) {
            None => Vec::new(),
            Some(StateStep::Inventory(InventoryStep::Edit(changes))) => {
                let role = |change: &InventoryChange| match change {
                    InventoryChange::AddInstalled(role, ..) => *role,
                    _ => panic!("another change"),
                };
                changes.iter().map(role).collect()
            }
            Some(_) => panic!("another step"),
        }
    };
    let state = State::of(INVENTORY);
    assert_eq!(noted(&state, "ana", None, certs), [Role::Client]);
    assert_eq!(noted(&state, "ana", Some("builder"), certs), [Role::Client, Role::Daemon]);
    assert_eq!(noted(&state, "zoe", None, certs), [], "a client of another state");
    let state =
        State::of(&INVENTORY.replace("    lifetime: 90d\n", "    lifetime: 90d\n    installed: [/certs]\n"));
    assert_eq!(noted(&state, "ana", None, certs), [], "it says so already");
    assert_eq!(noted(&state, "ana", None, other), [Role::Client]);
    assert_eq!(noted(&state, "ana", Some("builder"), certs), [Role::Daemon]);
}
