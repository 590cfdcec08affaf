//! Where quotes, braces and brackets close.

use super::scan::line_end;

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
    let mut depth = 0_usize;
    let mut at = start;
    loop {
        let (next, change) = step(text, at, limit)?;
        at = next;
        depth = depth.checked_add_signed(change)?;
        if depth == 0 {
            return Some(at);
        }
    }
}

/// Whether brackets and braces stand in each other so deeply that the parser, which hands on none of it, would read for
/// a time that grows with the square of the depth.
pub(in crate::layout) fn is_too_deep(text: &str) -> bool {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some((next, change)) = step(text, at, text.len()) {
        at = next;
        depth = depth.saturating_add_signed(change);
        if depth > DEEPEST {
            return true;
        }
    }
    false
}

/// Behind what stands at a place, and by how much it goes deeper; None at the end, and where a quote does not close.
fn step(text: &str, at: usize, limit: usize) -> Option<(usize, isize)> {
    let bytes = &text.as_bytes()[..limit];
    let byte = *bytes.get(at)?;
    let previous = at.checked_sub(1).and_then(|before| bytes.get(before)).copied().unwrap_or(b' ');
    let begins = previous.is_ascii_whitespace() || b"{[,:".contains(&previous);
    Some(match byte {
        b'{' | b'[' => (at + 1, 1),
        b'}' | b']' => (at + 1, -1),
        b'"' | b'\'' if begins => (quote_close(text, at, limit)?, 0),
        b'#' if previous.is_ascii_whitespace() || b"{[,".contains(&previous) => (line_end(text, at), 0),
        _ => (at + 1, 0),
    })
}

/// More than yaml_serde hands on, which is 128: what looks like a bracket may stand in the text of a script.
const DEEPEST: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_parser_would_read_for_minutes_is_told_from_what_is_wide() {
        assert!(is_too_deep(&"[".repeat(1001)));
        assert!(is_too_deep(&"{a: ".repeat(1001)));
        assert!(is_too_deep(&"[\"]]]]\", # ]]]]\n".repeat(1001)));
        assert!(!is_too_deep(&format!("{}{}", "[".repeat(1000), "]".repeat(1000))));
        assert!(!is_too_deep(&"a: [{b: '[['}, \"{{\"] # [[\n".repeat(2000)));
    }
}
