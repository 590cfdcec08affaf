//! The first document of a YAML file: where it is in the text, and its value.

use std::ops::Range;
use std::path::Path;

use serde::Deserialize;
use serde_yaml::{Deserializer, Value};

use crate::model::Failure;

/// A file's text with its first document, which is the only one that Go's yaml.v3 reads.
pub(in crate::layout) struct Document<'a> {
    /// The whole file.
    pub(in crate::layout) text: &'a str,
    /// Where the first document's content is: behind a byte order mark and `---`, before the next
    /// `---` or `...`.
    pub(in crate::layout) range: Range<usize>,
    /// Its value, aliases resolved, merge keys as they are written.
    pub(in crate::layout) value: Value,
}

impl<'a> Document<'a> {
    /// Reads the first document of a file.
    ///
    /// # Errors
    /// Bytes that are not UTF-8, and what is no YAML: tabs as indentation, and a key that stands
    /// twice in one mapping. No value of the file is quoted: it may hold passwords.
    pub(in crate::layout) fn parse(bytes: &'a [u8], path: &Path) -> Result<Document<'a>, Failure> {
        let failure = || Failure::new("reading", path.display());
        let text = std::str::from_utf8(bytes)
            .map_err(|_| failure().expected("YAML in UTF-8").found("bytes that are not UTF-8"))?;
        let range = first_document(text);
        let unmarked = text.strip_prefix(BYTE_ORDER_MARK).map_or(0, |_| BYTE_ORDER_MARK.len());
        let mut documents = Deserializer::from_str(&text[unmarked..range.end]);
        let value = match documents.next() {
            None => Value::Null,
            Some(document) => Value::deserialize(document)
                .map_err(|error| failure().expected("YAML").found(described(&error)))?,
        };
        if documents.next().is_some() {
            return Err(failure()
                .expected("YAML whose first document ends where it seems to")
                .found("another"));
        }
        Ok(Document { text, range, value })
    }

    /// What follows the first document, from the next marker on.
    pub(in crate::layout) fn rest(&self) -> &'a str {
        &self.text[self.range.end..]
    }
}

/// The fault and its line. The parser's own words for syntax quote nothing; those for a key that
/// stands twice do, so that they are replaced.
fn described(error: &serde_yaml::Error) -> String {
    let words = error.to_string();
    let line = error.location().map(|location| location.line());
    match (words.contains("duplicate entry"), line) {
        (true, Some(line)) => format!("a key that stands twice in the mapping that begins in line {line}"),
        (true, None) => "a key that stands twice in a mapping".to_owned(),
        (false, Some(line)) if !words.contains(" line ") => format!("{words} (line {line})"),
        (false, _) => words,
    }
}

fn first_document(text: &str) -> Range<usize> {
    let mut start = text.strip_prefix(BYTE_ORDER_MARK).map_or(0, |_| BYTE_ORDER_MARK.len());
    let mut begun = false;
    let mut at = start;
    for line in text[start..].split_inclusive('\n') {
        let here = at;
        at += line.len();
        let marker = ["---", "..."].into_iter().find(|marker| {
            line.strip_prefix(marker)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
        });
        let behind = marker.map_or(line, |marker| &line[marker.len()..]).trim();
        let has_content = !behind.is_empty() && !behind.starts_with('#');
        match marker {
            Some(_) if begun => return start..here,
            Some("---") => {
                begun = true;
                start = if has_content { here + 3 } else { at };
            }
            Some(_) => return start..here,
            None => begun = begun || (has_content && !line.starts_with('%')),
        }
    }
    start..text.len()
}

/// What an editor on Windows puts before the text. The YAML parser counts it as a column and then
/// refuses a second key, so that it never gets to see it.
pub(in crate::layout) const BYTE_ORDER_MARK: &str = "\u{feff}";
