//! From when until when.

use super::profile::BACKDATING;
use super::{Lifetime, Timestamp};

/// The period in which a certificate is valid, both ends included (RFC 5280 section 4.1.2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Validity {
    /// The first second.
    pub not_before: Timestamp,
    /// The last second.
    pub not_after: Timestamp,
}

impl Validity {
    /// Whether `now` lies in it.
    #[must_use]
    pub fn contains(self, now: Timestamp) -> bool {
        self.not_before <= now && now <= self.not_after
    }

    /// Its length in seconds.
    #[must_use]
    pub fn seconds(self) -> i64 {
        self.not_after.seconds_since(self.not_before)
    }

    /// The lifetime that was asked for, in seconds: without the hour of backdating, or what lives for
    /// an hour would be due at once.
    #[must_use]
    pub fn life(self) -> i64 {
        (self.seconds() - BACKDATING.seconds()).max(0)
    }

    /// The same as a person would have asked for it: in whole days, if it is a day or more.
    #[must_use]
    pub fn lifetime(self) -> Lifetime {
        let in_whole = |unit: i64| u32::try_from((self.life() + unit / 2) / unit).unwrap_or(u32::MAX).max(1);
        match self.life() >= DAY {
            true => Lifetime::days(in_whole(DAY)),
            false => Lifetime::from_seconds(in_whole(1)),
        }
    }

    /// The last part of it, in seconds, in which a renewal is due unless another part is set: a third
    /// of the lifetime that was asked for.
    #[must_use]
    pub fn renewal_window(self) -> i64 {
        self.life() / 3
    }

    /// The validity of something issued `now` for that long: from `backdating` ago, until the
    /// lifetime is over.
    #[must_use]
    pub fn issued(now: Timestamp, lifetime: Lifetime, backdating: Lifetime) -> Validity {
        Validity { not_before: now.minus(backdating), not_after: now.plus(lifetime) }
    }

    /// The part of it that lies in `issuer`'s too: a certificate never outlives its CA, nor is
    /// it older.
    #[must_use]
    pub fn within(self, issuer: Validity) -> Validity {
        Validity {
            not_before: self.not_before.max(issuer.not_before),
            not_after: self.not_after.min(issuer.not_after),
        }
    }
}

const DAY: i64 = 86_400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lifetime_that_was_asked_for_is_read_back() {
        let now = Timestamp::from_unix(1_800_000_000);
        for (asked, read) in [("90d", "90d"), ("10y", "10y"), ("12h", "12h"), ("1d", "1d"), ("7d1h", "7d")] {
            let validity = Validity::issued(now, asked.parse().unwrap(), BACKDATING);
            assert_eq!(validity.lifetime().to_string(), read);
        }
    }

    #[test]
    fn a_short_life_is_not_due_when_it_begins() {
        for lifetime in ["30s", "1h", "90d"] {
            let now = Timestamp::from_unix(1_800_000_000);
            let lifetime: Lifetime = lifetime.parse().unwrap();
            let validity = Validity::issued(now, lifetime, BACKDATING);
            assert!(validity.not_after.seconds_since(now) >= validity.renewal_window());
            assert_eq!(validity.renewal_window(), lifetime.seconds() / 3);
        }
    }

    #[test]
    fn both_ends_belong_to_it() {
        let at = Timestamp::from_unix;
        let validity = Validity { not_before: at(100), not_after: at(200) };
        assert!([100, 150, 200].iter().all(|now| validity.contains(at(*now))));
        assert!(![99, 201].iter().any(|now| validity.contains(at(*now))));
    }
}
