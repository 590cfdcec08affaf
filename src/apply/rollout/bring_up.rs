//! A daemon is brought to serve its current credentials: placed, restarted, verified; and back, if it does
//! not.

use std::time::{Duration, Instant};

use super::idleness::activity;
use super::result::{Restarting, RolloutResult};
use super::steps::{Current, Look, Rollout, earlier_generations};
use super::turns::{Turn, Turns};
use crate::apply::client_copies::read_client_copies;
use crate::apply::invocation::Progress;
use crate::apply::verify::{Outcome, restart_line};
use crate::message;
use crate::model::{AuthorityId, Failure, Generation, Message, Printable, Role};
use crate::pki::Certificate;
use crate::plan::{Rollback, awaits_word, fallback, in_question, pending, word};
use crate::probe::Activity;
use crate::store::{ObservedIdentity, glance};

/// What became of one attempt.
enum Attempt {
    /// How it ended, with the generation that was current by then as far as this rollout knows.
    Ended(RolloutResult, Generation),
    /// Another command has given it other credentials: these are rolled out now.
    Superseded,
}

/// What became of waiting for a daemon that is to be restarted when it builds nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wait {
    /// It builds nothing, or nothing here waits for that.
    Unneeded,
    /// It does not say what it builds, so that nothing can be waited for.
    Untold,
    Over,
    Superseded,
    /// It was at work all the time that it is waited for; at what.
    TooLong(Activity),
}

impl Rollout<'_> {
    /// Brings the daemon to serve its current credentials, whatever they are by then. `turns` says when it
    /// may be restarted.
    pub(super) fn bring_up(&self, turns: &Turns) -> RolloutResult {
        loop {
            let current = match self.current() {
                Ok(Some(current)) => current,
                Ok(None) => {
                    let why = message!("it is no longer in kitcert.yaml, or has no certificate");
                    return RolloutResult::NotServed { why, command: None };
                }
                Err(failure) => return RolloutResult::Failed(failure),
            };
            let shut_out = self.shut_out(&current);
            let ended = match self.attempt(current, turns) {
                // Whoever gives it other credentials meanwhile leaves them to whoever is at work on it.
                Ok(Attempt::Superseded) => continue,
                Ok(Attempt::Ended(_, number)) if self.is_superseded(number, shut_out.is_some()) => continue,
                Ok(Attempt::Ended(result, _)) => result,
                // What could not be read or noted now is not tried again and again.
                Err(failure) => RolloutResult::Failed(failure),
            };
            // Whoever restarts it by hand would undo what it alone knows.
            let ended = match (&ended, self.current()) {
                (RolloutResult::NotServed { .. }, Ok(Some(now))) => {
                    self.held_back(&now.entry).unwrap_or(ended)
                }
                _ => ended,
            };
            return match (shut_out, ended) {
                (who, RolloutResult::Faulty { why }) => self.faulty(why, who),
                (Some(who), ended) => of_emergency(ended, &who),
                (None, ended) => ended,
            };
        }
    }

    /// Whether another command has given it other credentials since, or an emergency has begun. What cannot
    /// be read says nothing new.
    fn is_superseded(&self, number: Generation, was_emergency: bool) -> bool {
        glance(self.directory, self.name).is_ok_and(|now| {
            now.generation.is_some_and(|now| now != number) || (now.is_emergency && !was_emergency)
        })
    }

    /// A turn to restart it; None where it is superseded meanwhile.
    fn turn<'t>(&self, turns: &'t Turns, current: &Current) -> Option<Turn<'t>> {
        match self.shut_out(current) {
            Some(_) => Some(Turns::at_once()),
            None => turns.take(&|| self.is_superseded(current.number, false)),
        }
    }

    /// How it ends where somebody else is at work on the daemon.
    pub(super) fn held_by_another(&self, failure: Failure) -> RolloutResult {
        match self.current().ok().flatten().as_ref().and_then(|current| self.shut_out(current)) {
            Some(who) => of_emergency(RolloutResult::Failed(failure), &who),
            None => RolloutResult::LeftAlone(failure),
        }
    }

    /// Whether it is restarted only while it builds nothing: in an emergency only where that was asked for.
    fn waits_for_builds(&self, current: &Current) -> bool {
        self.shut_out(current).is_none() || *self.restarting == Restarting::WhenIdle
    }

    /// Who is to be shut out of the daemon at once and may get in still.
    fn shut_out(&self, Current { observation, .. }: &Current) -> Option<Message> {
        let rollover = observation.rollover.as_ref().filter(|rollover| rollover.is_emergency());
        let of_rollover = rollover.map(|rollover| {
            let previous = Message::join(rollover.from.iter().map(AuthorityId::short), " and ");
            message!("whoever has a certificate of CA {}", previous)
        });
        let revoked = pending(observation, self.invocation.environment.now()).remove(self.name);
        let all: Vec<Message> = of_rollover.into_iter().chain(revoked.into_iter().flatten()).collect();
        (!all.is_empty()).then(|| Message::few(&all, ", "))
    }

    /// How it ends where somebody is to be shut out and something else is wrong with the daemon.
    fn faulty(&self, why: Message, before: Option<Message>) -> RolloutResult {
        let faulty = RolloutResult::Faulty { why: why.clone() };
        let emergency = |who: Option<Message>, faulty| match who {
            Some(who) => of_emergency(faulty, &who),
            None => faulty,
        };
        let Ok(Some(current)) = self.current() else { return emergency(before, faulty) };
        let now = self.invocation.environment.now();
        let words = in_question(&current.observation, self.name, now).into_iter().find_map(word);
        match words.filter(|_| awaits_word(&current.observation, self.name, now)) {
            Some(word) => RolloutResult::Untried { why, word },
            // What was seen meanwhile may have taken a person's word away.
            None => emergency(self.shut_out(&current), faulty),
        }
    }

    fn attempt(&self, current: Current, turns: &Turns) -> Result<Attempt, Failure> {
        let number = current.number;
        let ended = |result| Ok(Attempt::Ended(result, number));
        let is_placed = self.is_placed(&current);
        if !is_placed && self.is_misplaced(&current) {
            self.note_misplaced(number)?;
        }
        if is_placed {
            let Some(_turn) = self.turn(turns, &current) else { return Ok(Attempt::Superseded) };
            if let Some(result) = self.without_restart(&current)? {
                return ended(result);
            }
        }
        let waited = match self.why_not_restarted(&current.entry) {
            None if self.waits_for_builds(&current) => self.wait_for_idleness(&current)?,
            _ => Wait::Unneeded,
        };
        if waited == Wait::Superseded {
            return Ok(Attempt::Superseded);
        }
        let Some(_turn) = self.turn(turns, &current) else { return Ok(Attempt::Superseded) };
        let current = match self.current()? {
            Some(now) if now.number == current.number => now,
            _ => return Ok(Attempt::Superseded),
        };
        if let Some(result) = self.held_back(&current.entry) {
            return ended(result);
        }
        if let Err(failure) = self.place(&current) {
            // Nobody has served it, so that it is not the cause.
            return self.go_back(&current, None, failure.message(), Err(failure));
        }
        // Somebody else may have restarted it while it was waited for.
        if (!is_placed || matches!(waited, Wait::Over | Wait::TooLong(_)))
            && let Some(result) = self.without_restart(&current)?
        {
            return ended(result);
        }
        if let Wait::TooLong(activity) = waited {
            let look = self.look(&current.observation)?;
            let limit = current.entry.idle_limit;
            let why = message!(
                "{}; {} after {}, and a restart cuts the builds that run",
                look.why,
                activity,
                limit
            );
            return ended(self.not_restarted(&look, &current, why)?);
        }
        match (waited, self.restart_and_verify(&current)?) {
            (Wait::Untold, Attempt::Ended(RolloutResult::Verified { .. }, _)) => {
                let remark = message!("{}; it was restarted all the same", Activity::NotTold);
                ended(RolloutResult::Verified { remark: Some(remark) })
            }
            (_, attempt) => Ok(attempt),
        }
    }

    fn restart_and_verify(&self, current: &Current) -> Result<Attempt, Failure> {
        let ended = |result| Ok(Attempt::Ended(result, current.number));
        let restarted = self.restart(current);
        let (look, why) = match &restarted {
            Ok(()) => {
                let look = self.look_until_decided(current)?;
                let why = look.why.clone();
                (look, why)
            }
            Err(failure) => {
                let look = self.look_now(current)?;
                let why = look.beside(failure);
                (look, why)
            }
        };
        if look.outcome == Outcome::Verified {
            return ended(self.verified(&look, &current.entry, None)?);
        }
        let serves = look.evidence.serves_current();
        if serves && look.outcome == Outcome::Inconclusive {
            return ended(match look.word {
                Some(word) if restarted.is_ok() => {
                    self.note_restarted(current.number)?;
                    RolloutResult::Untried { why, word }
                }
                _ => RolloutResult::NotServed { why, command: None },
            });
        }
        // Whoever was seen in is in, whatever becomes of the daemon.
        if look.evidence.is_access_wrong() {
            self.refute(&look)?;
            if serves && look.outcome == Outcome::Open {
                return ended(RolloutResult::Faulty { why });
            }
        }
        let leaf = current.observation.current(Role::Daemon, self.name).map(|one| one.leaf());
        let described = describe(&why, &look, leaf);
        if serves && restarted.is_ok() && look.is_faulty() {
            self.note_faulty(current.number, &look)?;
            if look.is_whatever_its_files {
                self.refute(&look)?;
                return ended(RolloutResult::Faulty { why });
            }
        }
        let otherwise = if serves {
            RolloutResult::Faulty { why }
        } else if look.evidence.is_up() || look.outcome == Outcome::Open {
            RolloutResult::NotServed { why, command: restart_line(self.name, &current.entry) }
        } else {
            RolloutResult::Down { why }
        };
        // What was never served is not the cause of anything.
        let failed = restarted.is_ok().then_some(current.number);
        let attempt = match self.go_back(current, failed, described, Ok(otherwise.clone())) {
            Ok(attempt) => attempt,
            // That it is down is graver than that nobody could note it.
            Err(failure) => return ended(otherwise.because(&failure)),
        };
        if serves && matches!(attempt, Attempt::Ended(RolloutResult::Faulty { .. }, _)) {
            self.refute(&look)?;
        }
        Ok(attempt)
    }

    /// How it ends where it does as it must, where nothing here restarts it, or where a restart would gain
    /// nothing; None where it is to be restarted.
    fn without_restart(&self, current: &Current) -> Result<Option<RolloutResult>, Failure> {
        let look = self.look(&current.observation)?;
        if look.outcome == Outcome::Verified {
            return self.verified(&look, &current.entry, None).map(Some);
        }
        let daemon = current.observation.daemons.get(self.name);
        let is_restarted =
            daemon.is_some_and(|daemon| daemon.history.access.restarted == Some(current.number));
        // Another restart shows no more than the last one did.
        if is_restarted && look.outcome == Outcome::Inconclusive && look.evidence.is_up() {
            return Ok(Some(match look.word {
                Some(word) => RolloutResult::Untried { why: look.why, word },
                None => RolloutResult::NotServed { why: look.why, command: None },
            }));
        }
        let is_undecided = daemon.is_some_and(ObservedIdentity::is_undecided);
        if (is_undecided || is_restarted)
            && look.is_faulty()
            && !look.evidence.is_access_wrong()
            && look.evidence.serves_current()
        {
            self.note_faulty(current.number, &look)?;
            self.refute(&look)?;
            return Ok(Some(RolloutResult::Faulty { why: look.why }));
        }
        // No restart mends what it does with whichever files it has.
        if look.is_whatever_its_files
            && self.why_not_restarted(&current.entry).is_some()
            && self.shut_out(current).is_none()
            && look.evidence.serves_current()
        {
            self.refute(&look)?;
            return Ok(Some(RolloutResult::Faulty { why: look.why }));
        }
        let has_worked = daemon.is_some_and(|daemon| daemon.has_worked());
        let Some(why) = self.why_not_restarted(&current.entry) else {
            // What worked and came to no verdict now gains nothing from a restart, which cuts builds.
            let is_to_stay = self.shut_out(current).is_none()
                && has_worked
                && look.outcome == Outcome::Inconclusive
                && look.evidence.is_up();
            return Ok(is_to_stay.then(|| RolloutResult::NotServed {
                why: message!("{}; it was verified before, so it is not restarted", look.why),
                command: Some(message!("{kitcert} verify {}", self.name)),
            }));
        };
        let why = match &look.word {
            Some(word) if current.entry.restart.is_empty() => {
                message!(
                    "{}; {}: restart it, see whether that is so, and then: {} --on {}",
                    look.why,
                    why,
                    word.parted().0,
                    self.name
                )
            }
            _ => message!("{}; {}", look.why, why),
        };
        self.not_restarted(&look, current, why).map(Some)
    }

    fn not_restarted(&self, look: &Look, current: &Current, why: Message) -> Result<RolloutResult, Failure> {
        self.refute(look)?;
        Ok(RolloutResult::NotServed { why, command: restart_line(self.name, &current.entry) })
    }

    /// Waits until the daemon builds nothing, for as long as kitcert.yaml allows. An emergency that begins
    /// meanwhile waits for nobody.
    fn wait_for_idleness(&self, current: &Current) -> Result<Wait, Failure> {
        let waited = self.wait_unseen(current);
        (self.invocation.progress)(Progress::Waiting(self.name.clone(), None));
        waited
    }

    fn wait_unseen(&self, current: &Current) -> Result<Wait, Failure> {
        let limit = Duration::from_secs(current.entry.idle_limit.seconds().unsigned_abs());
        let began = Instant::now();
        let mut last = None;
        loop {
            let told = activity(self.invocation, &current.observation, self.name, &current.entry)?;
            // A daemon at work that leaves one question unanswered is still at work.
            let told = match told {
                Some(Activity::NotTold) => last.or(told),
                told => told,
            };
            let activity = match told {
                Some(Activity::NotTold) => return Ok(Wait::Untold),
                Some(activity) if activity.is_busy() => activity,
                _ if began.elapsed() < POLL => return Ok(Wait::Unneeded),
                _ => return Ok(Wait::Over),
            };
            last = Some(activity);
            let left = limit.saturating_sub(began.elapsed());
            if left.is_zero() {
                return Ok(Wait::TooLong(activity));
            }
            (self.invocation.progress)(Progress::Waiting(self.name.clone(), Some(activity.message())));
            // A daemon says nothing to anybody when its last build ends.
            std::thread::sleep(POLL.min(left));
            if self.is_superseded(current.number, false) {
                return Ok(Wait::Superseded);
            }
        }
    }

    /// Goes back to what has worked, if the credentials that failed are still current. `otherwise` is how it
    /// ends where there is nothing to go back to.
    fn go_back(
        &self,
        current: &Current,
        failed: Option<Generation>,
        why: Message,
        otherwise: Result<RolloutResult, Failure>,
    ) -> Result<Attempt, Failure> {
        let copies = read_client_copies(&current.observation);
        let lock = self.lock_state()?;
        let Some(now) = self.current_under(&lock)?.filter(|now| now.number == current.number) else {
            return Ok(Attempt::Superseded);
        };
        let ended = |result| Attempt::Ended(result, now.number);
        let Some(rollback) = self.fallback(&now) else { return otherwise.map(ended) };
        if let Err(failure) = self.make_current(&lock, (&now.observation, &copies), &rollback) {
            let why = message!("{}; {} was not put back: {}", why, rollback.from, failure);
            return Ok(ended(match otherwise? {
                RolloutResult::NotServed { command, .. } => RolloutResult::NotServed { why, command },
                RolloutResult::Faulty { .. } => RolloutResult::Faulty { why },
                _ => RolloutResult::Down { why },
            }));
        }
        drop(lock);
        let put_back = self.put_back(&rollback, (&now.observation, failed), why);
        put_back.map(|result| Attempt::Ended(result, rollback.generation))
    }

    fn fallback(&self, now: &Current) -> Option<Rollback> {
        let earlier = earlier_generations(self.directory, &now.observation, Role::Daemon, self.name);
        fallback(self.name, &now.observation, &earlier, self.invocation.environment.now())
    }
}

/// The same ending, where somebody is to be shut out: whatever stands in the way, the daemon goes on as it
/// was.
fn of_emergency(result: RolloutResult, who: &Message) -> RolloutResult {
    let still = |why: &Message| message!("STILL LETS IN {}: {}", who, why);
    match result {
        RolloutResult::NotServed { why, command } => RolloutResult::NotServed { why: still(&why), command },
        RolloutResult::HeldBack { why, command } => RolloutResult::HeldBack { why: still(&why), command },
        RolloutResult::Failed(failure) => {
            RolloutResult::NotServed { why: still(&failure.message()), command: None }
        }
        RolloutResult::Down { why } => RolloutResult::Down {
            why: message!("{}; its new files, which shut out {}, stay in place", why, who),
        },
        // It goes on as it was, so that whoever is to be shut out gets in.
        RolloutResult::Faulty { why } => RolloutResult::NotServed { why: still(&why), command: None },
        other => other,
    }
}

fn describe(why: &Message, look: &Look, current: Option<&Certificate>) -> Message {
    match (look.evidence.served(), current) {
        (Some(served), Some(current)) if served != current => {
            message!("{}; it serves {}, and not {}", why, served.serial(), current.serial())
        }
        _ => why.clone(),
    }
}

const POLL: Duration = Duration::from_secs(1);
