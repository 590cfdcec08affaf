//! Every command that changes something, interfered with at its calls that change a disk: it is
//! killed there, or the call fails once. What is left is the old set or the new, never a mixture;
//! no key is open to others; nothing is lost; and the same command again goes on from there.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use rayon::prelude::*;

use crate::figures::{Aim, publish};
use crate::join::joining::{Machines, fingerprint};
use crate::rotate::rotating::{leaf, workspace_aged};
use crate::support::daemon::Daemon;
use crate::support::interference::{Call, ERRORS, Fault, Hit, Threads, calls, interfered, spread};
use crate::support::numbers::{Numbers, number};
use crate::support::peers;
use crate::support::turns::is_turn;
use crate::support::whole::{Record, assert_tidy, assert_whole, folders};
use crate::support::workspace::{Said, Workspace};

/// A command, and what is expected of it.
pub struct Scenario<'a> {
    pub workspace: &'a Workspace,
    pub arguments: Vec<String>,
    /// How it ends undisturbed.
    pub ends: i32,
    /// How it may end when it is run again after it was stopped.
    pub ends_again: &'a [i32],
    /// Whether it changes nothing once it was done: a kit is made again each time.
    pub is_settled: bool,
    /// What holds once it was run again.
    pub finished: &'a dyn Fn(&Workspace),
}

impl<'a> Scenario<'a> {
    pub fn new(
        workspace: &'a Workspace,
        arguments: &[&str],
        finished: &'a dyn Fn(&Workspace),
    ) -> Scenario<'a> {
        let arguments = arguments.iter().map(|one| (*one).to_owned()).collect();
        Scenario { workspace, arguments, ends: 0, ends_again: &[0], is_settled: true, finished }
    }

    fn name(&self) -> String {
        let words = self.arguments.iter().take_while(|word| !word.contains(['/', ' ']));
        words.map(String::as_str).collect::<Vec<_>>().join(" ")
    }
}

/// What a workspace has at the beginning, to begin there again.
pub struct Beginning<'a> {
    workspace: &'a Workspace,
    saved: tempfile::TempDir,
}

impl<'a> Beginning<'a> {
    pub fn of(workspace: &'a Workspace) -> Beginning<'a> {
        let saved = tempfile::tempdir().unwrap();
        copy(&workspace.path("."), saved.path());
        Beginning { workspace, saved }
    }

    pub fn restore(&self) {
        for entry in std::fs::read_dir(self.workspace.path("")).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.is_symlink() {
                std::fs::remove_dir_all(path).unwrap();
            } else {
                std::fs::remove_file(path).unwrap();
            }
        }
        copy(&self.saved.path().join("."), &self.workspace.path(""));
    }
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
}

/// So many kills and so many errors of one command are tried, evenly spread, unless
/// `KITCERT_INTERFERENCES` says otherwise.
const KILLS: usize = 5;
const FAILURES: usize = 5;
/// The code of whoever did not end by itself.
const KILLED: i32 = -1;

/// Interferes with the command at one call after another.
pub fn survives(test: &str, scenario: &Scenario<'_>) {
    let Some(strace) = peers::program("strace", test) else { return };
    let Scenario { workspace, arguments, .. } = scenario;
    let beginning = Beginning::of(workspace);
    let old = Record::of(workspace);
    let calls = calls(workspace, &strace, Threads::All, arguments);
    assert!(calls.len() > 10, "strace saw only {calls:?}");
    let new = Record::of(workspace);
    beginning.restore();
    assert_eq!(workspace.run(arguments).code, scenario.ends, "undisturbed");

    let kills: Vec<_> = calls.iter().map(|call| (call.clone(), Fault::Kill)).collect();
    let failures = calls.iter().flat_map(|call| ERRORS.map(|error| (call.clone(), error)));
    let failures: Vec<_> = failures.collect();
    let mut points = spread(&kills, number("KITCERT_INTERFERENCES", KILLS));
    let tried_kills = points.len();
    points.extend(spread(&failures, number("KITCERT_INTERFERENCES", FAILURES)));
    let mut codes: BTreeMap<(bool, i32), usize> = BTreeMap::new();
    for (call, fault) in &points {
        let mut at = call.clone();
        let code = loop {
            beginning.restore();
            let code = try_one(scenario, &strace, (&old, &new), &at, *fault);
            // Threads share their work out again every time, so that none may come as far as one did;
            // but one of them comes to its share.
            if *fault != Fault::Kill || code == KILLED || at.number == 1 {
                break code;
            }
            at.number /= 2;
        };
        *codes.entry((*fault == Fault::Kill, code)).or_default() += 1;
    }
    let killed = codes.get(&(true, KILLED)).copied().unwrap_or(0);
    assert_eq!(killed, tried_kills, "not all were killed: {codes:?}");
    let tried = points.len() - tried_kills;
    println!("{}: {} calls, killed at {killed}, failed {tried}: {codes:?}", scenario.name(), calls.len());
    let aim = Aim { words: "every one leaves the old or the new, and the next run ends well", is_met: true };
    let value = format!("{killed} kills and {tried} errors at {} calls", calls.len());
    publish("crash and fault", &scenario.name(), value, Some(aim));
}

/// Interferes once, and runs the command again. Tells how the first run ended.
fn try_one(
    scenario: &Scenario<'_>,
    strace: &Path,
    (old, new): (&Record, &Record),
    call: &Call,
    fault: Fault,
) -> i32 {
    let Scenario { workspace, arguments, .. } = scenario;
    let moment = format!("{}, {fault} at {call}", scenario.name());
    let (said, hit) = interfered(workspace, strace, Threads::All, arguments, call, fault);
    let is_disks = hit != Hit::Elsewhere;
    assert!(!is_disks || !said.err.contains("has a fault"), "{moment}: {}", said.err);
    match fault {
        Fault::Kill => {}
        Fault::Error(_) if !is_disks => {}
        Fault::Error(_) => {
            assert!([0, 1, 5, 6, scenario.ends].contains(&said.code), "{moment}: {said:?}");
            assert!(
                said.code == scenario.ends || names_path(&said, workspace),
                "{moment}: no path in {said:?}"
            );
        }
    }
    assert_whole(workspace, &moment);
    old.assert_kept(workspace, &moment);
    old.assert_old_or(new, workspace, &moment);
    if workspace.path("state/kitcert.yaml").exists() {
        assert_eq!(workspace.run(["status"]).code, 0, "status after {moment}");
    }
    finishes(scenario, (old, new), &moment);
    said.code
}

/// Whether a path of the workspace is said, or a folder on the way there, which is entered too.
fn names_path(said: &Said, workspace: &Workspace) -> bool {
    let text = format!("{}{}", said.out, said.err);
    let place = workspace.path("");
    let is_on_the_way = |folder: &Path| text.contains(&format!(" {}: ", folder.display()));
    text.contains(workspace.text("").trim_end_matches('/')) || place.ancestors().skip(1).any(is_on_the_way)
}

/// The same command again ends well, and once more changes nothing.
pub fn finishes(scenario: &Scenario<'_>, (old, new): (&Record, &Record), moment: &str) {
    let Scenario { workspace, arguments, .. } = scenario;
    let again = workspace.run(arguments);
    assert!(scenario.ends_again.contains(&again.code), "after {moment}: {again:?}");
    assert_whole(workspace, moment);
    assert_tidy(workspace, moment);
    old.assert_kept(workspace, moment);
    old.assert_old_or(new, workspace, moment);
    (scenario.finished)(workspace);
    // Whoever holds a lock writes its name into it.
    let record = || {
        let locks = ["state/.lock", "state/daemons/builder/.lock"].map(|lock| workspace.path(lock));
        locks.iter().fold(workspace.snapshot(), |record, lock| record.without(lock))
    };
    let second = record();
    let once_more = workspace.run(arguments);
    assert!(scenario.ends_again.contains(&once_more.code), "once more after {moment}: {once_more:?}");
    let third = record();
    if scenario.is_settled {
        second.assert_is(&third, &format!("once more after {moment}"));
    }
}

const INIT: [&str; 5] = ["init", "--host", "127.0.0.1", "--client", "ana"];

/// A state with a daemon, and one client.
fn initialized() -> Workspace {
    let workspace = Workspace::new();
    workspace.run(INIT).succeeded();
    workspace
}

fn assert_initialized(it: &Workspace) {
    for file in ["state/clients/ana/current/key.pem", "state/daemons/builder/current/key.pem"] {
        assert!(it.path(file).exists(), "{file}");
    }
    assert_eq!(folders(&it.path("state/ca")).len(), 1, "one CA");
    assert_eq!(it.read("state/log.jsonl").matches("client ana").count(), 1);
}

#[test]
fn init_survives() {
    survives("init_survives", &Scenario::new(&Workspace::new(), &INIT, &assert_initialized));
}

#[test]
fn init_with_an_installation_survives() {
    let workspace = Workspace::new();
    let install = format!("--install={}", workspace.text("root"));
    let arguments = [&INIT[..], &[install.as_str()]].concat();
    let finished = |it: &Workspace| {
        assert_initialized(it);
        assert!(it.path("root/etc/key.pem").exists());
    };
    survives("init_with_an_installation_survives", &Scenario::new(&workspace, &arguments, &finished));
}

#[test]
fn issue_survives() {
    let arguments = ["issue", "client", "bob"];
    let scenario_of = |it: &Workspace| {
        assert!(it.path("state/clients/bob/current/key.pem").exists());
        assert_eq!(it.read("state/kitcert.yaml").matches("bob").count(), 1);
        assert_eq!(it.read("state/log.jsonl").matches("client bob").count(), 1);
    };
    survives("issue_survives", &Scenario::new(&initialized(), &arguments, &scenario_of));
}

#[test]
fn a_bulk_issue_survives() {
    if !is_turn("a_bulk_issue_survives") {
        return;
    }
    let workspace = initialized();
    let names =
        workspace.write("home/names", (0..50).map(|number| format!("c{number}\n")).collect::<String>());
    let finished = |it: &Workspace| {
        assert_eq!(folders(&it.path("state/clients")).len(), 51);
        assert_eq!(it.read("state/log.jsonl").lines().count(), 53);
    };
    let arguments = ["issue", "client", "--from", &names];
    survives("a_bulk_issue_survives", &Scenario::new(&workspace, &arguments, &finished));
}

#[test]
fn an_answer_to_a_request_survives() {
    let machines = Machines::new();
    let asked = machines.developer.run(["request", "ana", "--format", "json"]).succeeded().json();
    let csr = machines.admin.write("ana.csr", machines.developer.read("ana.csr"));
    let told = asked["words"].as_str().unwrap();
    let arguments = ["issue", "client", "ana", "--csr", &csr, "--fingerprint", told, "--kit", "ana.kit"];
    let finished = |it: &Workspace| {
        assert!(it.read("ana.kit").contains(&it.read("state/clients/ana/current/cert.pem")));
        assert_eq!(it.read("state/log.jsonl").matches("client ana").count(), 1);
    };
    let scenario = Scenario::new(&machines.admin, &arguments, &finished);
    survives("an_answer_to_a_request_survives", &Scenario { is_settled: false, ..scenario });
}

#[test]
fn install_daemon_survives() {
    if !is_turn("install_daemon_survives") {
        return;
    }
    let workspace = initialized();
    let root = workspace.text("root");
    let finished = |it: &Workspace| assert!(it.path("root/etc/key.pem").exists());
    let arguments = ["install", "daemon", "--root", &root];
    survives("install_daemon_survives", &Scenario::new(&workspace, &arguments, &finished));
}

#[test]
fn install_client_survives() {
    if !is_turn("install_client_survives") {
        return;
    }
    let workspace = initialized();
    workspace.write("home/.earthly/config.yml", "# mine\nglobal:\n  cache_size_mb: 300\n");
    let finished = |it: &Workspace| {
        let config = it.read("home/.earthly/config.yml");
        assert!(
            config.starts_with("# mine\n") && config.contains("\n  tlskey: ./certs/key.pem\n"),
            "{config}"
        );
        assert_eq!(it.read("home/.earthly/certs/key.pem"), it.read("state/clients/ana/current/key.pem"));
    };
    survives("install_client_survives", &Scenario::new(&workspace, &["install", "client"], &finished));
}

#[test]
fn request_survives() {
    let finished = |it: &Workspace| {
        assert_eq!(it.read("zoe.csr"), it.read("state/requests/zoe/current/request.csr"));
        assert_eq!(folders(&it.path("state/requests/zoe")).len(), 2, "one generation, and current");
    };
    survives("request_survives", &Scenario::new(&initialized(), &["request", "zoe"], &finished));
}

#[test]
fn invite_survives() {
    if !is_turn("invite_survives") {
        return;
    }
    let finished = |it: &Workspace| {
        assert!(!it.path("state/clients/ana/current/key.pem").exists(), "the plaintext key is still here");
        let kit = kitcert::pki::Kit::from_text(it.read("ana.kit").as_bytes(), "ana.kit").unwrap();
        assert!(kit.has_key());
        let current = it.read("state/clients/ana/current/cert.pem");
        assert_eq!(kit.contents().leaf().to_pem(), current, "the kit is that of the present certificate");
    };
    let workspace = initialized();
    let scenario = Scenario::new(&workspace, &["invite", "ana"], &finished);
    survives("invite_survives", &Scenario { is_settled: false, ..scenario });
}

#[test]
fn join_survives() {
    if !is_turn("join_survives") {
        return;
    }
    let machines = Machines::new();
    let _daemon = machines.start_daemon();
    let answer = machines.kit(&[]);
    let arguments = ["join", "ana.kit", "--tool", "earthly", "--fingerprint", fingerprint(&answer)];
    let finished = |it: &Workspace| it.run(["verify", "--tool", "earthly"]).ended_with(0).err.clear();
    survives("join_survives", &Scenario::new(&machines.developer, &arguments, &finished));
}

#[test]
fn rotate_survives() {
    if !is_turn("rotate_survives") {
        return;
    }
    // Both are due; nobody restarts the daemon, so that its files are committed and not yet served.
    let port = Daemon::free_port();
    let workspace = workspace_aged(380, port);
    workspace.run(["install", "daemon", "--root", &workspace.text("root")]).succeeded();
    let finished = |it: &Workspace| {
        let current = leaf(it, "state/daemons/builder/current");
        assert_eq!(current.serial(), leaf(it, "root/etc").serial());
        assert_eq!(folders(&it.path("state/daemons/builder")).len(), 3, "two generations, and current");
    };
    let scenario = Scenario::new(&workspace, &["rotate", "--no-restart"], &finished);
    survives("rotate_survives", &Scenario { ends: 6, ends_again: &[6], ..scenario });
}

#[test]
fn rollback_survives() {
    let workspace = initialized();
    let previous = leaf(&workspace, "state/clients/ana/current").serial().to_string();
    workspace.run(["rotate", "--force", "ana"]).succeeded();
    let finished =
        |it: &Workspace| assert_eq!(leaf(it, "state/clients/ana/current").serial().to_string(), previous);
    let scenario = Scenario::new(&workspace, &["rollback", "ana"], &finished);
    // Once it is back, there is none before it.
    survives("rollback_survives", &Scenario { ends_again: &[0, 1], ..scenario });
}

/// Where strace counts calls, time does not: whatever is under way then, in whichever thread. No state
/// sees more than a share of them, since looking at all that many have left takes the time.
#[test]
fn whatever_moment_a_command_is_killed_at_it_leaves_a_whole_state() {
    let kills = number("KITCERT_KILLS", KILLS_AT_RANDOM);
    let killed: usize = (0..kills.div_ceil(KILLS_OF_A_STATE))
        .into_par_iter()
        .map(|state| {
            let share = KILLS_OF_A_STATE.min(kills - state * KILLS_OF_A_STATE);
            killed_at_random(share, &mut Numbers::of(state))
        })
        .sum();
    assert!(killed * 2 > kills, "only {killed} of {kills} came in time");
    let aim = Aim { words: "a whole state after each, and nothing lost", is_met: true };
    publish("crash and fault", "kills at random moments", format!("{killed} of {kills} in time"), Some(aim));
}

/// Kills so many commands, each at a moment that is drawn; how many had not ended before.
fn killed_at_random(kills: usize, numbers: &mut Numbers) -> usize {
    let workspace = initialized();
    let root = workspace.text("root");
    workspace.run(["install", "daemon", "--root", &root]).succeeded();
    let command = |which: usize, number: usize| {
        let fresh = format!("c{number}");
        let words = match which {
            0 => ["rotate", "--force", "ana"].map(str::to_owned),
            1 => ["rotate", "--force", "builder"].map(str::to_owned),
            2 => ["issue", "client", &fresh].map(str::to_owned),
            _ => ["request", &fresh, "--format=json"].map(str::to_owned),
        };
        let no_restart = ["--no-restart".to_owned()];
        words.into_iter().chain(no_restart.into_iter().filter(|_| which == 1)).collect::<Vec<_>>()
    };
    let undisturbed = [0, 1, 2, 3].map(|which| {
        let began = std::time::Instant::now();
        workspace.run(command(which, 1_000_000));
        began.elapsed()
    });
    let mut killed = 0;
    for kill in 0..kills {
        let old = Record::of(&workspace);
        let which = numbers.below(4);
        let words = command(which, kill);
        let mut child =
            workspace.command(&words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let limit = usize::try_from(undisturbed[which].as_micros()).unwrap();
        std::thread::sleep(std::time::Duration::from_micros(numbers.below(limit) as u64));
        child.kill().unwrap();
        killed += usize::from(child.wait().unwrap().code().is_none());
        let moment = format!("kill {kill}, of {words:?}");
        assert_whole(&workspace, &moment);
        old.assert_kept(&workspace, &moment);
    }
    for which in 0..4 {
        let said = workspace.run(command(which, 2_000_000));
        assert!([0, 6].contains(&said.code), "after {kills} kills: {said:?}");
    }
    assert_tidy(&workspace, "the end");
    killed
}

const KILLS_OF_A_STATE: usize = 50;
const KILLS_AT_RANDOM: usize = 80;
