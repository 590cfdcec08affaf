//! Programs of others that judge what we make.
//!
//! They are looked for in `$KITCERT_PEERS/bin`, then in `PATH`. A test that does not find its
//! program passes, says so, and leaves a line in the file that `$KITCERT_SKIPPED` names, so that
//! whoever wants a complete run can see that it was one.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The program of that name; without it, the test that asks is skipped, loudly.
pub fn program(name: &str, test: &str) -> Option<PathBuf> {
    let own = std::env::var_os("KITCERT_PEERS").map(|folder| Path::new(&folder).join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = own
        .into_iter()
        .chain(std::env::split_paths(&path))
        .map(|folder| folder.join(name))
        .find(|p| p.is_file());
    if found.is_none() {
        skip(test, &format!("{name} is not here"));
    }
    found
}

/// Says that a test was skipped, and why.
pub fn skip(test: &str, why: &str) {
    println!("skipped: {test}: {why}");
    if let Some(record) = std::env::var_os("KITCERT_SKIPPED") {
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(record).unwrap();
        writeln!(file, "{test}: {why}").unwrap();
    }
}

/// Runs a program with that standard input, to its end.
pub fn run(command: &mut Command, input: &str) -> Output {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    // A program may end without having read everything.
    drop(writer.join());
    output
}
