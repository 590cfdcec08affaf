//! What a rotation does about CAs: whether another one is begun, which way it goes, and who is in its way.

use std::collections::BTreeSet;

use super::planner::{Planner, waiting};
use super::rotation::{AuthorityRotation, RotationAction, RotationRow};
use crate::message;
use crate::model::profile::BACKDATING;
use crate::model::{AuthorityId, Failure, IdentityName, Message, Role, Validity};
use crate::plan::guard::lock_outs;
use crate::plan::holders::holders;
use crate::plan::issuance::longest_leaf;
use crate::plan::rollover::{self, RolloverStage};
use crate::plan::steps::{AuthorityChoice, Reason, Signing, StateStep};
use crate::store::{KeyPresence, ObservedAuthority, ObservedGeneration, RolloverKind, RolloverRecord};

impl Planner<'_> {
    /// Whether a rollover begins, turns round or ends: then that is all that is done, and everything else
    /// is planned from what is there afterwards.
    pub(super) fn changes_direction(&mut self) -> Result<bool, Failure> {
        if !self.facts.has_begun {
            match &self.request.authority {
                AuthorityRotation::Back => self.turn_round()?,
                AuthorityRotation::Compromised(which) => self.distrust(which.as_ref())?,
                AuthorityRotation::Begun => self.begin()?,
                AuthorityRotation::IfNeeded if self.is_ending() => self.begin()?,
                AuthorityRotation::IfNeeded => {}
            }
        }
        if self.rotation.plan.state.is_empty()
            && let Some(rollover) = self.rollover.as_ref().filter(|one| one.stage == RolloverStage::Done)
        {
            self.rotation.plan.state.push(StateStep::EndRollover(rollover.record.from.clone()));
        }
        self.rotation.rolls_over |= !self.rotation.plan.state.is_empty();
        Ok(!self.rotation.plan.state.is_empty())
    }

    /// What follows from a beginning, or a turn: it is planned when that is done, and said before.
    fn announce(&mut self, kind: RolloverKind) {
        let is_emergency = kind == RolloverKind::Compromised;
        self.rotation.is_emergency = is_emergency;
        let (observation, now) = (self.observation, self.now);
        let daemons: Vec<IdentityName> =
            rollover::daemons(observation).map(|(name, _)| name.clone()).collect();
        for name in daemons {
            let what = match is_emergency {
                true => "to be restarted at once with a certificate of the new CA, which alone it trusts",
                false => "to be restarted twice: to trust both CAs, and to trust the new one alone",
            };
            self.say(Role::Daemon, &name, RotationAction::Reported, what);
        }
        let clients: BTreeSet<IdentityName> =
            holders(observation, now).into_iter().map(|holder| holder.client).collect();
        for name in clients {
            let entry = observation.inventory.clients.get(&name);
            let is_here = entry.is_some_and(|entry| !entry.installed.is_empty());
            match (is_emergency, is_here) {
                (_, true) => {
                    self.say(
                        Role::Client,
                        &name,
                        RotationAction::Reported,
                        "to get its files on this machine",
                    );
                }
                (true, false) => {
                    self.rotation.locked_out.insert(name.clone());
                    let what = "to be locked out until it has its new certificate";
                    self.say(Role::Client, &name, RotationAction::Reported, what);
                }
                (false, false) => {
                    let what = "to get a new certificate by a kit or by hand; the rollover waits for it";
                    self.say(Role::Client, &name, RotationAction::Reported, what);
                }
            }
        }
    }

    /// Whether the CA that is in use no longer covers two lives of a new certificate, so that another
    /// has to be begun in time for every client to move.
    fn is_ending(&self) -> bool {
        let end = self.observation.active_authority().map(|one| one.certificate.validity().not_after);
        let needed = 2 * longest_leaf(self.observation).seconds();
        self.rollover.is_none()
            && self.request.names.is_empty()
            && end.is_some_and(|end| end.seconds_since(self.now) < needed)
    }

    /// Begins a rollover, unless one is under way; of one whose new CA has lost its key, to a third.
    fn begin(&mut self) -> Result<(), Failure> {
        if let Some(rollover) = &self.rollover {
            if !rollover.to.can_sign(self.now) {
                let parts = std::iter::once(rollover.to).chain(rollover.from.iter().copied());
                let from = parts.map(|one| one.id.clone()).collect();
                let kind = match rollover.record.kind {
                    RolloverKind::Back => RolloverKind::Ordinary,
                    kind => kind,
                };
                self.begin_with_new(kind, from);
            }
            return Ok(());
        }
        let from = self.observation.active_authority();
        let from = from.ok_or_else(|| rollover::no_authority(self.observation, self.now))?;
        self.begin_with_new(RolloverKind::Ordinary, vec![from.id.clone()]);
        Ok(())
    }

    fn begin_with_new(&mut self, kind: RolloverKind, from: Vec<AuthorityId>) {
        self.announce(kind);
        let policy = &self.observation.inventory.authority;
        self.rotation.plan.state = vec![
            StateStep::MakeAuthority {
                name: policy.name.clone(),
                algorithm: policy.key,
                validity: Validity::issued(self.now, policy.lifetime, BACKDATING),
            },
            StateStep::BeginRollover { kind, from, to: AuthorityChoice::Made },
        ];
    }

    /// Goes back to the CA from which everything came.
    fn turn_round(&mut self) -> Result<(), Failure> {
        let failure = || Failure::new("going back to the former CA of", self.observation.path.display());
        let Some(rollover) = &self.rollover else {
            return Err(failure()
                .expected("a rollover that is under way")
                .found("none, or one that is over")
                .hint("{kitcert} ca rollover start   # to begin another"));
        };
        match rollover.record.kind {
            RolloverKind::Back => return Ok(()),
            RolloverKind::Compromised => {
                return Err(failure()
                    .expected("a CA whose key nobody else knows")
                    .found("one that is compromised: only forward")
                    .hint("{kitcert} rotate"));
            }
            RolloverKind::Ordinary => {}
        }
        let former = rollover.from.iter().find(|one| one.can_sign(self.now)).copied();
        let has_begun = || {
            let daemons = rollover::daemons(self.observation);
            let mut served = daemons.flat_map(|(_, daemon)| daemon.served());
            let holders = holders(self.observation, self.now);
            let mut held = holders.iter().flat_map(|holder| &holder.credentials);
            served.any(|set| rollover.is_of_target(set.leaf()))
                || held.any(|one| rollover.is_of_target(one.leaf()))
        };
        let former = match former {
            Some(former) => former,
            None if has_begun() => {
                let gone = Message::join(rollover.from.iter().map(|one| one.id.short()), " and ");
                return Err(failure()
                    .expected("its key, since some have certificates of the new CA alone")
                    .found(message!("only forward: the key of CA {} is gone", gone))
                    .hint("{kitcert} rotate"));
            }
            None => rollover.from.first().copied().unwrap_or(rollover.to),
        };
        self.turn_to(former, RolloverKind::Back);
        Ok(())
    }

    /// Everything goes to that CA of the rollover, away from all others of it.
    fn turn_to(&mut self, to: &ObservedAuthority, kind: RolloverKind) {
        let Some(rollover) = &self.rollover else { return };
        let parts = std::iter::once(rollover.to).chain(rollover.from.iter().copied());
        let from = parts.filter(|one| one.id != to.id).map(|one| one.id.clone()).collect();
        let record = RolloverRecord::new(kind, from, to.id.clone(), self.now);
        self.rotation.plan.state.push(StateStep::ChangeRollover(record));
        self.announce(kind);
    }

    /// Trusts nothing of a CA any more whose key somebody knows.
    fn distrust(&mut self, which: Option<&AuthorityId>) -> Result<(), Failure> {
        let kind = RolloverKind::Compromised;
        let Some(rollover) = &self.rollover else {
            let active = self.observation.active_authority();
            let active = active.ok_or_else(|| rollover::no_authority(self.observation, self.now))?;
            if let Some(which) = which.filter(|which| **which != active.id) {
                return Err(Failure::new("distrusting", message!("CA {}", which))
                    .expected(message!("the CA that is in use, {}", active.id))
                    .found("another, which nothing trusts")
                    .hint("{kitcert} status"));
            }
            let bad = active.id.clone();
            self.begin_with_new(kind, vec![bad.clone()]);
            self.rotation.plan.state.push(StateStep::Distrust(bad));
            return Ok(());
        };
        let parts: Vec<&ObservedAuthority> =
            std::iter::once(rollover.to).chain(rollover.from.iter().copied()).collect();
        let bad = match which {
            None => rollover.record.from.first().cloned(),
            Some(which) => parts.iter().find(|one| one.id == *which).map(|one| one.id.clone()),
        };
        let bad = bad.ok_or_else(|| {
            Failure::new("distrusting", "that CA")
                .expected("one that takes part in the rollover")
                .found("another, which nothing trusts")
                .hint("{kitcert} status")
        })?;
        if rollover.record.is_emergency() && rollover.record.from.contains(&bad) {
            return Ok(());
        }
        let is_good = |one: &&&ObservedAuthority| {
            one.id != bad && one.can_sign(self.now) && one.record.compromised.is_none()
        };
        match parts.iter().find(is_good).copied() {
            Some(good) => self.turn_to(good, kind),
            None => {
                let from = parts.iter().map(|one| one.id.clone()).collect();
                self.begin_with_new(kind, from);
            }
        }
        self.rotation.plan.state.push(StateStep::Distrust(bad));
        Ok(())
    }

    /// Those whom kitcert.yaml lists no more get no certificate of the new CA; until theirs of the
    /// old one has expired, somebody has to say that the rollover does not wait for them.
    pub(super) fn report_strays(&mut self, is_meant: &dyn Fn(&IdentityName) -> bool) {
        let Some(rollover) = &self.rollover else { return };
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
            self.rotation.rows.push(RotationRow {
                kind: "ca",
                name: id.short(),
                action: RotationAction::Reported,
                reason: message!("holds the rollover: {}", todo),
                expires: None,
                identity: None,
                holds_rollover: true,
            });
        }
    }

    /// What would lock somebody out is not done, unless that is wanted; everything else is.
    pub(super) fn guard(&mut self) {
        let mut allowed = self.request.lock_out.clone();
        allowed.extend(self.rollover.iter().flat_map(|rollover| &rollover.record.skipped).cloned());
        let found = lock_outs(&self.rotation.plan, self.observation, &allowed, self.now);
        for lock_out in found {
            let names = Message::join(&lock_out.clients, ", ");
            self.rotation.locked_out.extend(lock_out.clients.iter().cloned());
            if self.rotation.is_emergency {
                continue;
            }
            let (role, name) = (lock_out.role, &lock_out.name);
            self.rotation.leave_out(role, name);
            let reason = message!(
                "it would lock out {}; {kitcert} rotate {} --allow-lockout {}   # to do it all the same",
                names,
                name,
                Message::join(&lock_out.clients, " ")
            );
            self.say(role, name, RotationAction::Refused, reason);
        }
        if self.rotation.is_emergency {
            for name in self.rotation.locked_out.clone() {
                let reason = "locked out until it has its new certificate";
                self.say(Role::Client, &name, RotationAction::Reported, reason);
            }
        }
    }

    /// Who signs for an identity, and whom its set trusts.
    pub(super) fn signing(&self, role: Role, name: &IdentityName) -> Result<Signing, Failure> {
        rollover::signing(self.rollover.as_ref(), self.observation, role, name, self.now)
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
            (Some(_), Role::Daemon) => true,
            // A client that trusts the former CA alone does not know its daemon tomorrow.
            (Some(rollover), Role::Client) => {
                let knows = current.trust.certificates().contains(&rollover.to.certificate);
                return (!is_same || (rollover.stage > RolloverStage::Overlap && !knows))
                    .then_some(Reason::Rollover);
            }
        };
        (is_wanted && !is_same).then_some(Reason::Rollover)
    }

    /// Whether a set trusts those CAs, in whichever order.
    pub(super) fn trusts(&self, current: &ObservedGeneration, trust: &[AuthorityChoice]) -> bool {
        let certificates = current.trust.certificates();
        let has = |choice: &AuthorityChoice| match choice {
            AuthorityChoice::Made => false,
            AuthorityChoice::Of(identifier) => self
                .observation
                .authority(identifier)
                .is_some_and(|authority| certificates.contains(&authority.certificate)),
        };
        certificates.len() == trust.len() && trust.iter().all(has)
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
        let how = if self.observation.waiting_kits.contains(name) {
            waiting(self.observation, name)
        } else {
            message!("hand over {}/clients/{}/current", self.observation.path.display(), name)
        };
        message!("{}; then: {kitcert} confirm {}, or {kitcert} ca rollover skip {}", how, name, name)
    }
}
