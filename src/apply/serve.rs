//! A daemon is brought to serve its current set: placed, restarted, proven; and back, if it does not.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::configured::Configured;
use super::context::Context;
use super::copies::replace_copies;
use super::credentials::{self, Credentials};
use super::dialling::{DialOptions, dial, glance};
use super::files;
use super::idleness::is_idle;
use super::install::{PlacedDaemon, observe_daemon};
use super::prove::local_facts;
use super::record::{Standing, record};
use super::restart::Occasion;
use super::state_change::{carry_out, identity_folder};
use crate::layout::DaemonEntry;
use crate::message;
use crate::model::{Failure, Generation, IdentityName, Message, Printable, Role};
use crate::pki::Certificate;
use crate::plan::{InstallDaemonRequest, InstallRequest, Plan, StateStep, refuse_another};
use crate::probe::{Handshake, Observed, Outcome, judge};
use crate::store::{Interest, Observation, StateDirectory, StateLock, observe, observe_generation};

/// How it ended for a daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It serves its current set, and everything is as it must be.
    Proven,
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
        /// The former generation.
        generation: u32,
        /// What went wrong.
        why: Message,
    },
    /// It does not serve anything that was proven, and could not be brought back.
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

/// What one look at a daemon showed.
struct Seen {
    observed: Observed,
    standing: Standing,
    /// The verdict.
    why: Message,
}

impl Seen {
    fn leaf(&self) -> Option<Certificate> {
        self.observed.handshake().and_then(Handshake::leaf)
    }

    fn serves(&self, current: &Certificate) -> bool {
        self.leaf().as_ref() == Some(current)
    }

    /// Whether it answers at all.
    fn is_up(&self) -> bool {
        self.observed.handshake().is_some()
    }
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
    pub fn serve(&self) -> Result<Ending, Failure> {
        let observation = self.observe()?;
        let Some((entry, number)) = self.described(&observation) else {
            return Ok(Ending::NotServed { why: message!("it has no certificate"), command: None });
        };
        let former = observation.daemons.get(self.name).and_then(|identity| identity.proven);
        let former = former.filter(|former| *former != number);
        if let Err(failure) = self.place(&observation, &entry) {
            return match former {
                Some(former) => self.give_up(number, former, failure.message()),
                None => Err(failure),
            };
        }
        let seen = self.look(&observation, &entry)?;
        if seen.standing == Standing::Proven {
            return self.proven(&observation, &seen);
        }
        let held = self.why_not_restarted(&entry);
        // Whoever waited for it has waited before the lock; a build may have begun since.
        let held = match held {
            None if !is_idle(self.context, &observation, self.name, &entry)? => {
                Some(message!("it is not idle"))
            }
            held => held,
        };
        if let Some(held) = held {
            let why = message!("{}; {}", seen.why, held);
            return Ok(Ending::NotServed { why, command: files::restart_line(self.name, &entry) });
        }
        let restarted = self.occasion(&entry, number, &self.lineage(&entry)).restart();
        let (seen, why) = match restarted {
            Ok(()) => {
                let seen = self.look_until_proven(&observation, &entry)?;
                let why = seen.why.clone();
                (seen, why)
            }
            Err(failure) => (self.look(&observation, &entry)?, failure.message()),
        };
        if seen.standing == Standing::Proven {
            return self.proven(&observation, &seen);
        }
        let current = observation.current(Role::Daemon, self.name);
        let serves = current.is_some_and(|current| seen.serves(current.leaf()));
        if serves && (seen.standing == Standing::Open || former.is_none()) {
            record(self.context, self.lock, &observation, self.name, &seen.observed, seen.standing)?;
            return Ok(Ending::Faulty { why });
        }
        match former {
            Some(former) => {
                self.give_up(number, former, describe(&why, &seen, current.map(|one| one.leaf())))
            }
            None if seen.is_up() => {
                let command = files::restart_line(self.name, &entry);
                Ok(Ending::NotServed { why, command })
            }
            None => Ok(Ending::Down { why }),
        }
    }

    /// Goes back from a generation that failed. Once the former one is served again, the failed one
    /// is removed: a `rollback` must not come upon it.
    fn give_up(&self, failed: u32, former: u32, why: Message) -> Result<Ending, Failure> {
        let ending = self.go_back(former, why)?;
        if matches!(ending, Ending::RolledBack { .. }) {
            let role = Role::Daemon;
            let prune = StateStep::Prune { role, name: self.name.clone(), generation: failed };
            let plan = Plan { state: vec![prune], ..Plan::default() };
            carry_out(self.context, self.lock, None, &plan)?;
        }
        Ok(ending)
    }

    fn proven(&self, observation: &Observation, seen: &Seen) -> Result<Ending, Failure> {
        record(self.context, self.lock, observation, self.name, &seen.observed, seen.standing)?;
        Ok(Ending::Proven)
    }

    /// Makes a generation current again that was proven, and has the daemon serve it.
    pub fn go_back(&self, generation: u32, why: Message) -> Result<Ending, Failure> {
        let down = |failure: Failure| Ending::Down {
            why: message!("{}; putting {} back: {}", why, Generation(generation), failure),
        };
        let restore = StateStep::Restore { role: Role::Daemon, name: self.name.clone(), generation };
        let plan = Plan { state: vec![restore], ..Plan::default() };
        let before = self.observe()?;
        let proven = before.daemons.get(self.name).and_then(|identity| identity.proven);
        let restored = carry_out(self.context, self.lock, Some(&before), &plan).and_then(|_| self.observe());
        let observation = match restored {
            Ok(observation) => observation,
            Err(failure) => return Ok(down(failure)),
        };
        let Some((entry, _)) = self.described(&observation) else {
            return Ok(Ending::Down { why });
        };
        if let Err(failure) = self.place(&observation, &entry) {
            return Ok(down(failure));
        }
        // Where the restart itself failed, the daemon has never served anything else.
        let seen = self.look(&observation, &entry)?;
        if seen.standing == Standing::Proven {
            record(self.context, self.lock, &observation, self.name, &seen.observed, seen.standing)?;
            return Ok(Ending::RolledBack { generation, why });
        }
        if let Some(why) = self.why_not_restarted(&entry) {
            return Ok(Ending::NotServed { why, command: files::restart_line(self.name, &entry) });
        }
        let restarted = self.occasion(&entry, generation, &self.lineage(&entry)).restart();
        let seen = match &restarted {
            Ok(()) => self.look_until_proven(&observation, &entry)?,
            Err(_) => self.look(&observation, &entry)?,
        };
        if seen.standing == Standing::Proven {
            record(self.context, self.lock, &observation, self.name, &seen.observed, seen.standing)?;
            return Ok(Ending::RolledBack { generation, why });
        }
        if self.serves_former(proven.filter(|proven| *proven != generation), &seen)? {
            let why = restarted.err().map_or(seen.why, |failure| failure.message());
            return Ok(Ending::NotServed { why, command: files::restart_line(self.name, &entry) });
        }
        Ok(match restarted {
            Ok(()) => Ending::Down {
                why: message!("{}; {} was put back: {}", why, Generation(generation), seen.why),
            },
            Err(failure) => down(failure),
        })
    }

    /// Whether it serves that generation still, which was proven.
    fn serves_former(&self, proven: Option<u32>, seen: &Seen) -> Result<bool, Failure> {
        let Some(proven) = proven else { return Ok(false) };
        let proven = observe_generation(self.directory, Role::Daemon, self.name, proven)?;
        Ok(seen.serves(proven.leaf()))
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
    fn described(&self, observation: &Observation) -> Option<(DaemonEntry, u32)> {
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

    fn occasion<'o>(&'o self, entry: &'o DaemonEntry, generation: u32, lineage: &'o PathBuf) -> Occasion<'o> {
        Occasion { state: &self.context.state, name: self.name, entry, generation, lineage }
    }

    fn look(&self, observation: &Observation, entry: &DaemonEntry) -> Result<Seen, Failure> {
        look(self.context, observation, self.name, entry)
    }

    /// Looks again and again, until the daemon is proven or has had the time that it may take.
    fn look_until_proven(&self, observation: &Observation, entry: &DaemonEntry) -> Result<Seen, Failure> {
        let limit = Duration::from_secs(entry.restart_timeout.seconds().unsigned_abs());
        let began = Instant::now();
        let mut pause = SHORTEST_PAUSE;
        loop {
            let seen = self.look(observation, entry)?;
            let is_decided = seen.standing != Standing::Unknown && {
                let current = observation.current(Role::Daemon, self.name);
                current.is_some_and(|current| seen.serves(current.leaf()))
            };
            if is_decided || began.elapsed() + pause > limit {
                return Ok(seen);
            }
            // A daemon says nothing to anybody when it is ready.
            std::thread::sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
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
    refuse_another(name, &placed.observed, Some(observation))?;
    Ok(Some(placed))
}

/// Dials a daemon as a client of the state, and judges it with its files.
fn look(
    context: &Context<'_>,
    observation: &Observation,
    name: &IdentityName,
    entry: &DaemonEntry,
) -> Result<Seen, Failure> {
    let accepted = observation.current(Role::Daemon, name).map(|current| &current.trust);
    let automatic = Credentials::Automatic;
    let client =
        credentials::choose(context, &automatic, Some(observation), &Configured::default(), accepted)?
            .ok_or_else(|| context.no_state())?;
    let daemon = (name.clone(), entry.clone());
    let options = DialOptions::of_daemon(entry).with_leaf_of(context, observation, name);
    let observed = dial(context, &client, &entry.endpoint, &options)?;
    let facts = local_facts(context, Some(observation), Some(&daemon), &client, &entry.endpoint)?;
    let verdict = judge(&observed, &facts);
    let files = files::findings(context, Some(observation), Some(&daemon), &client, &entry.endpoint)?;
    let standing = Standing::of(&verdict, &files);
    let current = observation.current(Role::Daemon, name);
    let why = verdict.summary.clone();
    let seen = Seen { observed, standing, why };
    let is_current = current.is_some_and(|current| seen.serves(current.leaf()));
    // A daemon that serves another set of ours is as sound as ever, and not what is to be proven.
    let standing = match standing {
        Standing::Proven if !is_current => Standing::Unknown,
        standing => standing,
    };
    if standing == Standing::Proven
        && let Some(why) = wrong_authority(context, observation, name, entry)?
    {
        return Ok(Seen { standing: Standing::Unknown, why, ..seen });
    }
    Ok(Seen { standing, ..seen })
}

/// With several CAs, a client of each is let in or refused as the daemon's ca.pem says; what is
/// wrong, if not.
fn wrong_authority(
    context: &Context<'_>,
    observation: &Observation,
    name: &IdentityName,
    entry: &DaemonEntry,
) -> Result<Option<Message>, Failure> {
    let now = context.environment.now();
    let Some(current) = observation.current(Role::Daemon, name) else { return Ok(None) };
    if observation.authorities.len() < 2 {
        return Ok(None);
    }
    for authority in observation.authorities.iter().filter(|authority| authority.can_sign(now)) {
        let is_trusted = current.trust.certificates().contains(&authority.certificate);
        let client = credentials::fresh(context, observation, authority)?;
        let observed = glance(context, &client, &entry.endpoint, &DialOptions::of_daemon(entry));
        let subject = authority.certificate.subject();
        match observed.ours() {
            Some(ours) if ours.outcome == Outcome::Accepted && !is_trusted => {
                return Ok(Some(message!(
                    "not verified: a client of {} is let in, whom ca.pem does not name",
                    subject
                )));
            }
            Some(ours) if ours.outcome == Outcome::Accepted => {}
            Some(ours) if is_trusted => {
                return Ok(Some(message!("not verified: a client of {} is not let in: {}", subject, ours)));
            }
            _ => {}
        }
    }
    Ok(None)
}

fn describe(why: &Message, seen: &Seen, current: Option<&Certificate>) -> Message {
    match (seen.leaf(), current) {
        (Some(served), Some(current)) if served != *current => {
            message!("{}; it serves {}, and not {}", why, served.serial(), current.serial())
        }
        _ => why.clone(),
    }
}

const SHORTEST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Among how many clients of the state one is looked for that can be dialled as.
const CLIENTS_TRIED: usize = 16;
