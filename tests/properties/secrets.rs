//! A scanner that knows every key that the tests have made: no octet of one is ever said, given to a
//! program, or left in a file that is no key.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

/// Parts of every plaintext key that was seen, in base64: of PKCS#8, those that are the secret itself
/// whatever the kind, and no header and no public key.
static SECRETS: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Takes note of the keys in a file.
pub fn learn(path: &Path) {
    // It may be gone by now, and whoever may not read it cannot learn anything.
    let Ok(bytes) = std::fs::read(path) else { return };
    let text = String::from_utf8_lossy(&bytes);
    let mut secrets = SECRETS.lock().unwrap();
    for key in text.split("-----BEGIN PRIVATE KEY-----\n").skip(1) {
        let mut lines = key.lines().take_while(|line| !line.starts_with('-'));
        secrets.extend(lines.next().and_then(|line| line.get(48..64)).map(str::to_owned));
        secrets.extend(lines.next().and_then(|line| line.get(..24)).map(str::to_owned));
    }
}

/// Whether a text has a part of a key in it, of whichever test.
pub fn is_in(text: &str) -> bool {
    let secrets = SECRETS.lock().unwrap();
    // Few texts have so long a run of such characters at all.
    let is_base64 = |one: char| one.is_ascii_alphanumeric() || "+/".contains(one);
    text.split(|one| !is_base64(one)).filter(|run| run.len() >= 16).any(|run| {
        let has = |length: usize| {
            run.as_bytes().windows(length).any(|part| secrets.contains(&*String::from_utf8_lossy(part)))
        };
        has(16) || has(24)
    })
}

/// What a program is given: its arguments, and its environment.
pub fn are_given_to(command: &Command) -> bool {
    let arguments = command.get_args();
    let environment = command.get_envs().filter_map(|(_, value)| value);
    arguments.chain(environment).any(|one| is_in(&one.to_string_lossy()))
}
