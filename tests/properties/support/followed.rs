//! What the program suggests is carried out, wherever a test of any kind has it printed.
//!
//! With `KITCERT_FOLLOWED` set, as `tests/run` does, each command that an output suggests is run where that output
//! came from: with `--dry-run`, if it changes something, so that the test goes on as if nothing had been. The file
//! that the variable names gets a line for each. Then `words::suggestions` holds what was carried out against every text
//! of the source.
//!
//! `verify` is left to `suggested_verifications`, which carries out each of its forms: a dial that the test does not
//! expect is not as if nothing had been.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use serde_json::Value;

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
        for suggested in commands_in(&line) {
            if SEEN.lock().unwrap().insert(format!("{:?} {line} {suggested}", command.get_current_dir())) {
                carry_out(command, &suggested, &line, &record);
            }
        }
    }
}

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
    let mut file = std::fs::OpenOptions::new().append(true).create(true).open(record).unwrap();
    file.write_all(format!("{}\t{suggested}\t{line}\t{why}\n", done.code).as_bytes()).unwrap();
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
            Value::Object(members) => members
                .iter()
                .for_each(|(name, one)| strings(one, ["fix", "try", "next"].contains(&name.as_str()), found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    match serde_json::from_str::<Value>(&said.out) {
        Ok(object) => strings(&object, false, &mut found),
        Err(_) => found.extend(said.out.lines().map(plain)),
    }
    found.extend(said.err.lines().map(plain));
    found.retain(|line| line.contains("kitcert ") && !line.starts_with("Usage: "));
    found
}

/// Our own commands that a line suggests.
fn commands_in(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    let starts = [": ", "; ", "(", ", or ", " && ", "   # "];
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
