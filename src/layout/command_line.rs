//! Quoting, so that a printed command can be pasted as it is.

use std::path::{Path, PathBuf};

use crate::message;
use crate::model::{Message, Printable, Quoted, is_cut_key, is_on_disk, shell_word};

/// A command in words, as a message shows it: each word that may be shown, quoted for a shell.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CommandLine<'a>(pub &'a [String]);

impl Printable for CommandLine<'_> {
    fn message(&self) -> Message {
        let word = |word: &String| ShellWord(word).message();
        // What is on this disk is no piece of a key.
        let others: Vec<&str> = self.0.iter().map(String::as_str).filter(|word| !is_on_disk(word)).collect();
        match is_cut_key(&others.join(" ")) {
            true => message!("{} … (its words are not shown)", Message::join(self.0.first().map(word), "")),
            false => Message::join(self.0.iter().map(word), " ").into_command(),
        }
    }
}

/// A word of a command: shown if each of its parts may be shown as a path is (`src=/etc,readonly`,
/// `cd /opt && make`),
/// for a password may be among the words of `restart:`.
struct ShellWord<'a>(&'a str);

impl Printable for ShellWord<'_> {
    fn message(&self) -> Message {
        let mut parts = self.0.split(|one: char| one.is_whitespace() || "=,:".contains(one));
        match parts.find_map(|part| Some(Path::new(part).message()).filter(Message::hides_a_value)) {
            Some(hidden) => hidden,
            None => Message::parsed(&shell_word(self.0)),
        }
    }
}

/// Where a person puts what is in the way.
pub(crate) fn put_aside(path: &Path) -> PathBuf {
    numbered(path, 1)
}

/// The command that puts it there, under a name that is free: what is there already may be the only copy of a
/// key.
pub(crate) fn move_aside(path: &Path, exists: impl Fn(&Path) -> bool) -> Message {
    let names = (1..u32::MAX).map(|number| numbered(path, number));
    let free = names.into_iter().find(|name| !exists(name)).unwrap_or_else(|| put_aside(path));
    message!("mv -n {} {}", Quoted(path), Quoted(&free))
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".before-kitcert");
    if number > 1 {
        name.push(format!("-{number}"));
    }
    name.into()
}

/// One field of a value that Go reads as CSV: `docker run --mount` and `buildx --driver-opt`. A
/// comma, a quote or a line end in it needs quotes around the whole field (RFC 4180 section 2).
pub(super) fn csv_field(field: &str) -> String {
    if !field.contains([',', '"', '\n', '\r']) {
        return field.to_owned();
    }
    format!("\"{}\"", field.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_with_a_comma_or_a_quote_is_quoted_whole() {
        assert_eq!(csv_field("src=/etc"), "src=/etc");
        assert_eq!(csv_field("src=/a,b"), "\"src=/a,b\"");
        assert_eq!(csv_field("src=/a\"b"), "\"src=/a\"\"b\"");
    }
}
