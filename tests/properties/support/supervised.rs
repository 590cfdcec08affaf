//! A daemon that can be restarted, and clients that go on working meanwhile.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::rotate::rotating::serial;
use crate::support::daemon::Daemon;
use crate::support::numbers::number;
use crate::support::peers;
use crate::support::workspace::Workspace;

/// Go's daemon under a supervisor, until it is dropped. It loads its files once a start.
pub struct SupervisedDaemon {
    child: Child,
    program: PathBuf,
    control: PathBuf,
}

/// Clients that handshake in a loop, until they are dropped or asked to end.
pub struct WorkingClients {
    child: Child,
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

/// How often a daemon is started whose port is taken, and the pause between.
const TRIES: u32 = 50;
const PAUSE: Duration = Duration::from_millis(100);
/// How long something is awaited that ought to happen.
const PATIENCE: Duration = Duration::from_secs(30);

impl SupervisedDaemon {
    /// Starts it on the set in a folder of the workspace; `None`, and a skip, without Go.
    pub fn start(
        test: &str,
        workspace: &Workspace,
        folder: &str,
        port: u16,
        options: &[&str],
    ) -> Option<SupervisedDaemon> {
        let program = peers::program("go-peer", test)?;
        let control = workspace.path("control");
        let folder = workspace.path(folder);
        let mut command = Command::new(&program);
        command.arg("supervise").arg("--control").arg(&control);
        command.args(["--addr", &format!("127.0.0.1:{port}")]);
        for name in ["cert", "key", "ca"] {
            command.arg(format!("--{name}")).arg(folder.join(format!("{name}.pem")));
        }
        command.args(options).stdin(Stdio::piped()).stdout(Stdio::piped());
        // A connection that somebody else opens may have the port for a moment.
        for _ in 0..TRIES {
            let mut child = command.spawn().unwrap();
            let mut line = String::new();
            BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
            if line.starts_with("listening ") {
                return Some(SupervisedDaemon { child, program, control });
            }
            drop(child.stdin.take());
            child.wait().unwrap();
            std::thread::sleep(PAUSE);
        }
        panic!("it does not listen on port {port}")
    }

    /// The command that restarts it, for kitcert.yaml.
    pub fn restart(&self) -> Vec<String> {
        let words = [&self.program.display().to_string(), "restart", "--control"];
        let control = self.control.display().to_string();
        words.into_iter().map(|word| word.to_owned()).chain([control]).collect()
    }

    /// Says one line to the supervisor; how the daemon stands then, and what was counted.
    #[track_caller]
    pub fn ask(&self, request: &str) -> Value {
        let mut socket = UnixStream::connect(&self.control).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        writeln!(socket, "{request}").unwrap();
        let answer: Value =
            serde_json::from_reader(&socket).unwrap_or_else(|error| panic!("{request}: {error}"));
        assert!(answer["error"].is_null(), "{request}: {answer}");
        answer
    }

    /// One of the counts.
    pub fn count(&self, of: &str) -> u64 {
        self.ask("count")[of].as_u64().unwrap()
    }

    /// The number of the certificate that it serves; `None` while it is down.
    pub fn serial(&self) -> Option<String> {
        let answer = self.ask("count");
        answer["listening"].as_bool().unwrap().then(|| answer["serial"].as_str().unwrap().to_owned())
    }
}

impl Drop for SupervisedDaemon {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        self.child.wait().unwrap();
    }
}

impl WorkingClients {
    /// One client for each of the first folders, at that port, and one that only reads the pair for
    /// each of the others; `None`, and a skip, without Go.
    pub fn start(
        test: &str,
        workspace: &Workspace,
        port: u16,
        clients: &[String],
        read: &[&str],
    ) -> Option<WorkingClients> {
        let program = peers::program("go-peer", test)?;
        let mut command = Command::new(program);
        command.args(["clients", "--addr", &format!("127.0.0.1:{port}")]);
        // As many handshakes a second, however many clients there are: a restart takes longer than one, and more of
        // them would take the time of whoever is tried here.
        let between = number("KITCERT_PACE", 25);
        command.args(["--pace", &format!("{}ms", between * (clients.len() + read.len()))]);
        for folder in clients {
            command.arg("--tlsdir").arg(workspace.path(folder));
        }
        for folder in read {
            command.arg("--read").arg(workspace.path(folder));
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let requests = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Some(WorkingClients { child, requests, answers })
    }

    /// What was counted once every client has been let in, or refused, once more.
    pub fn settle(&mut self) -> Value {
        writeln!(self.requests.as_mut().unwrap(), "settle").unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        let counted: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(counted["settled"], true, "{counted:#}");
        counted
    }
}

impl Drop for WorkingClients {
    fn drop(&mut self) {
        drop(self.requests.take());
        self.child.wait().unwrap();
    }
}

/// A workspace with a supervised daemon on its current set.
fn supervised(test: &str) -> Option<(Workspace, u16, SupervisedDaemon)> {
    let port = Daemon::free_port();
    let workspace = Workspace::with_state_for(port);
    let folder = "state/daemons/builder/current";
    let daemon = SupervisedDaemon::start(test, &workspace, folder, port, &[])?;
    Some((workspace, port, daemon))
}

fn restarted(daemon: &SupervisedDaemon) -> Output {
    let argv = daemon.restart();
    peers::run(Command::new(&argv[0]).args(&argv[1..]), "")
}

#[test]
fn a_supervised_daemon_serves_what_it_loaded_when_it_was_started() {
    const TEST: &str = "a_supervised_daemon_serves_what_it_loaded_when_it_was_started";
    let Some((workspace, port, daemon)) = supervised(TEST) else { return };
    let ana = ["state/clients/ana/current".to_owned()];
    let mut clients = WorkingClients::start(TEST, &workspace, port, &ana, &[]).unwrap();
    let first = clients.settle()["serials"][0].clone();
    assert_eq!(daemon.serial().as_deref(), first.as_str());

    let inventory = workspace.read("state/kitcert.yaml");
    workspace.write("state/kitcert.yaml", inventory.replace("localhost]", "localhost, b.example.com]"));
    workspace.run(["issue", "daemon", "builder"]).succeeded();
    assert_eq!(clients.settle()["serials"][0], first);
    assert!(restarted(&daemon).status.success());
    let counted = clients.settle();
    assert_ne!(counted["serials"][0], first);
    assert_eq!(counted["serials"][0].as_str(), daemon.serial().as_deref());
    assert_eq!(counted["refused"], 0, "{counted:#}");
    assert_eq!((daemon.count("attempts"), daemon.count("restarts")), (1, 1));
}

#[test]
fn a_supervised_daemon_has_the_mishaps_that_it_is_told() {
    const TEST: &str = "a_supervised_daemon_has_the_mishaps_that_it_is_told";
    let Some((workspace, _, daemon)) = supervised(TEST) else { return };
    let first = daemon.serial();
    let other_state = Workspace::with_state();
    let wrong = other_state.text("state/daemons/builder/current");
    daemon.ask("next refuse");
    assert_eq!(restarted(&daemon).status.code(), Some(1));
    assert_eq!(daemon.serial(), first);
    daemon.ask(&format!("next wrong {wrong}"));
    assert!(restarted(&daemon).status.success());
    assert_eq!(daemon.serial(), Some(serial(&other_state, "state/daemons/builder/current")));
    daemon.ask(&format!("next wrong {}", workspace.text("home")));
    assert_eq!(restarted(&daemon).status.code(), Some(1));
    assert_eq!(daemon.serial(), None);
    assert!(restarted(&daemon).status.success());
    assert_eq!(daemon.serial(), first);
    for (mishap, code) in [("always vanish", 0), ("always down", 1)] {
        daemon.ask(mishap);
        for _ in 0..2 {
            assert_eq!(restarted(&daemon).status.code(), Some(code), "{mishap}");
            assert_eq!(daemon.serial(), None, "{mishap}");
        }
        daemon.ask("forget");
    }
    daemon.ask("next hang");
    let argv = daemon.restart();
    let mut hanging = Command::new(&argv[0]).args(&argv[1..]).spawn().unwrap();
    daemon.ask("await attempts 9");
    assert!(hanging.try_wait().unwrap().is_none());
    hanging.kill().unwrap();
    hanging.wait().unwrap();
    daemon.ask("await abandoned 1");
    daemon.ask("next hang");
    std::thread::scope(|scope| {
        let hanging = scope.spawn(|| restarted(&daemon));
        daemon.ask("release");
        assert!(hanging.join().unwrap().status.success());
    });
    assert_eq!(daemon.serial(), first);
}

#[test]
fn clients_that_are_refused_and_pairs_that_are_mixed_are_counted() {
    const TEST: &str = "clients_that_are_refused_and_pairs_that_are_mixed_are_counted";
    let Some((workspace, port, daemon)) = supervised(TEST) else { return };
    let other_state = Workspace::with_state();
    let ours = |name: &str| workspace.read(&format!("state/clients/ana/current/{name}"));
    let theirs = |name: &str| other_state.read(&format!("state/clients/ana/current/{name}"));
    for (folder, cert) in [("strange", theirs("cert.pem")), ("mixed", ours("cert.pem"))] {
        workspace.write(&format!("{folder}/ca.pem"), ours("ca.pem"));
        workspace.write(&format!("{folder}/cert.pem"), cert);
        workspace.write(&format!("{folder}/key.pem"), theirs("key.pem"));
    }
    let mut clients =
        WorkingClients::start(TEST, &workspace, port, &["strange".to_owned()], &["mixed"]).unwrap();
    let counted = clients.settle();
    assert!(counted["refused"].as_u64().unwrap() > 0, "{counted:#}");
    assert!(counted["mismatched"].as_u64().unwrap() > 0, "{counted:#}");
    assert_eq!((&counted["accepted"], &counted["unreadable"]), (&0.into(), &0.into()), "{counted:#}");
    // A daemon counts whom it has refused after it has told it so.
    let began = Instant::now();
    while daemon.count("refused") == 0 {
        assert!(began.elapsed() < PATIENCE, "it counts nobody");
        std::thread::sleep(PAUSE);
    }
}
