//! A daemon's restart command: the only process that is ever started.

use std::io::Read;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use super::printable::Ended;
use crate::layout::{CommandLine, DaemonEntry};
use crate::message;
use crate::model::{Failure, Generation, IdentityName, Remark, SubjectAltName};

/// What a restart command is told of, in its environment: no secret.
pub(super) struct Occasion<'a> {
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

impl Occasion<'_> {
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
    /// # Errors
    /// No such program, one that ends with anything but 0 (its last words are told), and one that
    /// takes too long: it is killed, with what it started.
    pub(super) fn restart(&self) -> Result<(), Failure> {
        let command = CommandLine(&self.entry.restart);
        let failure = || {
            Failure::new(message!("restarting daemon {} with", self.name), command).expected("exit code 0")
        };
        let Some((program, arguments)) = self.entry.restart.split_first() else { return Ok(()) };
        let mut child = Command::new(program)
            .args(arguments)
            .envs(self.variables())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|error| failure().found(error))?;
        let words = child.stderr.take().map(last_words);
        let timeout = Duration::from_secs(self.entry.restart_timeout.seconds().unsigned_abs());
        let Some(status) = wait(&mut child, timeout).map_err(|error| failure().found(error))? else {
            return Err(failure().found(message!("nothing after {}", self.entry.restart_timeout)));
        };
        if status.success() {
            return Ok(());
        }
        // What it started may hold its standard error open for ever.
        let words = words.and_then(|words| words.recv_timeout(PARTING).ok()).unwrap_or_default();
        let said = if words.is_empty() { message!("") } else { message!(", saying: {}", Remark(&words)) };
        Err(failure().found(message!("{}{}", Ended(status), said)))
    }
}

/// Waits for a process to end; None, and it is killed with its group, where it takes longer.
fn wait(child: &mut Child, timeout: Duration) -> std::io::Result<Option<std::process::ExitStatus>> {
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if began.elapsed() >= timeout {
            if let Some(group) = Pid::from_raw(i32::try_from(child.id()).unwrap_or_default()) {
                // It may have ended this very moment.
                let _ = kill_process_group(group, Signal::KILL);
            }
            child.wait()?;
            return Ok(None);
        }
        // The standard library has no wait with a time limit.
        std::thread::sleep(POLL);
    }
}

/// Drains what a process says, so that it is never kept waiting, and gives the last line when it
/// has ended.
fn last_words(mut from: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = sync_channel(1);
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            kept.extend_from_slice(buffer.get(..length).unwrap_or_default());
            kept.drain(..kept.len().saturating_sub(LONGEST_WORDS));
        }
        let text = String::from_utf8_lossy(&kept).into_owned();
        let last = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
        let printed = last.trim().chars().filter(|character| !character.is_control());
        // Nobody listens where the command succeeded.
        let _ = sender.send(printed.collect());
    });
    receiver
}

const POLL: Duration = Duration::from_millis(10);
const PARTING: Duration = Duration::from_millis(500);
const LONGEST_WORDS: usize = 2_000;
