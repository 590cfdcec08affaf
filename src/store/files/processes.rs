//! What runs on this machine because one process was started: `/proc`, on Linux.

use rustix::process::Pid;

use super::directory::fresh_name;
use crate::model::Failure;

/// A variable that a process is started with, and that whatever it starts inherits: also what goes into
/// a session of its own, and whose parent has ended.
pub(crate) struct ProcessMark(String);

impl ProcessMark {
    /// One that nothing has yet.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub(crate) fn create() -> Result<ProcessMark, Failure> {
        fresh_name("").map(ProcessMark)
    }

    /// The variable, and its value.
    pub(crate) fn variable(&self) -> (&'static str, &str) {
        (VARIABLE, &self.0)
    }

    /// Kills `first`, its process group, and on Linux everything that came of it: what has this mark, and
    /// what descends from it without having lost its parent. Returns when all of it has ended.
    ///
    /// Two things get away: what gave up both its environment and its parent, and what runs as another
    /// user, whom this process may not kill.
    pub(crate) fn kill(&self, first: Pid) {
        #[cfg(target_os = "linux")]
        linux::kill(first, &format!("{VARIABLE}={}", self.0));
        // It may have ended this very moment.
        let _ = rustix::process::kill_process_group(first, rustix::process::Signal::KILL);
    }
}

/// In the environment of every restart command.
const VARIABLE: &str = "KITCERT_RESTART";

#[cfg(target_os = "linux")]
mod linux {
    use std::collections::{BTreeMap, BTreeSet};
    use std::os::fd::OwnedFd;
    use std::path::Path;

    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

    /// A process as `/proc/PID/stat` has it.
    struct Process {
        parent: i32,
        group: i32,
        /// In clock ticks since the machine started: with its number, it is that process and no other.
        started: u64,
    }

    pub(super) fn kill(first: Pid, mark: &str) {
        for _ in 0..MOST_ROUNDS {
            let all = processes();
            // First all of them are stopped, so that none starts another while it is its turn.
            let ends: Vec<_> = family(&all, first, mark).into_iter().filter_map(|id| end(id, &all)).collect();
            if ends.is_empty() || !ends.iter().all(has_ended) {
                return;
            }
        }
    }

    /// The numbers of the processes that came of `first`.
    fn family(all: &BTreeMap<i32, Process>, first: Pid, mark: &str) -> BTreeSet<i32> {
        let first = first.as_raw_nonzero().get();
        let descends = |mut id: i32| {
            // No deeper than there are processes: the table may have changed while it was read.
            for _ in 0..all.len() {
                match all.get(&id) {
                    Some(process) if id == first || process.group == first => return true,
                    Some(process) => id = process.parent,
                    None => return false,
                }
            }
            false
        };
        all.keys().copied().filter(|id| descends(*id) || has_mark(*id, mark)).collect()
    }

    /// Everything that runs; what has ended and was not asked for yet is left out.
    fn processes() -> BTreeMap<i32, Process> {
        let Ok(entries) = std::fs::read_dir("/proc") else { return BTreeMap::new() };
        let ids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
        ids.filter_map(|id| Some((id, process(id)?))).collect()
    }

    fn process(id: i32) -> Option<Process> {
        let text = std::fs::read(of(id, "stat")).ok()?;
        let text = String::from_utf8_lossy(&text);
        // The name stands in brackets, and may contain some.
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        if matches!(fields.first(), Some(&("Z" | "X"))) {
            return None;
        }
        let field = |index: usize| fields.get(index);
        Some(Process {
            parent: field(1)?.parse().ok()?,
            group: field(2)?.parse().ok()?,
            started: field(19)?.parse().ok()?,
        })
    }

    fn has_mark(id: i32, mark: &str) -> bool {
        // Another user's cannot be read, nor killed.
        let environment = std::fs::read(of(id, "environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
    }

    fn of(id: i32, file: &str) -> std::path::PathBuf {
        Path::new("/proc").join(id.to_string()).join(file)
    }

    /// Sends the signal to that process, and to no other that was given its number since.
    fn end(id: i32, all: &BTreeMap<i32, Process>) -> Option<OwnedFd> {
        let handle = pidfd_open(Pid::from_raw(id)?, PidfdFlags::empty()).ok()?;
        if process(id)?.started != all.get(&id)?.started {
            return None;
        }
        pidfd_send_signal(&handle, Signal::KILL).ok()?;
        Some(handle)
    }

    /// Whether it ends within a moment; one that waits for a disk may not.
    fn has_ended(handle: &OwnedFd) -> bool {
        let moment = Timespec { tv_sec: 1, tv_nsec: 0 };
        let mut handles = [PollFd::new(handle, PollFlags::IN)];
        poll(&mut handles, Some(&moment)).is_ok_and(|ended| ended > 0)
    }

    /// What starts processes faster than they are looked for is left at some time.
    const MOST_ROUNDS: usize = 32;
}
