//! Walking to a folder without trusting whoever may write on the way.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, Stat, fchmod, fchown, fstat, mkdirat, open, openat, statat,
};
use rustix::io::Errno;

use super::directory::{Directory, FOLDER};
use super::io_failure;
use super::users::Owner;
use crate::message;
use crate::model::{Failure, FileMode, Message, Quoted};

/// How folders are made that are missing on the way.
#[derive(Clone, Copy)]
pub(in crate::store) struct NewFolders {
    /// The mode of the last; those above it get 0755.
    pub(in crate::store) last: u32,
    /// Whose they become; otherwise those of this process.
    pub(in crate::store) owner: Option<Owner>,
}

/// Opens a folder; `None` where it or one above it is not there.
///
/// Every component from `/` on must belong to root, to this user or to one of the `allowed`, and
/// nobody else may be able to write in it, unless it is sticky as `/tmp` is. Links on the way are
/// followed only where root or this user made them.
pub(in crate::store) fn open_trusted(path: &Path, allowed: &[u32]) -> Result<Option<Directory>, Failure> {
    walk(path, allowed, None)
}

/// The same; what is missing is made.
pub(in crate::store) fn create_trusted(
    path: &Path,
    allowed: &[u32],
    new: NewFolders,
) -> Result<Directory, Failure> {
    walk(path, allowed, Some(new))?.ok_or_else(|| io_failure::failure("making", path, Errno::NOENT))
}

/// Why a folder of that owner and mode must not be written in; `None` where it may.
pub(in crate::store) fn distrust(path: &Path, stat: &Stat, allowed: &[u32]) -> Option<Failure> {
    let refused = |expected: &'static str, found: Message| {
        Failure::new("trusting", path.display()).expected(expected).found(found)
    };
    let mode = io_failure::permissions(stat);
    let is_trusted = |user: u32| is_root_or_us(user) || allowed.contains(&user);
    if !is_trusted(stat.st_uid) {
        let found = message!("user {} as its owner", stat.st_uid);
        let own = message!("ls -ld {}   # chown it, if that user is not to write in it", Quoted(path));
        return Some(refused("a folder of root or of this user", found).hint(own));
    }
    let is_sticky = mode & STICKY != 0 && is_root_or_us(stat.st_uid);
    if mode & WRITABLE_BY_OTHERS != 0 && !is_sticky {
        let found = message!("mode {}, owner {}", FileMode(mode), stat.st_uid);
        return Some(
            refused("a folder that only its owner can write in", found)
                .hint(message!("chmod go-w {}", Quoted(path))),
        );
    }
    None
}

/// Why a file of that owner and mode must not be believed; `None` where it may.
pub(in crate::store) fn distrust_file(path: &Path, owner: u32, mode: u32) -> Option<Failure> {
    let refused = |expected: &'static str, found: Message| {
        Failure::new("trusting", path.display()).expected(expected).found(found)
    };
    if !is_root_or_us(owner) {
        return Some(
            refused("a file of root or of this user", message!("user {} as its owner", owner))
                .hint(message!("ls -l {}   # look at what that user has written in it", Quoted(path))),
        );
    }
    (mode & WRITABLE_BY_OTHERS != 0).then(|| {
        refused("a file that only its owner can write", message!("mode {}, owner {}", FileMode(mode), owner))
            .hint(message!("chmod go-w {}   # look at what was written in it", Quoted(path)))
    })
}

/// What others than its owner can write of a file: the file itself, or a folder on the way to it in which they can put
/// another in its place.
pub(crate) struct WritableByOthers {
    /// The file or the folder.
    pub path: PathBuf,
    /// Its permission bits.
    pub mode: u32,
    /// Whether everybody can, and not its group alone.
    pub by_everybody: bool,
    /// Whether it is the file.
    pub is_file: bool,
}

/// What others can write of a file that was read, from the file on upwards, and of each folder with a link that leads to
/// it; None where nobody can. A group that is numbered as its owner is that user's own.
#[must_use]
pub(crate) fn writable_by_others(file: &Path) -> Option<WritableByOthers> {
    let absolute = std::path::absolute(file).ok()?;
    let real = std::fs::canonicalize(&absolute).ok()?;
    // Of a link it is the folder that counts.
    let links = links_to(&absolute, LONGEST_CHAIN).into_iter();
    let folders = links.filter_map(|link| std::fs::canonicalize(link.parent()?).ok());
    let all = std::iter::once(real.clone()).chain(folders);
    all.flat_map(|end| end.ancestors().map(Path::to_owned).collect::<Vec<_>>())
        .find_map(|path| of_path(&path, path == real))
}

fn of_path(path: &Path, is_file: bool) -> Option<WritableByOthers> {
    let stat = rustix::fs::stat(path).ok()?;
    let mode = io_failure::permissions(&stat);
    let is_sticky = mode & STICKY != 0 && !is_file;
    let by_everybody = mode & 0o002 != 0;
    let by_group = mode & 0o020 != 0 && stat.st_gid != stat.st_uid;
    let path = path.to_owned();
    (!is_sticky && (by_everybody || by_group)).then_some(WritableByOthers {
        path,
        mode,
        by_everybody,
        is_file,
    })
}

/// The links on the way to a file, those that links lead to included.
fn links_to(path: &Path, longest: usize) -> Vec<PathBuf> {
    let Some(longest) = longest.checked_sub(1) else { return Vec::new() };
    let on_the_way: Vec<&Path> = path.ancestors().collect();
    let is_link = |at: &&&Path| std::fs::symlink_metadata(at).is_ok_and(|found| found.is_symlink());
    let Some(link) = on_the_way.iter().rev().find(is_link) else { return Vec::new() };
    let Some((folder, target)) = link.parent().zip(std::fs::read_link(link).ok()) else { return Vec::new() };
    let behind = path.strip_prefix(link).unwrap_or(Path::new(""));
    let next = if behind == Path::new("") { folder.join(target) } else { folder.join(target).join(behind) };
    let mut links = vec![link.to_path_buf()];
    links.extend(links_to(&next, longest));
    links
}

/// As many links as Linux follows.
const LONGEST_CHAIN: usize = 40;

/// Refuses a folder in which this user cannot write; where it is not there, the one above it that
/// is.
pub(in crate::store) fn refuse_unwritable(folder: &Path) -> Result<(), Failure> {
    let there = folder.ancestors().find(|ancestor| super::read::exists(ancestor)).unwrap_or(folder);
    rustix::fs::access(there, rustix::fs::Access::WRITE_OK)
        .map_err(|errno| io_failure::failure("writing in", there, errno))
}

/// Whether that user could change our files anyway.
pub(in crate::store) fn is_root_or_us(user: u32) -> bool {
    user == 0 || user == rustix::process::geteuid().as_raw()
}

fn walk(path: &Path, allowed: &[u32], new: Option<NewFolders>) -> Result<Option<Directory>, Failure> {
    let absolute =
        std::path::absolute(path).map_err(|error| io_failure::failure_of_io("finding", path, &error))?;
    let mut walk = Walk::from_root(&absolute, allowed)?;
    while let Some(name) = walk.pending.pop_front() {
        let here = walk.path.join(&name);
        let stat = match statat(&walk.handle, name.as_os_str(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => match new {
                None => return Ok(None),
                Some(new) => {
                    walk.make(&name, new)?;
                    continue;
                }
            },
            Err(error) => return Err(io_failure::failure("entering", &here, error)),
        };
        match io_failure::file_type(&stat) {
            FileType::Directory => walk.enter(&name)?,
            FileType::Symlink => walk.follow(&name, &stat)?,
            other => {
                return Err(Failure::new("entering", here.display())
                    .expected("a folder")
                    .found(io_failure::kind(other)));
            }
        }
    }
    let handle = openat(&walk.handle, ".", FOLDER, Mode::empty())
        .map_err(|error| io_failure::failure("opening", &walk.path, error))?;
    Ok(Some(Directory::new(handle, walk.path)))
}

/// Where a walk is, and what is still ahead.
struct Walk<'a> {
    handle: OwnedFd,
    path: PathBuf,
    pending: VecDeque<OsString>,
    links: usize,
    allowed: &'a [u32],
}

impl<'a> Walk<'a> {
    fn from_root(path: &Path, allowed: &'a [u32]) -> Result<Walk<'a>, Failure> {
        let handle = open_root()?;
        let mut walk = Walk { handle, path: PathBuf::from("/"), pending: VecDeque::new(), links: 0, allowed };
        walk.check()?;
        walk.put_ahead(path);
        Ok(walk)
    }

    fn put_ahead(&mut self, path: &Path) {
        for component in path.components().rev() {
            match component {
                Component::Normal(name) => self.pending.push_front(name.to_owned()),
                Component::ParentDir => self.pending.push_front(OsString::from("..")),
                Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
            }
        }
    }

    fn check(&self) -> Result<(), Failure> {
        let stat = fstat(&self.handle).map_err(|error| io_failure::failure("entering", &self.path, error))?;
        distrust(&self.path, &stat, self.allowed).map_or(Ok(()), Err)
    }

    fn enter(&mut self, name: &OsStr) -> Result<(), Failure> {
        let path = if name == ".." {
            self.path.parent().unwrap_or(Path::new("/")).to_owned()
        } else {
            self.path.join(name)
        };
        self.handle = openat(&self.handle, name, STEP, Mode::empty())
            .map_err(|error| io_failure::failure("entering", &path, error))?;
        self.path = path;
        self.check()
    }

    fn follow(&mut self, name: &OsStr, stat: &Stat) -> Result<(), Failure> {
        let path = self.path.join(name);
        if !is_root_or_us(stat.st_uid) {
            return Err(Failure::new("entering", path.display())
                .expected("a folder, or a link that root or this user made")
                .found(message!("a symbolic link of user {}", stat.st_uid)));
        }
        self.links += 1;
        if self.links > MOST_LINKS {
            return Err(io_failure::failure("entering", &path, Errno::LOOP));
        }
        let target = rustix::fs::readlinkat(&self.handle, name, Vec::new())
            .map_err(|error| io_failure::failure("entering", &path, error))?;
        let target =
            PathBuf::from(<OsString as std::os::unix::ffi::OsStringExt>::from_vec(target.into_bytes()));
        if target.is_absolute() {
            self.handle = open_root()?;
            self.path = PathBuf::from("/");
        }
        self.put_ahead(&target);
        Ok(())
    }

    fn make(&mut self, name: &OsStr, new: NewFolders) -> Result<(), Failure> {
        let path = self.path.join(name);
        let failure = |error| io_failure::failure("making the folder", &path, error);
        match mkdirat(&self.handle, name, Mode::RWXU) {
            Ok(()) => {}
            // Somebody was faster; entering it checks whose it is.
            Err(Errno::EXIST) => return self.enter(name),
            Err(error) => return Err(failure(error)),
        }
        let made = openat(&self.handle, name, FOLDER, Mode::empty()).map_err(failure)?;
        if let Some(owner) = new.owner {
            fchown(&made, Some(owner.user_id()), Some(owner.group_id())).map_err(failure)?;
        }
        let mode = if self.pending.is_empty() { new.last } else { PARENT };
        fchmod(&made, io_failure::mode(mode)).map_err(failure)?;
        let parent = openat(&self.handle, ".", FOLDER, Mode::empty()).map_err(failure)?;
        rustix::fs::fsync(&parent).map_err(failure)?;
        self.enter(name)
    }
}

fn open_root() -> Result<OwnedFd, Failure> {
    open("/", STEP, Mode::empty()).map_err(|error| io_failure::failure("entering", Path::new("/"), error))
}

/// What a folder on the way is held with: on Linux without reading it, since a parent such as
/// `/home` may let others pass through and not look around.
#[cfg(target_os = "linux")]
const STEP: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
#[cfg(not(target_os = "linux"))]
const STEP: OFlags = FOLDER;

const WRITABLE_BY_OTHERS: u32 = 0o022;
const STICKY: u32 = 0o1000;
const PARENT: u32 = 0o755;
/// As many as Linux follows in one path.
const MOST_LINKS: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn set_mode(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_parent_that_others_can_write_in_is_refused_by_name() {
        let base = tempfile::tempdir().unwrap();
        let loose = base.path().join("loose");
        std::fs::create_dir_all(loose.join("inner")).unwrap();
        for mode in [0o777, 0o775, 0o757] {
            set_mode(&loose, mode);
            let failure = open_trusted(&loose.join("inner"), &[]).err().unwrap();
            assert_eq!(*failure.subject(), loose.display().to_string());
            assert!(failure.what_was_found().contains(&format!("{mode:04o}")), "{failure}");
            assert!(
                create_trusted(&loose.join("new"), &[], NewFolders { last: 0o700, owner: None }).is_err()
            );
            assert!(!loose.join("new").exists());
        }
        set_mode(&loose, 0o1777);
        assert!(open_trusted(&loose.join("inner"), &[]).unwrap_or(None).is_some());
    }

    #[test]
    fn a_folder_of_another_user_is_refused_unless_allowed() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let base = tempfile::tempdir().unwrap();
        let theirs = base.path().join("theirs");
        std::fs::create_dir(&theirs).unwrap();
        std::os::unix::fs::chown(&theirs, Some(4321), Some(4321)).unwrap();
        let failure = open_trusted(&theirs, &[]).err().unwrap();
        assert!(failure.to_string().contains("user 4321"), "{failure}");
        assert!(open_trusted(&theirs, &[4321]).unwrap_or(None).is_some());
        // Links of an allowed user are still not followed: they could lead anywhere.
        symlink(base.path(), theirs.join("link")).unwrap();
        std::os::unix::fs::lchown(theirs.join("link"), Some(4321), None).unwrap();
        assert!(open_trusted(&theirs.join("link"), &[4321]).is_err());
    }

    #[test]
    fn our_links_and_parent_steps_lead_where_the_kernel_would_go() {
        let base = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(base.path().join("a/b")).unwrap();
        symlink("a/b", base.path().join("link")).unwrap();
        symlink("loop", base.path().join("loop")).unwrap();
        let opened = open_trusted(&base.path().join("link/../b"), &[]).ok().flatten().unwrap();
        assert!(opened.path().ends_with("a/b"), "{}", opened.path().display());
        assert!(open_trusted(&base.path().join("loop"), &[]).is_err());
        assert!(open_trusted(&base.path().join("nothing/below"), &[]).unwrap_or(None).is_none());
        std::fs::write(base.path().join("file"), "").unwrap();
        let failure = open_trusted(&base.path().join("file/below"), &[]).err().unwrap();
        assert!(failure.to_string().ends_with("expected a folder, found a file"), "{failure}");
    }

    #[test]
    fn new_folders_have_the_modes_that_were_asked_for() {
        let base = tempfile::tempdir().unwrap();
        let path = base.path().join("x/y/z");
        assert!(create_trusted(&path, &[], NewFolders { last: 0o700, owner: None }).is_ok());
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode(&path), 0o700);
        assert_eq!(mode(&base.path().join("x/y")), 0o755);
    }
}
