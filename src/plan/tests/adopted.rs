//! A CA that others have made: it leaves a bundle by a person's word or its end, never by counting; and what
//! daemons trust besides for the sake of earlier clients stays.

use super::name;
use super::rolling_over::{machine, nobody_is_out, stage, start, with_bob};
use super::rotating::{asked, told};
use super::world::{Restart, World};
use crate::model::profile::SWITCH_BEFORE;
use crate::model::{AuthorityId, KeyAlgorithm, Role, Validity};
use crate::pki::Certificate;
use crate::plan::{
    AuthorityChoice, AuthorityRotation, Issuance, KeySource, Plan, Reason, RotateRequest, RotationScope,
    Signing, StateStep, finish, judge,
};
use crate::store::{AuthorityOrigin, AuthorityRecord, KeyPresence, RolloverKind};

fn made(world: &World) -> StateStep {
    StateStep::MakeAuthority {
        name: "Test".parse().unwrap(),
        algorithm: KeyAlgorithm::EcdsaP256,
        validity: Validity::issued(world.now, crate::model::Lifetime::days(3650), super::seconds(3600)),
    }
}

/// A daemon that was taken over without the key of its CA. Bob is of that CA.
fn adopted() -> (World, AuthorityId) {
    let mut world = with_bob();
    let previous = world.active();
    world.observation.authorities[0].record = AuthorityRecord::of_others(AuthorityOrigin::Adopted, false);
    world.observation.authorities[0].key = KeyPresence::Absent;
    let (kind, from, to) = (RolloverKind::Ordinary, vec![previous.clone()], AuthorityChoice::Made);
    let state = vec![made(&world), StateStep::BeginRollover { kind, from, to }];
    world.carry_out(&Plan { state, ..Plan::default() });
    (world, previous)
}

/// A certificate that the daemon trusts besides.
fn besides(world: &mut World) -> AuthorityId {
    let state = vec![made(world)];
    let mut other = World::new("version: 1\ndaemons: {x: {hosts: [x]}}\nclients: {}\n");
    other.carry_out(&Plan { state, ..Plan::default() });
    let certificate = other.observation.authorities[0].certificate.clone();
    let id = certificate.authority_id();
    let (of_state, clients_only) = (id.clone(), true);
    let step = StateStep::AdoptAuthority { id: of_state, certificate, clients_only };
    world.carry_out(&Plan { state: vec![step], ..Plan::default() });
    id
}

fn trusts(world: &World, id: &AuthorityId) -> bool {
    let authority = &world.observation.authority(id).unwrap().certificate;
    world.observation.current(Role::Daemon, &name("builder")).unwrap().trust.trusts(authority)
}

fn leaf(world: &World) -> Certificate {
    world.observation.current(Role::Daemon, &name("builder")).unwrap().leaf().clone()
}

fn forced() -> RotateRequest {
    RotateRequest { scope: RotationScope::Forced, ..asked() }
}

#[test]
fn an_adopted_ca_never_leaves_a_bundle_by_counting() {
    let (mut world, previous) = adopted();
    nobody_is_out(&mut world, "both are trusted", |world| drop(world.rotate(Restart::Works)));
    for _ in 0..3 {
        world.take(machine("bob", 1));
        world.confirm(&machine("bob", 1));
        world.rotate(Restart::Works);
        assert_eq!(stage(&world), Some((2, vec![format!("unknown holders of CA {previous}")])));
        assert!(trusts(&world, &previous));
        world.rotate_as(&forced(), Restart::Works).unwrap();
    }
}

#[test]
fn its_daemons_certificate_gives_way_in_its_last_two_days_and_not_before() {
    let (mut world, previous) = adopted();
    world.rotate(Restart::Works);
    let of_former = world.observation.authority(&previous).unwrap().certificate.subject().clone();
    let end = leaf(&world).validity().not_after;
    world.now = end.minus(SWITCH_BEFORE).minus(super::seconds(60));
    let rotation = world.rotate(Restart::Works);
    assert_eq!(leaf(&world).issuer(), &of_former, "{:?}", told(&rotation));
    world.now = end.minus(SWITCH_BEFORE).plus(super::seconds(60));
    let rotation = world.rotate(Restart::Works);
    let said = told(&rotation);
    assert!(said.iter().any(|row| row.contains("does not know builder")), "{said:?}");
    assert_ne!(leaf(&world).issuer(), &of_former);
    assert!(trusts(&world, &previous), "its clients are let in, if they come");
}

#[test]
fn a_certificate_of_another_ca_locks_out_whoever_trusts_an_adopted_one_alone() {
    let (mut world, previous) = adopted();
    world.rotate(Restart::Works);
    let both = world.observation.authorities.iter().map(|one| AuthorityChoice::Of(one.id.clone()));
    let to = world.observation.rollover.as_ref().unwrap().to.clone();
    let issue = StateStep::Issue(Issuance {
        role: Role::Daemon,
        name: name("builder"),
        hosts: world.observation.inventory.daemons[&name("builder")].hosts.clone(),
        validity: Validity::issued(world.now, crate::model::Lifetime::days(90), super::seconds(3600)),
        generation: crate::model::numbered(9),
        key: KeySource::New(KeyAlgorithm::EcdsaP256),
        reason: Reason::Asked,
        signing: Signing { issuer: AuthorityChoice::Of(to), trust: both.collect() },
    });
    let plan = Plan { state: vec![issue], ..Plan::default() };
    let refused = |world: &World| {
        let judgement = judge(&plan, &world.observation, &std::collections::BTreeSet::new(), world.now);
        judgement.refused.into_iter().flat_map(|(.., found)| found.open).collect::<Vec<_>>()
    };
    assert_eq!(refused(&world), std::slice::from_ref(&previous));
    world.carry_out(&finish(&previous, &world.observation).unwrap());
    assert!(refused(&world).is_empty(), "a person has said that they have moved");
}

#[test]
fn what_is_trusted_for_earlier_clients_stays_through_renewals_and_rollovers() {
    let mut world = with_bob();
    let kept = besides(&mut world);
    assert_ne!(world.active(), kept);
    world.rotate_as(&forced(), Restart::Works).unwrap();
    assert!(trusts(&world, &kept));
    let of_bob = &world.observation.current(Role::Client, &name("bob")).unwrap().trust;
    assert_eq!(of_bob.certificates().len(), 1, "no client needs to trust it");

    world.rotate_as(&start(), Restart::Works).unwrap();
    assert!(!world.observation.rollover.as_ref().unwrap().from.contains(&kept));
    world.take(machine("bob", 1));
    world.confirm(&machine("bob", 1));
    world.rotate(Restart::Works);
    assert_eq!(stage(&world), None, "it holds nothing up");
    assert!(trusts(&world, &kept));

    let which = RotateRequest { authority: AuthorityRotation::Compromised(Some(kept.clone())), ..asked() };
    let failure = world.rotate_as(&which, Restart::Works).unwrap_err();
    assert!(failure.remedy().unwrap().as_str().contains("ca rollover finish"));
    world.carry_out(&finish(&kept, &world.observation).unwrap());
    assert!(finish(&kept, &world.observation).unwrap().is_empty());
    let rotation = world.rotate(Restart::Works);
    assert!(told(&rotation).contains(&"daemon builder renewed: a CA is trusted no more".to_owned()));
    assert!(!trusts(&world, &kept));
}
