//! One writer at a time.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use ring::rand::{SecureRandom, SystemRandom};
use rustix::fs::{Mode, OFlags};

use super::change::{self, StagedChange};
use super::directory::Directory;
use super::state::{change_names, is_published, is_staged};
use super::trouble::trouble;
use crate::model::{ExitCode, Failure};

/// The lock of a state, held until it is dropped. It is the kernel's (`flock`), so that it cannot
/// outlive its holder: a stale lock does not exist, and nobody needs to delete the file.
pub struct StateLock {
    folder: Directory,
    // Held for its lock, which the kernel takes back when it is closed.
    _file: File,
}

impl StateLock {
    pub(super) fn take(folder: Directory, patience: Duration) -> Result<StateLock, Failure> {
        let path = folder.path().join(LOCK);
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(folder.handle(), LOCK, flags, Mode::RUSR | Mode::WUSR)
            .map_err(|errno| trouble("opening the lock", &path, errno))?;
        let mut file = File::from(file);
        wait(&mut file, &path, patience)?;
        // Who holds it is for the message of whoever waits; nothing depends on it.
        let holder = format!("{} {}\n", std::process::id(), command_line());
        let _ = file
            .set_len(0)
            .and_then(|()| file.seek(SeekFrom::Start(0)))
            .and_then(|_| file.write_all(holder.as_bytes()));
        let lock = StateLock { folder, _file: file };
        lock.tidy()?;
        Ok(lock)
    }

    /// Begins a change.
    ///
    /// # Errors
    /// A disk that does not take it.
    pub fn stage(&self) -> Result<StagedChange<'_>, Failure> {
        let mut nonce = [0; 8];
        SystemRandom::new()
            .fill(&mut nonce)
            .map_err(|_| Failure::new("naming", "a change").found("no random numbers"))?;
        let (staged, published) = change_names(u64::from_ne_bytes(nonce));
        StagedChange::begin(&self.folder, staged, published)
    }

    /// Finishes what was published, in the order of nothing: no two changes are ever open at
    /// once, since whoever publishes holds the lock. Removes what was not.
    fn tidy(&self) -> Result<(), Failure> {
        for name in self.folder.names()? {
            if is_published(&name) {
                change::finish(&self.folder, Path::new(&name))?;
            } else if is_staged(&name) {
                self.folder.remove_folder(Path::new(&name))?;
            }
        }
        Ok(())
    }
}

/// The kernel tells nobody when a lock with a time limit becomes free, so it is asked again.
fn wait(file: &mut File, path: &Path, patience: Duration) -> Result<(), Failure> {
    let begun = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if begun.elapsed() < patience => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(TryLockError::WouldBlock) => return Err(busy(file, path)),
            Err(TryLockError::Error(error)) => {
                return Err(Failure::new("locking", path.display()).found(error));
            }
        }
    }
}

fn busy(file: &mut File, path: &Path) -> Failure {
    let mut holder = String::new();
    let _ = file.take(200).read_to_string(&mut holder);
    let holder = match holder.trim() {
        "" => "another command".to_owned(),
        holder => format!("process {holder}"),
    };
    Failure::new("locking", path.display())
        .expected("no other command at work")
        .found(holder)
        .hint("the same command again, when that has ended")
        .exit(ExitCode::Busy)
}

/// This process's command, as `ps` shows it; it never holds a secret.
fn command_line() -> String {
    std::env::args_os().take(3).map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

const LOCK: &str = ".lock";
