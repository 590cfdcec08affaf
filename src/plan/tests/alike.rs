//! Which states of a world differ in nothing that counts.

use std::collections::BTreeSet;

use super::world::World;
use crate::model::{AuthorityId, Exclusion, Timestamp};
use crate::pki::{Certificate, DistinguishedName, Exclusions, TrustBundle};
use crate::store::{KeyPresence, ObservedGeneration, OpenUntil};

/// The SHA-256 of a state in words.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Alike([u8; 32]);

impl Alike {
    pub(super) fn of(world: &World) -> Alike {
        let digest = ring::digest::digest(&ring::digest::SHA256, Words::of(world).as_bytes());
        Alike(digest.as_ref().try_into().unwrap())
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
        let Some(one) = self.world.observation.authority(id) else { return format!("{at}?") };
        let key = if one.key == KeyPresence::Present { "k" } else { "-" };
        let end = one.record.compromised.map_or("", |_| "x");
        let retired = one.record.retired.map_or("", |_| "r");
        let open = match one.record.open_until {
            OpenUntil::Never => 0,
            OpenUntil::Time(until) => self.months(until).max(0),
            OpenUntil::Always => i64::MAX,
        };
        format!("{at}{key}{end}{retired}{open}")
    }

    fn months(&self, until: Timestamp) -> i64 {
        until.seconds_since(self.world.now) / (31 * 86_400)
    }

    /// The CA of that name, whether the state knows it or not.
    fn named(&self, subject: &DistinguishedName) -> AuthorityId {
        let mut all = self.world.authorities.iter();
        all.find(|(_, one)| one.certificate().subject() == subject).unwrap().0.clone()
    }

    fn issuer(&mut self, leaf: &Certificate) -> String {
        let id = self.named(leaf.issuer());
        let months = self.months(leaf.validity().not_after);
        format!("{}@{months}", self.ca(&id))
    }

    fn bundle(&mut self, trust: &TrustBundle) -> String {
        let ids: Vec<AuthorityId> =
            trust.certificates().iter().map(|anchor| self.named(anchor.subject())).collect();
        let mut names: Vec<String> = ids.iter().map(|id| self.ca(id)).collect();
        names.sort();
        let excluded = trust.certificates().iter().filter_map(Exclusions::of);
        let excluded: BTreeSet<String> =
            excluded.flat_map(|of| of.iter().map(|one| self.excluded(one)).collect::<Vec<_>>()).collect();
        format!("{}-{excluded:?}", names.join(","))
    }

    /// An excluded name, or whose key that is.
    fn excluded(&self, one: &Exclusion) -> String {
        let mut held = self.world.holds.iter();
        let machine = held
            .find(|(_, held)| Exclusion::Dns(held.leaf.public_key().fingerprint().key_dns_name()) == *one);
        match (one.client(), machine) {
            (Some(client), _) => client.to_string(),
            (None, Some((machine, _))) => format!("{machine:?}"),
            (None, None) => "a previous key".to_owned(),
        }
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
                let finished: Vec<String> = rollover.finished.iter().map(|id| self.ca(id)).collect();
                self.add(format!("{:?} {from:?} {to} {:?} {finished:?}", rollover.kind, rollover.skipped));
            }
        }
        for one in observation.revocations.iter().flat_map(|record| &record.revocations) {
            let excluded: BTreeSet<String> = one.excluded.iter().map(|one| self.excluded(one)).collect();
            let (undone, months) = (one.undone.is_some(), self.months(one.needed_until).max(-1));
            self.add(format!(
                "revoked {:?} {} {excluded:?} {undone} {months}",
                one.client,
                one.key.is_some()
            ));
        }
        let active = self.ca(&world.active());
        self.add(active);
        if world.is_old() {
            self.add("old");
            world.installed.values().for_each(|(_, set)| self.set(set));
        }
        for (name, daemon) in &observation.daemons {
            let retired = if daemon.is_retired() { "retired" } else { "" };
            self.add(format!("\n{name} {retired} {}", observation.inventory.daemons[name].hosts.len()));
            daemon.current.iter().for_each(|set| self.set(set));
            self.add(if daemon.has_worked() { "worked" } else { "new" });
            self.add(if daemon.is_shown() { "shown" } else { "" });
            daemon.worked_before.iter().chain(&daemon.between).for_each(|set| self.set(set));
            let served = &world.serves[name];
            let (leaf, trust) = (self.issuer(&served.leaf), self.bundle(&served.trust));
            self.add(format!("serves {leaf}/{trust}"));
        }
        for (name, client) in &observation.clients {
            self.add(format!("\n{name} {}", if client.is_retired() { "retired" } else { "" }));
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
        let thieves: Vec<bool> =
            world.holds.iter().map(|((client, _), held)| world.is_revoked(client, &held.leaf)).collect();
        self.add(format!("\n{:?} {:?} {thieves:?}", observation.waiting_kits, world.excused));
    }
}
