//! A verification dials without a lock, and waits for it afterwards. Whatever happens to the state in
//! between, what is written is about what is current.

use std::fs::File;
use std::io::Read as _;
use std::process::{Child, Command, Stdio};

use crate::daemon::Daemon;
use crate::numbers::number;
use crate::peers;
use crate::rotating::Site;
use crate::verified::generation;
use crate::workspace::{Said, Workspace};

/// A `verify builder` that has dialled, and is held at the door of the lock for a while.
struct Held {
    child: Child,
    /// What strace says; it waits for a reader.
    trace: File,
}

impl Held {
    /// Starts it, and returns once it stands there.
    fn start(workspace: &Workspace, test: &str) -> Option<Held> {
        let strace = peers::program("strace", test)?;
        let trace = workspace.path("trace");
        if !trace.exists() {
            assert!(Command::new("mkfifo").arg(&trace).status().unwrap().success());
        }
        let mut starter = Command::new(strace);
        let delay = "inject=flock:delay_enter=1000000:when=1";
        starter.args(["-f", "-e", "trace=flock", "-e", delay, "-o"]).arg(&trace);
        let mut command = workspace.command_under(starter, ["verify", "builder"]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut held = Held { child, trace: File::open(&trace).unwrap() };
        let mut text = String::new();
        while !text.contains("flock(") {
            let mut bytes = [0; 4096];
            let count = held.trace.read(&mut bytes).unwrap();
            assert!(count > 0, "it ended without asking for the lock: {text}");
            text.push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
        Some(held)
    }

    /// Lets it go on to its end.
    fn finish(mut self) -> Said {
        let mut rest = String::new();
        self.trace.read_to_string(&mut rest).unwrap();
        Said::of(&self.child.wait_with_output().unwrap())
    }
}

/// Forgets the last verification, so that the next has something to write.
fn forget(workspace: &Workspace) {
    std::fs::remove_file(workspace.path("state/daemons/builder/verified.json")).unwrap();
}

#[test]
fn a_verification_that_waits_for_the_lock_writes_nothing_about_what_is_not_current() {
    const TEST: &str = "a_verification_that_waits_for_the_lock_writes_nothing_about_what_is_not_current";
    let Some(site) = Site::new(TEST) else { return };
    let record = || site.workspace.read("state/daemons/builder/verified.json");
    for round in 0..number("KITCERT_LOCK_RACES", 3) {
        forget(&site.workspace);
        let Some(held) = Held::start(&site.workspace, TEST) else { return };
        site.rotate(&["--force", "builder"]).succeeded();
        let before = record();
        let said = held.finish().ended_with(3);
        assert!(said.out.contains("the state changed while"), "{round}: {}", said.out);
        assert_eq!(record(), before, "{round}: the record is older than what is current");
        site.assert_served();
        site.workspace.run(["status", "--check"]).succeeded();
        site.rotate(&[]).succeeded();
        site.workspace.run(["rollback", "builder"]).succeeded();
        site.assert_served();
    }
}

#[test]
fn a_verification_that_began_before_a_refutation_is_not_recorded() {
    const TEST: &str = "a_verification_that_began_before_a_refutation_is_not_recorded";
    for has_record in [false, true] {
        let port = Daemon::free_port();
        let workspace = Workspace::with_state_for(port);
        let folder = "state/daemons/builder/current";
        let Some(sound) = Daemon::on_files(&workspace, folder, port, &[]) else { return };
        if has_record {
            workspace.run(["verify", "builder"]).succeeded();
            // One that is not of today is written again.
            let text = workspace.read("state/daemons/builder/verified.json");
            let old = text.replace("\"dial_list\": ", "\"dial_list\": 9");
            assert_ne!(old, text);
            workspace.write("state/daemons/builder/verified.json", old);
        }
        let Some(held) = Held::start(&workspace, TEST) else { return };
        drop(sound);
        let open = Daemon::on_files(&workspace, folder, port, &["--no-ca"]);
        workspace.run(["verify", "builder"]).ended_with(3);
        let said = held.finish().ended_with(3);
        assert!(said.out.contains("the state changed while"), "{}", said.out);
        assert_eq!(generation(&workspace, "builder", "verified"), None);
        workspace.run(["status", "--check"]).ended_with(4);

        drop(open);
        let _sound = Daemon::on_files(&workspace, folder, port, &[]);
        workspace.run(["verify", "builder"]).succeeded();
        workspace.run(["status", "--check"]).succeeded();
    }
}
