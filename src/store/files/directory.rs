//! A folder held open, so that nobody can put another in its place between two steps.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, fchmod, fchown, fsync, openat, statat};
use rustix::io::Errno;

use super::crash_point;
use super::io_failure;
use super::read::{Links, ReadFile, Tail, read_at, read_tail_at};
use super::users::Owner;
use crate::model::Failure;

/// An open folder and what messages call it. Names may lead through its subfolders; the last
/// component is never followed where it is a link.
pub(in crate::store) struct Directory {
    handle: OwnedFd,
    path: PathBuf,
}

/// The mode and the owner that a new file or folder gets.
#[derive(Clone, Copy)]
pub(in crate::store) struct Access {
    /// Permission bits.
    pub(in crate::store) mode: u32,
    /// Otherwise this process's user and group.
    pub(in crate::store) owner: Option<Owner>,
}

impl Directory {
    /// The folder of that handle.
    pub(in crate::store) fn new(handle: OwnedFd, path: PathBuf) -> Directory {
        Directory { handle, path }
    }

    /// What messages call it.
    pub(in crate::store) fn path(&self) -> &Path {
        &self.path
    }

    /// The open folder itself.
    pub(in crate::store) fn handle(&self) -> &OwnedFd {
        &self.handle
    }

    /// A folder in it, or below; `None` where there is nothing. No link is followed on the way.
    pub(in crate::store) fn folder(&self, name: impl AsRef<Path>) -> Result<Option<Directory>, Failure> {
        let name = name.as_ref();
        let mut handle = None;
        for part in name.components() {
            let base = handle.as_ref().unwrap_or(&self.handle);
            match openat(base, part.as_os_str(), FOLDER, Mode::empty()) {
                Ok(opened) => handle = Some(opened),
                Err(Errno::NOENT) => return Ok(None),
                Err(error) => return Err(self.failure("opening", name, error)),
            }
        }
        // `.` opens this folder once more; messages should not show it.
        let path = if name == Path::new(".") { self.path.clone() } else { self.path.join(name) };
        Ok(handle.map(|handle| Directory::new(handle, path)))
    }

    /// Makes a folder in it; never one that is there already.
    pub(in crate::store) fn make_folder(
        &self,
        name: impl AsRef<Path>,
        access: Access,
    ) -> Result<Directory, Failure> {
        let name = name.as_ref();
        let failure = |error| self.failure("making the folder", name, error);
        crash_point::allow()?;
        rustix::fs::mkdirat(&self.handle, name, Mode::RWXU).map_err(failure)?;
        let handle = openat(&self.handle, name, FOLDER, Mode::empty()).map_err(failure)?;
        set_access(&handle, access).map_err(failure)?;
        Ok(Directory::new(handle, self.path.join(name)))
    }

    /// Writes a new file: made for this user alone, filled, and only then given its owner and its
    /// mode. It is not yet durable. Nothing is left of one that could not be written whole.
    pub(in crate::store) fn create_file(
        &self,
        name: impl AsRef<Path>,
        bytes: &[u8],
        access: Access,
    ) -> Result<File, Failure> {
        let name = name.as_ref();
        crash_point::allow()?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let handle = openat(&self.handle, name, flags, Mode::RUSR | Mode::WUSR)
            .map_err(|error| self.failure("making the file", name, error))?;
        let mut file = File::from(handle);
        let written = crash_point::allow()
            .and_then(|()| {
                let path = self.path.join(name);
                file.write_all(bytes).map_err(|error| io_failure::failure_of_io("writing", &path, &error))
            })
            .and_then(|()| crash_point::allow())
            .and_then(|()| {
                set_access(&file, access).map_err(|error| self.failure("giving its mode to", name, error))
            });
        match written {
            Ok(()) => Ok(file),
            Err(failure) => {
                // The failure that made it incomplete is the one to tell.
                let _ = self.remove(name);
                Err(failure)
            }
        }
    }

    /// Gives the folder itself another mode and owner.
    pub(in crate::store) fn give(&self, access: Access) -> Result<(), Failure> {
        set_access(&self.handle, access)
            .map_err(|error| self.failure("giving its mode to", Path::new(""), error))
    }

    /// Reads a file; `None` where there is nothing.
    pub(in crate::store) fn read(
        &self,
        name: impl AsRef<Path>,
        largest: usize,
    ) -> Result<Option<ReadFile>, Failure> {
        let name = name.as_ref();
        read_at(&self.handle, name, &self.path.join(name), Links::Refused, largest)
    }

    /// Reads the last `most` bytes of a file; `None` where there is nothing.
    pub(in crate::store) fn read_tail(
        &self,
        name: impl AsRef<Path>,
        most: u64,
    ) -> Result<Option<Tail>, Failure> {
        let name = name.as_ref();
        read_tail_at(&self.handle, name, &self.path.join(name), most)
    }

    /// What is at that name, links not followed; `None` where there is nothing.
    pub(in crate::store) fn look(&self, name: impl AsRef<Path>) -> Result<Option<Stat>, Failure> {
        let name = name.as_ref();
        match statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(self.failure("looking at", name, error)),
        }
    }

    /// Where a link leads, as it is written; `None` where there is nothing, a failure where there
    /// is something else.
    pub(in crate::store) fn link_target(&self, name: impl AsRef<Path>) -> Result<Option<String>, Failure> {
        let name = name.as_ref();
        match rustix::fs::readlinkat(&self.handle, name, Vec::new()) {
            Ok(target) => Ok(Some(target.to_string_lossy().into_owned())),
            Err(Errno::NOENT) => Ok(None),
            Err(Errno::INVAL) => Err(Failure::new("reading the link", self.path.join(name).display())
                .expected("a symbolic link")
                .found("something else")),
            Err(error) => Err(self.failure("reading the link", name, error)),
        }
    }

    /// Makes a symbolic link; never over something.
    pub(in crate::store) fn make_link(
        &self,
        target: impl AsRef<Path>,
        name: impl AsRef<Path>,
    ) -> Result<(), Failure> {
        crash_point::allow()?;
        rustix::fs::symlinkat(target.as_ref(), &self.handle, name.as_ref())
            .map_err(|error| self.failure("linking", name.as_ref(), error))
    }

    /// Renames something in it to a name in `into`, over what is there.
    pub(in crate::store) fn rename(
        &self,
        name: impl AsRef<Path>,
        into: &Directory,
        new_name: impl AsRef<Path>,
    ) -> Result<(), Failure> {
        crash_point::allow()?;
        rustix::fs::renameat(&self.handle, name.as_ref(), &into.handle, new_name.as_ref())
            .map_err(|error| into.failure("putting in place", new_name.as_ref(), error))
    }

    /// Gives something in it a second name that must be free: what a rename cannot promise.
    pub(in crate::store) fn name_anew(
        &self,
        name: impl AsRef<Path>,
        new_name: impl AsRef<Path>,
    ) -> Result<(), Failure> {
        crash_point::allow()?;
        let new_name = new_name.as_ref();
        rustix::fs::linkat(&self.handle, name.as_ref(), &self.handle, new_name, AtFlags::empty())
            .map_err(|error| self.failure("putting in place", new_name, error))
    }

    /// Removes a file or a link; nothing there is as good.
    pub(in crate::store) fn remove(&self, name: impl AsRef<Path>) -> Result<(), Failure> {
        self.unlink(name.as_ref(), AtFlags::empty())
    }

    /// Removes whatever has that name, folders with all that is in them. Only for names that this
    /// module made up: folders are entered by handle, and links removed, not followed.
    pub(in crate::store) fn remove_whole(&self, name: impl AsRef<Path>) -> Result<(), Failure> {
        let name = name.as_ref();
        match self.look(name)?.map(|stat| io_failure::file_type(&stat)) {
            None => Ok(()),
            Some(FileType::Directory) => {
                if let Some(folder) = self.folder(name)? {
                    for (entry, kind) in folder.entries()? {
                        match kind {
                            FileType::Directory => folder.remove_whole(&entry)?,
                            _ => folder.remove(&entry)?,
                        }
                    }
                }
                self.unlink(name, AtFlags::REMOVEDIR)
            }
            Some(_) => self.remove(name),
        }
    }

    /// What is in it, by name.
    pub(in crate::store) fn entries(&self) -> Result<Vec<(String, FileType)>, Failure> {
        let failure = |error| io_failure::failure("listing", &self.path, error);
        let mut entries = Vec::new();
        for entry in Dir::read_from(&self.handle).map_err(failure)? {
            let entry = entry.map_err(failure)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name == "." || name == ".." {
                continue;
            }
            // Some file systems don't tell the kind when they list.
            let kind = match entry.file_type() {
                FileType::Unknown => {
                    self.look(&name)?.map_or(FileType::Unknown, |stat| io_failure::file_type(&stat))
                }
                kind => kind,
            };
            entries.push((name, kind));
        }
        entries.sort_by(|left, right| left.0.cmp(&right.0));
        Ok(entries)
    }

    /// Makes its list of names durable.
    pub(in crate::store) fn sync(&self) -> Result<(), Failure> {
        crash_point::allow()?;
        self.sync_unasked()
    }

    /// The same, where the seam of the tests has been asked.
    pub(super) fn sync_unasked(&self) -> Result<(), Failure> {
        fsync(&self.handle).map_err(|error| io_failure::failure("making durable", &self.path, error))
    }

    /// Makes everything that was written to its file system durable in one go, which for many
    /// files is far cheaper than one after the other.
    #[cfg(target_os = "linux")]
    pub(in crate::store) fn sync_file_system(&self) -> Result<(), Failure> {
        crash_point::allow()?;
        rustix::fs::syncfs(&self.handle)
            .map_err(|error| io_failure::failure("making durable", &self.path, error))
    }

    /// A failure of `doing` something to a name in it.
    pub(in crate::store) fn failure(&self, doing: &'static str, name: &Path, error: Errno) -> Failure {
        io_failure::failure(doing, &self.path.join(name), error)
    }

    fn unlink(&self, name: &Path, flags: AtFlags) -> Result<(), Failure> {
        crash_point::allow()?;
        match rustix::fs::unlinkat(&self.handle, name, flags) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(self.failure("removing", name, error)),
        }
    }
}

/// Makes the content of a file durable (`F_FULLFSYNC` on macOS, where fsync is not enough).
pub(in crate::store) fn make_durable(file: &File, path: &Path) -> Result<(), Failure> {
    crash_point::allow()?;
    file.sync_all().map_err(|error| io_failure::failure_of_io("making durable", path, &error))
}

/// A name that nothing has yet, beginning with `prefix`.
pub(in crate::store) fn fresh_name(prefix: &'static str) -> Result<String, Failure> {
    let mut octets = [0; 8];
    ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut octets).map_err(|_| {
        Failure::new("making up a name", prefix).expected("random numbers of the system").found("none")
    })?;
    Ok(format!("{prefix}{:016x}", u64::from_be_bytes(octets)))
}

fn set_access(handle: impl std::os::fd::AsFd, access: Access) -> Result<(), Errno> {
    if let Some(owner) = access.owner {
        fchown(&handle, Some(owner.user_id()), Some(owner.group_id()))?;
    }
    // Said outright, since the umask may have taken away what it should have.
    fchmod(&handle, io_failure::mode(access.mode))
}

/// What an open folder is held with.
pub(super) const FOLDER: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::files::path_trust::open_trusted;

    const PRIVATE: Access = Access { mode: 0o600, owner: None };

    #[test]
    fn a_new_file_never_goes_over_or_through_what_is_there() {
        let base = tempfile::tempdir().unwrap();
        let path = |name: &str| base.path().join(name);
        let folder = open_trusted(base.path(), &[]).ok().flatten().unwrap();
        std::fs::write(path("victim"), "old").unwrap();
        std::os::unix::fs::symlink("victim", path("link")).unwrap();
        std::os::unix::fs::symlink("nowhere", path("dangling")).unwrap();
        std::fs::hard_link(path("victim"), path("hard")).unwrap();
        std::fs::create_dir(path("folder")).unwrap();
        rustix::fs::mknodat(&folder.handle, "pipe", FileType::Fifo, Mode::RWXU, 0).unwrap();
        for name in ["victim", "link", "dangling", "hard", "folder", "pipe"] {
            assert!(folder.create_file(name, b"new", PRIVATE).is_err(), "{name}");
        }
        assert_eq!(std::fs::read(path("victim")).unwrap(), b"old");
        assert!(!path("nowhere").exists());
    }

    #[test]
    fn a_name_is_not_followed_out_of_its_folder() {
        let base = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("keep"), "x").unwrap();
        std::fs::create_dir(base.path().join("tree")).unwrap();
        std::os::unix::fs::symlink(outside.path(), base.path().join("tree/link")).unwrap();
        let folder = open_trusted(base.path(), &[]).ok().flatten().unwrap();
        assert!(folder.folder("tree/link").is_err());
        assert!(folder.read("tree/link", 9).is_err());
        folder.remove_whole("tree").unwrap();
        assert!(!base.path().join("tree").exists() && outside.path().join("keep").exists());
    }
}
