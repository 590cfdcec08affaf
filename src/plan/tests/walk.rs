//! Every state that a rollover can come to, breadth first: two daemons, three clients, two keys of one of
//! them, and whatever may happen. Nobody is out who was not named, and from every state there is a way to
//! the end.
//!
//! `KITCERT_WALK_DEPTH` sets how far it goes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::rotating::asked;
use super::world::{Fault, Machine, Restart, TWO_DAEMONS, World, with_hosts};
use super::{days, name};
use crate::model::{AuthorityId, IdentityName, Role};
use crate::pki::{Certificate, TrustBundle};
use crate::plan::{AuthorityRotation, RotateRequest, finish, skip};
use crate::store::{KeyPresence, ObservedGeneration};

/// What may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Rotate(Restart),
    Start(Restart),
    Abort(Restart),
    Distrust(Which, Restart),
    /// A kit is joined, and its receipt comes back or is lost.
    Join(usize, bool),
    /// The receipt of what a machine holds arrives.
    Confirm(usize),
    Skip(&'static str),
    RollBackDaemon(&'static str, Restart),
    RollBackClient,
    LoseKey(Which),
    DropHost,
    /// A month passes.
    Wait,
    /// Half a life of a daemon's certificate passes.
    WaitLong,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    From,
    To,
}

const EVENTS: [Event; 23] = [
    Event::Rotate(Restart::Works),
    Event::Rotate(Restart::Fails),
    Event::Rotate(Restart::Never),
    Event::Start(Restart::Works),
    Event::Start(Restart::Fails),
    Event::Abort(Restart::Works),
    Event::Abort(Restart::Never),
    Event::Distrust(Which::From, Restart::Works),
    Event::Distrust(Which::From, Restart::Fails),
    Event::Distrust(Which::To, Restart::Works),
    Event::Join(1, true),
    Event::Join(3, true),
    Event::Join(1, false),
    Event::Confirm(1),
    Event::Skip("cleo"),
    Event::RollBackDaemon("builder", Restart::Works),
    Event::RollBackDaemon("spare", Restart::Fails),
    Event::RollBackClient,
    Event::LoseKey(Which::From),
    Event::LoseKey(Which::To),
    Event::DropHost,
    Event::Wait,
    Event::WaitLong,
];

/// The machines, as events number them.
fn machines() -> [Machine; 4] {
    [(name("ana"), 1), (name("bob"), 1), (name("cleo"), 1), (name("cleo"), 2)]
}

fn which(world: &World, which: Which) -> Option<AuthorityId> {
    match (&world.observation.rollover, which) {
        (None, Which::From) => Some(world.active()),
        (None, Which::To) => None,
        (Some(rollover), Which::From) => rollover.from.first().cloned(),
        (Some(rollover), Which::To) => Some(rollover.to.clone()),
    }
}

/// What happens; whether it can at all.
fn happens(world: &mut World, event: Event) -> bool {
    let order = |authority| RotateRequest { authority, ..asked() };
    match event {
        Event::Rotate(restart) => world.rotate_as(&asked(), restart).is_ok(),
        Event::Start(restart) => world.rotate_as(&order(AuthorityRotation::Begun), restart).is_ok(),
        Event::Abort(restart) => world.rotate_as(&order(AuthorityRotation::Back), restart).is_ok(),
        Event::Distrust(one, restart) => match which(world, one) {
            Some(id) => world.rotate_as(&order(AuthorityRotation::Compromised(Some(id))), restart).is_ok(),
            None => false,
        },
        Event::Join(machine, says_so) => {
            let machine = machines()[machine].clone();
            world.take(machine.clone());
            if says_so {
                world.confirm(&machine);
            }
            true
        }
        Event::Confirm(machine) => {
            world.confirm(&machines()[machine]);
            true
        }
        Event::Skip(client) => match skip(&[name(client)], &world.observation, world.now) {
            Ok(plan) => {
                world.carry_out(&plan);
                true
            }
            Err(_) => false,
        },
        Event::RollBackDaemon(daemon, restart) => {
            world.roll_back(Role::Daemon, &name(daemon), restart).is_ok()
        }
        Event::RollBackClient => world.roll_back(Role::Client, &name("ana"), Restart::Works).is_ok(),
        Event::LoseKey(one) => match which(world, one) {
            Some(id) => {
                world.lose_key(&id);
                true
            }
            None => false,
        },
        Event::DropHost => {
            with_hosts(world, "builder", &["builder.example.com"]);
            true
        }
        Event::Wait => {
            world.now = world.now.plus(days(31));
            true
        }
        Event::WaitLong => {
            world.now = world.now.plus(days(200));
            true
        }
    }
}

/// A state in words in which two states that differ in nothing that counts are equal: CAs by the order in
/// which they are met, certificates by who signed them and how many months they have.
struct Words<'a> {
    world: &'a World,
    known: Vec<AuthorityId>,
    text: String,
}

impl Words<'_> {
    fn of(world: &World) -> String {
        let mut words = Words { world, known: Vec::new(), text: String::new() };
        words.write();
        words.text
    }

    fn add(&mut self, text: impl AsRef<str>) {
        self.text.push_str(text.as_ref());
        self.text.push(' ');
    }

    fn ca(&mut self, id: &AuthorityId) -> String {
        let at = self.known.iter().position(|one| one == id).unwrap_or_else(|| {
            self.known.push(id.clone());
            self.known.len() - 1
        });
        let one = self.world.observation.authority(id).unwrap();
        let key = if one.key == KeyPresence::Present { "k" } else { "-" };
        let end = one.record.compromised.map_or("", |_| "x");
        let retired = one.record.retired.map_or("", |_| "r");
        format!("{at}{key}{end}{retired}")
    }

    fn issuer(&mut self, leaf: &Certificate) -> String {
        let id = self.world.observation.issuer_of(leaf).unwrap().id.clone();
        let months = leaf.validity().not_after.seconds_since(self.world.now) / (31 * 86_400);
        format!("{}@{months}", self.ca(&id))
    }

    fn bundle(&mut self, trust: &TrustBundle) -> String {
        let ids: Vec<AuthorityId> = trust
            .certificates()
            .iter()
            .map(|anchor| {
                let all = &self.world.observation.authorities;
                all.iter().find(|one| one.certificate == *anchor).unwrap().id.clone()
            })
            .collect();
        let mut names: Vec<String> = ids.iter().map(|id| self.ca(id)).collect();
        names.sort();
        names.join(",")
    }

    fn set(&mut self, set: &ObservedGeneration) {
        let (leaf, trust) = (self.issuer(set.leaf()), self.bundle(&set.trust));
        let hosts = set.leaf().usable_names().len();
        self.add(format!("{leaf}/{trust}/{hosts}"));
    }

    fn write(&mut self) {
        let world = self.world;
        let observation = &world.observation;
        match &observation.rollover {
            None => self.add("none"),
            Some(rollover) => {
                let to = self.ca(&rollover.to);
                let from: Vec<String> = rollover.from.iter().map(|id| self.ca(id)).collect();
                self.add(format!("{:?} {from:?} {to} {:?}", rollover.kind, rollover.skipped));
            }
        }
        let active = self.ca(&world.active());
        self.add(active);
        for (name, daemon) in &observation.daemons {
            self.add(format!("\n{name} {}", observation.inventory.daemons[name].hosts.len()));
            daemon.current.iter().for_each(|set| self.set(set));
            self.add(if daemon.has_worked() { "worked" } else { "new" });
            daemon.worked_before.iter().for_each(|set| self.set(set));
            let served = &world.serves[name];
            let (leaf, trust) = (self.issuer(&served.leaf), self.bundle(&served.trust));
            self.add(format!("serves {leaf}/{trust}"));
        }
        for (name, client) in &observation.clients {
            self.add(format!("\n{name}"));
            for set in client.current.iter().chain(&client.earlier) {
                let fingerprint = set.leaf().public_key().fingerprint();
                let key = client.record.keys.get(&fingerprint);
                let held = key.and_then(|key| key.held.as_ref());
                let may_be_used = client.record.may_use(&fingerprint, set.number);
                if may_be_used && set.leaf().validity().contains(world.now) {
                    self.set(set);
                    self.add(if held.is_some_and(|held| held.generation == set.number) {
                        "held"
                    } else {
                        ""
                    });
                }
            }
        }
        for (machine, held) in &world.holds {
            let (leaf, trust) = (self.issuer(&held.leaf), self.bundle(&held.trust));
            self.add(format!("\n{} {} {leaf}/{trust}", machine.0, machine.1));
        }
        self.add(format!("\n{:?} {:?}", observation.waiting_kits, world.excused));
    }
}

/// Who was in and is out, although nobody said so and no certificate has ended.
fn out(before: &World, after: &World) -> Vec<(Machine, IdentityName)> {
    let is_over = |leaf: &Certificate| !leaf.validity().contains(after.now);
    let lost = before.reached().difference(&after.reached()).cloned().collect::<Vec<_>>();
    lost.into_iter()
        .filter(|((client, number), daemon)| {
            let machine = (client.clone(), *number);
            let has_ended = is_over(&before.holds[&machine].leaf) || is_over(&before.serves[daemon].leaf);
            !after.excused.contains(client) && !has_ended
        })
        .collect()
}

/// How many events it takes to the end, where daemons restart, kits are joined and receipts arrive, and at
/// last whoever holds it up is skipped.
fn way_to_the_end(world: &World) -> Option<usize> {
    let mut world = world.clone();
    for steps in 0..16 {
        if world.observation.rollover.is_none() {
            return Some(steps);
        }
        if steps > 6 {
            for client in ["ana", "bob", "cleo"] {
                happens(&mut world, Event::Skip(client));
            }
        }
        let former = world.observation.rollover.as_ref().map(|one| one.from.clone()).unwrap_or_default();
        for id in former.iter().filter(|_| steps > 8) {
            let plan = finish(id, &world.observation).ok()?;
            world.carry_out(&plan);
        }
        let is_keyless = which(&world, Which::To)
            .and_then(|to| world.observation.authority(&to))
            .is_some_and(|to| !to.can_sign(world.now));
        match (is_keyless, steps > 8) {
            (true, _) => drop(happens(&mut world, Event::Start(Restart::Works))),
            (false, false) => drop(happens(&mut world, Event::Rotate(Restart::Works))),
            (false, true) => {
                let lock_out = ["ana", "bob", "cleo"].map(name).into();
                let request = RotateRequest { lock_out, ..asked() };
                world.rotate_as(&request, Restart::Works).ok()?;
            }
        }
        for machine in 1..4 {
            happens(&mut world, Event::Join(machine, true));
        }
    }
    None
}

/// What a walk has seen.
#[derive(Default)]
struct Walked {
    states: usize,
    transitions: usize,
    violations: Vec<String>,
    /// How many states have a shortest way of that many events.
    ways: BTreeMap<usize, usize>,
    stuck: Vec<String>,
    depth: usize,
}

fn walk(depth: usize, fault: Option<Fault>) -> Walked {
    let mut first = World::new(TWO_DAEMONS);
    first.fault = fault;
    let mut seen: BTreeSet<String> = [Words::of(&first)].into();
    let mut left: VecDeque<(World, Vec<Event>)> = [(first, Vec::new())].into();
    let mut walked = Walked::default();
    while let Some((world, path)) = left.pop_front() {
        walked.states += 1;
        walked.depth = walked.depth.max(path.len());
        if fault.is_none() {
            match way_to_the_end(&world) {
                Some(steps) => *walked.ways.entry(steps).or_default() += 1,
                None => walked.stuck.push(format!("{path:?}")),
            }
        }
        if path.len() == depth {
            continue;
        }
        for event in EVENTS {
            let mut next = world.clone();
            if !happens(&mut next, event) {
                continue;
            }
            walked.transitions += 1;
            let path: Vec<Event> = path.iter().copied().chain([event]).collect();
            let out = out(&world, &next);
            if !out.is_empty() {
                walked.violations.push(format!("{path:?}: {out:?}"));
                if fault.is_some() {
                    return walked;
                }
                continue;
            }
            if seen.insert(Words::of(&next)) {
                left.push_back((next, path));
            }
        }
    }
    walked
}

#[test]
fn nobody_is_out_unsaid_and_every_state_has_a_way_to_the_end() {
    let depth = std::env::var("KITCERT_WALK_DEPTH").ok().and_then(|text| text.parse().ok()).unwrap_or(3);
    let walked = walk(depth, None);
    println!(
        "{} states, {} transitions to depth {}, {} violations, {} without a way; ways: {:?}",
        walked.states,
        walked.transitions,
        walked.depth,
        walked.violations.len(),
        walked.stuck.len(),
        walked.ways
    );
    let shown = |list: &[String]| list.iter().take(10).cloned().collect::<Vec<_>>().join("\n");
    assert!(walked.violations.is_empty(), "{}", shown(&walked.violations));
    assert!(walked.stuck.is_empty(), "{}", shown(&walked.stuck));
}

#[test]
fn a_fault_that_locks_somebody_out_is_found() {
    for fault in [Fault::TooEarly, Fault::TakenForReceived, Fault::Unguarded] {
        let walked = walk(5, Some(fault));
        assert!(!walked.violations.is_empty(), "{fault:?}");
    }
}
