//! Many rollouts at the same time.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::result::{Restarting, RolloutResult};
use super::steps::Rollout;
use super::turns::Turns;
use crate::apply::invocation::Invocation;
use crate::model::{ExitCode, Failure, IdentityName};
use crate::store::{DaemonLock, StateDirectory};

/// A daemon that is to be rolled out, with its lock; or why it is left as it is.
pub(in crate::apply) struct Locked {
    pub name: IdentityName,
    pub lock: Result<DaemonLock, Failure>,
    /// For how long somebody else who has the lock is waited for: in an emergency it is rolled out whoever
    /// is at work on it.
    pub patience: Duration,
}

/// Rolls them all out, at most `jobs` of them restarted at the same time. What is wrong with one is its own
/// result, and nobody waits for another's builds.
pub(in crate::apply) fn roll_out(
    invocation: &Invocation<'_>,
    directory: &StateDirectory,
    daemons: Vec<Locked>,
    (restarting, jobs): (&Restarting, usize),
) -> Vec<(IdentityName, RolloutResult)> {
    let turns = Turns::new(jobs);
    let count = daemons.len();
    let waiting = Mutex::new(daemons);
    let results = Mutex::new(Vec::new());
    let work = || {
        loop {
            let Some(Locked { name, lock, patience }) = guarded(&waiting).pop() else { break };
            let rollout = Rollout { invocation, directory, name: &name, restarting };
            let is_busy = |failure: &Failure| failure.exit_code() == ExitCode::Busy;
            let lock = match lock {
                Err(failure) if is_busy(&failure) && !patience.is_zero() => {
                    directory.lock_daemon(&name, invocation.command, patience)
                }
                lock => lock,
            };
            let result = match lock {
                Ok(_lock) => rollout.bring_up(&turns),
                Err(failure) => rollout.held_by_another(failure),
            };
            guarded(&results).push((name, result));
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..count {
            // Dialing takes little of a stack, and there may be hundreds of threads.
            let thread = std::thread::Builder::new().stack_size(STACK);
            if thread.spawn_scoped(scope, work).is_err() {
                // A machine that gives no more threads has given some, and here is one.
                break;
            }
        }
        work();
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by(|(one, _), (other, _)| one.cmp(other));
    results
}

fn guarded<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const STACK: usize = 4 * 1024 * 1024;
