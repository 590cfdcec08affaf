//! The first document of a YAML file: where it is in the text, and its value.

use std::ops::Range;
use std::path::Path;

use serde::Deserialize;
use serde_yaml::{Deserializer, Value};

use super::fault;
use super::flow::is_too_deep;
use super::mapping;
use super::scan::BLANKS;
use crate::message;
use crate::model::{Failure, Message};

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
        let range = first_document(text)
            .ok_or_else(|| failure().expected("a document").found("'...' before there is one"))?;
        if is_too_deep(text) {
            return Err(failure().expected("YAML").found(fault::TOO_DEEP));
        }
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

    /// The line of the value at a path of keys, counted from 1; None if it cannot be told.
    pub(in crate::layout) fn line_of(&self, path: &[&str]) -> Option<usize> {
        let entry = mapping::entry_at(self.text, self.range.clone(), path)?;
        Some(self.text[..entry.value.start].matches('\n').count() + 1)
    }

    /// What follows the first document, from the next marker on.
    pub(in crate::layout) fn rest(&self) -> &'a str {
        &self.text[self.range.end..]
    }
}

/// The fault and its line.
fn described(error: &serde_yaml::Error) -> Message {
    match fault::line_of(error) {
        Some(line) => message!("{} (line {})", fault::fault(error), line),
        None => fault::fault(error),
    }
}

/// Where the first document is; None if it ends before it begins.
fn first_document(text: &str) -> Option<Range<usize>> {
    let mut start = text.strip_prefix(BYTE_ORDER_MARK).map_or(0, |_| BYTE_ORDER_MARK.len());
    let mut begun = false;
    let mut at = start;
    for line in text[start..].split_inclusive('\n') {
        let here = at;
        at += line.len();
        let marker = ["---", "..."].into_iter().find(|marker| is_marker(line, marker));
        let behind = marker.map_or(line, |marker| &line[marker.len()..]).trim_matches(BLANKS);
        let has_content = !behind.is_empty() && !behind.starts_with('#');
        match marker {
            Some(_) if begun => return Some(start..here),
            Some("---") => {
                begun = true;
                start = if has_content { here + 3 } else { at };
            }
            Some(_) => return None,
            None => begun = begun || (has_content && !line.starts_with('%')),
        }
    }
    Some(start..text.len())
}

fn is_marker(text: &str, marker: &str) -> bool {
    let rest = text.strip_prefix(marker);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
}

/// What an editor on Windows puts before the text. The YAML parser counts it as a column and then
/// refuses a second key, so that it never gets to see it.
pub(in crate::layout) const BYTE_ORDER_MARK: &str = "\u{feff}";
