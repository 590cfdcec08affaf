//! Quoting, so that a printed command can be pasted as it is.

/// One word of a POSIX shell's command line, in single quotes where it must be.
pub(super) fn shell_word(word: &str) -> String {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"_@%+=:,./-".contains(&byte);
    if !word.is_empty() && word.bytes().all(safe) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Words as a shell reads them.
pub(super) fn shell_line(words: &[String]) -> String {
    words.iter().map(|word| shell_word(word)).collect::<Vec<_>>().join(" ")
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
