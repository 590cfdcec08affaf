//! What the program suggests is carried out, wherever a test of any kind has it printed.
//!
//! With `KITCERT_FOLLOWED` set, as `tests/run` does, each command that an output suggests is run where that output
//! came from: with `--dry-run`, if it changes something, so that the test goes on as if nothing had been. The file
//! that the variable names gets a line for each, with a mark where the test draws what it does. Then `words::suggestions` holds what was carried out against every text
//! of the source.
//!
//! What is suggested of other programs (`chmod`, `mv -n`, `openssl`) is pasted in a copy of the folder, and must end
//! with 0. Of a program that this machine lacks it is noted that it was not. How all of them ended is held when all
//! tests have run, since one test alone does not have what another has printed.
//!
//! `verify` is left to `suggested_verifications`, which carries out each of its forms: a dial that the test does not
//! expect is not as if nothing had been.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use serde_json::Value;

use crate::support::numbers::draws;
use crate::support::peers;
use crate::support::suggested::{command_at_start, plain, shell_words};
use crate::support::workspace::{PROGRAM, Said};

/// Where it is noted what was carried out, if it is to be.
fn record() -> Option<PathBuf> {
    std::env::var_os("KITCERT_FOLLOWED").map(PathBuf::from)
}

/// Carries out what a run of the program suggests.
pub fn follow(command: &Command, said: &Said) {
    static SEEN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let Some(record) = record().filter(|_| command.get_program() == PROGRAM) else { return };
    for line in lines(said) {
        let is_new = |suggested: &str| {
            SEEN.lock().unwrap().insert(format!("{:?} {line} {suggested}", command.get_current_dir()))
                && is_left(&line, suggested)
        };
        for suggested in commands_in(&line).into_iter().filter(|one| is_new(one)) {
            carry_out(command, &suggested, &line, &record);
        }
        if let Some(foreign) = foreign_in(&line).filter(|one| is_new(one)) {
            note(&record, &paste_in_a_copy(command, &foreign), &foreign, &line, "");
        }
    }
}

/// Whether a suggestion is carried out once more: two of a kind are enough, but for the long form. What a test that draws
/// has carried out takes no place of what one carries out that comes to it each time.
fn is_left(line: &str, suggested: &str) -> bool {
    static COUNTS: Mutex<BTreeMap<(bool, String), usize>> = Mutex::new(BTreeMap::new());
    if std::env::var_os("KITCERT_ENDINGS").is_some() {
        return true;
    }
    let mut counts = COUNTS.lock().unwrap();
    let count = counts.entry((draws(), format!("{} {}", kind_of(line), kind_of(suggested)))).or_default();
    *count += 1;
    *count <= OF_A_KIND
}

const OF_A_KIND: usize = 2;

/// A line but for its paths, numbers and whatever was drawn.
fn kind_of(line: &str) -> String {
    let is_drawn = |word: &str| word.contains('/') || word.bytes().any(|byte| byte.is_ascii_digit());
    let words = line.split(' ').map(|word| match is_drawn(word) {
        true if word.contains('*') => "_*",
        true => "_",
        false => word,
    });
    words.collect::<Vec<_>>().join(" ")
}

/// What the record says of a test that draws.
pub const DRAWN: &str = "drawn";

fn note(record: &Path, code: &str, suggested: &str, line: &str, why: &str) {
    let mut file = std::fs::OpenOptions::new().append(true).create(true).open(record).unwrap();
    let by = if draws() { DRAWN } else { "" };
    file.write_all(format!("{code}\t{suggested}\t{line}\t{why}\t{by}\n").as_bytes()).unwrap();
}

/// The command of another program that a line tells to paste.
fn foreign_in(line: &str) -> Option<String> {
    let pasted = line.strip_prefix("try: ")?.split(REMARK).next()?;
    let is_foreign = |command: &str| !command.starts_with("kitcert ") && !command.starts_with("export ");
    // What a whole line does is done by all of its parts.
    pasted.split(" && ").all(is_foreign).then(|| pasted.to_owned())
}

/// Pastes it where nothing is lost, and says how it ended: by its exit code, or why it was not pasted.
fn paste_in_a_copy(command: &Command, suggested: &str) -> String {
    let program = suggested.split(' ').next().unwrap();
    let is_there = |program: &str| {
        let folders = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&folders).any(|folder| folder.join(program).exists())
    };
    if program != EDITOR && !is_there(program) {
        return "absent".to_owned();
    }
    if NOT_PASTED.iter().any(|(not, _)| *not == program) {
        return "not pasted".to_owned();
    }
    let folder = command.get_current_dir().unwrap();
    let parent = tempfile::tempdir().unwrap();
    let copy = parent.path().join("copy");
    // A socket or a file that goes away meanwhile is nobody's loss.
    let _ = Command::new("cp").arg("-a").arg(folder).arg(&copy).output().unwrap();
    let there = folder.display().to_string();
    let (there, here) = (there.trim_end_matches('/'), copy.display().to_string());
    let text = suggested.replace(there, &here);
    let is_elsewhere = |word: &str| word.starts_with('/') && !word.starts_with(&here);
    if text.split(' ').map(|word| word.trim_matches('\'')).any(is_elsewhere) {
        return "elsewhere".to_owned();
    }
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", &text]).current_dir(&copy).env("EDITOR", "true").env("HOME", copy.join("home"));
    Said::of(&peers::run(&mut shell, "")).code.to_string()
}

/// Programs that act on more than a folder, or need what a machine of tests may lack, and why.
const NOT_PASTED: &[(&str, &str)] = &[
    ("docker", "it would stop or make containers of this machine"),
    ("timedatectl", "a container has no systemd to ask"),
];
/// What a machine of tests may lack.
const ABSENT_SOMEWHERE: [&str; 4] = ["docker", "ip", "ss", "timedatectl"];
/// How suggestions may end in 1, since what they lack a test does not have: words of the reason, and why.
const FAILED: &[(&str, &str)] = &[
    ("found nothing", "a kit, a request or a receipt goes to another machine, where the command is pasted"),
    ("expected something there", "a kit, a request or a receipt goes to another machine"),
    ("expected a folder with a kitcert.yaml", "it is pasted where the state is, on another machine"),
    ("no such file or folder", "a kit or a request goes to another machine, where the command is pasted"),
    (
        "the certificate of a CA in ca/, from a backup",
        "what recover needs is in a backup that the test lacks",
    ),
    ("found only some of them", "half of what another copy has installed is taken in by nobody"),
    ("that its owner alone can read", "the remark is for whoever has done what stands before it"),
];

/// After a run of all tests with `KITCERT_FOLLOWED`, as `tests/run` makes one.
#[test]
#[ignore = "reads what a run of all tests has carried out"]
fn all_that_was_carried_out_ended_as_the_manual_says() {
    let record =
        std::fs::read_to_string(record().expect("KITCERT_FOLLOWED names the record of a run")).unwrap();
    let (mut wrong, mut pasted) = (BTreeSet::new(), 0);
    for line in record.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let [code, suggested, from, why, _] = fields[..] else { panic!("no record: {line}") };
        let program = suggested.split(' ').next().unwrap();
        let is_right = match code {
            // It says why that is no request, which is what it is for.
            "1" if suggested.starts_with("openssl req ") => true,
            // Nobody has that name, which is what is to be seen.
            "2" if program == "getent" => true,
            _ if program != "kitcert" => {
                pasted += usize::from(code == "0");
                let may_be_absent = ABSENT_SOMEWHERE.contains(&program);
                matches!(code, "0" | "elsewhere" | "not pasted") || code == "absent" && may_be_absent
            }
            "0" | "2" | "3" | "4" | "6" => true,
            // What it was to do went on, and not all of it succeeded: each has a result of its own.
            "1" if why.is_empty() => true,
            "1" => FAILED.iter().any(|(words, _)| why.contains(words)),
            _ => false,
        };
        if !is_right {
            wrong.insert(format!("{suggested} ends with {code}: {why}\n    after: {from}"));
        }
    }
    assert!(pasted > 20, "only {pasted} commands of other programs were pasted");
    let wrong: Vec<String> = wrong.into_iter().collect();
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}

const EDITOR: &str = "${EDITOR:-vi}";
/// Between a command and what is to be said of it, as the source has it.
const REMARK: &str = "   # ";

/// A command may be refused once, if what it suggests instead is not.
fn carry_out(command: &Command, suggested: &str, line: &str, record: &Path) {
    let Some(harmless) = harmless(suggested) else { return };
    let done = Said::of(&peers::run(&mut pasted(command, &harmless), ""));
    let why = done.err.lines().map(plain).find(|line| line.starts_with("error: ")).unwrap_or_default();
    let next = done.err.lines().map(plain).find_map(|line| Some(line.strip_prefix("try: ")?.to_owned()));
    assert!(next.as_deref() != Some(suggested), "{suggested} suggests itself: {why}\nafter: {line}");
    if done.code == 2 && !ASKS_A_PERSON.iter().any(|words| why.contains(words)) {
        let next = next.unwrap_or_else(|| panic!("{suggested} is refused: {}\nafter: {line}", done.err));
        let second = next.starts_with("kitcert ").then(|| self::harmless(command_at_start(&next))).flatten();
        let second = second.unwrap_or_else(|| panic!("{suggested} leads to {next}\nafter: {line}"));
        let second = Said::of(&peers::run(&mut pasted(command, &second), ""));
        let asks = ASKS_A_PERSON.iter().any(|words| second.err.contains(words));
        assert!(second.code != 2 || asks, "{suggested} leads to {next}, and that is refused: {second:?}");
    }
    note(record, &done.code.to_string(), suggested, line, &why);
}

/// Nobody is at the terminal of a test; what is asked there is tried in `joining`.
const ASKS_A_PERSON: [&str; 1] = ["found no terminal to ask on"];

/// The lines of an output in which something is suggested, of text or of JSON.
fn lines(said: &Said) -> Vec<String> {
    fn strings(value: &Value, is_suggestion: bool, found: &mut Vec<String>) {
        match value {
            Value::String(text) if is_suggestion || text.contains("kitcert ") => {
                found.extend(text.lines().map(|line| line.trim_end_matches('.').to_owned()));
            }
            Value::Array(all) => all.iter().for_each(|one| strings(one, is_suggestion, found)),
            Value::Object(members) => {
                for (name, one) in members {
                    let is_suggestion = ["fix", "try", "next"].contains(&name.as_str());
                    let before = found.len();
                    strings(one, is_suggestion, found);
                    if let (true, Some(note)) = (is_suggestion, members.get("note").and_then(Value::as_str)) {
                        found[before..]
                            .iter_mut()
                            .take(1)
                            .for_each(|one| *one = format!("{one}{REMARK}{note}"));
                    }
                }
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    match serde_json::from_str::<Value>(&said.out) {
        Ok(object) => strings(&object, false, &mut found),
        Err(_) => found.extend(said.out.lines().map(plain)),
    }
    found.extend(said.err.lines().map(plain));
    // A remark has a line of its own.
    let mut lines: Vec<String> = Vec::new();
    for line in found {
        match (line.strip_prefix("note: "), lines.last_mut()) {
            (Some(note), Some(last)) => *last = format!("{last}{REMARK}{note}"),
            _ => lines.push(line),
        }
    }
    let is_pasted = |line: &str| line.contains("kitcert ") || line.starts_with("try: ");
    lines.retain(|line| is_pasted(line) && !line.starts_with("Usage: "));
    lines
}

/// Our own commands that a line suggests.
fn commands_in(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    let starts = [": ", "; ", "(", ", or ", " && ", REMARK];
    let at_start = line.starts_with("kitcert ").then_some(line);
    let behind = starts.iter().flat_map(|word| line.split(word).skip(1));
    for rest in at_start.into_iter().chain(behind).filter(|rest| rest.starts_with("kitcert ")) {
        let command = command_at_start(rest).trim().to_owned();
        if !found.contains(&command) {
            found.push(command);
        }
    }
    found
}

/// The same command, such that nothing changes; None for what dials.
fn harmless(suggested: &str) -> Option<String> {
    let words = shell_words(suggested);
    let state = words.iter().position(|word| word == "--state");
    let command = words.get(state.map_or(1, |at| at + 2))?;
    let is_harmless = words.iter().any(|word| word == "--dry-run" || word == "--help");
    match command.as_str() {
        "verify" | "demo" => None,
        "status" | "inspect" => Some(suggested.to_owned()),
        _ if is_harmless => Some(suggested.to_owned()),
        _ => Some(format!("{suggested} --dry-run")),
    }
}

/// What somebody pastes into a shell where the program was run.
fn pasted(command: &Command, line: &str) -> Command {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", &format!("kitcert() {{ '{PROGRAM}' \"$@\"; }}; {line}")]);
    shell.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell.current_dir(command.get_current_dir().unwrap_or(Path::new("/")));
    shell
}
