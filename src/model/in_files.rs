//! How values stand in the files that we write: as their text, and read exactly as they are printed.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{
    Contact, Exclusion, Fingerprint, IdentityName, RevocationReason, SerialNumber, SubjectAltName, Timestamp,
};

/// Reads a value from the text that its own `Display` writes.
fn read_text<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<T, D::Error> {
    let text = String::deserialize(deserializer)?;
    // The text itself is never quoted.
    read(&text).ok_or_else(|| de::Error::custom("another form than it is written in"))
}

macro_rules! as_text {
    ($($kind:ty: $read:expr;)*) => {$(
        impl<'de> Deserialize<'de> for $kind {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$kind, D::Error> {
                read_text(deserializer, $read)
            }
        }
    )*};
}

as_text! {
    Contact: |text| text.parse().ok();
    Exclusion: |text| text.parse().ok();
    Fingerprint: |text| text.parse().ok();
    IdentityName: |text| text.parse().ok();
    RevocationReason: |text| text.parse().ok();
    SerialNumber: |text| super::Hex::parse(text).map(|octets| SerialNumber::from_der_octets(&octets));
    SubjectAltName: |text| text.parse().ok();
    Timestamp: |text| Timestamp::parse(text).ok();
}

impl Serialize for Exclusion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Contact {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for SerialNumber {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for SubjectAltName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
