//! Replacing a file that belongs to a person.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Stat};
use rustix::io::Errno;
use rustix::process::{getegid, geteuid};

use super::account::Owner;
use super::change::FileMode;
use super::directory::{Access, Directory, fresh_name, make_durable};
use super::fault;
use super::trust::{NewFolders, create_trusted, is_root_or_us, open_trusted};
use crate::model::{ExitCode, Failure};

/// What a person's file, such as a client's `config.yml`, is to become.
pub struct Replacement<'a> {
    /// The file. Where it is a link, the file that it leads to is replaced and the link stays.
    pub path: &'a Path,
    /// What it held when the new content was made from it; `None` where it was not there.
    pub expected: Option<&'a [u8]>,
    /// What it is to hold.
    pub bytes: &'a [u8],
    /// The mode of a file that was not there; otherwise its mode and owner are kept.
    pub mode_if_absent: FileMode,
    /// The owner of a file and folders that were not there; otherwise this process's user.
    pub owner_if_absent: Option<Owner>,
    /// What is done where the folder is not there.
    pub parents: Parents,
}

/// What is done about folders that are not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parents {
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
pub fn replace_file(replacement: &Replacement<'_>) -> Result<(), Failure> {
    let (folder, name) = locate(replacement)?;
    let path = folder.path().join(&name);
    let stat = folder.look(&name)?;
    if let Some(stat) = &stat {
        refuse_what_cannot_be_replaced(&path, stat)?;
    }
    let found = folder.read(&name, LARGEST)?.map(|file| file.bytes);
    let found = found.as_ref().map(|bytes| bytes.as_slice());
    if found == Some(replacement.bytes) {
        return Ok(());
    }
    if found != replacement.expected {
        return Err(changed(&path));
    }
    let access = match &stat {
        Some(stat) => Access { mode: fault::permissions(stat), owner: owner_to_keep(stat) },
        None => Access { mode: replacement.mode_if_absent.bits(), owner: replacement.owner_if_absent },
    };
    let staged = fresh_name(".kitcert-")?;
    let file = folder.create_file(&staged, replacement.bytes, access)?;
    let before = if found.is_some() { Before::Present } else { Before::Absent };
    let replaced = make_durable(&file, &path).and_then(|()| put_in_place(&folder, &staged, &name, before));
    replaced.inspect_err(|_| {
        // The failure that stopped it is the one to tell.
        let _ = folder.remove(&staged);
    })
}

/// The folder in which the file lies, and its name there, links to it followed.
fn locate(replacement: &Replacement<'_>) -> Result<(Directory, OsString), Failure> {
    let mut path: PathBuf = replacement.path.to_owned();
    let allowed: Vec<u32> = replacement.owner_if_absent.iter().map(|owner| owner.user).collect();
    for _ in 0..MOST_LINKS {
        let Some(name) = path.file_name() else {
            return Err(Failure::new("writing", path.display()).expected("a file").found("a folder"));
        };
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let folder = match replacement.parents {
            Parents::MustExist => open_trusted(parent, &allowed)?
                .ok_or_else(|| fault::failure("opening the folder", parent, Errno::NOENT))?,
            Parents::Create => {
                let new = NewFolders { last: NEW_FOLDER, owner: replacement.owner_if_absent };
                create_trusted(parent, &allowed, new)?
            }
        };
        let link = folder.look(name)?.filter(|stat| fault::file_type(stat) == FileType::Symlink);
        let Some(link) = link else { return Ok((folder, name.to_owned())) };
        if !is_root_or_us(link.st_uid) {
            return Err(Failure::new("following", folder.path().join(name).display())
                .expected("a file, or a link that root or this user made")
                .found(format!("a symbolic link of user {}", link.st_uid)));
        }
        let target = folder.path().join(folder.link_target(name)?.unwrap_or_default());
        path = target;
        if !has_end(&path)? {
            return Err(Failure::new("following", replacement.path.display())
                .expected("a file")
                .found(format!("a symbolic link to {}, which is not there", path.display())));
        }
    }
    Err(fault::failure("following", replacement.path, Errno::LOOP))
}

/// Whether there is something at the end of a link; that it cannot be seen is a failure.
fn has_end(path: &Path) -> Result<bool, Failure> {
    match rustix::fs::lstat(path) {
        Ok(_) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(error) => Err(fault::failure("following", path, error)),
    }
}

fn refuse_what_cannot_be_replaced(path: &Path, stat: &Stat) -> Result<(), Failure> {
    let refused =
        |expected: &str, found: &str| Failure::new("writing", path.display()).expected(expected).found(found);
    match fault::file_type(stat) {
        FileType::RegularFile => {}
        other => return Err(refused("a file", fault::kind(other))),
    }
    if stat.st_nlink > 1 {
        return Err(refused(
            "a file with one name",
            "one with a second name, which would keep the old content",
        ));
    }
    if fault::permissions(stat) & OWNER_WRITES == 0 {
        return Err(refused("a file that may be written", "one that is marked read-only")
            .hint(format!("chmod u+w {}", path.display())));
    }
    Ok(())
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
/// Far more than a person writes into a config.
const LARGEST: usize = 16 << 20;
