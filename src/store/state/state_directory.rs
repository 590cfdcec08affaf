//! The state directory and its lock.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::fs::{AtFlags, fstat, statat};
use rustix::io::Errno;

use super::change::StagedChange;
use super::journal;
use super::journal::DESCRIPTION;
use crate::layout::is_nothing;
use crate::layout::state_paths::identity_folder;
use crate::message;
use crate::model::{Failure, FileMode, IdentityName, Message, Quoted, Role};
use crate::store::files::directory::Directory;
use crate::store::files::io_failure;
use crate::store::files::lock::FileLock;
use crate::store::files::path_trust::{NewFolders, create_trusted, distrust, distrust_file, open_trusted};
use crate::store::files::read::ReadFile;

/// A state directory, held open. It is this user's, and nobody else can write in it, nor in what is read of it.
pub struct StateDirectory {
    folder: Directory,
    /// The folders below it that nobody else can write in, as far as they were looked at.
    trusted: Mutex<BTreeSet<PathBuf>>,
}

impl StateDirectory {
    /// Opens the state at `path`; `None` where there is none: no such folder, or one without
    /// `kitcert.yaml`, without a change that a crash left half in place, and in which nothing was
    /// issued.
    ///
    /// # Errors
    /// A folder that belongs to another user, that others can write in or reach through a folder
    /// they can write in, or that cannot be read; and a state whose `kitcert.yaml` is lost. None of
    /// these is an absent state: taking it for one would make a new CA.
    pub fn find(path: &Path) -> Result<Option<StateDirectory>, Failure> {
        let Some(state) = StateDirectory::open(path)? else { return Ok(None) };
        if !state.is_described()? {
            return if state.has_lost_its_description()? { Err(state.undescribed()) } else { Ok(None) };
        }
        state.refuse_others(OTHERS_WRITE)?;
        Ok(Some(state))
    }

    /// Opens a state whose `kitcert.yaml` is lost; `None` where there is no such state.
    ///
    /// # Errors
    /// Those of [`StateDirectory::find`], but for the lost file.
    pub fn find_undescribed(path: &Path) -> Result<Option<StateDirectory>, Failure> {
        let Some(state) = StateDirectory::open(path)? else { return Ok(None) };
        let is_lost = state.is_emptied()? || !state.is_described()? && state.has_lost_its_description()?;
        if !is_lost {
            return Ok(None);
        }
        state.refuse_others(OTHERS_WRITE)?;
        Ok(Some(state))
    }

    /// Opens the folder at `path` whether or not it holds a `kitcert.yaml`: a developer's holds
    /// `requests/` alone. `None` where there is no folder.
    ///
    /// # Errors
    /// Those of [`StateDirectory::find`].
    pub fn open_requests(path: &Path) -> Result<Option<StateDirectory>, Failure> {
        let Some(state) = StateDirectory::open(path)? else { return Ok(None) };
        if state.folder.look(REQUESTS)?.is_none() && !state.has_unfinished_change()? {
            return Ok(None);
        }
        state.refuse_others(OTHERS_WRITE)?;
        Ok(Some(state))
    }

    fn open(path: &Path) -> Result<Option<StateDirectory>, Failure> {
        Ok(open_trusted(path, &[])?.map(StateDirectory::of))
    }

    fn of(folder: Directory) -> StateDirectory {
        StateDirectory { folder, trusted: Mutex::default() }
    }

    /// Makes the folder for a state, mode 0700, with the folders above it (0755), or takes one
    /// that is already this user's alone.
    ///
    /// # Errors
    /// A folder, or one above it, that others own or can write in; one that others can look into.
    pub fn create(path: &Path) -> Result<StateDirectory, Failure> {
        let folder = create_trusted(path, &[], NewFolders { last: OURS_ALONE, owner: None })?;
        let state = StateDirectory::of(folder);
        state.refuse_others(OTHERS_ANYTHING)?;
        Ok(state)
    }

    /// Where it is, links resolved.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Reads a file of the state, `current` in the middle of the path followed;
    /// `None` where it is not there.
    ///
    /// # Errors
    /// Anything but absence: no permission, no file, more than `largest` bytes; a file that others own or
    /// can write, and one in a folder that they can.
    pub fn read(&self, relative: &Path, largest: usize) -> Result<Option<ReadFile>, Failure> {
        self.trust_folders(relative.parent())?;
        let Some(file) = self.folder.read(relative, largest)? else { return Ok(None) };
        match distrust_file(&self.path().join(relative), file.owner, file.mode) {
            None => Ok(Some(file)),
            Some(failure) => Err(failure),
        }
    }

    /// Reads a file of the state at that path that must be there.
    ///
    /// # Errors
    /// Those of [`StateDirectory::read`], and absence.
    pub(crate) fn read_in(state: &Path, relative: &Path, largest: usize) -> Result<ReadFile, Failure> {
        let absent = || io_failure::failure("reading", &state.join(relative), Errno::NOENT);
        let directory = StateDirectory::open(state)?.ok_or_else(absent)?;
        directory.read(relative, largest)?.ok_or_else(absent)
    }

    /// Refuses a folder of the state in which others can write, and one below such a folder.
    fn trust_folders(&self, folder: Option<&Path>) -> Result<(), Failure> {
        let above: Vec<&Path> = folder.into_iter().flat_map(Path::ancestors).collect();
        let mut trusted = self.trusted.lock().unwrap_or_else(PoisonError::into_inner);
        for one in above.into_iter().rev().filter(|one| !one.as_os_str().is_empty()) {
            if trusted.contains(one) {
                continue;
            }
            // What is not there is for whoever reads it.
            let Ok(stat) = statat(self.folder.handle(), one, AtFlags::empty()) else { continue };
            if let Some(failure) = distrust(&self.path().join(one), &stat, &[]) {
                return Err(failure);
            }
            trusted.insert(one.to_owned());
        }
        Ok(())
    }

    /// Whether a private key is there.
    ///
    /// # Errors
    /// One that others own or can write.
    pub(super) fn has_key(&self, relative: &Path) -> Result<bool, Failure> {
        self.trust_folders(relative.parent())?;
        let Some(stat) = self.folder.look(relative)? else { return Ok(false) };
        let path = self.path().join(relative);
        match distrust_file(&path, stat.st_uid, io_failure::permissions(&stat)) {
            None => Ok(true),
            Some(failure) => Err(failure),
        }
    }

    /// The names in a folder of the state, sorted, without those that begin with a dot; none where
    /// the folder is not there. The empty path is the state itself.
    ///
    /// # Errors
    /// Something else than a folder, or one that cannot be read.
    pub fn list(&self, relative: &Path) -> Result<Vec<String>, Failure> {
        self.trust_folders(Some(relative))?;
        let here = if relative.as_os_str().is_empty() { Path::new(".") } else { relative };
        let entries = match self.folder.folder(here)? {
            Some(folder) => folder.entries()?,
            None => Vec::new(),
        };
        Ok(entries.into_iter().map(|(name, _)| name).filter(|name| !name.starts_with('.')).collect())
    }

    /// Where a link of the state leads, as it is written (`gen-0007`); `None` where it is not
    /// there.
    ///
    /// # Errors
    /// Something else than a link.
    pub fn link_target(&self, relative: &Path) -> Result<Option<String>, Failure> {
        self.folder.link_target(relative)
    }

    /// The permission bits and the group of a file or folder of the state; `None` where it is not there.
    ///
    /// # Errors
    /// Anything but absence.
    pub fn mode_and_group(&self, relative: &Path) -> Result<Option<(u32, u32)>, Failure> {
        Ok(self.folder.look(relative)?.map(|stat| (io_failure::permissions(&stat), stat.st_gid)))
    }

    /// Whether a crash left a committed change half in place: what is read then may be of either
    /// side, until somebody takes the lock, which finishes it.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn has_unfinished_change(&self) -> Result<bool, Failure> {
        let entries = self.folder.entries()?;
        Ok(entries.iter().any(|(name, _)| name.starts_with(journal::COMMITTED)))
    }

    /// Whether it is a state: it has a `kitcert.yaml`, or is about to have one.
    fn is_described(&self) -> Result<bool, Failure> {
        Ok(self.folder.look(DESCRIPTION)?.is_some() || self.has_unfinished_change()?)
    }

    /// Whether its description was emptied: nothing but blanks and comments is left of it.
    fn is_emptied(&self) -> Result<bool, Failure> {
        if self.has_unfinished_change()? || self.folder.look(DESCRIPTION)?.is_none() {
            return Ok(false);
        }
        let text = self.read(Path::new(DESCRIPTION), LARGEST_EMPTIED);
        Ok(text.is_ok_and(|text| text.is_some_and(|text| is_nothing(&text.bytes))))
    }

    /// Whether something was issued in it, though it is not described. The files are looked for first: a
    /// command that makes the state right now has put the description in place when it is finished.
    fn has_lost_its_description(&self) -> Result<bool, Failure> {
        for folder in ISSUED_BELOW {
            if !self.list(Path::new(folder))?.is_empty() {
                return Ok(!self.has_unfinished_change()? && self.folder.look(DESCRIPTION)?.is_none());
            }
        }
        Ok(false)
    }

    fn undescribed(&self) -> Failure {
        Failure::new("reading", self.path().join(DESCRIPTION).display())
            .found("no such file, though certificates were issued here")
            .hint("{kitcert} recover   # writes it again, from the certificates")
    }

    /// Takes the lock for `command` (which others are told while it is held), waiting up to `wait`
    /// for another to give it back, then finishes what a crash left: a change that was committed
    /// is put in place, one that was only staged is removed.
    ///
    /// # Errors
    /// [`crate::model::ExitCode::Busy`] with the process and the command that hold it; a lock file that cannot
    /// be written.
    pub fn lock(&self, command: &str, wait: Duration) -> Result<StateLock<'_>, Failure> {
        let what = message!("the state {}", self.path().display());
        let lock = FileLock::take(&self.folder, (what, command), wait)?;
        journal::recover(&self.folder)?;
        Ok(StateLock { state: self, _lock: lock })
    }

    /// Takes the lock of a daemon for `command`, waiting up to `wait` for another to give it back. It comes
    /// before the lock of the state: nobody waits for it while the state is locked.
    ///
    /// # Errors
    /// [`crate::model::ExitCode::Busy`] with the process and the command that hold it; a daemon that has no
    /// folder yet, and a lock file that cannot be written.
    pub fn lock_daemon(
        &self,
        name: &IdentityName,
        command: &str,
        wait: Duration,
    ) -> Result<DaemonLock, Failure> {
        let path = identity_folder(Role::Daemon, name);
        let folder = self.folder.folder(&path)?.ok_or_else(|| {
            Failure::new("locking", self.path().join(&path).display()).expected("a folder").found("none")
        })?;
        let lock = FileLock::take(&folder, (message!("daemon {}", name), command), wait)?;
        Ok(DaemonLock { _lock: lock })
    }

    pub(in crate::store) fn folder(&self) -> &Directory {
        &self.folder
    }

    fn refuse_others(&self, bits: u32) -> Result<(), Failure> {
        let path = self.path();
        let stat =
            fstat(self.folder.handle()).map_err(|error| io_failure::failure("opening", path, error))?;
        let refused = |expected: Message, found: Message| {
            Failure::new("opening the state", path.display()).expected(expected).found(found)
        };
        let us = rustix::process::geteuid().as_raw();
        if stat.st_uid != us {
            return Err(refused(
                message!("a folder of this user ({})", us),
                message!("one of user {}", stat.st_uid),
            ));
        }
        let mode = io_failure::permissions(&stat);
        if mode & bits == 0 {
            return Ok(());
        }
        let failure =
            refused(message!("a folder for its owner alone (0700)"), message!("mode {}", FileMode(mode)));
        // A folder with other things in it may have to be open to others; that of a state has not.
        let is_state = self.folder.look(DESCRIPTION)?.is_some() || self.folder.entries()?.is_empty();
        Err(if is_state { failure.hint(message!("chmod 700 {}", Quoted(path))) } else { failure })
    }
}

/// The right to change a state; given back when it is dropped.
pub struct StateLock<'state> {
    state: &'state StateDirectory,
    _lock: FileLock,
}

impl StateLock<'_> {
    /// The state that is locked.
    #[must_use]
    pub fn state(&self) -> &StateDirectory {
        self.state
    }

    /// Begins a change: everything is written beside the live files, and none of it is seen until
    /// [`StagedChange::commit`].
    ///
    /// # Errors
    /// The state cannot be written.
    pub fn stage(&self) -> Result<StagedChange<'_>, Failure> {
        StagedChange::begin(self.state.folder())
    }
}

/// The right to bring one daemon to serve other files: to place them, to restart it, to verify it. Whoever
/// has it changes nothing of the state by it.
pub struct DaemonLock {
    _lock: FileLock,
}

const REQUESTS: &str = "requests";
/// The folders that have something in them once anything was issued.
const ISSUED_BELOW: [&str; 4] = ["ca", "daemons", "clients", "issued"];
const OURS_ALONE: u32 = 0o700;
const OTHERS_WRITE: u32 = 0o022;
const OTHERS_ANYTHING: u32 = 0o077;

/// What is longer was not emptied by an editor or a full disk.
const LARGEST_EMPTIED: usize = 64 * 1024;
