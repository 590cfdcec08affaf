//! Keys, watched by strace under the loosest umask: no key file is open to group or others for an
//! instant, and no key byte goes anywhere but into a key file.

use std::collections::BTreeSet;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use crate::support::peers;
use crate::support::workspace::{Said, Workspace};

const CALLS: &str = "trace=openat,open,creat,openat2,mknodat,fchmod,chmod,fchmodat,\
                     mkdir,mkdirat,write,pwrite64,writev,pwritev,sendto,sendmsg";

/// Runs a command under strace and umask 000, and adds what was traced.
fn traced(workspace: &Workspace, strace: &Path, arguments: &[&str], trace: &mut String) -> Said {
    let file = workspace.path("trace");
    let mut starter = Command::new("/bin/sh");
    starter.args(["-c", "umask 000; exec \"$@\"", "sh"]).arg(strace);
    starter.args(["-f", "-y", "-s", "1000000", "-e", CALLS, "-o"]).arg(&file);
    let said = workspace.finish(workspace.command_under(starter, arguments), "").succeeded();
    trace.push_str(&String::from_utf8_lossy(&std::fs::read(&file).unwrap()));
    std::fs::remove_file(file).unwrap();
    said
}

/// The base64 lines of every key on disk.
fn secrets(workspace: &Workspace) -> BTreeSet<String> {
    let mut secrets = BTreeSet::new();
    for key in workspace.files_named("key.pem") {
        let text = std::fs::read_to_string(&key).unwrap();
        // The first line is the same in every key of a kind.
        secrets.extend(text.lines().filter(|line| !line.starts_with("---")).skip(1).map(str::to_owned));
    }
    secrets
}

/// The octal mode that a call gives: its last argument before the result, or before the line ends
/// because another thread was faster.
fn mode_of(line: &str) -> Option<u32> {
    let arguments = line.split(") = ").next()?.split(" <unfinished").next()?;
    u32::from_str_radix(arguments.rsplit(", ").next()?, 8).ok()
}

#[test]
fn no_key_is_ever_open_to_others_and_no_key_byte_is_seen() {
    const TEST: &str = "no_key_is_ever_open_to_others_and_no_key_byte_is_seen";
    let Some(strace) = peers::program("strace", TEST) else { return };
    let workspace = Workspace::new();
    let install = format!("--install={}", workspace.text("root"));
    let names = (0..40).map(|number| format!("c{number}\n")).collect::<String>();
    let list = workspace.write("home/names", names);
    let endpoint = "tcp://127.0.0.1:1";
    let mut trace = String::new();
    let mut heard = String::new();
    for arguments in [
        &["init", "--host", "127.0.0.1", "--client", "ana", "--endpoint", endpoint, &install, "-v"][..],
        &["issue", "client", "ci", "--format", "json"],
        &["issue", "client", "--from", &list],
        &["issue", "daemon", "second", "--host", "10.0.0.7"],
        &["install", "client", "ana", "--endpoint", endpoint, "-v"],
        &["install", "client", "ci", "--tool", "buildctl", "--endpoint", endpoint, "--format", "json"],
        &["status", "--format", "json", "-v"],
    ] {
        let said = traced(&workspace, &strace, arguments, &mut trace);
        heard += &(said.out + &said.err);
    }
    let verify =
        workspace.run(["verify", "builder", "--timeout", "1s", "-v", "--format", "json"]).ended_with(3);
    heard += &(verify.out + &verify.err + &workspace.read("state/log.jsonl"));
    for key in workspace.files_named("key.pem") {
        let said = workspace.run([Path::new("inspect"), &key]);
        heard += &(said.out + &said.err);
    }

    let secrets = secrets(&workspace);
    assert!(secrets.len() > 40, "{secrets:?}");
    assert!(!secrets.iter().any(|secret| heard.contains(secret)), "a key was printed");
    let mut keys_written = 0;
    for line in trace.lines() {
        let holds_key = secrets.iter().any(|secret| line.contains(secret));
        if holds_key {
            keys_written += 1;
            assert!(line.contains("/key.pem>"), "key bytes elsewhere: {line}");
        }
        let concerns_key = line.contains("key.pem");
        let sets_mode = line.contains("O_CREAT") || line.contains("chmod") || line.contains("creat(");
        if concerns_key && sets_mode {
            assert_eq!(mode_of(line).map(|mode| mode & 0o077), Some(0), "{line}");
        }
    }
    assert!(keys_written > 40, "strace saw {keys_written} keys");
    for key in workspace.files_named("key.pem") {
        assert_eq!(mode(&key), 0o600, "{}", key.display());
    }
    assert_eq!(mode(&workspace.path("state")), 0o700);
    for private in ["state/ca", "state/clients/ana", "state/clients/ana/gen-0001", "state/daemons/builder"] {
        assert_eq!(mode(&workspace.path(private)), 0o700, "{private}");
    }
    assert_eq!(mode(&workspace.path("state/kitcert.yaml")), 0o600);
    assert_eq!(mode(&workspace.path("root/etc/kitcert/gen-0001/cert.pem")), 0o644);
}

fn mode(path: &Path) -> u32 {
    path.symlink_metadata().unwrap().permissions().mode() & 0o7777
}

/// A restored backup, or a hand, may have opened what no command of ours ever does.
#[test]
fn a_key_of_the_state_that_others_can_read_is_told_with_the_command_that_closes_it() {
    use std::fs::Permissions;
    let workspace = Workspace::new();
    workspace.run(["init", "--host", "builder.example.com", "--client", "ana"]).succeeded();
    for (owner, renews) in [("daemons/builder", "revoke daemon/builder"), ("clients/ana", "--new-key")] {
        let key = workspace.path(&format!("state/{owner}/current/key.pem"));
        for mode in [0o644, 0o640, 0o604] {
            std::fs::set_permissions(&key, Permissions::from_mode(mode)).unwrap();
            let said = workspace.run(["status", "--check"]).ended_with(4).out;
            let told = said.lines().find(|line| line.contains("mode 0")).unwrap_or_else(|| panic!("{said}"));
            assert!(said.contains("others can read its key"), "{said}");
            let fix = told.split("; try: ").nth(1).unwrap_or_else(|| panic!("{told}"));
            assert!(workspace.run(["rotate"]).out.contains(renews), "{mode:o}");
            let status = Command::new("/bin/sh").args(["-c", fix]).status().unwrap();
            assert!(status.success() && self::mode(&key) == 0o600, "{fix}");
            let said = workspace.run(["status"]).out;
            assert!(!said.contains("others can read"), "{said}");
        }
    }
}

/// What decides who is let in, and others can write: the file, a folder above it, or a link on the way to it.
#[test]
fn a_file_that_others_can_write_or_replace_is_told_with_what_closes_it() {
    let workspace = Workspace::new();
    workspace.run(["init", "--host", "127.0.0.1", "--client", "ana"]).succeeded();
    let real = workspace.path("real");
    std::fs::create_dir(&real).unwrap();
    let bundle = workspace.read("state/clients/ana/current/ca.pem");
    std::fs::write(real.join("ca.pem"), bundle).unwrap();
    for folder in ["top", "middle"] {
        std::fs::create_dir(workspace.path(folder)).unwrap();
    }
    symlink(real.join("ca.pem"), workspace.path("middle/ca.pem")).unwrap();
    symlink(workspace.path("middle/ca.pem"), workspace.path("top/ca.pem")).unwrap();
    let path = workspace.text("top/ca.pem");
    let inspected = || workspace.run(["inspect", path.as_str()]);
    let chmod = |path: &Path, mode: u32| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    assert!(!inspected().succeeded().out.contains("file-mode"));
    let places = [
        (real.join("ca.pem"), 0o666),
        (real.clone(), 0o777),
        (workspace.path("middle"), 0o777),
        (workspace.path("top"), 0o777),
    ];
    for (place, mode) in places {
        let before = std::fs::metadata(&place).unwrap().permissions().mode() & 0o7777;
        chmod(&place, mode);
        let said = inspected().ended_with(if place.is_file() { 3 } else { 0 }).out;
        let fix = format!("chmod go-w {}", place.display());
        assert!(said.contains("file-mode") && said.contains(&fix), "{}: {said}", place.display());
        let status = std::process::Command::new("sh").args(["-c", &fix]).status().unwrap();
        assert!(status.success());
        assert!(!inspected().succeeded().out.contains("file-mode"), "{fix}");
        // As in /tmp, nobody replaces what is another's.
        if place.is_dir() {
            chmod(&place, 0o1777);
            assert!(!inspected().succeeded().out.contains("file-mode"), "{}", place.display());
        }
        chmod(&place, before);
    }
}

/// Other programs' forms of a key: each is said to be one, and to be open to others.
#[test]
fn a_key_in_another_programs_form_that_others_can_read_is_told() {
    const TEST: &str = "a_key_in_another_programs_form_that_others_can_read_is_told";
    let Some(openssl) = crate::support::peers::program("openssl", TEST) else { return };
    let workspace = Workspace::with_state();
    let key = workspace.text("state/clients/ana/current/key.pem");
    let mut printed = std::process::Command::new(openssl);
    printed.args(["pkey", "-noout", "-text", "-in", &key]);
    let printed = printed.output().unwrap().stdout;
    for (name, content) in [
        ("printed.txt", printed.as_slice()),
        ("key.jwk", b"{\"kty\": \"EC\", \"d\": \"AA\"}"),
        ("key.json", b"{\"kty\": \"EC\", \"d\": \"AA\"}"),
        ("key.ppk", b"PuTTY-User-Key-File-3: ssh-ed25519\n"),
        ("store.jks", &[0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2]),
    ] {
        let path = workspace.path(name);
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let said = workspace.run(["inspect", name]).ended_with(3).out;
        assert!(said.contains("private key") && said.contains("mode 0644"), "{said}");
        let said = workspace.run(["inspect", ".", "--format", "json"]);
        assert!(said.out.contains(name), "{name}");
        std::fs::remove_file(&path).unwrap();
    }
}
