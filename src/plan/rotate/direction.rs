//! Whether a rollover begins, turns round or ends.

use std::collections::BTreeMap;

use super::planner::Planner;
use super::rollover_steps::about_authority;
use super::rotation::{AuthorityRotation, RotationAction};
use crate::message;
use crate::model::profile::BACKDATING;
use crate::model::{AuthorityId, ExitCode, Failure, IdentityName, Message, Role, Validity};
use crate::pki::Certificate;
use crate::plan::exclusions::is_revoked;
use crate::plan::fault::is_faulty;
use crate::plan::holders::holders;
use crate::plan::issuance::longest_leaf;
use crate::plan::rollover::{self, Rollover, RolloverStage};
use crate::plan::steps::{AuthorityChoice, Reason, StateStep};
use crate::store::{ObservedAuthority, ObservedIdentity, RolloverKind, RolloverRecord};

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
    fn announce(&mut self, kind: RolloverKind, from: &[AuthorityId]) {
        let is_emergency = kind == RolloverKind::Compromised;
        self.rotation.is_emergency = is_emergency;
        let (observation, now) = (self.observation, self.now);
        let daemons: Vec<IdentityName> =
            rollover::daemons(observation).map(|(name, _)| name.clone()).collect();
        for name in daemons {
            let what = match is_emergency {
                true => "to be restarted at once, trusting only the new CA",
                false => "to be restarted twice: to trust both CAs, and to trust the new one alone",
            };
            self.say(Role::Daemon, &name, RotationAction::Reported, what);
        }
        let from = from.iter().filter_map(|id| observation.authority(id));
        for open in from.filter(|one| is_emergency && one.record.is_open(now)) {
            let what = "holders of certificates that this state does not know are to be locked out";
            self.rotation.rows.push(about_authority(
                &open.id,
                RotationAction::Reported,
                message!("{}", what),
            ));
        }
        self.announce_to_retired();
        let is_usable =
            |leaf: &Certificate| observation.issuer_of(leaf).is_some_and(|issuer| issuer.record.is_usable());
        let get_in = holders(observation, now)
            .into_iter()
            .filter(|holder| holder.credentials.iter().any(|one| is_usable(one.leaf())));
        let mut clients: BTreeMap<IdentityName, bool> = BTreeMap::new();
        for holder in get_in {
            let is_here = self.is_here(&holder.client, &holder.key);
            clients.entry(holder.client).and_modify(|all| *all &= is_here).or_insert(is_here);
        }
        // Nobody knows what they have.
        let faulty = observation.clients.iter().filter(|(_, client)| is_faulty(client));
        clients.extend(faulty.map(|(name, _)| (name.clone(), false)));
        for (name, is_here) in clients {
            let is_listed = self.observation.inventory.clients.contains_key(&name);
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
                    let what = match is_listed {
                        true => "to be locked out until it has its new certificate",
                        false => "to be locked out for good: kitcert.yaml does not list it",
                    };
                    self.say(Role::Client, &name, RotationAction::Reported, what);
                }
                (false, false) => {
                    let what = match is_listed {
                        true => "to get a new certificate by a kit or by hand; the rollover waits for it",
                        false => {
                            "to get no new certificate: kitcert.yaml does not list it; the rollover waits for it"
                        }
                    };
                    self.say(Role::Client, &name, RotationAction::Reported, what);
                }
            }
        }
    }

    /// Who is retired does not move to another CA, and nothing waits for that.
    fn announce_to_retired(&mut self) {
        let observation = self.observation;
        let opens = |one: &ObservedIdentity| {
            let current = one.current.as_ref().filter(|_| one.is_retired());
            current.is_some_and(|one| {
                one.leaf().validity().not_after >= self.now
                    && observation.issuer_of(one.leaf()).is_some_and(|issuer| issuer.record.is_usable())
            })
        };
        let names =
            |role| observation.identities(role).iter().filter(|(_, one)| opens(one)).map(|(name, _)| name);
        let daemons: Vec<&IdentityName> = names(Role::Daemon).collect();
        // Who is revoked gets in nowhere, and is renewed by nothing.
        let clients: Vec<&IdentityName> =
            names(Role::Client).filter(|name| !is_revoked(observation, name)).collect();
        for name in daemons {
            let what = message!(
                "retired: refuses each client that has moved to the new CA; to renew it again: {kitcert} issue daemon {}",
                name
            );
            self.say(Role::Daemon, name, RotationAction::LeftBehind, what);
        }
        for name in clients {
            let what = message!(
                "retired: locked out once the rollover is over; to renew it again: {kitcert} issue client {}",
                name
            );
            self.say(Role::Client, name, RotationAction::LeftBehind, what);
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
            authorities.filter(|one| one.record.retired.is_none() && !one.record.clients_only).collect();
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
            true => message!("{kitcert} rotate   # goes on with it; to go back: {kitcert} ca rollover abort"),
            false => message!("{kitcert} rotate   # goes on with it"),
        };
        Failure::new("beginning a CA rollover of", self.observation.path.display())
            .expected("none in progress")
            .found(message!("one to CA {}, step {} of 3{}", progress.to.short(), progress.stage, waits))
            .hint(hint)
    }

    fn begin_with(&mut self, kind: RolloverKind, from: Vec<AuthorityId>, to: AuthorityChoice) {
        self.announce(kind, &from);
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
        let failure = || Failure::new("going back to the previous CA of", self.observation.path.display());
        let Some(rollover) = &self.rollover else {
            return Err(failure()
                .expected("a CA rollover in progress")
                .found("none")
                .hint("{kitcert} status"));
        };
        match rollover.record.kind {
            RolloverKind::Back => return Ok(()),
            RolloverKind::Compromised => {
                return Err(failure()
                    .expected("a CA whose key nobody else knows")
                    .found("a compromised CA: it can only go on")
                    .hint("{kitcert} rotate"));
            }
            RolloverKind::Ordinary => {}
        }
        let previous = rollover.from.iter().find(|one| one.can_sign(self.now)).copied();
        let has_begun =
            || rollover::is_held(rollover.to, self.observation, &holders(self.observation, self.now));
        let previous = match previous {
            Some(previous) => previous,
            None if has_begun() => {
                let gone = Message::join(rollover.from.iter().map(|one| one.id.short()), " and ");
                return Err(failure()
                    .expected("its key, since some have certificates of the new CA alone")
                    .found(message!("it can only go on: the key of CA {} is gone", gone))
                    .hint("{kitcert} rotate"));
            }
            None => rollover.from.first().copied().unwrap_or(rollover.to),
        };
        self.turn_to(previous, RolloverKind::Back);
        Ok(())
    }

    /// Everything goes to that CA of the rollover, away from all others of it.
    fn turn_to(&mut self, to: &ObservedAuthority, kind: RolloverKind) {
        let Some(rollover) = &self.rollover else { return };
        let parts = std::iter::once(rollover.to).chain(rollover.from.iter().copied());
        let from: Vec<AuthorityId> = parts.filter(|one| one.id != to.id).map(|one| one.id.clone()).collect();
        let record = RolloverRecord::new(kind, from.clone(), to.id.clone(), self.now);
        self.rotation.plan.state.push(StateStep::ChangeRollover(record));
        self.announce(kind, &from);
    }

    /// Trusts nothing of a CA any more whose key somebody knows.
    fn distrust(&mut self, which: Option<&AuthorityId>) -> Result<(), Failure> {
        let kind = RolloverKind::Compromised;
        let bad = self.which_is_meant(which)?;
        let Some(bad) = bad else { return Ok(()) };
        let parts: Vec<&ObservedAuthority> = match &self.rollover {
            Some(rollover) => std::iter::once(rollover.to).chain(rollover.from.iter().copied()).collect(),
            // Several, if the record of a rollover between them is lost.
            None => {
                let all = self.observation.authorities.iter();
                all.filter(|one| one.record.retired.is_none() && !one.record.clients_only).collect()
            }
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
            let usable = all.iter().filter(|one| one.record.is_usable() && !one.record.clients_only);
            let usable: Vec<&ObservedAuthority> = usable.collect();
            let was_one = all.iter().any(|one| one.record.compromised.is_some());
            return match usable.as_slice() {
                [only] if !was_one && self.rollover.is_none() => Ok(Some(only.id.clone())),
                [] => Err(rollover::no_authority(self.observation, self.now)),
                [only] if self.rollover.is_none() => Err(failure()
                    .expected("which: --compromised=KEYID")
                    .found("none named, and a CA that is distrusted already")
                    .hint(message!(
                        "{kitcert} ca rollover start --compromised={}   # the CA in use",
                        only.id
                    ))),
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
            // It signs nothing here: that no daemon trusts it any more is all there is to do.
            Some(known) if known.record.clients_only => Err(failure()
                .expected("a CA that signs")
                .found("one that daemons trust for the sake of earlier clients alone")
                .hint(message!("{kitcert} ca rollover finish {} && {kitcert} rotate", known.id))),
            // Of one that is noted without a rollover away from it, the record of that is lost.
            Some(known) if known.record.compromised.is_some() => {
                let is_lost = known.record.retired.is_none() && self.rollover.is_none();
                Ok(is_lost.then(|| known.id.clone()))
            }
            Some(known) => Ok(Some(known.id.clone())),
        }
    }
}
