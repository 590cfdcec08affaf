//! Quoting, so that a printed command can be pasted as it is.

use super::message::{Message, Printable};

/// One word of a POSIX shell's command line, in single quotes where it must be.
#[must_use]
pub(crate) fn shell_word(word: &str) -> String {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"_@%+=:,./-".contains(&byte);
    if !word.is_empty() && word.bytes().all(safe) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// A value as one word of a command that can be pasted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quoted<T>(pub T);

impl<T: Printable> Printable for Quoted<T> {
    fn message(&self) -> Message {
        let shown = self.0.message();
        if shown.hides_a_value() { shown } else { Message::parsed(&shell_word(&shown)) }
    }
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
        assert_eq!(Quoted(std::path::Path::new("/my dir")).message(), "'/my dir'");
    }
}
