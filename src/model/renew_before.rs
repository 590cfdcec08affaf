//! How long before its end a certificate is renewed.

use std::fmt;
use std::str::FromStr;

use super::{ExitCode, Failure, Lifetime, SerialNumber, Timestamp, Validity, Word};

/// How long before its end a certificate is renewed: a third of its life, as long as nothing else
/// is set, another share of it, or a span of time.
///
/// Written as `25%` or `30d`. A share means the same for a certificate of a day and for one of a
/// year, which a span does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RenewBefore {
    /// In the last third.
    #[default]
    Third,
    /// In that many last hundredths, 1 to 90.
    Percent(u8),
    /// When less than that is left.
    Span(Lifetime),
}

impl RenewBefore {
    /// From when a certificate of that validity and number is due.
    ///
    /// Up to a twentieth of its life is added, by its serial number: certificates of one day do
    /// not all fall due on one day, and every run says the same. No certificate is due in the first
    /// tenth of its life, however long the span is.
    #[must_use]
    pub fn due_from(self, validity: Validity, serial: &SerialNumber) -> Timestamp {
        let life = validity.life();
        let span = match self {
            RenewBefore::Third => validity.renewal_window(),
            RenewBefore::Percent(percent) => life / 100 * i64::from(percent),
            RenewBefore::Span(span) => span.seconds(),
        };
        let ahead = span.saturating_add(jitter(life, serial)).min(life / 10 * 9).max(1);
        validity.not_after.minus_seconds(ahead)
    }
}

/// The last bytes of our serial numbers are random.
fn jitter(life: i64, serial: &SerialNumber) -> i64 {
    let last = serial.octets().iter().rev().take(2);
    let drawn = last.fold(0_i64, |drawn, octet| drawn * 256 + i64::from(*octet));
    life / 20 * drawn / 65_536
}

impl FromStr for RenewBefore {
    type Err = Failure;

    fn from_str(text: &str) -> Result<RenewBefore, Failure> {
        let wrong = || {
            Failure::new("reading when to renew", Word(text))
                .expected("a share of the life from 1% to 90%, or a duration such as 30d")
                .found("something else")
                .exit(ExitCode::Usage)
        };
        match text.strip_suffix('%') {
            Some(number) => match number.parse() {
                Ok(percent @ 1..=90) => Ok(RenewBefore::Percent(percent)),
                _ => Err(wrong()),
            },
            None => text.parse().map(RenewBefore::Span).map_err(|_: Failure| wrong()),
        }
    }
}

impl fmt::Display for RenewBefore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RenewBefore::Third => f.write_str("a third"),
            RenewBefore::Percent(percent) => write!(f, "{percent}%"),
            RenewBefore::Span(span) => write!(f, "{span}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::profile::BACKDATING;

    fn left_when_due(text: Option<&str>, lifetime: &str, last: [u8; 2]) -> i64 {
        let now = Timestamp::from_unix(1_800_000_000);
        let validity = Validity::issued(now, lifetime.parse().unwrap(), BACKDATING);
        let mut octets = [0; 16];
        octets[14..].copy_from_slice(&last);
        let renew = text.map_or(RenewBefore::Third, |text| text.parse().unwrap());
        validity.not_after.seconds_since(renew.due_from(validity, &SerialNumber::from_random(octets)))
    }

    #[test]
    fn a_share_or_a_span_is_left_when_a_certificate_is_due() {
        let day = 86_400;
        assert_eq!(left_when_due(None, "90d", [0, 0]), 30 * day);
        assert_eq!(left_when_due(Some("10%"), "90d", [0, 0]), 9 * day);
        assert_eq!(left_when_due(Some("7d"), "90d", [0, 0]), 7 * day);
    }

    #[test]
    fn the_serial_spreads_them_over_a_twentieth_of_the_life() {
        let latest = left_when_due(None, "90d", [0, 0]);
        let earliest = left_when_due(None, "90d", [0xff, 0xff]);
        let twentieth = 90 * 86_400 / 20;
        assert!(earliest - latest > twentieth - 200 && earliest - latest <= twentieth);
    }

    #[test]
    fn no_span_makes_a_certificate_due_when_it_begins() {
        assert_eq!(left_when_due(Some("10y"), "100s", [0xff, 0xff]), 90);
    }

    #[test]
    fn it_is_shown_as_it_is_written() {
        for text in ["1%", "90%", "30d"] {
            assert_eq!(text.parse::<RenewBefore>().unwrap().to_string(), text);
        }
        assert_eq!(RenewBefore::default().to_string(), "a third");
    }

    #[test]
    fn what_is_no_share_and_no_span_is_refused() {
        for text in ["", "0%", "91%", "1.5%", "-1%", "third", "0d", "30"] {
            assert!(text.parse::<RenewBefore>().is_err(), "{text}");
        }
    }
}
