//! Setting keys in the text of a YAML file: nothing else in it moves.

use std::ops::Range;

use super::document::{BYTE_ORDER_MARK, Document};
use super::mapping::{Context, Entry, Mapping, Shape, mapping, mapping_of, skip_trivia};
use super::scan::line_end;
use super::text::{Fields, Node, double_quoted, inline_fields, lines, scalar, single_quoted};

/// Where keys go that a mapping does not have yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::layout) enum Position {
    /// Directly below the mapping's own key: no other key's comment or block scalar is near.
    First,
    /// Behind the last key.
    Last,
}

/// The text of a file after `fields` were set in the mapping at `path` of its first document.
/// Keys of that path that are missing are made; scalars that are there are replaced within their
/// quotes. None: the text has a form that is not edited.
///
/// The caller must compare the values before and after.
pub(in crate::layout) fn set_at(
    document: &Document<'_>,
    path: &[&str],
    fields: &[(String, Node)],
    position: Position,
) -> Option<String> {
    let text = document.text;
    let step = indentation_step(&text[document.range.clone()]);
    let splices = if document.value.is_null() {
        let null = null_word(text, document.range.clone())?;
        let behind = line_end(text, null.end).min(document.range.end);
        let at = if null.is_empty() { document.range.end } else { behind };
        let emptied = Splice { range: null, text: String::new() };
        vec![emptied, insert_lines(text, at, &lines(&wrapped(path, fields), 0, step))]
    } else {
        let root = mapping(text, document.range.clone())?;
        set_below(document, &root, path, fields, Target { position, step })?
    };
    Some(spliced(text, splices))
}

#[derive(Clone, Copy)]
struct Target {
    position: Position,
    step: usize,
}

struct Splice {
    range: Range<usize>,
    text: String,
}

fn set_below(
    document: &Document<'_>,
    root: &Mapping,
    path: &[&str],
    fields: &[(String, Node)],
    target: Target,
) -> Option<Vec<Splice>> {
    let text = document.text;
    let mut current = root.clone();
    let mut owner: Option<Entry> = None;
    for (depth, key) in path.iter().enumerate() {
        let Some(entry) = current.entry(key).cloned() else {
            let missing = wrapped(&path[depth..], fields);
            return Some(vec![added(document, &current, owner.as_ref(), &missing, target)?]);
        };
        if is_empty(text, &entry) {
            let column = match current {
                Mapping::Block { column, .. } => column,
                Mapping::Flow { .. } => 0,
            };
            return Some(filled(text, &entry, column, &wrapped(&path[depth + 1..], fields), target.step));
        }
        current = mapping_of(text, &entry)?;
        owner = Some(entry);
    }
    let mut splices = Vec::new();
    let mut missing = Vec::new();
    for (key, node) in fields {
        match current.entry(key) {
            Some(entry) => splices.push(replaced(text, entry, node)?),
            None => missing.push((key.clone(), node.clone())),
        }
    }
    if !missing.is_empty() {
        splices.push(added(document, &current, owner.as_ref(), &missing, target)?);
    }
    Some(splices)
}

/// New keys in a mapping that has some.
fn added(
    document: &Document<'_>,
    mapping: &Mapping,
    owner: Option<&Entry>,
    fields: &[(String, Node)],
    target: Target,
) -> Option<Splice> {
    let text = document.text;
    match mapping {
        Mapping::Block { column, entries } => {
            // Some versions of yaml.v3 let a merge override the keys that stand before it.
            let merge = entries.iter().rfind(|entry| entry.key == "<<");
            let at = match (owner, target.position) {
                (None, _) if is_open_ended(text, document.range.end, entries) => entries.first()?.line,
                (None, _) => document.range.end,
                (Some(owner), Position::First) => merge.map_or(owner.first_line_end, |merge| merge.end),
                (Some(_), Position::Last) => entries.last()?.end,
            };
            Some(insert_lines(text, at, &lines(fields, *column, target.step)))
        }
        Mapping::Flow { start, entries } => {
            let (at, separator) = match entries.last() {
                None => (start + 1, ""),
                // `key:,` is not read as a key by every parser.
                Some(last) if last.shape == Shape::Nothing => (last.end, " , "),
                Some(last) => (last.end, ", "),
            };
            Some(Splice { range: at..at, text: format!("{separator}{}", inline_fields(fields)) })
        }
    }
}

/// Whether a line end at the end of the text would belong to a block scalar.
fn is_open_ended(text: &str, end: usize, entries: &[Entry]) -> bool {
    let last = entries.last().map(|entry| entry.shape);
    end == text.len() && !text.ends_with('\n') && matches!(last, Some(Shape::Opaque | Shape::Nested))
}

/// Keys of a mapping that is there and empty: null, or `{}`.
fn filled(text: &str, entry: &Entry, column: usize, fields: &[(String, Node)], step: usize) -> Vec<Splice> {
    if entry.context == Context::Flow {
        return vec![Splice {
            range: entry.behind_colon..entry.value.end,
            text: format!(" {{{}}}", inline_fields(fields)),
        }];
    }
    let emptied = Splice { range: entry.behind_colon..entry.value.end, text: String::new() };
    vec![emptied, insert_lines(text, entry.end, &lines(fields, column + step, step))]
}

/// Another value for a key that is there.
fn replaced(text: &str, entry: &Entry, node: &Node) -> Option<Splice> {
    let properties = text[entry.colon..entry.behind_colon].split_whitespace();
    let mut tags = properties.filter(|property| property.starts_with('!'));
    if !tags.all(|tag| ["!!str", "!!bool"].contains(&tag)) {
        return None;
    }
    let previous = &text[entry.value.clone()];
    let is_list = previous.starts_with('[') && previous.ends_with(']');
    let value = match (node, entry.shape) {
        (Node::List(_), Shape::Opaque) if is_list => node.inline(),
        (_, Shape::Nested | Shape::Opaque) => return None,
        (Node::Text(text), Shape::Single) if !text.chars().any(char::is_control) => single_quoted(text),
        (Node::Text(text), Shape::Double) => double_quoted(text),
        (Node::Text(text), _) => scalar(text),
        (node, _) => node.inline(),
    };
    let blank = if entry.shape == Shape::Nothing { " " } else { "" };
    Some(Splice { range: entry.value.clone(), text: format!("{blank}{value}") })
}

/// Where the word is that makes a document null, an empty place if none does; None if something
/// else does, such as a tag.
fn null_word(text: &str, range: Range<usize>) -> Option<Range<usize>> {
    let first = skip_trivia(text, range.start, range.end);
    let length = text[first..range.end].find([' ', '\t', '\r', '\n']).unwrap_or(range.end - first);
    let word = first..first + length;
    let behind = range.end - text[word.end..range.end].trim_start_matches([' ', '\t']).len();
    let is_alone = text[behind..range.end].chars().next().is_none_or(|next| next == '\r' || next == '\n');
    // A tab alone in a line is refused by some parsers.
    let emptied = if is_alone && !word.is_empty() { first..behind } else { word.clone() };
    (word.is_empty() || NULLS.contains(&&text[word.clone()])).then_some(emptied)
}

fn is_empty(text: &str, entry: &Entry) -> bool {
    let value = &text[entry.value.clone()];
    match entry.shape {
        Shape::Nothing => true,
        Shape::Plain => NULLS.contains(&value),
        Shape::Flow => value[1..value.len() - 1].trim().is_empty(),
        _ => false,
    }
}

/// The fields, as the value of the keys of a path.
fn wrapped(path: &[&str], fields: &[(String, Node)]) -> Fields {
    path.iter().rev().fold(fields.to_vec(), |inner, key| vec![((*key).to_owned(), Node::Nested(inner))])
}

/// Lines of their own before offset `at`, which is the start of a line or the end of the text,
/// with the line ends of the line before.
fn insert_lines(text: &str, at: usize, lines: &str) -> Splice {
    let before = &text[..at];
    let is_first = before.is_empty() || before == BYTE_ORDER_MARK;
    let newline = before.rfind('\n').or_else(|| text.find('\n'));
    let is_windows = newline.is_some_and(|newline| text[..newline].ends_with('\r'));
    let line_end = if is_windows { "\r\n" } else { "\n" };
    let lines = lines.replace('\n', line_end);
    let text = if is_first || before.ends_with('\n') {
        lines
    } else {
        format!("{line_end}{}", lines.trim_end_matches(['\r', '\n']))
    };
    Splice { range: at..at, text }
}

fn spliced(text: &str, mut splices: Vec<Splice>) -> String {
    splices.sort_by_key(|splice| (splice.range.start, splice.range.end));
    let added: usize = splices.iter().map(|splice| splice.text.len()).sum();
    let mut result = String::with_capacity(text.len() + added);
    let mut at = 0;
    for splice in splices {
        result.push_str(&text[at..splice.range.start]);
        result.push_str(&splice.text);
        at = splice.range.end;
    }
    result.push_str(&text[at..]);
    result
}

/// By how many blanks this text indents; 2 where it does not.
fn indentation_step(text: &str) -> usize {
    let indented = |line: &str| {
        let content = line.trim_start_matches(' ');
        let column = line.len() - content.len();
        let is_key = !content.starts_with(['#', '-', '\r']) && !content.is_empty();
        (column > 0 && is_key).then_some(column)
    };
    let mut at = 0;
    while at < text.len() {
        let end = line_end(text, at);
        if let Some(column) = indented(text[at..end].trim_end_matches('\n')) {
            return column.min(WIDEST_STEP);
        }
        at = end;
    }
    DEFAULT_STEP
}

const NULLS: [&str; 4] = ["~", "null", "Null", "NULL"];
const DEFAULT_STEP: usize = 2;
const WIDEST_STEP: usize = 8;
