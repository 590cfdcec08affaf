//! A command under strace: which of its system calls change a disk, and what it does when it is
//! killed at one of them, or when one of them fails.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use crate::support::numbers::seed;
use crate::support::workspace::{Said, Workspace};

/// What changes a disk.
const CALLS: [&str; 27] = [
    "openat",
    "creat",
    "mkdir",
    "mkdirat",
    "mknodat",
    "write",
    "writev",
    "pwrite64",
    "pwritev",
    "rename",
    "renameat",
    "renameat2",
    "link",
    "linkat",
    "symlink",
    "symlinkat",
    "chmod",
    "fchmod",
    "fchmodat",
    "fchown",
    "fchownat",
    "fsync",
    "fdatasync",
    "syncfs",
    "unlink",
    "unlinkat",
    "ftruncate",
];

/// A call of a command: its name, and its number among those of that name in its thread, since that
/// is how strace counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    pub name: String,
    pub number: usize,
}

/// Whose calls are looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Threads {
    /// Those of every thread and every process that is started.
    All,
    /// Those of the first thread: a rotation writes from it alone, and what dials and what restarts
    /// is left out.
    First,
}

/// What happens at a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Kill,
    /// It fails with that error, once.
    Error(&'static str),
}

/// Every error that is tried.
pub const ERRORS: [Fault; 6] = [
    Fault::Error("ENOSPC"),
    Fault::Error("EIO"),
    Fault::Error("EACCES"),
    Fault::Error("EROFS"),
    Fault::Error("EMFILE"),
    Fault::Error("EINTR"),
];

impl std::fmt::Display for Call {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{} {}", self.name, self.number)
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Fault::Kill => out.write_str("killed"),
            Fault::Error(error) => out.write_str(error),
        }
    }
}

/// Every call of a command that changes a disk, in an order of names and numbers. Runs it once.
pub fn calls<S: AsRef<OsStr>>(
    workspace: &Workspace,
    strace: &Path,
    threads: Threads,
    arguments: impl IntoIterator<Item = S>,
) -> Vec<Call> {
    let trace = workspace.path("trace");
    let mut starter = Command::new(strace);
    // In a folder of its own: what is written at the end of the command line is its own too.
    starter.args(["-y", "-e", &format!("trace={}", CALLS.join(",")), "-o"]).arg(&trace);
    if threads == Threads::All {
        starter.arg("-f");
    }
    workspace.finish(workspace.command_under(starter, arguments), "");
    let text = workspace.read("trace");
    std::fs::remove_file(trace).unwrap();
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut calls = BTreeSet::new();
    for line in text.lines() {
        // With -f each line begins with the number of its thread.
        let (thread, rest) = match line.split_once(' ') {
            Some((thread, rest)) if thread.bytes().all(|byte| byte.is_ascii_digit()) => {
                (thread, rest.trim_start())
            }
            _ => ("", line),
        };
        let Some((name, arguments)) = rest.split_once('(') else { continue };
        if !CALLS.contains(&name) {
            continue;
        }
        let number = counts.entry((name, thread)).or_default();
        *number += 1;
        let changes = match name {
            "openat" => arguments.contains("O_CREAT"),
            // Not what wakes a thread, not what is said, and not what is sent.
            "write" | "writev" => !is_elsewhere(arguments),
            _ => true,
        };
        if changes {
            calls.insert(Call { name: name.to_owned(), number: *number });
        }
    }
    calls.into_iter().collect()
}

/// What an interference met. How often threads wake one another is not the same in every run, and
/// so neither is the number of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hit {
    /// A call that changes a disk, or would have.
    Disk,
    /// A write that no disk has a part in: what wakes a thread, what is said, and what is sent.
    Elsewhere,
    /// Nothing: there were fewer calls.
    Nothing,
}

/// What a command says that is interfered with at that call, and what was met.
pub fn interfered<S: AsRef<OsStr>>(
    workspace: &Workspace,
    strace: &Path,
    threads: Threads,
    arguments: impl IntoIterator<Item = S>,
    call: &Call,
    fault: Fault,
) -> (Said, Hit) {
    let mut starter = Command::new(strace);
    let what = match fault {
        Fault::Kill => "signal=KILL".to_owned(),
        Fault::Error(error) => format!("error={error}"),
    };
    let inject = format!("inject={}:{what}:when={}", call.name, call.number);
    let trace = workspace.path("trace");
    starter.args(["-y", "-e", &format!("trace={}", call.name), "-e", &inject, "-o"]).arg(&trace);
    if threads == Threads::All {
        starter.arg("-f");
    }
    let said = workspace.finish(workspace.command_under(starter, arguments), "");
    let text = workspace.read("trace");
    std::fs::remove_file(trace).unwrap();
    let is_hit = |line: &&str| match fault {
        Fault::Kill => line.contains("killed by SIGKILL"),
        Fault::Error(_) => line.contains("INJECTED"),
    };
    let hit = text
        .lines()
        .find(is_hit)
        .map_or(Hit::Nothing, |line| if is_elsewhere(line) { Hit::Elsewhere } else { Hit::Disk });
    (said, hit)
}

fn is_elsewhere(line: &str) -> bool {
    ["<anon_inode:", "<pipe:", "<socket:"].iter().any(|kind| line.contains(kind))
}

/// So many of them, evenly spread.
pub fn spread<T: Clone>(all: &[T], most: usize) -> Vec<T> {
    let tried = most.min(all.len());
    (0..tried).map(|index| all[place(index, tried, all.len())].clone()).collect()
}

/// The place of one of so many that are evenly spread over a row of that length. Each seed has others, so that what
/// one leaves out another tries.
pub fn place(index: usize, tried: usize, length: usize) -> usize {
    let distance = (length / tried).max(1) as u64;
    index * length / tried + usize::try_from(seed() % distance).unwrap()
}
