//! A daemon goes back to credentials that have worked.

use std::collections::{BTreeMap, BTreeSet};

use super::result::RolloutResult;
use super::steps::{Look, Rollout};
use crate::apply::change::{carry_out, refuse_lock_out};
use crate::apply::verify::{Outcome, restart_line};
use crate::message;
use crate::model::{Failure, Generation, IdentityName, Message, Role};
use crate::plan::Rollback;
use crate::store::{Observation, ObservedCopies, StateLock, observe_generation};

impl Rollout<'_> {
    /// Makes an earlier certificate and key current again, under the lock of the state that is held. The
    /// copies of clients were read before.
    ///
    /// # Errors
    /// One that would lock a client out, and a state that cannot be written. Nothing has changed then.
    pub(in crate::apply) fn make_current(
        &self,
        lock: &StateLock<'_>,
        (observation, copies): (&Observation, &BTreeMap<IdentityName, ObservedCopies>),
        rollback: &Rollback,
    ) -> Result<(), Failure> {
        let plan = rollback.plan();
        let now = self.invocation.environment.now();
        refuse_lock_out(lock.state(), (Some(observation), copies), (&plan, &BTreeSet::new()), now)?;
        carry_out(self.invocation, lock, Some(observation), &plan)?;
        Ok(())
    }

    /// Has the daemon serve the earlier credentials that are current again. Once it does, the generation that
    /// failed is known to have been the cause, and no rollback goes to it. `before` is what was known before
    /// they were made current.
    ///
    /// # Errors
    /// A state that cannot be read or written.
    pub(in crate::apply) fn put_back(
        &self,
        rollback: &Rollback,
        (before, failed): (&Observation, Option<Generation>),
        why: Message,
    ) -> Result<RolloutResult, Failure> {
        let down = |failure: Failure| RolloutResult::Down {
            why: message!("{}; putting {} back: {}", why, rollback.from, failure),
        };
        let Some(current) = self.current()?.filter(|current| current.number == rollback.generation) else {
            return Ok(RolloutResult::NotServed {
                why: message!("{}; its credentials were changed again meanwhile", why),
                command: None,
            });
        };
        if let Err(failure) = self.place(&current) {
            // It goes on as it was, if it was up.
            return Ok(match self.look(&current.observation)?.evidence.is_up() {
                true => RolloutResult::Failed(failure),
                false => down(failure),
            });
        }
        // If the restart itself failed, the daemon has never served anything else.
        let look = self.look(&current.observation)?;
        let back = |look: &Look| match self.verified(look, &current.entry, failed)? {
            RolloutResult::Verified { .. } => Ok(RolloutResult::RolledBack {
                generation: rollback.generation,
                from: rollback.from,
                why: why.clone(),
            }),
            other => Ok::<_, Failure>(other),
        };
        if look.outcome == Outcome::Verified {
            return back(&look);
        }
        let command = || restart_line(self.name, &current.entry);
        if let Some(why) = self.why_not_restarted(&current.entry) {
            self.refute(&look)?;
            return Ok(RolloutResult::NotServed { why, command: command() });
        }
        let restarted = self.restart(&current);
        let look = match &restarted {
            Ok(()) => self.look_until_decided(&current)?,
            Err(_) => self.look_now(&current)?,
        };
        if look.outcome == Outcome::Verified {
            return back(&look);
        }
        self.refute(&look)?;
        if look.outcome == Outcome::Open || self.serves_what_worked(before, rollback.generation, &look)? {
            let why = restarted.err().map_or_else(|| look.why.clone(), |failure| look.beside(&failure));
            return Ok(RolloutResult::NotServed { why, command: command() });
        }
        Ok(match restarted {
            Ok(()) => {
                RolloutResult::Down { why: message!("{}; {} was put back: {}", why, rollback.from, look.why) }
            }
            Err(failure) => down(failure),
        })
    }

    /// Whether it still serves the generation that was current before and has worked.
    fn serves_what_worked(
        &self,
        before: &Observation,
        now: Generation,
        look: &Look,
    ) -> Result<bool, Failure> {
        let daemon = before.daemons.get(self.name);
        let working = daemon.and_then(|daemon| daemon.history.working().find(|number| *number != now));
        let Some(working) = working else { return Ok(false) };
        let working = observe_generation(self.directory, Role::Daemon, self.name, working)?;
        Ok(look.evidence.served() == Some(working.leaf()))
    }
}
