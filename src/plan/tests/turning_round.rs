//! From one CA to another and not to the end: taken back, at once for a CA that is compromised, and what a
//! rollback may bring back on the way.

use super::name;
use super::rolling_over::{machine, nobody_is_out, stage, start, with_bob};
use super::rotating::{asked, told};
use super::world::{Restart, TWO_DAEMONS, World};
use crate::model::Role;
use crate::plan::{AuthorityRotation, RotateRequest, finish};
use crate::store::RolloverKind;

fn compromised() -> RotateRequest {
    RotateRequest { authority: AuthorityRotation::Compromised(None), ..asked() }
}

fn back() -> RotateRequest {
    RotateRequest { authority: AuthorityRotation::Back, ..asked() }
}

#[test]
fn a_rollback_after_clients_have_moved_locks_nobody_out() {
    let mut world = with_bob();
    world.rotate_as(&start(), Restart::Works).unwrap();
    world.take(machine("bob", 1));
    nobody_is_out(&mut world, "before the switch", |world| {
        world.roll_back(Role::Daemon, &name("builder"), Restart::Works).unwrap_err();
    });
    world.confirm(&machine("bob", 1));
    world.rotate(Restart::Works);
    assert_eq!(stage(&world), None);
    nobody_is_out(&mut world, "after the switch", |world| {
        let refused = world.roll_back(Role::Daemon, &name("builder"), Restart::Works).unwrap_err();
        assert!(refused.contains("is of a CA that nothing trusts any more"), "{refused}");
    });
}

#[test]
fn a_client_that_went_back_to_a_ca_that_is_gone_is_refused_and_one_that_has_is_healed() {
    let mut world = World::new(
        "version: 1
daemons: {builder: {hosts: [builder.example.com]}}
clients: {ana: {installed: [/home/ana/.certs]}}
",
    );
    world.rotate_as(&start(), Restart::Works).unwrap();
    assert_eq!(stage(&world), None, "ana is on this machine");
    let refused = world.roll_back(Role::Client, &name("ana"), Restart::Works).unwrap_err();
    assert!(refused.contains("is of a CA that nothing trusts any more"), "{refused}");
    // Somebody put the previous files back by hand.
    let previous = world.earlier(Role::Client, &name("ana")).remove(0).files.unwrap();
    world.observation.clients.get_mut(&name("ana")).unwrap().current = Some(previous);
    let rotation = world.rotate(Restart::Works);
    assert_eq!(told(&rotation)[0], "client ana renewed: another CA");
    assert!(world.reached().contains(&(machine("ana", 1), name("builder"))));
}

#[test]
fn a_compromise_is_remembered_until_every_daemon_refuses_the_ca() {
    let mut world = with_bob();
    let previous = world.active();
    let rotation = world.rotate_as(&compromised(), Restart::Fails).unwrap();
    assert_eq!(rotation.locked_out.iter().map(ToString::to_string).collect::<Vec<_>>(), ["bob"]);
    let rollover = world.observation.rollover.clone().unwrap();
    assert_eq!((rollover.kind, rollover.from), (RolloverKind::Compromised, vec![previous.clone()]));
    let current = world.observation.current(Role::Daemon, &name("builder")).unwrap();
    assert!(
        !current.trust.certificates().contains(&world.observation.authority(&previous).unwrap().certificate),
        "it does not go back to what lets the thief in"
    );
    for _ in 0..3 {
        world.rotate(Restart::Never);
        assert_eq!(stage(&world), Some((3, vec!["daemon builder".to_owned()])));
    }
    world.rotate(Restart::Works);
    assert_eq!(stage(&world), None);
    assert!(world.observation.authority(&previous).unwrap().record.compromised.is_some());
    // Its key is not here: that it is refused cannot be tried, and a person says so.
    let mut keyless = with_bob();
    let previous = keyless.active();
    keyless.lose_key(&previous);
    keyless.rotate_as(&compromised(), Restart::Works).unwrap();
    assert_eq!(stage(&keyless), Some((3, vec![format!("kitcert ca rollover finish {previous}")])));
    let plan = finish(&previous, &keyless.observation).unwrap();
    keyless.carry_out(&plan);
    keyless.rotate(Restart::Works);
    assert_eq!(stage(&keyless), None);
}

#[test]
fn going_back_ends_from_each_stage_and_locks_nobody_out() {
    for steps in 0..4 {
        let mut world = with_bob();
        let previous = world.active();
        let restart = if steps == 0 { Restart::Never } else { Restart::Works };
        world.rotate_as(&start(), restart).unwrap();
        if steps >= 2 {
            world.take(machine("bob", 1));
        }
        if steps >= 3 {
            world.confirm(&machine("bob", 1));
            world.rotate(Restart::Never);
        }
        nobody_is_out(&mut world, "turned round", |world| {
            world.rotate_as(&back(), Restart::Works).unwrap();
            if stage(world).is_some() {
                world.rotate_as(&back(), Restart::Works).unwrap();
            }
        });
        for _ in 0..3 {
            nobody_is_out(&mut world, "a kit of the previous CA", |world| {
                world.take(machine("bob", 1));
                world.confirm(&machine("bob", 1));
                world.rotate(Restart::Works);
            });
        }
        assert_eq!((stage(&world), world.active()), (None, previous), "after {steps} steps");
        assert!(world.reached().contains(&(machine("bob", 1), name("builder"))));
    }
}

#[test]
fn going_back_is_refused_where_only_forward_leads_out() {
    let mut world = with_bob();
    let refused =
        |world: &mut World| world.rotate_as(&back(), Restart::Works).unwrap_err().what_was_found().to_owned();
    assert_eq!(refused(&mut world), "none");
    let previous = world.active();
    world.rotate_as(&start(), Restart::Works).unwrap();
    world.lose_key(&previous);
    assert!(refused(&mut world).starts_with("it can only go on: the key of CA"), "bob's kit is out");
    let mut distrusted = with_bob();
    distrusted.rotate_as(&compromised(), Restart::Never).unwrap();
    assert_eq!(refused(&mut distrusted), "a compromised CA: it can only go on");
}

#[test]
fn of_a_compromised_new_ca_everything_goes_back_at_once() {
    let mut world = with_bob();
    let previous = world.active();
    world.rotate_as(&start(), Restart::Works).unwrap();
    let new = world.active();
    let distrust = RotateRequest { authority: AuthorityRotation::Compromised(Some(new.clone())), ..asked() };
    world.rotate_as(&distrust, Restart::Works).unwrap();
    assert_eq!((stage(&world), world.active()), (None, previous));
    assert!(world.observation.authority(&new).unwrap().record.compromised.is_some());
    assert!(world.reached().contains(&(machine("bob", 1), name("builder"))), "bob has not joined the kit");
}

#[test]
fn in_an_emergency_a_client_does_not_go_back_to_what_no_daemon_lets_in() {
    let mut world = World::new(TWO_DAEMONS);
    world.rotate_as(&start(), Restart::Works).unwrap();
    let previous = world.observation.rollover.as_ref().unwrap().from[0].clone();
    let back_to_former = |world: &mut World| world.roll_back(Role::Client, &name("ana"), Restart::Works);
    let distrust = |id| RotateRequest { authority: AuthorityRotation::Compromised(Some(id)), ..asked() };
    let mut failing = world.clone();
    back_to_former(&mut failing).unwrap();
    failing.rotate_as(&distrust(previous.clone()), Restart::Fails).unwrap();
    nobody_is_out(&mut failing, "the daemons serve what they did", |world| {
        back_to_former(world).unwrap_err();
    });
    let to = world.active();
    world.lose_key(&previous);
    world.rotate_as(&distrust(to), Restart::Works).unwrap();
    nobody_is_out(&mut world, "the daemons serve a third CA", |world| {
        back_to_former(world).unwrap_err();
    });
}
