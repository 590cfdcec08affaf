//! The one transaction: all of a change, or none of it.
//!
//! New files are written to `.stage-…` beside the live ones and made durable; one rename to
//! `.commit-…` publishes them; then each is moved into place. A crash before that rename leaves
//! the old state and some rubbish, a crash after it leaves work that whoever takes the lock next
//! finishes. There is no other journal.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use zeroize::Zeroizing;

use super::directory::{Directory, Entry, FileMode};
use super::trouble::trouble;
use crate::model::Failure;
use crate::model::profile::LARGEST_PEM;

/// A change that is being put together. Many threads may add files at once.
///
/// It is dropped without a trace, but for a folder that the next command removes, unless it is
/// committed.
pub struct StagedChange<'a> {
    state: &'a Directory,
    folder: Directory,
    staged: PathBuf,
    published: PathBuf,
    files: AtomicUsize,
}

impl<'a> StagedChange<'a> {
    pub(super) fn begin(
        state: &'a Directory,
        staged: PathBuf,
        published: PathBuf,
    ) -> Result<StagedChange<'a>, Failure> {
        state.make_folder(&staged, 0o700, None)?;
        let folder = state
            .folder(&staged)?
            .ok_or_else(|| trouble("opening", &state.path().join(&staged), Errno::NOENT))?;
        Ok(StagedChange { state, folder, staged, published, files: AtomicUsize::new(0) })
    }

    /// Adds a file, by its path in the state.
    ///
    /// # Errors
    /// The disk does not take it, or it was added before.
    pub fn file(&self, relative: &Path, bytes: &[u8], mode: FileMode) -> Result<(), Failure> {
        self.files.fetch_add(1, Ordering::Relaxed);
        self.adding(relative, || self.folder.make_file(relative, bytes, mode, None).map(drop))
    }

    /// Adds a symbolic link, by its path in the state.
    ///
    /// # Errors
    /// As [`StagedChange::file`].
    pub fn link(&self, relative: &Path, target: &str) -> Result<(), Failure> {
        self.adding(relative, || rustix::fs::symlinkat(target, self.folder.handle(), relative))
    }

    /// Adds bytes to the end of a file of the state.
    ///
    /// # Errors
    /// As [`StagedChange::file`].
    pub fn append(&self, relative: &Path, bytes: &[u8]) -> Result<(), Failure> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.file(&Path::new(APPENDED).join(relative), bytes, FileMode::Private)
    }

    /// Reads a file that was added.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub fn read_back(&self, relative: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let file = self.folder.read(relative, LARGEST_PEM)?;
        file.map(|file| file.bytes)
            .ok_or_else(|| trouble("reading back", &self.folder.path().join(relative), Errno::NOENT))
    }

    /// Makes the change durable, publishes it, and moves it into place.
    ///
    /// # Errors
    /// The disk does not take it; a generation of that number is there already. Before it is
    /// published nothing has changed; after, the next command goes on.
    pub fn commit(self) -> Result<(), Failure> {
        refuse_overwriting(&self.folder, self.state)?;
        let count = self.files.load(Ordering::Relaxed);
        make_durable(&self.folder, count)?;
        self.state.rename(&self.staged, self.state, &self.published)?;
        self.state.sync()?;
        finish_many(self.state, &self.published, count)
    }

    /// Adds an entry, and makes its parents where they are missing: trying first costs nothing
    /// where they are there. Nobody else can plant anything in a folder of ours that has just
    /// been made, so that names of several components are safe here.
    fn adding(&self, relative: &Path, add: impl Fn() -> Result<(), Errno>) -> Result<(), Failure> {
        let failed = |errno| trouble("writing", &self.folder.path().join(relative), errno);
        match add() {
            Err(Errno::NOENT) => {
                let mut parents: Vec<&Path> = relative.ancestors().skip(1).collect();
                parents.pop();
                for parent in parents.into_iter().rev() {
                    match rustix::fs::mkdirat(self.folder.handle(), parent, Mode::RWXU) {
                        Ok(()) | Err(Errno::EXIST) => {}
                        Err(errno) => return Err(failed(errno)),
                    }
                }
                add().map_err(failed)
            }
            done => done.map_err(failed),
        }
    }
}

/// Moves a published change into place, from wherever a killed command left it.
pub(super) fn finish(state: &Directory, published: &Path) -> Result<(), Failure> {
    finish_many(state, published, MANY)
}

fn finish_many(state: &Directory, published: &Path, count: usize) -> Result<(), Failure> {
    let Some(folder) = state.folder(published)? else { return Ok(()) };
    let mut touched = Touched { folders: Vec::new() };
    // What is referred to comes first, and the links that make it current come last.
    for pass in [Pass::Issued, Pass::Files, Pass::Links] {
        merge(&folder, state, pass, &mut touched)?;
    }
    append_all(&folder, state)?;
    if count < MANY {
        touched.folders.iter().try_for_each(Directory::sync)?;
        state.sync()?;
    } else {
        sync_all(state)?;
    }
    state.remove_folder(published)
}

/// What a walk through a published change moves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pass {
    /// `issued/`: no certificate is ever in use that is not listed there.
    Issued,
    /// Everything else but links.
    Files,
    /// Links.
    Links,
}

/// The folders whose lists have changed.
struct Touched {
    folders: Vec<Directory>,
}

/// Moves the entries of `from` to `to`: new ones whole, so that a folder of ten thousand clients
/// costs one rename; folders that are there already entry by entry.
fn merge(from: &Directory, to: &Directory, pass: Pass, touched: &mut Touched) -> Result<(), Failure> {
    for name in from.names()? {
        let path = Path::new(&name);
        if name == OsStr::new(APPENDED)
            || (pass == Pass::Issued && from.path().parent() == Some(to.path()) && name != ISSUED)
        {
            continue;
        }
        match (from.entry(path)?, pass) {
            (Some(Entry::Folder), _) => {
                if pass != Pass::Links && to.entry(path)?.is_none() {
                    from.rename(path, to, path)?;
                } else if let (Some(inner), Some(target)) = (from.folder(path)?, to.folder(path)?) {
                    merge(&inner, &target, pass, touched)?;
                    touched.folders.push(target);
                }
            }
            (Some(Entry::Link(_)), Pass::Links) => from.rename(path, to, path)?,
            (Some(Entry::File), Pass::Issued | Pass::Files) => from.rename(path, to, path)?,
            _ => {}
        }
    }
    Ok(())
}

/// Appends what is to be appended, unless a killed command has done so already.
fn append_all(from: &Directory, state: &Directory) -> Result<(), Failure> {
    let Some(appended) = from.folder(Path::new(APPENDED))? else { return Ok(()) };
    for name in appended.names()? {
        let name = Path::new(&name);
        let Some(addition) = appended.read(name, LARGEST_APPENDED)? else { continue };
        let path = state.path().join(name);
        let failed = |errno| trouble("appending to", &path, errno);
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file =
            rustix::fs::openat(state.handle(), name, flags, Mode::RUSR | Mode::WUSR).map_err(failed)?;
        let size = rustix::fs::fstat(&file).map_err(failed)?.st_size.unsigned_abs();
        let length = addition.bytes.len();
        let mut end = vec![0; length];
        let there = size.checked_sub(length as u64).is_some_and(|offset| {
            rustix::io::pread(&file, &mut end, offset) == Ok(length) && end == *addition.bytes
        });
        let mut left = if there { &[] } else { addition.bytes.as_slice() };
        while !left.is_empty() {
            let written = rustix::io::write(&file, left).map_err(failed)?;
            left = &left[written..];
        }
        rustix::fs::fsync(&file).map_err(failed)?;
    }
    Ok(())
}

/// A generation is written once and never again.
fn refuse_overwriting(staged: &Directory, state: &Directory) -> Result<(), Failure> {
    for name in staged.names()? {
        let path = Path::new(&name);
        let (Some(Entry::Folder), Some(Entry::Folder)) = (staged.entry(path)?, state.entry(path)?) else {
            continue;
        };
        if name.as_bytes().starts_with(b"gen-") {
            return Err(trouble("adding the generation", &state.path().join(path), Errno::EXIST));
        }
        if let (Some(inner), Some(target)) = (staged.folder(path)?, state.folder(path)?) {
            refuse_overwriting(&inner, &target)?;
        }
    }
    Ok(())
}

/// Few files are made durable one by one, which disturbs nobody else on the disk; many by one
/// `syncfs`, which costs as much as three of them.
fn make_durable(folder: &Directory, count: usize) -> Result<(), Failure> {
    if count >= MANY {
        return sync_all(folder);
    }
    for name in folder.names()? {
        let path = Path::new(&name);
        match folder.entry(path)? {
            Some(Entry::Folder) => {
                if let Some(inner) = folder.folder(path)? {
                    make_durable(&inner, count)?;
                }
            }
            Some(Entry::File) => {
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                rustix::fs::openat(folder.handle(), path, flags, Mode::empty())
                    .and_then(|file| rustix::fs::fsync(&file))
                    .map_err(|errno| trouble("making durable", &folder.path().join(path), errno))?;
            }
            _ => {}
        }
    }
    folder.sync()
}

#[cfg(target_os = "linux")]
fn sync_all(folder: &Directory) -> Result<(), Failure> {
    rustix::fs::syncfs(folder.handle()).map_err(|errno| trouble("making durable", folder.path(), errno))
}

#[cfg(not(target_os = "linux"))]
fn sync_all(folder: &Directory) -> Result<(), Failure> {
    make_durable(folder, 0)
}

const ISSUED: &str = "issued";
const APPENDED: &str = ".append";

/// From here on one `syncfs` is cheaper than an `fsync` each: on ext4, 13 files cost 5 ms one by
/// one and 1.3 ms together.
const MANY: usize = 8;

/// The log lines of a hundred thousand certificates.
const LARGEST_APPENDED: usize = 64 * 1024 * 1024;
