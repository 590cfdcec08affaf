//! Reading files, never more of them than is sensible.

use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use zeroize::Zeroizing;

use super::trouble::trouble;
use crate::model::Failure;

/// A file as it was read.
pub struct ReadFile {
    /// What is in it; overwritten when dropped, since it may be a key.
    pub bytes: Zeroizing<Vec<u8>>,
    /// Its permission bits, such as `0o600`.
    pub mode: u32,
    /// The user that it belongs to.
    pub owner: u32,
    /// The group that it belongs to.
    pub group: u32,
}

/// Reads a file of at most `largest` bytes. Links are followed, as the daemons follow them.
///
/// # Errors
/// Nothing there, no permission, a directory or another thing that is no file, or more bytes.
pub fn read(path: &Path, largest: usize) -> Result<ReadFile, Failure> {
    read_if_present(path, largest)?.ok_or_else(|| trouble("reading", path, Errno::NOENT))
}

/// As [`read`]; None where nothing is there, and for no other reason: what cannot be read is not
/// absent.
///
/// # Errors
/// As [`read`], but for nothing there.
pub fn read_if_present(path: &Path, largest: usize) -> Result<Option<ReadFile>, Failure> {
    // Without O_NONBLOCK, opening a FIFO would wait for a writer for ever.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => read_open(file, path, largest).map(Some),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(trouble("reading", path, errno)),
    }
}

/// Reads standard input to its end, at most `largest` bytes.
///
/// # Errors
/// It cannot be read, or holds more.
pub fn read_standard_input(largest: usize) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let mut bytes = Zeroizing::new(Vec::new());
    let limit = largest as u64 + 1;
    let read = std::io::stdin().lock().take(limit).read_to_end(&mut bytes);
    read.map_err(|error| Failure::new("reading", "standard input").found(error))?;
    if bytes.len() > largest {
        return Err(Failure::new("reading", "standard input")
            .expected(format!("at most {largest} bytes"))
            .found("more"));
    }
    Ok(bytes)
}

/// Whether something is at a path, links followed; also where it cannot be looked into.
#[must_use]
pub fn exists(path: &Path) -> bool {
    !matches!(rustix::fs::stat(path), Err(Errno::NOENT | Errno::NOTDIR))
}

pub(super) fn read_open(file: OwnedFd, path: &Path, largest: usize) -> Result<ReadFile, Failure> {
    let status = rustix::fs::fstat(&file).map_err(|errno| trouble("reading", path, errno))?;
    match FileType::from_raw_mode(status.st_mode) {
        FileType::RegularFile => {}
        FileType::Directory => return Err(trouble("reading", path, Errno::ISDIR)),
        _ => {
            return Err(Failure::new("reading", path.display())
                .expected("a file")
                .found("something that is none"));
        }
    }
    let too_large = || {
        Err(Failure::new("reading", path.display())
            .expected(format!("at most {largest} bytes"))
            .found(format!("{} bytes", status.st_size)))
    };
    if usize::try_from(status.st_size).is_ok_and(|size| size > largest) {
        return too_large();
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(status.st_size).unwrap_or(0) + 1));
    let limit = largest as u64 + 1;
    let read = std::fs::File::from(file).take(limit).read_to_end(&mut bytes);
    read.map_err(|error| Failure::new("reading", path.display()).found(error))?;
    if bytes.len() > largest {
        return too_large();
    }
    Ok(ReadFile { bytes, mode: status.st_mode & 0o7777, owner: status.st_uid, group: status.st_gid })
}
