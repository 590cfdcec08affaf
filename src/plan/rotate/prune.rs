//! What a rotation clears away: generations that nothing leads to, certificates that open nothing
//! any more, and the key of a former CA where that is asked for.

use std::collections::BTreeSet;

use super::planner::Planner;
use super::rotation::{FormerKeys, RotationAction, RotationRow};
use crate::message;
use crate::model::profile::BACKDATING;
use crate::model::{Failure, Generation, IdentityName, Role};
use crate::pki::Certificate;
use crate::plan::rollover::{self, RolloverStage};
use crate::plan::status::short;
use crate::plan::steps::StateStep;
use crate::store::{KeyPresence, ObservedIdentity};

impl Planner<'_> {
    /// The generations of an identity that nothing leads to and that are not among the last few.
    pub(super) fn remove_needless_generations(&mut self, role: Role, name: &IdentityName) {
        let identity = self.observation.identities(role).get(name);
        let needless = identity.map(needless_generations).unwrap_or_default().into_iter();
        let steps = needless.map(|generation| StateStep::Prune { role, name: name.clone(), generation });
        self.rotation.plan.state.extend(steps);
    }

    /// Certificates of `issued/` that have expired, whatever clock looks at them. One stays while
    /// its key is in use, since the key's age is read from it.
    pub(super) fn remove_expired(&mut self) {
        if self.rotation.plan.issuances().next().is_none() {
            return;
        }
        let is_over = |seconds: i64| seconds > BACKDATING.seconds();
        let mut expired =
            self.facts.issued.iter().filter(|one| {
                !one.is_authority() && is_over(self.now.seconds_since(one.validity().not_after))
            });
        let Some(first) = expired.next() else { return };
        let identities = self.observation.daemons.values().chain(self.observation.clients.values());
        let current = identities.filter_map(|identity| identity.current.as_ref());
        let in_use: BTreeSet<&[u8]> = current.map(|one| one.leaf().public_key().spki_der()).collect();
        let is_needless = |one: &&Certificate| !in_use.contains(one.public_key().spki_der());
        let needless = std::iter::once(first).chain(expired).filter(is_needless);
        let steps = needless.map(|one| StateStep::RemoveIssued(one.serial().clone()));
        self.rotation.plan.state.extend(steps);
    }

    /// The keys of CAs that nothing is signed by any more, where that is asked for.
    ///
    /// # Errors
    /// A rollover that is under way: the former CA is needed for going back.
    pub(super) fn destroy_former_keys(&mut self) -> Result<(), Failure> {
        if self.request.former_keys == FormerKeys::Keep {
            return Ok(());
        }
        if self.stage != RolloverStage::Settled {
            return self.refuse_destruction();
        }
        let trusted: Vec<&str> =
            rollover::others(self.observation).into_iter().map(|one| one.key_identifier.as_str()).collect();
        let target = self.observation.target_authority().map(|target| target.key_identifier.as_str());
        let is_former = |identifier: &str| Some(identifier) != target && !trusted.contains(&identifier);
        for authority in &self.observation.authorities {
            let identifier = &authority.key_identifier;
            if authority.key == KeyPresence::Present && is_former(identifier) {
                self.rotation.plan.state.push(StateStep::DestroyKey(identifier.clone()));
                self.rotation.rows.push(RotationRow {
                    kind: "ca",
                    name: short(identifier),
                    action: RotationAction::Destroyed,
                    reason: message!("its key is removed here; copies and backups of it are yours to remove"),
                    expires: None,
                    identity: None,
                    holds_rollover: false,
                });
            }
        }
        Ok(())
    }

    /// Refuses to destroy the key of a CA that a rollover still goes away from.
    ///
    /// # Errors
    /// It was asked for.
    pub(super) fn refuse_destruction(&self) -> Result<(), Failure> {
        match self.request.former_keys {
            FormerKeys::Keep => Ok(()),
            FormerKeys::Destroy => Err(Failure::new("destroying", "the keys of former CAs")
                .expected("no rollover under way: they are needed to go back")
                .found("one")
                .hint("{kitcert} rotate   # until nothing is left to do")),
        }
    }
}

fn needless_generations(identity: &ObservedIdentity) -> Vec<Generation> {
    let current = identity.current.as_ref().map(|current| current.number);
    let recent = identity.generations.len().saturating_sub(KEPT_GENERATIONS);
    let old = identity.generations.iter().take(recent).copied();
    let working: Vec<Generation> = identity.history.working().take(KEPT_WORKING).collect();
    old.filter(|number| Some(*number) != current && !working.contains(number)).collect()
}

/// How many former generations are kept, for a person who wants to look at them.
const KEPT_GENERATIONS: usize = 3;

/// How many that have worked are kept to go back to: the latest may be the current one.
const KEPT_WORKING: usize = 2;
