//! Replacing a file that belongs to a person.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Stat};
use rustix::io::Errno;
use rustix::process::{getegid, geteuid};

use super::directory::{Access, Directory, fresh_name, make_durable};
use super::io_failure::{self, parent_of};
use super::path_trust::{NewFolders, create_trusted, is_root_or_us, open_trusted, refuse_unwritable};
use super::privacy::Privacy;
use super::users::Owner;
use crate::message;
use crate::model::{ExitCode, Failure, Quoted};

/// What a person's file, such as a client's `config.yml`, is to become.
pub(crate) struct Replacement<'a> {
    /// The file. Where it is a link, the file that it leads to is replaced and the link stays.
    pub path: &'a Path,
    /// What it held when the new content was made from it; `None` where it was not there.
    pub expected: Option<&'a [u8]>,
    /// What it is to hold.
    pub bytes: &'a [u8],
    /// The mode of a new file.
    pub mode: Privacy,
    /// The owner of a new file and of new folders; None for this process's user. Folders of this owner are
    /// trusted.
    pub owner: Option<Owner>,
    /// What a file that is there leaves to the one in its place.
    pub existing: Existing,
    /// What is done where the folder is not there.
    pub parents: Parents,
}

/// What a file that is there leaves to the one in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Existing {
    /// Its mode and its owner.
    LeavesAccess,
    /// Nothing: who could read it may have no business with what is written now.
    LeavesNothing,
}

/// What is done about folders that are not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parents {
    /// It is a failure.
    MustExist,
    /// They are made, mode 0755.
    Create,
}

/// Replaces a file by one rename of a durable new one. Where it holds the new content already,
/// nothing is written.
///
/// # Errors
/// [`ExitCode::Busy`] where it has changed since it was read; a folder, a file with a second name,
/// a link to nothing, a file that is marked read-only; folders that others can write in; what
/// fails on a disk. Nothing has changed then.
pub(crate) fn replace_file(replacement: &Replacement<'_>) -> Result<(), Failure> {
    let Replacement { path, owner, existing, parents, .. } = *replacement;
    let (folder, name) = locate(path, owner, &|parent, allowed| match parents {
        Parents::MustExist => open_trusted(parent, allowed),
        Parents::Create => create_trusted(parent, allowed, NewFolders { last: NEW_FOLDER, owner }).map(Some),
    })?
    .ok_or_else(|| no_folder(path))?;
    let path = folder.path().join(&name);
    let stat = folder.look(&name)?;
    if let Some(stat) = &stat {
        let ours = leftovers(&folder, &|leftover| is_same_file(leftover, stat))?;
        refuse_what_cannot_be_replaced(&path, stat, ours.len())?;
        ours.iter().try_for_each(|leftover| folder.remove(leftover))?;
    }
    let found = folder.read(&name, LARGEST)?.map(|file| file.bytes);
    let found = found.as_ref().map(|bytes| bytes.as_slice());
    if found == Some(replacement.bytes) && existing == Existing::LeavesAccess {
        return Ok(());
    }
    if found != replacement.expected {
        return Err(changed(&path));
    }
    let access = match (&stat, existing) {
        (Some(stat), Existing::LeavesAccess) => {
            Access { mode: io_failure::permissions(stat), owner: owner_to_keep(stat) }
        }
        _ => Access { mode: replacement.mode.bits(), owner },
    };
    let staged = fresh_name(STAGED)?;
    let file = folder.create_file(&staged, replacement.bytes, access)?;
    let before = if found.is_some() { Before::Present } else { Before::Absent };
    let replaced = make_durable(&file, &path).and_then(|()| put_in_place(&folder, &staged, &name, before));
    replaced.inspect_err(|_| {
        // The failure that stopped it is the one to tell.
        let _ = folder.remove(&staged);
    })?;
    let now = folder.look(&name)?;
    let forgotten = |leftover: &Stat| now.as_ref().is_some_and(|now| is_long_before(leftover, now));
    leftovers(&folder, &forgotten)?.iter().try_for_each(|leftover| folder.remove(leftover))
}

/// Finds out whether a file could be replaced, without writing anything: a command that changes
/// other things first should not learn it too late. The owner is that of what is made.
///
/// # Errors
/// As [`replace_file`], as far as it can be seen; a folder in which this user cannot write.
pub(crate) fn refuse_irreplaceable(
    path: &Path,
    owner: Option<Owner>,
    parents: Parents,
) -> Result<(), Failure> {
    match (locate(path, owner, &|parent, allowed| open_trusted(parent, allowed))?, parents) {
        (Some((folder, name)), _) => {
            if let Some(stat) = folder.look(&name)? {
                let ours = leftovers(&folder, &|leftover| is_same_file(leftover, &stat))?;
                refuse_what_cannot_be_replaced(&folder.path().join(&name), &stat, ours.len())?;
            }
            refuse_unwritable(folder.path())
        }
        (None, Parents::MustExist) => Err(no_folder(path)),
        (None, Parents::Create) => refuse_unwritable(parent_of(path)),
    }
}

/// How the folder of a file is opened; `None` where it is not there.
type Open<'a> = dyn Fn(&Path, &[u32]) -> Result<Option<Directory>, Failure> + 'a;

/// The folder in which the file lies, and its name there, links to it followed; `None` where the
/// folder is not there.
fn locate(
    path: &Path,
    owner: Option<Owner>,
    open: &Open<'_>,
) -> Result<Option<(Directory, OsString)>, Failure> {
    let given = path;
    let mut path: PathBuf = given.to_owned();
    let allowed: Vec<u32> = owner.iter().map(|owner| owner.user).collect();
    for _ in 0..MOST_LINKS {
        let Some(name) = path.file_name() else {
            return Err(Failure::new("writing", path.display()).expected("a file").found("a folder"));
        };
        let Some(folder) = open(parent_of(&path), &allowed)? else { return Ok(None) };
        let link = folder.look(name)?.filter(|stat| io_failure::file_type(stat) == FileType::Symlink);
        let Some(link) = link else { return Ok(Some((folder, name.to_owned()))) };
        if !is_root_or_us(link.st_uid) {
            return Err(Failure::new("following", folder.path().join(name).display())
                .expected("a file, or a link that root or this user made")
                .found(message!("a symbolic link of user {}", link.st_uid)));
        }
        let target = folder.path().join(folder.link_target(name)?.unwrap_or_default());
        path = target;
        if !has_end(&path)? {
            return Err(Failure::new("following", given.display())
                .expected("a file")
                .found(message!("a symbolic link to {}, which is not there", path.display())));
        }
    }
    Err(io_failure::failure("following", given, Errno::LOOP))
}

fn no_folder(path: &Path) -> Failure {
    io_failure::failure("opening the folder", parent_of(path), Errno::NOENT)
}

/// Whether there is something at the end of a link; that it cannot be seen is a failure.
fn has_end(path: &Path) -> Result<bool, Failure> {
    match rustix::fs::lstat(path) {
        Ok(_) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(error) => Err(io_failure::failure("following", path, error)),
    }
}

/// `ours` of the names of the file are [`leftovers`].
fn refuse_what_cannot_be_replaced(path: &Path, stat: &Stat, ours: usize) -> Result<(), Failure> {
    let refused = |expected: &'static str, found: &'static str| {
        Failure::new("writing", path.display()).expected(expected).found(found)
    };
    match io_failure::file_type(stat) {
        FileType::RegularFile => {}
        other => return Err(refused("a file", io_failure::kind(other))),
    }
    // The width of the number differs between systems.
    if usize::try_from(stat.st_nlink).is_ok_and(|names| names > 1 + ours) {
        return Err(refused(
            "a file with one name",
            "one with a second name, which would keep the old content",
        ));
    }
    if is_mounted(path) {
        return Err(refused(
            "a file that can be replaced",
            "one that is mounted here by itself, as containers do",
        ));
    }
    if io_failure::permissions(stat) & OWNER_WRITES == 0 {
        return Err(refused("a file that may be written", "one that is marked read-only")
            .hint(message!("chmod u+w {}", Quoted(path))));
    }
    Ok(())
}

/// Whether something is mounted at that place: no rename replaces it.
#[cfg(target_os = "linux")]
fn is_mounted(path: &Path) -> bool {
    use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};

    let seen = statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::empty());
    // A kernel before 5.8 does not tell: there the rename fails.
    seen.is_ok_and(|seen| {
        let told =
            StatxAttributes::from_bits_retain(seen.stx_attributes.bits() & seen.stx_attributes_mask.bits());
        told.contains(StatxAttributes::MOUNT_ROOT)
    })
}

/// Only Linux mounts single files.
#[cfg(not(target_os = "linux"))]
fn is_mounted(_: &Path) -> bool {
    false
}

fn put_in_place(folder: &Directory, staged: &str, name: &OsString, before: Before) -> Result<(), Failure> {
    match before {
        Before::Present => folder.rename(staged, folder, name)?,
        Before::Absent => {
            folder.name_anew(staged, name)?;
            folder.remove(staged)?;
        }
    }
    folder.sync()
}

/// Files that a replacement left in a folder which was killed before its last step, as far as
/// `is_meant` says.
fn leftovers(folder: &Directory, is_meant: &dyn Fn(&Stat) -> bool) -> Result<Vec<String>, Failure> {
    let entries = folder.entries()?.into_iter();
    let staged = entries.filter(|(name, kind)| is_staged(name) && *kind == FileType::RegularFile);
    let mut found = Vec::new();
    for (name, _) in staged {
        if folder.look(&name)?.is_some_and(|stat| is_meant(&stat)) {
            found.push(name);
        }
    }
    Ok(found)
}

/// Whether it is a name of [`fresh_name`].
fn is_staged(name: &str) -> bool {
    let digits = name.strip_prefix(STAGED).unwrap_or_default();
    digits.len() == 16 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_same_file(one: &Stat, other: &Stat) -> bool {
    (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
}

/// A younger one may be that of a command that runs at this moment.
fn is_long_before(leftover: &Stat, now: &Stat) -> bool {
    now.st_mtime.saturating_sub(leftover.st_mtime) > SECONDS_OF_A_COMMAND
}

/// Whether there was a file: a new one must not go over what somebody made meanwhile.
enum Before {
    Present,
    Absent,
}

/// The owner that the new file has to be given to be like the old.
fn owner_to_keep(stat: &Stat) -> Option<Owner> {
    let is_ours = stat.st_uid == geteuid().as_raw() && stat.st_gid == getegid().as_raw();
    (!is_ours).then_some(Owner { user: stat.st_uid, group: stat.st_gid })
}

fn changed(path: &Path) -> Failure {
    Failure::new("writing", path.display())
        .expected("what was read a moment ago")
        .found("something else: it was changed meanwhile")
        .exit(ExitCode::Busy)
}

const OWNER_WRITES: u32 = 0o200;
const NEW_FOLDER: u32 = 0o755;
const MOST_LINKS: usize = 40;
const STAGED: &str = ".kitcert-";
/// Far longer than a command takes from the first byte of a file to its last name.
const SECONDS_OF_A_COMMAND: i64 = 600;
/// Far more than a person writes into a config.
const LARGEST: usize = 16 << 20;
