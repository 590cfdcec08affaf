//! A plan carried out in memory, as `apply` does it on a disk.

use super::fresh_key;
use super::world::{Fault, World};
use crate::model::{AuthorityId, Generation, IdentityName, KeyAlgorithm, Role};
use crate::pki::{AuthorityRequest, CertificateAuthority, LeafRequest, PrivateKey, PublicKey, TrustBundle};
use crate::plan::exclusions::{anchor, meant};
use crate::plan::{self, AuthorityChoice, KeySource, Plan, Signing, StateStep};
use crate::probe::DIAL_LIST_VERSION;
use crate::store::{
    AuthorityOrigin, AuthorityRecord, HeldBy, KeyPresence, ObservedAuthority, ObservedGeneration,
    ObservedIdentity, OpenUntil, RolloverRecord, Vantage, VerifiedRecord,
};

impl World {
    pub(super) fn make_authority(&mut self) {
        let plan = Plan {
            state: vec![StateStep::MakeAuthority {
                name: "Test".parse().unwrap(),
                algorithm: KeyAlgorithm::EcdsaP256,
                validity: crate::model::Validity::issued(
                    self.now,
                    self.observation.inventory.authority.lifetime,
                    crate::model::profile::BACKDATING,
                ),
            }],
            ..Plan::default()
        };
        self.carry_out(&plan);
    }

    pub(super) fn issue(&mut self, role: Role, named: &IdentityName, key: KeySource) {
        let signing = Signing::alone(AuthorityChoice::Of(self.active()));
        let generation = Generation::after(
            self.observation.identities(role).get(named).and_then(|identity| identity.last_generation),
        );
        let lifetime = self.observation.inventory.clients[named].lifetime;
        let issuance = plan::Issuance {
            role,
            name: named.clone(),
            hosts: Vec::new(),
            validity: crate::model::Validity::issued(self.now, lifetime, crate::model::profile::BACKDATING),
            generation,
            key,
            reason: plan::Reason::Asked,
            signing,
        };
        self.carry_out(&Plan { state: vec![StateStep::Issue(issuance)], ..Plan::default() });
    }

    /// Carries the state steps of a plan out, as `apply` does on a disk.
    pub(super) fn carry_out(&mut self, plan: &Plan) {
        let mut made = None;
        self.commit += u64::from(!plan.state.is_empty());
        for step in &plan.state {
            match step {
                StateStep::MakeAuthority { name, algorithm, validity } => {
                    let key = PrivateKey::generate(*algorithm).ok().unwrap();
                    let request = AuthorityRequest { name: name.clone(), validity: *validity };
                    let authority = CertificateAuthority::create(&request, &key).ok().unwrap();
                    let certificate = authority.certificate().clone();
                    let other = CertificateAuthority::create(&request, &key).ok().unwrap();
                    let id = certificate.authority_id();
                    let (key, record) = (KeyPresence::Present, AuthorityRecord::default());
                    let observed = ObservedAuthority {
                        id: id.clone(),
                        certificate,
                        chain: Vec::new(),
                        key,
                        key_fault: None,
                        record,
                    };
                    self.observation.authorities.insert(0, observed);
                    self.authorities.insert(id.clone(), std::rc::Rc::new(authority));
                    self.anchors.insert(id.clone(), other.certificate().clone());
                    made = Some(id);
                }
                StateStep::BeginRollover { kind, from, to } => {
                    let to = self.id(to, made.as_ref());
                    self.set_rollover(RolloverRecord::new(*kind, from.clone(), to, self.now));
                }
                StateStep::ChangeRollover(record) => self.set_rollover(record.clone()),
                StateStep::ChangeRevocations(record) => self.observation.revocations = Some(record.clone()),
                StateStep::NoteSeen(daemon, seen) => {
                    let daemon = self.observation.daemons.get_mut(daemon).unwrap();
                    daemon.history.access.note_seen(seen.clone());
                }
                StateStep::ForgetSeen(daemon, client) => {
                    self.observation.daemons.get_mut(daemon).unwrap().history.access.forget(client);
                }
                StateStep::NoteAccess(name, access) => {
                    self.observation.daemons.get_mut(name).unwrap().history.access = access.clone();
                }
                StateStep::KnowAsAuthority(id) => self.record_of(id).has_issued = true,
                StateStep::TrustAgain(id) => self.record_of(id).retired = None,
                StateStep::WithdrawKit(name) => {
                    self.observation.waiting_kits.remove(name);
                    self.observation.withdrawn_kits.insert(name.clone());
                }
                StateStep::PutBackKit(name) => {
                    self.observation.withdrawn_kits.remove(name);
                    self.observation.waiting_kits.insert(name.clone());
                }
                StateStep::EndRollover(previous) => {
                    self.observation.rollover = None;
                    for id in previous {
                        self.record_of(id).retired = Some(self.now);
                    }
                }
                StateStep::Issue(issuance) => {
                    let signer = self.id(&issuance.signing.issuer, made.as_ref());
                    assert_eq!(self.observation.authority(&signer).unwrap().key, KeyPresence::Present);
                    let (key, presence) = self.key(issuance);
                    let request = LeafRequest {
                        role: issuance.role,
                        name: issuance.name.clone(),
                        hosts: issuance.hosts.clone(),
                        validity: issuance.validity,
                    };
                    let leaf = self.authorities[&signer].issue(&request, &key).unwrap();
                    self.observation.issued.push(leaf.clone());
                    let trust = self.bundle(issuance.role, &issuance.signing.trust, made.as_ref());
                    let set = ObservedGeneration {
                        number: issuance.generation,
                        chain: vec![leaf],
                        trust,
                        key: presence,
                    };
                    self.put(issuance.role, &issuance.name, set);
                }
                StateStep::Rebundle { role, name, from, chain, generation, trust } => {
                    let all = &self.generations[&(*role, name.clone())];
                    let key = all.iter().find(|one| one.number == *from).unwrap().key;
                    let is_wrong = self.fault == Some(Fault::TooEarly) && *role == Role::Daemon;
                    let meant = if is_wrong { &trust[..1] } else { trust };
                    let trust = self.bundle(*role, meant, made.as_ref());
                    let set = ObservedGeneration { number: *generation, chain: chain.clone(), trust, key };
                    self.put(*role, name, set);
                }
                StateStep::Prune { role, name, generation } => {
                    let all = self.generations.get_mut(&(*role, name.clone())).unwrap();
                    all.retain(|one| one.number != *generation);
                    self.refresh(*role, name);
                }
                StateStep::RemoveIssued(serial) => {
                    self.observation.issued.retain(|one| one.serial() != serial);
                }
                StateStep::Kit(terms) => {
                    self.observation.waiting_kits.insert(terms.name.clone());
                    if self.fault == Some(Fault::TakenForReceived) {
                        let client = self.observation.clients.get_mut(&terms.name).unwrap();
                        let current = client.current.as_ref().unwrap();
                        let step = plan::hold(&terms.name, current, HeldBy::Confirm, Vec::new(), self.now);
                        self.carry_out(&Plan { state: vec![step], ..Plan::default() });
                    }
                }
                StateStep::Hold { name, key, held, replaces } => {
                    let client = self.observation.clients.get_mut(name).unwrap();
                    client.record.keys.entry(*key).or_default().held = Some(held.clone());
                    for replaced in replaces {
                        client.record.keys.entry(*replaced).or_default().replaced = Some(held.generation);
                    }
                    if client.current.as_ref().is_some_and(|current| current.number == held.generation) {
                        self.observation.waiting_kits.remove(name);
                    }
                }
                StateStep::Use(name, used) => {
                    let client = self.observation.clients.entry(name.clone()).or_default();
                    client.record.uses.insert(used.clone());
                }
                StateStep::WaitAgain(name) => {
                    self.observation.clients.get_mut(name).unwrap().record.retired = None;
                }
                StateStep::UseAny(name) => {
                    self.observation.clients.get_mut(name).unwrap().record.uses.clear();
                }
                StateStep::Distrust(id) => {
                    let now = self.now;
                    self.record_of(id).compromised.get_or_insert(now);
                }
                StateStep::Retire(role, name) => {
                    let now = Some(self.now);
                    match role {
                        Role::Daemon => {
                            self.observation.daemons.get_mut(name).unwrap().history.retired = now;
                        }
                        Role::Client => {
                            self.observation.clients.get_mut(name).unwrap().record.retired = now;
                        }
                    }
                }
                StateStep::AdoptAuthority { id, certificate, clients_only } => {
                    let record = AuthorityRecord::of_others(AuthorityOrigin::Adopted, *clients_only);
                    let (id, certificate, key) = (id.clone(), certificate.clone(), KeyPresence::Absent);
                    let chain = Vec::new();
                    let adopted = ObservedAuthority { id, certificate, chain, key, key_fault: None, record };
                    self.observation.authorities.push(adopted);
                }
                StateStep::DropAuthority(id) => {
                    let now = self.now;
                    self.record_of(id).retired = Some(now);
                }
                StateStep::Open(id, until) => self.record_of(id).open_until = OpenUntil::Time(*until),
                StateStep::ComeAfter(commit) => self.commit = self.commit.max(*commit),
                StateStep::TakeInAuthority(certificate) => {
                    let id = certificate.authority_id();
                    let (key, record) = (KeyPresence::Absent, AuthorityRecord::default());
                    let (certificate, chain) = (certificate.clone(), Vec::new());
                    let taken = ObservedAuthority { id, certificate, chain, key, key_fault: None, record };
                    self.observation.authorities.insert(0, taken);
                }
                StateStep::TakeInLeaf(_, leaf) => self.observation.issued.push(leaf.clone()),
                StateStep::TakeIn { name, chain, trust, generation } => {
                    let (chain, trust, number) = (chain.clone(), trust.clone(), *generation);
                    let key = KeyPresence::Present;
                    self.put(Role::Daemon, name, ObservedGeneration { number, chain, trust, key });
                    self.observation.daemons.get_mut(name).unwrap().history.take_over(number, self.now);
                    self.refresh(Role::Daemon, name);
                }
                StateStep::Create(_)
                | StateStep::ImportAuthority { .. }
                | StateStep::Adopt { .. }
                | StateStep::KnowInstalled { .. }
                | StateStep::Inventory(_)
                | StateStep::Request { .. }
                | StateStep::DestroyKey(_) => {}
            }
        }
    }

    fn set_rollover(&mut self, record: RolloverRecord) {
        self.excused.extend(record.skipped.iter().cloned());
        self.observation.rollover = Some(record);
    }

    fn record_of(&mut self, id: &AuthorityId) -> &mut AuthorityRecord {
        &mut self.observation.authorities.iter_mut().find(|one| one.id == *id).unwrap().record
    }

    fn id(&self, choice: &AuthorityChoice, made: Option<&AuthorityId>) -> AuthorityId {
        match choice {
            AuthorityChoice::Made => made.unwrap().clone(),
            AuthorityChoice::Of(id) => id.clone(),
        }
    }

    fn bundle(&self, role: Role, trust: &[AuthorityChoice], made: Option<&AuthorityId>) -> TrustBundle {
        let excluded = meant(&self.observation, self.now).filter(|_| role == Role::Daemon);
        let certificate = |choice: &AuthorityChoice| {
            let id = self.id(choice, made);
            anchor(&self.observation.authority(&id).unwrap().certificate, excluded.as_ref()).unwrap()
        };
        TrustBundle::new(trust.iter().map(certificate).collect())
    }

    fn key(&self, issuance: &plan::Issuance) -> (PublicKey, KeyPresence) {
        match &issuance.key {
            KeySource::New(_) => (fresh_key(), KeyPresence::Present),
            KeySource::Requested(key) => (key.clone(), KeyPresence::Absent),
            KeySource::Kept { generation } => {
                let all = &self.generations[&(issuance.role, issuance.name.clone())];
                let kept = all.iter().find(|one| one.number == *generation).unwrap();
                (kept.leaf().public_key().clone(), KeyPresence::Present)
            }
        }
    }

    fn put(&mut self, role: Role, name: &IdentityName, set: ObservedGeneration) {
        let identities = match role {
            Role::Daemon => &mut self.observation.daemons,
            Role::Client => &mut self.observation.clients,
        };
        let identity: &mut ObservedIdentity = identities.entry(name.clone()).or_default();
        identity.last_generation = Some(set.number);
        identity.verified = None;
        identity.current = Some(set.clone());
        self.generations.entry((role, name.clone())).or_default().push(set);
        self.refresh(role, name);
    }

    /// What an observation says of the generations that are there.
    fn refresh(&mut self, role: Role, name: &IdentityName) {
        let all = self.generations[&(role, name.clone())].clone();
        let identities = match role {
            Role::Daemon => &mut self.observation.daemons,
            Role::Client => &mut self.observation.clients,
        };
        let identity = identities.get_mut(name).unwrap();
        let current = identity.current.as_ref().map(|one| one.number);
        identity.generations = all.iter().map(|one| one.number).collect();
        if role == Role::Client {
            identity.earlier = all.iter().rev().filter(|one| Some(one.number) != current).cloned().collect();
            return;
        }
        let before = |identity: &ObservedIdentity| identity.worked_before.as_ref().map(|one| one.number);
        identity.worked_before = match identity.has_worked() {
            true => None,
            false => {
                let newest = identity.history.working().find(|number| identity.generations.contains(number));
                newest.and_then(|number| all.iter().find(|one| one.number == number)).cloned()
            }
        };
        let (first, last) = (before(identity).or(current), current);
        let is_between = |one: &&ObservedGeneration| first < Some(one.number) && Some(one.number) < last;
        identity.between = all.iter().filter(is_between).cloned().collect();
    }

    pub(super) fn verify(&mut self, daemon: &IdentityName) {
        let entry = self.observation.inventory.daemons[daemon].clone();
        let observed = self.observation.daemons.get_mut(daemon).unwrap();
        let current = observed.current.as_ref().unwrap();
        observed.history.note_worked(current.number, self.now);
        observed.verified = Some(VerifiedRecord {
            dial_list: DIAL_LIST_VERSION,
            kitcert: "0.0.0".to_owned(),
            server_name: entry.endpoint.host().clone(),
            endpoint: entry.endpoint.clone(),
            hosts: entry.hosts.clone(),
            addresses: Vec::new(),
            narrowed_to: Vec::new(),
            vantage: Vantage { host: "here".to_owned(), uid: 0 },
            generation: current.number,
            leaf: current.leaf().fingerprint(),
            bundle: current.trust.fingerprint(),
            dials: 13,
            not_tried: Vec::new(),
            started_at: self.now,
            verified_at: self.now,
            command: "verify".to_owned(),
        });
        self.refresh(Role::Daemon, daemon);
    }
}
