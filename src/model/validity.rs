//! From when until when.

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
