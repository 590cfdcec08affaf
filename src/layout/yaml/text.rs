//! How values are written as YAML.

use std::fmt::Write;

use serde_yaml::Value;

/// A value to write.
#[derive(Clone, Debug)]
pub(in crate::layout) enum Node {
    /// A word that stands as it is, such as `true` or `1`.
    Word(&'static str),
    /// A string, quoted where it must be.
    Text(String),
    /// `[a, b]`.
    List(Vec<String>),
    /// `{key: value}`, on one line.
    Inline(Fields),
    /// A line for each key, where the surroundings allow it.
    Nested(Fields),
}

/// Keys with their values, in order.
pub(in crate::layout) type Fields = Vec<(String, Node)>;

impl Node {
    /// The value on one line.
    pub(in crate::layout) fn inline(&self) -> String {
        match self {
            Node::Word(word) => (*word).to_owned(),
            Node::Text(text) => scalar(text),
            Node::List(items) => {
                format!("[{}]", items.iter().map(|item| scalar(item)).collect::<Vec<_>>().join(", "))
            }
            Node::Inline(fields) | Node::Nested(fields) => format!("{{{}}}", inline_fields(fields)),
        }
    }
}

/// `key: value, key: value`
pub(in crate::layout) fn inline_fields(fields: &[(String, Node)]) -> String {
    let field = |(key, node): &(String, Node)| format!("{}: {}", scalar(key), node.inline());
    fields.iter().map(field).collect::<Vec<_>>().join(", ")
}

/// A line or more for each key, indented by `column`, each ending in `\n`; what is nested, by
/// `step` more.
pub(in crate::layout) fn lines(fields: &[(String, Node)], column: usize, step: usize) -> String {
    let mut text = String::new();
    write_lines(&mut text, fields, column, step);
    text
}

/// A string as YAML that every parser reads as that string: plain where that is safe, else in
/// single quotes, or double ones if it has control characters.
pub(in crate::layout) fn scalar(text: &str) -> String {
    if is_safe_plain(text) {
        return text.to_owned();
    }
    if text.chars().any(char::is_control) { double_quoted(text) } else { single_quoted(text) }
}

/// In single quotes, where only the quote itself is special.
pub(in crate::layout) fn single_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// In double quotes, with escapes.
pub(in crate::layout) fn double_quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            _ if character.is_control() => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(character));
            }
            _ => quoted.push(character),
        }
    }
    quoted + "\""
}

fn write_lines(text: &mut String, fields: &[(String, Node)], column: usize, step: usize) {
    for (key, node) in fields {
        text.extend(std::iter::repeat_n(' ', column));
        text.push_str(&scalar(key));
        text.push(':');
        match node {
            Node::Nested(children) if !children.is_empty() => {
                text.push('\n');
                write_lines(text, children, column + step, step);
            }
            _ => {
                text.push(' ');
                text.push_str(&node.inline());
                text.push('\n');
            }
        }
    }
}

/// Whether a string is safe without quotes, in braces too. YAML 1.1 and 1.2 differ in which words
/// are booleans: those of both are quoted.
fn is_safe_plain(text: &str) -> bool {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || b" ._/:@+-".contains(&byte);
    let begins =
        text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric() || b"./".contains(&byte));
    if !begins || !text.bytes().all(safe) || text.ends_with(' ') || is_special_word(text) {
        return false;
    }
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"./-".contains(&byte);
    if text.starts_with(|first: char| first.is_ascii_alphabetic()) && text.bytes().all(is_name) {
        return true;
    }
    matches!(serde_yaml::from_str(text), Ok(Value::String(read)) if read == text)
}

fn is_special_word(text: &str) -> bool {
    SPECIAL_WORDS.iter().any(|word| word.eq_ignore_ascii_case(text))
}

const SPECIAL_WORDS: [&str; 9] = ["true", "false", "yes", "no", "on", "off", "y", "n", "null"];
