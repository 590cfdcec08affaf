//! Where quotes, braces and brackets close.

use super::scan::{BLANKS, line_end};

/// Behind the quote that closes the one at `start`.
pub(super) fn quote_close(text: &str, start: usize, limit: usize) -> Option<usize> {
    let bytes = &text.as_bytes()[..limit];
    let quote = *bytes.get(start)?;
    let mut at = start + 1;
    loop {
        match *bytes.get(at)? {
            b'\\' if quote == b'"' => at += 2,
            byte if byte == quote && quote == b'\'' && bytes.get(at + 1) == Some(&quote) => at += 2,
            byte if byte == quote => return Some(at + 1),
            _ => at += 1,
        }
    }
}

/// Behind the bracket or brace that closes the one at `start`.
pub(super) fn flow_close(text: &str, start: usize, limit: usize) -> Option<usize> {
    flow_end(text, start, limit).ok()
}

/// Whether braces or brackets hold a word with a question mark in it: yaml.v3 takes the mark for
/// that of a key, and refuses the file.
pub(super) fn has_question_in_braces(text: &str) -> bool {
    let is_value = |(at, _): &(usize, &str)| {
        let line = text[..*at].rsplit('\n').next().unwrap_or_default();
        let before = line.trim_end_matches([' ', '\t']);
        let last = before.rsplit([' ', '\t']).next().unwrap_or_default();
        let is_comment = before.starts_with('#') || before.contains(" #");
        let is_behind = last.ends_with(':') || last == "-" || last.starts_with(['&', '!']);
        !is_comment && (before.is_empty() || before == "---" || is_behind)
    };
    text.contains('?')
        && text
            .match_indices(['{', '['])
            .filter(is_value)
            .any(|(at, _)| flow_end(text, at, text.len()) == Err(Flaw::Question))
}

/// Why braces or brackets have no end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    /// They are not closed.
    Open,
    /// A word within has a question mark.
    Question,
}

fn flow_end(text: &str, start: usize, limit: usize) -> Result<usize, Flaw> {
    let bytes = &text.as_bytes()[..limit];
    let mut depth = 0_usize;
    let mut at = start;
    loop {
        let byte = *bytes.get(at).ok_or(Flaw::Open)?;
        let previous = at.checked_sub(1).and_then(|before| bytes.get(before)).copied().unwrap_or(b' ');
        let begins = previous.is_ascii_whitespace() || b"{[,:".contains(&previous);
        match byte {
            b'?' if !text[start..at].trim_end_matches(BLANKS).ends_with(['{', '[', ',']) => {
                return Err(Flaw::Question);
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.checked_sub(1).ok_or(Flaw::Open)?,
            b'"' | b'\'' if begins => {
                at = quote_close(text, at, limit).ok_or(Flaw::Open)?;
                continue;
            }
            b'#' if previous.is_ascii_whitespace() || b"{[,".contains(&previous) => {
                at = line_end(text, at);
                continue;
            }
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return Ok(at);
        }
    }
}
