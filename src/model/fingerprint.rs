//! SHA-256 of something public.

use std::fmt;
use std::str::FromStr;

use super::{ExitCode, Failure};

/// A SHA-256: of a certificate's DER, or of a request's SubjectPublicKeyInfo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint with those octets.
    #[must_use]
    pub fn new(octets: [u8; 32]) -> Fingerprint {
        Fingerprint(octets)
    }

    /// Its octets.
    #[must_use]
    pub fn octets(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Lower-case hex, 64 digits.
impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

/// What a person gives to name a fingerprint: all of its 64 hex digits or at least the first 32
/// (128 bits, beyond forging), with or without colons, in either case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FingerprintPrefix(String);

impl FingerprintPrefix {
    /// Whether `fingerprint` begins so.
    #[must_use]
    pub fn matches(&self, fingerprint: &Fingerprint) -> bool {
        fingerprint.to_string().starts_with(&self.0)
    }
}

impl FromStr for FingerprintPrefix {
    type Err = Failure;

    fn from_str(text: &str) -> Result<FingerprintPrefix, Failure> {
        let digits: String =
            text.trim().chars().filter(|c| *c != ':').collect::<String>().to_ascii_lowercase();
        let hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        if hex && (32..=64).contains(&digits.len()) {
            return Ok(FingerprintPrefix(digits));
        }
        Err(Failure::new("reading the fingerprint", format!("{text:?}"))
            .expected("a SHA-256 in hex, the whole or at least its first 32 digits")
            .found(if hex { format!("{} digits", digits.len()) } else { "something else".to_owned() })
            .exit(ExitCode::Usage))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_fingerprint_names_it_and_less_does_not() {
        let fingerprint = Fingerprint::new([0xab; 32]);
        for given in ["ab".repeat(32), "AB:".repeat(16), "ab".repeat(16)] {
            assert!(given.parse::<FingerprintPrefix>().unwrap().matches(&fingerprint), "{given}");
        }
        assert!(!"ac".repeat(16).parse::<FingerprintPrefix>().unwrap().matches(&fingerprint));
        for given in ["".to_owned(), "ab".repeat(15), "ab".repeat(33), "zz".repeat(16)] {
            assert!(given.parse::<FingerprintPrefix>().is_err(), "{given}");
        }
    }
}
