//! What the state remembers of a verification: `verified.json` and the daemon's history.
//!
//! A daemon is dialed without a lock, and meanwhile another command may renew it, or find it open. So
//! under the lock the state is looked at once more, and "verified" is written only if nothing has
//! changed of what was dialed: the generation, its certificate, the bundle, the endpoint, the hosts,
//! and the number of refutations.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::evidence::{Basis, Evidence};
use super::verification::{Outcome, Recorded};
use crate::apply::change::{line, refuse_misplaced};
use crate::apply::invocation::{Invocation, PATIENCE};
use crate::message;
use crate::model::{Failure, Generation, IdentityName, Lifetime, Printable, Role, Timestamp};
use crate::pki::Certificate;
use crate::store::{
    AccessHistory, DaemonHistory, Interest, LogEvent, LogLine, Observation, Privacy, StagedChange,
    StateDirectory, StateLock, VerifiedRecord, observe,
};

/// Records verifications, all under one lock, which is taken only if there is something to record.
pub(super) fn record_anew(
    invocation: &Invocation<'_>,
    evidence: &[Evidence],
) -> Result<Vec<Recorded>, Failure> {
    let directory = StateDirectory::find(&invocation.state)?.ok_or_else(|| invocation.no_state())?;
    let evidence: Vec<&Evidence> = evidence.iter().collect();
    // While somebody else changes the state it cannot be read, and then the lock decides.
    let may_refute = evidence.iter().any(|one| matches!(one.outcome, Outcome::Open | Outcome::NotVerified));
    let mut patience = if may_refute { PATIENCE_TO_REFUTE } else { PATIENCE };
    if let Ok(observation) = interest(&directory, &evidence).and_then(|those| observe(&directory, &those)) {
        // What an old copy would note it would note after the state itself.
        refuse_misplaced(invocation, &observation)?;
        let changes: Vec<Change> = evidence.iter().map(|one| Change::of(&observation, one)).collect();
        if changes.iter().all(|change| !change.writes()) {
            return Ok(changes.iter().map(Change::recorded).collect());
        }
        if !changes.iter().any(|change| matches!(change, Change::Refute(_))) {
            patience = PATIENCE;
        }
    }
    let lock = directory.lock(invocation.command, patience)?;
    record(invocation, &lock, &evidence, None)
}

/// Records verifications under a lock that is held, and that a generation was itself the cause of a
/// failure: the daemon was verified with another.
pub(in crate::apply) fn record(
    invocation: &Invocation<'_>,
    lock: &StateLock<'_>,
    evidence: &[&Evidence],
    cause: Option<Generation>,
) -> Result<Vec<Recorded>, Failure> {
    let observation = observe(lock.state(), &interest(lock.state(), evidence)?)?;
    let staged = lock.stage()?;
    let changes: Vec<Change> = evidence.iter().map(|one| Change::of(&observation, one)).collect();
    // A daemon may have been dialed twice, by its name and by its endpoint: the gravest counts.
    let mut of_daemons: BTreeMap<&IdentityName, (&Evidence, Change)> = BTreeMap::new();
    for (one, change) in evidence.iter().zip(&changes) {
        for name in concerned(&observation, one, change) {
            let previous = of_daemons.get(name).map(|(_, change)| change.gravity());
            if previous.is_none_or(|previous| previous < change.gravity()) {
                of_daemons.insert(name, (one, change.of_daemon(&observation, name)));
            }
        }
    }
    for (name, (one, change)) in &of_daemons {
        change.stage(invocation, &staged, &observation, (name, one), cause)?;
    }
    staged.commit()?;
    let told = |(one, change): (&&Evidence, &Change)| match of_daemons.get(&one.seen.name) {
        // It was verified, and by another dial of the same command it was not.
        Some((_, Change::Refute(_))) if matches!(change, Change::Verify(..)) => Recorded::Superseded,
        _ => change.recorded(),
    };
    Ok(evidence.iter().zip(&changes).map(told).collect())
}

/// The daemons of which something is said: whoever gets in at an endpoint gets in at every daemon that
/// is listed with it.
fn concerned<'a>(
    observation: &'a Observation,
    evidence: &'a Evidence,
    change: &Change,
) -> Vec<&'a IdentityName> {
    let seen = &evidence.seen;
    if !(evidence.lets_in() && matches!(change, Change::Refute(_))) {
        return vec![&seen.name];
    }
    let daemons = observation.inventory.daemons.iter();
    daemons.filter(|(_, entry)| entry.endpoint == seen.endpoint).map(|(name, _)| name).collect()
}

fn interest(directory: &StateDirectory, evidence: &[&Evidence]) -> Result<Interest, Failure> {
    let mut names: BTreeSet<IdentityName> = evidence.iter().map(|one| one.seen.name.clone()).collect();
    if evidence.iter().any(|one| one.lets_in()) {
        for (name, entry) in observe(directory, &Interest::Inventory)?.inventory.daemons {
            if evidence.iter().any(|one| one.lets_in() && one.seen.endpoint == entry.endpoint) {
                names.insert(name);
            }
        }
    }
    Ok(Interest::Identities(names.into_iter().map(|name| (Role::Daemon, name)).collect()))
}

/// What becomes of the record of a daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Change {
    Nothing,
    /// Nothing either: what was verified is not what is current.
    Superseded,
    /// A record is written. Whether the daemon was not verified before.
    Verify(Box<VerifiedRecord>, News),
    /// The record is removed, if there is one, and the refutation is counted.
    Refute(News),
}

/// Whether the daemon is called something else than before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum News {
    Yes,
    No,
}

impl Change {
    /// What is to be done, by what the state says now.
    fn of(observation: &Observation, evidence: &Evidence) -> Change {
        let Evidence { outcome, seen } = evidence;
        let name = &seen.name;
        let is_same = seen.basis.is_some() && Basis::of(observation, name) == seen.basis;
        let daemon = observation.daemons.get(name);
        let previous = daemon.and_then(|daemon| daemon.verified.as_ref());
        let entry = observation.inventory.daemons.get(name);
        match outcome {
            Outcome::Inconclusive => Change::Nothing,
            // Whoever gets in gets in whatever is current.
            Outcome::Open if seen.is_itself && entry.is_some_and(|entry| entry.endpoint == seen.endpoint) => {
                Change::Refute(previous.map_or(News::No, |_| News::Yes))
            }
            // Under another name, at some of its addresses alone, or as a client of others: so neither
            // its clients nor the next verification dial it.
            _ if !seen.is_as_clients_dial => Change::Nothing,
            // A daemon that was renewed meanwhile is another matter.
            Outcome::NotVerified if is_same => Change::Refute(previous.map_or(News::No, |_| News::Yes)),
            Outcome::Open | Outcome::NotVerified => Change::Nothing,
            Outcome::Verified if !is_same => Change::Superseded,
            Outcome::Verified => {
                let Some(record) = &seen.record else { return Change::Superseded };
                let is_of_same = previous.is_some_and(|previous| says_the_same(previous, record));
                let has_worked = daemon.is_some_and(|daemon| daemon.has_worked() && daemon.is_shown());
                let is_recent = previous.is_some_and(|previous| {
                    (0..REFRESHED_AFTER.seconds())
                        .contains(&record.verified_at.seconds_since(previous.verified_at))
                });
                match (is_of_same && has_worked, is_recent) {
                    (true, true) => Change::Nothing,
                    (true, false) => Change::Verify(Box::new(record.clone()), News::No),
                    (false, _) => Change::Verify(Box::new(record.clone()), News::Yes),
                }
            }
        }
    }

    /// The same of a daemon that has a record of its own, or none.
    fn of_daemon(&self, observation: &Observation, name: &IdentityName) -> Change {
        let has_record = observation.daemons.get(name).is_some_and(|daemon| daemon.verified.is_some());
        match self {
            Change::Refute(_) => Change::Refute(if has_record { News::Yes } else { News::No }),
            other => other.clone(),
        }
    }

    /// Of several changes of one daemon the gravest is made.
    fn gravity(&self) -> u8 {
        match self {
            Change::Nothing => 0,
            Change::Superseded => 1,
            Change::Verify(..) => 2,
            Change::Refute(_) => 3,
        }
    }

    fn writes(&self) -> bool {
        matches!(self, Change::Verify(..) | Change::Refute(_))
    }

    fn recorded(&self) -> Recorded {
        match self {
            Change::Verify(_, News::Yes) | Change::Refute(News::Yes) => Recorded::Changed,
            Change::Nothing | Change::Verify(_, News::No) | Change::Refute(News::No) => Recorded::Unchanged,
            Change::Superseded => Recorded::Superseded,
        }
    }

    fn stage(
        &self,
        invocation: &Invocation<'_>,
        staged: &StagedChange<'_>,
        observation: &Observation,
        (name, evidence): (&IdentityName, &Evidence),
        cause: Option<Generation>,
    ) -> Result<(), Failure> {
        let before = observation.daemons.get(name).map(|daemon| daemon.history.clone()).unwrap_or_default();
        let mut history = before.clone();
        if let Some(cause) = cause.filter(|_| evidence.outcome == Outcome::Verified) {
            history.note_refuted(cause);
        }
        let place = VerifiedRecord::path(name);
        let event = match self {
            Change::Nothing | Change::Superseded => None,
            Change::Verify(record, news) => {
                staged.file(&place, &record.to_bytes()?, Privacy::Private)?;
                history.note_worked(record.generation, record.verified_at);
                if evidence.is_access_right() {
                    // What everybody was tried for needs nobody's word any more.
                    history.access.seen.clear();
                    history.access.restarted = None;
                }
                history.unknown_leaf = None;
                (*news == News::Yes).then_some((LogEvent::Verified, record.generation.message()))
            }
            Change::Refute(news) => {
                staged.remove(&place)?;
                history.note_refutation(invocation.environment.present());
                if evidence.is_access_wrong() {
                    history.access = AccessHistory::default();
                }
                history.unknown_leaf = evidence.seen.unknown_leaf.as_ref().map(Certificate::to_pem);
                let what = match evidence.outcome {
                    Outcome::Open => "somebody gets in who must be refused",
                    _ => "it does not behave as it must",
                };
                (*news == News::Yes).then(|| (LogEvent::Refuted, message!("{}", what)))
            }
        };
        if history != before {
            staged.file(&DaemonHistory::path(name), &history.to_bytes()?, Privacy::Private)?;
        }
        let Some((event, reason)) = event else { return Ok(()) };
        let served = evidence.served();
        staged.record(&LogLine {
            serial: served.map(|served| served.serial().clone()),
            fingerprint: served.map(Certificate::fingerprint),
            ..line(invocation, event, message!("daemon {}", name), reason)
        })
    }
}

/// Whether two records say the same, at different times.
fn says_the_same(one: &VerifiedRecord, other: &VerifiedRecord) -> bool {
    // How often a dial was repeated, and in which order a resolver answers, is chance.
    let timeless = |record: &VerifiedRecord| {
        let mut addresses = record.addresses.clone();
        addresses.sort_by_key(|one| one.address);
        VerifiedRecord {
            addresses,
            dials: 0,
            started_at: Timestamp::from_unix(0),
            verified_at: Timestamp::from_unix(0),
            command: String::new(),
            ..record.clone()
        }
    };
    timeless(one) == timeless(other)
}

/// A record that says the same and is younger is left as it is, so that a job that verifies every
/// minute does not write every minute.
const REFRESHED_AFTER: Lifetime = Lifetime::from_seconds(3_600);

/// For how long a refutation waits for another command: lost, it would leave an open daemon verified.
const PATIENCE_TO_REFUTE: Duration = Duration::from_secs(60);
