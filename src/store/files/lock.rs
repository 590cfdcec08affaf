//! A lock file: one process at a time, and everybody else is told which.

use std::fs::{File, TryLockError};
use std::os::unix::fs::FileExt as _;
use std::time::{Duration, Instant};

use rustix::fs::{FileType, Mode, OFlags, fstat, openat};

use super::directory::Directory;
use super::io_failure;
use crate::message;
use crate::model::{ExitCode, Failure, Line, Message, Word};

/// The lock file `.lock` of a folder, held; given back when it is dropped, or when the process ends.
pub(in crate::store) struct FileLock {
    file: File,
}

impl FileLock {
    /// Takes the lock of `folder`, which is that of `what`, on behalf of `command`, waiting up to `wait` for
    /// another process to give it back.
    ///
    /// # Errors
    /// [`ExitCode::Busy`] with the process and the command that hold it; a lock file that is none, or that
    /// cannot be written.
    pub(in crate::store) fn take(
        folder: &Directory,
        (what, command): (Message, &str),
        wait: Duration,
    ) -> Result<FileLock, Failure> {
        let path = folder.path().join(NAME);
        let file = open(folder)?;
        let began = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if began.elapsed() < wait => {
                    // The system has no lock with a time limit and none that could be awaited
                    // beside a clock, so that asking again is all there is.
                    std::thread::sleep(POLL.min(wait.saturating_sub(began.elapsed())));
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(Failure::new("locking", what).found(holder(&file)).exit(ExitCode::Busy));
                }
                Err(TryLockError::Error(error)) => {
                    return Err(io_failure::failure_of_io("locking", &path, &error));
                }
            }
        }
        let lock = FileLock { file };
        let holder = format!("{} {command}\n", std::process::id());
        let written = lock.file.set_len(0).and_then(|()| lock.file.write_all_at(holder.as_bytes(), 0));
        written.map_err(|error| io_failure::failure_of_io("writing", &path, &error))?;
        Ok(lock)
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        // Closing is not enough: a child that another thread is just starting holds the same open
        // file until it runs its program. Should unlocking fail, closing still does it by and by.
        let _ = self.file.unlock();
    }
}

fn open(folder: &Directory) -> Result<File, Failure> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let failure = |error| folder.failure("locking", NAME.as_ref(), error);
    let handle = openat(folder.handle(), NAME, flags, Mode::RUSR | Mode::WUSR).map_err(failure)?;
    let stat = fstat(&handle).map_err(failure)?;
    let found = match io_failure::file_type(&stat) {
        FileType::RegularFile if stat.st_nlink == 1 => return Ok(File::from(handle)),
        FileType::RegularFile => "a file with a second name, which locking would overwrite",
        other => io_failure::kind(other),
    };
    Err(Failure::new("locking", folder.path().join(NAME).display()).expected("a lock file").found(found))
}

/// Who has it, as that process has noted.
fn holder(file: &File) -> Message {
    let mut holder = [0; 256];
    let length = file.read_at(&mut holder, 0).unwrap_or(0);
    let text = String::from_utf8_lossy(holder.get(..length).unwrap_or_default()).into_owned();
    match text.trim_end().split_once(' ') {
        Some((process, command)) => {
            message!("locked by another kitcert process (pid {}): {}", Word(process), Line(command))
        }
        None => message!("locked by another kitcert process"),
    }
}

const NAME: &str = ".lock";
const POLL: Duration = Duration::from_millis(10);
