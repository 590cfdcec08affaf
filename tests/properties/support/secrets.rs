//! A scanner that knows every key that the tests have made: no byte of one is ever said, given to a
//! program, or left in a file that is no key.

use std::collections::HashSet;
use std::path::Path;
use std::process::Command;
use std::sync::{LazyLock, Mutex};

use crate::support::key_forms::{WINDOW, decoded, encoded, squeezed};

type Part = [u8; WINDOW];

/// Every few characters of each plaintext key that was seen: as they stand in its file, as base64 of
/// the file, and as hex. Of PKCS#8 where the secret itself is whatever the kind, and no header and no
/// public key.
static SECRETS: LazyLock<Mutex<HashSet<Part>>> = LazyLock::new(Mutex::default);

/// Takes note of the keys in a file.
pub fn learn(path: &Path) {
    // It may be gone by now, and whoever may not read it cannot learn anything.
    let Ok(bytes) = std::fs::read(path) else { return };
    let text = String::from_utf8_lossy(&bytes);
    let mut secrets = SECRETS.lock().unwrap();
    for key in text.split(BEGIN).skip(1) {
        let body: String = key.lines().take_while(|line| !line.starts_with('-')).collect();
        let range = secret_of(&body);
        let Some(secret) = body.get(range.clone()).filter(|_| !is_mislabeled(&body)) else { continue };
        let hex: String = decoded(secret).iter().map(|byte| format!("{byte:02x}")).collect();
        // The line that ends within it is one more character of the file.
        let file = encoded(format!("{BEGIN}{key}").as_bytes());
        let in_file = |at: usize| (BEGIN.len() + at).div_ceil(3) * 4;
        let in_file = file.get(in_file(range.start)..in_file(range.end)).unwrap_or_default();
        for form in [secret, &hex, in_file] {
            secrets.extend(form.as_bytes().windows(WINDOW).filter_map(|part| Part::try_from(part).ok()));
        }
    }
}

/// Where the secret is in the base64 of a PKCS#8 key. An RSA key begins with what its certificate says too.
fn secret_of(body: &str) -> std::ops::Range<usize> {
    match body.get(..40).is_some_and(|head| head.contains(RSA)) {
        false => SECRET,
        true => {
            let start = body.len() * 9 / 20;
            start..start + SECRET.len()
        }
    }
}

/// Whether a key is SEC1 or PKCS#1 (RFC 5915 section 3, RFC 8017 appendix A.1.2) under the label of PKCS#8: there the
/// name of the curve, which every such key has, is where the secret would be.
fn is_mislabeled(body: &str) -> bool {
    let bytes = decoded(body.get(..16).unwrap_or_default());
    let header = match bytes.get(1) {
        Some(0x81) => 3,
        Some(0x82) => 4,
        _ => 2,
    };
    bytes.first() == Some(&0x30)
        && matches!(bytes.get(header..header + 4), Some([0x02, 0x01, 0 | 1, 0x02 | 0x04]))
}

/// Whether a text has a part of a key in it, of whichever test.
pub fn is_in(text: &str) -> bool {
    let secrets = SECRETS.lock().unwrap();
    squeezed(text).iter().any(|text| {
        text.windows(WINDOW).any(|part| Part::try_from(part).is_ok_and(|part| secrets.contains(&part)))
    })
}

/// What a program is given: its arguments, and its environment.
pub fn are_given_to(command: &Command) -> bool {
    let arguments = command.get_args();
    let environment = command.get_envs().filter_map(|(_, value)| value);
    arguments.chain(environment).any(|one| is_in(&one.to_string_lossy()))
}

const BEGIN: &str = "-----BEGIN PRIVATE KEY-----\n";
/// What names the kind of an RSA key (RFC 8017 appendix A.1), in base64.
const RSA: &str = "BgkqhkiG9w0BAQEFAASC";
/// Characters of the base64 of a PKCS#8 key of another kind.
const SECRET: std::ops::Range<usize> = 48..88;

#[test]
fn a_key_that_was_learned_is_found_in_each_of_its_forms() {
    let body: String = (0..120).map(|at| char::from(b'A' + (at * 7 % 26) as u8)).collect();
    let file = format!("{BEGIN}{}\n{}\n-----END PRIVATE KEY-----\n", &body[..64], &body[64..]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.pem");
    std::fs::write(&path, &file).unwrap();
    learn(&path);
    let hex: String = decoded(&body[50..70]).iter().map(|byte| format!("{byte:02X}")).collect();
    for shown in [&body[50..64], &format!("{}\\n {}", &body[56..64], &body[64..70]), &hex] {
        assert!(is_in(shown), "{shown}");
    }
    assert!(is_in(&encoded(file.as_bytes())[110..130]));
    assert!(!is_in(&"A".repeat(40)) && !is_in("-----BEGIN PRIVATE KEY-----"));
}
