//! Quoting, so that a printed command can be pasted as it is.

use std::path::Path;

use crate::message;
use crate::model::{Message, Printable, is_cut_key, shell_word};

/// A command in words, as a message shows it: each word that may be shown, quoted for a shell.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CommandLine<'a>(pub &'a [String]);

impl Printable for CommandLine<'_> {
    fn message(&self) -> Message {
        let word = |word: &String| ShellWord(word).message();
        match is_cut_key(&self.0.join(" ")) {
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
