//! What is printed of a text that nobody parsed: a path, a word, a line.
//!
//! CI systems hand keys over in variables, and people put the variable where a path, a name or a
//! host belongs, with the newlines lost or the lines taken for words of their own. So a text is
//! printed only if no part of it can be a part of a key; else it is described by its length.

use std::path::{Component, Path, PathBuf};

/// A path as it is, or what is said in its place.
///
/// The part of it that exists is printed, since it is a name on this disk and not something that
/// was typed; that is the one question that this layer asks the disk. The rest is printed if none
/// of its components has more than 64 characters and none of its runs looks like a key.
pub(super) fn printed_path(path: &Path) -> Result<String, String> {
    let text = path.to_string_lossy();
    let rest = missing_part(path);
    let is_short = rest.components().all(|part| part.as_os_str().len() <= LONGEST_COMPONENT);
    if is_short && !may_be_a_key(&rest.to_string_lossy()) {
        return Ok(text.into_owned());
    }
    Err(described(&text, "that is no path"))
}

/// What is left of a path behind its longest part that exists.
fn missing_part(path: &Path) -> PathBuf {
    let exists = |part: &Path| part.symlink_metadata().is_ok();
    if path.as_os_str().len() > LONGEST_PATH || exists(path) {
        return if path.as_os_str().len() > LONGEST_PATH { path.to_owned() } else { PathBuf::new() };
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
    if may_be_a_key(line) { Err(described(line, "")) } else { Ok(line.to_owned()) }
}

/// The beginning of a remark, or what is said in its place.
pub(super) fn printed_remark(remark: &str) -> Result<String, String> {
    let mut end = remark.len().min(LONGEST_REMARK);
    while !remark.is_char_boundary(end) {
        end -= 1;
    }
    if may_be_a_key(remark) { Err(described(remark, "")) } else { Ok(remark[..end].to_owned()) }
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
        || matches!(one, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
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

/// Whether a part of a text can be a part of a key: a line of PEM's frame, or a run of 14 or more
/// characters of base64 (`/` among them, so over the components of a path) that looks drawn by
/// chance.
///
/// Chance changes between upper case, lower case and digits at 62 of 100 places, and a name seldom
/// at more than 25 (`MyProject/Build2`). A run counts as a key's from one place in three on, and, as
/// the longer it is the less chance varies, from 24 characters on also if it has all three kinds.
fn may_be_a_key(text: &str) -> bool {
    runs(text).any(|run| run.len() > LONGEST_RUN || run.turns() * 3 >= run.places() || run.is_long_mix())
        || text.contains(FRAME)
}

/// The same for a single word, in which no name has as many changes as three.
fn may_be_a_word_of_a_key(word: &str) -> bool {
    runs(word).any(|run| run.turns() >= 3) || word.contains(FRAME)
}

/// The runs of base64 that are long enough to tell something of a key.
fn runs(text: &str) -> impl Iterator<Item = Run<'_>> {
    let is_base64 = |one: char| one.is_ascii_alphanumeric() || "+/=".contains(one);
    text.split(move |one| !is_base64(one)).map(Run).filter(|run| run.len() >= SHORTEST_RUN)
}

struct Run<'a>(&'a str);

#[derive(PartialEq, Eq)]
enum Kind {
    Upper,
    Lower,
    Digit,
}

impl Run<'_> {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn kinds(&self) -> impl Iterator<Item = Kind> + '_ {
        self.0.bytes().filter_map(|byte| match byte {
            b'A'..=b'Z' => Some(Kind::Upper),
            b'a'..=b'z' => Some(Kind::Lower),
            b'0'..=b'9' => Some(Kind::Digit),
            _ => None,
        })
    }

    /// How often the kind changes from one letter or digit to the next.
    fn turns(&self) -> usize {
        self.kinds().zip(self.kinds().skip(1)).filter(|(one, next)| one != next).count()
    }

    /// At how many places it could change.
    fn places(&self) -> usize {
        self.kinds().count().saturating_sub(1)
    }

    fn is_long_mix(&self) -> bool {
        let has = |kind: Kind| self.kinds().any(|one| one == kind);
        self.len() >= LONG_RUN && has(Kind::Upper) && has(Kind::Lower) && has(Kind::Digit)
    }
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
/// A run of base64 that is shorter tells nothing of a key.
const SHORTEST_RUN: usize = 14;
/// A run of base64 that is longer is no name, whatever it is made of.
const LONGEST_RUN: usize = 64;
/// A run of base64 that is as long and mixes upper case, lower case and digits is no name.
const LONG_RUN: usize = 24;
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
        assert_eq!(printed_word(&"a".repeat(24)), Ok("a".repeat(24)));
        assert_eq!(printed_word(&"a".repeat(25)), Err("a value of 25 characters".to_owned()));
        assert!(printed_path(Path::new(&"a".repeat(64))).is_ok());
        assert_eq!(
            printed_path(Path::new(&"a".repeat(65))),
            Err("a value of 65 characters that is no path".to_owned())
        );
        assert_eq!(printed_remark(&"ä ".repeat(60)), Ok("ä ".repeat(60)[..80].to_owned()));
    }
}
