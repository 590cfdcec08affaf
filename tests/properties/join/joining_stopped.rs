//! Onboarding that cannot go on, or is killed half way: nothing changes, or what was there works on,
//! and the same command again finishes it.

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use crate::join::joining::{Machines, fingerprint};
use crate::support::interference::{Fault, Threads, calls, interfered, spread};
use crate::support::numbers::number;
use crate::support::peers;
use crate::support::turns::is_turn;
use crate::support::workspace::Workspace;

const CONFIG: &str = "home/.earthly/config.yml";

/// Puts something at the place of a config that cannot be replaced.
type Plant = fn(&Workspace);

#[test]
fn a_config_that_cannot_be_written_is_refused_with_the_lines_before_anything_is_placed() {
    let machines = Machines::new();
    let developer = &machines.developer;
    let answer = machines.kit(&[]);
    let plants: &[(&str, Plant)] = &[
        ("marked read-only", |it| {
            let path = it.write(CONFIG, "global:\n");
            std::fs::set_permissions(path, Permissions::from_mode(0o444)).unwrap();
        }),
        ("which is not there", |it| {
            std::fs::create_dir(it.path("home/.earthly")).unwrap();
            symlink("../nowhere.yml", it.path(CONFIG)).unwrap();
        }),
        ("a second name", |it| {
            it.write(CONFIG, "global:\n");
            std::fs::hard_link(it.path(CONFIG), it.path("home/second")).unwrap();
        }),
    ];
    for (words, plant) in plants {
        plant(developer);
        let before = developer.snapshot();
        for more in [&[][..], &["--dry-run"]] {
            let said =
                machines.join(&[&["--fingerprint", fingerprint(&answer)], more].concat()).ended_with(1);
            assert!(said.err.contains(words), "{}", said.err);
            assert!(said.err.contains("\n  tlskey: ./certs/key.pem\n"), "{}", said.err);
        }
        before.assert_is(&developer.snapshot(), words);
        std::fs::remove_dir_all(developer.path("home/.earthly")).unwrap();
    }
}

#[test]
fn a_file_that_cannot_be_handed_over_is_refused_before_anything_is_made_for_it() {
    let machines = Machines::new();
    let (admin, developer) = (&machines.admin, &machines.developer);
    let before = developer.snapshot();
    developer.run(["request", "ana", "--output", "nowhere/ana.csr"]).ended_with(1);
    developer.run(["request", "ana", "--output", "-"]).ended_with(2);
    before.assert_is(&developer.snapshot(), "a request that cannot be written");
    let asked = developer.run(["request", "ana", "--format", "json"]).succeeded().json();
    let told = asked["fingerprint"].as_str().unwrap();
    let csr = admin.write("ana.csr", developer.read("ana.csr"));
    let before = admin.snapshot();
    for command in [
        &["invite", "bob", "--output", "nowhere/bob.kit"][..],
        &["issue", "client", "ana", "--csr", &csr, "--fingerprint", told, "--kit", "nowhere/ana.kit"],
    ] {
        admin.run(command).ended_with(1);
        admin.run(command.iter().chain(&["--dry-run"])).ended_with(1);
    }
    admin.run(["invite", "bob", "--output", "-"]).ended_with(2);
    before.assert_is(&admin.snapshot(), "a kit that cannot be written");
}

/// So many of the calls are tried.
const MOMENTS: usize = 6;

/// Kills `join` at one moment after another, from the same beginning, and joins again.
fn survives(machines: &Machines, strace: &Path, arguments: &[&str], after_kill: &dyn Fn(&str)) {
    let developer = &machines.developer;
    let arguments: Vec<String> = arguments.iter().map(|one| (*one).to_owned()).collect();
    let (home, beginning) = (developer.path("home"), developer.path("beginning"));
    let copy = |from: &Path, to: &Path| {
        if to.exists() {
            std::fs::remove_dir_all(to).unwrap();
        }
        assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
    };
    copy(&home, &beginning);
    let calls =
        spread(&calls(developer, strace, Threads::All, &arguments), number("KITCERT_MOMENTS", MOMENTS));
    let mut killed = 0;
    for call in &calls {
        copy(&beginning, &home);
        let (said, _) = interfered(developer, strace, Threads::All, &arguments, call, Fault::Kill);
        killed += usize::from(said.code != 0);
        let moment = call.to_string();
        after_kill(&moment);
        let again = developer.run(&arguments);
        assert_eq!(again.code, 0, "after {moment}: {}{}", again.out, again.err);
        assert!(again.out.ends_with("next: earthly +build\n"), "after {moment}: {}", again.out);
        let kit = developer.read("ana.kit");
        assert!(kit.contains(&developer.read("home/.earthly/certs/cert.pem")), "after {moment}");
        let verified = developer.run(["verify", "--tool", "earthly"]);
        assert_eq!(verified.code, 0, "verify after {moment}: {}{}", verified.out, verified.err);
        let second = developer.snapshot();
        developer.run(&arguments).succeeded();
        second.assert_is(&developer.snapshot(), &format!("joining once more after {moment}"));
    }
    assert!(killed > calls.len() / 3, "only {killed} were killed");
}

#[test]
fn a_killed_join_is_finished_by_the_next() {
    let Some(strace) = peers::program("strace", "a_killed_join_is_finished_by_the_next") else { return };
    let machines = Machines::new();
    let _daemon = machines.start_daemon();
    let answer = machines.kit(&[]);
    let told = fingerprint(&answer);
    let arguments = ["join", "ana.kit", "--tool", "earthly", "--fingerprint", told];
    survives(&machines, &strace, &arguments, &|moment| {
        let config = machines.developer.path(CONFIG);
        let names_files = config.exists();
        let are_there = ["ca.pem", "cert.pem", "key.pem"]
            .iter()
            .all(|name| machines.developer.path("home/.earthly/certs").join(name).exists());
        assert!(are_there || !names_files, "the config names files that are not there, {moment}");
    });
}

#[test]
fn a_killed_renewal_leaves_what_worked_or_what_works() {
    if !is_turn("a_killed_renewal_leaves_what_worked_or_what_works") {
        return;
    }
    let Some(strace) = peers::program("strace", "a_killed_renewal_leaves_what_worked") else { return };
    let machines = Machines::new();
    let _daemon = machines.start_daemon();
    let answer = machines.kit(&[]);
    machines.join(&["--tool", "earthly", "--fingerprint", fingerprint(&answer)]).succeeded();
    let asked =
        machines.developer.run(["request", "ana", "--new-key", "--format", "json"]).succeeded().json();
    machines.answer(asked["words"].as_str().unwrap(), &["--new-key"]);
    survives(&machines, &strace, &["join", "ana.kit", "--tool", "earthly"], &|moment| {
        let verified = machines.developer.run(["verify", "--tool", "earthly"]);
        assert_eq!(verified.code, 0, "{moment}: {}{}", verified.out, verified.err);
    });
}
