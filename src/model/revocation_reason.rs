//! Why somebody's access was taken away.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use super::Failure;
use super::contact::one_line;

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
        one_line(text, "the reason").map(RevocationReason)
    }
}

impl fmt::Display for RevocationReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

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
