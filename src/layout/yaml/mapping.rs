//! Where the keys and values of a YAML mapping stand in its text.
//!
//! This reads just enough of the syntax to find the places that an edit needs; where it is not
//! sure it says None. It may be wrong about odd files: its callers compare the parsed values
//! before and after, and refuse the edit if anything else has changed.

use std::ops::Range;

use super::flow::{flow_close, quote_close};
use super::scan::{BLANKS, line_end};

/// What the value of a key looks like in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Nothing behind the colon, and no lines that belong to it.
    Nothing,
    /// An unquoted scalar on one line; null too, where it is spelled out.
    Plain,
    /// A scalar in single quotes.
    Single,
    /// A scalar in double quotes.
    Double,
    /// `{…}`.
    Flow,
    /// Lines of its own.
    Nested,
    /// Anything that is not edited: block scalars, aliases, scalars of several lines, `[…]`.
    Opaque,
}

/// How the mapping is written that a key stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Context {
    /// One line or more for each key.
    Block,
    /// Within braces.
    Flow,
}

/// A key with its value. All numbers are offsets in the text, in bytes.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    /// Where its line begins, or within braces the key.
    pub(super) line: usize,
    /// Behind the colon.
    pub(super) colon: usize,
    /// Behind the colon and an anchor or tag.
    pub(super) behind_colon: usize,
    /// The value; empty for [`Shape::Nothing`].
    pub(super) value: Range<usize>,
    pub(super) shape: Shape,
    pub(super) context: Context,
    /// Behind the line that the value begins in.
    pub(super) first_line_end: usize,
    /// Behind all that belongs to it: for a block, the last of its lines.
    pub(super) end: usize,
}

/// A mapping that can be edited.
#[derive(Clone, Debug)]
pub(super) enum Mapping {
    /// One with a line for each key, at that column.
    Block {
        /// How many blanks stand before each key.
        column: usize,
        /// Its keys, of which there is at least one.
        entries: Vec<Entry>,
    },
    /// One in braces that begin at that offset.
    Flow {
        /// Where its opening brace is.
        start: usize,
        /// Its keys.
        entries: Vec<Entry>,
    },
}

impl Mapping {
    /// The keys, in their order.
    pub(super) fn entries(&self) -> &[Entry] {
        match self {
            Mapping::Block { entries, .. } | Mapping::Flow { entries, .. } => entries,
        }
    }

    /// The key of that name.
    pub(super) fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key == key)
    }
}

/// The mapping within a range that holds nothing else but comments.
pub(super) fn mapping(text: &str, range: Range<usize>) -> Option<Mapping> {
    let first = skip_trivia(text, range.start, range.end);
    if text[first..range.end].starts_with('{') {
        let close = flow_close(text, first, range.end)?;
        let nothing_behind = skip_trivia(text, close, range.end) == range.end;
        return if nothing_behind { flow_mapping(text, first..close) } else { None };
    }
    block_mapping(text, range)
}

/// The mapping that is an entry's value; None where it is none, or one that we don't edit.
pub(super) fn mapping_of(text: &str, entry: &Entry) -> Option<Mapping> {
    match entry.shape {
        Shape::Flow => flow_mapping(text, entry.value.clone()),
        Shape::Nested => block_mapping(text, entry.first_line_end..entry.end),
        _ => None,
    }
}

/// The entry at a path of keys.
pub(super) fn entry_at(text: &str, range: Range<usize>, path: &[&str]) -> Option<Entry> {
    let (last, owners) = path.split_last()?;
    let mut current = mapping(text, range)?;
    for key in owners {
        current = mapping_of(text, current.entry(key)?)?;
    }
    current.entry(last).cloned()
}

fn block_mapping(text: &str, range: Range<usize>) -> Option<Mapping> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut column = None;
    let mut at = range.start;
    while at < range.end {
        let end = line_end(text, at).min(range.end);
        let line = text[at..end].trim_end_matches(BLANKS);
        let content = line.trim_start_matches(' ');
        let here = line.len() - content.len();
        if content.is_empty() || content.starts_with('#') {
            at = end;
            continue;
        }
        let level = *column.get_or_insert(here);
        let continues = here > level || is_marked(content, '-');
        match entries.last_mut() {
            Some(entry) if continues => {
                entry.shape =
                    if entry.shape == Shape::Nothing { Shape::Nested } else { entry.shape.continued() };
                entry.end = end;
                at = end;
            }
            _ if continues || here < level => return None,
            _ => {
                let entry = block_entry(text, at + here, range.end, level)?;
                at = entry.end;
                entries.push(entry);
            }
        }
    }
    column.map(|column| Mapping::Block { column, entries })
}

impl Shape {
    /// What a value is that goes on in the next line.
    fn continued(self) -> Shape {
        if self == Shape::Nested { Shape::Nested } else { Shape::Opaque }
    }
}

fn block_entry(text: &str, start: usize, limit: usize, column: usize) -> Option<Entry> {
    let (key, colon) = key(text, start, limit, Context::Block)?;
    let behind_colon = skip_properties(text, colon, limit);
    let from = skip_blanks(text, behind_colon, limit);
    let first_line_end = line_end(text, from).min(limit);
    let rest = &text[from..limit];
    let mut entry = Entry {
        key,
        line: start - column,
        colon,
        behind_colon,
        value: behind_colon..behind_colon,
        shape: Shape::Nothing,
        context: Context::Block,
        first_line_end,
        end: first_line_end,
    };
    let first = rest.chars().next();
    match first {
        None | Some('\r' | '\n' | '#') => {}
        Some(quote @ ('"' | '\'')) => {
            let close = quote_close(text, from, limit)?;
            entry.value = from..close;
            entry.shape = if text[from..close].contains('\n') {
                Shape::Opaque
            } else if quote == '"' {
                Shape::Double
            } else {
                Shape::Single
            };
            entry.end = end_of_line_without_content(text, close, limit)?;
        }
        Some(open @ ('{' | '[')) => {
            let close = flow_close(text, from, limit)?;
            entry.value = from..close;
            entry.shape = if open == '{' { Shape::Flow } else { Shape::Opaque };
            entry.end = end_of_line_without_content(text, close, limit)?;
        }
        Some('|' | '>') => {
            entry.shape = Shape::Opaque;
            entry.end = block_scalar_end(text, first_line_end..limit, column);
        }
        Some(character) => {
            entry.value = from..from + plain_length(&text[from..first_line_end]);
            entry.shape = if character == '*' { Shape::Opaque } else { Shape::Plain };
        }
    }
    Some(entry)
}

fn flow_mapping(text: &str, range: Range<usize>) -> Option<Mapping> {
    let limit = range.end - 1;
    let mut entries = Vec::new();
    let mut at = skip_trivia(text, range.start + 1, limit);
    while at < limit {
        let entry = flow_entry(text, at, limit)?;
        at = skip_trivia(text, entry.end, limit);
        if text[at..limit].starts_with(',') {
            at = skip_trivia(text, at + 1, limit);
        } else if at < limit {
            return None;
        }
        entries.push(entry);
    }
    Some(Mapping::Flow { start: range.start, entries })
}

fn flow_entry(text: &str, start: usize, limit: usize) -> Option<Entry> {
    let Some((key, colon)) = key(text, start, limit, Context::Flow) else {
        return lone_key(text, start, limit);
    };
    let behind_colon = skip_properties(text, colon, limit);
    let from = skip_trivia(text, behind_colon, limit);
    let (value, shape) = match text[from..limit].chars().next() {
        None | Some(',') => (behind_colon..behind_colon, Shape::Nothing),
        Some('"') => (from..quote_close(text, from, limit)?, Shape::Double),
        Some('\'') => (from..quote_close(text, from, limit)?, Shape::Single),
        Some('{') => (from..flow_close(text, from, limit)?, Shape::Flow),
        Some('[') => (from..flow_close(text, from, limit)?, Shape::Opaque),
        Some(character) => {
            let until = text[from..limit].find(',').map_or(limit, |comma| from + comma);
            let value = from..from + plain_length(&text[from..until]);
            (value, if character == '*' { Shape::Opaque } else { Shape::Plain })
        }
    };
    let end = value.end;
    let shape =
        if shape != Shape::Flow && text[value.clone()].contains('\n') { Shape::Opaque } else { shape };
    let first_line_end = line_end(text, from).min(limit);
    let context = Context::Flow;
    Some(Entry { key, line: start, colon, behind_colon, value, shape, context, first_line_end, end })
}

/// A word in braces that is a key without a colon; its value is null, and is not edited.
fn lone_key(text: &str, start: usize, limit: usize) -> Option<Entry> {
    let first = text[start..limit].chars().next()?;
    let length = match first {
        '"' | '\'' => quote_close(text, start, limit)? - start,
        _ => text[start..limit].find([',', '\r', '\n']).unwrap_or(limit - start),
    };
    let key = &text[start..start + plain_length(&text[start..start + length])];
    let is_word = !key.contains(['{', '}', '[', ']'])
        && !key.starts_with(['!', '&', '*', '|', '>', '%', '@', '`', '?']);
    let end = start + key.len();
    is_word.then(|| Entry {
        key: key.to_owned(),
        line: start,
        colon: end,
        behind_colon: end,
        value: end..end,
        shape: Shape::Opaque,
        context: Context::Flow,
        first_line_end: line_end(text, start).min(limit),
        end,
    })
}

/// The key that begins at `start`, and the offset behind its colon.
fn key(text: &str, start: usize, limit: usize, context: Context) -> Option<(String, usize)> {
    let rest = &text[start..limit];
    let (key, length) = match rest.chars().next()? {
        quote @ ('"' | '\'') => {
            let close = quote_close(text, start, limit)?;
            let written = &text[start..close];
            let has_escape = written.contains('\\') || written[1..written.len() - 1].contains(quote);
            let key = match has_escape {
                true => serde_yaml::from_str(written).ok()?,
                false => written[1..written.len() - 1].to_owned(),
            };
            if written.contains('\n') {
                return None;
            }
            (key, close - start)
        }
        '?' if is_marked(rest.lines().next()?, '?') => return None,
        '&' | '*' | '!' | '|' | '>' | '[' | '{' | '%' | '@' | '`' => return None,
        _ => {
            let line = rest.lines().next()?;
            let colons = line.match_indices(':').map(|(at, _)| at);
            let is_end = |at: &usize| match line[at + 1..].chars().next() {
                None | Some(' ' | '\t') => true,
                Some(',' | '}') => context == Context::Flow,
                Some(_) => false,
            };
            let length = colons.into_iter().find(is_end)?;
            let key = line[..length].trim_end_matches(BLANKS);
            let comment = key.contains(" #") || key.contains("\t#");
            if comment || (context == Context::Flow && key.contains([',', '{', '}', '[', ']'])) {
                return None;
            }
            (key.to_owned(), length)
        }
    };
    let colon = skip_blanks(text, start + length, limit);
    text[colon..limit].starts_with(':').then_some((key, colon + 1))
}

fn skip_blanks(text: &str, at: usize, limit: usize) -> usize {
    limit - text[at..limit].trim_start_matches([' ', '\t']).len()
}

/// Behind blanks, line ends and comments.
pub(super) fn skip_trivia(text: &str, at: usize, limit: usize) -> usize {
    let at = limit - text[at..limit].trim_start_matches([' ', '\t', '\r', '\n']).len();
    if !text[at..limit].starts_with('#') {
        return at;
    }
    let mut at = at;
    while text[at..limit].starts_with('#') {
        at = line_end(text, at).min(limit);
        at = limit - text[at..limit].trim_start_matches([' ', '\t', '\r', '\n']).len();
    }
    at
}

/// Behind an anchor and a tag, where they are there.
fn skip_properties(text: &str, at: usize, limit: usize) -> usize {
    let from = skip_blanks(text, at, limit);
    let rest = &text[from..limit];
    if !rest.starts_with(['&', '!']) {
        return at;
    }
    let length = rest.find([' ', '\t', '\r', '\n', ',', '}']).unwrap_or(rest.len());
    skip_properties(text, from + length, limit)
}

/// Behind the line of `at`, if nothing but a comment follows there.
fn end_of_line_without_content(text: &str, at: usize, limit: usize) -> Option<usize> {
    let end = line_end(text, at).min(limit);
    let rest = text[at..end].trim_matches(BLANKS);
    (rest.is_empty() || rest.starts_with('#')).then_some(end)
}

/// Behind the last line of a block scalar that is not blank.
fn block_scalar_end(text: &str, range: Range<usize>, column: usize) -> usize {
    let mut end = range.start;
    let mut at = range.start;
    while at < range.end {
        let next = line_end(text, at).min(range.end);
        let line = text[at..next].trim_end_matches(['\r', '\n']);
        let content = line.trim_start_matches(' ');
        let is_blank = content.is_empty();
        if !is_blank && line.len() - content.len() <= column {
            break;
        }
        if !is_blank {
            end = next;
        }
        at = next;
    }
    end
}

/// How long the plain scalar is at the start of this text, without the comment behind it.
fn plain_length(text: &str) -> usize {
    let comment = text.match_indices('#').map(|(at, _)| at).find(|at| text[..*at].ends_with([' ', '\t']));
    text[..comment.unwrap_or(text.len())].trim_end_matches(BLANKS).len()
}

fn is_marked(content: &str, mark: char) -> bool {
    content.strip_prefix(mark).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t']))
}
