//! Reading, never more than was asked for and never waiting for a pipe.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Dir, FileType, Mode, OFlags, Stat, fstat, openat};
use rustix::io::Errno;
use zeroize::Zeroizing;

use super::io_failure;
use crate::message;
use crate::model::{Failure, Quoted};

/// A file as it was read. It may hold a key, so it is wiped when dropped and cannot be printed.
pub struct ReadFile {
    /// What it holds.
    pub bytes: Zeroizing<Vec<u8>>,
    /// Its permission bits.
    pub mode: u32,
    /// The user id of its owner.
    pub owner: u32,
    /// The id of its group.
    pub group: u32,
}

/// Reads a file that somebody named, following links as any reader does.
///
/// # Errors
/// Nothing there; no permission; a folder, a pipe or a device (opened without waiting for a
/// writer); more than `largest` bytes.
pub(crate) fn read(path: &Path, largest: usize) -> Result<ReadFile, Failure> {
    let hint = || message!("ls -l {}", Quoted(io_failure::parent_of(path)));
    let absent = || io_failure::failure("reading", path, Errno::NOENT).hint(hint());
    read_if_present(path, largest)?.ok_or_else(absent)
}

/// The same, with `None` where nothing is there, and only there: no permission to look is a
/// failure.
///
/// # Errors
/// Those of [`read`] but absence.
pub(crate) fn read_if_present(path: &Path, largest: usize) -> Result<Option<ReadFile>, Failure> {
    read_at(CWD, path, path, Links::Followed, largest)
}

/// Whether something is at a path, links followed; also where it cannot be looked into, since what
/// cannot be read is not absent.
#[must_use]
pub(crate) fn exists(path: &Path) -> bool {
    !matches!(rustix::fs::stat(path), Err(Errno::NOENT | Errno::NOTDIR))
}

/// Whether a program is at a path, links followed. What this user cannot look into is no program for him.
#[must_use]
pub(crate) fn is_program(path: &Path) -> bool {
    let is_executable = |stat: &rustix::fs::Stat| stat.st_mode & 0o111 != 0;
    rustix::fs::stat(path)
        .is_ok_and(|stat| io_failure::file_type(&stat) == FileType::RegularFile && is_executable(&stat))
}

/// Whether a file is in a folder, or below, wherever links lead.
#[must_use]
pub(crate) fn lies_in(file: &Path, folder: &Path) -> bool {
    let (file, folder) = (std::fs::canonicalize(file), std::fs::canonicalize(folder));
    file.is_ok_and(|file| folder.is_ok_and(|folder| file.starts_with(folder)))
}

/// The files in a folder, by name, links that lead to files included and hidden ones left out; None
/// where the path is no folder.
///
/// # Errors
/// More than `most` of them, or a folder that cannot be read.
pub(crate) fn files_in(path: &Path, most: usize) -> Result<Option<Vec<PathBuf>>, Failure> {
    let has_type =
        |path: &Path, wanted| rustix::fs::stat(path).is_ok_and(|stat| io_failure::file_type(&stat) == wanted);
    if !has_type(path, FileType::Directory) {
        return Ok(None);
    }
    visible(path, (most, "files"), |file| has_type(file, FileType::RegularFile)).map(Some)
}

/// The folders in a folder, by name, those that a link leads to left out, hidden ones too.
///
/// # Errors
/// More than `most` of them, or a folder that cannot be read.
pub(crate) fn folders_in(path: &Path, most: usize) -> Result<Vec<PathBuf>, Failure> {
    visible(path, (most, "folders"), |folder| {
        rustix::fs::lstat(folder).is_ok_and(|stat| io_failure::file_type(&stat) == FileType::Directory)
    })
}

/// What else is in a folder than those files and the folders that they are in, by name: what is hidden, other folders,
/// pipes, links that lead nowhere. Nothing of a folder that cannot be read, or is none.
#[must_use]
pub(crate) fn others_in(path: &Path, files: &[PathBuf]) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut others: Vec<_> = entries.filter(|one| !files.iter().any(|file| file.starts_with(one))).collect();
    others.sort();
    others
}

/// What is in a folder and wanted, by name, but for what is hidden; a failure where there is more than `most`.
fn visible(
    path: &Path,
    (most, what): (usize, &'static str),
    is_wanted: impl Fn(&Path) -> bool,
) -> Result<Vec<PathBuf>, Failure> {
    let failure = |errno| io_failure::failure("reading", path, errno);
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let handle = openat(CWD, path, flags, Mode::empty()).map_err(failure)?;
    let mut found = Vec::new();
    for entry in Dir::read_from(&handle).map_err(failure)? {
        let name = entry.map_err(failure)?.file_name().to_bytes().to_vec();
        let one = path.join(OsString::from_vec(name.clone()));
        if !name.starts_with(b".") && is_wanted(&one) {
            found.push(one);
        }
        if found.len() > most {
            return Err(Failure::new("reading", path.display())
                .expected(message!("a folder with at most {} {}", most, what))
                .found("more")
                .hint(message!("{kitcert} inspect {}/*", Quoted(path))));
        }
    }
    found.sort();
    Ok(found)
}

/// The user that this process runs as.
#[must_use]
pub(crate) fn this_user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Reads standard input to its end.
///
/// # Errors
/// More than `largest` bytes, or none that can be read.
pub(crate) fn read_standard_input(largest: usize) -> Result<Zeroizing<Vec<u8>>, Failure> {
    // Without std's buffer, which would keep a copy; as large as it may be, since what grows leaves
    // its beginnings behind.
    read_to_end(Unbuffered, Path::new("standard input"), largest, largest)
}

/// Standard input as the system gives it.
struct Unbuffered;

impl std::io::Read for Unbuffered {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        Ok(rustix::io::read(rustix::stdio::stdin(), buffer)?)
    }
}

/// Whether the last component of a path may be a symbolic link.
#[derive(Clone, Copy)]
pub(in crate::store) enum Links {
    Followed,
    Refused,
}

/// Reads `name` in the folder of that handle; `path` is what messages call it.
pub(in crate::store) fn read_at(
    folder: impl AsFd,
    name: &Path,
    path: &Path,
    links: Links,
    largest: usize,
) -> Result<Option<ReadFile>, Failure> {
    let Some((file, stat)) = open_at(folder, name, path, links)? else { return Ok(None) };
    let size = usize::try_from(stat.st_size).unwrap_or(usize::MAX);
    Ok(Some(ReadFile {
        bytes: read_to_end(file, path, size, largest)?,
        mode: io_failure::permissions(&stat),
        owner: stat.st_uid,
        group: stat.st_gid,
    }))
}

/// The end of a file without secrets.
pub(in crate::store) struct Tail {
    /// What it ends with.
    pub(in crate::store) bytes: Vec<u8>,
    /// Whether that is all that it holds.
    pub(in crate::store) is_whole: bool,
}

/// Reads the last `most` bytes of `name` in the folder of that handle, however large it is.
pub(in crate::store) fn read_tail_at(
    folder: impl AsFd,
    name: &Path,
    path: &Path,
    most: u64,
) -> Result<Option<Tail>, Failure> {
    let Some((mut file, stat)) = open_at(folder, name, path, Links::Refused)? else { return Ok(None) };
    let begin = u64::try_from(stat.st_size).unwrap_or(0).saturating_sub(most);
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(begin))
        .and_then(|_| file.take(most).read_to_end(&mut bytes))
        .map_err(|error| io_failure::failure_of_io("reading", path, &error))?;
    Ok(Some(Tail { bytes, is_whole: begin == 0 }))
}

fn open_at(
    folder: impl AsFd,
    name: &Path,
    path: &Path,
    links: Links,
) -> Result<Option<(File, Stat)>, Failure> {
    // Without NONBLOCK the open of a named pipe waits until somebody writes to it.
    let mut flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    if let Links::Refused = links {
        flags |= OFlags::NOFOLLOW;
    }
    let file = match openat(folder, name, flags, Mode::empty()) {
        Ok(handle) => File::from(handle),
        Err(Errno::NOENT) => return Ok(None),
        Err(error) => return Err(io_failure::failure("reading", path, error)),
    };
    let stat = fstat(&file).map_err(|error| io_failure::failure("reading", path, error))?;
    match io_failure::file_type(&stat) {
        FileType::RegularFile => Ok(Some((file, stat))),
        found => {
            Err(Failure::new("reading", path.display()).expected("a file").found(io_failure::kind(found)))
        }
    }
}

fn read_to_end(
    source: impl std::io::Read,
    path: &Path,
    size: usize,
    largest: usize,
) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let too_large = || {
        Failure::new("reading", path.display()).expected(message!("at most {} bytes", largest)).found("more")
    };
    if size > largest {
        return Err(too_large());
    }
    // One byte more than the file has, so that the end is seen without growing: a vector that
    // grows leaves a copy of the key behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(size.saturating_add(1)));
    let limit = u64::try_from(largest).unwrap_or(u64::MAX).saturating_add(1);
    source
        .take(limit)
        .read_to_end(&mut bytes)
        .map_err(|error| io_failure::failure_of_io("reading", path, &error))?;
    if bytes.len() > largest { Err(too_large()) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{FileType, mknodat};

    #[test]
    fn a_file_is_read_with_its_mode_and_through_links() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a");
        std::fs::write(&file, "text").unwrap();
        std::os::unix::fs::symlink("a", folder.path().join("b")).unwrap();
        let read = read(&folder.path().join("b"), 4).ok().unwrap();
        assert_eq!((read.bytes.as_slice(), read.mode & 0o600), (b"text".as_slice(), 0o600));
    }

    #[test]
    fn only_nothing_is_absent_and_only_a_file_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        mknodat(CWD, path("pipe"), FileType::Fifo, Mode::RWXU, 0).unwrap();
        std::fs::write(path("file"), "text").unwrap();
        std::os::unix::fs::symlink("circle", path("circle")).unwrap();
        std::os::unix::fs::symlink("nowhere", path("dangling")).unwrap();
        assert!(read_if_present(&path("nothing"), 9).is_ok_and(|file| file.is_none()));
        assert!(read_if_present(&path("dangling"), 9).is_ok_and(|file| file.is_none()));
        for (name, words) in [
            ("nothing", "no such file"),
            ("pipe", "found a named pipe"),
            ("", "found a folder"),
            ("circle", "a circle"),
            ("file/below", "not a folder"),
        ] {
            let failure = read(&path(name), 9).err().unwrap().to_string();
            assert!(failure.contains(words), "{name}: {failure}");
        }
        let failure = read(&path("file"), 3).err().unwrap().to_string();
        assert!(failure.ends_with("expected at most 3 bytes, found more"), "{failure}");
    }

    #[test]
    fn a_file_that_claims_to_be_empty_is_still_capped() {
        // Files of /proc have no size, so that only counting what comes can stop it.
        if Path::new("/proc/self/maps").exists() {
            assert!(read(Path::new("/proc/self/maps"), 10).is_err());
        }
    }
}
