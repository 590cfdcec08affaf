//! Setting keys in the text of a YAML file: nothing else in it moves.

use std::ops::Range;

use super::document::{BYTE_ORDER_MARK, Document};
use super::mapping::{Context, Entry, Mapping, Shape, line_end, mapping, mapping_of};
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
        vec![insert_lines(text, document.range.end, &lines(&wrapped(path, fields), 0, step))]
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
            Some(entry) => splices.push(replaced(entry, node)?),
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
                (None, _) => document.range.end,
                (Some(owner), Position::First) => merge.map_or(owner.first_line_end, |merge| merge.end),
                (Some(_), Position::Last) => entries.last()?.end,
            };
            Some(insert_lines(text, at, &lines(fields, *column, target.step)))
        }
        Mapping::Flow { start, entries } => {
            let (at, separator) = entries.last().map_or((start + 1, ""), |last| (last.end, ", "));
            Some(Splice { range: at..at, text: format!("{separator}{}", inline_fields(fields)) })
        }
    }
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
fn replaced(entry: &Entry, node: &Node) -> Option<Splice> {
    let value = match (node, entry.shape) {
        (_, Shape::Nested | Shape::Opaque) => return None,
        (Node::Text(text), Shape::Single) if !text.chars().any(char::is_control) => single_quoted(text),
        (Node::Text(text), Shape::Double) => double_quoted(text),
        (Node::Text(text), _) => scalar(text),
        (node, _) => node.inline(),
    };
    let blank = if entry.shape == Shape::Nothing { " " } else { "" };
    Some(Splice { range: entry.value.clone(), text: format!("{blank}{value}") })
}

fn is_empty(text: &str, entry: &Entry) -> bool {
    let value = &text[entry.value.clone()];
    match entry.shape {
        Shape::Nothing => true,
        Shape::Plain => ["~", "null", "Null", "NULL"].contains(&value),
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

const DEFAULT_STEP: usize = 2;
const WIDEST_STEP: usize = 8;
