//! What a rotation does about CAs: whether another one is begun, which way it goes, and who is in its way.

use std::collections::BTreeSet;

use super::planner::{Planner, waiting};
use super::rotation::{AuthorityRotation, RotationAction, RotationRow};
use crate::message;
use crate::model::profile::BACKDATING;
use crate::model::{AuthorityId, ExitCode, Failure, IdentityName, Message, Role, Validity};
use crate::pki::Certificate;
use crate::plan::guard::{Judgement, judge};
use crate::plan::holders::{Holder, holders};
use crate::plan::issuance::longest_leaf;
use crate::plan::kit::issuer_of_kit;
use crate::plan::rollover::{self, Rollover, RolloverStage};
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
        let is_usable =
            |leaf: &Certificate| observation.issuer_of(leaf).is_some_and(|issuer| issuer.record.is_usable());
        let get_in = holders(observation, now)
            .into_iter()
            .filter(|holder| holder.credentials.iter().any(|one| is_usable(one.leaf())));
        let clients: BTreeSet<IdentityName> = get_in.map(|holder| holder.client).collect();
        for name in clients {
            match (is_emergency, self.is_here(&name)) {
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

    /// Begins a rollover; of one whose new CA has lost its key, to a third. Another is refused, unless it
    /// is the very same that was interrupted: see [`Planner::refuse_another_start`].
    fn begin(&mut self) -> Result<(), Failure> {
        if let Some(rollover) = &self.rollover {
            let is_keyless = !rollover.to.can_sign(self.now);
            if !is_keyless && rollover.record.kind != RolloverKind::Ordinary {
                return Err(self.another_start(rollover));
            }
            if is_keyless {
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
        let authorities = self.observation.authorities.iter();
        // Several, if the record of a rollover between them is lost.
        let in_use: Vec<&ObservedAuthority> =
            authorities.filter(|one| one.record.retired.is_none()).collect();
        if in_use.iter().any(|one| one.record.compromised.is_some()) && in_use.len() > 1 {
            return rollover::refuse_lost_record(self.observation);
        }
        if in_use.is_empty() {
            return Err(rollover::no_authority(self.observation, self.now));
        }
        self.begin_with_new(RolloverKind::Ordinary, in_use.iter().map(|one| one.id.clone()).collect());
        Ok(())
    }

    /// Refuses to begin a rollover while one waits for people. One that was interrupted before it came so
    /// far goes on: whoever repeats a command after a crash means the same rollover.
    pub(super) fn refuse_another_start(&mut self) -> Result<(), Failure> {
        if self.request.authority != AuthorityRotation::Begun || self.facts.has_begun {
            return Ok(());
        }
        let Some(rollover) = &self.rollover else { return Ok(()) };
        let is_of_rollover = |step: &StateStep| match step {
            StateStep::Issue(issuance) => issuance.reason == Reason::Rollover,
            StateStep::Rebundle { .. } => true,
            _ => false,
        };
        let is_interrupted = !rollover.daemons_left.is_empty()
            || self.rotation.plan.state.iter().any(is_of_rollover)
            || !self.rotation.clients.is_empty();
        if !is_interrupted {
            return Err(self.another_start(rollover));
        }
        let told = message!("a rollover to it was begun before, and goes on");
        let row = about_authority(&rollover.to.id, RotationAction::Reported, told);
        self.rotation.rows.insert(0, row);
        Ok(())
    }

    fn another_start(&self, rollover: &Rollover<'_>) -> Failure {
        let progress = rollover.progress();
        let waits_for = Message::few(&progress.waits_for, ", ");
        let waits = if waits_for.is_empty() { waits_for } else { message!("; it waits for {}", waits_for) };
        let back = rollover.record.kind == RolloverKind::Ordinary;
        let hint = match back {
            true => message!("{kitcert} rotate   # goes on with it; {kitcert} ca rollover abort goes back"),
            false => message!("{kitcert} rotate   # goes on with it"),
        };
        Failure::new("beginning a CA rollover of", self.observation.path.display())
            .expected("none in progress")
            .found(message!("one to CA {}, step {} of 3{}", progress.to.short(), progress.stage, waits))
            .hint(hint)
    }

    fn begin_with(&mut self, kind: RolloverKind, from: Vec<AuthorityId>, to: AuthorityChoice) {
        self.announce(kind);
        self.rotation.plan.state.push(StateStep::BeginRollover { kind, from, to });
    }

    fn begin_with_new(&mut self, kind: RolloverKind, from: Vec<AuthorityId>) {
        let policy = &self.observation.inventory.authority;
        self.rotation.plan.state.push(StateStep::MakeAuthority {
            name: policy.name.clone(),
            algorithm: policy.key,
            validity: Validity::issued(self.now, policy.lifetime, BACKDATING),
        });
        self.begin_with(kind, from, AuthorityChoice::Made);
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
        let bad = self.which_is_meant(which)?;
        let Some(bad) = bad else { return Ok(()) };
        let parts: Vec<&ObservedAuthority> = match &self.rollover {
            Some(rollover) => std::iter::once(rollover.to).chain(rollover.from.iter().copied()).collect(),
            // Several, if the record of a rollover between them is lost.
            None => self.observation.authorities.iter().filter(|one| one.record.retired.is_none()).collect(),
        };
        if parts.iter().any(|one| one.id == bad) {
            let is_good = |one: &&&ObservedAuthority| {
                one.id != bad && one.can_sign(self.now) && one.record.compromised.is_none()
            };
            match parts.iter().find(is_good).copied() {
                Some(good) if self.rollover.is_some() => self.turn_to(good, kind),
                Some(good) => {
                    let from =
                        parts.iter().filter(|one| one.id != good.id).map(|one| one.id.clone()).collect();
                    self.begin_with(kind, from, AuthorityChoice::Of(good.id.clone()));
                }
                None => {
                    let from = parts.iter().map(|one| one.id.clone()).collect();
                    self.begin_with_new(kind, from);
                }
            }
        }
        self.rotation.rows.insert(
            0,
            about_authority(&bad, RotationAction::Distrusted, message!("its key is known to somebody")),
        );
        self.rotation.plan.state.push(StateStep::Distrust(bad));
        Ok(())
    }

    /// Which CA is compromised; None if that is noted already. It has to be said where several come into
    /// question: the wrong one would let the thief in, and everybody else out.
    fn which_is_meant(&self, which: Option<&AuthorityId>) -> Result<Option<AuthorityId>, Failure> {
        let failure = || Failure::new("distrusting", "a CA").exit(ExitCode::Usage);
        let all = &self.observation.authorities;
        let Some(which) = which else {
            let usable: Vec<&ObservedAuthority> = all.iter().filter(|one| one.record.is_usable()).collect();
            let was_one = all.iter().any(|one| one.record.compromised.is_some());
            return match usable.as_slice() {
                [only] if !was_one && self.rollover.is_none() => Ok(Some(only.id.clone())),
                [] => Err(rollover::no_authority(self.observation, self.now)),
                several => Err(failure()
                    .expected("which: --compromised=KEYID")
                    .found(message!(
                        "none named, of {}",
                        Message::join(several.iter().map(|one| &one.id), " and ")
                    ))
                    .hint("{kitcert} status   # which CA has signed what")),
            };
        };
        match self.observation.authority_like(which) {
            None => Err(failure()
                .expected(Message::join(all.iter().map(|one| &one.id), " or "))
                .found("another")
                .hint("{kitcert} status")),
            // Of one that is noted without a rollover away from it, the record of that is lost.
            Some(known) if known.record.compromised.is_some() => {
                let is_lost = known.record.retired.is_none() && self.rollover.is_none();
                Ok(is_lost.then(|| known.id.clone()))
            }
            Some(known) => Ok(Some(known.id.clone())),
        }
    }

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
        let former = Message::join(&rollover.record.from, " and ");
        for name in left {
            let todo = message!(
                "STILL LETS IN whoever has a certificate of CA {}, and nobody renews it: stop it; then: {kitcert} ca \
                 rollover finish {}",
                former,
                former
            );
            self.say_it_waits(Role::Daemon, &name, todo);
        }
    }

    /// What would lock somebody out is not done, unless that is wanted; everything else is.
    pub(super) fn guard(&mut self) {
        let Judgement { refused, locked_out } =
            judge(&self.rotation.plan, self.observation, &self.request.lock_out, self.now);
        for (role, name, found) in refused {
            self.rotation.locked_out.extend(found.clients.iter().cloned());
            self.rotation.leave_out(role, &name);
            let reason = match found.way_past(role, &name) {
                None => message!("it would lock out {}", found.who()),
                Some(command) => message!("it would lock out {}; {}", found.who(), command),
            };
            self.say(role, &name, RotationAction::Refused, reason);
        }
        let locked_out: Vec<IdentityName> =
            locked_out.into_iter().filter(|name| !self.is_here(name)).collect();
        for name in locked_out {
            let reason = "locked out until it has its new certificate";
            self.say(Role::Client, &name, RotationAction::LockedOut, reason);
            self.rotation.locked_out.insert(name);
        }
    }

    /// Whether a client's copies are all on this machine, so that it gets its new ones with the daemon.
    fn is_here(&self, name: &IdentityName) -> bool {
        let entry = self.observation.inventory.clients.get(name);
        entry.is_some_and(|entry| !entry.installed.is_empty()) && !self.facts.away.contains(name)
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
                "its other key {} has a certificate of a CA that goes: {kitcert} issue client {} --csr FILE \
                 --new-key, or {}",
                other.key,
                name,
                skip
            );
        }
        let how = if self.observation.waiting_kits.contains(name) {
            waiting(self.observation, name, issuer_of_kit(name, self.observation))
        } else {
            match current.map(|current| current.key) {
                Some(KeyPresence::Present) => message!(
                    "{kitcert} invite {}, or hand over {}/clients/{}/current",
                    name,
                    self.observation.path.display(),
                    name
                ),
                _ => message!("it has its kit"),
            }
        };
        message!("{}; then: {kitcert} confirm {}, or {}", how, name, skip)
    }
}

fn about_authority(id: &AuthorityId, action: RotationAction, reason: Message) -> RotationRow {
    RotationRow {
        kind: "ca",
        name: id.short(),
        action,
        reason,
        expires: None,
        identity: None,
        holds_rollover: false,
    }
}
