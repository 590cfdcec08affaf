//! Putting a staged change in place, and finishing one that a crash interrupted.
//!
//! The only journal is a folder's name: `.stage-X` does not count, `.commit-X` does. Everything in
//! a committed folder is renamed to its place in an order that keeps every moment valid, and doing
//! that again from the start only does what is left.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, fstat, openat};

use crate::layout::state_paths::{CURRENT, ISSUED, KITS};
use crate::model::Failure;
use crate::store::files::crash_point;
use crate::store::files::directory::{Access, Directory, fresh_name, make_durable as make_file_durable};
use crate::store::files::durable;
use crate::store::files::io_failure;

/// How the folder of a change begins that does not count yet.
pub(in crate::store) const STAGED: &str = ".stage-";

/// How the folder of a change begins that must be finished.
pub(in crate::store) const COMMITTED: &str = ".commit-";

/// Finishes every committed change and removes every staged one. Needs the lock.
pub(in crate::store) fn recover(state: &Directory) -> Result<(), Failure> {
    for (name, _) in state.entries()? {
        if let Some(identifier) = name.strip_prefix(COMMITTED) {
            finish(state, identifier)?;
        } else if name.starts_with(STAGED) {
            state.remove_whole(&name)?;
        }
    }
    Ok(())
}

/// Refuses a change that would replace what is never replaced: a generation, a certificate or key
/// of a CA, an issued certificate; or that would put one kind of thing in another's place, but for what
/// [`gives_way`].
pub(in crate::store) fn refuse_overwriting(stage: &Directory, state: &Directory) -> Result<(), Failure> {
    for planned in moves(stage, state)? {
        let path = planned.folder.join(&planned.name);
        if is_generation(&planned.folder) {
            return Err(Failure::new("changing", state.path().join(&planned.folder).display())
                .expected("a generation that is not there yet")
                .found("one that is"));
        }
        let Some(there) = state.look(&path)? else { continue };
        let there = io_failure::file_type(&there);
        let is_of_authority = path.starts_with(AUTHORITIES) && path.file_name() != Some("ca.json".as_ref());
        let is_kept = is_generation(&path) || is_of_authority || path.starts_with(ISSUED);
        if is_kept || there != planned.kind && !gives_way(&path, planned.kind) {
            return Err(Failure::new("changing", state.path().join(&path).display())
                .expected(if is_kept { "nothing there yet" } else { io_failure::kind(planned.kind) })
                .found(io_failure::kind(there)));
        }
    }
    Ok(())
}

/// Writes into the staged folder what is no file to be moved: the log's new lines with the length
/// that the log had before, and what is to be removed.
pub(in crate::store) fn write_notes(
    stage: &Directory,
    state: &Directory,
    log: &[u8],
    removals: &[String],
) -> Result<(), Failure> {
    if !log.is_empty() {
        let before = usable_log(state).map_or(0, |(_, length)| length);
        let mut note = format!("{before}\n").into_bytes();
        note.extend_from_slice(log);
        stage.create_file(LOG_NOTE, &note, NOTE)?;
    }
    for path in removals {
        state.folder(here(apart(Path::new(path)).0))?;
    }
    if !removals.is_empty() {
        stage.create_file(REMOVAL_NOTE, removals.join("\n").as_bytes(), NOTE)?;
    }
    Ok(())
}

/// Makes everything in a folder durable, by the cheaper of two ways for that many entries.
pub(in crate::store) fn make_durable(folder: &Directory, entries: usize) -> Result<(), Failure> {
    #[cfg(target_os = "linux")]
    if entries > MANY {
        return folder.sync_file_system();
    }
    let _ = entries;
    durable::sync_whole(folder)
}

/// The instant from which a change counts.
pub(in crate::store) fn publish(state: &Directory, identifier: &str) -> Result<(), Failure> {
    state.rename(format!("{STAGED}{identifier}"), state, format!("{COMMITTED}{identifier}"))?;
    state.sync()
}

/// Puts a committed change in place. Issued certificates come first, so that none is in use that
/// is not on record; then whole folders, generations and files; `current` last, since it is
/// what makes a generation count.
pub(in crate::store) fn finish(state: &Directory, identifier: &str) -> Result<(), Failure> {
    let name = format!("{COMMITTED}{identifier}");
    let Some(commit) = state.folder(&name)? else { return Ok(()) };
    let touched = move_all(&commit, state)?;
    append_log(&commit, state)?;
    let removed = remove_all(&commit, state)?;
    sync_folders(state, touched, removed)?;
    // Under its first name it no longer counts, and what is left of it is rubbish.
    let leftover = format!("{STAGED}{identifier}");
    state.rename(&name, state, &leftover)?;
    state.remove_whole(&leftover)
}

/// One rename that puts a part of a change in place.
struct Move {
    rank: Rank,
    folder: PathBuf,
    name: String,
    kind: FileType,
}

/// The order in which the parts of a change become visible.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Issued,
    Folder,
    Generation,
    File,
    Description,
    Link,
}

impl Rank {
    fn of(folder: &Path, name: &str, kind: FileType) -> Rank {
        let is_issued = folder.starts_with(ISSUED) || folder.as_os_str().is_empty() && name == ISSUED;
        match kind {
            _ if is_issued => Rank::Issued,
            FileType::Directory if is_generation(&folder.join(name)) => Rank::Generation,
            FileType::Directory => Rank::Folder,
            FileType::Symlink => Rank::Link,
            _ if folder.as_os_str().is_empty() && name == DESCRIPTION => Rank::Description,
            _ => Rank::File,
        }
    }
}

/// The renames that are left to do, in their order: a folder that the state does not have is moved
/// whole, one that it has is entered.
fn moves(from: &Directory, state: &Directory) -> Result<Vec<Move>, Failure> {
    let mut moves = Vec::new();
    gather(from, state, Path::new(""), &mut moves)?;
    moves.sort_by(|one, other| {
        (&one.rank, &one.folder, &one.name).cmp(&(&other.rank, &other.folder, &other.name))
    });
    Ok(moves)
}

fn gather(from: &Directory, into: &Directory, path: &Path, moves: &mut Vec<Move>) -> Result<(), Failure> {
    for (name, kind) in from.entries()? {
        if name.starts_with('.') {
            continue;
        }
        if kind == FileType::Directory
            && let Some(stat) = into.look(&name)?
            && io_failure::file_type(&stat) == FileType::Directory
            && let (Some(from), Some(into)) = (from.folder(&name)?, into.folder(&name)?)
        {
            gather(&from, &into, &path.join(&name), moves)?;
            continue;
        }
        moves.push(Move { rank: Rank::of(path, &name, kind), folder: path.to_owned(), name, kind });
    }
    Ok(())
}

/// Does the renames, and tells which folders of the state have new names in them.
fn move_all(commit: &Directory, state: &Directory) -> Result<Vec<PathBuf>, Failure> {
    let mut touched: Vec<PathBuf> = Vec::new();
    let mut open: Option<(Directory, Directory)> = None;
    for planned in moves(commit, state)? {
        // They are sorted by folder within a rank, so that one pair of handles serves many.
        if touched.last() != Some(&planned.folder) || open.is_none() {
            open = Some((existing(commit, &planned.folder)?, existing(state, &planned.folder)?));
            touched.push(planned.folder);
        }
        if let Some((from, into)) = &open {
            let path = touched.last().map(|folder| folder.join(&planned.name)).unwrap_or_default();
            if gives_way(&path, planned.kind)
                && let Some(there) = into.look(&planned.name)?
                && io_failure::file_type(&there) != planned.kind
            {
                into.rename(&planned.name, state, fresh_name(ASIDE)?)?;
            }
            from.rename(&planned.name, into, &planned.name)?;
        }
    }
    touched.sort();
    touched.dedup();
    Ok(touched)
}

/// Whether that kind of thing, at that place, has only to have somebody's stray file, link or folder put
/// aside: whoever is damaged so could not be issued anything else.
fn gives_way(path: &Path, kind: FileType) -> bool {
    let names: Vec<_> = path.components().map(|component| component.as_os_str().to_string_lossy()).collect();
    let names: Vec<&str> = names.iter().map(|name| &**name).collect();
    match names.as_slice() {
        [IN_DAEMONS | IN_CLIENTS, _] => kind == FileType::Directory,
        [IN_DAEMONS | IN_CLIENTS, _, CURRENT] => kind == FileType::Symlink,
        [IN_DAEMONS | IN_CLIENTS, _, IDENTITY] | [KITS, _] => kind == FileType::RegularFile,
        _ => false,
    }
}

/// Appends the log's new lines once: where they already stand behind what the log was, wholly or
/// in part, they are not put there again.
fn append_log(commit: &Directory, state: &Directory) -> Result<(), Failure> {
    let Some(note) = commit.read(LOG_NOTE, LARGEST_NOTE)? else { return Ok(()) };
    let damaged = || {
        Failure::new("reading the journal", commit.path().join(LOG_NOTE).display())
            .expected("a length and the lines of the log")
            .found("something else")
    };
    let split = note.bytes.iter().position(|octet| *octet == b'\n').ok_or_else(damaged)?;
    let (before, lines) = note.bytes.split_at_checked(split + 1).ok_or_else(damaged)?;
    let before = std::str::from_utf8(before).ok().and_then(|text| text.trim_end().parse::<u64>().ok());
    let before = before.ok_or_else(damaged)?;

    crash_point::allow()?;
    let file = match usable_log(state) {
        Some((file, _)) => file,
        None => new_log(state)?,
    };
    let path = state.path().join(LOG);
    append_once(&file, before, lines)
        .map_err(|error| io_failure::failure_of_io("appending to", &path, &error))?;
    make_file_durable(&file, &path)
}

/// The log and its length, where it can be appended to. All else is replaced; what has a second name, or
/// is no file, is not the log.
fn usable_log(state: &Directory) -> Option<(File, u64)> {
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let handle = openat(state.handle(), LOG, flags, Mode::empty()).ok()?;
    let stat = fstat(&handle).ok()?;
    let is_log = io_failure::file_type(&stat) == FileType::RegularFile && stat.st_nlink == 1;
    is_log.then(|| (File::from(handle), u64::try_from(stat.st_size).unwrap_or(0)))
}

/// A new log. What is in its place cannot be appended to, and is put aside: a change that takes away
/// somebody's access does not fail because of the line that would tell of it.
fn new_log(state: &Directory) -> Result<File, Failure> {
    if state.look(LOG)?.is_some() {
        state.rename(LOG, state, fresh_name(LOG_ASIDE)?)?;
    }
    state.create_file(LOG, b"", NOTE)
}

fn append_once(file: &File, before: u64, lines: &[u8]) -> std::io::Result<()> {
    let length = file.metadata()?.len();
    let behind = usize::try_from(length.saturating_sub(before)).unwrap_or(usize::MAX).min(lines.len());
    let mut tail = vec![0; behind];
    file.read_exact_at(&mut tail, before)?;
    let place = match lines.strip_prefix(tail.as_slice()) {
        Some([]) => return Ok(()),
        // Cut off in the middle by a crash: the same bytes are written over the part.
        Some(_) if length >= before => before,
        // Somebody else has changed the log in between; nothing of theirs is lost.
        _ => length,
    };
    file.write_all_at(lines, place)
}

/// Renames what is to be removed into the folder of the change, so that it is gone at once and
/// whole; its content goes with that folder. Tells in which folders something was.
fn remove_all(commit: &Directory, state: &Directory) -> Result<Vec<PathBuf>, Failure> {
    let Some(note) = commit.read(REMOVAL_NOTE, LARGEST_NOTE)? else { return Ok(Vec::new()) };
    let mut touched = Vec::new();
    for (number, path) in String::from_utf8_lossy(&note.bytes).lines().enumerate() {
        let (folder, name) = apart(Path::new(path));
        // No link is followed on the way there: it could lead out of the state.
        if let Some(found) = state.folder(here(folder))?
            && found.look(name)?.is_some()
        {
            found.rename(name, commit, format!("{REMOVED}{number}"))?;
        }
        touched.push(folder.to_owned());
    }
    Ok(touched)
}

/// Makes the new names in those folders durable.
fn sync_folders(state: &Directory, moved: Vec<PathBuf>, removed: Vec<PathBuf>) -> Result<(), Failure> {
    #[cfg(target_os = "linux")]
    if moved.len() + removed.len() > MANY {
        return state.sync_file_system();
    }
    let folders: BTreeSet<&Path> = moved.iter().chain(&removed).map(|path| here(path)).collect();
    durable::sync_folders(state, &folders.into_iter().collect::<Vec<_>>())
}

fn existing(base: &Directory, path: &Path) -> Result<Directory, Failure> {
    let folder = base.folder(here(path))?;
    folder.ok_or_else(|| base.failure("opening", path, rustix::io::Errno::NOENT))
}

/// The folder of a path, and the name in it.
fn apart(path: &Path) -> (&Path, &Path) {
    let folder = path.parent().unwrap_or(Path::new(""));
    (folder, path.file_name().map_or(path, Path::new))
}

fn here(path: &Path) -> &Path {
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}

/// Whether that is `daemons/<name>/gen-…` or `clients/<name>/gen-…`, or lies in it. An identity
/// may be called `gen-1` itself.
fn is_generation(path: &Path) -> bool {
    let third = path.components().nth(2);
    third.is_some_and(|component| component.as_os_str().to_string_lossy().starts_with("gen-"))
}

pub(in crate::store) const LOG: &str = "log.jsonl";
/// How the name of a log begins that could not be appended to.
pub(in crate::store) const LOG_ASIDE: &str = "log.jsonl.aside-";
const AUTHORITIES: &str = "ca";
pub(in crate::store) const DESCRIPTION: &str = "kitcert.yaml";
const IN_DAEMONS: &str = "daemons";
const IN_CLIENTS: &str = "clients";
const IDENTITY: &str = "identity.json";
/// How the name begins of what stood in the place of something else.
const ASIDE: &str = "aside-";
const LOG_NOTE: &str = ".log";
const REMOVAL_NOTE: &str = ".remove";
const REMOVED: &str = ".removed-";
const NOTE: Access = Access { mode: 0o600, owner: None };
/// Ten million lines of a log, or as many names.
const LARGEST_NOTE: usize = 2 << 30;
/// Up to so many entries are made durable each by itself; above, the whole file system at once, which
/// takes half as long then (500 files: 70 ms against 40 ms), but waits for what every other process has
/// written: beside four writers of 3 GB that is minutes rather than milliseconds.
#[cfg(target_os = "linux")]
const MANY: usize = 500;
