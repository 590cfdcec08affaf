//! What the system's errors mean, in words.

use std::io;
use std::path::Path;

use rustix::fs::{FileType, Stat};
use rustix::io::Errno;

use crate::model::Failure;

/// A failure of `doing` something to `path`, with what the system's error means.
pub(in crate::store) fn failure(doing: &'static str, path: &Path, error: Errno) -> Failure {
    let found = match error {
        Errno::NOSPC => "the disk is full",
        Errno::DQUOT => "the disk quota is used up",
        Errno::ROFS => "the file system is read-only",
        Errno::ACCESS | Errno::PERM => "permission denied",
        Errno::NOENT => "no such file or folder",
        Errno::EXIST => "it exists already",
        Errno::NOTEMPTY => "the folder is not empty",
        Errno::NOTDIR => "a part of the path is not a folder",
        Errno::ISDIR => "it is a folder, not a file",
        Errno::LOOP => "it is a symbolic link, or a circle of them",
        Errno::XDEV => "a rename cannot cross file systems",
        Errno::MFILE | Errno::NFILE => "too many open files",
        Errno::NAMETOOLONG => "the path is too long for this file system",
        Errno::INTR => "a signal interrupted it",
        Errno::IO => "the device reports an input/output error",
        Errno::FBIG => "the file is larger than this user or file system may write",
        Errno::INVAL => "the file system does not accept this path or mode",
        Errno::BUSY => "it is mounted here, or in use by the system",
        Errno::NXIO => "it is a socket, or a pipe that nobody reads",
        _ => return Failure::new(doing, path.display()).found(error),
    };
    Failure::new(doing, path.display()).found(found)
}

/// The same for an error that came through the standard library.
pub(in crate::store) fn failure_of_io(doing: &'static str, path: &Path, error: &io::Error) -> Failure {
    match Errno::from_io_error(error) {
        Some(error) => failure(doing, path, error),
        None => Failure::new(doing, path.display()).found(error),
    }
}

/// The folder that a path is in, where somebody would look first.
pub(in crate::store) fn parent_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// What somebody would call the thing: "a folder", "a symbolic link".
pub(in crate::store) fn kind(kind: FileType) -> &'static str {
    match kind {
        FileType::RegularFile => "a file",
        FileType::Directory => "a folder",
        FileType::Symlink => "a symbolic link",
        FileType::Fifo => "a named pipe",
        FileType::Socket => "a socket",
        FileType::CharacterDevice | FileType::BlockDevice => "a device",
        FileType::Unknown => "something else",
    }
}

/// What kind of thing that is.
pub(in crate::store) fn file_type(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// The permission bits, set-user-id, set-group-id and sticky included.
// The width of a mode differs between Linux and macOS, so that the conversion is one only there.
#[allow(clippy::useless_conversion)]
pub(in crate::store) fn permissions(stat: &Stat) -> u32 {
    u32::from(rustix::fs::Mode::from_raw_mode(stat.st_mode).bits())
}

/// The mode with those permission bits.
// The width of a mode differs between Linux and macOS; sixteen bits hold all permissions.
pub(in crate::store) fn mode(bits: u32) -> rustix::fs::Mode {
    rustix::fs::Mode::from_bits_truncate((bits & 0o7777) as rustix::fs::RawMode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_and_a_read_only_one_are_told_in_words_with_the_path() {
        for (error, word) in [
            (Errno::NOSPC, "the disk is full"),
            (Errno::ROFS, "read-only"),
            (Errno::ACCESS, "denied"),
            (Errno::NOTDIR, "not a folder"),
            (Errno::LOOP, "symbolic link"),
            (Errno::XDEV, "cannot cross"),
            (Errno::INTR, "a signal interrupted"),
        ] {
            let line = failure("writing", Path::new("/x/key.pem"), error).to_string();
            assert!(line.starts_with("writing /x/key.pem: ") && line.contains(word), "{line}");
        }
    }
}
