//! A folder that is held open, so that nobody can swap it underneath.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Stat, Uid};
use rustix::io::Errno;

use super::read::{ReadFile, read_open};
use super::trouble::trouble;
use crate::model::Failure;

/// A folder, by its open handle.
pub(super) struct Directory {
    handle: OwnedFd,
    path: PathBuf,
}

/// With which mode a file is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileMode {
    /// 0600: keys, and what only we read.
    Private,
    /// 0644: certificates.
    Public,
}

/// A user and a group, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ownership {
    /// The user's number.
    pub user: u32,
    /// The group's number.
    pub group: u32,
}

/// What stands under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// A folder.
    Folder,
    /// A file.
    File,
    /// A symbolic link, and where it leads.
    Link(PathBuf),
    /// A FIFO, a socket, a device.
    Other,
}

impl Directory {
    /// Opens a folder whose every parent only root, we, or one of `trusted` can change, so that
    /// the path leads where it is meant to; None where it does not exist.
    ///
    /// A parent with the sticky bit that is root's or ours is taken (`/tmp`). A symbolic link is
    /// followed where it, like the folder that it stands in, is root's, ours or a trusted user's.
    ///
    /// # Errors
    /// A parent that others can write, which is named with its mode and owner; a path that is
    /// absent for another reason than that it does not exist.
    pub fn open_trusted(path: &Path, trusted: &[u32]) -> Result<Option<Directory>, Failure> {
        let mut left: VecDeque<OsString> = names_of(path);
        let mut at =
            open_folder(None, Path::new("/")).map_err(|errno| trouble("opening", Path::new("/"), errno))?;
        let mut shown = PathBuf::from("/");
        let mut links = 0;
        while let Some(name) = left.pop_front() {
            let next = shown.join(&name);
            let status = match rustix::fs::statat(&at, &name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(status) => status,
                Err(Errno::NOENT) => return Ok(None),
                Err(errno) => return Err(trouble("opening", &next, errno)),
            };
            if FileType::from_raw_mode(status.st_mode) == FileType::Symlink {
                refuse_foreign_owner(&next, &status, trusted)?;
                links += 1;
                if links > MOST_LINKS {
                    return Err(trouble("opening", &next, Errno::LOOP));
                }
                let target = rustix::fs::readlinkat(&at, &name, Vec::new());
                let target = target.map_err(|errno| trouble("reading the link", &next, errno))?;
                let target = shown.join(PathBuf::from(OsString::from_vec(target.into_bytes())));
                left = names_of(&target).into_iter().chain(left).collect();
                at = open_folder(None, Path::new("/"))
                    .map_err(|errno| trouble("opening", Path::new("/"), errno))?;
                shown = PathBuf::from("/");
                continue;
            }
            at =
                open_folder(Some(&at), Path::new(&name)).map_err(|errno| trouble("opening", &next, errno))?;
            let status = rustix::fs::fstat(&at).map_err(|errno| trouble("opening", &next, errno))?;
            refuse_hostile(&next, &status, trusted)?;
            shown = next;
        }
        Ok(Some(Directory { handle: at, path: path.to_owned() }))
    }

    /// Opens a folder as [`Directory::open_trusted`] does, and makes what is missing of it: its
    /// parents 0755, itself with `mode`.
    pub fn make_trusted(
        path: &Path,
        mode: u32,
        trusted: &[u32],
        owner: Option<Ownership>,
    ) -> Result<Directory, Failure> {
        if let Some(directory) = Directory::open_trusted(path, trusted)? {
            return Ok(directory);
        }
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(trouble("making", path, Errno::NOENT));
        };
        let parent = Directory::make_trusted(parent, 0o755, trusted, owner)?;
        parent.make_folder(Path::new(name), mode, owner)?;
        Directory::open_trusted(path, trusted)?.ok_or_else(|| trouble("opening", path, Errno::NOENT))
    }

    /// Its path, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a folder in it; None where there is none. Links are not followed.
    pub fn folder(&self, name: &Path) -> Result<Option<Directory>, Failure> {
        match open_folder(Some(&self.handle), name) {
            Ok(handle) => Ok(Some(Directory { handle, path: self.path.join(name) })),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(trouble("opening", &self.path.join(name), errno)),
        }
    }

    /// Makes a folder in it. The mode is set again after, whatever the umask took.
    pub fn make_folder(&self, name: &Path, mode: u32, owner: Option<Ownership>) -> Result<(), Failure> {
        let path = self.path.join(name);
        let failed = |errno| trouble("making the folder", &path, errno);
        rustix::fs::mkdirat(&self.handle, name, Mode::from_raw_mode(mode & 0o700)).map_err(failed)?;
        let handle = open_folder(Some(&self.handle), name).map_err(failed)?;
        set_owner(&handle, owner).map_err(failed)?;
        rustix::fs::fchmod(&handle, Mode::from_raw_mode(mode)).map_err(failed)
    }

    /// Makes a new file with those bytes. It is 0600 from the first instant, and gets its owner
    /// and its wider mode, if any, when it is whole.
    pub fn make_file(
        &self,
        name: &Path,
        bytes: &[u8],
        mode: FileMode,
        owner: Option<Ownership>,
    ) -> Result<OwnedFd, Errno> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.handle, name, flags, Mode::RUSR | Mode::WUSR)?;
        let mut left = bytes;
        while !left.is_empty() {
            match rustix::io::write(&file, left) {
                Ok(0) => return Err(Errno::IO),
                Ok(written) => left = &left[written..],
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
        }
        set_owner(&file, owner)?;
        match mode {
            // A umask only ever takes bits away; whoever made this file may still read and write it.
            FileMode::Private => rustix::fs::fchmod(&file, Mode::from_raw_mode(0o600))?,
            FileMode::Public => rustix::fs::fchmod(&file, Mode::from_raw_mode(0o644))?,
        }
        Ok(file)
    }

    /// Reads a file in it; None where there is none. Links are not followed.
    pub fn read(&self, name: &Path, largest: usize) -> Result<Option<ReadFile>, Failure> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let path = self.path.join(name);
        match rustix::fs::openat(&self.handle, name, flags, Mode::empty()) {
            Ok(file) => read_open(file, &path, largest).map(Some),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(trouble("reading", &path, errno)),
        }
    }

    /// What stands under a name in it; None for nothing.
    pub fn entry(&self, name: &Path) -> Result<Option<Entry>, Failure> {
        let path = self.path.join(name);
        let status = match rustix::fs::statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(status) => status,
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(trouble("looking at", &path, errno)),
        };
        Ok(Some(match FileType::from_raw_mode(status.st_mode) {
            FileType::Directory => Entry::Folder,
            FileType::RegularFile => Entry::File,
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(&self.handle, name, Vec::new());
                let target = target.map_err(|errno| trouble("reading the link", &path, errno))?;
                Entry::Link(PathBuf::from(OsString::from_vec(target.into_bytes())))
            }
            _ => Entry::Other,
        }))
    }

    /// The names in it, sorted.
    pub fn names(&self) -> Result<Vec<OsString>, Failure> {
        let failed = |errno| trouble("listing", &self.path, errno);
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.handle).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name().to_bytes().to_vec();
            if name != b"." && name != b".." {
                names.push(OsString::from_vec(name));
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Makes a symbolic link in it.
    pub fn make_link(&self, name: &Path, target: &Path) -> Result<(), Failure> {
        rustix::fs::symlinkat(target, &self.handle, name)
            .map_err(|errno| trouble("making the link", &self.path.join(name), errno))
    }

    /// Moves an entry of it to another folder, replacing a file or link that is there.
    pub fn rename(&self, name: &Path, to: &Directory, new_name: &Path) -> Result<(), Failure> {
        rustix::fs::renameat(&self.handle, name, &to.handle, new_name)
            .map_err(|errno| trouble("moving a file to", &to.path.join(new_name), errno))
    }

    /// Removes a file or link of it.
    pub fn remove(&self, name: &Path) -> Result<(), Failure> {
        rustix::fs::unlinkat(&self.handle, name, AtFlags::empty())
            .map_err(|errno| trouble("removing", &self.path.join(name), errno))
    }

    /// Removes a folder of it with all that is in it, links themselves and never what they lead
    /// to.
    pub fn remove_folder(&self, name: &Path) -> Result<(), Failure> {
        if let Some(folder) = self.folder(name)? {
            for name in folder.names()? {
                match folder.entry(Path::new(&name))? {
                    Some(Entry::Folder) => folder.remove_folder(Path::new(&name))?,
                    _ => folder.remove(Path::new(&name))?,
                }
            }
        }
        self.remove_empty_folder(name)
    }

    /// Removes an empty folder of it.
    pub fn remove_empty_folder(&self, name: &Path) -> Result<(), Failure> {
        rustix::fs::unlinkat(&self.handle, name, AtFlags::REMOVEDIR)
            .map_err(|errno| trouble("removing", &self.path.join(name), errno))
    }

    /// Who owns it, and its mode.
    pub fn status(&self) -> Result<Stat, Failure> {
        rustix::fs::fstat(&self.handle).map_err(|errno| trouble("looking at", &self.path, errno))
    }

    /// The mode of an entry, links not followed; None for nothing.
    pub fn mode(&self, name: &Path) -> Result<Option<u32>, Failure> {
        match rustix::fs::statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(status) => Ok(Some(status.st_mode & 0o7777)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(trouble("looking at", &self.path.join(name), errno)),
        }
    }

    /// Makes what it lists durable.
    pub fn sync(&self) -> Result<(), Failure> {
        rustix::fs::fsync(&self.handle).map_err(|errno| trouble("making durable", &self.path, errno))
    }

    /// The handle, for calls of other modules of `store`.
    pub fn handle(&self) -> &OwnedFd {
        &self.handle
    }
}

fn names_of(path: &Path) -> VecDeque<OsString> {
    let mut names = VecDeque::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => names.push_back(name.to_owned()),
            Component::ParentDir => {
                names.pop_back();
            }
            _ => {}
        }
    }
    names
}

fn open_folder(parent: Option<&OwnedFd>, name: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let open = |flags| match parent {
        Some(parent) => rustix::fs::openat(parent, name, flags, Mode::empty()),
        None => rustix::fs::open(name, flags, Mode::empty()),
    };
    match open(flags) {
        // A folder that may be walked through but not listed, such as another's home.
        #[cfg(target_os = "linux")]
        Err(Errno::ACCESS) => open(flags | OFlags::PATH),
        opened => opened,
    }
}

fn refuse_foreign_owner(path: &Path, status: &Stat, trusted: &[u32]) -> Result<(), Failure> {
    let us = rustix::process::geteuid().as_raw();
    if status.st_uid == 0 || status.st_uid == us || trusted.contains(&status.st_uid) {
        return Ok(());
    }
    Err(Failure::new("opening", path.display())
        .expected("a folder that is root's or ours")
        .found(format!("one of user {}", status.st_uid))
        .hint(format!("ls -ld {}", path.display())))
}

fn refuse_hostile(path: &Path, status: &Stat, trusted: &[u32]) -> Result<(), Failure> {
    refuse_foreign_owner(path, status, trusted)?;
    let mode = status.st_mode & 0o7777;
    let sticky = mode & 0o1000 != 0;
    // A group that has the number of its only user is private to that user.
    let group = mode & 0o020 != 0 && status.st_gid != status.st_uid;
    if sticky || (mode & 0o002 == 0 && !group) {
        return Ok(());
    }
    Err(Failure::new("opening", path.display())
        .expected("a folder that no other user can write")
        .found(format!("mode {mode:04o} of user {} and group {}", status.st_uid, status.st_gid))
        .hint(format!("chmod go-w {}", path.display())))
}

fn set_owner(handle: &OwnedFd, owner: Option<Ownership>) -> Result<(), Errno> {
    match owner {
        None => Ok(()),
        Some(owner) => {
            rustix::fs::fchown(handle, Some(Uid::from_raw(owner.user)), Some(Gid::from_raw(owner.group)))
        }
    }
}

const MOST_LINKS: usize = 40;
