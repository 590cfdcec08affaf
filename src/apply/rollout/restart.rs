//! A daemon's restart command: the only process that is ever started.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Pid;

use crate::apply::printable::Ended;
use crate::layout::{CommandLine, DaemonEntry};
use crate::message;
use crate::model::{Failure, Generation, IdentityName, Remark, SubjectAltName};
use crate::store::{ProcessMark, UnnamedFile};

/// What a restart command is told of, in its environment: no secret.
pub(in crate::apply) struct RestartCommand<'a> {
    /// The state directory.
    pub state: &'a Path,
    /// The daemon.
    pub name: &'a IdentityName,
    /// What kitcert.yaml says of it.
    pub entry: &'a DaemonEntry,
    /// The generation that it is to serve.
    pub generation: Generation,
    /// The folder with its ca.pem, cert.pem and key.pem.
    pub lineage: &'a Path,
}

impl RestartCommand<'_> {
    /// The variables: ours, and the two that deploy hooks of certbot read.
    fn variables(&self) -> [(&'static str, String); 6] {
        let hosts: Vec<String> = self.entry.hosts.iter().map(SubjectAltName::to_string).collect();
        [
            ("KITCERT_STATE", self.state.display().to_string()),
            ("KITCERT_DAEMON", self.name.to_string()),
            ("KITCERT_ENDPOINT", self.entry.endpoint.to_string()),
            ("KITCERT_GENERATION", self.generation.to_string()),
            ("RENEWED_LINEAGE", self.lineage.display().to_string()),
            ("RENEWED_DOMAINS", hosts.join(" ")),
        ]
    }

    /// Runs the command to its end, without a shell, for as long as it may take.
    ///
    /// What it leaves running when it succeeds, such as the daemon itself, lives on, and may write to its
    /// standard error for ever: that is a file, not a pipe that ends with this process.
    ///
    /// # Errors
    /// No such program, one that ends with anything but 0 (its last words are told), and one that
    /// takes too long: it is killed, with what it started.
    pub(in crate::apply) fn restart(&self) -> Result<(), Failure> {
        let command = CommandLine(&self.entry.restart);
        let failure = || {
            Failure::new(message!("restarting daemon {} with", self.name), command).expected("exit code 0")
        };
        let Some((program, arguments)) = self.entry.restart.split_first() else { return Ok(()) };
        let (mark, words) = (ProcessMark::create()?, UnnamedFile::make()?);
        let mut child = Command::new(program)
            .args(arguments)
            // Not where somebody typed the command: cron would run another one.
            .current_dir(self.state)
            .envs(self.variables())
            .envs([mark.variable()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(words.for_process().map_err(|error| failure().found(error))?)
            .process_group(0)
            .spawn()
            .map_err(|error| failure().found(error))?;
        let timeout = Duration::from_secs(self.entry.restart_timeout.seconds().unsigned_abs());
        let Some(status) = wait(&mut child, timeout, &mark).map_err(|error| failure().found(error))? else {
            return Err(failure().found(message!("nothing after {}", self.entry.restart_timeout)));
        };
        if status.success() {
            return Ok(());
        }
        let words = last_line(&words.tail(LONGEST_WORDS).unwrap_or_default());
        let said = if words.is_empty() { message!("") } else { message!(", saying: {}", Remark(&words)) };
        Err(failure().found(message!("{}{}", Ended(status), said)))
    }
}

/// Waits for a process to end; None, and it is killed with all that it started, where it takes longer.
fn wait(child: &mut Child, timeout: Duration, mark: &ProcessMark) -> std::io::Result<Option<ExitStatus>> {
    let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        let left = timeout.saturating_sub(began.elapsed());
        if left.is_zero() {
            id.into_iter().for_each(|id| mark.kill(id));
            child.wait()?;
            return Ok(None);
        }
        pause(id, left);
    }
}

/// Waits until that process ends or the time is over.
#[cfg(target_os = "linux")]
fn pause(id: Option<Pid>, left: Duration) {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::process::{PidfdFlags, pidfd_open};

    let handle = id.and_then(|id| pidfd_open(id, PidfdFlags::empty()).ok());
    let until = Timespec::try_from(left).ok();
    match (handle, until) {
        (Some(handle), Some(until)) => {
            // A signal to this process is no end of that one: the caller looks.
            let _ = poll(&mut [PollFd::new(&handle, PollFlags::IN)], Some(&until));
        }
        // A kernel before 5.3.
        _ => std::thread::sleep(POLL.min(left)),
    }
}

/// The standard library has no wait with a time limit.
#[cfg(not(target_os = "linux"))]
fn pause(_: Option<Pid>, left: Duration) {
    std::thread::sleep(POLL.min(left));
}

/// The last line that is not blank, as it may be printed.
fn last_line(said: &[u8]) -> String {
    let text = String::from_utf8_lossy(said);
    let last = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    last.trim().chars().filter(|character| !character.is_control()).collect()
}

const POLL: Duration = Duration::from_millis(10);
const LONGEST_WORDS: u16 = 2_000;
