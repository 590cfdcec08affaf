//! Quoting, so that a printed command can be pasted as it is.

use std::path::Path;

use crate::model::{Message, Printable};

/// One word of a POSIX shell's command line, in single quotes where it must be.
pub(super) fn shell_word(word: &str) -> String {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"_@%+=:,./-".contains(&byte);
    if !word.is_empty() && word.bytes().all(safe) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// A command in words, as a message shows it: each word that may be shown, quoted for a shell.
#[derive(Clone, Copy, Debug)]
pub struct CommandLine<'a>(pub &'a [String]);

impl Printable for CommandLine<'_> {
    fn message(&self) -> Message {
        Message::join(self.0.iter().map(|word| ShellWord(word)), " ")
    }
}

/// A word of a command: shown if each of its parts may be shown as a path is (`src=/etc,readonly`),
/// for a password may be among the words of `restart:`.
struct ShellWord<'a>(&'a str);

impl Printable for ShellWord<'_> {
    fn message(&self) -> Message {
        let mut parts = self.0.split(['=', ',', ':']);
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
    fn a_word_is_quoted_where_a_shell_would_change_it() {
        assert_eq!(shell_word("/etc/ca.pem"), "/etc/ca.pem");
        assert_eq!(shell_word("/my dir"), "'/my dir'");
        assert_eq!(shell_word("it's"), r"'it'\''s'");
        assert_eq!(shell_word("$HOME"), "'$HOME'");
        assert_eq!(shell_word("~"), "'~'");
        assert_eq!(shell_word(""), "''");
    }

    #[test]
    fn a_field_with_a_comma_or_a_quote_is_quoted_whole() {
        assert_eq!(csv_field("src=/etc"), "src=/etc");
        assert_eq!(csv_field("src=/a,b"), "\"src=/a,b\"");
        assert_eq!(csv_field("src=/a\"b"), "\"src=/a\"\"b\"");
    }
}
