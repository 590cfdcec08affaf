//! A daemon is brought to serve its current set: placed, restarted, verified; and back, if it does not.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::context::Context;
use super::copies::replace_copies;
use super::idleness::is_idle;
use super::placed::{PlacedDaemon, observe_daemon};
use super::restart::Occasion;
use super::state_change::carry_out;
use super::verify::{Evidence, Examined, Outcome, Recorded, VerifyRequest, examine, record, restart_line};
use crate::layout::DaemonEntry;
use crate::layout::state_paths::identity_folder;
use crate::message;
use crate::model::{AuthorityId, Failure, Generation, IdentityName, Message, Printable, Role};
use crate::pki::Certificate;
use crate::plan::{
    EarlierGeneration, InstallDaemonRequest, InstallRequest, Rollback, fallback, refuse_unfit,
};
use crate::store::{Interest, Observation, StateDirectory, StateLock, observe, observe_generation};

/// How it ended for a daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It serves its current set, and everything is as it must be.
    Verified,
    /// Nothing here restarts it; the command to run, where one is known.
    NotServed {
        /// Why it was not restarted.
        why: Message,
        /// The command.
        command: Option<Message>,
    },
    /// It serves its current set, and verification found errors that no other set would mend.
    Faulty {
        /// The verdict.
        why: Message,
    },
    /// It did not, and the former set is current and served again.
    RolledBack {
        /// The generation that it serves now.
        generation: Generation,
        /// The one whose certificate that is.
        from: Generation,
        /// What went wrong.
        why: Message,
    },
    /// It does not serve anything that has worked, and could not be brought back.
    Down {
        /// What went wrong, and what was tried.
        why: Message,
    },
}

/// Whether a restart command may be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Restarting {
    /// It may.
    Allowed,
    /// It may not; why.
    Refused(Message),
}

/// What one verification of a daemon showed.
struct Look {
    outcome: Outcome,
    /// The verdict.
    why: Message,
    evidence: Evidence,
}

/// One daemon, under a lock that is held.
pub(super) struct Serving<'a> {
    pub context: &'a Context<'a>,
    pub directory: &'a StateDirectory,
    pub lock: &'a StateLock<'a>,
    pub name: &'a IdentityName,
    pub restarting: &'a Restarting,
}

impl Serving<'_> {
    /// Brings the daemon to serve its current set.
    ///
    /// # Errors
    /// Files that cannot be read or put in place: nothing that the daemon reads has changed then.
    pub(super) fn serve(&self) -> Result<Ending, Failure> {
        let observation = self.observe()?;
        let emergency = observation.rollover.as_ref().filter(|rollover| rollover.is_emergency());
        let ending = self.bring_up(&observation, emergency.is_some());
        let Some(rollover) = emergency else { return ending };
        // Whatever stands in the way, the daemon goes on as it was.
        let ending =
            ending.unwrap_or_else(|failure| Ending::NotServed { why: failure.message(), command: None });
        let former = Message::join(rollover.from.iter().map(AuthorityId::short), " and ");
        Ok(match ending {
            Ending::NotServed { why, command } => {
                let why = message!("STILL LETS IN whoever has a certificate of CA {}: {}", former, why);
                Ending::NotServed { why, command }
            }
            Ending::Down { why } => Ending::Down {
                why: message!("{}; its new files, which shut out CA {}, stay in place", why, former),
            },
            other => other,
        })
    }

    fn bring_up(&self, observation: &Observation, is_emergency: bool) -> Result<Ending, Failure> {
        let Some((entry, number)) = self.described(observation) else {
            let why = message!("it has no certificate");
            return Ok(Ending::NotServed { why, command: None });
        };
        let earlier = earlier_generations(self.directory, observation, Role::Daemon, self.name);
        let fallback = fallback(self.name, observation, &earlier, self.context.environment.now());
        let has_worked = observation.daemons.get(self.name).is_some_and(|daemon| daemon.has_worked());
        if let Err(failure) = self.place(observation, &entry) {
            return match fallback {
                // Nobody has served it, so that it is not the cause.
                Some(fallback) => self.go_back(&fallback, None, failure.message()),
                None => Err(failure),
            };
        }
        let look = self.look(observation)?;
        if look.outcome == Outcome::Verified {
            return self.verified(&look, &entry, None);
        }
        let held = self.why_not_restarted(&entry);
        // Whoever waited for it has waited before the lock; a build may have begun since.
        let held = match held {
            None if !is_emergency && !is_idle(self.context, observation, self.name, &entry)? => {
                Some(message!("it is building, and a restart cuts the builds that run"))
            }
            // What worked and came to no verdict now gains nothing from a restart, which cuts builds.
            None if !is_emergency
                && has_worked
                && look.outcome == Outcome::Inconclusive
                && look.evidence.is_up() =>
            {
                Some(message!("it was verified before, so it is not restarted"))
            }
            held => held,
        };
        if let Some(held) = held {
            self.refute(&look)?;
            let why = message!("{}; {}", look.why, held);
            return Ok(Ending::NotServed { why, command: restart_line(self.name, &entry) });
        }
        let restarted = self.occasion(&entry, number, &self.lineage(&entry)).restart();
        let (look, why) = match restarted {
            Ok(()) => {
                let look = self.look_until_decided(observation, &entry)?;
                let why = look.why.clone();
                (look, why)
            }
            Err(failure) => (self.look(observation)?, failure.message()),
        };
        if look.outcome == Outcome::Verified {
            return self.verified(&look, &entry, None);
        }
        let serves = look.evidence.serves_current();
        if serves && look.outcome == Outcome::Inconclusive {
            return Ok(Ending::NotServed { why, command: None });
        }
        if look.outcome == Outcome::Open || (serves && fallback.is_none()) {
            self.refute(&look)?;
        }
        if serves && (look.outcome == Outcome::Open || fallback.is_none()) {
            return Ok(Ending::Faulty { why });
        }
        let current = observation.current(Role::Daemon, self.name);
        match fallback {
            Some(fallback) => {
                self.go_back(&fallback, Some(number), describe(&why, &look, current.map(|one| one.leaf())))
            }
            None if look.evidence.is_up() => {
                Ok(Ending::NotServed { why, command: restart_line(self.name, &entry) })
            }
            None => Ok(Ending::Down { why }),
        }
    }

    /// The daemon is verified, and so is its record, unless kitcert.yaml was edited meanwhile.
    fn verified(
        &self,
        look: &Look,
        entry: &DaemonEntry,
        cause: Option<Generation>,
    ) -> Result<Ending, Failure> {
        Ok(match self.record(look, cause)? {
            Recorded::Changed | Recorded::Unchanged => Ending::Verified,
            Recorded::Superseded => Ending::NotServed {
                why: message!("kitcert.yaml was edited while it was dialled"),
                command: restart_line(self.name, entry),
            },
        })
    }

    /// Takes the record back of a daemon that serves its current files and still does not do as it
    /// must, and of one that lets somebody in, whatever it serves.
    fn refute(&self, look: &Look) -> Result<(), Failure> {
        if look.outcome == Outcome::Open || look.evidence.serves_current() {
            self.record(look, None)?;
        }
        Ok(())
    }

    fn record(&self, look: &Look, cause: Option<Generation>) -> Result<Recorded, Failure> {
        let recorded = record(self.context, self.lock, &[&look.evidence], cause)?;
        Ok(recorded.first().copied().unwrap_or(Recorded::Unchanged))
    }

    /// Makes a certificate and a key current again that have worked, and has the daemon serve them. Once it
    /// does, the generation that failed is known to have been the cause, and no rollback goes to it.
    pub(super) fn go_back(
        &self,
        rollback: &Rollback,
        failed: Option<Generation>,
        why: Message,
    ) -> Result<Ending, Failure> {
        let generation = rollback.generation;
        let down = |failure: Failure| Ending::Down {
            why: message!("{}; putting {} back: {}", why, rollback.from, failure),
        };
        let plan = rollback.plan();
        let before = self.observe()?;
        let restored = carry_out(self.context, self.lock, Some(&before), &plan).and_then(|_| self.observe());
        let observation = match restored {
            Ok(observation) => observation,
            Err(failure) => return Ok(down(failure)),
        };
        let Some((entry, _)) = self.described(&observation) else {
            return Ok(Ending::Down { why });
        };
        if let Err(failure) = self.place(&observation, &entry) {
            // It goes on as it was, if it was up.
            return Ok(match self.look(&observation)?.evidence.is_up() {
                true => Ending::NotServed { why: failure.message(), command: None },
                false => down(failure),
            });
        }
        // If the restart itself failed, the daemon has never served anything else.
        let look = self.look(&observation)?;
        if look.outcome == Outcome::Verified {
            return self.back(rollback, failed, why, &look, &entry);
        }
        if let Some(why) = self.why_not_restarted(&entry) {
            self.refute(&look)?;
            return Ok(Ending::NotServed { why, command: restart_line(self.name, &entry) });
        }
        let restarted = self.occasion(&entry, generation, &self.lineage(&entry)).restart();
        let look = match &restarted {
            Ok(()) => self.look_until_decided(&observation, &entry)?,
            Err(_) => self.look(&observation)?,
        };
        if look.outcome == Outcome::Verified {
            return self.back(rollback, failed, why, &look, &entry);
        }
        self.refute(&look)?;
        if self.serves_what_worked(&before, generation, &look)? {
            let why = restarted.err().map_or(look.why, |failure| failure.message());
            return Ok(Ending::NotServed { why, command: restart_line(self.name, &entry) });
        }
        Ok(match restarted {
            Ok(()) => Ending::Down { why: message!("{}; {} was put back: {}", why, rollback.from, look.why) },
            Err(failure) => down(failure),
        })
    }

    fn back(
        &self,
        rollback: &Rollback,
        failed: Option<Generation>,
        why: Message,
        look: &Look,
        entry: &DaemonEntry,
    ) -> Result<Ending, Failure> {
        Ok(match self.verified(look, entry, failed)? {
            Ending::Verified => {
                Ending::RolledBack { generation: rollback.generation, from: rollback.from, why }
            }
            other => other,
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

    fn why_not_restarted(&self, entry: &DaemonEntry) -> Option<Message> {
        match self.restarting {
            Restarting::Refused(why) => Some(why.clone()),
            Restarting::Allowed if entry.restart.is_empty() => {
                Some(message!("kitcert.yaml names no restart command"))
            }
            Restarting::Allowed => None,
        }
    }

    fn observe(&self) -> Result<Observation, Failure> {
        let inventory = observe(self.directory, &Interest::Inventory)?.inventory;
        let clients = inventory.clients.keys().take(CLIENTS_TRIED);
        let clients = clients.map(|name| (Role::Client, name.clone()));
        let daemon = std::iter::once((Role::Daemon, self.name.clone()));
        observe(self.directory, &Interest::Identities(daemon.chain(clients).collect()))
    }

    /// What kitcert.yaml says of it, and the number of its current generation.
    fn described(&self, observation: &Observation) -> Option<(DaemonEntry, Generation)> {
        let entry = observation.inventory.daemons.get(self.name)?.clone();
        Some((entry, observation.current(Role::Daemon, self.name)?.number))
    }

    fn place(&self, observation: &Observation, entry: &DaemonEntry) -> Result<(), Failure> {
        if let Some(placed) = placed(self.context, observation, self.name, entry)? {
            placed.install()?;
        }
        replace_copies(self.context, observation, Role::Daemon, self.name)?;
        Ok(())
    }

    /// The folder where it reads its files, as far as that is known.
    fn lineage(&self, entry: &DaemonEntry) -> PathBuf {
        match &entry.install {
            Some(install) => install.root.join(install.layout.folder()).join("current"),
            None => self.context.state.join(identity_folder(Role::Daemon, self.name)).join("current"),
        }
    }

    fn occasion<'o>(
        &'o self,
        entry: &'o DaemonEntry,
        generation: Generation,
        lineage: &'o PathBuf,
    ) -> Occasion<'o> {
        Occasion { state: &self.context.state, name: self.name, entry, generation, lineage }
    }

    /// Verifies it, by the one definition of that.
    fn look(&self, observation: &Observation) -> Result<Look, Failure> {
        let request = VerifyRequest::of_daemon(self.name);
        let Examined { verification, evidence } = examine(self.context, Some(observation), &request)?;
        let evidence = evidence.ok_or_else(|| self.context.no_state())?;
        Ok(Look { outcome: verification.outcome, why: verification.verdict, evidence })
    }

    /// Looks again and again, until the daemon serves its current set and there is a verdict, or it has
    /// had the time that it may take.
    fn look_until_decided(&self, observation: &Observation, entry: &DaemonEntry) -> Result<Look, Failure> {
        let limit = Duration::from_secs(entry.restart_timeout.seconds().unsigned_abs());
        let began = Instant::now();
        let mut pause = SHORTEST_PAUSE;
        loop {
            let look = self.look(observation)?;
            let is_decided = matches!(look.outcome, Outcome::Verified | Outcome::Open);
            if is_decided && look.evidence.serves_current() || began.elapsed() + pause > limit {
                return Ok(look);
            }
            // A daemon says nothing to anybody when it is ready.
            std::thread::sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

/// The generations of an identity that are not current, with their files.
pub(super) fn earlier_generations(
    directory: &StateDirectory,
    observation: &Observation,
    role: Role,
    name: &IdentityName,
) -> Vec<EarlierGeneration> {
    let identity = observation.identities(role).get(name);
    let current = observation.current(role, name).map(|current| current.number);
    let numbers = identity.map(|identity| identity.generations.as_slice()).unwrap_or_default();
    let others = numbers.iter().copied().filter(|number| Some(*number) != current);
    let files = |number| observe_generation(directory, role, name, number).ok();
    others.map(|number| EarlierGeneration { number, files: files(number) }).collect()
}

/// Where the files of a daemon are installed on this machine, and how they compare; None where
/// they are not.
pub(super) fn placed(
    context: &Context<'_>,
    observation: &Observation,
    name: &IdentityName,
    entry: &DaemonEntry,
) -> Result<Option<PlacedDaemon>, Failure> {
    let Some(install) = &entry.install else { return Ok(None) };
    let request = InstallDaemonRequest {
        name: name.clone(),
        install: InstallRequest { root: install.root.clone(), layout: install.layout },
        owner: install.owner.clone(),
    };
    let placed = observe_daemon(context, &request, Some(observation))?;
    refuse_unfit(name, &placed.observed, Some(observation))?;
    Ok(Some(placed))
}

fn describe(why: &Message, look: &Look, current: Option<&Certificate>) -> Message {
    match (look.evidence.served(), current) {
        (Some(served), Some(current)) if served != current => {
            message!("{}; it serves {}, and not {}", why, served.serial(), current.serial())
        }
        _ => why.clone(),
    }
}

const SHORTEST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Among how many clients of the state one is looked for that can be dialled as.
const CLIENTS_TRIED: usize = 16;
