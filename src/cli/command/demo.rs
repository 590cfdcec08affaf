//! `kitcert demo`: the main job, told on one's own machine.
//!
//! Nothing is staged: the commands are run as they are printed, on a state in a throw-away
//! directory, against the practice daemon on a real socket.

use std::cell::RefCell;
use std::io::{self, Write};
use std::path::Path;
use std::rc::Rc;

use clap::Args;

use crate::cli::console::Console;
use crate::cli::options::Format;
use crate::cli::output::{Report, Tone};
use crate::cli::session::Session;
use crate::env::Environment;
use crate::layout::CommandLine;
use crate::message;
use crate::model::profile::LARGEST_PEM;
use crate::model::{Endpoint, ExitCode, Failure, Word};
use crate::pki::{Certificate, PrivateKey, TrustBundle};
use crate::practice::PracticeDaemon;
use crate::probe::CertificateAndKey;
use crate::store::{ScratchDirectory, read};

/// `kitcert demo`
#[derive(Debug, Args)]
pub struct DemoArguments {}

pub(in crate::cli) fn run(session: Session<'_>, run_line: RunLine) -> Result<Report, Failure> {
    let scratch = ScratchDirectory::create()?;
    let root = scratch.path().join("builder");
    let mut demo = Demo { session, run_line, state: scratch.path().join("state").display().to_string() };
    let port = demo.free_port()?;
    let endpoint = format!("tcp://127.0.0.1:{port}");

    demo.say("1. The admin makes a CA, a daemon's certificate and a first client's, and installs them.")?;
    let install = format!("--install={}", root.display());
    let init = [
        "init",
        "--host",
        "127.0.0.1",
        "--host",
        "localhost",
        "--client",
        "ana",
        "--endpoint",
        &endpoint,
        &install,
    ];
    demo.kitcert(&init, ExitCode::Done)?;

    demo.say("2. A daemon starts with these files. (A small practice daemon plays buildkitd's part here.)")?;
    let locked = demo.start(port, &root, Door::Locked)?;
    demo.say(&format!("   practice daemon on {}, which asks for client certificates\n", locked.address()))?;
    demo.kitcert(&["verify", "builder"], ExitCode::Done)?;
    drop(locked);

    demo.say("3. The same daemon again, but somebody forgot its `ca`. TLS still looks perfect.")?;
    let unlocked = demo.start(port, &root, Door::Unlocked)?;
    demo.say(&format!(
        "   practice daemon on {}, which does not ask for client certificates\n",
        unlocked.address()
    ))?;
    demo.kitcert(&["verify", "builder"], ExitCode::Verification)?;
    drop(unlocked);

    let report = Report::new("demo")
        .target(Endpoint::new("127.0.0.1".parse()?, port))
        .toned(Tone::Good, "All of that really ran on this machine; its folder is deleted.")
        .line("To protect your own daemon, on its machine:");
    Ok(NEXT.into_iter().fold(report, |report, command| report.line(message!("  {}", command))))
}

/// Whether the practice daemon asks its clients for certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    Locked,
    Unlocked,
}

/// Runs a command line, as [`crate::cli::run`] does.
type RunLine = fn(Vec<String>, &Environment, &mut Console) -> u8;

struct Demo<'a> {
    session: Session<'a>,
    run_line: RunLine,
    state: String,
}

impl Demo<'_> {
    /// BuildKit's port, or the next that is free.
    fn free_port(&mut self) -> Result<u16, Failure> {
        let first = Endpoint::DEFAULT_PORT;
        let free = |port: &u16| PracticeDaemon::can_listen(*port);
        let port = (first..first + PORTS_TRIED).find(free).ok_or_else(|| {
            Failure::new("looking for a port on", "127.0.0.1")
                .expected(message!("a free one from {} to {}", first, first + PORTS_TRIED - 1))
                .found("none")
        })?;
        if port != first {
            self.say(&format!("Port {first} is taken on this machine; the demo uses {port}.\n"))?;
        }
        Ok(port)
    }

    fn start(&self, port: u16, root: &Path, door: Door) -> Result<PracticeDaemon, Failure> {
        let file = |name: &str| {
            let path = root.join("etc").join(name);
            Ok((read(&path, LARGEST_PEM)?.bytes, path))
        };
        let (certificate, certificate_path) = file("cert.pem")?;
        let (key, key_path) = file("key.pem")?;
        let (authority, authority_path) = file("ca.pem")?;
        let trust = match door {
            Door::Locked => Some(TrustBundle::from_pem(&authority, &authority_path)?),
            Door::Unlocked => None,
        };
        let server = CertificateAndKey {
            chain: Certificate::chain_from_pem(&certificate, &certificate_path)?,
            key: PrivateKey::from_pem(&key, &key_path)?,
        };
        PracticeDaemon::start(port, &server, trust.as_ref())
    }

    /// Prints a command, runs it, and prints what it says.
    fn kitcert(&mut self, arguments: &[&str], expected: ExitCode) -> Result<(), Failure> {
        let words: Vec<String> = arguments.iter().map(|&word| word.to_owned()).collect();
        self.say(&message!("$ kitcert {}", CommandLine(&words)))?;
        let said = Captured::default();
        let mut console =
            Console::made_up(Box::new(said.clone()), Box::new(said.clone()), Box::new(io::empty()));
        let line = ["kitcert", "--state", &self.state]
            .into_iter()
            .chain(arguments.iter().copied())
            .map(str::to_owned);
        let exit = (self.run_line)(line.collect(), self.session.environment, &mut console);
        let text = String::from_utf8_lossy(&said.0.borrow()).into_owned();
        self.say(&text)?;
        if exit == expected.code() {
            return Ok(());
        }
        Err(Failure::new(
            "running",
            message!("kitcert {}", Word(arguments.first().copied().unwrap_or_default())),
        )
        .expected(message!("exit code {}", expected.code()))
        .found(exit))
    }

    fn say(&mut self, text: &str) -> Result<(), Failure> {
        let quiet = self.session.global.quiet || self.session.global.format == Format::Json;
        if quiet {
            return Ok(());
        }
        self.session
            .console
            .print(&format!("{text}\n"))
            .map_err(|error| Failure::new("writing", "to standard output").found(error))
    }
}

/// What a command within the demo says.
#[derive(Clone, Default)]
struct Captured(Rc<RefCell<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const PORTS_TRIED: u16 = 100;

/// The three commands that a person types next.
const NEXT: [&str; 3] = [
    "sudo kitcert init --host builder.example.com --client ana --install",
    "sudo kitcert verify builder",
    "sudo kitcert status",
];
