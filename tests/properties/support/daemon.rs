//! A running daemon on files that `kitcert` made: Go's TLS set up as buildkitd's.
//!
//! Where there is no Go to compile it with, the practice daemon of the demo stands in for its
//! sound shape, and what only Go's can play is skipped.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use kitcert::pki::{Certificate, PrivateKey, TrustBundle};
use kitcert::practice::PracticeDaemon;
use kitcert::probe::CertificateAndKey;

use crate::support::peers;
use crate::support::workspace::Workspace;

/// A daemon, until it is dropped.
pub enum Daemon {
    Go(Child),
    /// Held for what it does when it is dropped.
    Practice(#[allow(dead_code, reason = "held, not read")] PracticeDaemon),
}

impl Daemon {
    /// A port that was free a moment ago.
    pub fn free_port() -> u16 {
        TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
    }

    /// Starts a daemon on the current set of `builder`.
    pub fn start(workspace: &Workspace, port: u16, options: &[&str]) -> Daemon {
        Daemon::on_files(workspace, "state/daemons/builder/current", port, options).unwrap_or_else(|| {
            assert!(options.is_empty(), "what only Go's daemon can play needs Go");
            Daemon::practice(workspace, port)
        })
    }

    /// Starts Go's daemon on the set in a folder; `None`, and a skip, without Go.
    pub fn on_files(workspace: &Workspace, folder: &str, port: u16, options: &[&str]) -> Option<Daemon> {
        let program = peers::program("go-peer", "a daemon of Go's")?;
        let folder = workspace.path(folder);
        let mut child = Command::new(program)
            .args(["serve", "--addr", &format!("127.0.0.1:{port}")])
            .arg("--cert")
            .arg(folder.join("cert.pem"))
            .arg("--key")
            .arg(folder.join("key.pem"))
            .arg("--ca")
            .arg(folder.join("ca.pem"))
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.starts_with("listening "), "{line}");
        Some(Daemon::Go(child))
    }

    fn practice(workspace: &Workspace, port: u16) -> Daemon {
        let file = |name: &str| workspace.read(&format!("state/daemons/builder/current/{name}"));
        let server = CertificateAndKey {
            chain: Certificate::chain_from_pem(file("cert.pem").as_bytes(), "cert.pem").unwrap(),
            key: PrivateKey::from_pem(file("key.pem").as_bytes(), "key.pem").unwrap(),
        };
        let trust = TrustBundle::from_pem(file("ca.pem").as_bytes(), "ca.pem").unwrap();
        Daemon::Practice(PracticeDaemon::start(port, &server, Some(&trust)).unwrap())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Daemon::Go(child) = self {
            drop(child.stdin.take());
            child.wait().unwrap();
        }
    }
}
