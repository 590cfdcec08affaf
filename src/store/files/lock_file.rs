//! The right to change a folder, for one process at a time.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{FileType, Mode, OFlags, fstat, openat};

use super::directory::Directory;
use super::io_failure;
use crate::model::{ExitCode, Failure};

/// A lock that is held; given back when it is dropped, and by the system when the process ends.
pub(in crate::store) struct LockFile {
    file: File,
}

impl LockFile {
    /// Takes the lock of that name in a folder, waiting up to `wait` for another process to give it back.
    /// The file stays.
    ///
    /// # Errors
    /// [`ExitCode::Busy`] where another holds it for longer; something else than a lock file at its place.
    pub(in crate::store) fn take(
        folder: &Directory,
        name: &str,
        wait: Duration,
    ) -> Result<LockFile, Failure> {
        let path = folder.path().join(name);
        let failure = |error| folder.failure("locking", Path::new(name), error);
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let handle = openat(folder.handle(), name, flags, Mode::RUSR | Mode::WUSR).map_err(failure)?;
        let stat = fstat(&handle).map_err(failure)?;
        if io_failure::file_type(&stat) != FileType::RegularFile || stat.st_nlink != 1 {
            return Err(Failure::new("locking", path.display())
                .expected("a lock file")
                .found("something else, or a file with a second name"));
        }
        let file = File::from(handle);
        let began = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(LockFile { file }),
                Err(TryLockError::WouldBlock) if began.elapsed() < wait => {
                    // The system has no lock with a time limit and none that could be awaited beside a
                    // clock, so that asking again is all there is.
                    std::thread::sleep(POLL.min(wait.saturating_sub(began.elapsed())));
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(Failure::new("locking", folder.path().display())
                        .expected("no other process that puts files there")
                        .found("one at work on it")
                        .exit(ExitCode::Busy));
                }
                Err(TryLockError::Error(error)) => {
                    return Err(io_failure::failure_of_io("locking", &path, &error));
                }
            }
        }
    }
}

impl Drop for LockFile {
    fn drop(&mut self) {
        // Closing is not enough: a child that another thread is just starting holds the same open file until
        // it runs its program. Should unlocking fail, closing still does it by and by.
        let _ = self.file.unlock();
    }
}

const POLL: Duration = Duration::from_millis(10);
