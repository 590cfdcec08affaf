//! Bytes as text.

use std::fmt;

/// Bytes, shown in lower-case hex, two digits each and nothing between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hex<'a>(pub &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl Hex<'_> {
    /// The bytes of a text that [`Hex`] shows; None for any other, upper-case digits among them,
    /// so that a value has one form.
    #[must_use]
    pub(crate) fn parse(text: &str) -> Option<Vec<u8>> {
        let digit = |digit: u8| match digit {
            b'0'..=b'9' => Some(digit - b'0'),
            b'a'..=b'f' => Some(digit - b'a' + 10),
            _ => None,
        };
        let pairs = text.as_bytes().chunks(2);
        pairs
            .map(|pair| match pair {
                [high, low] => Some(digit(*high)? * 16 + digit(*low)?),
                _ => None,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_has_one_form() {
        assert_eq!(Hex(&[0, 0x9a, 0xff]).to_string(), "009aff");
        assert_eq!(Hex::parse("009aff"), Some(vec![0, 0x9a, 0xff]));
        for other in ["9AFF", "9", "9g", " 9a", "é"] {
            assert_eq!(Hex::parse(other), None, "{other:?}");
        }
    }
}
