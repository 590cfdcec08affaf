//! Why somebody's access was taken away.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use super::unparsed::{holds_drawn_hex, is_unseen};
use super::{ExitCode, Failure, Line, Printable as _};
use crate::message;

/// Why somebody's access was taken away, in a person's own words: `laptop stolen, ticket 4711`.
///
/// One line that is safe to print: no control characters, no blanks at the ends, at most 200
/// characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct RevocationReason(String);

impl RevocationReason {
    /// The words.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RevocationReason {
    type Err = Failure;

    fn from_str(text: &str) -> Result<RevocationReason, Failure> {
        let length = text.chars().count();
        // It is in the state and in what is printed: what must not be there must not be in it.
        let is_public = !Line(text).message().hides_a_value() && !holds_drawn_hex(text);
        let is_line = text.trim() == text && !text.chars().any(is_unseen);
        if is_public && is_line && (1..=LONGEST).contains(&length) {
            return Ok(RevocationReason(text.to_owned()));
        }
        Err(Failure::new("reading", "the reason")
            .expected("1 to 200 characters in one line, without blanks at the ends")
            .found(match is_public {
                true if is_line => message!("{} characters", length),
                true => message!("a control character, or a blank at an end"),
                false => message!("what looks like a part of a key"),
            })
            .exit(ExitCode::Usage))
    }
}

impl fmt::Display for RevocationReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

const LONGEST: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_line_that_is_safe_to_print() {
        for good in ["stolen", "Ålén's laptop, ticket #4711", &"x ".repeat(99)[..197]] {
            assert!(good.parse::<RevocationReason>().is_ok(), "{good}");
        }
        for bad in ["", " x", "x ", "x\ny", "x\u{1b}[31m", &"x".repeat(201)] {
            assert!(bad.parse::<RevocationReason>().is_err(), "{bad:?}");
        }
    }
}
