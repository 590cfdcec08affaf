//! What a command still knows of a key when it ends: its whole memory is read at its last system
//! call, and neither a key as we write it nor a passphrase that was typed is in it.
//!
//! ring's and rustls's own numbers of a key that signs are theirs, and not looked for.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use pem::Pem;
use serde_json::Value;

use crate::join::joining::Machines;
use crate::support::peers;
use crate::support::turns::is_turn;
use crate::support::workspace::Workspace;

/// Runs the command to its last system call, exit_group with that code, and returns all that it could
/// have written to.
fn memory_at_the_end(workspace: &Workspace, strace: &Path, arguments: &[&str], ends: &str) -> Vec<Vec<u8>> {
    let mut starter = Command::new(strace);
    starter.args(["-qq", "-f", "-o", "/dev/null", "-e", "trace=exit_group"]);
    starter.args(["-e", "inject=exit_group:delay_enter=60s"]);
    let mut command = workspace.command_under(starter, arguments);
    command.env("PATH", workspace.path("bin"));
    let said = File::create(workspace.path("said")).unwrap();
    let mut tracer = command.stdin(Stdio::null()).stdout(said).spawn().unwrap();
    let children = format!("/proc/{0}/task/{0}/children", tracer.id());
    let process = loop {
        assert!(tracer.try_wait().unwrap().is_none(), "{arguments:?} ended unseen");
        let children = std::fs::read_to_string(&children).unwrap();
        let process = children.split_whitespace().next();
        if let Some((process, code)) = process.and_then(|process| Some((process, exit_code(process)?))) {
            assert_eq!(code, ends, "{arguments:?}: {}", workspace.read("said"));
            break process.to_owned();
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let maps = std::fs::read_to_string(format!("/proc/{process}/maps")).unwrap();
    let memory = File::open(format!("/proc/{process}/mem")).unwrap();
    let found = maps.lines().filter_map(|line| written_to(&memory, line)).collect();
    // Left alone, it ends.
    tracer.kill().unwrap();
    tracer.wait().unwrap();
    found
}

/// The exit code, where it is in exit_group, by the number that the kernel has for it. strace has children of
/// its own before, by which it learns what the kernel can do, and they end in the same way.
fn exit_code(process: &str) -> Option<String> {
    let program = std::fs::read_link(format!("/proc/{process}/exe")).ok()?;
    if program != Path::new(env!("CARGO_BIN_EXE_kitcert")) {
        return None;
    }
    const EXIT_GROUP: &str = if cfg!(target_arch = "x86_64") { "231" } else { "94" };
    let call = std::fs::read_to_string(format!("/proc/{process}/syscall")).unwrap_or_default();
    let mut words = call.split(' ');
    words.next().filter(|number| *number == EXIT_GROUP)?;
    words.next().map(str::to_owned)
}

/// A region of memory that can be written to: the heap, the stacks, the program's own variables.
fn written_to(memory: &File, line: &str) -> Option<Vec<u8>> {
    let mut words = line.split_whitespace();
    let (range, access) = (words.next()?, words.next()?);
    let (from, to) = range.split_once('-')?;
    let number = |text| u64::from_str_radix(text, 16).unwrap();
    let mut octets = vec![0; usize::try_from(number(to) - number(from)).unwrap()];
    // What is only set aside cannot be read.
    (access.starts_with("rw") && memory.read_exact_at(&mut octets, number(from)).is_ok()).then_some(octets)
}

/// Parts of a key file that nothing else has: of its text, and of what that encodes.
fn marks(path: &Path) -> Vec<(&'static str, Vec<u8>)> {
    let text = std::fs::read_to_string(path).unwrap();
    let der = text.parse::<Pem>().unwrap().into_contents();
    // From the wrapping of the secret number to its end.
    let number = if der.len() == ED25519_LENGTH { &der[14..] } else { &der[26..68] };
    let line = |number: usize| text.lines().nth(number).filter(|line| !line.starts_with('-'));
    let mut marks = vec![("its DER", number.to_vec())];
    marks.extend(line(1).map(|line| ("its first line", line.as_bytes()[48..].to_vec())));
    marks.extend(line(2).map(|line| ("its second line", line.as_bytes()[..24].to_vec())));
    marks
}

const ED25519_LENGTH: usize = 48;
const PAGE: usize = 4096;

fn assert_forgotten(memory: &[Vec<u8>], what: &str, mark: &[u8]) {
    // Most of a memory was never written to.
    let is_used = |page: &&[u8]| page.iter().any(|octet| *octet != 0);
    let holds = |region: &Vec<u8>| {
        let mut pages = region.chunks(PAGE).enumerate().filter(|(_, page)| is_used(page));
        pages.any(|(number, _)| {
            let end = ((number + 1) * PAGE + mark.len()).min(region.len());
            region[number * PAGE..end].windows(mark.len()).any(|window| window == mark)
        })
    };
    assert!(!memory.iter().any(holds), "{what} is still in memory");
}

#[test]
fn a_command_that_ends_has_no_key_in_its_memory() {
    if !is_turn("a_command_that_ends_has_no_key_in_its_memory") {
        return;
    }
    let test = "a_command_that_ends_has_no_key_in_its_memory";
    let Some(strace) = peers::program("strace", test) else { return };
    let machines = Machines::new();
    let _daemon = machines.start_daemon();
    let (admin, developer) = (&machines.admin, &machines.developer);
    let (fresh, other) = (Workspace::new(), Workspace::new());
    fresh.write("names", "zoe\njoe\n");
    let root = admin.text("root");
    let commands: [(&Workspace, &[&str], &str); 9] = [
        (&fresh, &["init", "--host", "127.0.0.1", "--client", "ana"], "0x0"),
        (&fresh, &["issue", "client", "--from", "names"], "0x0"),
        (&other, &["init", "--host", "127.0.0.1", "--client", "ana", "--key-type", "ed25519"], "0x0"),
        (&other, &["rotate", "--force", "--no-restart"], "0x6"),
        (admin, &["issue", "client", "ana"], "0x0"),
        (admin, &["verify"], "0x0"),
        (admin, &["install", "daemon", "--root", &root], "0x0"),
        (admin, &["inspect", "state/clients/ana/current"], "0x0"),
        (developer, &["request", "ana"], "0x0"),
    ];
    for (workspace, arguments, ends) in commands {
        let keys = |workspace: &Workspace| {
            workspace.files_named("key.pem").iter().flat_map(|key| marks(key)).collect::<Vec<_>>()
        };
        let before = keys(workspace);
        let memory = memory_at_the_end(workspace, &strace, arguments, ends);
        let all: BTreeSet<_> = before.into_iter().chain(keys(workspace)).collect();
        for (what, mark) in &all {
            assert_forgotten(&memory, &format!("{arguments:?}: of a key, {what}"), mark);
        }
    }
}

#[test]
fn who_invites_and_who_joins_has_no_key_in_memory_at_the_end_and_who_joins_no_passphrase() {
    let test = "who_invites_and_who_joins_has_no_key_in_memory_at_the_end_and_who_joins_no_passphrase";
    let Some(strace) = peers::program("strace", test) else { return };
    let machines = Machines::new();
    let _daemon = machines.start_daemon();
    let (admin, developer) = (&machines.admin, &machines.developer);
    let inviting = memory_at_the_end(admin, &strace, &["invite", "ana", "--format", "json"], "0x0");
    let said: Value = serde_json::from_str(&admin.read("said")).unwrap();
    let words = said["passphrase"].as_str().unwrap().as_bytes();
    developer.write("ana.kit", admin.read("ana.kit"));
    developer.write("passphrase", words);
    let join = ["join", "ana.kit", "--passphrase-file", "passphrase"];
    let joining = memory_at_the_end(developer, &strace, &join, "0x0");
    let keys = developer.files_named("key.pem");
    assert_eq!(keys.len(), 1);
    // Whoever invites has shown the passphrase, which is among what was printed.
    assert_forgotten(&joining, "join: the passphrase", words);
    assert_forgotten(&joining, "join: half of the passphrase", &words[words.len() / 2..]);
    for (who, memory) in [("invite", inviting), ("join", joining)] {
        for (what, mark) in marks(&keys[0]) {
            assert_forgotten(&memory, &format!("{who}: of the key, {what}"), &mark);
        }
    }
}
