//! What a record of a verification is worth, and where a rollback goes.

use super::{INVENTORY, State, days, name, now, seconds};
use std::collections::BTreeMap;

use crate::layout::Inventory;
use crate::model::profile::VERIFY_EVERY;
use crate::model::{ExitCode, Fingerprint, IdentityName, Role, Timestamp, Validity, numbered};
use crate::plan::verification::{Staleness, VerificationState};
use crate::plan::{
    EarlierGeneration, IdentityState, RotateRequest, RotationFacts, fallback, rollback, rotate, status,
    verification, whose,
};
use crate::probe::DIAL_LIST_VERSION;
use crate::store::{KeyPresence, ObservedGeneration, VerifiedRecord};

fn staleness(state: &State, at: Timestamp) -> Option<Staleness> {
    match verification(&state.observation, &name("builder"), at) {
        VerificationState::Verified(_) => None,
        VerificationState::Stale(_, why) => Some(why),
        VerificationState::Unknown => panic!("there is a record"),
    }
}

/// The reason after the record was changed.
fn changed(change: impl FnOnce(&mut VerifiedRecord)) -> Option<Staleness> {
    let mut state = State::new();
    let daemon = state.observation.daemons.get_mut(&name("builder")).unwrap();
    change(daemon.verified.as_mut().unwrap());
    let row = status(&state.observation, &BTreeMap::new(), now())
        .into_iter()
        .find(|row| row.kind == "daemon")
        .unwrap();
    let why = staleness(&state, now());
    assert_eq!(row.state, if why.is_some() { IdentityState::NotVerified } else { IdentityState::Ok });
    assert_eq!(row.verified, Some(why.is_none()));
    assert_eq!(row.verification.unwrap().stale.is_some(), why.is_some());
    let rotation = rotate(&RotateRequest::new(super::user()), &state.observation, &facts(), now()).unwrap();
    assert_eq!(rotation.daemons.is_empty(), why.is_none(), "what is stale is verified again");
    assert_eq!(rotation.verified_again.is_empty(), why.is_none(), "and is not restarted if that is enough");
    why
}

fn facts() -> RotationFacts {
    RotationFacts::default()
}

#[test]
fn a_record_counts_for_exactly_what_it_was_made_of() {
    let other = Fingerprint::new([9; 32]);
    assert_eq!(changed(|_| {}), None);
    assert_eq!(changed(|record| record.generation = numbered(2)), Some(Staleness::Generation(numbered(2))));
    assert_eq!(changed(|record| record.leaf = other), Some(Staleness::Leaf));
    assert_eq!(changed(|record| record.bundle = other), Some(Staleness::Bundle));
    let endpoint = "tcp://builder.example.com:8373".parse().unwrap();
    assert_eq!(changed(|record| record.endpoint = endpoint), Some(Staleness::Endpoint));
    let name = "10.0.0.5".parse().unwrap();
    assert_eq!(changed(|record| record.server_name = name), Some(Staleness::Endpoint));
    assert_eq!(changed(|record| drop(record.hosts.pop())), Some(Staleness::Hosts));
    assert_eq!(changed(|record| record.hosts.reverse()), None, "their order does not count");
    let address = "10.0.0.5".parse().unwrap();
    assert_eq!(changed(|record| record.narrowed_to = vec![address]), Some(Staleness::Addresses));
    for version in [DIAL_LIST_VERSION - 1, DIAL_LIST_VERSION + 1] {
        assert_eq!(changed(|record| record.dial_list = version), Some(Staleness::DialList));
    }
    assert_eq!(changed(|record| record.verified_at = now().plus(seconds(1))), Some(Staleness::Future));
    assert_eq!(changed(|record| record.verified_at = now().minus(days(30))), None);
}

#[test]
fn a_record_counts_until_it_is_too_old_by_the_daemons_entry_the_files_or_the_default() {
    let inventory = |text: &str| Inventory::parse(text.as_bytes(), "kitcert.yaml".as_ref()).unwrap();
    let plain = INVENTORY.replace("verify_every: 100y\n", "");
    let of_all = INVENTORY.replace("100y", "7d");
    let of_one = of_all.replace("lifetime: 397d\n", "lifetime: 397d\n    verify_every: 12h\n");
    for (text, limit) in [(plain, VERIFY_EVERY), (of_all, days(7)), (of_one, "12h".parse().unwrap())] {
        let mut state = State::new();
        state.observation.inventory = inventory(&text);
        assert_eq!(staleness(&state, now().plus(limit)), None);
        let late = now().plus(limit).plus(seconds(1));
        assert_eq!(staleness(&state, late), Some(Staleness::Age(limit)));
    }
}

#[test]
fn a_daemon_that_is_not_listed_is_compared_by_its_files_alone() {
    let mut state = State::new();
    state.observation.inventory.daemons.clear();
    assert_eq!(staleness(&state, now().plus(days(300))), None, "nobody can verify it again");
    state.observation.daemons.get_mut(&name("builder")).unwrap().verified.as_mut().unwrap().generation =
        numbered(2);
    assert_eq!(staleness(&state, now()), Some(Staleness::Generation(numbered(2))));
}

#[test]
fn a_rotation_of_another_names_the_daemons_that_are_not_verified() {
    let mut state = State::new();
    let mut of_ana = RotateRequest::new(super::user());
    of_ana.names = vec!["ana".parse().unwrap()];
    let unverified = |state: &State| {
        let rotation = rotate(&of_ana, &state.observation, &facts(), now()).unwrap();
        assert!(rotation.is_empty());
        rotation.unverified
    };
    assert_eq!(unverified(&state), [] as [IdentityName; 0]);
    state.observation.daemons.get_mut(&name("builder")).unwrap().verified = None;
    assert_eq!(unverified(&state), [name("builder")]);
}

/// Earlier generations of `builder` with those numbers, each good now and for today's hosts.
fn earlier(state: &State, numbers: &[u32]) -> Vec<EarlierGeneration> {
    let current = state.observation.daemons[&name("builder")].current.clone().unwrap();
    let of = |number: &u32| EarlierGeneration {
        number: numbered(*number),
        files: Some(ObservedGeneration { number: numbered(*number), ..current.clone() }),
    };
    numbers.iter().map(of).collect()
}

/// A daemon of which these generations have worked, in that order, and that one is current.
fn having_worked(current: u32, worked: &[u32]) -> State {
    let mut state = State::new();
    let builder = state.observation.daemons.get_mut(&name("builder")).unwrap();
    builder.current.as_mut().unwrap().number = numbered(current);
    builder.history = Default::default();
    for generation in worked {
        builder.history.note_worked(numbered(*generation), now());
    }
    state
}

#[test]
fn a_rollback_goes_to_what_worked_last() {
    for (current, worked, expected) in [
        (4, &[2][..], Some(2)),
        (4, &[2, 4], Some(2)),
        (4, &[1, 2, 3], Some(3)),
        (4, &[3, 1], Some(1)),
        (2, &[4], Some(4)),
        (4, &[], None),
        (4, &[4], None),
    ] {
        let state = having_worked(current, worked);
        let numbers: Vec<u32> = (1..=4).filter(|number| *number != current).collect();
        let earlier = earlier(&state, &numbers);
        let planned = rollback((Role::Daemon, &name("builder")), &state.observation, &earlier, now());
        assert_eq!(planned.ok().map(|one| one.from.number()), expected, "{current} {worked:?}");
        let by_itself = fallback(&name("builder"), &state.observation, &earlier, now());
        let is_the_cause = !worked.contains(&current);
        assert_eq!(
            by_itself.map(|one| one.from.number()),
            expected.filter(|_| is_the_cause),
            "{current} {worked:?}"
        );
    }
}

#[test]
fn a_rollback_says_what_stands_against_each_generation() {
    let mut state = having_worked(6, &[1, 2, 3, 4]);
    state.observation.daemons.get_mut(&name("builder")).unwrap().history.note_refuted(numbered(4));
    let mut earlier = earlier(&state, &[1, 2, 3, 4, 5]);
    let of = |state: &State, hosts: &[&str], validity| {
        let leaf = state.leaf(Role::Daemon, "builder", hosts, validity);
        vec![leaf]
    };
    let good = Validity { not_before: now().minus(days(1)), not_after: now().plus(days(1)) };
    let over = Validity { not_before: now().minus(days(2)), not_after: now().minus(days(1)) };
    earlier[0].files = None;
    earlier[1].files.as_mut().unwrap().chain = of(&state, &["builder.example.com", "10.0.0.5"], over);
    earlier[2].files.as_mut().unwrap().chain = of(&state, &["builder.example.com"], good);
    earlier[2].files.as_mut().unwrap().key = KeyPresence::Absent;
    let failure =
        rollback((Role::Daemon, &name("builder")), &state.observation, &earlier, now()).unwrap_err();
    let found = failure.what_was_found();
    for part in [
        "gen-0001 cannot be read".to_owned(),
        format!("gen-0002 is valid from {} until {}", over.not_before, over.not_after),
        "gen-0003 has no key, does not name 10.0.0.5".to_owned(),
        "gen-0004 was the cause of a failure".to_owned(),
        "gen-0005 was never verified".to_owned(),
    ] {
        assert!(found.contains(&part), "{part} is not in {found}");
    }
    assert_eq!(failure.exit_code(), ExitCode::Failed);
}

#[test]
fn a_rollback_of_whom_nobody_or_two_have_the_name_is_refused() {
    let mut state = State::new();
    let back = |state: &State, named: &str| {
        let name = name(named);
        let role = whose("rollback", &name, None, &state.observation);
        role.and_then(|role| rollback((role, &name), &state.observation, &[], now())).unwrap_err()
    };
    assert_eq!(back(&state, "builder").what_was_found(), "none");
    assert_eq!(back(&state, "zoe").exit_code(), ExitCode::Usage);
    state.issue_client("builder", now(), KeyPresence::Present);
    assert_eq!(back(&state, "builder").what_was_found(), "a daemon and a client");
    state.observation.clients.remove(&name("builder"));
    state.observation.inventory.daemons.clear();
    assert_eq!(back(&state, "builder").what_was_found(), "one that it does not list");
}

#[test]
fn a_rollback_of_a_client_goes_to_the_newest_before_the_current() {
    let mut state = State::new();
    let ana = state.observation.clients.get_mut(&name("ana")).unwrap();
    ana.current.as_mut().unwrap().number = numbered(3);
    let validity = Validity { not_before: now().minus(days(1)), not_after: now().plus(days(1)) };
    let files = |number| ObservedGeneration {
        number,
        chain: vec![state.leaf(Role::Client, "ana", &[], validity)],
        ..state.client("ana").clone()
    };
    let earlier: Vec<_> =
        [1, 2, 4].map(numbered).map(|number| EarlierGeneration { number, files: Some(files(number)) }).into();
    assert_eq!(
        rollback((Role::Client, &name("ana")), &state.observation, &earlier, now()).unwrap().from,
        numbered(2)
    );
    // Its certificate is that of gen-0001: who went back there goes back no further.
    let current = state.observation.clients[&name("ana")].current.clone().unwrap();
    let first = EarlierGeneration {
        number: numbered(1),
        files: Some(ObservedGeneration { number: numbered(1), ..current }),
    };
    let earlier = [first, earlier[1].clone()];
    assert!(rollback((Role::Client, &name("ana")), &state.observation, &earlier, now()).is_err());
}
