//! The state directory.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use zeroize::Zeroizing;

use super::directory::{Directory, Entry};
use super::lock::StateLock;
use crate::model::Failure;

/// A state directory: ours alone, and with a kitcert.yaml in it.
pub struct StateDirectory {
    folder: Directory,
}

impl StateDirectory {
    /// Finds the state at a path; None where there is none: nothing there, or a folder without a
    /// kitcert.yaml.
    ///
    /// # Errors
    /// A folder that another user owns or can write, or that cannot be read: that is never taken
    /// for none.
    pub fn find(path: &Path) -> Result<Option<StateDirectory>, Failure> {
        let Some(folder) = Directory::open_trusted(path, &[])? else { return Ok(None) };
        refuse_shared(&folder)?;
        Ok(folder.entry(Path::new(INVENTORY))?.is_some().then_some(StateDirectory { folder }))
    }

    /// Makes the folder of a state, 0700, and its parents.
    ///
    /// # Errors
    /// Parents that others can write, or a disk that does not take it.
    pub fn create(path: &Path) -> Result<StateDirectory, Failure> {
        let folder = Directory::make_trusted(path, 0o700, &[], None)?;
        refuse_shared(&folder)?;
        Ok(StateDirectory { folder })
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Reads a file of it; None for nothing there.
    ///
    /// # Errors
    /// A file that cannot be read, or has more than `largest` bytes.
    pub fn read(&self, relative: &Path, largest: usize) -> Result<Option<Zeroizing<Vec<u8>>>, Failure> {
        Ok(self.folder.read(relative, largest)?.map(|file| file.bytes))
    }

    /// The names in a folder of it, sorted; none where there is no such folder.
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub fn list(&self, relative: &Path) -> Result<Vec<String>, Failure> {
        let Some(folder) = self.folder.folder(relative)? else { return Ok(Vec::new()) };
        let names = folder.names()?;
        Ok(names.into_iter().filter_map(|name| name.into_string().ok()).collect())
    }

    /// Where a link of it leads; None for nothing there.
    ///
    /// # Errors
    /// Something else than a link.
    pub fn link_target(&self, relative: &Path) -> Result<Option<String>, Failure> {
        match self.folder.entry(relative)? {
            None => Ok(None),
            Some(Entry::Link(target)) => Ok(Some(target.display().to_string())),
            Some(_) => Err(Failure::new("reading the link", self.path().join(relative).display())
                .expected("a link to a generation")
                .found("something else")),
        }
    }

    /// The mode of a file of it; None for nothing there.
    ///
    /// # Errors
    /// It cannot be looked at.
    pub fn mode(&self, relative: &Path) -> Result<Option<u32>, Failure> {
        self.folder.mode(relative)
    }

    /// Whether a change was published and not finished, by a command that was killed.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn has_unfinished_change(&self) -> Result<bool, Failure> {
        Ok(self.folder.names()?.iter().any(|name| is_published(name)))
    }

    /// Takes the lock, and finishes what a killed command has published.
    ///
    /// # Errors
    /// Another command holds it for longer than `patience`; a disk that does not take it.
    pub fn lock(self, patience: Duration) -> Result<StateLock, Failure> {
        StateLock::take(self.folder, patience)
    }
}

/// Whether a name is that of a published change.
pub(super) fn is_published(name: &OsString) -> bool {
    name.as_bytes().starts_with(PUBLISHED.as_bytes())
}

/// Whether a name is that of a change that was never published.
pub(super) fn is_staged(name: &OsString) -> bool {
    name.as_bytes().starts_with(STAGED.as_bytes())
}

/// The names that changes have before and after they are published.
pub(super) fn change_names(nonce: u64) -> (PathBuf, PathBuf) {
    (PathBuf::from(format!("{STAGED}{nonce:016x}")), PathBuf::from(format!("{PUBLISHED}{nonce:016x}")))
}

fn refuse_shared(folder: &Directory) -> Result<(), Failure> {
    let status = folder.status()?;
    let us = rustix::process::geteuid().as_raw();
    let mode = status.st_mode & 0o7777;
    if status.st_uid == us && mode & 0o022 == 0 {
        return Ok(());
    }
    let shown = folder.path().display().to_string();
    Err(Failure::new("opening the state", &shown)
        .expected(format!("a folder of user {us} that nobody else can write"))
        .found(format!("mode {mode:04o} of user {}", status.st_uid))
        .hint(if status.st_uid == us { format!("chmod 0700 {shown}") } else { format!("ls -ld {shown}") }))
}

const INVENTORY: &str = "kitcert.yaml";
const STAGED: &str = ".stage-";
const PUBLISHED: &str = ".commit-";
