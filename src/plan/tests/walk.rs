//! Every state that a rollover can come to, breadth first: two daemons, three clients, two keys of one of
//! them, and whatever may happen. Nobody is out who was not named, nobody gets in again whose access was taken
//! away, and from every state there is a way to the end.
//!
//! `KITCERT_WALK_DEPTH` sets how far it goes.

use std::collections::BTreeMap;

use super::alike::Alike;
use super::rotating::asked;
use super::world::{Fault, Machine, Restart, TWO_DAEMONS, World, with_hosts};
use super::{days, name};
use crate::model::{AuthorityId, IdentityName, Role};
use crate::pki::Certificate;
use crate::plan::{AuthorityRotation, RotateRequest, RotationScope, refuse_forgotten, skip};

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
    /// Everything is renewed.
    Force,
    /// Nobody unknown is waited for.
    Finish,
    Retire(Role, &'static str),
    /// The state is as it was in the beginning.
    Restore,
    Recover,
    /// The access of a client is taken away.
    Revoke(&'static str, Restart),
    /// That of the key that a machine holds.
    RevokeKey(usize, Restart),
    /// It is given back.
    Undo(&'static str, Restart),
    /// revocations.json is lost.
    Forget,
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

const EVENTS: [Event; 35] = [
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
    Event::Force,
    Event::Finish,
    Event::Retire(Role::Client, "bob"),
    Event::Retire(Role::Daemon, "spare"),
    Event::Restore,
    Event::Recover,
    Event::Revoke("bob", Restart::Works),
    Event::Revoke("bob", Restart::Fails),
    Event::RevokeKey(2, Restart::Works),
    Event::RevokeKey(0, Restart::Never),
    Event::Undo("bob", Restart::Fails),
    Event::Forget,
    Event::Wait,
    Event::WaitLong,
];

const CLIENTS: [&str; 3] = ["ana", "bob", "cleo"];

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
    let is_time = matches!(event, Event::Recover | Event::Restore | Event::Wait | Event::WaitLong);
    if world.is_old() && !is_time {
        return false;
    }
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
            if !world.observation.waiting_kits.contains(&machine.0) {
                return false;
            }
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
        Event::Force => {
            let request = RotateRequest { scope: RotationScope::Forced, ..asked() };
            world.rotate_as(&request, Restart::Works).is_ok()
        }
        Event::Finish => which(world, Which::From).is_some_and(|id| world.finish(&id)),
        Event::Retire(role, named) => world.retire(role, named),
        Event::Restore => world.restore(),
        Event::Recover => world.recover(),
        Event::Revoke(client, restart) => world.revoke(client, None, restart),
        Event::RevokeKey(machine, restart) => {
            let (client, number) = machines()[machine].clone();
            world.revoke(client.as_str(), Some(number), restart)
        }
        Event::Undo(client, restart) => world.undo(client, restart),
        Event::Forget => world.forget_revocations(),
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

/// Who was in and is out, although nobody said so and no certificate has ended.
fn out(before: &World, after: &World) -> Vec<(Machine, IdentityName)> {
    let is_over = |leaf: &Certificate| !leaf.validity().contains(after.now);
    let lost = before.reached().difference(&after.reached()).cloned().collect::<Vec<_>>();
    lost.into_iter()
        .filter(|((client, number), daemon)| {
            let machine = (client.clone(), *number);
            let has_ended = is_over(&before.holds[&machine].leaf) || is_over(&before.serves[daemon].leaf);
            let is_retired = after.observation.daemons[daemon].is_retired();
            let is_revoked = after.is_revoked(client, &before.holds[&machine].leaf);
            !after.excused.contains(client) && !has_ended && !is_retired && !is_revoked
        })
        .collect()
}

/// What is done to come to the end, one after the other as long as the one before changes nothing.
#[derive(Clone, Copy, Debug)]
enum Push {
    /// Daemons restart, kits are joined and receipts arrive.
    Round,
    /// Whoever holds it up is skipped.
    Skip,
    /// Nobody unknown is waited for.
    Finish,
    /// Whoever would be locked out is.
    LockOut,
}

const PUSHES: [Push; 4] = [Push::Round, Push::Skip, Push::Finish, Push::LockOut];

fn pushed(world: &World, push: Push) -> World {
    let mut world = world.clone();
    match push {
        Push::Round if world.is_old() || world.has_forgotten() => {
            world.recover();
        }
        Push::Round => {
            let to = which(&world, Which::To).and_then(|to| world.observation.authority(&to));
            let is_keyless = to.is_some_and(|to| !to.can_sign(world.now));
            let begins = if is_keyless { Event::Start } else { Event::Rotate };
            happens(&mut world, begins(Restart::Works));
            for machine in 1..4 {
                happens(&mut world, Event::Join(machine, true));
            }
        }
        Push::Skip => {
            for client in CLIENTS {
                happens(&mut world, Event::Skip(client));
            }
        }
        Push::Finish => {
            let previous = world.observation.rollover.as_ref().map(|one| one.from.clone());
            for id in previous.unwrap_or_default() {
                world.finish(&id);
            }
        }
        Push::LockOut => {
            let request = RotateRequest { lock_out: CLIENTS.map(name).into(), ..asked() };
            drop(world.rotate_as(&request, Restart::Works));
        }
    }
    world
}

/// What a walk knows of the way from each state to its end: how many steps it has, or that there is none.
type Ways = BTreeMap<Alike, Option<usize>>;

/// How many steps it takes to the end of a rollover, of a way that is found without a search.
fn way_to_the_end(world: &World, alike: Alike, ways: &mut Ways) -> Option<usize> {
    if world.observation.rollover.is_none() && !world.is_old() {
        return Some(0);
    }
    if let Some(known) = ways.get(&alike) {
        return *known;
    }
    // Whoever comes back here has gone in a circle.
    ways.insert(alike, None);
    let next = PUSHES.into_iter().map(|push| pushed(world, push));
    let mut next = next.map(|next| (Alike::of(&next), next)).filter(|(is, _)| *is != alike);
    let way = next.next().and_then(|(is, next)| way_to_the_end(&next, is, ways)).map(|steps| steps + 1);
    ways.insert(alike, way);
    way
}

/// What a walk has seen.
#[derive(Default)]
struct Walked {
    transitions: usize,
    violations: Vec<String>,
    /// Where somebody gets in again whose access was taken away, or does unsaid.
    let_in: Vec<String>,
    /// Of each state, how many steps it is from its end.
    ways: Vec<Option<usize>>,
    stuck: Vec<String>,
    /// Which state leads to which.
    leads: Vec<(usize, usize)>,
}

impl Walked {
    /// The longest of the shortest ways, and how many states have one of each length.
    fn shortest_ways(&self) -> BTreeMap<usize, usize> {
        let mut ways = self.ways.clone();
        let mut is_shorter = true;
        while std::mem::take(&mut is_shorter) {
            for (from, to) in &self.leads {
                let through = ways[*to].map(|steps| steps + 1);
                if through.is_some_and(|through| ways[*from].is_none_or(|way| through < way)) {
                    ways[*from] = through;
                    is_shorter = true;
                }
            }
        }
        let mut lengths = BTreeMap::new();
        ways.into_iter().flatten().for_each(|steps| *lengths.entry(steps).or_default() += 1);
        lengths
    }
}

/// Breadth first, layer by layer; with a fault, until somebody is out.
fn walk(depth: usize, fault: Option<Fault>) -> Walked {
    let mut first = World::new(TWO_DAEMONS);
    first.fault = fault;
    first.back_up();
    let mut walked = Walked { ways: vec![Some(0)], ..Walked::default() };
    let mut ways = Ways::new();
    let mut seen: BTreeMap<Alike, usize> = [(Alike::of(&first), 0)].into();
    let mut layer: Vec<(usize, World, Vec<Event>)> = vec![(0, first, Vec::new())];
    for far in 1..=depth {
        let mut beyond = Vec::new();
        for (from, world, path) in layer {
            for event in EVENTS {
                let mut next = world.clone();
                if !happens(&mut next, event) {
                    continue;
                }
                walked.transitions += 1;
                let path = || path.iter().copied().chain([event]).collect::<Vec<Event>>();
                let out = out(&world, &next);
                if !out.is_empty() {
                    walked.violations.push(format!("{:?}: {out:?}", path()));
                    if fault.is_some() {
                        return walked;
                    }
                    continue;
                }
                let (again, unsaid) = (next.in_again(&world), next.in_unsaid());
                if !again.is_empty() || !unsaid.is_empty() {
                    walked.let_in.push(format!("{:?}: in again {again:?}, unsaid {unsaid:?}", path()));
                    continue;
                }
                next.forgive();
                let alike = Alike::of(&next);
                let count = seen.len();
                let to = *seen.entry(alike).or_insert(count);
                walked.leads.push((from, to));
                if to != count || fault.is_some() && far == depth {
                    continue;
                }
                if fault.is_none() {
                    let way = way_to_the_end(&next, alike, &mut ways);
                    walked.ways.push(way);
                    if way.is_none() {
                        walked.stuck.push(format!("{:?}", path()));
                    }
                }
                if far < depth {
                    beyond.push((to, next, path()));
                }
            }
        }
        layer = beyond;
    }
    walked
}

#[test]
fn nobody_is_out_unsaid_and_every_state_has_a_way_to_the_end() {
    let depth = std::env::var("KITCERT_WALK_DEPTH").ok().and_then(|text| text.parse().ok()).unwrap_or(3);
    let walked = walk(depth, None);
    let ways = walked.shortest_ways();
    println!(
        "{} states, {} transitions to depth {depth}, {} violations, {} let in, {} without a way to the end; of {} \
         steps at most: {ways:?}",
        walked.ways.len(),
        walked.transitions,
        walked.violations.len(),
        walked.let_in.len(),
        walked.stuck.len(),
        ways.keys().max().unwrap()
    );
    let shown = |list: &[String]| list.iter().take(40).cloned().collect::<Vec<_>>().join("\n");
    let Walked { violations, let_in, stuck, .. } = &walked;
    let faults = [("out unsaid", violations), ("let in", let_in), ("without a way to the end", stuck)];
    let faults = faults.map(|(what, list)| format!("{what}:\n{}", shown(list))).join("\n");
    assert!([violations, let_in, stuck].into_iter().all(Vec::is_empty), "{faults}");
}

#[test]
fn a_fault_that_locks_somebody_out_is_found() {
    for fault in [Fault::TooEarly, Fault::TakenForReceived, Fault::Unguarded] {
        let walked = walk(5, Some(fault));
        assert!(!walked.violations.is_empty(), "{fault:?}");
    }
}

#[test]
fn whatever_the_guard_leaves_to_recover_recover_takes_in() {
    use Event::{Forget, Revoke, Start, Undo, WaitLong};
    for path in [
        [Revoke("bob", Restart::Works), WaitLong, Start(Restart::Fails), Forget],
        [Start(Restart::Fails), Revoke("bob", Restart::Works), Undo("bob", Restart::Fails), Forget],
    ] {
        let mut world = World::new(TWO_DAEMONS);
        for event in path {
            assert!(happens(&mut world, event), "{event:?}");
        }
        assert!(refuse_forgotten(&world.observation).is_err(), "{path:?}");
        assert!(world.has_forgotten() && world.recover(), "{path:?}");
        refuse_forgotten(&world.observation).unwrap();
    }
}
