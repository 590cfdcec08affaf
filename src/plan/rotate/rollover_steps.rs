//! What a rollover means for each identity: who signs for it, what it waits for, and who is in its way.

use std::collections::{BTreeMap, BTreeSet};

use super::planner::{Planner, waiting};
use super::rotation::{RotationAction, RotationRow};
use crate::message;
use crate::model::{AuthorityId, Failure, Fingerprint, IdentityName, Message, Role, SubjectAltName};
use crate::plan::guard::{Judgement, judge};
use crate::plan::holders::{Holder, holders};
use crate::plan::kit::issuer_of_kit;
use crate::plan::rollover::RolloverStage;
use crate::plan::signing;
use crate::plan::steps::{AuthorityChoice, Reason, Signing};
use crate::store::{KeyPresence, ObservedGeneration, OpenUntil};

impl Planner<'_> {
    /// Those whom kitcert.yaml lists no more get no certificate of the new CA; until theirs of the
    /// old one has expired, somebody has to say that the rollover does not wait for them.
    pub(super) fn report_strays(&mut self, is_meant: &dyn Fn(&IdentityName) -> bool) {
        self.report_daemons_that_are_left_alone();
        let Some(rollover) = &self.rollover else { return };
        for id in &rollover.untried {
            let todo = message!(
                "holds the rollover: its key is not here to try that its clients are refused; when they are: \
                 {kitcert} ca rollover finish {}",
                id
            );
            let row = about_authority(id, RotationAction::Reported, todo);
            self.rotation.rows.push(RotationRow { holds_rollover: true, ..row });
        }
        if rollover.stage != RolloverStage::Moving {
            return;
        }
        let is_listed = |name: &IdentityName| self.observation.inventory.clients.contains_key(name);
        let strays = rollover.clients_left.iter().filter(|name| !is_listed(name) && is_meant(name));
        for name in &strays.cloned().collect::<Vec<_>>() {
            let todo = message!("it is not in kitcert.yaml; {kitcert} ca rollover skip {}", name);
            self.say_it_waits(Role::Client, name, todo);
        }
        let open: Vec<AuthorityId> =
            self.rollover.iter().flat_map(|rollover| &rollover.open).cloned().collect();
        for id in open {
            let todo = message!(
                "others may have certificates of it; when they have moved: {kitcert} ca rollover finish {}",
                id
            );
            let row =
                about_authority(&id, RotationAction::Reported, message!("holds the rollover: {}", todo));
            self.rotation.rows.push(RotationRow { holds_rollover: true, ..row });
        }
    }

    /// In an emergency, the daemons that nobody renews any more and that let the thief in.
    fn report_daemons_that_are_left_alone(&mut self) {
        let Some(rollover) = self.rollover.as_ref().filter(|rollover| rollover.record.is_emergency()) else {
            return;
        };
        let is_renewed = |name: &IdentityName| {
            let daemon = self.observation.daemons.get(name);
            self.observation.inventory.daemons.contains_key(name)
                && daemon.is_some_and(|daemon| !daemon.is_retired())
        };
        let left: Vec<IdentityName> =
            rollover.daemons_left.iter().filter(|name| !is_renewed(name)).cloned().collect();
        let previous = Message::join(&rollover.record.from, " and ");
        for name in left {
            let todo = message!(
                "STILL LETS IN clients of CA {}, and is retired: stop it; then: {kitcert} ca rollover finish {}",
                previous,
                previous
            );
            self.say_it_waits(Role::Daemon, &name, todo);
        }
    }

    /// Whoever trusts a CA of others alone does not know a daemon any more that gets a certificate of another:
    /// its own ends, and the key of that CA is not here.
    pub(super) fn report_left_behind(
        &mut self,
        name: &IdentityName,
        current: Option<&ObservedGeneration>,
        signing: &Signing,
    ) {
        let Some(leaf) = current.map(ObservedGeneration::leaf) else { return };
        let Some(previous) = self.observation.issuer_of(leaf) else { return };
        let is_finished =
            self.rollover.as_ref().is_some_and(|rollover| rollover.record.finished.contains(&previous.id));
        let is_void = leaf.usable_names().is_empty() || leaf.validity().not_after < self.now;
        if previous.record.open_until != OpenUntil::Always
            || is_finished
            || is_void
            || !previous.record.is_usable()
            || signing.issuer == AuthorityChoice::Of(previous.id.clone())
        {
            return;
        }
        let reason = message!(
            "whoever trusts it alone does not know {} any more, whose certificate of it ends on {}: its key is not here",
            name,
            leaf.validity().not_after.date()
        );
        self.rotation.rows.push(about_authority(&previous.id, RotationAction::LockedOut, reason));
    }

    /// What would lock somebody out is not done, unless that is wanted; everything else is.
    pub(super) fn guard(&mut self) {
        let Judgement { refused, locked_out } =
            judge(&self.rotation.plan, self.observation, &self.request.lock_out, self.now);
        for (role, name, found) in refused {
            self.rotation.locked_out.extend(found.clients.iter().cloned());
            self.rotation.leave_out(role, &name);
            let reason = match found.way_past(role, &name) {
                None => message!("it would {}", found.effect()),
                Some(command) => message!("it would {}; {}", found.effect(), command),
            };
            self.say(role, &name, RotationAction::Refused, reason);
        }
        let mut hosts: BTreeMap<IdentityName, BTreeSet<SubjectAltName>> = BTreeMap::new();
        for out in
            locked_out.into_iter().filter(|out| !out.hosts.is_empty() || !self.is_here(&out.client, &out.key))
        {
            hosts.entry(out.client).or_default().extend(out.hosts);
        }
        for (name, hosts) in hosts {
            let is_listed = self.observation.inventory.clients.contains_key(&name);
            let reason = match (hosts.is_empty(), self.facts.stuck.get(&name)) {
                (false, _) => {
                    message!("locked out: no certificate names {} any more", Message::few(&hosts, ", "))
                }
                (true, Some(why)) => message!("locked out: {}", why),
                (true, None) if !is_listed => message!("locked out: kitcert.yaml does not list it"),
                (true, None) => message!("locked out until it has its new certificate"),
            };
            self.say(Role::Client, &name, RotationAction::LockedOut, reason);
            self.rotation.locked_out.insert(name);
        }
    }

    /// Whether a client uses a key on this machine alone, in copies that are replaced with the daemon's files.
    pub(super) fn is_here(&self, name: &IdentityName, key: &Fingerprint) -> bool {
        let entry = self.observation.inventory.clients.get(name);
        let client = self.observation.clients.get(name);
        let mut sets = client.into_iter().flat_map(|client| client.current.iter().chain(&client.earlier));
        entry.is_some_and(|entry| !entry.installed.is_empty())
            && !self.facts.stuck.contains_key(name)
            && sets
                .any(|set| set.key == KeyPresence::Present && set.leaf().public_key().fingerprint() == *key)
    }

    /// Who signs for an identity, and whom its set trusts.
    pub(super) fn signing(&self, role: Role, name: &IdentityName) -> Result<Signing, Failure> {
        signing::signing(self.rollover.as_ref(), self.observation, role, name, self.now)
    }

    /// Whether a set is of another CA than it should be.
    pub(super) fn reason_to_roll(
        &self,
        role: Role,
        current: &ObservedGeneration,
        signing: &Signing,
    ) -> Option<Reason> {
        let issuer = self.observation.issuer_of(current.leaf());
        let is_same = issuer.is_some_and(|issuer| signing.issuer == AuthorityChoice::Of(issuer.id.clone()));
        let is_wanted = match (&self.rollover, role) {
            // What is left of a CA that nothing trusts opens nothing.
            (None, _) => issuer.is_none_or(|issuer| !issuer.record.is_usable()),
            // Until every client may trust the new CA too, a daemon keeps its certificate, whichever of the CAs
            // that it gives way to has issued it.
            (Some(rollover), Role::Daemon) => {
                let is_part = |id: &AuthorityId| rollover.to.id == *id || rollover.record.from.contains(id);
                rollover.stage > RolloverStage::Overlap || !issuer.is_some_and(|issuer| is_part(&issuer.id))
            }
            // A client that trusts the previous CA alone does not know its daemon tomorrow.
            (Some(rollover), Role::Client) => {
                let knows = current.trust.trusts(&rollover.to.certificate);
                return (!is_same || (rollover.stage > RolloverStage::Overlap && !knows))
                    .then_some(Reason::Rollover);
            }
        };
        (is_wanted && !is_same).then_some(Reason::Rollover)
    }

    /// Whether a set trusts those CAs, in whichever order.
    pub(super) fn trusts(&self, current: &ObservedGeneration, trust: &[AuthorityChoice]) -> bool {
        let has = |choice: &AuthorityChoice| match choice {
            AuthorityChoice::Made => false,
            AuthorityChoice::Of(identifier) => self
                .observation
                .authority(identifier)
                .is_some_and(|authority| current.trust.trusts(&authority.certificate)),
        };
        current.trust.certificates().len() == trust.len() && trust.iter().all(has)
    }

    /// Whether a client on this machine has its new set and it is not noted yet.
    pub(super) fn is_to_be_confirmed(&self, name: &IdentityName) -> bool {
        let Some(client) = self.observation.clients.get(name) else { return false };
        let Some(current) = &client.current else { return false };
        let is_here = current.key == KeyPresence::Present
            && self.observation.inventory.clients.get(name).is_some_and(|entry| !entry.installed.is_empty());
        let key = client.record.keys.get(&current.leaf().public_key().fingerprint());
        let held = key.and_then(|key| key.held.as_ref());
        self.rollover.is_some() && is_here && held.is_none_or(|held| held.generation != current.number)
    }

    /// Whether some daemon takes a certificate for good.
    pub(super) fn opens_something(&self, current: &ObservedGeneration) -> bool {
        let issuer = self.observation.issuer_of(current.leaf());
        issuer.is_some_and(|issuer| issuer.record.is_usable())
    }

    /// What a person has to do about a client that holds a rollover up.
    pub(super) fn what_is_left(&self, name: &IdentityName) -> Message {
        let skip = message!("{kitcert} ca rollover skip {}", name);
        let current = self.observation.current(Role::Client, name);
        let own = current.map(|current| current.leaf().public_key().fingerprint());
        let rollover = self.rollover.as_ref();
        let all = holders(self.observation, self.now);
        let is_left = |holder: &&Holder<'_>| {
            holder.client == *name && rollover.is_some_and(|rollover| !rollover.has_moved(holder))
        };
        // The key that was renewed comes first: its kit waits.
        let is_own = all.iter().filter(is_left).any(|holder| Some(holder.key) == own);
        if let Some(other) = all.iter().find(is_left).filter(|_| !is_own) {
            return message!(
                "its other key {} still has a certificate of the old CA, maybe in a kit that nobody has joined; if \
                 nobody uses that key: {kitcert} revoke {} --only-key {}; if somebody does, give him another kit \
                 before that, under a name of its own for each daemon; to lock him out: {}",
                other.key,
                name,
                other.key,
                skip
            );
        }
        let how = if self.observation.waiting_kits.contains(name) {
            waiting(self.observation, name, issuer_of_kit(name, self.observation))
        } else {
            match current.map(|current| current.key) {
                Some(KeyPresence::Present) => message!(
                    "hand over {}/clients/{}/current, or: {kitcert} invite {}",
                    self.observation.path.display(),
                    name,
                    name
                ),
                _ => message!("it has its kit"),
            }
        };
        message!("{}; then: {kitcert} confirm {}, or {}", how, name, skip)
    }
}

pub(super) fn about_authority(id: &AuthorityId, action: RotationAction, reason: Message) -> RotationRow {
    RotationRow {
        kind: "ca",
        name: id.short(),
        action,
        reason,
        next: None,
        expires: None,
        identity: None,
        holds_rollover: false,
    }
}
