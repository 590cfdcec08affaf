//! Power cuts: the calls of a command are recorded, and replayed up to each of them on a disk that
//! forgets what was not made durable. What it has then is the old set or the new, and the same
//! command again goes on from there.
//!
//! The disk keeps the order of its names, as journalling file systems do, but for one of the names
//! since the last sync that may be missing; and it keeps no byte of a file that was not synced.

use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::crash::survival::{Beginning, Scenario, finishes};
use crate::figures::{Aim, publish};
use crate::support::interference::spread;
use crate::support::numbers::number;
use crate::support::peers;
use crate::support::whole::{Record, assert_whole, folders};
use crate::support::workspace::Workspace;

/// A call that changes a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Call {
    Folder(PathBuf),
    File(PathBuf),
    Link(PathBuf, String),
    Mode(PathBuf, u32),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
    Write { path: PathBuf, bytes: Vec<u8>, at: Option<usize> },
    Truncate(PathBuf, usize),
    SyncFile(PathBuf),
    SyncAll,
}

impl Call {
    fn is_sync(&self) -> bool {
        matches!(self, Call::SyncFile(_) | Call::SyncAll)
    }

    fn is_name(&self) -> bool {
        !self.is_sync() && !matches!(self, Call::Write { .. } | Call::Truncate(..) | Call::Mode(..))
    }
}

const CALLS: &str = "trace=openat,mkdirat,write,pwrite64,ftruncate,renameat,renameat2,linkat,symlinkat,\
                     unlinkat,fsync,fdatasync,syncfs,fchmod";

/// Runs a command and tells which of its calls change a disk, in their order.
fn recorded(workspace: &Workspace, strace: &Path, arguments: &[String]) -> Vec<Call> {
    let trace = workspace.path("trace");
    let mut starter = Command::new(strace);
    starter.args(["-f", "-y", "-s", "1000000", "-e", CALLS, "-o"]).arg(&trace);
    workspace.finish(workspace.command_under(starter, arguments), "");
    let text = String::from_utf8(std::fs::read(&trace).unwrap()).unwrap();
    std::fs::remove_file(&trace).unwrap();
    joined(&text).iter().filter_map(|line| call(line)).collect()
}

/// The lines of a trace. Files are made durable by several threads at once, which open and sync them:
/// such a call counts from when it returns. Nothing that changes a disk may overlap.
fn joined(trace: &str) -> Vec<String> {
    let mut begun: BTreeMap<&str, &str> = BTreeMap::new();
    let mut lines = Vec::new();
    for line in trace.lines() {
        let (thread, rest) = line.split_once(' ').unwrap_or((line, ""));
        let rest = rest.trim_start();
        if let Some(beginning) = rest.strip_suffix(" <unfinished ...>")
            && (beginning.starts_with("fsync(")
                || beginning.starts_with("openat(") && !beginning.contains("O_CREAT"))
        {
            begun.insert(thread, beginning);
        } else if let Some((_, end)) = rest.split_once(" resumed>")
            && let Some(beginning) = begun.remove(thread)
        {
            lines.push(format!("{thread} {beginning}{end}"));
        } else {
            lines.push(line.to_owned());
        }
    }
    lines
}

/// `1234 renameat(3</state>, "a", 3</state>, "b") = 0`
fn call(line: &str) -> Option<Call> {
    let (_, rest) = line.split_once(' ')?;
    let (name, rest) = rest.trim_start().split_once('(')?;
    assert!(!line.contains("<unfinished"), "two threads at once cannot be replayed: {line}");
    let (arguments, result) = rest.rsplit_once(") ")?;
    if result.trim_start().starts_with("= -1") || result.contains("= ?") {
        return None;
    }
    let arguments = split(arguments);
    let path = |at: usize| -> Option<PathBuf> {
        let (_, path) = arguments.get(at)?.split_once('<')?;
        let path = path.strip_suffix('>')?;
        // Deleted while it is open: nobody reads it again.
        (path.starts_with('/') && !path.ends_with(" (deleted)")).then(|| PathBuf::from(path))
    };
    let below = |at: usize| Some(path(at)?.join(text(arguments.get(at + 1)?)?));
    let number = |at: usize| arguments.get(at)?.parse().ok();
    Some(match name {
        "openat" if arguments.get(2)?.contains("O_CREAT") => Call::File(below(0)?),
        "mkdirat" => Call::Folder(below(0)?),
        "symlinkat" => Call::Link(below(1)?, text(arguments.first()?)?),
        "fchmod" => Call::Mode(path(0)?, u32::from_str_radix(arguments.get(1)?, 8).ok()?),
        "renameat" | "renameat2" => Call::Rename(below(0)?, below(2)?),
        "unlinkat" => Call::Remove(below(0)?),
        "write" => Call::Write { path: path(0)?, bytes: bytes(arguments.get(1)?)?, at: None },
        "pwrite64" => Call::Write { path: path(0)?, bytes: bytes(arguments.get(1)?)?, at: Some(number(3)?) },
        "ftruncate" => Call::Truncate(path(0)?, number(1)?),
        "fsync" | "fdatasync" => Call::SyncFile(path(0)?),
        "syncfs" => Call::SyncAll,
        "linkat" => panic!("hard links are not replayed: {line}"),
        _ => return None,
    })
}

/// Arguments, at commas that stand in no string.
fn split(arguments: &str) -> Vec<&str> {
    let (mut parts, mut begin, mut is_quoted, mut is_escaped) = (Vec::new(), 0, false, false);
    for (at, one) in arguments.char_indices() {
        match one {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => {
                parts.push(arguments[begin..at].trim());
                begin = at + 1;
            }
            _ => {}
        }
    }
    parts.push(arguments[begin..].trim());
    parts
}

fn text(argument: &str) -> Option<String> {
    String::from_utf8(bytes(argument)?).ok()
}

/// The bytes of a string as strace writes it, with C's escapes.
fn bytes(argument: &str) -> Option<Vec<u8>> {
    let mut rest = argument.strip_prefix('"')?.strip_suffix('"')?.bytes().peekable();
    let mut read = Vec::new();
    while let Some(one) = rest.next() {
        let escaped = if one == b'\\' { rest.next()? } else { 0 };
        read.push(match (one, escaped) {
            (b'\\', b'n') => b'\n',
            (b'\\', b't') => b'\t',
            (b'\\', b'r') => b'\r',
            (b'\\', b'v') => 11,
            (b'\\', b'f') => 12,
            (b'\\', b'0'..=b'7') => {
                let mut value = u32::from(escaped - b'0');
                for _ in 0..2 {
                    let Some(digit) = rest.next_if(|next| (b'0'..=b'7').contains(next)) else { break };
                    value = value * 8 + u32::from(digit - b'0');
                }
                u8::try_from(value).ok()?
            }
            (b'\\', other) => other,
            (plain, _) => plain,
        });
    }
    Some(read)
}

/// A disk on which a command's calls are replayed.
struct Disk {
    /// What each file that was written holds, and how much of it is durable.
    files: BTreeMap<PathBuf, File>,
}

#[derive(Clone, Default)]
struct File {
    now: Vec<u8>,
    durable: Vec<u8>,
}

impl Disk {
    /// Replays the calls, one left out, on what is there, and cuts the power.
    fn cut(calls: &[Call], left_out: Option<usize>) {
        let mut disk = Disk { files: BTreeMap::new() };
        for (number, call) in calls.iter().enumerate() {
            if left_out != Some(number) {
                disk.replay(call);
            }
        }
        for (path, file) in &disk.files {
            // Only what still has a name, which its folder may have lost with the one left out.
            if path.is_file() {
                std::fs::write(path, &file.durable).unwrap();
            }
        }
    }

    /// What needs a name that was left out finds nothing, and does nothing.
    fn replay(&mut self, call: &Call) {
        match call {
            Call::Folder(path) => drop(std::fs::create_dir(path)),
            Call::File(path) => {
                let file = std::fs::OpenOptions::new().write(true).create_new(true).open(path);
                if file.is_ok() {
                    self.files.insert(path.clone(), File::default());
                }
            }
            Call::Link(path, target) => drop(symlink(target, path)),
            Call::Mode(path, mode) => {
                drop(std::fs::set_permissions(path, std::fs::Permissions::from_mode(*mode)));
            }
            Call::Rename(from, to) => {
                if std::fs::rename(from, to).is_ok() {
                    let moved: Vec<PathBuf> =
                        self.files.keys().filter(|path| path.starts_with(from)).cloned().collect();
                    for path in moved {
                        let file = self.files.remove(&path).unwrap();
                        let below = path.strip_prefix(from).unwrap();
                        let new = if below.as_os_str().is_empty() { to.clone() } else { to.join(below) };
                        self.files.insert(new, file);
                    }
                }
            }
            Call::Remove(path) => {
                drop(std::fs::remove_file(path).or_else(|_| std::fs::remove_dir(path)));
                self.files.remove(path);
            }
            Call::Write { path, bytes, at } => {
                let file = self.file(path);
                let at = at.unwrap_or(file.now.len());
                file.now.resize(file.now.len().max(at + bytes.len()), 0);
                file.now[at..at + bytes.len()].copy_from_slice(bytes);
            }
            Call::Truncate(path, length) => self.file(path).now.resize(*length, 0),
            Call::SyncFile(path) if path.is_file() => {
                let file = self.file(path);
                file.durable = file.now.clone();
            }
            Call::SyncFile(_) => {}
            Call::SyncAll => self.files.values_mut().for_each(|file| file.durable = file.now.clone()),
        }
    }

    /// What was there before is durable.
    fn file(&mut self, path: &Path) -> &mut File {
        self.files.entry(path.to_owned()).or_insert_with(|| {
            let there = std::fs::read(path).unwrap_or_default();
            File { now: there.clone(), durable: there }
        })
    }
}

/// So many power cuts of a command are tried, evenly spread, unless `KITCERT_POWER_CUTS` says
/// otherwise.
const POWER_CUTS: usize = 8;

/// Cuts the power after a call of a command, or with a name missing then; and runs it again.
fn survives_power_cuts(test: &str, scenario: &Scenario<'_>) -> usize {
    let Some(strace) = peers::program("strace", test) else { return 0 };
    let Scenario { workspace, arguments, .. } = scenario;
    let beginning = Beginning::of(workspace);
    let old = Record::of(workspace);
    let calls = recorded(workspace, &strace, arguments);
    let new = Record::of(workspace);
    assert!(calls.iter().filter(|call| call.is_sync()).count() > 1, "{calls:?}");
    let mut points = Vec::new();
    for end in 0..=calls.len() {
        let since = calls[..end].iter().rposition(Call::is_sync).map_or(0, |sync| sync + 1);
        let names = (since..end).filter(|number| calls[*number].is_name()).map(Some);
        // Without the last name it is the cut before.
        let names = names.filter(|number| *number != Some(end - 1));
        points.extend(std::iter::once(None).chain(names).map(|left_out| (end, left_out)));
    }
    let tried = spread(&points, number("KITCERT_POWER_CUTS", POWER_CUTS));
    for (end, left_out) in &tried {
        beginning.restore();
        Disk::cut(&calls[..*end], *left_out);
        let missing = left_out.map_or(String::new(), |number| format!(" without {:?}", calls[number]));
        let moment = format!("a power cut after call {end} of {arguments:?}{missing}");
        // A name that is missing while a change is put in place is put there by whoever finishes it.
        if left_out.is_none() || !is_being_changed(workspace) {
            assert_whole(workspace, &moment);
            old.assert_kept(workspace, &moment);
        }
        finishes(scenario, (&old, &new), &moment);
    }
    let cuts = tried.len();
    println!("{arguments:?}: {} calls, {cuts} of {} power cuts", calls.len(), points.len());
    cuts
}

/// Whether the state has a change that counts and is not in place everywhere.
fn is_being_changed(workspace: &Workspace) -> bool {
    let entries = std::fs::read_dir(workspace.path("state")).unwrap();
    entries.into_iter().any(|entry| entry.unwrap().file_name().to_string_lossy().starts_with(".commit-"))
}

/// `syncfs` waits for everything that any process has written to that file system.
#[test]
fn a_change_of_few_files_does_not_wait_for_what_others_have_written() {
    const TEST: &str = "a_change_of_few_files_does_not_wait_for_what_others_have_written";
    let Some(strace) = peers::program("strace", TEST) else { return };
    let workspace = Workspace::new();
    let trace = workspace.path("trace");
    let many: Vec<String> = (0..120).map(|number| format!("client-{number}")).collect();
    let bulk: Vec<&str> = ["issue", "client"].into_iter().chain(many.iter().map(String::as_str)).collect();
    let init = ["init", "--host", "127.0.0.1", "--client", "ana", "--client", "ben"];
    let rotate = ["rotate", "--force", "ana", "ben"];
    for (arguments, is_large) in [(&init[..], false), (&rotate, false), (&bulk, true)] {
        let mut starter = Command::new(&strace);
        starter.args(["-f", "-e", "trace=fsync,syncfs", "-o"]).arg(&trace);
        workspace.finish(workspace.command_under(starter, arguments), "").succeeded();
        let calls = std::fs::read_to_string(&trace).unwrap();
        assert!(calls.contains("fsync("), "{arguments:?}: nothing is durable");
        assert_eq!(calls.contains("syncfs("), is_large, "{arguments:?}");
    }
}

#[test]
fn a_power_cut_leaves_the_old_or_the_new() {
    const TEST: &str = "a_power_cut_leaves_the_old_or_the_new";
    let workspace = || {
        let workspace = Workspace::new();
        workspace.run(["init", "--host", "127.0.0.1", "--client", "ana"]).succeeded();
        workspace
    };
    let issued = |it: &Workspace| assert!(it.path("state/clients/bob/current/key.pem").exists());
    let installed = |it: &Workspace| assert!(it.path("root/etc/key.pem").exists());
    let rotated = |it: &Workspace| assert!(folders(&it.path("state/clients/ana")).len() > 2);
    let (first, second, third) = (workspace(), workspace(), workspace());
    let root = second.text("root");
    let scenarios = [
        Scenario::new(&first, &["issue", "client", "bob"], &issued),
        Scenario::new(&second, &["install", "daemon", "--root", &root], &installed),
        Scenario { is_settled: false, ..Scenario::new(&third, &["rotate", "--force", "ana"], &rotated) },
    ];
    let cuts: usize = scenarios.iter().map(|scenario| survives_power_cuts(TEST, scenario)).sum();
    let aim = Aim { words: "the old or the new after each, and the next run ends well", is_met: true };
    publish("crash and fault", "power cuts, unsynced data dropped", cuts, Some(aim));
}
