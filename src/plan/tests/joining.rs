//! Which kit may be joined, over what, and until which second.

use super::{State, authority, days, name, now, seconds, user};
use crate::model::{Failure, Role, Timestamp, Validity};
use crate::pki::{Certificate, Kit, KitContents, TrustBundle};
use crate::plan::{KitStanding, Membership, kit_standing};

/// A kit of ana's with a certificate of that validity, to be joined within a fortnight.
fn kit(state: &State, leaf: Certificate) -> Kit {
    let contents = KitContents {
        name: name("ana"),
        endpoint: "tcp://builder.example.com:8372".parse().unwrap(),
        contact: user(),
        created: now(),
        join_before: now().plus(days(14)),
        chain: vec![leaf],
        trust: vec![state.authority.certificate().clone()],
    };
    Kit::sign(contents, std::slice::from_ref(&state.authority)).unwrap()
}

fn leaf(state: &State, named: &str, from: Timestamp, until: Timestamp) -> Certificate {
    state.leaf(Role::Client, named, &[], Validity { not_before: from, not_after: until })
}

fn installed(leaf: &Certificate, authority: &Certificate) -> Membership {
    Membership { leaf: leaf.clone(), trust: TrustBundle::new(vec![authority.clone()]) }
}

fn hint(result: Result<KitStanding, Failure>) -> String {
    result.unwrap_err().remedy().unwrap().to_string()
}

#[test]
fn a_kit_is_joined_until_its_last_second_and_from_the_first_of_its_certificate() {
    let state = State::new();
    let begins = now().minus(days(1));
    let kit = kit(&state, leaf(&state, "ana", begins, now().plus(days(90))));
    let standing = |at| kit_standing(&kit, None, at);
    assert_eq!(standing(begins).unwrap(), KitStanding::New);
    assert_eq!(standing(now().plus(days(14))).unwrap(), KitStanding::New);
    let late = standing(now().plus(days(14)).plus(seconds(1)));
    assert_eq!(hint(late), "ask your admin for a new kit");
    let early = standing(begins.minus(seconds(1))).unwrap_err();
    assert!(early.what_was_found().contains("is this clock right?"), "{early}");
}

#[test]
fn a_kit_with_anothers_certificate_is_refused() {
    let state = State::new();
    let kit = kit(&state, leaf(&state, "bob", now(), now().plus(days(90))));
    let refused = kit_standing(&kit, None, now());
    assert!(refused.as_ref().unwrap_err().what_was_found().contains("bob"));
    assert_eq!(hint(refused), "ask your admin for a new kit");
}

#[test]
fn a_kit_renews_what_is_the_same_clients_of_a_ca_that_is_trusted_here() {
    let state = State::new();
    let newer = leaf(&state, "ana", now().minus(days(1)), now().plus(days(90)));
    let older = leaf(&state, "ana", now().minus(days(30)), now().plus(days(60)));
    let bobs = leaf(&state, "bob", now().minus(days(30)), now().plus(days(60)));
    let own = state.authority.certificate();
    let renewal = kit(&state, newer.clone());
    let standing = |installed: Membership| kit_standing(&renewal, Some(&installed), now());
    assert_eq!(standing(installed(&older, own)).unwrap(), KitStanding::Renewal);
    assert_eq!(standing(installed(&newer, own)).unwrap(), KitStanding::Installed);
    let of_the_same_second = leaf(&state, "ana", now().minus(days(1)), now().plus(days(90)));
    assert_eq!(standing(installed(&of_the_same_second, own)).unwrap(), KitStanding::Renewal);
    assert_eq!(standing(installed(&bobs, own)).unwrap(), KitStanding::New, "another client's");
    let other_ca = authority(10);
    let untrusting = installed(&older, other_ca.certificate());
    assert_eq!(standing(untrusting).unwrap(), KitStanding::New, "another CA is trusted here");

    let back = kit_standing(&kit(&state, older), Some(&installed(&newer, own)), now());
    assert!(back.unwrap_err().what_was_found().starts_with("an older one"));
}

#[test]
fn what_is_installed_already_is_taken_at_any_time() {
    let state = State::new();
    let leaf = leaf(&state, "ana", now().minus(days(1)), now().plus(days(90)));
    let kit = kit(&state, leaf.clone());
    let own = installed(&leaf, state.authority.certificate());
    let late = now().plus(days(365));
    assert_eq!(kit_standing(&kit, Some(&own), late).unwrap(), KitStanding::Installed);
}
