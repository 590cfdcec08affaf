//! What a rotation clears away: generations that nothing needs, and certificates that open nothing any
//! more.

use std::collections::BTreeSet;

use super::planner::Planner;
use crate::model::profile::BACKDATING;
use crate::model::{Generation, IdentityName, Role};
use crate::pki::Certificate;
use crate::plan::issuance::effective_validity;
use crate::plan::steps::StateStep;
use crate::store::{ObservedGeneration, ObservedIdentity};

impl Planner<'_> {
    /// The generations of an identity that nothing leads to and that are not among the last few.
    pub(super) fn remove_needless_generations(&mut self, role: Role, name: &IdentityName) {
        let identity = self.observation.identities(role).get(name);
        let record = identity.map(|identity| &identity.record);
        let is_in_use = |one: &ObservedGeneration| {
            let key = one.leaf().public_key().fingerprint();
            effective_validity(self.observation, one.leaf()).not_after >= self.now
                && record.is_none_or(|record| record.may_use(&key, one.number))
        };
        let needless = identity.map(|identity| needless_generations(identity, &is_in_use));
        let needless = needless.unwrap_or_default().into_iter();
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
            self.observation.issued.iter().filter(|one| {
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
}

/// The old generations of an identity. Of a client, one that may still be in use is never needless, nor
/// one of a daemon that it may go back to.
fn needless_generations(
    identity: &ObservedIdentity,
    is_in_use: &dyn Fn(&ObservedGeneration) -> bool,
) -> Vec<Generation> {
    let current = identity.current.as_ref().map(|current| current.number);
    let recent = identity.generations.len().saturating_sub(KEPT_GENERATIONS);
    let old = identity.generations.iter().take(recent).copied();
    let working: Vec<Generation> = identity.history.working().take(KEPT_WORKING).collect();
    let is_needless = |number: &Generation| match identity.earlier.iter().find(|one| one.number == *number) {
        Some(earlier) => !is_in_use(earlier),
        // Of a daemon none is read; of a client all are, unless they are damaged.
        None => identity.earlier.is_empty() && !identity.history.worked.is_empty(),
    };
    old.filter(|number| Some(*number) != current && !working.contains(number) && is_needless(number))
        .collect()
}

/// How many previous generations are kept, for a person who wants to look at them.
const KEPT_GENERATIONS: usize = 3;

/// How many that have worked are kept to go back to: the latest may be the current one.
const KEPT_WORKING: usize = 2;
