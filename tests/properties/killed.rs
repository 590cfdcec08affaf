//! A command that is killed at any of its system calls leaves the old set or the new, and the same
//! command again goes on from there.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use kitcert::pki::{Certificate, CertificateRequest, Kit, PrivateKey};

use crate::peers;
use crate::workspace::{Said, Workspace};

/// What changes a disk.
const CALLS: [&str; 12] = [
    "openat",
    "mkdirat",
    "write",
    "pwrite64",
    "renameat",
    "renameat2",
    "symlinkat",
    "fchmod",
    "fsync",
    "syncfs",
    "unlinkat",
    "ftruncate",
];

/// So many of the moments of one command are tried, evenly spread.
pub const MOMENTS: usize = 45;

/// Kills the command at one moment after another, and runs it again each time.
fn survives(test: &str, prepare: &[&[&str]], arguments: &[&str], expected: &dyn Fn(&Workspace)) {
    let Some(strace) = peers::program("strace", test) else { return };
    let prepared = || {
        let workspace = Workspace::new();
        for command in prepare {
            workspace.run(fill(&workspace, command)).succeeded();
        }
        workspace
    };
    let traced = prepared();
    let moments = moments(&traced, &strace, &fill(&traced, arguments));
    let mut killed = 0;
    for (call, count) in &moments {
        let workspace = prepared();
        let said = killed_at(&workspace, &strace, &fill(&workspace, arguments), call, *count);
        killed += usize::from(said.code != 0);
        let moment = format!("{call} {count}");
        assert_whole(&workspace, &moment);
        if !prepare.is_empty() {
            assert_eq!(workspace.run(["status"]).code, 0, "status after {moment}");
        }
        let again = workspace.run(fill(&workspace, arguments));
        assert_eq!(again.code, 0, "after {moment}: {}{}", again.out, again.err);
        assert_whole(&workspace, &moment);
        assert_eq!(workspace.run(["status"]).code, 0, "status at last, {moment}");
        expected(&workspace);
    }
    assert!(killed > MOMENTS / 3, "only {killed} of {} were killed", moments.len());
}

/// What a command says that is killed at that call of its, the one of that number.
pub fn killed_at(
    workspace: &Workspace,
    strace: &Path,
    arguments: &[String],
    call: &str,
    number: usize,
) -> Said {
    let mut starter = Command::new(strace);
    let inject = format!("inject={call}:signal=KILL:when={number}");
    starter.args(["-f", "-o", "/dev/null", "-e", &format!("trace={call}"), "-e", &inject]);
    workspace.finish(workspace.command_under(starter, arguments), "")
}

/// `{root}` and `{names}` in a command line, made paths of the workspace.
fn fill(workspace: &Workspace, arguments: &[&str]) -> Vec<String> {
    let filled = |argument: &&str| {
        argument.replace("{root}", &workspace.text("root")).replace("{names}", &workspace.text("home/names"))
    };
    if arguments.contains(&"{names}") {
        workspace.write("home/names", (0..50).map(|number| format!("c{number}\n")).collect::<String>());
    }
    arguments.iter().map(filled).collect()
}

/// Calls of the command that could be its last, each with its number within its thread: all of
/// them, or so many evenly spread.
pub fn moments(workspace: &Workspace, strace: &Path, arguments: &[String]) -> Vec<(String, usize)> {
    let trace = workspace.path("trace");
    let mut starter = Command::new(strace);
    starter.args(["-f", "-e", &format!("trace={}", CALLS.join(",")), "-o"]).arg(&trace);
    workspace.finish(workspace.command_under(starter, arguments), "").succeeded();
    let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
    for line in std::fs::read_to_string(trace).unwrap().lines() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let Some((call, _)) = rest.trim_start().split_once('(') else { continue };
        if CALLS.contains(&call) {
            *counts.entry((call.to_owned(), thread.to_owned())).or_default() += 1;
        }
    }
    let mut greatest: BTreeMap<String, usize> = BTreeMap::new();
    for ((call, _), count) in counts {
        let most = greatest.entry(call).or_default();
        *most = count.max(*most);
    }
    let all: Vec<_> = greatest
        .into_iter()
        .flat_map(|(call, most)| (1..=most).map(move |count| (call.clone(), count)))
        .collect();
    assert!(all.len() > 20, "strace saw only {all:?}");
    let stride = all.len().div_ceil(MOMENTS);
    all.into_iter().step_by(stride).collect()
}

/// Every set that something leads to is complete and matches.
pub fn assert_whole(workspace: &Workspace, moment: &str) {
    for kind in ["state/daemons", "state/clients"] {
        for identity in folders(&workspace.path(kind)) {
            let current = identity.join("current");
            assert!(current.exists() || current.symlink_metadata().is_err(), "{moment}: {current:?} dangles");
            for generation in folders(&identity).iter().filter(|path| !path.is_symlink()) {
                // The key of an invited client is in its kit.
                if kind != "state/clients" || generation.join("key.pem").exists() {
                    assert_matches(generation, moment);
                }
            }
        }
    }
    let installed = workspace.path("root/etc/kitcert/current");
    if installed.symlink_metadata().is_ok() {
        assert_matches(&installed, moment);
    }
    for file in ["ca.pem", "cert.pem", "key.pem"] {
        let link = workspace.path("root/etc").join(file);
        assert!(link.symlink_metadata().is_err() || link.exists(), "{moment}: {link:?} dangles");
    }
}

fn folders(path: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(path).into_iter().flatten();
    entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect()
}

fn assert_matches(set: &Path, moment: &str) {
    let read = |name: &str| {
        std::fs::read(set.join(name)).unwrap_or_else(|error| panic!("{moment}: {set:?} {name}: {error}"))
    };
    let leaf = Certificate::chain_from_pem(&read("cert.pem"), "cert.pem").unwrap().remove(0);
    let key = PrivateKey::from_pem(&read("key.pem"), "key.pem").unwrap();
    assert!(key.public_key() == leaf.public_key(), "{moment}: {set:?} is mixed");
    // During a rollover the CA that everything is moved to stands first, whoever issued the leaf.
    let trust = Certificate::chain_from_pem(&read("ca.pem"), "ca.pem").unwrap();
    let is_issuer = |authority: &Certificate| authority.subject() == leaf.issuer();
    assert!(trust.iter().any(is_issuer), "{moment}: {set:?} does not trust its issuer, {}", leaf.issuer());
}

const INIT: [&str; 5] = ["init", "--host", "127.0.0.1", "--client", "ana"];

#[test]
fn a_killed_init_is_finished_by_the_next() {
    survives(
        "a_killed_init_is_finished_by_the_next",
        &[],
        &[&INIT[..], &["--install={root}"]].concat(),
        &|it| {
            for file in ["state/clients/ana/current/key.pem", "state/daemons/builder/current/key.pem"] {
                assert!(it.path(file).exists(), "{file}");
            }
            assert!(it.path("root/etc/key.pem").exists());
            assert_eq!(folders(&it.path("state/ca")).len(), 1, "one CA");
        },
    );
}

#[test]
fn a_killed_issue_is_finished_by_the_next() {
    let arguments = ["issue", "client", "bob"];
    survives("a_killed_issue_is_finished_by_the_next", &[&INIT], &arguments, &|it| {
        assert!(it.path("state/clients/bob/current/key.pem").exists());
        assert_eq!(it.read("state/kitcert.yaml").matches("bob").count(), 1);
        assert_eq!(it.read("state/log.jsonl").matches("client bob").count(), 1);
    });
}

#[test]
fn a_killed_bulk_issue_is_finished_by_the_next() {
    let arguments = ["issue", "client", "--from", "{names}"];
    survives("a_killed_bulk_issue_is_finished_by_the_next", &[&INIT], &arguments, &|it| {
        assert_eq!(folders(&it.path("state/clients")).len(), 51);
        assert_eq!(it.read("state/log.jsonl").lines().count(), 53);
    });
}

#[test]
fn a_killed_installation_is_finished_by_the_next() {
    let arguments = ["install", "daemon", "--root", "{root}"];
    survives("a_killed_installation_is_finished_by_the_next", &[&INIT], &arguments, &|it| {
        assert_matches(&it.path("root/etc/kitcert/current"), "at last");
        assert!(it.path("root/etc/key.pem").exists());
    });
}

#[test]
fn a_killed_request_is_finished_by_the_next() {
    survives("a_killed_request_is_finished_by_the_next", &[&INIT], &["request", "zoe"], &|it| {
        let request = it.read("state/requests/zoe/current/request.csr");
        assert_eq!(it.read("zoe.csr"), request);
        let key = it.read("state/requests/zoe/current/key.pem");
        let key = PrivateKey::from_pem(key.as_bytes(), "key.pem").unwrap();
        let request = CertificateRequest::from_pem(request.as_bytes(), "zoe.csr").unwrap();
        assert!(*request.public_key() == *key.public_key());
        assert_eq!(folders(&it.path("state/requests/zoe")).len(), 2, "one generation, and current");
    });
}

#[test]
fn a_killed_invitation_is_finished_by_the_next() {
    survives("a_killed_invitation_is_finished_by_the_next", &[&INIT], &["invite", "ana"], &|it| {
        assert!(!it.path("state/clients/ana/current/key.pem").exists(), "the plaintext key is still here");
        let kit = Kit::from_text(it.read("ana.kit").as_bytes(), "ana.kit").unwrap();
        assert!(kit.has_key());
        let current = it.read("state/clients/ana/current/cert.pem");
        assert_eq!(kit.contents().leaf().to_pem(), current, "the kit is that of the present certificate");
    });
}
