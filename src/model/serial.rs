//! A certificate's number.

use std::fmt;

use super::Hex;

/// The serial number of a certificate, as its big-endian bytes (RFC 5280 section 4.1.2.2).
///
/// Ours have 16 bytes of which the first bit is 0; a certificate made elsewhere can have fewer,
/// more, or a negative number, which is for the lint to say.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SerialNumber(Vec<u8>);

impl SerialNumber {
    /// The bytes of the DER INTEGER, a leading zero byte that only keeps it positive included.
    #[must_use]
    pub fn from_der_octets(octets: &[u8]) -> SerialNumber {
        SerialNumber(octets.to_vec())
    }

    /// A number of 16 bytes out of that much randomness: the first bit is cleared, so that it is
    /// positive, and the second set, so that it is never short and never 0. 126 bits are random.
    #[must_use]
    pub fn from_random(mut octets: [u8; 16]) -> SerialNumber {
        octets[0] = (octets[0] & 0x7f) | 0x40;
        SerialNumber(octets.to_vec())
    }

    /// The bytes, big-endian.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        &self.0
    }

    /// Whether the INTEGER's first bit makes it negative.
    #[must_use]
    pub fn is_negative(&self) -> bool {
        self.0.first().is_some_and(|octet| octet & 0x80 != 0)
    }

    /// Whether it is 0.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.0.iter().all(|octet| *octet == 0)
    }
}

/// Lower-case hex, two digits a byte.
impl fmt::Display for SerialNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hex(&self.0).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_random_serial_is_positive_never_zero_and_has_16_octets() {
        for octets in [[0; 16], [0xff; 16], [0x80; 16]] {
            let serial = SerialNumber::from_random(octets);
            assert!(!serial.is_negative() && !serial.is_zero());
            assert_eq!(serial.octets().len(), 16);
            assert_eq!(serial.to_string().len(), 32);
        }
    }
}
