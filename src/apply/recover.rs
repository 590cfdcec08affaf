//! `recover`, done: a lost kitcert.yaml is written again; or an old copy of the state, or one of two that are
//! in use, goes on with what is installed. Nothing is removed, placed or restarted.

use std::collections::BTreeMap;

use super::change::{carry_out, installed, placed, unknown_leaves};
use super::invocation::{Invocation, PATIENCE};
use super::verify::{DialOptions, KeptOut, kept_out};
use crate::layout::{DaemonEntry, move_aside};
use crate::message;
use crate::model::{Failure, IdentityName, Quoted};
use crate::plan::{self, Recovery};
use crate::store::{Interest, Observation, StateDirectory, exists, observe_undescribed};

/// Of each daemon that kitcert.yaml lists, who is to get in and is refused by it: this state does not know that he is
/// revoked. What cannot be tried is not in it.
///
/// # Errors
/// A state that cannot be read.
pub(crate) fn refused_unknown(
    invocation: &Invocation<'_>,
) -> Result<BTreeMap<IdentityName, KeptOut>, Failure> {
    let (_, observation) = invocation.observe(&Interest::Inventory)?;
    let looked = |name: &IdentityName, entry: &DaemonEntry| {
        let options = DialOptions::default().with_entry(entry);
        let one = kept_out(invocation, (name, &entry.endpoint), &options).ok().flatten()?;
        Some((name.clone(), one))
    };
    let daemons: Vec<_> = observation.inventory.daemons.iter().collect();
    let mut refused = BTreeMap::new();
    for some in daemons.chunks(AT_ONCE) {
        refused.extend(std::thread::scope(|threads| {
            let dialed: Vec<_> =
                some.iter().map(|(name, entry)| threads.spawn(|| looked(name, entry))).collect();
            dialed.into_iter().filter_map(|one| one.join().ok().flatten()).collect::<Vec<_>>()
        }));
    }
    Ok(refused)
}

/// How many daemons are dialed at the same time.
const AT_ONCE: usize = 8;

/// Writes kitcert.yaml again, from what is beside it; or lets a copy go on. None if neither is needed.
///
/// # Errors
/// No state, one without a CA, a file of it that cannot be read; a state that is busy.
/// Nothing is changed then.
pub(crate) fn recover(invocation: &Invocation<'_>) -> Result<Option<Recovery>, Failure> {
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
