//! For which daemon a kit is, whom it names, and what is said of one that leads nowhere.

use crate::model::numbered;
use std::path::PathBuf;

use super::{INVENTORY, State, days, fresh_key, name, now, user};
use crate::layout::InventoryChange;
use crate::model::{Endpoint, Failure, Role, Rule};
use crate::plan::{
    Handover, InventoryStep, InviteRequest, IssueClientsRequest, KeyChange, KeySource, KitRequest, KitTerms,
    Plan, StateStep, invite, issue_clients,
};
use crate::store::KeyPresence;

fn kit(endpoint: Option<&str>) -> KitRequest {
    KitRequest {
        path: PathBuf::from("kit"),
        endpoint: endpoint.map(|endpoint| endpoint.parse().unwrap()),
        contact: None,
        join_within: days(14),
    }
}

fn inviting(state: &State, named: &str, kit: KitRequest) -> Result<Plan, Failure> {
    let request = InviteRequest { name: name(named), lifetime: None, kit, user: user() };
    invite(&request, &fresh_key(), &state.observation, now())
}

fn terms(plan: &Plan) -> &KitTerms {
    match &plan.handover.as_ref().unwrap().content {
        Handover::Kit(terms) | Handover::KitWithKey(terms) => terms,
        Handover::Request(_) => panic!("a request is handed over"),
    }
}

/// What kitcert.yaml is told of endpoints.
fn noted(plan: &Plan) -> Vec<(String, Option<Endpoint>)> {
    let edits = plan.state.iter().filter_map(|step| match step {
        StateStep::Inventory(InventoryStep::Edit(changes)) => Some(changes),
        _ => None,
    });
    edits
        .flatten()
        .map(|change| match change {
            InventoryChange::AddClients(added) => {
                (format!("add {}", added[0].0), added[0].1.endpoint.clone())
            }
            InventoryChange::SetEndpoint(name, endpoint) => (format!("set {name}"), Some(endpoint.clone())),
            _ => ("another".to_owned(), None),
        })
        .collect()
}

const ONLY: &str = "tcp://builder.example.com:8372";
const OTHER: &str = "tcp://other.example.com:8372";

#[test]
fn a_kit_is_for_the_only_daemon_or_for_the_one_that_was_named() {
    let state = State::new();
    let plan = inviting(&state, "ana", kit(None)).unwrap();
    assert_eq!(terms(&plan).endpoint.to_string(), ONLY);
    assert_eq!((terms(&plan).created, terms(&plan).join_before), (now(), now().plus(days(14))));
    assert_eq!(terms(&plan).contact, user());
    assert_eq!(terms(&inviting(&state, "ana", kit(Some(OTHER))).unwrap()).endpoint.to_string(), OTHER);

    let two = INVENTORY.replace(
        "clients:",
        "  second:\n    hosts: [second.example.com]\n    endpoint: tcp://second.example.com:8372\nclients:",
    );
    let state = State::of(&two);
    let refused = inviting(&state, "ana", kit(None)).unwrap_err();
    assert_eq!(refused.what_was_found(), "neither, and 2 daemons");
    let state = State::of(&two.replace("lifetime: 90d", &format!("lifetime: 90d\n    endpoint: {OTHER}")));
    assert_eq!(terms(&inviting(&state, "ana", kit(None)).unwrap()).endpoint.to_string(), OTHER);
}

#[test]
fn an_endpoint_is_noted_where_kitcert_yaml_would_not_lead_to_it() {
    let state = State::new();
    let note = |state: &State, named, endpoint| noted(&inviting(state, named, kit(endpoint)).unwrap());
    let other: Option<Endpoint> = Some(OTHER.parse().unwrap());
    assert_eq!(note(&state, "ana", None), []);
    assert_eq!(note(&state, "ana", Some(ONLY)), [], "the only daemon needs no note");
    assert_eq!(note(&state, "ana", Some(OTHER)), [("set ana".to_owned(), other.clone())]);
    assert_eq!(note(&state, "zoe", None), [("add zoe".to_owned(), None)]);
    assert_eq!(note(&state, "zoe", Some(ONLY)), [("add zoe".to_owned(), None)]);
    assert_eq!(note(&state, "zoe", Some(OTHER)), [("add zoe".to_owned(), other.clone())]);
    let noted = INVENTORY.replace("lifetime: 90d", &format!("lifetime: 90d\n    endpoint: {OTHER}"));
    assert_eq!(note(&State::of(&noted), "ana", Some(OTHER)), [], "it is noted already");
    let back = [("set ana".to_owned(), Some(ONLY.parse().unwrap()))];
    assert_eq!(note(&State::of(&noted), "ana", Some(ONLY)), back);
}

#[test]
fn whoever_is_invited_gets_the_key_that_is_here_certified_anew_only_when_due() {
    let mut state = State::new();
    let plan = inviting(&state, "ana", kit(None)).unwrap();
    assert_eq!((plan.issuances().count(), plan.removals.len()), (0, 1));
    state.issue_client("ana", now().minus(days(89)), KeyPresence::Present);
    let plan = inviting(&state, "ana", kit(None)).unwrap();
    let issued: Vec<_> = plan.issuances().collect();
    assert!(matches!(issued[0].key, KeySource::Kept { generation } if generation == numbered(1)));
    assert_eq!(plan.removals[0].last_generation, numbered(2));
    state.issue_client("ana", now(), KeyPresence::Absent);
    let plan = inviting(&state, "ana", kit(None)).unwrap();
    assert!(matches!(plan.issuances().next().unwrap().key, KeySource::Requested(_)));
    assert_eq!(plan.removals.len(), 0);
}

#[test]
fn a_kit_without_a_key_is_for_whoever_has_one() {
    let mut state = State::new();
    let answer = |state: &State, requested_key| {
        let request = IssueClientsRequest {
            names: vec![name("ana")],
            lifetime: None,
            requested_key,
            key_change: KeyChange::Refused,
            kit: Some(kit(None)),
            user: user(),
        };
        issue_clients(&request, &state.observation, now())
    };
    assert_eq!(answer(&state, None).unwrap_err().what_was_found(), "one whose key is made here");
    state.issue_client("ana", now(), KeyPresence::Absent);
    let plan = answer(&state, None).unwrap();
    assert!(matches!(plan.handover.unwrap().content, Handover::Kit(_)));
    let own = state.observation.current(Role::Client, &name("ana")).unwrap().leaf().public_key().clone();
    assert!(answer(&state, Some(own)).unwrap().handover.is_some());
}

#[test]
fn a_kit_that_leads_nowhere_is_told_of() {
    let inventory = INVENTORY.replace("10.0.0.5]", "10.0.0.5, \"*.wild.example.com\"]");
    let state = State::of(&inventory);
    let rules = |endpoint: &str| {
        let plan = inviting(&state, "ana", kit(Some(endpoint))).unwrap();
        let findings = terms(&plan).findings(&state.observation.inventory);
        findings.into_iter().map(|finding| finding.rule).collect::<Vec<_>>()
    };
    for good in [ONLY, "tcp://10.0.0.5:8372", "tcp://one.wild.example.com:1"] {
        assert_eq!(rules(good), [], "{good}");
    }
    for other in [OTHER, "tcp://10.0.0.6:8372", "tcp://wild.example.com:1"] {
        assert_eq!(rules(other), [Rule::ServerNameMismatch], "{other}");
    }
    for own in ["tcp://127.0.0.1:8372", "tcp://localhost:8372"] {
        assert_eq!(rules(own), [Rule::LoopbackHost], "{own}");
    }
}
