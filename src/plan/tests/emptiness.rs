//! Whether a plan does anything at all.

use crate::model::numbered;
use std::path::PathBuf;

use super::name;
use crate::model::Role;
use crate::plan::steps::{ConfigStep, HandoverStep, PlacementStep};
use crate::plan::{Handover, KeyRemoval, Plan, Rotation, StateStep};

fn nothing() -> Plan {
    Plan::default()
}

#[test]
fn a_plan_that_does_one_thing_is_not_empty() {
    let path = || PathBuf::from("/somewhere");
    let placement = PlacementStep {
        role: Role::Client,
        name: name("ana"),
        folder: path(),
        generation: numbered(1),
        links: vec![],
    };
    let config = ConfigStep { path: path(), before: None, after: vec![], keys: vec![] };
    let handover = HandoverStep { path: path(), content: Handover::Request(name("ana")) };
    let removal = KeyRemoval { name: name("ana"), last_generation: numbered(1) };
    assert!(nothing().is_empty());
    for plan in [
        Plan { state: vec![StateStep::EndRollover(vec![])], ..nothing() },
        Plan { placements: vec![placement], ..nothing() },
        Plan { config: Some(config), ..nothing() },
        Plan { handover: Some(handover), ..nothing() },
        Plan { removals: vec![removal], ..nothing() },
    ] {
        assert!(!plan.is_empty(), "{plan:?}");
        assert!(!Rotation { plan, ..Rotation::default() }.is_empty());
    }
}

#[test]
fn a_rotation_that_only_proves_or_replaces_copies_is_not_empty() {
    let somebody = || vec![name("builder")];
    assert!(Rotation::default().is_empty());
    assert!(!Rotation { daemons: somebody(), ..Rotation::default() }.is_empty());
    assert!(!Rotation { clients: somebody(), ..Rotation::default() }.is_empty());
}
