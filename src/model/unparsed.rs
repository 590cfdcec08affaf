//! What is printed of a text that nobody parsed: a path, a word, a line.
//!
//! CI systems hand keys over in variables, and people put the variable where a path, a name or a
//! host belongs, with the newlines lost or the lines taken for words of their own. So a text is
//! printed only if no part of it can be a part of a key; else it is described by its length.

use std::path::{Component, Path, PathBuf};

/// A path as it is, or what is said in its place.
///
/// The part of an absolute path that exists is printed, since it is a name on this disk and not
/// something that was typed; that is the one question that this layer asks the disk. The rest is
/// printed if none of its components has more than 64 characters and nothing in it looks like a key.
pub(super) fn printed_path(path: &Path) -> Result<String, String> {
    let text = path.to_string_lossy();
    let rest = missing_part(path);
    let is_short = rest.components().all(|part| part.as_os_str().len() <= LONGEST_COMPONENT);
    // Nobody draws the names of a relative path; CI systems do some of an absolute one.
    let is_drawn = path.is_relative() && turns_over_slashes(&text);
    if is_short && !is_drawn && !may_be_a_key(&rest.to_string_lossy()) {
        return Ok(text.into_owned());
    }
    Err(described(&text, "that is no path"))
}

/// What is left of a path behind its longest part that exists.
fn missing_part(path: &Path) -> PathBuf {
    let exists = |part: &Path| part.symlink_metadata().is_ok();
    if path.is_relative() || path.as_os_str().len() > LONGEST_PATH {
        return path.to_owned();
    }
    if exists(path) {
        return PathBuf::new();
    }
    let above = path.ancestors().skip(1).find(|part| !part.as_os_str().is_empty() && exists(part));
    let rest = above.and_then(|above| path.strip_prefix(above).ok()).unwrap_or(path);
    rest.components().filter(|part| !matches!(part, Component::RootDir)).collect()
}

/// A word as it is, or what is said in its place.
pub(super) fn printed_word(word: &str) -> Result<String, String> {
    let is_plain = word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
    if is_plain && (1..=LONGEST_WORD).contains(&word.len()) && !may_be_a_word_of_a_key(word) {
        return Ok(word.to_owned());
    }
    Err(described(word, ""))
}

/// A line as it is, or what is said in its place.
pub(super) fn printed_line(line: &str) -> Result<String, String> {
    if may_be_a_key(line) || turns_over_slashes(line) {
        Err(described(line, ""))
    } else {
        Ok(line.to_owned())
    }
}

/// The beginning of a remark, or what is said in its place.
pub(super) fn printed_remark(remark: &str) -> Result<String, String> {
    let mut end = remark.len().min(LONGEST_REMARK);
    while !remark.is_char_boundary(end) {
        end -= 1;
    }
    if may_be_a_key(remark) || turns_over_slashes(remark) {
        Err(described(remark, ""))
    } else {
        Ok(remark[..end].to_owned())
    }
}

/// A value with what no terminal shows where it stands made visible: control characters, and those
/// that change the direction of the text around them (Unicode Standard Annex 9) or end its line.
pub(super) fn visible(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut shown, one| {
        match one {
            '\n' | '\r' | '\t' => shown.extend(one.escape_default()),
            one if is_unseen(one) => shown.extend(one.escape_unicode()),
            one => shown.push(one),
        }
        shown
    })
}

/// Whether a character is a control character, or changes the direction of the text around it.
pub(super) fn is_unseen(one: char) -> bool {
    one.is_control()
        || matches!(
            one,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        )
        || matches!(one, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
        // Fillers, joiners and selectors, which have no width of their own.
        || matches!(
            one,
            '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{3164}' | '\u{ffa0}'
        )
        || matches!(one, '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}')
}

fn described(text: &str, more: &str) -> String {
    if holds_pem(text) {
        return CONTENT.to_owned();
    }
    let count = text.chars().count();
    let characters = if count == 1 { "character" } else { "characters" };
    let more = if more.is_empty() { String::new() } else { format!(" {more}") };
    match count {
        0 => format!("an empty value{more}"),
        _ => format!("a value of {count} {characters}{more}"),
    }
}

/// Whether a text is, or begins with, what stands in a PEM file.
pub(super) fn holds_pem(text: &str) -> bool {
    let text = text.trim_start_matches(|one: char| one.is_whitespace() || "'\"\u{feff}".contains(one));
    text.starts_with(BEGIN)
}

/// Whether a part of a text can be a part of a key: a line of PEM's frame, or 14 characters in a row
/// that look drawn by chance, which changes between upper case, lower case and digits at 62 of 100
/// places where a name seldom does at 25.
///
/// `/` parts the names of a path and is a digit of base64: characters of one name are judged by
/// fewer changes than characters of several. `-` and `_` are digits of base64url and part the words
/// of a name; no change is counted over them either.
fn may_be_a_key(text: &str) -> bool {
    let is_name = |one: char| one.is_ascii_alphanumeric() || "+=".contains(one);
    let is_base64 = |one: char| is_name(one) || one == '/';
    let is_base64url = |one: char| is_name(one) || "-_".contains(one);
    runs(text, is_name).any(|run| turns_often(run, TURNS_IN_A_NAME) || is_long_mix(run) || is_long_hex(run))
        || runs(text, is_base64).any(|run| turns_often(run, TURNS_IN_A_PATH))
        || runs(text, is_base64url).any(|run| turns_often(run, TURNS_IN_WORDS))
        || text.contains(FRAME)
        || is_spaced_key(text)
        || has_colon_hex(text)
        || is_cut_key(text)
}

/// The same for a single word, in which no name has as many changes as three.
fn may_be_a_word_of_a_key(word: &str) -> bool {
    runs(word, |one| one.is_ascii_alphanumeric()).any(|run| turns_often(run, 3)) || may_be_a_key(word)
}

/// The runs of such characters that are long enough to tell something of a key.
fn runs<'a>(text: &'a str, is_inside: impl Fn(char) -> bool + 'a) -> impl Iterator<Item = &'a str> {
    text.split(move |one| !is_inside(one)).filter(|run| run.len() >= WINDOW)
}

/// Whether so many changes of kind are in some 14 characters in a row. Serial numbers and key
/// identifiers, which files and folders are called by, have no upper case, and no base64 lacks it.
fn turns_often(run: &str, often: usize) -> bool {
    let turns = |window: &[u8]| window.windows(2).filter(|pair| changes(pair[0], pair[1])).count();
    let has_upper = |window: &[u8]| window.iter().any(u8::is_ascii_uppercase);
    run.as_bytes().windows(WINDOW).any(|window| has_upper(window) && turns(window) >= often)
}

/// Whether 14 characters in a row are of all three kinds, and change between them often over a `/` too, which parts
/// nothing in a key.
fn turns_over_slashes(text: &str) -> bool {
    let is_base64 = |one: char| one.is_ascii_alphanumeric() || "+/=".contains(one);
    let is_drawn = |window: &[u8]| {
        let kinds: Vec<u8> = window.iter().filter_map(|byte| kind(*byte)).collect();
        let turns = kinds.windows(2).filter(|pair| pair[0] != pair[1]).count();
        turns >= TURNS_OVER_SLASHES && b"Aa0".iter().all(|wanted| kinds.contains(wanted))
    };
    runs(text, is_base64).any(|run| run.as_bytes().windows(WINDOW).any(is_drawn))
}

fn changes(one: u8, next: u8) -> bool {
    matches!((kind(one), kind(next)), (Some(one), Some(next)) if one != next)
}

fn kind(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(b'A'),
        b'a'..=b'z' => Some(b'a'),
        b'0'..=b'9' => Some(b'0'),
        _ => None,
    }
}

/// Whether a run is as long as a name seldom is and mixes all three kinds.
fn is_long_mix(run: &str) -> bool {
    run.len() >= LONG_RUN && b"Aa0".iter().all(|wanted| run.bytes().any(|byte| kind(byte) == Some(*wanted)))
}

/// Whether it is hex, and longer than a serial number or a key identifier.
fn is_long_hex(run: &str) -> bool {
    run.len() > LONGEST_IDENTIFIER && run.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Whether several words of a text are each like a part of a key: it was cut by blanks.
fn is_spaced_key(text: &str) -> bool {
    let is_drawn = |word: &&str| {
        let places = word.len().saturating_sub(1);
        let turns = word.as_bytes().windows(2).filter(|pair| changes(pair[0], pair[1])).count();
        word.len() >= SHORTEST_PIECE && turns * 3 >= places && places > 0
    };
    text.split(|one: char| one.is_whitespace() || one == '\\').filter(is_drawn).count() >= 2
}

/// Whether bytes in hex are parted by colons, as `openssl pkey -text` shows a key's numbers.
fn has_colon_hex(text: &str) -> bool {
    let is_byte = |part: &&str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_row = |word: &str| word.split(':').filter(is_byte).count() >= WINDOW / 2;
    text.split_whitespace().any(is_row)
}

/// Whether a word is the absolute path of something that exists.
pub(crate) fn is_on_disk(word: &str) -> bool {
    let path = Path::new(word);
    path.is_absolute() && path.symlink_metadata().is_ok()
}

/// Whether a text is a key that was cut into pieces so short that none of them tells it: what is left without
/// all that parts the pieces is judged, over more characters than one piece has.
pub(crate) fn is_cut_key(text: &str) -> bool {
    let pieces: Vec<&str> = text.split(|one: char| !one.is_ascii_alphanumeric()).collect();
    let whole: String = pieces.concat();
    let turns = |window: &[u8]| window.windows(2).filter(|pair| changes(pair[0], pair[1])).count();
    let has_upper = |window: &[u8]| window.iter().any(u8::is_ascii_uppercase);
    let is_key = |window: &[u8]| has_upper(window) && turns(window) >= TURNS_IN_PIECES;
    let is_drawn = whole.as_bytes().windows(2 * WINDOW).any(is_key);
    is_drawn || is_cut_hex(&pieces)
}

/// Whether hex digits were cut into pieces: dates and addresses have next to no letters among them, and words
/// no digits.
fn is_cut_hex(pieces: &[&str]) -> bool {
    let is_hex = |piece: &&str| piece.bytes().all(|byte| byte.is_ascii_hexdigit());
    pieces.split(|piece| !is_hex(piece)).any(|row| {
        let row: Vec<&str> = row.iter().copied().filter(|piece| !piece.is_empty()).collect();
        let digits: String = row.concat();
        let longest = if row.len() > 2 { 2 * WINDOW - 1 } else { LONGEST_IDENTIFIER + 4 };
        digits.len() > longest && is_mixed(&digits)
    })
}

/// Whether hex digits are of both kinds, as those of a number that was drawn by chance are.
fn is_mixed(digits: &str) -> bool {
    let letters = digits.bytes().filter(u8::is_ascii_alphabetic).count();
    letters >= FEWEST_OF_A_KIND && digits.len() - letters >= FEWEST_OF_A_KIND
}

/// Whether a name holds so much hex as nobody is called by: as many digits as a number of 112 bits has.
pub(super) fn holds_drawn_hex(name: &str) -> bool {
    let mut runs = name.split(|one: char| !one.is_ascii_hexdigit());
    runs.any(|run| run.len() >= 2 * WINDOW && is_mixed(run))
}

/// What is said of a value that is the content of a file.
const CONTENT: &str = "a key's content (give its path; GitLab: a variable of type File)";
const BEGIN: &str = "-----BEGIN";
/// In characters of a path's component that does not exist.
const LONGEST_COMPONENT: usize = 64;
/// In bytes; no system takes a longer path (Linux: PATH_MAX).
const LONGEST_PATH: usize = 4096;
/// In characters.
const LONGEST_WORD: usize = 24;
/// In bytes.
const LONGEST_REMARK: usize = 80;
/// As few characters of a key as must not be printed.
const WINDOW: usize = 14;
/// Of 13 places.
const TURNS_IN_A_NAME: usize = 5;
const TURNS_IN_A_PATH: usize = 8;
const TURNS_OVER_SLASHES: usize = 7;
const TURNS_IN_WORDS: usize = 7;
/// Of 27 places, of a text without what parts its words.
const TURNS_IN_PIECES: usize = 14;
/// Of letters and of digits, in 28 hex digits that look drawn by chance.
const FEWEST_OF_A_KIND: usize = 5;
/// A run of base64 that is as long and mixes upper case, lower case and digits is no name.
const LONG_RUN: usize = 24;
/// In hex digits: of a serial number or a key identifier of 20 bytes.
const LONGEST_IDENTIFIER: usize = 40;
/// In characters, of a key that was cut by blanks.
const SHORTEST_PIECE: usize = 8;
/// What stands around the words of PEM's BEGIN and END.
const FRAME: &str = "-----";

#[cfg(test)]
mod tests {
    use super::*;

    const KEY_LINE: &str = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgVnp+Q3/b8d0Zk1Qx";

    #[test]
    fn names_and_paths_that_people_use_are_printed() {
        for path in [
            "/etc/ca.pem",
            "certs/builder/key.pem",
            "kits/ana.kit",
            "./a b/ä.pem",
            "/no/such/MyProject/key.pem",
            "/home/JSmith/Projects/Build2/certs/ca.pem",
            "/home/jo/GitHub/ACME/CI/TLS/k8s/v1/ca.pem",
            "/mnt/c/Users/Jo/Documents/Work2027/ca.pem",
            "/srv/projects/infrastructure/buildkit/certificates/production/builder/key.pem",
            "/builds/xK3jT9qA/0/infra/ca.pem",
            "-",
        ] {
            assert_eq!(printed_path(Path::new(path)), Ok(path.to_owned()));
        }
        for word in ["Ana", "tls_ca", "--tls-ca", "ecdsa-p512", "ci.Linux_7", "7d"] {
            assert_eq!(printed_word(word), Ok(word.to_owned()));
        }
        for line in
            ["jo@example.com, #builders", "SSH-2.0-OpenSSH_9.6", "ask in https://wiki.example.com/builders"]
        {
            assert_eq!(printed_line(line), Ok(line.to_owned()));
            assert_eq!(printed_remark(line), Ok(line.to_owned()));
        }
    }

    #[test]
    fn a_part_of_a_key_is_described_and_not_printed() {
        for length in [14, 20, 24, 40, 64] {
            let part = &KEY_LINE[KEY_LINE.len() - length..];
            for text in
                [part.to_owned(), format!("certs/{part}"), format!("{part} {part}"), format!("x-{part}.pem")]
            {
                for printed in [
                    printed_path(Path::new(&text)),
                    printed_word(&text),
                    printed_line(&text),
                    printed_remark(&text),
                ] {
                    let said = printed.unwrap_err();
                    assert!(!said.contains(part) && said.contains("characters"), "{said}");
                }
            }
        }
    }

    #[test]
    fn a_key_that_was_cut_is_described() {
        let (one, other) = (&KEY_LINE[38..49], &KEY_LINE[49..60]);
        assert!(printed_line(&format!("{one} {other}")).is_err());
        assert!(printed_remark(&format!("{one}\\{other}")).is_err());
        assert!(printed_line("70:8b:2a:91:0c:55:e1:fe").is_err());
        assert!(printed_line("at 20:17:00, ask Jo or Ana").is_ok());
        assert!(printed_path(Path::new("TnyL02JAFH9X/etsHFoaXZd")).is_err());
        let folders = format!("/no/such/certificates/{}/production/privatekey", &KEY_LINE[40..54]);
        assert!(printed_path(Path::new(&folders)).is_err());
    }

    #[test]
    fn a_key_that_was_cut_into_short_pieces_is_described() {
        let hex = "708b2a910c55e1fe3d4467a90b8c21ff70e35d6a8812c4b9708b2a910c55e1fe";
        for (key, sizes) in [(KEY_LINE, 1..14), (hex, 1..14)] {
            for size in sizes {
                let bytes: Vec<&str> =
                    key.as_bytes().chunks(size).map(|piece| std::str::from_utf8(piece).unwrap()).collect();
                for between in [" ", ",", ".", ":", "=", "\u{202e}", "\u{1}", "-"] {
                    let text = bytes.join(between);
                    assert!(printed_line(&text).is_err() && printed_remark(&text).is_err(), "{text}");
                }
            }
        }
        for said in [
            "2026-11-29 23:46:17.123456 10.0.0.5:8372 [::ffff:192.0.2.7]: connection refused (os error 111)",
            "TLSv1.2 (OUT), ECDHE-RSA-AES256-GCM-SHA384, x86_64-linux-gnu, JDK17, K8s v1.29.3",
            "Job for buildkit.service failed: see \"systemctl status buildkit.service\" and \"journalctl -xe\"",
            "Error response from daemon: No such container: earthly-buildkitd",
            "ca/708b2a910c55e1fe3d4467a90b8c21ff70e35d6a/key.pem",
        ] {
            assert_eq!(printed_line(said), Ok(said.to_owned()));
        }
    }

    #[test]
    fn a_key_in_base64url_is_described() {
        let drawn = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
        for from in 0..drawn.len() - 24 {
            let part = &drawn[from..from + 24];
            let cut = format!("{}-{}_{}", &part[..9], &part[9..17], &part[17..]);
            assert!(printed_path(Path::new(&cut)).is_err(), "{cut}");
        }
        for name in ["setup-JDK17-x64_Win10", "ci-Linux_7-build2-K8s", "Jo-Ann_Smith-2026"] {
            assert!(printed_path(Path::new(name)).is_ok(), "{name}");
        }
    }

    #[test]
    fn a_key_in_hex_is_described() {
        let hex = "708b2a910c55e1fe3d4467a90b8c21ff70e35d6a8812c4b9708b2a910c55e1fe";
        assert!(printed_path(Path::new(hex)).is_err());
        assert!(printed_line(&hex.to_uppercase()).is_err());
    }

    #[test]
    fn a_path_that_exists_is_printed_whatever_it_is_called() {
        let folder = tempfile::tempdir().unwrap();
        let name = KEY_LINE.replace('/', "_");
        let path = folder.path().join(&name);
        assert!(printed_path(&path).is_err());
        std::fs::create_dir(&path).unwrap();
        assert_eq!(printed_path(&path), Ok(path.display().to_string()));
        assert_eq!(printed_path(&path.join("key.pem")), Ok(path.join("key.pem").display().to_string()));
        assert!(printed_path(&path.join(&name)).is_err());
    }

    #[test]
    fn a_keys_content_is_called_so() {
        for text in ["-----BEGIN PRIVATE KEY-----", " '-----BEGIN EC PRIVATE KEY-----\nMHcC", "-----BEGIN"] {
            for printed in [printed_path(Path::new(text)), printed_word(text), printed_line(text)] {
                assert_eq!(printed, Err(CONTENT.to_owned()));
            }
        }
    }

    #[test]
    fn what_could_steer_a_terminal_is_made_visible() {
        assert_eq!(visible("a\u{1b}[31m\r\n\tb\u{7f}\u{9b}"), "a\\u{1b}[31m\\r\\n\\tb\\u{7f}\\u{9b}");
        assert_eq!(visible("ana\u{202e}gpj\u{2066}.\u{200f}"), "ana\\u{202e}gpj\\u{2066}.\\u{200f}");
        assert_eq!(visible("bücher, a b"), "bücher, a b");
    }

    #[test]
    fn what_is_too_long_or_empty_is_counted() {
        assert_eq!(printed_word(""), Err("an empty value".to_owned()));
        assert_eq!(printed_word("ä"), Err("a value of 1 character".to_owned()));
        assert_eq!(printed_word(&"x".repeat(24)), Ok("x".repeat(24)));
        assert_eq!(printed_word(&"x".repeat(25)), Err("a value of 25 characters".to_owned()));
        assert!(printed_path(Path::new(&"x".repeat(64))).is_ok());
        assert_eq!(
            printed_path(Path::new(&"x".repeat(65))),
            Err("a value of 65 characters that is no path".to_owned())
        );
        assert_eq!(printed_remark(&"ä ".repeat(60)), Ok("ä ".repeat(60)[..80].to_owned()));
    }
}
