//! Where in the text of a config its `global` section and the values of its keys stand.
//!
//! A line scanner for block style. It may be mistaken about what it sees, inside a long quoted
//! text for instance, and need not know: the editor takes a candidate only if the parser sees
//! what was intended.

use std::ops::Range;

use serde_yaml::Value;

use super::client_config_edit::KeyChange;
use super::client_config_schema::OUR_KEYS;

/// Texts in which the changes may have been made as intended, the likeliest first; none where
/// the shape cannot be edited line by line.
pub(super) fn candidates(text: &str, root: Option<&Value>, changes: &[KeyChange]) -> Vec<String> {
    let document = Document::of(text);
    match root {
        None | Some(Value::Null) => vec![document.with_new_section(document.last, 0, changes)],
        Some(Value::Mapping(sections)) if sections.contains_key("global") => {
            document.with_edited_section(sections.get("global"), changes)
        }
        Some(Value::Mapping(_)) => {
            let Some(first) = document.first_content() else { return Vec::new() };
            let indent = document.line(first).indent;
            // At the end of the document, or, where its last value would swallow that, before all else.
            [document.last, first].map(|at| document.with_new_section(at, indent, changes)).to_vec()
        }
        Some(_) => Vec::new(),
    }
}

/// A text as YAML: plain where every parser reads it as text, else in single quotes, and in
/// double quotes where only escapes can tell it.
pub(super) fn plain_or_quoted(value: &str) -> String {
    let plain = ["/", "./", "tcp://"].iter().any(|start| value.starts_with(start))
        && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-+@:[]".contains(&byte))
        && !value.ends_with(':');
    if plain { value.to_owned() } else { single_quoted(value) }
}

fn single_quoted(value: &str) -> String {
    if value.chars().any(must_be_escaped) {
        double_quoted(value)
    } else {
        format!("'{}'", value.replace('\'', "''"))
    }
}

fn double_quoted(value: &str) -> String {
    let escaped = value.chars().map(|character| match character {
        '"' | '\\' => format!("\\{character}"),
        character if must_be_escaped(character) => format!("\\U{:08X}", u32::from(character)),
        character => character.to_string(),
    });
    format!("\"{}\"", escaped.collect::<String>())
}

/// Line breaks, and what YAML 1.1 does not count as printable (section 5.1).
fn must_be_escaped(character: char) -> bool {
    let others = ['\u{2028}', '\u{2029}', BYTE_ORDER_MARK, '\u{fffe}', '\u{ffff}'];
    character.is_control() || others.contains(&character)
}

/// Bytes of the text and what shall stand in their place.
type Splice = (Range<usize>, String);

/// The lines of a text of which `first..last` are those of its first document.
struct Document<'text> {
    text: &'text str,
    lines: Vec<Line>,
    first: usize,
    last: usize,
}

/// Byte offsets of a line: its text, its end before the line break, and the next line.
#[derive(Clone, Copy, Default)]
struct Line {
    start: usize,
    end: usize,
    next: usize,
    indent: usize,
}

/// What stands behind the colon of a key.
enum Written {
    /// Nothing, or a comment; the offset is that behind the colon.
    Nothing(usize),
    /// One scalar on the line, or an alias of one.
    Scalar(Range<usize>),
    /// Anything else.
    Other(Range<usize>),
}

impl<'text> Document<'text> {
    fn of(text: &'text str) -> Document<'text> {
        let start = if text.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len_utf8() } else { 0 };
        let mut lines = Vec::new();
        let mut offset = start;
        for piece in text.get(start..).unwrap_or_default().split_inclusive('\n') {
            let content =
                piece.strip_suffix('\n').map_or(piece, |line| line.strip_suffix('\r').unwrap_or(line));
            let indent = content.len() - content.trim_start_matches(' ').len();
            lines.push(Line {
                start: offset,
                end: offset + content.len(),
                next: offset + piece.len(),
                indent,
            });
            offset += piece.len();
        }
        let mut document = Document { text, last: lines.len(), first: 0, lines };
        document.find_bounds();
        document
    }

    /// `---` and `...` at the start of a line are never content, whatever stands around them.
    fn find_bounds(&mut self) {
        let count = self.lines.len();
        let opening = (0..count).find(|at| self.is_content(*at) && !self.content(*at).starts_with('%'));
        let Some(opening) = opening else { return };
        let behind = if self.is_marker(opening, "---") { opening + 1 } else { opening };
        self.first = behind;
        self.last = (behind..count)
            .find(|at| self.is_marker(*at, "---") || self.is_marker(*at, "..."))
            .unwrap_or(count);
    }

    fn line(&self, at: usize) -> Line {
        self.lines.get(at).copied().unwrap_or(Line {
            start: self.text.len(),
            end: self.text.len(),
            next: self.text.len(),
            indent: 0,
        })
    }

    fn content(&self, at: usize) -> &'text str {
        let line = self.line(at);
        self.text.get(line.start..line.end).unwrap_or_default()
    }

    fn is_marker(&self, at: usize, marker: &str) -> bool {
        self.content(at)
            .strip_prefix(marker)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t']))
    }

    /// Neither blank nor a comment.
    fn is_content(&self, at: usize) -> bool {
        let text = self.content(at).trim_start();
        !text.is_empty() && !text.starts_with('#')
    }

    fn first_content(&self) -> Option<usize> {
        (self.first..self.last).find(|at| self.is_content(*at))
    }

    /// The line break to write beside that line: its own, or where it has none the file's first.
    fn line_break(&self, at: usize) -> &'text str {
        let of = |line: &Line| self.text.get(line.end..line.next).filter(|text| !text.is_empty());
        self.lines.get(at).and_then(of).or_else(|| self.lines.iter().find_map(of)).unwrap_or("\n")
    }

    /// An insertion of lines before line `at`. Where the text ends without a line break, it
    /// still does afterwards.
    fn insertion(&self, at: usize, lines: &[String]) -> Splice {
        let offset = self.line(at).start;
        let before = at.checked_sub(1);
        let line_break = self.line_break(before.unwrap_or(at));
        let unfinished = before.is_some_and(|before| self.line(before).end == self.line(before).next);
        let inserted = if unfinished {
            lines.iter().map(|line| format!("{line_break}{line}")).collect()
        } else {
            lines.iter().map(|line| format!("{line}{line_break}")).collect()
        };
        (offset..offset, inserted)
    }

    fn with_new_section(&self, at: usize, indent: usize, changes: &[KeyChange]) -> String {
        let step = self.step(indent);
        let mut lines = vec![format!("{}global:", " ".repeat(indent))];
        lines.extend(changes.iter().map(|change| key_line(indent + step, change)));
        self.spliced(vec![self.insertion(at, &lines)])
    }

    /// By how much the file indents: the first indented line under a section says it.
    fn step(&self, indent: usize) -> usize {
        (self.first..self.last)
            .filter(|at| self.is_content(*at))
            .map(|at| self.line(at).indent)
            .find(|found| *found > indent)
            .map_or(DEFAULT_STEP, |found| found - indent)
    }

    fn with_edited_section(&self, global: Option<&Value>, changes: &[KeyChange]) -> Vec<String> {
        let Some(first) = self.first_content() else { return Vec::new() };
        let indent = self.line(first).indent;
        (self.first..self.last)
            .filter_map(|at| Some((at, self.written_at(at, indent, "global")?)))
            .flat_map(|(at, written)| self.with_section_at(at, &written, global, changes))
            .collect()
    }

    /// Candidates for the section whose key stands on that line: new keys behind the last of
    /// ours, or, where that one's value goes on, directly below `global:`.
    fn with_section_at(
        &self,
        at: usize,
        written: &Written,
        global: Option<&Value>,
        changes: &[KeyChange],
    ) -> Vec<String> {
        let indent = self.line(at).indent;
        let end = (at + 1..self.last)
            .find(|line| self.is_content(*line) && self.line(*line).indent <= indent)
            .unwrap_or(self.last);
        let child = (at + 1..end).find(|line| self.is_content(*line));
        let indent = child.map_or(indent + self.step(indent), |line| self.line(line).indent);
        let is_there = |change: &&KeyChange| global.is_some_and(|global| global.get(change.key).is_some());
        let (present, missing): (Vec<_>, Vec<_>) = changes.iter().partition(is_there);

        let Some(mut splices) = self.opening(written) else { return Vec::new() };
        for change in present {
            let Some(splice) = self.replacement(at + 1..end, indent, change) else { return Vec::new() };
            splices.push(splice);
        }
        if missing.is_empty() {
            return vec![self.spliced(splices)];
        }
        let missing: Vec<_> = missing.into_iter().map(|change| key_line(indent, change)).collect();
        let is_ours = |line: &usize| OUR_KEYS.iter().any(|key| self.written_at(*line, indent, key).is_some());
        let behind_ours = (at + 1..end).rev().find(is_ours).map(|line| line + 1);
        let with_missing = |place| {
            let mut splices = splices.clone();
            splices.push(self.insertion(place, &missing));
            self.spliced(splices)
        };
        behind_ours.into_iter().chain([at + 1]).map(with_missing).collect()
    }

    /// Takes away what stands behind `global:` so that keys can stand below it; none where that
    /// is more than an empty value.
    fn opening(&self, written: &Written) -> Option<Vec<Splice>> {
        let (Written::Scalar(value) | Written::Other(value)) = written else { return Some(Vec::new()) };
        match self.text.get(value.clone())? {
            "~" | "null" | "Null" | "NULL" | "{}" | "{ }" => {
                let before = self.text.get(..value.start)?;
                let ends_the_line = self.lines.iter().any(|line| line.end == value.end);
                let start = if ends_the_line { before.trim_end().len() } else { value.start };
                Some(vec![(start..value.end, String::new())])
            }
            anchor if anchor.starts_with('&') && !anchor.contains([' ', '\t']) => Some(Vec::new()),
            _ => None,
        }
    }

    /// The new value in the place of the old one; none where that is more than one scalar.
    fn replacement(&self, children: Range<usize>, indent: usize, change: &KeyChange) -> Option<Splice> {
        match children.into_iter().find_map(|line| self.written_at(line, indent, change.key))? {
            Written::Nothing(offset) => Some((offset..offset, format!(" {}", scalar(change)))),
            Written::Scalar(value) => {
                let replaced = self.in_the_same_quotes(&value, change);
                Some((value, replaced))
            }
            Written::Other(_) => None,
        }
    }

    /// What stands behind `key:` on that line, where the line is that of the key at that indent.
    fn written_at(&self, at: usize, indent: usize, key: &str) -> Option<Written> {
        let line = self.line(at);
        let content = self.content(at);
        if line.indent != indent {
            return None;
        }
        let rest = content.get(indent..)?;
        let rest = [key.to_owned(), format!("\"{key}\""), format!("'{key}'")]
            .iter()
            .find_map(|spelt| rest.strip_prefix(spelt.as_str()))?;
        let rest = rest.trim_start_matches([' ', '\t']).strip_prefix(':')?;
        let behind_colon = line.end - rest.len();
        let value = rest.trim_start_matches([' ', '\t']);
        if value.is_empty() || (value.starts_with('#') && value.len() < rest.len()) {
            return Some(Written::Nothing(behind_colon));
        }
        if value.len() == rest.len() {
            return None;
        }
        let start = line.end - value.len();
        let plain_end = start + plain_length(value);
        Some(match value.chars().next() {
            Some(quote @ ('"' | '\'')) => match quoted_length(value, quote) {
                Some(length) => Written::Scalar(start..start + length),
                None => Written::Other(start..plain_end),
            },
            Some('{' | '[' | '|' | '>' | '&' | '!' | '?' | '%' | '@' | '`') => {
                Written::Other(start..plain_end)
            }
            _ => Written::Scalar(start..plain_end),
        })
    }

    fn in_the_same_quotes(&self, old: &Range<usize>, change: &KeyChange) -> String {
        let old = self.text.get(old.clone()).unwrap_or_default();
        if change.key == "tls_enabled" {
            scalar(change)
        } else if old.starts_with('"') && !change.to.contains('\\') {
            double_quoted(&change.to)
        } else if old.starts_with(['"', '\'']) {
            single_quoted(&change.to)
        } else {
            scalar(change)
        }
    }

    fn spliced(&self, mut splices: Vec<Splice>) -> String {
        splices.sort_by_key(|(range, _)| (range.start, range.end));
        let mut text = self.text.to_owned();
        for (range, replacement) in splices.into_iter().rev() {
            text.replace_range(range, &replacement);
        }
        text
    }
}

fn key_line(indent: usize, change: &KeyChange) -> String {
    format!("{}{}: {}", " ".repeat(indent), change.key, scalar(change))
}

fn scalar(change: &KeyChange) -> String {
    if change.key == "tls_enabled" { change.to.clone() } else { plain_or_quoted(&change.to) }
}

/// Up to a comment, which a blank must precede, or the end of the line.
fn plain_length(value: &str) -> usize {
    let comment = value
        .match_indices('#')
        .map(|(at, _)| at)
        .find(|at| value.get(..*at).is_some_and(|before| before.ends_with([' ', '\t'])));
    value.get(..comment.unwrap_or(value.len())).unwrap_or(value).trim_end().len()
}

/// The length of a quoted scalar that ends on its line, quotes included.
fn quoted_length(value: &str, quote: char) -> Option<usize> {
    let mut characters = value.char_indices().skip(1).peekable();
    while let Some((at, character)) = characters.next() {
        if quote == '"' && character == '\\' {
            characters.next();
        } else if character == quote {
            let doubled = quote == '\'' && characters.peek().is_some_and(|(_, next)| *next == quote);
            if !doubled {
                return Some(at + quote.len_utf8());
            }
            characters.next();
        }
    }
    None
}

const BYTE_ORDER_MARK: char = '\u{feff}';
const DEFAULT_STEP: usize = 2;
