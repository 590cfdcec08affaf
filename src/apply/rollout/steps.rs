//! The steps of one daemon's rollout: look at the state, place, restart, verify, record.
//!
//! The state is locked for as long as it is read or written, and never while a daemon is dialed or
//! restarted. So each step begins with what the state says now.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::restart::RestartCommand;
use super::result::{Restarting, RolloutResult};
use crate::apply::change::carry_out;
use crate::apply::install::Copies;
use crate::apply::invocation::Invocation;
use crate::apply::placed::{PlacedDaemon, observe_daemon};
use crate::apply::verify::{
    DialOptions, Evidence, Examined, Outcome, Recorded, VerifyRequest, examine, forgotten, record,
    restart_line, verify,
};
use crate::layout::DaemonEntry;
use crate::layout::state_paths::identity_folder;
use crate::message;
use crate::model::{Failure, Generation, IdentityName, Message, Printable, Role, Rule, Severity};
use crate::plan::{EarlierGeneration, InstallDaemonRequest, PlacedState, Plan, StateStep, refuse_unfit};
use crate::store::{
    AccessHistory, CredentialBytes, Interest, Observation, StateDirectory, StateLock, observe,
    observe_generation,
};

/// The rollout of one daemon, by whoever has its lock.
pub(in crate::apply) struct Rollout<'a> {
    pub invocation: &'a Invocation<'a>,
    pub directory: &'a StateDirectory,
    pub name: &'a IdentityName,
    pub restarting: &'a Restarting,
}

/// What one verification of a daemon showed.
pub(super) struct Look {
    pub outcome: Outcome,
    /// The verdict.
    pub why: Message,
    /// What a person says in place of a dial that nothing here can make; None where all could be made.
    pub word: Option<Message>,
    /// Whether all that is wrong with it would be wrong with any other files too.
    pub is_whatever_its_files: bool,
    pub evidence: Evidence,
}

impl Look {
    /// Whether something is wrong with what it does.
    pub(super) fn is_faulty(&self) -> bool {
        matches!(self.outcome, Outcome::NotVerified | Outcome::Open)
    }

    /// What is told where the daemon could not be restarted: that it is open is graver than that.
    pub(super) fn beside(&self, failure: &Failure) -> Message {
        match self.outcome {
            Outcome::Open => message!("{}; {}", self.why, failure),
            _ => failure.message(),
        }
    }
}

/// What the state says of a daemon at one moment.
pub(super) struct Current {
    pub observation: Observation,
    /// What kitcert.yaml says of it.
    pub entry: DaemonEntry,
    /// The generation that it is to serve.
    pub number: Generation,
}

impl Rollout<'_> {
    /// Locks the state, which every other rollout does for a moment too.
    pub(super) fn lock_state(&self) -> Result<StateLock<'_>, Failure> {
        self.directory.lock(self.invocation.command, PATIENCE)
    }

    /// What the state says now; None where the daemon is not listed, or has no certificate.
    pub(super) fn current(&self) -> Result<Option<Current>, Failure> {
        self.current_under(&self.lock_state()?)
    }

    /// The same, under a lock that is held.
    pub(super) fn current_under(&self, lock: &StateLock<'_>) -> Result<Option<Current>, Failure> {
        self.current_in(lock.state())
    }

    /// Verifies it by what the state says now, or by what is known where that cannot be read: what somebody
    /// noted before this look, such as the daemon's own restart command, does not void it.
    pub(super) fn look_now(&self, current: &Current) -> Result<Look, Failure> {
        let now = self.refreshed(current);
        self.look(&now.as_ref().unwrap_or(current).observation)
    }

    fn refreshed(&self, known: &Current) -> Option<Current> {
        let directory = StateDirectory::find(&self.invocation.state).ok().flatten()?;
        self.current_in(&directory).ok().flatten().filter(|now| now.number == known.number)
    }

    fn current_in(&self, state: &StateDirectory) -> Result<Option<Current>, Failure> {
        let inventory = observe(state, &Interest::Inventory)?.inventory;
        let clients = inventory.clients.keys().take(CLIENTS_TRIED);
        let clients = clients.map(|name| (Role::Client, name.clone()));
        let daemon = std::iter::once((Role::Daemon, self.name.clone()));
        let observation = observe(state, &Interest::Identities(daemon.chain(clients).collect()))?;
        let entry = observation.inventory.daemons.get(self.name).cloned();
        let number = observation.current(Role::Daemon, self.name).map(|current| current.number);
        Ok(entry.zip(number).map(|(entry, number)| Current { observation, entry, number }))
    }

    /// Whether its files stand where it reads them. What cannot be read is told when it is placed.
    pub(super) fn is_placed(&self, current: &Current) -> bool {
        let Current { observation, entry, .. } = current;
        let is_installed = match placed(self.invocation, observation, self.name, entry) {
            Ok(placed) => placed.is_none_or(|placed| placed.observed.state == PlacedState::UpToDate),
            Err(_) => false,
        };
        is_installed && self.copies(observation).are_outdated().is_ok_and(|is| !is)
    }

    /// Whether what stands at its place is neither what is current nor what it was last known to use.
    pub(super) fn is_misplaced(&self, current: &Current) -> bool {
        let Current { observation, entry, number } = current;
        let Some(daemon) = observation.daemons.get(self.name) else { return false };
        let Ok(Some(placed)) = placed(self.invocation, observation, self.name, entry) else { return false };
        let there = placed.there.as_ref().map(CredentialBytes::checksum);
        let of = |generation: Generation| {
            let mut made = daemon.history.made.iter();
            made.any(|one| one.generation == generation && Some(one.sha256) == there)
        };
        let access = &daemon.history.access;
        let is_known = [access.restarted, access.undecided, access.shown].contains(&Some(*number));
        !of(*number) && (is_known || !access.shown.is_none_or(of))
    }

    /// Puts its files where it reads them.
    pub(super) fn place(&self, current: &Current) -> Result<(), Failure> {
        let Current { observation, entry, .. } = current;
        if let Some(placed) = placed(self.invocation, observation, self.name, entry)? {
            placed.install()?;
        }
        self.copies(observation).replace()?;
        Ok(())
    }

    /// The copies of its files that clients' tools start it with.
    fn copies(&self, observation: &Observation) -> Copies {
        Copies::of(self.invocation, observation, Role::Daemon, self.name)
    }

    /// Why it is not restarted here.
    pub(super) fn why_not_restarted(&self, entry: &DaemonEntry) -> Option<Message> {
        match self.restarting {
            Restarting::Refused(why) => Some(why.clone()),
            Restarting::Allowed | Restarting::WhenIdle if entry.restart.is_empty() => {
                Some(match entry.install.is_none() && entry.installed.is_empty() {
                    true => message!(
                        "kitcert.yaml names neither a restart command nor where its files are installed: {kitcert} \
                         install daemon {}",
                        self.name
                    ),
                    false => message!("kitcert.yaml names no restart command"),
                })
            }
            Restarting::Allowed | Restarting::WhenIdle => None,
        }
    }

    /// How it ends where it does something as it is of which the state knows nothing: with other files, or after a restart
    /// with those that stand at its place, whoever is revoked without the state's knowledge would get in again. What
    /// cannot be tried holds up nothing.
    pub(in crate::apply) fn held_back(&self, entry: &DaemonEntry) -> Option<RolloutResult> {
        let options = DialOptions::before_a_change(entry);
        let forgotten = forgotten(self.invocation, (self.name, &entry.endpoint), &options).ok().flatten()?;
        if forgotten.is_leaf {
            // What it serves is noted, for `recover`.
            let _ = verify(self.invocation, &VerifyRequest::of_daemon(self.name));
        }
        let why = message!("{} was left as it is: {}", self.name, forgotten.told());
        Some(RolloutResult::HeldBack { why, command: forgotten.fix().parted().0 })
    }

    /// Runs its restart command.
    pub(super) fn restart(&self, Current { entry, number, .. }: &Current) -> Result<(), Failure> {
        let lineage = self.lineage(entry);
        let state = &self.invocation.state;
        RestartCommand { state, name: self.name, entry, generation: *number, lineage: &lineage }.restart()
    }

    /// The folder where it reads its files, as far as that is known.
    fn lineage(&self, entry: &DaemonEntry) -> PathBuf {
        match &entry.install {
            Some(install) => install.root.join(install.layout.folder()).join("current"),
            None => self.invocation.state.join(identity_folder(Role::Daemon, self.name)).join("current"),
        }
    }

    /// Verifies it, by the one definition of that.
    pub(super) fn look(&self, observation: &Observation) -> Result<Look, Failure> {
        let request = VerifyRequest::of_daemon(self.name);
        let Examined { verification, evidence } = examine(self.invocation, Some(observation), &request)?;
        let evidence = evidence.ok_or_else(|| self.invocation.no_state())?;
        let word = verification.findings.iter().find(|finding| finding.rule == Rule::RevokedNotTried);
        let word = word.and_then(|finding| finding.fix.clone());
        let mut faults =
            verification.findings.iter().filter(|one| one.severity >= Severity::Error).peekable();
        let is_whatever_its_files =
            faults.peek().is_some() && faults.clone().all(|fault| WHATEVER_ITS_FILES.contains(&fault.rule));
        // A key that is revoked and cannot be replaced is told by others: what it serves is what it is to serve.
        let keeps_key = verification.outcome == Outcome::NotVerified
            && evidence.serves_current()
            && faults.peek().is_some()
            && faults.all(|fault| fault.rule == Rule::RevokedKey);
        let outcome = if keeps_key { Outcome::Verified } else { verification.outcome };
        let why = verification.verdict;
        Ok(Look { outcome, why, word, is_whatever_its_files, evidence })
    }

    /// Looks again and again, until the daemon serves its current credentials and there is a verdict, or it
    /// has had the time that it may take.
    pub(super) fn look_until_decided(&self, current: &Current) -> Result<Look, Failure> {
        let limit = Duration::from_secs(current.entry.restart_timeout.seconds().unsigned_abs());
        let began = Instant::now();
        let mut pause = SHORTEST_PAUSE;
        loop {
            let look = self.look_now(current)?;
            let is_decided = matches!(look.outcome, Outcome::Verified | Outcome::Open)
                || look.word.is_some()
                || !look.evidence.may_change();
            if is_decided && look.evidence.serves_current() || began.elapsed() + pause > limit {
                return Ok(look);
            }
            // A daemon says nothing to anybody when it is ready.
            std::thread::sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Notes that the daemon is verified, and which generation was itself the cause of a failure; unless the
    /// state was changed meanwhile.
    pub(super) fn verified(
        &self,
        look: &Look,
        entry: &DaemonEntry,
        cause: Option<Generation>,
    ) -> Result<RolloutResult, Failure> {
        Ok(match self.record(look, cause)? {
            Recorded::Changed | Recorded::Unchanged => RolloutResult::Verified { remark: None },
            Recorded::Superseded => RolloutResult::NotServed {
                why: message!("kitcert.yaml or its credentials were changed during the verification"),
                command: restart_line(self.name, entry),
            },
        })
    }

    /// Takes the record back of a daemon that serves its current files and still does not do as it
    /// must, and of one that lets somebody in, whatever it serves.
    pub(super) fn refute(&self, look: &Look) -> Result<(), Failure> {
        if look.evidence.is_access_wrong() || look.evidence.serves_current() {
            self.record(look, None)?;
        }
        Ok(())
    }

    /// Notes that it was restarted with a generation of which nothing here can try everything.
    pub(super) fn note_restarted(&self, number: Generation) -> Result<(), Failure> {
        self.note_access(number, |access| AccessHistory { restarted: Some(number), ..access })
    }

    /// Notes that it serves a generation while something else is wrong with it: whether everybody was seen to be let
    /// in and refused as it is meant all the same, or nobody can tell.
    pub(super) fn note_faulty(&self, number: Generation, look: &Look) -> Result<(), Failure> {
        match look.evidence.is_access_right() {
            true => self.note_access(number, |access| AccessHistory {
                restarted: Some(number),
                shown: Some(number),
                undecided: None,
                ..access
            }),
            false if look.evidence.is_access_wrong() => Ok(()),
            false => self.note_access(number, |access| AccessHistory { undecided: Some(number), ..access }),
        }
    }

    /// Notes that other files stood at its place than those that it was last known to use: it may have taken them
    /// up, and nobody knows whom it lets in.
    pub(super) fn note_misplaced(&self, number: Generation) -> Result<(), Failure> {
        self.note_access(number, |_| AccessHistory::default())
    }

    fn note_access(
        &self,
        number: Generation,
        changed: impl Fn(AccessHistory) -> AccessHistory,
    ) -> Result<(), Failure> {
        let lock = self.lock_state()?;
        let Some(current) = self.current_under(&lock)?.filter(|current| current.number == number) else {
            return Ok(());
        };
        let daemon = current.observation.daemons.get(self.name);
        let before = daemon.map(|daemon| daemon.history.access.clone()).unwrap_or_default();
        let after = changed(before.clone());
        if after == before {
            return Ok(());
        }
        let step = StateStep::NoteAccess(self.name.clone(), after);
        let plan = Plan { state: vec![step], ..Plan::default() };
        carry_out(self.invocation, &lock, Some(&current.observation), &plan).map(drop)
    }

    fn record(&self, look: &Look, cause: Option<Generation>) -> Result<Recorded, Failure> {
        let recorded = record(self.invocation, &self.lock_state()?, &[&look.evidence], cause)?;
        Ok(recorded.first().copied().unwrap_or(Recorded::Unchanged))
    }
}

/// The generations of an identity that are not current, with their files.
pub(in crate::apply) fn earlier_generations(
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
pub(in crate::apply) fn placed(
    invocation: &Invocation<'_>,
    observation: &Observation,
    name: &IdentityName,
    entry: &DaemonEntry,
) -> Result<Option<PlacedDaemon>, Failure> {
    let Some(request) = InstallDaemonRequest::of_entry(name, entry) else { return Ok(None) };
    let placed = observe_daemon(invocation, &request, Some(observation))?;
    refuse_unfit(name, &placed.observed, Some(observation))?;
    Ok(Some(placed))
}

/// For how long a rollout waits for the lock of the state: what it has to note is lost without.
const PATIENCE: Duration = Duration::from_secs(60);
const SHORTEST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What a daemon does by its configuration, or the proxy in front of it, with whichever files it has: going back to
/// others does not mend it.
const WHATEVER_ITS_FILES: [Rule; 5] = [
    Rule::NoCertificateAccepted,
    Rule::UnknownCaAccepted,
    Rule::PlaintextAccepted,
    Rule::ExpiredAccepted,
    Rule::WrongUsageAccepted,
];

/// Among how many clients of the state one is looked for that can be dialed as.
const CLIENTS_TRIED: usize = 16;
