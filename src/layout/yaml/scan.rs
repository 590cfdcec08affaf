//! What every reader of a text of YAML looks for.

/// Behind the line that holds this offset.
pub(super) fn line_end(text: &str, at: usize) -> usize {
    text[at..].find('\n').map_or(text.len(), |newline| at + newline + 1)
}

/// What YAML takes for a blank; a no-break space is none.
pub(super) const BLANKS: [char; 4] = [' ', '\t', '\r', '\n'];
