//! Whose access is taken away, in a world where restarts fail, states are restored and time passes.

use std::collections::BTreeSet;

use super::rotating::asked;
use super::world::{Machine, Restart, TWO_DAEMONS, World};
use super::{days, name, user};
use crate::model::{Exclusion, Fingerprint, FingerprintPrefix, IdentityName, Role};
use crate::pki::Certificate;
use crate::plan::rollover::Rollover;
use crate::plan::{
    self, AuthorityChoice, IssueClientsRequest, KeyChange, KeyRenewal, RevokeRequest, RotateRequest,
    RotationScope, Signing, StateStep, UndoRequest,
};

impl World {
    /// What `revoke` does, with every key of a client or with the one that a machine holds; whether it does it.
    pub(super) fn revoke(&mut self, client: &str, machine: Option<u8>, restart: Restart) -> bool {
        let client = name(client);
        let held =
            machine.map(|machine| self.holds[&(client.clone(), machine)].leaf.public_key().fingerprint());
        let only_key = held.map(|key| key.to_string().parse::<FingerprintPrefix>().unwrap());
        let request =
            RevokeRequest { name: client.clone(), only_key, others: Vec::new(), reason: None, by: user() };
        let Ok(planned) = plan::revoke(&request, &self.observation, self.now) else { return false };
        self.revoked.insert((client, held));
        self.carry_out(&planned.plan);
        self.roll_access_out(restart);
        true
    }

    /// What `revoke --undo` does; whether it does it.
    pub(super) fn undo(&mut self, client: &str, restart: Restart) -> bool {
        self.undo_as(&undoing(client), restart)
    }

    fn undo_as(&mut self, request: &UndoRequest, restart: Restart) -> bool {
        let Ok(plan) = plan::undo(request, &self.observation, self.now) else { return false };
        let is_meant = |key: &Fingerprint| request.only_key.as_ref().is_some_and(|only| only.matches(key));
        self.revoked.retain(|(client, key)| {
            *client != request.name || key.as_ref().map_or(request.only_key.is_some(), |key| !is_meant(key))
        });
        self.carry_out(&plan);
        self.roll_access_out(restart);
        true
    }

    fn roll_access_out(&mut self, restart: Restart) {
        let request = RotateRequest { scope: RotationScope::Access, ..asked() };
        self.rotate_as(&request, restart).unwrap();
    }

    /// revocations.json is lost; whether there was one.
    pub(super) fn forget_revocations(&mut self) -> bool {
        self.observation.revocations.take().is_some()
    }

    /// Whether whoever has that certificate is to get in nowhere.
    pub(super) fn is_revoked(&self, client: &IdentityName, leaf: &Certificate) -> bool {
        let key = leaf.public_key().fingerprint();
        self.revoked.contains(&(client.clone(), None)) || self.revoked.contains(&(client.clone(), Some(key)))
    }

    /// Who is revoked and gets in.
    fn thieves(&self) -> BTreeSet<(Machine, IdentityName)> {
        let mut reached = self.reached();
        reached.retain(|(machine, _)| self.is_revoked(&machine.0, &self.holds[machine].leaf));
        reached
    }

    /// Who is revoked, gets in, and did not before.
    pub(super) fn in_again(&self, before: &World) -> Vec<(Machine, IdentityName)> {
        let before = before.reached();
        self.thieves().into_iter().filter(|one| !before.contains(one)).collect()
    }

    /// Who is revoked and gets in, where nothing says so.
    pub(super) fn in_unsaid(&self) -> Vec<(Machine, IdentityName)> {
        // What is to be recovered first is said by whatever would place a bundle.
        if self.is_old() || self.has_forgotten() {
            return Vec::new();
        }
        let pending = plan::pending(&self.observation, self.now);
        // In an emergency it is said of a daemon that it lets every client of that CA in.
        let rollover = Rollover::of(&self.observation, self.now).ok().flatten();
        let left = rollover.filter(|one| one.record.is_emergency()).map(|one| one.daemons_left);
        let left = left.unwrap_or_default();
        let is_said = |daemon: &IdentityName| {
            pending.contains_key(daemon)
                || left.contains(daemon)
                || !plan::verification(&self.observation, daemon, self.now).is_verified()
        };
        self.thieves().into_iter().filter(|(_, daemon)| !is_said(daemon)).collect()
    }
}

/// A client gets in again with all that it had.
fn undoing(client: &str) -> UndoRequest {
    UndoRequest { name: name(client), only_key: None, with_new_key: false, by: user() }
}

fn spare() -> IdentityName {
    name("spare")
}

#[test]
fn a_name_that_daemons_may_refuse_still_is_issued_to_only_after_its_revocation_is_taken_back() {
    let mut world = World::new(TWO_DAEMONS);
    assert!(world.revoke("bob", None, Restart::Works));
    let issue = |world: &World| {
        let request = IssueClientsRequest {
            names: vec![name("bob")],
            lifetime: None,
            requested_key: None,
            key_change: KeyChange::Accepted,
            kit: None,
            user: user(),
        };
        plan::issue_clients(&request, &world.observation, world.now).map(drop)
    };
    // Also once all that it had has ended: the bundles are what they were.
    for _ in 0..2 {
        let refused = issue(&world).unwrap_err().to_string();
        assert!(refused.contains("revoked since"), "{refused}");
        world.now = world.now.plus(days(100));
    }
    assert!(world.undo("bob", Restart::Works));
    issue(&world).unwrap();
    let served = &world.serves[&spare()];
    let of_bob = Exclusion::Dns(name("bob").client_dns_name());
    let excludes = |anchor| crate::pki::Exclusions::of(anchor).is_some_and(|has| has.contains(&of_bob));
    assert!(!served.trust.certificates().iter().any(excludes));
}

#[test]
fn a_daemon_whose_certificate_has_ended_is_brought_to_refuse_too() {
    let mut world = World::new(TWO_DAEMONS);
    // Of a client whose certificate lives longer than those of the daemons.
    world.observation.inventory.clients.get_mut(&name("bob")).unwrap().lifetime =
        crate::model::Lifetime::days(1200);
    let key = world.holds[&(name("bob"), 1)].leaf.public_key().clone();
    world.issue(Role::Client, &name("bob"), plan::KeySource::Requested(key));
    world.now = world.now.plus(days(500));
    let ended = world.serves[&spare()].leaf.clone();
    assert!(ended.validity().not_after < world.now);
    assert!(world.revoke("bob", None, Restart::Fails));
    assert!(plan::pending(&world.observation, world.now).contains_key(&spare()));
    world.roll_access_out(Restart::Works);
    assert!(plan::pending(&world.observation, world.now).is_empty());
    let served = &world.serves[&spare()];
    let of_bob = Exclusion::Dns(name("bob").client_dns_name());
    let excludes = |anchor| crate::pki::Exclusions::of(anchor).is_some_and(|has| has.contains(&of_bob));
    assert!(served.trust.certificates().iter().all(excludes) && served.leaf != ended);
}

#[test]
fn a_state_that_has_forgotten_whom_its_daemons_refuse_gives_no_other_daemon_a_bundle() {
    let mut world = World::new(TWO_DAEMONS);
    assert!(world.revoke("bob", None, Restart::Works) && world.forget_revocations());
    let plan = plan::Plan {
        state: vec![StateStep::Issue(plan::Issuance {
            role: Role::Daemon,
            name: name("third"),
            hosts: super::hosts(&["third.example.com"]),
            validity: world.serves[&spare()].leaf.validity(),
            generation: crate::model::Generation::after(None),
            key: plan::KeySource::New(crate::model::KeyAlgorithm::EcdsaP256),
            reason: plan::Reason::Asked,
            signing: Signing::alone(AuthorityChoice::Of(world.active())),
        })],
        ..plan::Plan::default()
    };
    assert!(plan::needs_holders(&plan, &world.observation));
    let judged = plan::judge(&plan, &world.observation, &BTreeSet::new(), world.now);
    assert_eq!(judged.refused.len(), 1, "{judged:?}");
}

#[test]
fn more_than_three_hundred_names_are_refused_with_another_way() {
    let mut world = World::new(TWO_DAEMONS);
    assert!(world.revoke("bob", None, Restart::Works));
    let record = world.observation.revocations.as_mut().unwrap();
    let mut others = record.revocations[0].clone();
    others.client = None;
    let label = |number| Exclusion::Dns(name(&format!("c{number}")).client_dns_name());
    others.excluded = (0..297).map(label).collect();
    record.revocations.push(others);
    // Two names are those of bob, one is cleo's key.
    assert!(world.revoke("cleo", Some(1), Restart::Works));
    assert!(!world.revoke("cleo", Some(2), Restart::Works));
    let request =
        RevokeRequest { name: name("ana"), only_key: None, others: Vec::new(), reason: None, by: user() };
    let refused = plan::revoke(&request, &world.observation, world.now).unwrap_err();
    assert!(refused.to_string().contains("302"), "{refused}");
    assert!(refused.remedy().unwrap().to_string().contains("ca rollover start"));
    assert!(world.undo("bob", Restart::Works) && world.revoke("cleo", Some(2), Restart::Works));
}

/// Three hundred names of former colleagues hold up nothing once no daemon is given their CA; a daemon that nobody renews
/// and that trusts it still lets them in.
#[test]
fn whom_a_ca_has_certified_that_no_daemon_is_given_takes_no_room_and_is_not_forgotten() {
    let mut world = World::new(TWO_DAEMONS);
    let before = world.observation.current(Role::Daemon, &spare()).unwrap().trust.clone();
    assert!(world.revoke("bob", None, Restart::Works));
    let excluded = world.observation.current(Role::Daemon, &spare()).unwrap().trust.clone();
    let former = world.active();
    world.observation.authorities.iter_mut().for_each(|one| one.record.retired = Some(world.now));
    assert!(world.observation.authority(&former).is_some());
    assert_eq!(plan::meant(&world.observation, world.now), None);
    assert_eq!(plan::in_force(&world.observation, world.now).count(), 0);
    let let_in = |trust| crate::plan::exclusions::let_in(&world.observation, trust, world.now).len();
    assert_eq!((let_in(&before), let_in(&excluded)), (1, 0));
    let other = World::new(TWO_DAEMONS).serves[&spare()].trust.clone();
    assert_eq!(let_in(&other), 0, "another CA's bundle lets in nobody of this one");
}

#[test]
fn a_key_that_is_revoked_is_not_certified_when_its_client_is_renewed() {
    let mut world = World::new(TWO_DAEMONS);
    let leaf = |world: &World, client: &str| world.holds[&(name(client), 1)].leaf.clone();
    let keys = ["ana", "bob"].map(|client| leaf(&world, client).public_key().clone());
    assert!(world.revoke("ana", Some(1), Restart::Works) && world.revoke("bob", Some(1), Restart::Works));
    let before = world.observation.issued.len();
    for later in [0, 80, 100] {
        world.now = world.now.plus(days(later));
        let request = RotateRequest { scope: RotationScope::Forced, key: KeyRenewal::Keep, ..asked() };
        world.rotate_as(&request, Restart::Works).unwrap();
        let issued = &world.observation.issued[before..];
        assert!(!issued.iter().any(|leaf| keys.contains(leaf.public_key())));
        assert!(world.in_again(&World::new(TWO_DAEMONS)).is_empty());
    }
    // Whose key is here has another.
    assert_ne!(*leaf(&world, "ana").public_key(), keys[0]);
}

#[test]
fn a_daemon_is_seen_again_once_in_a_run() {
    let mut world = World::new(TWO_DAEMONS);
    assert!(world.revoke("bob", None, Restart::Works));
    let request = RotateRequest { scope: RotationScope::Access, ..asked() };
    for (has_begun, daemons) in [(false, 2), (true, 0)] {
        let facts = plan::RotationFacts { has_begun, ..plan::RotationFacts::default() };
        let rotation = plan::rotate(&request, &world.observation, &facts, world.now).unwrap();
        assert_eq!(rotation.daemons.len(), daemons);
    }
}

#[test]
fn a_client_that_gets_in_again_does_not_get_its_stolen_key_back() {
    let mut world = World::new(TWO_DAEMONS);
    assert!(world.revoke("cleo", Some(1), Restart::Works) && world.revoke("cleo", None, Restart::Works));
    let stolen = world.holds[&(name("cleo"), 1)].leaf.public_key().fingerprint();
    let plan = plan::undo(&undoing("cleo"), &world.observation, world.now).unwrap();
    world.carry_out(&plan);
    let standing: Vec<_> =
        world.observation.revocations.iter().flat_map(|record| record.standing()).collect();
    assert_eq!(standing.len(), 1);
    assert_eq!(standing[0].key, Some(stolen));
    // Asked for once more, too.
    world.carry_out(&plan::undo(&undoing("cleo"), &world.observation, world.now).unwrap());
    assert_eq!(world.observation.revocations.iter().flat_map(|record| record.standing()).count(), 1);
}

#[test]
fn a_certificate_of_elsewhere_is_never_stopped_by_a_name_that_many_have() {
    let world = World::new(TWO_DAEMONS);
    let authority = &world.authorities[&world.active()];
    let validity = world.serves[&spare()].leaf.validity();
    let anybody = |names: &[&str]| {
        let names: Vec<_> = names.iter().map(|name| name.parse().unwrap()).collect();
        authority.issue_named(&names, validity, &super::fresh_key()).unwrap()
    };
    let planned = |names: &[&str]| {
        let (name, others) = (name("zoe"), vec![anybody(names)]);
        let request = RevokeRequest { name, only_key: None, others, reason: None, by: user() };
        plan::revoke(&request, &world.observation, world.now)
    };
    for shared in [&["client"][..], &["localhost"], &["127.0.0.1", "::1"], &["localhost", "client"]] {
        // That it gets in is remembered, and no daemon is restarted for names that stop nobody.
        let planned = planned(shared).unwrap();
        assert_eq!((planned.stopped.len(), planned.unstopped.len()), (0, 1), "{shared:?}");
        let [StateStep::ChangeRevocations(record)] = planned.plan.state.as_slice() else { panic!() };
        let noted = record.revocations.last().unwrap();
        assert!(noted.excluded.is_empty() && noted.unstopped.len() == 1, "{shared:?}");
    }
    for own in ["zoe.example.com", "zoe"] {
        let own = planned(&["client", own]).unwrap();
        assert_eq!((own.stopped.len(), own.unstopped.len()), (1, 0));
    }
}

#[test]
fn a_key_that_is_not_among_its_certificates_names_is_never_stopped_by_the_name_that_the_client_keeps() {
    let world = World::new(TWO_DAEMONS);
    let authority = &world.authorities[&world.active()];
    let validity = world.serves[&spare()].leaf.validity();
    let planned = |names: &[&str]| {
        let names: Vec<_> = names.iter().map(|name| name.parse().unwrap()).collect();
        let other = authority.issue_named(&names, validity, &super::fresh_key()).unwrap();
        let only_key = Some(other.public_key().fingerprint().to_string().parse().unwrap());
        let request =
            RevokeRequest { name: name("zoe"), only_key, others: vec![other], reason: None, by: user() };
        plan::revoke(&request, &world.observation, world.now)
    };
    let own = "zoe.client.kitcert.internal";
    assert_eq!(planned(&[own]).unwrap().stopped.len(), 0);
    let planned = planned(&[own, "laptop.example.com"]).unwrap();
    assert_eq!((planned.stopped.len(), planned.unstopped.len()), (1, 0));
    assert!(!format!("{:?}", planned.plan.state).contains(own));
}

#[test]
fn what_is_revoked_of_a_key_is_taken_back_by_that_key_alone() {
    let mut world = World::new(TWO_DAEMONS);
    let key = |world: &World, machine| world.holds[&(name("cleo"), machine)].leaf.public_key().fingerprint();
    let (stolen, other) = (key(&world, 1), key(&world, 2));
    assert!(world.revoke("cleo", Some(1), Restart::Works));
    let refused = plan::undo(&undoing("cleo"), &world.observation, world.now).unwrap_err();
    assert!(refused.remedy().unwrap().to_string().contains(&format!("--only-key {stolen}")), "{refused}");
    assert!(world.revoke("cleo", None, Restart::Works));
    for _ in 0..2 {
        assert!(world.undo("cleo", Restart::Works));
        let is_key_revoked = |key| super::super::exclusions::is_key_revoked(key, &world.observation);
        assert!(is_key_revoked(&stolen) && !is_key_revoked(&other));
        assert_eq!(world.in_again(&World::new(TWO_DAEMONS)), []);
    }
    let only_key = Some(stolen.to_string().parse().unwrap());
    assert!(world.undo_as(&UndoRequest { only_key, ..undoing("cleo") }, Restart::Works));
    assert!(!super::super::exclusions::is_key_revoked(&stolen, &world.observation));
}

#[test]
fn a_client_that_gets_in_with_another_key_alone_does_not_with_those_that_it_had() {
    let mut world = World::new(TWO_DAEMONS);
    assert!(world.revoke("cleo", None, Restart::Works));
    assert!(world.undo_as(&UndoRequest { with_new_key: true, ..undoing("cleo") }, Restart::Works));
    let meant = plan::meant(&world.observation, world.now).unwrap();
    for (machine, held) in world.holds.iter().filter(|((client, _), _)| *client == name("cleo")) {
        assert!(meant.stop(&held.leaf), "{machine:?}");
    }
    assert!(!meant.contains(&Exclusion::Dns(name("cleo").client_dns_name())));
    // Each of them is one that can be taken back by itself.
    let record = world.observation.revocations.as_ref().unwrap();
    assert_eq!(record.active(world.now).filter(|one| one.key.is_some()).count(), 2);
}

#[test]
fn a_certificate_of_elsewhere_stays_out_when_its_client_gets_in_with_another_key() {
    let world = World::new(TWO_DAEMONS);
    let authority = &world.authorities[&world.active()];
    let validity = world.serves[&spare()].leaf.validity();
    let revoked = |names: &[&str]| {
        let names: Vec<_> = names.iter().map(|name| name.parse().unwrap()).collect();
        let other = authority.issue_named(&names, validity, &super::fresh_key()).unwrap();
        let others = vec![other.clone()];
        let request = RevokeRequest { name: name("bob"), only_key: None, others, reason: None, by: user() };
        let mut world = world.clone();
        world.carry_out(&plan::revoke(&request, &world.observation, world.now).unwrap().plan);
        (world, other)
    };
    let again = UndoRequest { with_new_key: true, ..undoing("bob") };
    let (mut world, other) = revoked(&["bob.client.kitcert.internal", "laptop.example.com"]);
    world.carry_out(&plan::undo(&again, &world.observation, world.now).unwrap());
    assert!(plan::meant(&world.observation, world.now).unwrap().name(&other));
    // Of one that has the client's name alone nothing else can be refused.
    let (world, _) = revoked(&["bob.client.kitcert.internal"]);
    assert!(plan::undo(&again, &world.observation, world.now).is_err());
}

#[test]
fn another_key_alone_may_be_asked_for_once_everything_was_taken_back() {
    let mut world = World::new(TWO_DAEMONS);
    assert!(world.revoke("cleo", None, Restart::Works) && world.undo("cleo", Restart::Works));
    assert_eq!(plan::meant(&world.observation, world.now), None);
    let again = UndoRequest { with_new_key: true, ..undoing("cleo") };
    for _ in 0..2 {
        world.carry_out(&plan::undo(&again, &world.observation, world.now).unwrap());
        let meant = plan::meant(&world.observation, world.now).unwrap();
        assert!(meant.stop(&world.holds[&(name("cleo"), 1)].leaf));
        assert_eq!(meant.len(), 2);
    }
}

#[test]
fn of_a_client_whose_certificate_has_ended_the_daemons_are_named_that_refuse_another_too() {
    let mut world = World::new(TWO_DAEMONS);
    assert!(world.revoke("bob", None, Restart::Works));
    world.now = world.now.plus(days(100));
    assert!(world.undo("bob", Restart::Fails));
    let regained = |world: &World| plan::regained(&name("bob"), &world.observation, world.now).unwrap();
    assert!(!regained(&world).is_valid && regained(&world).refused_by.is_empty());
    let retired = plan::retire(Role::Daemon, &spare(), &world.observation);
    world.carry_out(&retired);
    let regained = regained(&world);
    assert_eq!(regained.refused_by, BTreeSet::from([spare()]));
    assert!(regained.why.unwrap().to_string().contains("it is retired"));
}
