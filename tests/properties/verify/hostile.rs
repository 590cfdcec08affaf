//! Daemons that want the client's memory, time or terminal: `verify` neither waits for them longer
//! than it may, nor keeps what they send, nor repeats it as it came.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::figures::{Aim, publish};
use crate::support::peers;
use crate::support::servers::{Files, Server};
use crate::support::workspace::{Said, Workspace};

/// The ways that the peer knows, which it tells whoever names none.
fn ways(go: &Path) -> Vec<String> {
    let output = Command::new(go).arg("hostile").output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    let list = text.trim().strip_prefix("--way is one of ").unwrap_or_else(|| panic!("{text}"));
    list.split(", ").map(str::to_owned).collect()
}

/// What `verify` says, how long it took, and the most memory that it had at once, in bytes.
fn verified(workspace: &Workspace, time: &Path, port: u16) -> (Said, Duration, usize) {
    let mut starter = Command::new(time);
    starter.args(["--quiet", "--format", "%M", "--output"]).arg(workspace.path("peak"));
    let target = format!("tcp://127.0.0.1:{port}");
    let command = workspace.command_under(starter, ["verify", &target, "--timeout", "2s"]);
    let began = Instant::now();
    let said = workspace.finish(command, "");
    let elapsed = began.elapsed();
    let kilobytes: usize = workspace.read("peak").trim().parse().unwrap();
    (said, elapsed, kilobytes * 1024)
}

#[test]
fn a_hostile_daemon_neither_hangs_nor_bloats_nor_steers_verify() {
    const TEST: &str = "a_hostile_daemon_neither_hangs_nor_bloats_nor_steers_verify";
    let Some(go) = peers::program("go-peer", TEST) else { return };
    let Some(time) = peers::program("time", TEST) else { return };
    let workspace = Workspace::new();
    workspace.run(["init", "--host", "127.0.0.1", "--client", "ana"]).succeeded();
    let files = Files::in_folder(&workspace.path("state/daemons/builder/current"));
    let sound = Server::go(&files, &[], TEST).unwrap();
    let (_, _, usual) = verified(&workspace, &time, sound.port);
    let ways = ways(&go);
    assert!(ways.len() > 20, "{ways:?}");
    let mut peaks = Vec::new();
    for way in &ways {
        let mut command = Command::new(&go);
        command.args(["hostile", "--way", way, "--cert"]).arg(&files.cert).arg("--key").arg(&files.key);
        let server = Server::greeting(command.arg("--ca").arg(&files.ca), "listening");
        let (said, elapsed, peak) = verified(&workspace, &time, server.port);
        println!("{way}: {elapsed:?}, {:.1} MB: {}", peak as f64 / 1e6, said.out.lines().last().unwrap());
        assert_eq!(said.code, 3, "{way}: {said:?}");
        assert!(elapsed < DEADLINE, "{way}: {elapsed:?}");
        let is_steering =
            |one: char| one.is_control() && one != '\n' || ('\u{202a}'..='\u{2069}').contains(&one);
        assert!(!said.out.chars().any(is_steering), "{way}: {:?}", said.out);
        let last = said.out.lines().last().unwrap();
        assert!(!last.starts_with("verified") && !last.starts_with("OPEN"), "{way}: {last}");
        peaks.push((peak, way));
    }
    let (peak, way) = peaks.iter().max().unwrap();
    assert!(*peak < usual + MOST_MEMORY, "{way}: {peak} instead of {usual} bytes");
    let value =
        format!("{:.1} MB ({way}); {:.1} MB with a sound one", *peak as f64 / 1e6, usual as f64 / 1e6);
    let aim = Aim { words: "every one ends in time, 16 MB more at the most", is_met: true };
    publish("hostile daemons", &format!("peak memory of verify, {} ways", ways.len()), value, Some(aim));
}

/// TLS 1.2 lets a server ask for another handshake at any time (RFC 5246 section 7.4.1.1).
#[test]
fn a_daemon_that_renegotiates_for_ever_is_left() {
    const TEST: &str = "a_daemon_that_renegotiates_for_ever_is_left";
    let Some(openssl) = peers::program("openssl", TEST) else { return };
    let workspace = Workspace::new();
    workspace.run(["init", "--host", "127.0.0.1", "--client", "ana"]).succeeded();
    let set = workspace.path("state/daemons/builder/current");
    let mut command = Command::new(openssl);
    command.args(["s_server", "-accept", "127.0.0.1:0", "-tls1_2", "-alpn", "h2", "-Verify", "1"]);
    command.arg("-cert").arg(set.join("cert.pem")).arg("-key").arg(set.join("key.pem"));
    command.arg("-CAfile").arg(set.join("ca.pem")).stderr(Stdio::null());
    // It says so after each handshake; and each line that begins with R asks for another.
    let server = Server::answered(&mut command, "ACCEPT", |line| {
        if line.starts_with("CIPHER is") { "R\nR\nR\nR\n" } else { "" }
    });
    let target = format!("tcp://127.0.0.1:{}", server.port);
    let began = Instant::now();
    let said = workspace.run(["verify", &target, "--timeout", "2s"]).ended_with(3);
    assert!(began.elapsed() < DEADLINE, "{:?}", began.elapsed());
    // Nobody agrees to another handshake, upon which openssl gives up.
    assert!(said.out.contains("alert 40"), "{}", said.out);
    assert!(!said.out.lines().last().unwrap().starts_with("verified"), "{}", said.out);
}

/// Far more than the time that `verify` is given here, and far less than for ever: a busy machine may be slow.
const DEADLINE: Duration = Duration::from_secs(30);
/// What an attack may cost beyond what a sound daemon does: TLS takes 64 KiB of a handshake at a time,
/// an answer is 1 MiB at the most, and there are eight dials.
const MOST_MEMORY: usize = 16_000_000;
