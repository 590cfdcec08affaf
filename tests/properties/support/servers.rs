//! Servers that we did not write, and some that are no daemons at all, each on a port that the
//! system gave, and ended with the test.

use std::io::{BufRead, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::support::peers;

/// What a server with TLS is started with.
#[derive(Clone)]
pub struct Files {
    pub ca: PathBuf,
    pub cert: PathBuf,
    pub key: PathBuf,
}

impl Files {
    /// Those of that folder, by the names that a daemon's have.
    pub fn in_folder(folder: &Path) -> Files {
        let [ca, cert, key] = ["ca.pem", "cert.pem", "key.pem"].map(|file| folder.join(file));
        Files { ca, cert, key }
    }
}

/// A program that serves.
pub struct Server {
    child: Child,
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    /// Most of the servers end with their standard input.
    input: Option<ChildStdin>,
    /// What it keeps while it runs.
    _folder: Option<TempDir>,
}

impl Server {
    /// Starts one that tells its port in a line that begins with `greeting`.
    pub fn greeting(command: &mut Command, greeting: &str) -> Server {
        let (mut server, input, lines) = Server::started(command, greeting);
        server.input = Some(input);
        // A server whose pipe is closed under it would die of what it prints.
        std::thread::spawn(move || lines.for_each(drop));
        server
    }

    /// The same, which is told something on its standard input at each line that it prints.
    pub fn answered(
        command: &mut Command,
        greeting: &str,
        answer: impl Fn(&str) -> &'static str + Send + 'static,
    ) -> Server {
        let (server, mut input, lines) = Server::started(command, greeting);
        std::thread::spawn(move || {
            for line in lines {
                // It may have ended meanwhile.
                let _ = input.write_all(answer(&line).as_bytes());
            }
        });
        server
    }

    fn started(
        command: &mut Command,
        greeting: &str,
    ) -> (Server, ChildStdin, impl Iterator<Item = String> + Send + use<>) {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let input = child.stdin.take().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut lines = lines.map_while(Result::ok);
        let line = lines.find(|line| line.starts_with(greeting)).expect("a line that tells the port");
        let port = line.rsplit_once(':').unwrap().1.trim().parse().unwrap();
        (Server { child, port, input: None, _folder: None }, input, lines)
    }

    /// Go's TLS set up as buildkitd's, with `serve`'s options.
    pub fn go(files: &Files, options: &[&str], test: &str) -> Option<Server> {
        Server::go_at("127.0.0.1:0", files, options, test)
    }

    /// The same at that address.
    pub fn go_at(address: &str, files: &Files, options: &[&str], test: &str) -> Option<Server> {
        let mut command = Command::new(peers::program("go-peer", test)?);
        command.args(["serve", "--addr", address, "--cert"]).arg(&files.cert);
        command.arg("--key").arg(&files.key).arg("--ca").arg(&files.ca).args(options);
        Some(Server::greeting(&mut command, "listening"))
    }

    /// BuildKit on gRPC's C core; `policy` is `require` or `open`.
    pub fn grpcio(files: &Files, policy: &str, test: &str) -> Option<Server> {
        let python = peers::program("python3", test)?;
        if !Command::new(&python).args(["-c", "import grpc"]).output().unwrap().status.success() {
            peers::skip(test, "grpcio is not here");
            return None;
        }
        let mut command = Command::new(python);
        // It would tell of every client that it refuses.
        command.env("GRPC_VERBOSITY", "NONE").arg(peer("grpc_server.py")).arg(policy);
        command.args([&files.cert, &files.key, &files.ca]);
        Some(Server::greeting(&mut command, "listening"))
    }

    /// `openssl s_server` that insists on a client's certificate.
    pub fn openssl(files: &Files, options: &[&str], test: &str) -> Option<Server> {
        let mut command = Command::new(peers::program("openssl", test)?);
        command.args(["s_server", "-accept", "127.0.0.1:0", "-Verify", "1", "-verify_return_error"]);
        command.arg("-cert").arg(&files.cert).arg("-key").arg(&files.key).arg("-CAfile").arg(&files.ca);
        command.stderr(Stdio::null());
        Some(Server::greeting(command.args(options), "ACCEPT"))
    }

    /// An nginx with TLS and HTTP/2, and those directives.
    pub fn nginx(files: &Files, directives: &str, test: &str) -> Option<Server> {
        let tls = format!(
            "ssl_certificate {};\nssl_certificate_key {};\nssl_client_certificate {};\n{directives}",
            files.cert.display(),
            files.key.display(),
            files.ca.display(),
        );
        Server::nginx_with(" ssl http2", &tls, test)
    }

    /// The same without TLS.
    pub fn plain_nginx(directives: &str, test: &str) -> Option<Server> {
        Server::nginx_with("", directives, test)
    }

    /// A haproxy with that configuration, which is written into the folder; it listens on `fd@0`.
    pub fn haproxy(folder: TempDir, configuration: &str, test: &str) -> Option<Server> {
        let program = peers::program("haproxy", test)?;
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let file = folder.path().join("haproxy.cfg");
        std::fs::write(&file, configuration).unwrap();
        let log = std::fs::File::create(folder.path().join("haproxy.log")).unwrap();
        // The port answers before it does, so that a mistake here would look like a closed port.
        let mut check = Command::new(&program);
        check.arg("-c").arg("-f").arg(&file).stdin(OwnedFd::from(listener.try_clone().unwrap()));
        let checked = check.output().unwrap();
        assert!(checked.status.success(), "{test}: {}", String::from_utf8_lossy(&checked.stderr));
        let mut command = Command::new(program);
        command.arg("-db").arg("-f").arg(&file).stdin(OwnedFd::from(listener));
        let child = command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        Some(Server { child, port, input: None, _folder: Some(folder) })
    }

    /// It serves on a socket that is its standard input and listens before it starts: so nobody
    /// waits for it, and no other takes its port.
    fn nginx_with(protocol: &str, directives: &str, test: &str) -> Option<Server> {
        let program = peers::program("nginx", test)?;
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let folder = tempfile::tempdir().unwrap();
        let configuration = folder.path().join("nginx.conf");
        let server = format!("listen 127.0.0.1:{port}{protocol};\n{directives}");
        std::fs::write(&configuration, nginx_configuration(&server)).unwrap();
        let child = Command::new(program)
            .env("NGINX", "0;")
            .arg("-p")
            .arg(folder.path())
            .arg("-c")
            .arg(&configuration)
            .args(["-e", "stderr"])
            .stdin(OwnedFd::from(listener))
            .stderr(std::fs::File::create(folder.path().join("nginx.log")).unwrap())
            .spawn()
            .unwrap();
        Some(Server { child, port, input: None, _folder: Some(folder) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.input.take());
        // A signal that nginx hands on to its workers; the server may have ended by itself.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        self.child.wait().unwrap();
    }
}

fn nginx_configuration(server: &str) -> String {
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {kind}_temp;\n"))
        .concat();
    format!(
        "daemon off;\nworker_processes 1;\npid nginx.pid;\nerror_log stderr info;\nevents {{}}\n\
         http {{\naccess_log off;\n{temporary}server {{\n{server}\n}}\n}}\n",
    )
}

/// A program of ours in tests/peers.
pub fn peer(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers").join(file)
}

/// A thread of the test that serves, one more for each connection.
pub struct Listener {
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    has_ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    /// Does that with every connection, which has a number from 0 on.
    pub fn of(answer: impl Fn(usize, TcpStream) + Send + Sync + 'static) -> Listener {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let has_ended = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&has_ended);
        let answer = Arc::new(answer);
        let thread = std::thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                let answer = Arc::clone(&answer);
                std::thread::spawn(move || answer(number, stream.unwrap()));
            }
        });
        Listener { port, has_ended, thread: Some(thread) }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.has_ended.store(true, Ordering::SeqCst);
        // What it waits for.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        drop(self.thread.take().map(JoinHandle::join));
    }
}
