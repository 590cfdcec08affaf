//! A state in memory together with the truth: what each daemon really serves and what each client really
//! holds. Who reaches whom is told by a model of its own: by which CA somebody is signed, and which CAs
//! somebody trusts.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::{fresh_key, hosts, name, now, user};
use crate::layout::Inventory;
use crate::model::{
    AuthorityId, Exclusion, Failure, Fingerprint, IdentityName, KeyAlgorithm, Role, SubjectAltName, Timestamp,
};
use crate::pki::{Certificate, CertificateAuthority, Exclusions, TrustBundle};
use crate::plan::{self, EarlierGeneration, KeySource, Plan, RotateRequest, Rotation, RotationFacts};
use crate::store::{
    HeldBy, KeyPresence, Observation, ObservedCopies, ObservedGeneration, ObservedIdentity, RolloverRecord,
};

/// Two daemons. A client of this machine, one elsewhere, and one with a key on each of two machines.
pub(super) const TWO_DAEMONS: &str = "version: 1
ca: {name: Test, lifetime: 10y}
daemons:
  builder: {hosts: [builder.example.com, 10.0.0.5]}
  spare: {hosts: [spare.example.com]}
clients:
  ana: {installed: [/home/ana/.certs]}
  bob: {renew: auto, endpoint: tcp://builder.example.com:8372}
  cleo: {renew: auto, endpoint: tcp://builder.example.com:8372}
";

/// What becomes of a daemon that is to be restarted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Restart {
    /// It serves its new files.
    Works,
    /// The command fails, and it goes on as before.
    Fails,
    /// Nobody restarts it.
    Never,
}

/// What is done wrongly on purpose, to see that it is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// A daemon that is to trust both CAs trusts the new one alone.
    TooEarly,
    /// A kit counts as received when it is written.
    TakenForReceived,
    /// A rollback asks no guard.
    Unguarded,
}

/// What a machine really uses.
#[derive(Clone, Debug)]
pub(super) struct InUse {
    pub(super) leaf: Certificate,
    pub(super) trust: TrustBundle,
}

impl InUse {
    fn of(set: &ObservedGeneration) -> InUse {
        InUse { leaf: set.leaf().clone(), trust: set.trust.clone() }
    }

    fn is(&self, set: &ObservedGeneration) -> bool {
        self.leaf == *set.leaf() && self.trust.certificates() == set.trust.certificates()
    }
}

/// A client's machine: its name and the number of the machine.
pub(super) type Machine = (IdentityName, u8);

#[derive(Clone)]
pub(super) struct World {
    pub(super) observation: Observation,
    pub(super) now: Timestamp,
    /// Every CA that was ever made, with its key.
    pub(super) authorities: BTreeMap<AuthorityId, std::rc::Rc<CertificateAuthority>>,
    /// Another certificate of each CA: the same name and key.
    pub(super) anchors: BTreeMap<AuthorityId, Certificate>,
    pub(super) generations: BTreeMap<(Role, IdentityName), Vec<ObservedGeneration>>,
    /// How often the state was changed.
    pub(super) commit: u64,
    /// What is installed for each daemon, and by which change.
    pub(super) installed: BTreeMap<IdentityName, (u64, ObservedGeneration)>,
    /// The state as it was once, of which there is a backup.
    pub(super) backup: Option<std::rc::Rc<World>>,
    pub(super) serves: BTreeMap<IdentityName, InUse>,
    pub(super) holds: BTreeMap<Machine, InUse>,
    /// Who is out since somebody said so, or was named when it happened.
    pub(super) excused: BTreeSet<IdentityName>,
    /// Whose access was taken away, whatever the state knows of it: with every key, or with that one.
    pub(super) revoked: BTreeSet<(IdentityName, Option<Fingerprint>)>,
    pub(super) fault: Option<Fault>,
}

impl World {
    /// Everything issued, served and held, and verified.
    pub(super) fn new(inventory: &str) -> World {
        let observation = Observation {
            path: PathBuf::from("/state"),
            state: crate::store::StateRecord::default(),
            inventory: Inventory::parse(inventory.as_bytes(), Path::new("kitcert.yaml")).unwrap(),
            inventory_text: inventory.as_bytes().to_vec(),
            unread: std::collections::BTreeMap::new(),
            authorities: Vec::new(),
            rollover: None,
            revocations: None,
            issued: Vec::new(),
            waiting_kits: BTreeSet::new(),
            withdrawn_kits: BTreeSet::new(),
            daemons: BTreeMap::new(),
            clients: BTreeMap::new(),
        };
        let mut world = World {
            observation,
            now: now(),
            authorities: BTreeMap::new(),
            anchors: BTreeMap::new(),
            generations: BTreeMap::new(),
            commit: 0,
            installed: BTreeMap::new(),
            backup: None,
            serves: BTreeMap::new(),
            holds: BTreeMap::new(),
            excused: BTreeSet::new(),
            revoked: BTreeSet::new(),
            fault: None,
        };
        world.make_authority();
        let elsewhere = ["bob", "cleo"].map(name);
        let listed: Vec<IdentityName> = world.observation.inventory.clients.keys().cloned().collect();
        for client in listed {
            let machines = if client.as_str() == "cleo" { 2 } else { 1 };
            for machine in 1..=machines {
                let key = match elsewhere.contains(&client) {
                    true => KeySource::Requested(fresh_key()),
                    false => KeySource::New(KeyAlgorithm::EcdsaP256),
                };
                world.issue(Role::Client, &client, key);
                world.take((client.clone(), machine));
            }
        }
        let rotation = world.rotate(Restart::Works);
        assert!(rotation.locked_out.is_empty(), "{rotation:?}");
        world
    }

    pub(super) fn rotate(&mut self, restart: Restart) -> Rotation {
        self.rotate_as(&RotateRequest::new(user()), restart).unwrap()
    }

    /// A whole run of `rotate`, in as many passes as it takes.
    pub(super) fn rotate_as(
        &mut self,
        request: &RotateRequest,
        restart: Restart,
    ) -> Result<Rotation, Failure> {
        let mut all = Rotation::default();
        for pass in 0..7 {
            let facts =
                RotationFacts { has_begun: pass > 0, outdated: self.outdated(), ..RotationFacts::default() };
            self.read_copies();
            let rotation = plan::rotate(request, &self.observation, &facts, self.now)?;
            all.rows.extend(rotation.rows.clone());
            all.locked_out.extend(rotation.locked_out.clone());
            all.rolls_over = rotation.rolls_over;
            if rotation.is_emergency {
                self.excused.extend(rotation.locked_out.clone());
                let is_said = |id: &AuthorityId| {
                    let of_it = rotation.rows.iter().filter(|row| row.kind == "ca" && row.name == id.short());
                    of_it
                        .into_iter()
                        .any(|row| row.reason.as_str().contains("does not know are to be locked out"))
                };
                let said: Vec<AuthorityId> =
                    self.authorities.keys().filter(|id| is_said(id)).cloned().collect();
                said.iter().for_each(|id| self.excuse_unknown(id));
            }
            if rotation.is_empty() {
                break;
            }
            self.carry_out(&rotation.plan);
            let served: Vec<bool> = rotation.daemons.iter().map(|name| self.deliver(name, restart)).collect();
            for client in &rotation.clients {
                let current = self.observation.current(Role::Client, client).unwrap().clone();
                let reached = plan::reached(client, &current, &self.observation, self.now);
                if rotation.is_emergency && reached.is_some && !reached.missed.is_empty() {
                    self.excused.insert(client.clone());
                }
                let has = self.holds.get(&(client.clone(), 1)).map(|held| ObservedGeneration {
                    chain: vec![held.leaf.clone()],
                    trust: held.trust.clone(),
                    ..current.clone()
                });
                let is_lost = has.is_some_and(|has| {
                    !rotation.is_emergency
                        && !plan::lost(client, (&has, &current), &self.observation, self.now).is_empty()
                });
                if reached.is_some && !is_lost {
                    self.take((client.clone(), 1));
                    let replaced = plan::replaced_here(client, &current, &self.observation);
                    let step = plan::hold(client, &current, HeldBy::Installed, replaced, self.now);
                    self.carry_out(&Plan { state: vec![step], ..Plan::default() });
                }
            }
            if !rotation.rolls_over || served.contains(&false) {
                break;
            }
        }
        Ok(all)
    }

    /// Notes which other set than the current one each client of this machine has installed.
    fn read_copies(&mut self) {
        let installed: Vec<IdentityName> = self.installed_clients().cloned().collect();
        let copies = installed.into_iter().filter_map(|client| {
            let held = self.holds.get(&(client.clone(), 1))?;
            let current = self.observation.current(Role::Client, &client)?;
            let other = ObservedGeneration {
                chain: vec![held.leaf.clone()],
                trust: held.trust.clone(),
                ..current.clone()
            };
            let sets = if held.is(current) { Vec::new() } else { vec![other] };
            Some((client, ObservedCopies { sets, is_unread: false }))
        });
        let copies = copies.collect();
        self.observation.note_copies(&copies);
    }

    /// The clients whose folders are on this machine.
    fn installed_clients(&self) -> impl Iterator<Item = &IdentityName> {
        let clients = self.observation.inventory.clients.iter();
        clients.filter(|(_, entry)| !entry.installed.is_empty()).map(|(name, _)| name)
    }

    /// The identities of which something else than what is current is installed here.
    fn outdated(&self) -> BTreeSet<(Role, IdentityName)> {
        let is_current = |role, name: &IdentityName, one: &InUse| {
            self.observation.current(role, name).is_none_or(|current| one.is(current))
        };
        let is_here = |name: &IdentityName| self.installed_clients().any(|one| one == name);
        let clients = self.holds.iter().filter(|((name, _), _)| is_here(name));
        let clients = clients.filter(|((name, _), held)| !is_current(Role::Client, name, held));
        let daemons =
            self.installed.iter().filter(|(name, (_, set))| !is_current(Role::Daemon, name, &InUse::of(set)));
        let daemons = daemons.map(|(name, _)| (Role::Daemon, name.clone()));
        clients.map(|((name, _), _)| (Role::Client, name.clone())).chain(daemons).collect()
    }

    fn place(&mut self, daemon: &IdentityName) -> ObservedGeneration {
        let current = self.observation.current(Role::Daemon, daemon).unwrap().clone();
        self.installed.insert(daemon.clone(), (self.commit, current.clone()));
        current
    }

    /// A daemon is restarted; whether it serves its current set then.
    fn deliver(&mut self, daemon: &IdentityName, restart: Restart) -> bool {
        let current = self.place(daemon);
        let is_served =
            |world: &World, set: &ObservedGeneration| world.serves.get(daemon).is_some_and(|one| one.is(set));
        if restart == Restart::Works {
            self.serves.insert(daemon.clone(), InUse::of(&current));
        }
        if is_served(self, &current) {
            self.verify(daemon);
            return true;
        }
        if restart == Restart::Fails
            && let Some(back) =
                plan::fallback(daemon, &self.observation, &self.earlier(Role::Daemon, daemon), self.now)
            && self.refused(&back.plan()).is_none()
        {
            self.carry_out(&back.plan());
            let current = self.place(daemon);
            if is_served(self, &current) {
                self.verify(daemon);
            }
        }
        false
    }

    /// The generations that are not current.
    pub(super) fn earlier(&self, role: Role, name: &IdentityName) -> Vec<EarlierGeneration> {
        let current = self.observation.current(role, name).map(|one| one.number);
        let all = self.generations.get(&(role, name.clone())).into_iter().flatten();
        all.filter(|one| Some(one.number) != current)
            .map(|one| EarlierGeneration { number: one.number, files: Some(one.clone()) })
            .collect()
    }

    /// What `rollback` does, if it is allowed; whether it was.
    pub(super) fn roll_back(
        &mut self,
        role: Role,
        name: &IdentityName,
        restart: Restart,
    ) -> Result<(), String> {
        self.read_copies();
        let earlier = self.earlier(role, name);
        let rollback = plan::rollback((role, name), &self.observation, &earlier, self.now)
            .map_err(|failure| failure.to_string())?;
        let plan = rollback.plan();
        if let Some(found) = self.refused(&plan).filter(|_| self.fault != Some(Fault::Unguarded)) {
            return Err(found);
        }
        self.carry_out(&plan);
        match role {
            Role::Daemon => drop(self.deliver(name, restart)),
            Role::Client => self.take((name.clone(), 1)),
        }
        Ok(())
    }

    /// Why a command other than a rotation is refused a change: whom it would lock out.
    fn refused(&self, plan: &Plan) -> Option<String> {
        let is_judged = plan::needs_holders(plan, &self.observation);
        let judge = || plan::judge(plan, &self.observation, &BTreeSet::new(), self.now);
        let refused = if is_judged { judge().refused } else { Vec::new() };
        refused.first().map(|found| format!("{found:?}"))
    }

    /// A machine takes what is current for its client into use.
    pub(super) fn take(&mut self, machine: Machine) {
        let current = self.observation.current(Role::Client, &machine.0).unwrap();
        let in_use = InUse::of(current);
        let is_of_key = |held: &InUse| held.leaf.public_key() == in_use.leaf.public_key();
        let is_here = current.key == KeyPresence::Present;
        if is_here || self.holds.get(&machine).is_none_or(is_of_key) {
            self.holds.insert(machine, in_use);
        }
    }

    /// A client elsewhere says that it has what is current, for the key of that machine.
    pub(super) fn confirm(&mut self, machine: &Machine) {
        let Some(held) = self.holds.get(machine).map(|held| held.leaf.clone()) else { return };
        let mut sets = self.generations.get(&(Role::Client, machine.0.clone())).into_iter().flatten();
        let set = sets.rfind(|set| set.leaf() == &held).cloned();
        if let Some(set) = set {
            let step = plan::hold(&machine.0, &set, HeldBy::Receipt, Vec::new(), self.now);
            self.carry_out(&Plan { state: vec![step], ..Plan::default() });
        }
    }

    /// Everybody trusts another certificate of each CA, as of one whose exclusions have changed.
    pub(super) fn replace_anchors(&mut self) {
        let other = |trust: &TrustBundle| {
            let of_same = |anchor: &Certificate| {
                let mut all = self.anchors.values();
                all.find(|one| one.is_of_same_authority(anchor)).unwrap().clone()
            };
            TrustBundle::new(trust.certificates().iter().map(of_same).collect())
        };
        let identities = self.observation.daemons.values_mut().chain(self.observation.clients.values_mut());
        let sets = identities
            .flat_map(|one| one.current.iter_mut().chain(&mut one.worked_before).chain(&mut one.earlier));
        let sets = sets.chain(self.generations.values_mut().flatten());
        sets.for_each(|set| set.trust = other(&set.trust));
        let in_use = self.serves.values_mut().chain(self.holds.values_mut());
        in_use.for_each(|one| one.trust = other(&one.trust));
    }

    /// The key of a CA is gone.
    pub(super) fn lose_key(&mut self, id: &AuthorityId) {
        let lost = self.observation.authorities.iter_mut().find(|one| one.id == *id).unwrap();
        lost.key = KeyPresence::Absent;
    }

    /// Whoever was named and is in everywhere again is to be named again, once nothing that was said before
    /// is still to come.
    pub(super) fn forgive(&mut self) {
        let rollover = self.observation.rollover.as_ref();
        let is_served = |(daemon, (_, set)): (&IdentityName, &(u64, ObservedGeneration))| {
            self.serves.get(daemon).is_some_and(|served| served.is(set))
        };
        if rollover.is_some_and(RolloverRecord::is_emergency) || !self.installed.iter().all(is_served) {
            return;
        }
        let reached = self.reached();
        let is_retired = |daemon: &&IdentityName| self.observation.daemons[*daemon].is_retired();
        let is_in = |machine: &Machine| {
            let mut daemons = self.serves.keys().filter(|daemon| !is_retired(daemon));
            daemons.all(|daemon| reached.contains(&(machine.clone(), daemon.clone())))
        };
        let is_still_to_come = |client: &IdentityName| {
            let is_skipped = rollover.is_some_and(|rollover| rollover.skipped.contains(client));
            let is_retired = self.observation.clients.get(client).is_some_and(ObservedIdentity::is_retired);
            let mut machines = self.holds.keys().filter(|machine| machine.0 == *client);
            // A CA that nobody unknown is waited for any more leaves later.
            let is_finished = rollover.is_some_and(|rollover| !rollover.finished.is_empty());
            is_skipped || is_finished || is_retired || !machines.all(is_in)
        };
        let excused: Vec<IdentityName> = self.excused.iter().cloned().collect();
        let (kept, _) = excused.into_iter().partition::<Vec<_>, _>(is_still_to_come);
        self.excused = kept.into_iter().collect();
    }

    /// Who reaches which daemon, by a model that knows nothing of certificates but who signed them, for
    /// whom, and until when.
    pub(super) fn reached(&self) -> BTreeSet<(Machine, IdentityName)> {
        let mut reached = BTreeSet::new();
        for (machine, client) in &self.holds {
            for (daemon, served) in &self.serves {
                let trusts = |set: &InUse, leaf: &Certificate| {
                    let mut anchors = set.trust.certificates().iter();
                    anchors.any(|anchor| anchor.subject() == leaf.issuer() && !excludes(anchor, leaf))
                };
                let is_good = |leaf: &Certificate| leaf.validity().contains(self.now);
                let host = self.observation.inventory.daemons[daemon].endpoint.host();
                let is_named = served.leaf.usable_names().contains(host);
                if trusts(client, &served.leaf)
                    && trusts(served, &client.leaf)
                    && is_good(&client.leaf)
                    && is_good(&served.leaf)
                    && is_named
                {
                    reached.insert((machine.clone(), daemon.clone()));
                }
            }
        }
        reached
    }

    pub(super) fn active(&self) -> AuthorityId {
        self.observation.active_authority().unwrap().id.clone()
    }
}

/// Whether an anchor excludes one of the names of a certificate, each by itself.
fn excludes(anchor: &Certificate, leaf: &Certificate) -> bool {
    let Some(excluded) = Exclusions::of(anchor) else { return false };
    leaf.usable_names().into_iter().any(|name| match name {
        SubjectAltName::Dns(name) => excluded.contains(&Exclusion::Dns(name)),
        SubjectAltName::Ip(address) => excluded.contains(&Exclusion::Ip(address)),
    })
}

/// The hosts of an entry, changed.
pub(super) fn with_hosts(world: &mut World, daemon: &str, names: &[&str]) {
    let names: Vec<SubjectAltName> = hosts(names);
    world.observation.inventory.daemons.get_mut(&name(daemon)).unwrap().hosts = names;
}
