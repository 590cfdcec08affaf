//! A command that is held at the door of a lock while another goes on.

use std::fs::File;
use std::io::Read as _;
use std::process::{Child, Command, Stdio};

use crate::support::peers;
use crate::support::workspace::{Said, Workspace};

/// A command that stands at the door of each lock for a while.
pub struct Held {
    child: Child,
    /// What strace says; it waits for a reader.
    trace: File,
}

impl Held {
    /// Starts it, and returns once it stands at that lock of those that it asks for, counted from 1; `None`
    /// without strace, and if it ends before.
    pub fn at(workspace: &Workspace, arguments: &[&str], nth: usize, test: &str) -> Option<Held> {
        let strace = peers::program("strace", test)?;
        let trace = workspace.path("trace");
        if !trace.exists() {
            assert!(Command::new("mkfifo").arg(&trace).status().unwrap().success());
        }
        let mut starter = Command::new(strace);
        // Each thread has its own count, so that all of them are held at each lock.
        starter.args(["-f", "-e", "trace=flock", "-e", "inject=flock:delay_enter=800000", "-o"]).arg(&trace);
        let mut command = workspace.command_under(starter, arguments);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut held = Held { child, trace: File::open(&trace).unwrap() };
        let mut text = String::new();
        while text.matches(" flock(").count() < nth {
            let mut bytes = [0; 4096];
            let count = held.trace.read(&mut bytes).unwrap();
            if count == 0 {
                held.child.wait().unwrap();
                return None;
            }
            text.push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
        Some(held)
    }

    /// Lets it go on to its end.
    pub fn finish(mut self) -> Said {
        let mut rest = String::new();
        self.trace.read_to_string(&mut rest).unwrap();
        Said::of(&self.child.wait_with_output().unwrap())
    }

    /// Kills it where it stands.
    pub fn kill(mut self) {
        // strace ends with what it traces.
        let children = Command::new("pkill").args(["-KILL", "-P", &self.child.id().to_string()]).status();
        assert!(children.unwrap().success());
        self.child.wait().unwrap();
    }
}
