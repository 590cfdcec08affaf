//! An instant.

use std::fmt;

use serde::{Serialize, Serializer};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{Failure, Lifetime, Message, Word};

/// An instant in whole seconds since 1970-01-01T00:00:00Z.
///
/// Validity is compared and added in seconds of 64 bits, so that 2038, 2050 (where X.509 changes
/// from UTCTime to GeneralizedTime, RFC 5280 section 4.1.2.5) and daylight saving need no care.
/// A command reads the clock once and hands this value down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The last second that an X.509 certificate can name: 9999-12-31T23:59:59Z
    /// (RFC 5280 section 4.1.2.5).
    pub const LAST: Timestamp = Timestamp(253_402_300_799);

    /// The instant that many seconds after 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn from_unix(seconds: i64) -> Timestamp {
        Timestamp(seconds)
    }

    /// Seconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn unix(self) -> i64 {
        self.0
    }

    /// Parses `2026-11-23` (midnight UTC) or RFC 3339 (`2026-11-23T20:17:00Z`).
    ///
    /// # Errors
    /// Any other text, and dates that no calendar has.
    pub fn parse(text: &str) -> Result<Timestamp, Failure> {
        let instant = if text.len() == "2026-11-23".len() {
            OffsetDateTime::parse(&format!("{text}T00:00:00Z"), &Rfc3339)
        } else {
            OffsetDateTime::parse(text, &Rfc3339)
        };
        instant.map(|instant| Timestamp(instant.unix_timestamp())).map_err(|_| {
            Failure::new("reading the time", Word(text))
                .expected("a date such as 2026-11-23 or 2026-11-23T20:17:00Z")
                .found("something else")
                .exit(super::ExitCode::Usage)
        })
    }

    /// This instant that much later; at the most [`Timestamp::LAST`].
    #[must_use]
    pub fn plus(self, lifetime: Lifetime) -> Timestamp {
        Timestamp(self.0.saturating_add(lifetime.seconds())).min(Timestamp::LAST)
    }

    /// This instant that much earlier.
    #[must_use]
    pub fn minus(self, lifetime: Lifetime) -> Timestamp {
        Timestamp(self.0.saturating_sub(lifetime.seconds()))
    }

    /// This instant that many seconds earlier.
    #[must_use]
    pub fn minus_seconds(self, seconds: i64) -> Timestamp {
        Timestamp(self.0.saturating_sub(seconds))
    }

    /// Seconds from `earlier` to this instant; negative when `earlier` is later.
    #[must_use]
    pub fn seconds_since(self, earlier: Timestamp) -> i64 {
        self.0 - earlier.0
    }

    /// The day alone, in UTC: `2026-11-23`.
    #[must_use]
    pub fn date(self) -> Message {
        Message::parsed(&self.calendar().date())
    }

    /// To the minute, in UTC: `2026-11-23 20:17 UTC`.
    #[must_use]
    pub fn minute(self) -> Message {
        let instant = self.calendar();
        Message::parsed(&format_args!("{} {:02}:{:02} UTC", instant.date(), instant.hour(), instant.minute()))
    }

    /// The same instant as a calendar date of the `time` crate; beyond the years that it knows,
    /// the nearest that it does.
    #[must_use]
    pub fn calendar(self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(self.0.clamp(-62_135_596_800, Timestamp::LAST.0))
            .unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }
}

/// RFC 3339 in UTC: `2026-11-23T20:17:00Z`.
impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.calendar().format(&Rfc3339).unwrap_or_else(|_| self.date().to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_and_an_rfc_3339_time_are_read_and_printed() {
        let day = Timestamp::parse("2026-11-23").unwrap();
        assert_eq!(day.to_string(), "2026-11-23T00:00:00Z");
        let minute = Timestamp::parse("2026-11-23T20:17:00+01:00").unwrap();
        assert_eq!(minute.minute(), "2026-11-23 19:17 UTC");
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in ["", "tomorrow", "2026-02-30", "2026-11-23T20:17", "23.11.2026"] {
            assert!(Timestamp::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn adding_stops_at_the_last_second_of_x509() {
        let late = Timestamp::parse("9990-01-01").unwrap();
        assert_eq!(late.plus("20y".parse().unwrap()), Timestamp::LAST);
        assert_eq!(Timestamp::LAST.to_string(), "9999-12-31T23:59:59Z");
    }
}
