//! `init`, `issue` and `install`: what is refused, what is left as it is, and whose key is used.
use crate::model::Message;
use crate::model::numbered;

use std::path::PathBuf;

use super::{
    INVENTORY, State, authority, days, fresh_key, hosts, name, now, observed, placed, seconds, user,
};
use crate::layout::{DaemonLayout, InstallEntry, InventoryChange};
use crate::model::{ExitCode, Failure, KeyAlgorithm, Lifetime, RenewBefore, Role};
use crate::plan::{
    InitRequest, InstallDaemonRequest, InstallRequest, InventoryStep, IssueClientsRequest,
    IssueDaemonRequest, KeyChange, KeySource, Placed, PlacedState, Plan, StateStep, init, install_daemon,
    installable_generation, issue_clients, issue_daemon, refuse_unfit,
};
use crate::store::KeyPresence;

fn daemon() -> IssueDaemonRequest {
    IssueDaemonRequest { name: name("builder"), hosts: Vec::new(), endpoint: None, lifetime: None }
}

fn clients(names: &[&str]) -> IssueClientsRequest {
    IssueClientsRequest {
        names: names.iter().map(|one| name(one)).collect(),
        lifetime: None,
        requested_key: None,
        key_change: KeyChange::Refused,
        kit: None,
        user: user(),
    }
}

fn found(result: Result<Plan, Failure>) -> String {
    result.unwrap_err().what_was_found().to_string()
}

#[test]
fn what_is_named_twice_is_refused_and_named() {
    let state = State::new();
    let twice = issue_clients(&clients(&["zoe", "bob", "zoe"]), &state.observation, now()).unwrap_err();
    assert_eq!((twice.what_was_found().as_str(), twice.exit_code()), ("zoe twice", ExitCode::Usage));
    let request = IssueDaemonRequest { hosts: hosts(&["a.example", "a.example"]), ..daemon() };
    assert_eq!(found(issue_daemon(&request, &state.observation, now())), "a.example twice");
    assert!(issue_clients(&clients(&["zoe", "bob"]), &state.observation, now()).is_ok());
}

#[test]
fn a_listed_daemon_is_issued_as_it_is_listed_or_not_at_all() {
    let state = State::new();
    let asked = |request: IssueDaemonRequest| issue_daemon(&request, &state.observation, now());
    let same = IssueDaemonRequest {
        hosts: hosts(&["builder.example.com", "10.0.0.5"]),
        endpoint: Some("tcp://builder.example.com:8372".parse().unwrap()),
        lifetime: Some(days(397)),
        ..daemon()
    };
    assert!(asked(same).unwrap().is_empty());
    let other_hosts = IssueDaemonRequest { hosts: hosts(&["10.0.0.5", "10.0.0.6"]), ..daemon() };
    assert_eq!(found(asked(other_hosts)), "10.0.0.5, 10.0.0.6");
    let endpoint = Some("tcp://builder.example.com:1234".parse().unwrap());
    assert_eq!(found(asked(IssueDaemonRequest { endpoint, ..daemon() })), "tcp://builder.example.com:1234");
    let lifetime = Some(days(30));
    assert_eq!(found(asked(IssueDaemonRequest { lifetime, ..daemon() })), "30d");
}

#[test]
fn a_daemon_is_issued_again_when_it_is_due_and_not_a_second_before() {
    let state = State::new();
    let leaf = state.observation.current(Role::Daemon, &name("builder")).unwrap().leaf();
    let due = RenewBefore::Third.due_from(leaf.validity(), leaf.serial());
    assert!(issue_daemon(&daemon(), &state.observation, due.minus(seconds(1))).unwrap().is_empty());
    let plan = issue_daemon(&daemon(), &state.observation, due).unwrap();
    let issuance = plan.issuances().next().unwrap();
    assert!(matches!(issuance.key, KeySource::Kept { generation } if generation == numbered(1)));
    assert_eq!(issuance.generation, numbered(2));
    let mut keyless = State::new();
    let builder = keyless.observation.daemons.get_mut(&name("builder")).unwrap();
    builder.current.as_mut().unwrap().key = KeyPresence::Absent;
    let plan = issue_daemon(&daemon(), &keyless.observation, now().plus(days(390))).unwrap();
    assert!(matches!(plan.issuances().next().unwrap().key, KeySource::New(KeyAlgorithm::EcdsaP256)));
}

#[test]
fn a_client_keeps_its_lifetime_and_its_key() {
    let mut state = State::new();
    let asked =
        |request: &IssueClientsRequest, state: &State| issue_clients(request, &state.observation, now());
    let other = IssueClientsRequest { lifetime: Some(days(30)), ..clients(&["ana"]) };
    assert_eq!(found(asked(&other, &state)), "30d");
    let same = IssueClientsRequest { lifetime: Some(days(90)), ..clients(&["ana"]) };
    assert!(asked(&same, &state).unwrap().is_empty());

    let key = fresh_key();
    let bring = |key_change| IssueClientsRequest {
        requested_key: Some(key.clone()),
        key_change,
        ..clients(&["ana"])
    };
    assert!(found(asked(&bring(KeyChange::Refused), &state)).starts_with("another"));
    let plan = asked(&bring(KeyChange::Accepted), &state).unwrap();
    let issued = plan.issuances().next().unwrap();
    assert!(matches!(&issued.key, KeySource::Requested(requested) if *requested == key));

    // Its own key again is not another.
    let own = Some(state.client("ana").leaf().public_key().clone());
    let request = IssueClientsRequest { requested_key: own, ..clients(&["ana"]) };
    assert!(asked(&request, &state).unwrap().is_empty());
    state.issue_client("ana", now().minus(days(89)), KeyPresence::Present);
    let own = Some(state.client("ana").leaf().public_key().clone());
    let request = IssueClientsRequest { requested_key: own, ..clients(&["ana"]) };
    assert_eq!(asked(&request, &state).unwrap().issuances().count(), 1);
}

#[test]
fn a_due_clients_key_is_kept_where_it_is_here_and_certified_again_where_it_is_not() {
    for key in [KeyPresence::Present, KeyPresence::Absent] {
        let mut state = State::new();
        state.issue_client("ana", now().minus(days(89)), key);
        let plan = issue_clients(&clients(&["ana"]), &state.observation, now()).unwrap();
        let issued = plan.issuances().next().unwrap();
        let own = state.client("ana").leaf().public_key();
        match key {
            KeyPresence::Present => {
                assert!(matches!(issued.key, KeySource::Kept { generation } if generation == numbered(1)))
            }
            KeyPresence::Absent => assert!(matches!(&issued.key, KeySource::Requested(key) if key == own)),
        }
        assert_eq!(plan.waiting_kits().count(), usize::from(key == KeyPresence::Absent));
    }
}

#[test]
fn why_no_ca_can_sign_is_said() {
    let issue = |state: &State, at| found(issue_clients(&clients(&["zoe"]), &state.observation, at));
    let mut state = State::new();
    let validity = state.authority.certificate().validity();
    let after = validity.not_after.plus(seconds(1));
    assert_eq!(issue(&state, after), format!("one that expired on {}", validity.not_after.date()));
    let before = validity.not_before.minus(seconds(1));
    assert!(issue(&state, before).starts_with(&format!("one that is valid from {}", validity.not_before)));
    assert!(issue_clients(&clients(&["zoe"]), &state.observation, now()).is_ok());
    state.observation.authorities[0].key = KeyPresence::Absent;
    let identifier = state.observation.authorities[0].id.clone();
    assert_eq!(issue(&state, now()), format!("no key.pem in ca/{identifier}"));
    assert_eq!(issue(&state, after), format!("no key.pem in ca/{identifier}"));
    state.observation.authorities.clear();
    assert_eq!(issue(&state, now()), "no CA");
}

fn initial() -> InitRequest {
    InitRequest {
        state: PathBuf::from("/state"),
        hosts: hosts(&["builder.example.com", "10.0.0.5"]),
        name: name("builder"),
        clients: vec![name("ana")],
        endpoint: None,
        authority_name: "Test".parse().unwrap(),
        authority_lifetime: "10y".parse().unwrap(),
        daemon_lifetime: Some(days(397)),
        client_lifetime: Some(days(90)),
        contact: None,
        key: KeyAlgorithm::EcdsaP256,
        install: None,
        import: None,
        adopted: None,
    }
}

#[test]
fn a_ca_lives_twice_as_long_as_the_longest_leaf() {
    let lasting = |seconds: u32| InitRequest {
        authority_lifetime: Lifetime::from_seconds(seconds),
        daemon_lifetime: Some(Lifetime::from_seconds(1_000)),
        client_lifetime: Some(Lifetime::from_seconds(3_000)),
        ..initial()
    };
    let plan = init(&lasting(6_000), None, None, now()).unwrap();
    assert_eq!(plan.issuances().count(), 2, "the daemon's and the first client's");
    assert_eq!(found(init(&lasting(5_999), None, None, now())), "1h39m59s");
}

#[test]
fn the_same_init_again_plans_nothing_and_another_names_its_difference() {
    let state = State::new();
    let again = |request: &InitRequest| init(request, Some(&state.observation), None, now());
    assert!(again(&initial()).unwrap().is_empty());
    let differing = |request: InitRequest| again(&request).unwrap_err();
    let daemon = differing(InitRequest { name: name("other"), ..initial() });
    assert_eq!(
        (daemon.what_was_found().as_str(), daemon.what_was_expected().as_str()),
        ("other", "the daemon that it was made with (builder)")
    );
    let hint = "kitcert issue daemon other --host builder.example.com --host 10.0.0.5";
    assert_eq!(daemon.remedy().map(Message::as_str), Some(hint));
    let install =
        |root: &str| Some(InstallRequest { layout: DaemonLayout::ALL[0], root: PathBuf::from(root) });
    let mut installed = State::new();
    let builder = installed.observation.inventory.daemons.get_mut(&name("builder")).unwrap();
    builder.install = Some(InstallEntry {
        layout: DaemonLayout::ALL[0],
        root: PathBuf::from("/"),
        owner: None,
        key_group: None,
    });
    let placed = |root| {
        init(&InitRequest { install: install(root), ..initial() }, Some(&installed.observation), None, now())
    };
    assert!(placed("/").unwrap().is_empty());
    assert!(placed("/mnt").unwrap_err().what_was_found().ends_with("under /mnt"));
    let hosts = differing(InitRequest { hosts: hosts(&["10.0.0.6"]), ..initial() });
    assert_eq!(hosts.what_was_expected(), "the hosts that it was made with (builder.example.com, 10.0.0.5)");
    let client = differing(InitRequest { clients: vec![name("zoe")], ..initial() });
    assert_eq!(client.what_was_expected(), "the clients that it was made with (ana)");
    let lifetime = differing(InitRequest { client_lifetime: Some(days(30)), ..initial() });
    assert_eq!(lifetime.what_was_found(), "30d");
}

#[test]
fn where_an_init_again_installs_is_noted() {
    let state = State::new();
    let install = InstallRequest { layout: DaemonLayout::ALL[0], root: PathBuf::from("/") };
    let request = InitRequest { install: Some(install), ..initial() };
    let plan = init(&request, Some(&state.observation), None, now()).unwrap();
    let [StateStep::Inventory(InventoryStep::Edit(changes))] = plan.state.as_slice() else {
        panic!("{:?}", plan.state)
    };
    assert!(matches!(&changes[..], [InventoryChange::SetInstall(daemon, _)] if *daemon == name("builder")));
}

#[test]
fn only_a_client_whose_key_is_here_is_installed() {
    let mut state = State::new();
    let refused = |state: &State, named: &str| {
        installable_generation(&name(named), &state.observation)
            .err()
            .map(|one| one.what_was_found().to_owned())
    };
    assert_eq!(refused(&state, "ana"), None);
    assert_eq!(refused(&state, "zoe").as_deref(), Some("none"));
    state.issue_client("zoe", now(), KeyPresence::Absent);
    assert!(refused(&state, "zoe").unwrap().starts_with("a certificate without a key"));
}

#[test]
fn an_installation_is_noted_once_and_places_what_is_outdated() {
    let mut state = State::new();
    let asked = |named: &str, root: &str| InstallDaemonRequest {
        name: name(named),
        install: InstallRequest { layout: DaemonLayout::ALL[0], root: PathBuf::from(root) },
        owner: None,
        key_group: None,
    };
    let plan = |state: &State, request: &InstallDaemonRequest, there| {
        let plan = install_daemon(request, &state.observation, &placed(there)).unwrap();
        (plan.state.len(), plan.placements.len())
    };
    assert_eq!(plan(&state, &asked("builder", "/"), PlacedState::Outdated), (1, 1));
    let entry = state.observation.inventory.daemons.get_mut(&name("builder")).unwrap();
    entry.install = Some(InstallEntry {
        layout: DaemonLayout::ALL[0],
        root: PathBuf::from("/"),
        owner: None,
        key_group: None,
    });
    assert_eq!(plan(&state, &asked("builder", "/"), PlacedState::Outdated), (0, 1));
    assert_eq!(plan(&state, &asked("builder", "/srv"), PlacedState::Outdated), (1, 1));
    assert_eq!(plan(&state, &asked("builder", "/"), PlacedState::UpToDate), (0, 0));
    let nobody = install_daemon(&asked("zoe", "/"), &state.observation, &placed(PlacedState::Outdated));
    assert_eq!(found(nobody), "none");
}

#[test]
fn a_daemons_files_go_over_its_own_and_over_no_others() {
    let state = State::new();
    let own = state.observation.current(Role::Daemon, &name("builder")).unwrap().leaf().clone();
    let refused = |daemon: &str, current, observation| {
        let placed = Placed { current, ..placed(PlacedState::Outdated) };
        refuse_unfit(&name(daemon), &placed, observation).is_err()
    };
    let observation = Some(&state.observation);
    assert!(!refused("builder", Some(own.clone()), observation));
    assert!(!refused("other", None, observation));
    for other in ["other", "builder2"] {
        assert!(refused(other, Some(own.clone()), observation), "of this state, and another daemon's");
    }
    assert!(refused("builder", Some(own.clone()), None), "there is no state yet");
    let mut other_state = State::of(INVENTORY);
    other_state.observation.authorities = vec![observed(&authority(10))];
    assert!(
        refused("builder", Some(own), Some(&other_state.observation)),
        "of another CA, with the same name"
    );
}
