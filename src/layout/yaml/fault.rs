//! What is wrong with a YAML file, in words that quote nothing of it: it may hold passwords, and a
//! key's content where its path belongs.

use crate::message;
use crate::model::{Line, Message, Printable, Word};

/// Begins every text that a reader of ours hands to the YAML parser as an error. It has a control
/// character, which the text of a file cannot have (YAML 1.2 section 5.1).
const OURS: &str = "\u{1}kitcert: ";

/// An error of ours for the parser to carry, which [`fault`] finds again.
pub(in crate::layout) fn carried<E: serde::de::Error>(said: impl Printable) -> E {
    E::custom(format_args!("{OURS}{}", said.message()))
}

/// The fault of a file, without its place.
///
/// Of the parser's own words, those of a closed list are said again; the others repeat keys and
/// values.
pub(in crate::layout) fn fault(error: &serde_yaml::Error) -> Message {
    let words = error.to_string();
    if let Some((place, said)) = words.split_once(OURS) {
        let said = said.rfind(" at line ").map_or(said, |at| &said[..at]);
        return message!("{}{}", Line(place), Line(said));
    }
    let quoted = || words.split('`').nth(1).unwrap_or_default();
    match () {
        () if words.contains("unknown field") => message!("unknown key {}", Word(quoted())),
        () if words.contains("missing field") => message!("no key {}", Word(quoted())),
        () if words.contains("duplicate") => message!("duplicate key"),
        () if words.contains("invalid value") || words.contains("invalid type") => {
            message!("a value that does not fit its type")
        }
        () => match SYNTAX.iter().find(|known| words.contains(**known)) {
            Some(known) => known.message(),
            None => message!("something that is not YAML"),
        },
    }
}

/// What is wrong with brackets in brackets in brackets.
pub(in crate::layout) const TOO_DEEP: &str = "brackets in each other, more than 1000 deep";

/// Where the fault is: its line, counted from 1.
pub(in crate::layout) fn line_of(error: &serde_yaml::Error) -> Option<usize> {
    error.location().map(|location| location.line())
}

/// The parser's faults of syntax, as libyaml says them.
const SYNTAX: [&str; 21] = [
    "a tab character that violates indentation",
    "a tab character where an indentation space is expected",
    "block sequence entries are not allowed in this context",
    "mapping keys are not allowed in this context",
    "mapping values are not allowed in this context",
    "control characters are not allowed",
    "could not find expected ':'",
    "did not find expected ',' or ']'",
    "did not find expected ',' or '}'",
    "did not find expected '-' indicator",
    "did not find expected <document start>",
    "did not find expected key",
    "did not find expected node content",
    "character that cannot start any token",
    "undefined alias",
    "undefined tag handle",
    "unexpected end of stream",
    "unknown escape character",
    "unknown anchor",
    "more than one document",
    "recursion limit exceeded",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Read {
        #[serde(rename = "size")]
        _size: u8,
    }

    /// The fault of the text as YAML, or else as what is to be read of it.
    fn said(text: &str) -> Message {
        let syntax = serde_yaml::from_str::<serde_yaml::Value>(text).err();
        fault(&syntax.unwrap_or_else(|| serde_yaml::from_str::<Read>(text).unwrap_err()))
    }

    #[test]
    fn a_fault_is_named_and_nothing_of_the_file_is_quoted() {
        let secret = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgVnp";
        for (text, words) in [
            (format!("size: {secret}"), "does not fit its type"),
            (format!("{secret}: 1"), "unknown key a value of 51 characters"),
            ("sice: 1".to_owned(), "unknown key sice"),
            ("{}".to_owned(), "no key size"),
            (format!("size: 1\n  {secret}: 2\n"), "mapping values are not allowed"),
            (format!("size: \"{secret}\n"), "unexpected end of stream"),
            (format!("size: 1\nsize: \"{secret}\"\n"), "duplicate key"),
            (format!("size:\n\t- {secret}"), "character that cannot start any token"),
        ] {
            let said = said(&text);
            assert!(said.as_str().contains(words) && !said.as_str().contains(secret), "{text}: {said}");
        }
    }
}
