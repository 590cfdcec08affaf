//! A change of the state: staged beside the live files, then all of it or none.

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::journal;
use super::log::LogLine;
use super::state_record::StateRecord;
use crate::model::{ExitCode, Failure};
use crate::store::files::directory::{Access, Directory, fresh_name};
use crate::store::files::privacy::{KeyReaders, Privacy};

/// A change that is being written under `.stage-…` and is not seen yet. Several threads may add to
/// it at once. Dropped without a commit, it leaves nothing behind.
///
/// Every path is relative to the state, made of plain names of which none begins with a dot.
pub struct StagedChange<'lock> {
    state: &'lock Directory,
    stage: Directory,
    identifier: String,
    /// Folders that were made, so that a file costs no walk from the top.
    folders: Mutex<HashMap<PathBuf, Arc<Directory>>>,
    log: Mutex<Vec<u8>>,
    removals: Mutex<Vec<String>>,
    /// What files are taken to be that are replaced; None: not there.
    replaced: Mutex<Vec<(PathBuf, Option<Vec<u8>>)>>,
    entries: AtomicUsize,
    /// The number that the change has at least, among all of this state.
    least_commit: AtomicU64,
}

impl<'lock> StagedChange<'lock> {
    pub(in crate::store) fn begin(state: &'lock Directory) -> Result<StagedChange<'lock>, Failure> {
        let identifier = fresh_name("")?;
        let stage = state.make_folder(format!("{}{identifier}", journal::STAGED), PRIVATE_FOLDER)?;
        Ok(StagedChange {
            state,
            stage,
            identifier,
            folders: Mutex::new(HashMap::new()),
            log: Mutex::new(Vec::new()),
            removals: Mutex::new(Vec::new()),
            replaced: Mutex::new(Vec::new()),
            entries: AtomicUsize::new(0),
            least_commit: AtomicU64::new(0),
        })
    }

    /// Adds a file.
    ///
    /// # Errors
    /// A path that leaves the state, one that this change has already, a full disk.
    pub fn file(&self, relative: &Path, bytes: &[u8], mode: Privacy) -> Result<(), Failure> {
        self.create(relative, bytes, Access { mode: mode.bits(), owner: None }).map(|_| ())
    }

    fn create(&self, relative: &Path, bytes: &[u8], access: Access) -> Result<Arc<Directory>, Failure> {
        let (folder, name) = self.folder_of(relative)?;
        folder.create_file(name, bytes, access)?;
        self.entries.fetch_add(1, Ordering::Relaxed);
        Ok(folder)
    }

    /// Adds a file that a person edits without any lock, made from what it was `before`; None: it was not
    /// there. What somebody has written since is never replaced.
    ///
    /// # Errors
    /// Those of [`StagedChange::file`].
    pub fn edit(&self, relative: &Path, before: Option<&[u8]>, bytes: &[u8]) -> Result<(), Failure> {
        unpoisoned(&self.replaced).push((relative.to_owned(), before.map(<[u8]>::to_vec)));
        self.file(relative, bytes, Privacy::Private)
    }

    /// Adds a private key: like [`StagedChange::file`], 0600, or 0640 for the group that may read it, which
    /// then gets through its folder too.
    ///
    /// # Errors
    /// Those of [`StagedChange::file`]; a group that this user cannot give a file to.
    pub(crate) fn private_key(
        &self,
        relative: &Path,
        pem: &[u8],
        readers: KeyReaders,
    ) -> Result<(), Failure> {
        let folder = self.create(relative, pem, readers.access(None))?;
        readers.folder().map_or(Ok(()), |access| folder.give(access))
    }

    /// Adds a symbolic link, or moves one that the state has.
    ///
    /// # Errors
    /// Those of [`StagedChange::file`].
    pub fn link(&self, relative: &Path, target: &str) -> Result<(), Failure> {
        let (folder, name) = self.folder_of(relative)?;
        folder.make_link(target, name)?;
        self.entries.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Takes a file, a link or a folder away, if it is there.
    ///
    /// # Errors
    /// A path that leaves the state.
    pub fn remove(&self, relative: &Path) -> Result<(), Failure> {
        let name = checked(relative)?;
        unpoisoned(&self.removals).push(name.to_owned());
        Ok(())
    }

    /// Counts this change as one after that many, though fewer are known here: an old copy goes on where
    /// the state itself was.
    pub fn come_after(&self, commit: u64) {
        self.least_commit.fetch_max(commit.saturating_add(1), Ordering::Relaxed);
    }

    /// Adds a line to `log.jsonl`, there once however often a crash makes the change be finished.
    ///
    /// # Errors
    /// None that a caller could cause.
    pub fn record(&self, line: &LogLine) -> Result<(), Failure> {
        let bytes = line.to_bytes()?;
        unpoisoned(&self.log).extend_from_slice(&bytes);
        Ok(())
    }

    /// Whether the disk gives back, byte for byte, what was added, before anybody depends on it.
    /// What was judged before it was written need not be parsed again then.
    ///
    /// # Errors
    /// It was not added, cannot be read, or is something else.
    pub fn is_as_written(&self, relative: &Path, written: &[u8]) -> Result<(), Failure> {
        let name = checked(relative)?;
        let file = self.stage.read(name, written.len())?;
        let subject = self.stage.path().join(name);
        let failure =
            |expected: &'static str| Failure::new("reading back", subject.display()).expected(expected);
        match file {
            None => Err(failure("what was staged").found("nothing")),
            Some(file) if file.bytes.as_slice() != written => {
                Err(failure("what was written").found("other bytes"))
            }
            Some(_) => Ok(()),
        }
    }

    /// Makes the change durable and puts all of it in place. A crash at any point leaves the old
    /// state or, once the next command holds the lock, the new one.
    ///
    /// # Errors
    /// A certificate, a key or a generation that the state has already under that name, and
    /// everything that fails before the change counts: then nothing has changed. A failure later
    /// says so ([`ExitCode::NotServed`]), and the next command finishes the change.
    pub fn commit(self) -> Result<(), Failure> {
        let log = std::mem::take(&mut *unpoisoned(&self.log));
        let removals = std::mem::take(&mut *unpoisoned(&self.removals));
        let entries = self.entries.load(Ordering::Relaxed);
        if entries == 0 && log.is_empty() && removals.is_empty() {
            return Ok(());
        }
        let mut record = StateRecord::after(self.state)?;
        record.commit = record.commit.max(self.least_commit.load(Ordering::Relaxed));
        self.file(&StateRecord::path(), &record.to_bytes()?, Privacy::Private)?;
        let entries = entries + 1;
        journal::refuse_overwriting(&self.stage, self.state)?;
        journal::write_notes(&self.stage, self.state, &log, &removals)?;
        journal::make_durable(&self.stage, entries)?;
        self.refuse_edited()?;
        journal::publish(self.state, &self.identifier)?;
        journal::finish(self.state, &self.identifier)
            .map_err(|failure| failure.again("   # finishes this change first").exit(ExitCode::NotServed))
    }

    /// Last of all, since the rest may have taken minutes.
    fn refuse_edited(&self) -> Result<(), Failure> {
        for (path, before) in &*unpoisoned(&self.replaced) {
            let largest = before.as_ref().map_or(0, Vec::len);
            // More than it was is an edit too.
            let is_same = match self.state.look(path)? {
                None => before.is_none(),
                Some(stat) => {
                    usize::try_from(stat.st_size).is_ok_and(|length| length == largest)
                        && self.state.read(path, largest)?.map(|file| file.bytes.to_vec()) == *before
                }
            };
            if !is_same {
                return Err(Failure::new("changing", self.state.path().join(path).display())
                    .expected("what was there when this command began")
                    .found("an edit of somebody else since then; the same command again goes on from it")
                    .exit(ExitCode::Busy));
            }
        }
        Ok(())
    }

    /// The folder that a path lies in, made where it is missing, and the last name.
    fn folder_of<'a>(&self, relative: &'a Path) -> Result<(Arc<Directory>, &'a Path), Failure> {
        checked(relative)?;
        let name = relative.file_name().map_or(relative, Path::new);
        let folder = self.folder(relative.parent().unwrap_or(Path::new("")))?;
        Ok((folder, name))
    }

    fn folder(&self, relative: &Path) -> Result<Arc<Directory>, Failure> {
        if let Some(folder) = unpoisoned(&self.folders).get(relative) {
            return Ok(folder.clone());
        }
        let folder = match (relative.parent(), relative.file_name()) {
            (Some(parent), Some(name)) => self.enter(&*self.folder(parent)?, name.as_ref())?,
            _ => self.stage.folder(".")?.ok_or_else(|| {
                Failure::new("opening", self.stage.path().display())
                    .expected("the staged change")
                    .found("nothing")
            })?,
        };
        let folder = Arc::new(folder);
        let mut folders = unpoisoned(&self.folders);
        if folders.len() >= MOST_FOLDERS_OPEN {
            folders.clear();
        }
        folders.insert(relative.to_owned(), folder.clone());
        Ok(folder)
    }

    fn enter(&self, parent: &Directory, name: &Path) -> Result<Directory, Failure> {
        // Made first and looked for second: in a bulk issue nearly every folder is new.
        match parent.make_folder(name, PRIVATE_FOLDER) {
            Ok(folder) => {
                self.entries.fetch_add(1, Ordering::Relaxed);
                Ok(folder)
            }
            Err(failure) => parent.folder(name)?.ok_or(failure),
        }
    }
}

impl Drop for StagedChange<'_> {
    fn drop(&mut self) {
        // What cannot be removed now is removed by whoever takes the lock next.
        let _ = self.state.remove_whole(format!("{}{}", journal::STAGED, self.identifier));
    }
}

/// The path as text, where it stays within the state and does not touch the journal's own names.
fn checked(relative: &Path) -> Result<&str, Failure> {
    let refused = || {
        Failure::new("changing", relative.display())
            .expected("a path of plain names within the state")
            .found("another")
    };
    let is_plain = |component| match component {
        Component::Normal(name) => !name.to_string_lossy().starts_with('.'),
        _ => false,
    };
    match relative.to_str() {
        Some(text) if !text.is_empty() && !text.contains('\n') && relative.components().all(is_plain) => {
            Ok(text)
        }
        _ => Err(refused()),
    }
}

/// What the mutex guards, also when another thread panicked: every change of it is whole.
fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const PRIVATE_FOLDER: Access = Access { mode: 0o700, owner: None };

/// Far below the 256 that macOS lets a process have open, and enough for every thread at once.
const MOST_FOLDERS_OPEN: usize = 64;
