//! What the system's error numbers mean, in words.

use std::path::Path;

use rustix::io::Errno;

use crate::model::{ExitCode, Failure};

/// The failure of `doing` something to `path`, with the error number in words.
pub(super) fn trouble(doing: &str, path: &Path, errno: Errno) -> Failure {
    let failure = Failure::new(doing, path.display());
    let shown = path.display();
    match errno {
        Errno::NOENT => failure.expected("a path that exists").found("nothing"),
        Errno::ACCESS | Errno::PERM => failure
            .expected("permission")
            .found("none")
            .hint(format!("ls -ld {shown}   # then run as its owner, or with sudo")),
        Errno::ROFS => failure.expected("a file system that can be written").found("a read-only one"),
        Errno::NOSPC | Errno::DQUOT => {
            failure.expected("room on the disk").found("none").hint(format!("df -h {shown}"))
        }
        Errno::EXIST => {
            failure.expected("nothing there yet").found("something").hint(format!("ls -ld {shown}"))
        }
        Errno::LOOP => {
            failure.expected("a file or folder").found("a symbolic link").hint(format!("ls -ld {shown}"))
        }
        Errno::ISDIR => failure.expected("a file").found("a directory").hint(format!("ls -ld {shown}")),
        Errno::NOTDIR => {
            failure.expected("a directory").found("something else").hint(format!("ls -ld {shown}"))
        }
        Errno::MFILE | Errno::NFILE => {
            failure.expected("a free file descriptor").found("too many open files").exit(ExitCode::Busy)
        }
        errno => failure.found(std::io::Error::from(errno)),
    }
}
