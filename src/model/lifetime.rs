//! A span of time.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::{ExitCode, Failure, Word};

/// A positive span of time in whole seconds: how long a certificate is valid, how long a dial
/// may take.
///
/// Written as numbers with units, largest first or not, such as `397d`, `90d`, `10y` or `1h30m`.
/// Units are `y` (365 days), `w`, `d`, `h`, `m` and `s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lifetime(i64);

const UNITS: [(char, i64); 6] =
    [('y', 365 * 86_400), ('w', 7 * 86_400), ('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// No span is longer than the years that X.509 can name.
const LONGEST: i64 = 9_999 * 365 * 86_400;

impl Lifetime {
    /// That many days.
    #[must_use]
    pub const fn days(days: u32) -> Lifetime {
        Lifetime(days as i64 * 86_400)
    }

    /// That many seconds.
    #[must_use]
    pub const fn from_seconds(seconds: u32) -> Lifetime {
        Lifetime(seconds as i64)
    }

    /// The span in seconds.
    #[must_use]
    pub fn seconds(self) -> i64 {
        self.0
    }

    /// The longest lifetime of a certificate whose CA has this one: half of it. With a longer one, a new
    /// certificate would be due before the last one of the previous CA is replaced, and every rollover
    /// would be followed by the next.
    #[must_use]
    pub fn longest_leaf(self) -> Lifetime {
        Lifetime(self.0 / 2)
    }

    /// The span as the standard library has it.
    #[must_use]
    pub fn as_duration(self) -> Duration {
        Duration::from_secs(self.0.unsigned_abs())
    }
}

impl FromStr for Lifetime {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Lifetime, Failure> {
        parse(text).filter(|seconds| (1..=LONGEST).contains(seconds)).map(Lifetime).ok_or_else(|| {
            Failure::new("reading the duration", Word(text))
                .expected("a number with a unit of y, w, d, h, m or s, such as 397d or 10y")
                .found("something else")
                .exit(ExitCode::Usage)
        })
    }
}

fn parse(text: &str) -> Option<i64> {
    let mut total: i64 = 0;
    let mut number: Option<i64> = None;
    for character in text.chars() {
        if let Some(digit) = character.to_digit(10) {
            number = Some(number.unwrap_or(0).checked_mul(10)?.checked_add(i64::from(digit))?);
        } else {
            let (_, seconds) = UNITS.iter().find(|(unit, _)| *unit == character)?;
            total = total.checked_add(number.take()?.checked_mul(*seconds)?)?;
        }
    }
    number.is_none().then_some(total)
}

/// The shortest of the written forms: whole years as `10y`, else days and what is left of them.
impl fmt::Display for Lifetime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut left = self.0;
        for (unit, seconds) in UNITS {
            let skipped = unit == 'w' || (unit == 'y' && left % seconds != 0);
            if !skipped && left >= seconds {
                write!(f, "{}{unit}", left / seconds)?;
                left %= seconds;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for text in ["10y", "397d", "90d", "1h30m", "45s", "1d1h1m1s"] {
            assert_eq!(text.parse::<Lifetime>().unwrap().to_string(), text);
        }
        assert_eq!("1y".parse::<Lifetime>().unwrap(), Lifetime::days(365));
        assert_eq!("2w".parse::<Lifetime>().unwrap().to_string(), "14d");
    }

    #[test]
    fn a_certificate_lives_at_most_half_as_long_as_its_ca() {
        assert_eq!(Lifetime::days(3650).longest_leaf(), Lifetime::days(1825));
        assert_eq!(Lifetime::from_seconds(3).longest_leaf(), Lifetime::from_seconds(1));
    }

    #[test]
    fn what_is_no_span_is_refused() {
        for text in ["", "d", "90", "0d", "-1d", "1.5d", "90 d", "99999y", "9223372036854775807y", "1e3d"] {
            assert!(text.parse::<Lifetime>().is_err(), "{text}");
        }
    }
}
