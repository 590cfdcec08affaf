//! A state that was restored from a backup, and what a person may decide without knowing everything.

use super::name;
use super::rotating::{asked, told};
use super::world::{Restart, TWO_DAEMONS, World};
use crate::model::{AuthorityId, IdentityName, Role};
use crate::pki::Certificate;
use crate::plan::{AuthorityRotation, Installed, Recovery, RotateRequest, Standing};
use crate::plan::{catch_up, finish, has_forgotten, retire};
use crate::store::OpenUntil;

impl World {
    /// A copy of the state that may be restored later.
    pub(super) fn back_up(&mut self) {
        self.backup = Some(std::rc::Rc::new(self.clone()));
    }

    /// The state is as it was when it was backed up; whether that is another one.
    pub(super) fn restore(&mut self) -> bool {
        let Some(backup) = self.backup.clone().filter(|backup| backup.commit != self.commit) else {
            return false;
        };
        self.observation = backup.observation.clone();
        self.generations = backup.generations.clone();
        self.commit = backup.commit;
        true
    }

    /// Whether what is installed tells that the state is an old copy. Nothing but `recover` goes on then.
    pub(super) fn is_old(&self) -> bool {
        self.installed.values().any(|(commit, _)| *commit > self.commit)
    }

    /// Whether an installed bundle refuses somebody of whom the state does not know.
    pub(super) fn has_forgotten(&self) -> bool {
        has_forgotten(&self.observation, &self.all_installed())
    }

    /// What `recover` would do to an old copy; None where the state is none.
    fn recovery(&self) -> Option<Recovery> {
        let installed = self.all_installed();
        let is_unknown = |leaf: &Certificate| {
            !self.is_known(leaf) && !installed.iter().any(|one| one.chain.first() == Some(leaf))
        };
        let served = self.serves.iter().filter(|(_, served)| is_unknown(&served.leaf));
        let served: Vec<(IdentityName, Certificate)> =
            served.map(|(daemon, served)| (daemon.clone(), served.leaf.clone())).collect();
        let is_needed = self.is_old() || self.has_forgotten();
        is_needed.then(|| catch_up(&self.observation, &installed, &served, self.now))
    }

    fn all_installed(&self) -> Vec<Installed> {
        let installed = self.installed.iter().map(|(daemon, (commit, set))| Installed {
            daemon: daemon.clone(),
            standing: if *commit > self.commit { Standing::Later(*commit) } else { Standing::Ours },
            origin: None,
            chain: set.chain.clone(),
            trust: set.trust.clone(),
            unfit: None,
        });
        installed.collect()
    }

    /// What `recover` does; whether there is something to do.
    pub(super) fn recover(&mut self) -> bool {
        let Some(recovery) = self.recovery() else { return false };
        // Until they are restarted the daemons may let them in still.
        self.excused.extend(recovery.locked_out.iter().cloned());
        self.carry_out(&recovery.plan);
        true
    }

    /// Whether the state knows that it has issued that.
    fn is_known(&self, leaf: &Certificate) -> bool {
        self.observation.issued.iter().any(|one| one == leaf)
    }

    /// Nobody unknown is waited for: whoever has what the state does not know is out by a person's word.
    pub(super) fn finish(&mut self, id: &AuthorityId) -> bool {
        let Ok(plan) = finish(id, &self.observation) else { return false };
        self.excuse_unknown(id);
        self.carry_out(&plan);
        true
    }

    /// It was said that whoever has a certificate of that CA that the state does not know is out.
    pub(super) fn excuse_unknown(&mut self, id: &AuthorityId) {
        let unknown = self.holds.iter().filter(|(_, held)| {
            let is_of_it = self.authorities[id].certificate().subject() == held.leaf.issuer();
            is_of_it && !self.is_known(&held.leaf)
        });
        self.excused.extend(unknown.map(|((client, _), _)| client.clone()).collect::<Vec<_>>());
    }

    /// An identity is not waited for any more; whether it was.
    pub(super) fn retire(&mut self, role: Role, named: &str) -> bool {
        let plan = retire(role, &name(named), &self.observation);
        if role == Role::Client {
            self.excused.insert(name(named));
        }
        self.carry_out(&plan);
        !plan.state.is_empty()
    }
}

#[test]
fn the_clients_of_a_ca_that_no_daemon_is_to_trust_any_more_are_named() {
    let mut world = World::new(TWO_DAEMONS);
    world.back_up();
    let authority = AuthorityRotation::Compromised(None);
    world.rotate_as(&RotateRequest { authority, ..asked() }, Restart::Fails).unwrap();
    assert!(world.restore() && world.is_old());
    let recovery = world.recovery().unwrap();
    assert_eq!(recovery.locked_out, ["ana", "bob", "cleo"].map(name).into());
    let told: Vec<String> = recovery.unknown.iter().map(|one| one.what.to_string()).collect();
    for named in
        ["so its clients need new certificates", "once it serves that, it refuses the certificates here of"]
    {
        let is_named = |one: &&String| one.contains(named) && one.ends_with(": ana, bob, cleo");
        assert!(told.iter().any(|one| is_named(&one)), "{named}: {told:?}");
    }
    assert!(world.recover() && !world.is_old());
}

#[test]
fn in_an_emergency_of_a_ca_with_unknown_holders_that_is_said() {
    let mut world = World::new(TWO_DAEMONS);
    let previous = world.active();
    let open_until = world.now.plus(super::days(100));
    let distrust = |world: &World| {
        let authority = AuthorityRotation::Compromised(None);
        let mut world = world.clone();
        let rotation = world.rotate_as(&RotateRequest { authority, ..asked() }, Restart::Works).unwrap();
        told(&rotation).iter().any(|row| row.contains("does not know are to be locked out"))
    };
    assert!(!distrust(&world));
    let known = world.observation.authorities.iter_mut().find(|one| one.id == previous).unwrap();
    known.record.open_until = OpenUntil::Time(open_until);
    assert!(distrust(&world));
}

#[test]
fn after_a_recovery_nobody_gets_older_files_for_the_sake_of_a_retired_daemon() {
    let mut world = World::new(TWO_DAEMONS);
    world.back_up();
    let rotate = |world: &mut World, authority, restart| {
        world.rotate_as(&RotateRequest { authority, ..asked() }, restart).unwrap();
    };
    assert!(world.retire(Role::Daemon, "spare"));
    rotate(&mut world, AuthorityRotation::Compromised(None), Restart::Works);
    assert!(world.restore() && world.recover() && world.retire(Role::Daemon, "spare"));
    let before = world.reached();
    rotate(&mut world, AuthorityRotation::Begun, Restart::Fails);
    let ana = ((name("ana"), 1), name("builder"));
    assert!(before.contains(&ana) && world.reached().contains(&ana));
}

#[test]
fn what_is_taken_back_after_a_recovery_leaves_whoever_is_in() {
    for first in [Restart::Works, Restart::Fails] {
        let mut world = World::new(TWO_DAEMONS);
        world.back_up();
        let rotate = |world: &mut World, authority, restart| {
            world.rotate_as(&RotateRequest { authority, ..asked() }, restart).unwrap();
            world.forgive();
        };
        assert!(world.retire(Role::Daemon, "spare"));
        rotate(&mut world, AuthorityRotation::Compromised(None), first);
        assert!(world.restore() && world.recover());
        world.forgive();
        rotate(&mut world, AuthorityRotation::Begun, Restart::Fails);
        let before = world.reached();
        world
            .rotate_as(&RotateRequest { authority: AuthorityRotation::Back, ..asked() }, Restart::Works)
            .unwrap();
        let lost: Vec<_> = before.difference(&world.reached()).cloned().collect();
        let unsaid: Vec<_> = lost.iter().filter(|((client, _), _)| !world.excused.contains(client)).collect();
        assert!(unsaid.is_empty(), "{first:?}: {unsaid:?}");
    }
}

#[test]
fn a_daemon_keeps_its_certificate_while_another_ca_is_only_trusted_too() {
    for restart in [Restart::Works, Restart::Fails] {
        let mut world = World::new(TWO_DAEMONS);
        world.back_up();
        let rotate = |world: &mut World, authority, restart| {
            world.rotate_as(&RotateRequest { authority, ..asked() }, restart).unwrap();
        };
        assert!(world.retire(Role::Daemon, "spare"));
        rotate(&mut world, AuthorityRotation::Compromised(None), Restart::Works);
        assert!(world.restore() && world.recover());
        // The key of the CA that the daemon's certificate is of is not here; that of the other is.
        let before = world.reached();
        rotate(&mut world, AuthorityRotation::Begun, restart);
        let lost: Vec<_> = before.difference(&world.reached()).cloned().collect();
        assert!(lost.is_empty(), "{lost:?}");
    }
}
