//! `rotate` and `rollback` without a rollover: what is renewed, with which key, what is only told of,
//! and what is cleared away.

use crate::model::numbered;
use std::path::Path;

use super::{INVENTORY, State, authority, days, fresh_key, identity, name, now, observed, seconds, user};
use crate::layout::Inventory;
use crate::model::{ExitCode, Failure, KeyAlgorithm, RenewBefore, Role, Timestamp, Validity};
use crate::pki::{Certificate, LeafRequest, PrivateKey, PublicKey, Receipt};
use crate::plan::{
    Confirmation, KeyRenewal, KeySource, Plan, Reason, RotateRequest, Rotation, RotationAction,
    RotationFacts, RotationScope, StateStep, confirm, rotate,
};
use crate::store::{HeldBy, KeyPresence, Observation};

pub(super) fn asked() -> RotateRequest {
    RotateRequest::new(user())
}

fn rotated(state: &State, request: &RotateRequest) -> Result<Rotation, Failure> {
    rotate(request, &state.observation, &RotationFacts::default(), now())
}

/// What is said of everybody: kind, name, action, reason.
pub(super) fn told(rotation: &Rotation) -> Vec<String> {
    let told = rotation.rows.iter();
    told.map(|row| format!("{} {} {}: {}", row.kind, row.name, row.action.as_str(), row.why())).collect()
}

fn due(leaf: &Certificate) -> Timestamp {
    RenewBefore::Third.due_from(leaf.validity(), leaf.serial())
}

#[test]
fn each_action_has_its_word() {
    use RotationAction::*;
    let words =
        [Issued, Renewed, ToVerify, Placed, Refused, LockedOut, Distrusted, Reported].map(|one| one.as_str());
    let expected =
        ["issued", "renewed", "to verify", "placed", "refused", "locked out", "distrusted", "reported"];
    assert_eq!(words, expected);
    use Reason::*;
    let words = [Asked, Due, NotIssued, HostsChanged, Rollover].map(|one| one.as_str());
    assert_eq!(words, ["asked", "due", "not issued", "hosts changed", "another CA"]);
}

#[test]
fn nothing_due_is_nothing_done_and_nothing_said() {
    let state = State::new();
    let rotation = rotated(&state, &asked()).unwrap();
    assert!(rotation.is_empty() && rotation.rows.is_empty() && !rotation.rolls_over);
}

#[test]
fn what_is_due_is_renewed_from_its_second_on() {
    let state = State::new();
    let leaf = state.client("ana").leaf();
    let at = |at| rotate(&asked(), &state.observation, &RotationFacts::default(), at).unwrap();
    assert!(at(due(leaf).minus(seconds(1))).is_empty());
    let rotation = at(due(leaf));
    assert_eq!(told(&rotation), ["client ana renewed: due"]);
    let issued = rotation.plan.issuances().next().unwrap();
    assert!(matches!(issued.key, KeySource::Kept { generation } if generation == numbered(1)));
    assert_eq!((issued.generation, rotation.clients.clone()), (numbered(2), vec![name("ana")]));
    assert_eq!(rotation.rows[0].expires, Some(issued.validity.not_after));
}

#[test]
fn what_is_listed_is_issued_and_what_is_forced_is_renewed() {
    let rotation = rotated(&State::of(INVENTORY), &asked()).unwrap();
    assert_eq!(told(&rotation), ["daemon builder issued: not issued", "client ana issued: not issued"]);
    let forced =
        RotateRequest { scope: RotationScope::Forced, names: vec!["ana".parse().unwrap()], ..asked() };
    let rotation = rotated(&State::new(), &forced).unwrap();
    assert_eq!(told(&rotation), ["client ana renewed: asked"]);
}

#[test]
fn a_name_that_nobody_has_is_refused_and_one_that_somebody_has_or_had_is_not() {
    let mut state = State::new();
    let only = |named: &str, state: &State| {
        rotated(state, &RotateRequest { names: vec![named.parse().unwrap()], ..asked() })
    };
    let refused = only("zoe", &state).unwrap_err();
    assert_eq!((refused.what_was_found().as_str(), refused.exit_code()), ("another name", ExitCode::Usage));
    state.issue_client("zoe", now(), KeyPresence::Present);
    state.issue_daemon("previous", &["previous.example.com"], now());
    for known in ["zoe", "previous", "ana", "builder"] {
        assert!(only(known, &state).is_ok(), "{known}");
    }
    let listed_alone = State::of(INVENTORY);
    for known in ["ana", "builder"] {
        assert!(only(known, &listed_alone).is_ok(), "{known}");
    }
}

#[test]
fn a_key_lives_for_a_year_from_its_first_certificate() {
    let mut state = State::new();
    state.authority = authority(500);
    state.observation.authorities = vec![observed(&state.authority)];
    state.issue_client("ana", now().minus(days(89)), KeyPresence::Present);
    let current = state.client("ana").leaf().clone();
    let key = |first: Timestamp, key: &PublicKey, request: &RotateRequest| {
        let validity = Validity { not_before: first, not_after: first.plus(days(90)) };
        let request_of_ana =
            LeafRequest { role: Role::Client, name: name("ana"), hosts: Vec::new(), validity };
        let issued = vec![current.clone(), state.authority.issue(&request_of_ana, key).unwrap()];
        let observation = Observation { issued, ..state.observation.clone() };
        let of_ana = RotateRequest { names: vec!["ana".parse().unwrap()], ..request.clone() };
        let rotation = rotate(&of_ana, &observation, &RotationFacts::default(), now()).unwrap();
        rotation.plan.issuances().next().unwrap().key.clone()
    };
    let is_kept = |key: KeySource| matches!(key, KeySource::Kept { .. });
    let (own, year_ago) = (current.public_key(), now().minus(days(365)));
    assert!(is_kept(key(year_ago, own, &asked())));
    assert!(!is_kept(key(year_ago.minus(seconds(1)), own, &asked())));
    assert!(is_kept(key(year_ago.minus(seconds(1)), &fresh_key(), &asked())), "that was another key");
    let fresh = RotateRequest { key: KeyRenewal::Fresh, ..asked() };
    assert!(!is_kept(key(now(), own, &fresh)));
}

#[test]
fn a_key_elsewhere_is_told_of_or_renewed_by_a_kit_where_that_is_wanted() {
    let mut state = State::new();
    state.issue_client("ana", now().minus(days(89)), KeyPresence::Absent);
    let rotation = rotated(&state, &asked()).unwrap();
    assert!(rotation.is_empty());
    assert!(
        told(&rotation)[0].contains("due, but its key is elsewhere: kitcert issue client ana"),
        "{rotation:?}"
    );
    let automatic = INVENTORY.replace("lifetime: 90d", "lifetime: 90d\n    renew: auto");
    state.observation.inventory = Inventory::parse(automatic.as_bytes(), Path::new("kitcert.yaml")).unwrap();
    let rotation = rotated(&state, &asked()).unwrap();
    assert_eq!(told(&rotation), ["client ana renewed: due; hand over /state/kits/ana.kit"]);
    assert_eq!((rotation.plan.waiting_kits().count(), rotation.clients.len()), (1, 0));
    let own = state.client("ana").leaf().public_key();
    let issued = rotation.plan.issuances().next().unwrap();
    assert!(matches!(&issued.key, KeySource::Requested(key) if key == own));
}

#[test]
fn a_kit_that_waits_is_told_of_until_its_client_has_it_or_nothing_lets_it_in() {
    let mut state = State::new();
    state.issue_client("ana", now(), KeyPresence::Absent);
    state.observation.waiting_kits.insert(name("ana"));
    let waits = [
        "client ana reported: hand over /state/kits/ana.kit; once it is joined: kitcert confirm ana; if nobody \
             needs it: kitcert retire client/ana",
    ];
    assert_eq!(told(&rotated(&state, &asked()).unwrap()), waits);
    let said = |named: &str| confirm(&Confirmation::Told(name(named), None), &state.observation, now());
    let plan = said("ana").unwrap();
    assert!(
        matches!(&plan.state[..], [StateStep::Hold { held, .. }] if held.generation == numbered(1)),
        "{plan:?}"
    );
    assert_eq!(said("zoe").unwrap_err().what_was_found(), "another name");
    let lapsed = RotationFacts { lapsed: [name("ana")].into(), ..RotationFacts::default() };
    let rotation = rotate(&asked(), &state.observation, &lapsed, now()).unwrap();
    assert!(!told(&rotation).contains(&waits[0].to_owned()));
}

#[test]
fn a_receipt_counts_for_a_certificate_that_was_given_and_by_its_key() {
    let mut state = State::new();
    let [own, another] = [0, 1].map(|_| PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap());
    let request = LeafRequest::new(Role::Client, name("ana"), vec![], now(), days(90));
    let [earlier, current] = [0, 1].map(|_| state.authority.issue(&request, own.public_key()).unwrap());
    let ana = identity(&state.authority, current.clone(), KeyPresence::Absent);
    state.observation.clients.insert(name("ana"), ana);
    state.observation.waiting_kits.insert(name("ana"));
    let signed = |certificate: &Certificate, key: &PrivateKey| {
        let receipt = Receipt::sign(&name("ana"), certificate, key).unwrap();
        confirm(&Confirmation::Signed(receipt), &state.observation, now())
    };
    let plan = signed(&current, &own).unwrap();
    assert!(
        matches!(&plan.state[..], [StateStep::Hold { held, .. }] if held.by == HeldBy::Receipt),
        "{plan:?}"
    );
    let found = |result: Result<Plan, Failure>| result.unwrap_err().what_was_found().to_owned();
    assert_eq!(found(signed(&current, &another)), "one signed with another key");
    assert_eq!(found(signed(&earlier, &own)), "one for another certificate");
}

#[test]
fn what_is_listed_no_more_is_told_of_for_as_long_as_it_opens_a_door() {
    let mut state = State::new();
    state.issue_client("zoe", now(), KeyPresence::Present);
    let end = state.client("zoe").leaf().validity().not_after;
    let told_at = |state: &State, at, names: &[&str]| {
        let request =
            RotateRequest { names: names.iter().map(|one| one.parse().unwrap()).collect(), ..asked() };
        let rotation = rotate(&request, &state.observation, &RotationFacts::default(), at).unwrap();
        let is_zoe = |row: &String| row.starts_with("client zoe");
        told(&rotation).into_iter().filter(is_zoe).collect::<Vec<_>>()
    };
    let words = format!(
        "client zoe reported: not in kitcert.yaml; its certificate is valid until {}; if nobody needs it: kitcert \
         retire client/zoe",
        end.date()
    );
    assert_eq!(told_at(&state, end, &[]), [words.as_str()]);
    assert_eq!(told_at(&state, now(), &["zoe"]), [words]);
    assert_eq!(told_at(&state, now(), &["ana"]), [""; 0]);
    assert_eq!(told_at(&state, end.plus(seconds(1)), &[]), [""; 0]);
    // Of a CA that no daemon trusts.
    let other_ca = authority(10);
    let leaf = state.client("zoe").leaf().clone();
    state.observation.authorities = vec![observed(&other_ca)];
    state.observation.daemons.clear();
    state.observation.clients.insert(name("zoe"), identity(&other_ca, leaf, KeyPresence::Present));
    assert_eq!(told_at(&state, now(), &["zoe"]), [""; 0]);
}

#[test]
fn a_daemon_that_is_not_verified_or_whose_copies_are_others_is_gone_on_with() {
    let mut state = State::new();
    let copies = |role, named: &str| RotationFacts {
        outdated: [(role, name(named))].into(),
        ..RotationFacts::default()
    };
    let rotation = rotate(&asked(), &state.observation, &copies(Role::Daemon, "builder"), now()).unwrap();
    assert_eq!(told(&rotation), ["daemon builder to verify: other files are installed"]);
    assert_eq!(rotation.daemons, [name("builder")]);
    let rotation = rotate(&asked(), &state.observation, &copies(Role::Client, "ana"), now()).unwrap();
    assert_eq!(told(&rotation), ["client ana placed: other files are installed"]);
    assert_eq!(rotation.clients, [name("ana")]);
    state.observation.daemons.get_mut(&name("builder")).unwrap().verified = None;
    assert_eq!(told(&rotated(&state, &asked()).unwrap()), ["daemon builder to verify: not verified yet"]);
}

#[test]
fn other_hosts_are_a_reason_and_their_order_is_none() {
    let mut state = State::new();
    state.issue_daemon("builder", &["10.0.0.5", "builder.example.com"], now());
    assert!(rotated(&state, &asked()).unwrap().is_empty());
    state.issue_daemon("builder", &["builder.example.com"], now());
    let rotation = rotated(&state, &asked()).unwrap();
    assert_eq!(told(&rotation), ["daemon builder renewed: hosts changed"]);
    assert_eq!(rotation.plan.issuances().next().unwrap().hosts.len(), 2);
}

#[test]
fn three_former_generations_stay_and_those_that_are_current_or_worked_last() {
    let mut state = State::new();
    let builder = state.observation.daemons.get_mut(&name("builder")).unwrap();
    builder.generations = (1..=8).map(numbered).collect();
    builder.last_generation = Some(numbered(8));
    builder.current.as_mut().unwrap().number = numbered(8);
    for worked in [1, 2, 8] {
        builder.history.note_worked(numbered(worked), now());
    }
    let forced =
        RotateRequest { scope: RotationScope::Forced, names: vec!["builder".parse().unwrap()], ..asked() };
    let rotation = rotated(&state, &forced).unwrap();
    let pruned: Vec<_> = rotation
        .plan
        .state
        .iter()
        .filter_map(|step| match step {
            StateStep::Prune { generation, .. } => Some(generation.number()),
            _ => None,
        })
        .collect();
    assert_eq!(pruned, [1, 3, 4, 5]);
}

#[test]
fn an_expired_certificate_is_cleared_away_an_hour_after_its_end_where_something_is_issued() {
    let mut state = State::new();
    state.issue_client("ana", now().minus(days(89)), KeyPresence::Present);
    let ended = |ago: u32| {
        let end = now().minus(seconds(ago));
        state.leaf(Role::Client, "bob", &[], Validity { not_before: end.minus(days(1)), not_after: end })
    };
    let removed = |issued: Vec<Certificate>, request: &RotateRequest| {
        let observation = Observation { issued, ..state.observation.clone() };
        let rotation = rotate(request, &observation, &RotationFacts::default(), now()).unwrap();
        let is_removal = |step: &&StateStep| matches!(step, StateStep::RemoveIssued(_));
        rotation.plan.state.iter().filter(is_removal).count()
    };
    assert_eq!(removed(vec![ended(3_601)], &asked()), 1);
    assert_eq!(removed(vec![ended(3_601), ended(9_999)], &asked()), 2);
    assert_eq!(removed(vec![ended(3_600)], &asked()), 0, "some clock may be an hour behind");
    assert_eq!(removed(vec![state.authority.certificate().clone()], &asked()), 0);
    let nothing_issued = RotateRequest { names: vec!["builder".parse().unwrap()], ..asked() };
    assert_eq!(removed(vec![ended(3_601)], &nothing_issued), 0);
    // From the first certificate of a key its age is read.
    let validity = Validity { not_before: now().minus(days(99)), not_after: now().minus(days(9)) };
    let request = LeafRequest { role: Role::Client, name: name("ana"), hosts: Vec::new(), validity };
    let own = state.authority.issue(&request, state.client("ana").leaf().public_key()).unwrap();
    assert_eq!(removed(vec![own, ended(3_601)], &asked()), 1);
}

#[test]
fn what_follows_a_rotation_is_told_place_by_place() {
    let text = INVENTORY
        .replace(
            "lifetime: 397d",
            "lifetime: 397d\n    install: {layout: buildkit, root: /srv}\n    restart: [systemctl, restart, buildkit]\n    restart_when: idle",
        )
        .replace("lifetime: 90d", "lifetime: 90d\n    installed: [/home/ana/.certs]");
    let mut state = State::of(&text);
    state.issue_daemon("builder", &["builder.example.com"], now());
    state.issue_client("ana", now().minus(days(89)), KeyPresence::Present);
    let rotation = rotated(&state, &asked()).unwrap();
    let steps = |inventory: &Inventory| {
        let steps = rotation.summary(inventory).into_iter();
        steps.map(|step| format!("{} {} {}", step.step, step.subject, step.detail)).collect::<Vec<_>>()
    };
    let all = steps(&state.observation.inventory);
    assert!(all[0].starts_with("issue daemon builder gen-0002, the key of gen-0001, until"), "{all:?}");
    let after: Vec<&str> = all.iter().skip(2).map(String::as_str).collect();
    let (_, folder) = after[0].split_once(" in ").unwrap();
    assert!(folder.starts_with("/srv/"));
    assert_eq!(
        after,
        [
            &format!("install daemon builder in {folder}"),
            "restart daemon builder systemctl restart buildkit, when no build is running; at once if the daemon does not tell",
            "verify daemon builder at tcp://builder.example.com:8372",
            "install client ana in /home/ana/.certs",
        ]
    );
    let plain = Inventory::parse(INVENTORY.as_bytes(), Path::new("kitcert.yaml")).unwrap();
    assert_eq!(steps(&plain)[2..], ["verify daemon builder at tcp://builder.example.com:8372"]);
}
