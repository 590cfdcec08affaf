//! What the state remembers of a proof: a daemon's `proven`.

use crate::apply::context::{Context, PATIENCE};
use crate::apply::state_change::{identity_folder, line};
use crate::message;
use crate::model::{Failure, Finding, IdentityName, Printable, Role, Severity};
use crate::pki::Certificate;
use crate::probe::{self, Observed, Verdict};
use crate::store::{LogEvent, LogLine, Observation, StagedChange, StateDirectory, StateLock};

/// Whether a proof changed the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// `proven` was moved.
    Moved,
    /// It stood there already, or there is nothing to move.
    Unchanged,
}

/// What a verify says of a daemon, as far as its state is to remember it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::apply) enum Standing {
    /// Every dial went as it must, and the files are without fault.
    Proven,
    /// Somebody got in who must not.
    Open,
    /// Neither is shown.
    Unknown,
}

impl Standing {
    pub fn of(verdict: &Verdict, files: &[Finding]) -> Standing {
        if verdict.open {
            Standing::Open
        } else if verdict.verified && Finding::gravest(files) < Severity::Error {
            Standing::Proven
        } else {
            Standing::Unknown
        }
    }
}

/// What was seen of a daemon of the state.
pub(in crate::apply) struct Seen {
    /// The daemon.
    pub name: IdentityName,
    /// The dials.
    pub observed: Observed,
    /// What they prove.
    pub standing: Standing,
}

/// Records proofs, all under one lock, which is taken only if there is something to record.
pub(in crate::apply) fn record_anew(
    context: &Context<'_>,
    observation: &Observation,
    seen: &[Option<Seen>],
) -> Result<Vec<Recorded>, Failure> {
    let change = |seen: &Option<Seen>| {
        let Seen { name, observed, standing } = seen.as_ref()?;
        Change::of(observation, name, observed, *standing)
    };
    let changes: Vec<Option<Change>> = seen.iter().map(change).collect();
    if changes.iter().all(Option::is_none) {
        return Ok(vec![Recorded::Unchanged; seen.len()]);
    }
    let directory = StateDirectory::find(&context.state)?.ok_or_else(|| context.no_state())?;
    let lock = directory.lock(context.command, PATIENCE)?;
    let staged = lock.stage()?;
    let mut recorded = Vec::new();
    for (change, seen) in changes.iter().zip(seen) {
        recorded.push(match (change, seen) {
            (Some(change), Some(seen)) => {
                change.stage(context, &staged, &seen.name, &seen.observed)?;
                Recorded::Moved
            }
            _ => Recorded::Unchanged,
        });
    }
    staged.commit()?;
    Ok(recorded)
}

/// Records a proof under a lock that is held already.
pub(in crate::apply) fn record(
    context: &Context<'_>,
    lock: &StateLock<'_>,
    observation: &Observation,
    name: &IdentityName,
    observed: &Observed,
    standing: Standing,
) -> Result<Recorded, Failure> {
    match Change::of(observation, name, observed, standing) {
        Some(change) => {
            let staged = lock.stage()?;
            change.stage(context, &staged, name, observed)?;
            staged.commit()?;
            Ok(Recorded::Moved)
        }
        None => Ok(Recorded::Unchanged),
    }
}

/// How `proven` of a daemon changes.
struct Change {
    /// The generation that it is to lead to; None: nowhere.
    wanted: Option<u32>,
    served: Certificate,
}

impl Change {
    /// `proven` goes to the current generation, if it is that one which was served and the verdict
    /// is that it is proven; it is taken away where a stranger got in.
    fn of(
        observation: &Observation,
        name: &IdentityName,
        observed: &Observed,
        standing: Standing,
    ) -> Option<Change> {
        let served = observed.handshake().and_then(probe::Handshake::leaf)?;
        let identity = observation.daemons.get(name)?;
        let wanted = match standing {
            Standing::Unknown => return None,
            Standing::Open => None,
            Standing::Proven => {
                let current = identity.current.as_ref().filter(|current| *current.leaf() == served);
                Some(current?.number)
            }
        };
        (identity.proven != wanted).then_some(Change { wanted, served })
    }

    fn stage(
        &self,
        context: &Context<'_>,
        staged: &StagedChange<'_>,
        name: &IdentityName,
        observed: &Observed,
    ) -> Result<(), Failure> {
        let link = identity_folder(Role::Daemon, name).join("proven");
        let address = observed.address().map(|address| address.message()).unwrap_or_default();
        let (event, reason) = match self.wanted {
            Some(number) => {
                staged.link(&link, &format!("gen-{number:04}"))?;
                (LogEvent::Proven, message!("{} served it and refused strangers", address))
            }
            None => {
                staged.remove(&link)?;
                (LogEvent::Refuted, message!("{} let a stranger in", address))
            }
        };
        staged.record(&LogLine {
            serial: Some(self.served.serial().clone()),
            fingerprint: Some(self.served.fingerprint()),
            ..line(context, event, message!("daemon {}", name), reason)
        })
    }
}
