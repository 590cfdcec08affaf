//! What `status` calls due, over, unlisted and not verified, to the second.

use std::collections::BTreeMap;

use crate::model::Message;

use super::{INVENTORY, State, authority_of, days, name, now, observed, seconds};
use crate::model::{Hex, Role, Timestamp, Validity};
use crate::plan::{IdentityState, NextStep, StatusRow, Window, next_step, status, timeline};
use crate::store::KeyPresence;

fn row(state: &State, kind: &str, at: Timestamp) -> StatusRow {
    let rows = status(&state.observation, &BTreeMap::new(), at);
    rows.into_iter().find(|row| row.kind == kind).unwrap()
}

#[test]
fn what_is_not_verified_and_all_that_is_graver_needs_attention() {
    use IdentityState::*;
    let calm = [Ok, NotListed, KitWaiting];
    let pressing = [NotVerified, Due, KitEnding, HostsChanged, NotIssued, NotYetValid, KitOverdue, Expired];
    assert!(!calm.iter().any(|state| state.needs_attention()));
    assert!(pressing.iter().all(|state| state.needs_attention()));
}

#[test]
fn each_state_has_its_words() {
    use IdentityState::*;
    let words = [Ok, NotListed, KitWaiting, NotVerified, Due, HostsChanged, NotIssued, NotYetValid, Expired]
        .map(|state| state.to_string());
    let expected = [
        "ok",
        "not listed",
        "kit waiting",
        "not verified",
        "due",
        "hosts changed",
        "not issued",
        "not yet valid",
        "expired",
    ];
    assert_eq!(words, expected);
}

#[test]
fn a_certificate_is_due_from_its_second_on_and_good_until_the_last() {
    let state = State::new();
    let found = row(&state, "client", now());
    let (due, validity) = (found.due.unwrap(), found.validity.unwrap());
    let at = |at: Timestamp| row(&state, "client", at).state;
    assert_eq!(at(due.minus(seconds(1))), IdentityState::Ok);
    assert_eq!(at(due), IdentityState::Due);
    assert_eq!(at(validity.not_after), IdentityState::Due);
    assert_eq!(at(validity.not_after.plus(seconds(1))), IdentityState::Expired);
    assert_eq!(at(validity.not_before), IdentityState::Ok);
    assert_eq!(at(validity.not_before.minus(seconds(1))), IdentityState::NotYetValid);
    assert_eq!(found.seconds_left, Some(validity.not_after.seconds_since(now())));
    assert_eq!(found.expires, Some(validity.not_after));
}

/// A CA that has lost its key is not noticed when it is too late.
#[test]
fn what_its_ca_cannot_renew_is_told_a_month_before_its_end() {
    let mut state = State::new();
    state.observation.authorities[0].key = KeyPresence::Absent;
    let current = state.observation.daemons[&name("builder")].current.as_ref().unwrap();
    let end = current.leaf().validity().not_after;
    assert_eq!(row(&state, "daemon", end.minus(days(30))).state, IdentityState::Due);
    let at = end.minus(days(30)).plus(seconds(1));
    assert_eq!(row(&state, "daemon", at).state, IdentityState::NotRenewable);
    assert!(IdentityState::NotRenewable.needs_attention());
    let rows = status(&state.observation, &BTreeMap::new(), at);
    assert_eq!(next_step(&rows, &state.observation, at), Some(NextStep::RollOver));
}

#[test]
fn a_ca_is_due_when_it_no_longer_covers_the_longest_leaf() {
    let state = State::new();
    let found = row(&state, "ca", now());
    let due = found.due.unwrap();
    assert_eq!(
        found.validity.unwrap().not_after,
        due.plus(days(397)),
        "a daemon's certificate is the longest"
    );
    let at = |at: Timestamp| row(&state, "ca", at).state;
    assert_eq!(at(due.minus(seconds(1))), IdentityState::Ok);
    assert_eq!(at(due), IdentityState::Ok);
    assert_eq!(at(due.plus(seconds(1))), IdentityState::Due);
}

#[test]
fn a_ca_and_an_issuer_are_shown_by_eight_digits() {
    let state = State::new();
    let identifier = state.authority.certificate().subject_key_identifier().unwrap();
    let (ca, client) = (row(&state, "ca", now()), row(&state, "client", now()));
    assert_eq!(ca.name, Hex(&identifier[..4]).to_string());
    assert_eq!((client.issuer, ca.issuer.as_str()), (ca.name, "self"));
}

#[test]
fn a_leaf_ends_with_its_ca() {
    let mut state = State::new();
    let end = now().plus(days(30));
    state.authority = authority_of(Validity { not_before: now().minus(days(100)), not_after: end });
    // Another CA before it in the list is not taken for the issuer.
    let other = Validity { not_before: now().minus(days(100)), not_after: now().plus(days(5)) };
    state.observation.authorities = vec![observed(&authority_of(other)), observed(&state.authority)];
    state.issue_client("ana", now().minus(days(1)), KeyPresence::Present);
    assert_eq!(row(&state, "client", now()).validity.unwrap().not_after, end);
}

#[test]
fn a_daemon_with_other_hosts_than_are_listed_is_told_whatever_their_order() {
    let mut state = State::new();
    assert_eq!(row(&state, "daemon", now()).state, IdentityState::Ok);
    state.issue_daemon("builder", &["10.0.0.5", "builder.example.com"], now());
    assert_eq!(row(&state, "daemon", now()).state, IdentityState::Ok);
    state.issue_daemon("builder", &["builder.example.com"], now());
    assert_eq!(row(&state, "daemon", now()).state, IdentityState::HostsChanged);
}

#[test]
fn a_daemon_is_verified_by_its_current_generation_and_a_client_by_none() {
    let mut state = State::new();
    assert_eq!(row(&state, "daemon", now()).verified, Some(true));
    assert_eq!(row(&state, "client", now()).verified, None);
    let builder = state.observation.daemons.get_mut(&name("builder")).unwrap();
    builder.current.as_mut().unwrap().number = crate::model::numbered(2);
    let found = row(&state, "daemon", now());
    assert_eq!((found.verified, found.state), (Some(false), IdentityState::NotVerified));
    state.observation.daemons.get_mut(&name("builder")).unwrap().verified = None;
    assert_eq!(row(&state, "daemon", now()).verified, None);
}

#[test]
fn what_is_listed_and_not_issued_or_issued_and_not_listed_is_told() {
    let mut state = State::of(INVENTORY);
    let states = |state: &State| {
        let rows = status(&state.observation, &BTreeMap::new(), now());
        rows.into_iter().map(|row| (row.name, row.state)).skip(1).collect::<Vec<_>>()
    };
    let missing = |name: &str| (Message::parsed(&name), IdentityState::NotIssued);
    assert_eq!(states(&state), [missing("builder"), missing("ana")]);
    state.issue_client("zoe", now(), KeyPresence::Absent);
    let zoe = |state| (Message::from("zoe"), state);
    assert_eq!(states(&state), [missing("builder"), missing("ana"), zoe(IdentityState::NotListed)]);
    state.observation.waiting_kits.insert(name("zoe"));
    assert_eq!(states(&state)[2], zoe(IdentityState::KitWaiting));
    assert!(state.observation.current(Role::Client, &name("zoe")).is_some());
}

#[test]
fn a_kit_that_waits_is_pressing_once_half_of_its_time_is_over_and_overdue_when_the_old_certificate_is() {
    let mut state = State::new();
    let previous = state.client("ana").leaf().clone();
    state.observation.waiting_kits.insert(name("ana"));
    let at = |when: Timestamp, in_use: &BTreeMap<_, _>| {
        let rows = status(&state.observation, in_use, when);
        rows.into_iter().find(|row| row.kind == "client").unwrap().state
    };
    let in_use = BTreeMap::from([(name("ana"), previous.clone())]);
    let end = previous.validity().not_after;
    let due = row(&state, "client", now()).due.unwrap();
    let half = u32::try_from(end.seconds_since(due) / 2).unwrap();
    assert_eq!(at(end.minus(seconds(half)), &in_use), IdentityState::Due);
    // The same leaf is current here, and due or over at the same time.
    assert_eq!(at(due.minus(seconds(1)), &in_use), IdentityState::KitWaiting);
    assert_eq!(at(end.minus(seconds(half - 1)), &in_use), IdentityState::KitEnding);
    assert!(at(end.plus(seconds(1)), &in_use) >= IdentityState::KitOverdue);
}

#[test]
fn a_timeline_has_what_is_in_use_and_what_it_replaced_for_as_long_as_that_is_good() {
    let mut state = State::new();
    let current = state.client("ana").leaf().clone();
    let end = now().plus(days(10));
    let previous = |named, until| {
        let validity = Validity { not_before: now().minus(days(80)), not_after: until };
        state.leaf(Role::Client, named, &[], validity)
    };
    let issued =
        [current.clone(), previous("ana", end), previous("ana", end.minus(days(1))), previous("bob", end)];
    state.observation.issued = issued.to_vec();
    let windows = |at| {
        let windows = timeline(&state.observation, at).into_iter();
        windows.filter(|window| window.name == "ana").collect::<Vec<_>>()
    };
    let at_first = windows(now());
    assert_eq!(
        at_first.iter().map(|window| window.previous).collect::<Vec<_>>(),
        [0, 2],
        "bob's are not ana's"
    );
    assert_eq!((at_first[1].begin, at_first[1].end), (now().minus(days(80)), end));
    assert_eq!((at_first[0].end, at_first[1].due), (current.validity().not_after, None));
    assert_eq!(windows(end)[1].previous, 1);
    assert_eq!(windows(end.plus(seconds(1))).len(), 1);
    let identifier = state.authority.certificate().subject_key_identifier().unwrap();
    assert_eq!(at_first[0].issuer, Hex(&identifier[..4]).to_string());

    let rows = status(&state.observation, &BTreeMap::new(), now());
    let of = |window: &Window| rows.iter().filter(|row| window.is_of(row)).count();
    assert_eq!((of(&at_first[0]), of(&at_first[1])), (1, 0));
    let all = timeline(&state.observation, now());
    assert_eq!(
        all.iter().map(|window| window.kind).collect::<Vec<_>>(),
        ["ca", "daemon", "client", "client"]
    );
    assert_eq!(all[0].due, row(&state, "ca", now()).due);
    state.observation.authorities[0].record.retired = Some(now());
    let windows = timeline(&state.observation, now()).into_iter().filter(|window| window.previous > 0);
    assert_eq!(windows.count(), 0, "nothing trusts their CA any more");
}
