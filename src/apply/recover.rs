//! `recover`, done: a lost kitcert.yaml is written again; or an old copy of the state, or one of two that are
//! in use, goes on with what is installed. Nothing is removed, placed or restarted.

use std::collections::BTreeMap;

use super::change::{carry_out, installed, placed, unknown_leaves};
use super::invocation::{Invocation, PATIENCE};
use super::verify::{DialOptions, VerifyRequest, forgotten, verify};
use crate::layout::{DaemonEntry, move_aside};
use crate::message;
use crate::model::{Failure, IdentityName, Message, Quoted};
use crate::plan::{self, Recovery};
use crate::store::{Interest, Observation, StateDirectory, exists, observe_undescribed};

/// What a daemon does of which this state does not know the reason, and the command by which it does.
#[derive(Debug)]
pub(crate) struct Unexplained {
    /// What it does, in a sentence.
    pub found: Message,
    /// The command.
    pub fix: Message,
}

/// What each daemon that kitcert.yaml lists does that this state does not know the reason of. What cannot be tried is not
/// in it. A certificate that is served and that this state has not issued is noted, so that it can be taken in.
fn unexplained(invocation: &Invocation<'_>) -> Result<BTreeMap<IdentityName, Unexplained>, Failure> {
    let (_, observation) = invocation.observe(&Interest::Inventory)?;
    let looked = |name: &IdentityName, entry: &DaemonEntry| {
        let options = DialOptions::before_a_change(entry);
        let one = forgotten(invocation, (name, &entry.endpoint), &options).ok().flatten()?;
        if one.is_leaf && invocation.acts() {
            let _ = verify(invocation, &VerifyRequest::of_daemon(name));
        }
        let unexplained = Unexplained { found: one.told(), fix: one.fix().parted().0 };
        Some((name.clone(), unexplained))
    };
    let daemons: Vec<_> = observation.inventory.daemons.iter().collect();
    let mut all = BTreeMap::new();
    for some in daemons.chunks(AT_ONCE) {
        all.extend(std::thread::scope(|threads| {
            let dialed: Vec<_> =
                some.iter().map(|(name, entry)| threads.spawn(|| looked(name, entry))).collect();
            dialed.into_iter().filter_map(|one| one.join().ok().flatten()).collect::<Vec<_>>()
        }));
    }
    Ok(all)
}

/// How many daemons are dialed at the same time.
const AT_ONCE: usize = 8;

/// What `recover` comes to.
#[derive(Debug)]
pub(crate) enum Recovering {
    /// Something was lost, or is old.
    Recovered(Box<Recovery>),
    /// What is here is whole; and what daemons do all the same of which it does not know the reason.
    Whole(BTreeMap<IdentityName, Unexplained>),
}

/// Writes kitcert.yaml again, from what is beside it; or lets a copy go on. Where neither is needed, every daemon is
/// asked.
///
/// # Errors
/// No state, one without a CA, a file of it that cannot be read; a state that is busy.
/// Nothing is changed then.
pub(crate) fn recover(invocation: &Invocation<'_>) -> Result<Recovering, Failure> {
    if let Some(recovery) = recovered(invocation)? {
        return Ok(Recovering::Recovered(Box::new(recovery)));
    }
    let unexplained = unexplained(invocation)?;
    // What a daemon was seen to serve just now can be taken in.
    Ok(match recovered(invocation)? {
        Some(recovery) => Recovering::Recovered(Box::new(recovery)),
        None => Recovering::Whole(unexplained),
    })
}

fn recovered(invocation: &Invocation<'_>) -> Result<Option<Recovery>, Failure> {
    let directory = StateDirectory::find_undescribed(&invocation.state)?;
    let is_described = directory.is_none();
    let directory = match directory {
        Some(directory) => directory,
        None => invocation.open()?.ok_or_else(|| invocation.no_state())?,
    };
    let recovery = planned(invocation, &directory, is_described)?.map(|(recovery, _)| recovery);
    if !invocation.acts() || recovery.is_none() {
        return Ok(recovery);
    }
    let lock = directory.lock(invocation.command, PATIENCE)?;
    // Another command may have been there first.
    let Some((recovery, observation)) = planned(invocation, lock.state(), is_described)? else {
        return Ok(None);
    };
    // No identity gets anything else than it has, so that the guard has nothing to judge.
    carry_out(invocation, &lock, Some(&observation), &recovery.plan)?;
    Ok(Some(recovery))
}

fn planned(
    invocation: &Invocation<'_>,
    directory: &StateDirectory,
    is_described: bool,
) -> Result<Option<(Recovery, Observation)>, Failure> {
    let now = invocation.environment.now();
    if !is_described {
        if StateDirectory::find_undescribed(&invocation.state)?.is_none() {
            return Ok(None);
        }
        let observation = observe_undescribed(directory)?;
        return Ok(Some((plan::recover(&observation, now)?, observation)));
    }
    let observation = invocation.observe_in(directory, &Interest::InUse)?;
    let installed = installed(invocation, &observation);
    let unknown_leaves = unknown_leaves(invocation, &observation);
    let is_old = installed.iter().any(|one| one.standing.is_old());
    match is_old || !unknown_leaves.is_empty() || plan::has_forgotten(&observation, &installed) {
        true => Ok(Some((plan::catch_up(&observation, &installed, &unknown_leaves, now), observation))),
        false => halves(invocation, &observation).map_or(Ok(None), Err),
    }
}

/// Why what a later copy of the state has installed cannot be taken in: not all of it is there.
fn halves(invocation: &Invocation<'_>, observation: &Observation) -> Option<Failure> {
    let mut daemons = observation.inventory.daemons.keys();
    let (name, there) = daemons.find_map(|name| {
        let there = placed(invocation, observation, name)?.observed;
        there.standing.is_old().then_some((name, there))
    })?;
    let folder = Quoted(&there.folder);
    Some(
        Failure::new("recovering daemon", name)
            .expected(message!("all files that another copy of this state has installed, in {}", folder))
            .found("only some of them")
            .hint(message!(
                "let that copy install them again; if it cannot: {}",
                move_aside(&there.folder, exists)
            )),
    )
}
