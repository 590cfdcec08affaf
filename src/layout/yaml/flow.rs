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
    let bytes = &text.as_bytes()[..limit];
    let mut depth = 0_usize;
    let mut at = start;
    loop {
        let byte = *bytes.get(at)?;
        let previous = at.checked_sub(1).and_then(|before| bytes.get(before)).copied().unwrap_or(b' ');
        let begins = previous.is_ascii_whitespace() || b"{[,:".contains(&previous);
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.checked_sub(1)?,
            b'"' | b'\'' if begins => {
                at = quote_close(text, at, limit)?;
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
            return Some(at);
        }
    }
}
