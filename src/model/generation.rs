//! The numbered versions of an identity's credentials.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Failure;

/// One version of an identity's credentials, by its number, which begins at 1: `gen-0007`, as its
/// folder is called. In JSON it is the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Generation(NonZeroU32);

impl Generation {
    /// The one with that number; None for 0.
    #[must_use]
    pub const fn new(number: u32) -> Option<Generation> {
        match NonZeroU32::new(number) {
            Some(number) => Some(Generation(number)),
            None => None,
        }
    }

    /// The one that follows the last that is known, or the first of all.
    #[must_use]
    pub fn after(last: Option<Generation>) -> Generation {
        Generation(last.map_or(NonZeroU32::MIN, |last| last.0.saturating_add(1)))
    }

    /// All of them, from the first to this one.
    pub fn and_before(self) -> impl Iterator<Item = Generation> {
        (1..=self.number()).filter_map(Generation::new)
    }

    /// Its number.
    #[must_use]
    pub fn number(self) -> u32 {
        self.0.get()
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "gen-{:04}", self.0)
    }
}

/// Reads the name of a folder, exactly as it is printed.
impl FromStr for Generation {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Generation, Failure> {
        let number = text.strip_prefix("gen-").and_then(|digits| digits.parse().ok());
        let generation = number.and_then(Generation::new).filter(|one| one.to_string() == text);
        generation.ok_or_else(|| {
            Failure::new("reading", "the name of a generation")
                .expected("such as gen-0007")
                .found("another name")
        })
    }
}

/// The one with that number, for tests.
#[cfg(test)]
pub(crate) fn numbered(number: u32) -> Generation {
    Generation(NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generation_is_read_only_as_it_is_printed() {
        for number in [1, 7, 9_999, 10_000, u32::MAX] {
            let generation = Generation::new(number).unwrap();
            assert_eq!(generation.to_string().parse::<Generation>().unwrap(), generation);
        }
        for other in
            ["gen-7", "gen-+007", "gen-0000", "gen-00007", "gen-", "0007", "gen-4294967296", "gen-0007 "]
        {
            assert!(other.parse::<Generation>().is_err(), "{other}");
        }
    }

    #[test]
    fn generations_are_counted_from_one_and_are_numbers_in_json() {
        let first = Generation::after(None);
        let second = Generation::after(Some(first));
        assert_eq!((first.number(), second.number()), (1, 2));
        assert!(Generation::new(0).is_none());
        assert_eq!(serde_json::to_string(&second).unwrap(), "2");
        assert_eq!(serde_json::from_str::<Generation>("2").unwrap(), second);
        assert!(serde_json::from_str::<Generation>("0").is_err());
    }
}
