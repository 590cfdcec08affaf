//! What a rotation does about CAs: whether another one is begun, and who is in its way.

use super::planner::{Planner, waiting};
use super::rotation::{AuthorityRotation, RotationAction, RotationScope};
use crate::message;
use crate::model::profile::BACKDATING;
use crate::model::{Failure, IdentityName, Message, Role, Validity};
use crate::plan::guard::{locked_out, refuse_lock_out};
use crate::plan::issuance::longest_leaf;
use crate::plan::rollover::{self, RolloverStage};
use crate::plan::steps::{AuthorityChoice, Reason, Signing, StateStep};
use crate::store::{KeyPresence, ObservedGeneration};

impl Planner<'_> {
    /// Whether a rollover begins: then the new CA is all that is made, and everything else is
    /// planned from what is there afterwards.
    pub(super) fn begins(&mut self) -> Result<bool, Failure> {
        let target = self.observation.target_authority();
        let end = target.map(|target| target.certificate.validity().not_after);
        let wanted = match &self.request.authority {
            AuthorityRotation::Back(identifier) => {
                if self.observation.issuer.as_ref() == Some(identifier) {
                    return Ok(false);
                }
                let aim = StateStep::Aim(AuthorityChoice::Of(identifier.clone()));
                self.rotation.plan.state.push(aim);
                self.rotation.rolls_over = true;
                return Ok(true);
            }
            _ if self.stage != RolloverStage::Settled || self.facts.has_begun => false,
            AuthorityRotation::Begun | AuthorityRotation::Compromised => true,
            AuthorityRotation::IfNeeded => {
                self.request.names.is_empty()
                    && end.is_some_and(|end| {
                        end.seconds_since(self.now) < longest_leaf(self.observation).seconds()
                    })
            }
        };
        if wanted {
            self.refuse_destruction()?;
            let policy = &self.observation.inventory.authority;
            self.rotation.plan.state = vec![
                StateStep::MakeAuthority {
                    name: policy.name.clone(),
                    algorithm: policy.key,
                    validity: Validity::issued(self.now, policy.lifetime, BACKDATING),
                },
                StateStep::Aim(AuthorityChoice::Made),
            ];
            self.rotation.rolls_over = true;
        }
        Ok(wanted)
    }

    /// Those whom kitcert.yaml lists no more get no certificate of the new CA; until theirs of the
    /// old one has expired, somebody has to say that they are left behind.
    pub(super) fn report_strays(&mut self, is_meant: &dyn Fn(&IdentityName) -> bool) {
        let is_listed = |name: &IdentityName| self.observation.inventory.clients.contains_key(name);
        if matches!(self.stage, RolloverStage::Spreading | RolloverStage::Settled) {
            return;
        }
        let strays = self.unmoved.iter().filter(|name| !is_listed(name) && is_meant(name));
        for name in &strays.cloned().collect::<Vec<_>>() {
            let todo = message!("it is not in kitcert.yaml; {kitcert} rotate --drop {}", name);
            self.say_it_waits(name, todo);
        }
    }

    /// Those who are left behind are named when it happens.
    pub(super) fn leave_behind(&mut self) {
        if self.stage != RolloverStage::Switching || self.rotation.plan.issuances().next().is_none() {
            return;
        }
        for name in std::mem::take(&mut self.left) {
            self.say(
                Role::Client,
                &name,
                RotationAction::Left,
                "its former certificate opens nothing any more",
            );
            self.rotation.plan.state.push(StateStep::LeaveBehind(name));
        }
    }

    /// Nobody is locked out who has not moved, unless that is wanted.
    pub(super) fn guard(&mut self) -> Result<(), Failure> {
        let has_moved =
            |name: &IdentityName| !self.unmoved.contains(name) && self.stage != RolloverStage::Settled;
        let excused = |name: &IdentityName| self.request.dropped.contains(name) || has_moved(name);
        let names = locked_out(&self.rotation.plan, self.observation, &self.facts.issued, &excused, self.now);
        let is_wanted = self.request.scope == RotationScope::Forced
            || self.request.authority == AuthorityRotation::Compromised;
        if !is_wanted {
            return refuse_lock_out(&names);
        }
        for name in names {
            self.say(
                Role::Client,
                &name,
                RotationAction::Reported,
                "locked out until it has its new certificate",
            );
        }
        Ok(())
    }

    /// Who signs for an identity, and whom its set trusts: of a compromised CA nothing any more.
    pub(super) fn signing(&self, role: Role, name: &IdentityName) -> Result<Signing, Failure> {
        let stage = match self.request.authority {
            AuthorityRotation::Compromised => RolloverStage::Settled,
            _ => self.stage,
        };
        rollover::signing_at(stage, self.observation, role, name, self.now)
    }

    /// Whether a set is signed by another CA than it should be.
    pub(super) fn reason_to_roll(&self, current: &ObservedGeneration, signing: &Signing) -> Option<Reason> {
        let issuer = self.observation.issuer_of(current.leaf());
        let is_same =
            issuer.is_some_and(|issuer| signing.issuer == AuthorityChoice::Of(issuer.key_identifier.clone()));
        (self.stage != RolloverStage::Settled && !is_same).then_some(Reason::Rollover)
    }

    /// Whether a set trusts the CAs that it should; in whichever order.
    pub(super) fn trusts(&self, current: &ObservedGeneration, signing: &Signing) -> bool {
        let certificates = current.trust.certificates();
        let has = |choice: &AuthorityChoice| match choice {
            AuthorityChoice::Made => false,
            AuthorityChoice::Of(identifier) => self
                .observation
                .authority(identifier)
                .is_some_and(|authority| certificates.contains(&authority.certificate)),
        };
        self.stage == RolloverStage::Settled
            || (certificates.len() == signing.trust.len() && signing.trust.iter().all(has))
    }

    /// Whether a client on this machine has its new set and it is not noted yet.
    pub(super) fn is_to_be_confirmed(&self, name: &IdentityName) -> bool {
        let Some(client) = self.observation.clients.get(name) else { return false };
        let Some(current) = &client.current else { return false };
        let is_here = current.key == KeyPresence::Present
            && self.observation.inventory.clients.get(name).is_some_and(|entry| !entry.installed.is_empty());
        let is_noted = client.confirmed.as_ref().is_some_and(|confirmed| confirmed.number == current.number);
        self.stage != RolloverStage::Settled && is_here && !is_noted
    }

    /// Whether somebody who trusts what the daemons trust takes a certificate for good.
    pub(super) fn opens_something(&self, current: &ObservedGeneration) -> bool {
        let target = self.observation.target_authority();
        let mut trusted = rollover::others(self.observation).into_iter().chain(target);
        trusted.any(|authority| authority.certificate.subject() == current.leaf().issuer())
    }

    /// What a person has to do about a client that holds a rollover up.
    pub(super) fn what_is_left(&self, name: &IdentityName) -> Message {
        let how = if self.observation.waiting_kits.contains(name) {
            waiting(self.observation, name)
        } else {
            message!("hand over {}/clients/{}/current", self.observation.path.display(), name)
        };
        message!("{}; then: {kitcert} rotate --moved {}, or --drop {}", how, name, name)
    }
}
