//! Somebody on the same machine has put something where a command is about to write: a link to what
//! they want changed, a pipe that nobody writes to, a folder. It is never followed, never waited
//! for, and never changed beyond it.

use std::ffi::OsStr;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{CWD, FileType, Mode, RenameFlags, mknodat, renameat_with};
use rustix::process::geteuid;

use crate::crash::survival::Beginning;
use crate::figures::{Aim, publish};
use crate::support::peers;
use crate::support::workspace::{Said, Workspace};

/// What is planted.
const KINDS: [Kind; 6] =
    [Kind::LinkToFile, Kind::LinkToFolder, Kind::Dangling, Kind::HardLink, Kind::Pipe, Kind::Folder];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    LinkToFile,
    LinkToFolder,
    /// To a name that is not there, and is not to be made.
    Dangling,
    HardLink,
    Pipe,
    Folder,
}

/// A command, and where it writes: paths below the workspace.
const TARGETS: [(&[&str], &[&str]); 7] = [
    (
        &["init", "--host", "127.0.0.1", "--client", "ana"],
        &["state", "state/kitcert.yaml", "state/log.jsonl", "state/ca", "state/issued", "state/daemons"],
    ),
    (
        &["issue", "client", "bob"],
        &[
            "state/clients/bob",
            "state/clients/bob/current",
            "state/clients/bob/gen-0001",
            "state/clients",
            "state/issued",
            "state/log.jsonl",
            "state/kitcert.yaml",
            "state/.lock",
        ],
    ),
    (
        &["install", "daemon", "--root", "root"],
        &[
            "root",
            "root/etc",
            "root/etc/kitcert",
            "root/etc/kitcert/gen-0001",
            "root/etc/kitcert/current",
            "root/etc/ca.pem",
            "root/etc/cert.pem",
            "root/etc/key.pem",
        ],
    ),
    (
        &["install", "client", "--endpoint", "tcp://builder.test:8372"],
        &["home/.earthly/certs", "home/.earthly/certs/key.pem", "home/.earthly/certs/kitcert"],
    ),
    (&["rotate", "--force", "ana"], &["state/clients/ana/gen-0002", "state/kits", "state/clients/ana"]),
    (&["request", "zoe"], &["state/requests", "state/requests/zoe", "zoe.csr"]),
    (&["invite", "ana"], &["ana.kit", "state/clients/ana/gen-0002"]),
];

/// What the attacker wants changed, outside of everything that a command has to do with.
struct Victim {
    folder: PathBuf,
}

impl Victim {
    fn new(workspace: &Workspace) -> Victim {
        let folder = workspace.path("outside");
        std::fs::create_dir_all(folder.join("folder")).unwrap();
        for file in ["file", "folder/key.pem", "folder/current"] {
            std::fs::write(folder.join(file), "precious").unwrap();
            std::fs::set_permissions(folder.join(file), std::fs::Permissions::from_mode(0o644)).unwrap();
        }
        Victim { folder }
    }

    #[track_caller]
    fn assert_untouched(&self, what: &str) {
        let entries = |folder: &Path| {
            let mut names: Vec<_> =
                std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        assert_eq!(entries(&self.folder), ["file", "folder"].map(OsStr::new), "{what}");
        let inner = self.folder.join("folder");
        assert_eq!(entries(&inner), ["current", "key.pem"].map(OsStr::new), "{what}");
        for file in ["file", "folder/key.pem", "folder/current"] {
            let path = self.folder.join(file);
            assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious", "{what}: {file}");
            assert_eq!(path.metadata().unwrap().mode() & 0o7777, 0o644, "{what}: {file}");
        }
    }
}

/// Puts it there, as another user's.
fn plant(kind: Kind, at: &Path, victim: &Victim) {
    if let Ok(found) = at.symlink_metadata() {
        // Whoever could put something here could take away what was here.
        if found.is_dir() { std::fs::remove_dir_all(at).unwrap() } else { std::fs::remove_file(at).unwrap() }
    }
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(at.parent().unwrap()).unwrap();
    match kind {
        Kind::LinkToFile => symlink(victim.folder.join("file"), at).unwrap(),
        Kind::LinkToFolder => symlink(victim.folder.join("folder"), at).unwrap(),
        Kind::Dangling => symlink(victim.folder.join("new"), at).unwrap(),
        Kind::HardLink => std::fs::hard_link(victim.folder.join("file"), at).unwrap(),
        Kind::Pipe => mknodat(CWD, at, FileType::Fifo, Mode::from_raw_mode(0o666), 0).unwrap(),
        Kind::Folder => std::fs::create_dir(at).unwrap(),
    }
    std::os::unix::fs::lchown(at, Some(NOBODY), Some(NOBODY)).unwrap();
}

/// With a limit, so that a command that waits for a pipe is a failure and not a hang.
fn run_in_time(workspace: &Workspace, arguments: &[&str]) -> Said {
    let mut starter = Command::new("timeout");
    starter.args(["--signal=KILL", "20"]);
    workspace.finish(workspace.command_under(starter, arguments), "")
}

#[test]
fn nothing_that_was_planted_where_a_command_writes_is_followed_or_waited_for() {
    const TEST: &str = "nothing_that_was_planted_where_a_command_writes_is_followed_or_waited_for";
    if !geteuid().is_root() {
        // A link that this user made is followed, and is no attack.
        peers::skip(TEST, "only root may make another user's links");
        return;
    }
    let mut planted = 0;
    for (arguments, targets) in TARGETS {
        let workspace = Workspace::new();
        if arguments[0] != "init" {
            workspace.run(["init", "--host", "127.0.0.1", "--client", "ana"]).succeeded();
        }
        let victim = Victim::new(&workspace);
        let beginning = Beginning::of(&workspace);
        for target in targets {
            for kind in KINDS {
                beginning.restore();
                let what = format!("{}, {kind:?} at {target}", arguments.join(" "));
                plant(kind, &workspace.path(target), &victim);
                let said = run_in_time(&workspace, arguments);
                println!("{what}: {} {}", said.code, said.err.lines().next().unwrap_or_default());
                assert!([0, 1, 2, 5, 6].contains(&said.code), "{what}: {said:?}");
                assert!(!said.err.contains("has a fault"), "{what}: {said:?}");
                victim.assert_untouched(&what);
                planted += 1;
            }
        }
    }
    let aim = Aim { words: "none followed, none waited for, nothing beyond it changed", is_met: true };
    publish("attackers on the same machine", "planted paths", planted, Some(aim));
}

/// Between a look and a step, what was looked at is exchanged for a link.
#[test]
fn a_folder_that_is_exchanged_for_a_link_again_and_again_leads_nowhere() {
    const TEST: &str = "a_folder_that_is_exchanged_for_a_link_again_and_again_leads_nowhere";
    if !geteuid().is_root() {
        peers::skip(TEST, "only root may make another user's links");
        return;
    }
    let workspace = Workspace::new();
    workspace.run(["init", "--host", "127.0.0.1", "--client", "ana"]).succeeded();
    let victim = Victim::new(&workspace);
    let root = workspace.path("root");
    std::fs::create_dir_all(root.join("etc/kitcert")).unwrap();
    let (folder, link) = (root.join("etc/kitcert"), root.join("link"));
    symlink(victim.folder.join("folder"), &link).unwrap();
    std::os::unix::fs::lchown(&link, Some(NOBODY), Some(NOBODY)).unwrap();
    let has_ended = AtomicBool::new(false);
    let swaps = std::thread::scope(|scope| {
        let swapping = scope.spawn(|| {
            let mut swaps = 0_u64;
            while !has_ended.load(Ordering::SeqCst) {
                // It is not there for a moment where the command replaces it.
                swaps += u64::from(renameat_with(CWD, &folder, CWD, &link, RenameFlags::EXCHANGE).is_ok());
            }
            swaps
        });
        // Whatever is found wrong, the other thread ends.
        let end = Ended(&has_ended);
        for _ in 0..RACES {
            let said = run_in_time(&workspace, &["install", "daemon", "--root", "root"]);
            assert!([0, 1, 5].contains(&said.code), "{said:?}");
            victim.assert_untouched("a race");
        }
        drop(end);
        swapping.join().unwrap()
    });
    assert!(swaps > RACES as u64 * 10, "only {swaps} exchanges");
    let aim = Aim { words: "none followed", is_met: true };
    let value = format!("{swaps} exchanges during {RACES} installations");
    publish("attackers on the same machine", "a folder that is exchanged for a link", value, Some(aim));
}

/// Says so when it goes.
struct Ended<'a>(&'a AtomicBool);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

const RACES: usize = 40;
/// The user that owns nothing.
const NOBODY: u32 = 65_534;
