//! What a PEM block says that it holds.

use crate::message;
use crate::model::{Message, Printable};

/// The label of a PEM block, behind `BEGIN` (RFC 7468 section 2).
///
/// Only the labels of a closed list are kept as text. Of any other only its length is: where the
/// newlines of a key file were lost, the whole key stands where a label would.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PemLabel {
    /// One of the list.
    Known(&'static str),
    /// Another, of that many characters.
    Unknown(usize),
}

impl PemLabel {
    pub(super) fn of(label: &[u8]) -> PemLabel {
        match KNOWN.iter().find(|known| known.as_bytes() == label) {
            Some(known) => PemLabel::Known(known),
            None => PemLabel::Unknown(String::from_utf8_lossy(label).chars().count()),
        }
    }

    /// The label, if it is one of the list; else an empty text.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            PemLabel::Known(label) => label,
            PemLabel::Unknown(_) => "",
        }
    }

    /// Whether a private key is in the block, in the clear or not.
    #[must_use]
    pub fn is_private_key(self) -> bool {
        self.as_str().ends_with("PRIVATE KEY")
    }
}

/// `a block of PUBLIC KEY`
impl Printable for PemLabel {
    fn message(&self) -> Message {
        match self {
            PemLabel::Known(label) => message!("a block of {}", label),
            PemLabel::Unknown(length) => message!("a block with an unknown label of {} characters", length),
        }
    }
}

impl PartialEq<str> for PemLabel {
    fn eq(&self, other: &str) -> bool {
        *self == PemLabel::of(other.as_bytes()) && !matches!(self, PemLabel::Unknown(_))
    }
}

impl PartialEq<&str> for PemLabel {
    fn eq(&self, other: &&str) -> bool {
        *self == **other
    }
}

/// RFC 7468 and what OpenSSL, OpenSSH, GnuPG and `ssh-keygen` write.
pub(super) const KNOWN: [&str; 23] = [
    "CERTIFICATE",
    "X509 CERTIFICATE",
    "TRUSTED CERTIFICATE",
    "CERTIFICATE REQUEST",
    "NEW CERTIFICATE REQUEST",
    "ATTRIBUTE CERTIFICATE",
    "X509 CRL",
    "PKCS7",
    "CMS",
    "PRIVATE KEY",
    "ENCRYPTED PRIVATE KEY",
    "EC PRIVATE KEY",
    "RSA PRIVATE KEY",
    "DSA PRIVATE KEY",
    "OPENSSH PRIVATE KEY",
    "EC PARAMETERS",
    "DH PARAMETERS",
    "DSA PARAMETERS",
    "PUBLIC KEY",
    "RSA PUBLIC KEY",
    "SSH2 PUBLIC KEY",
    "PGP PUBLIC KEY BLOCK",
    "PGP PRIVATE KEY BLOCK",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_label_is_printed_and_of_another_its_length() {
        assert_eq!(PemLabel::of(b"EC PRIVATE KEY").message(), "a block of EC PRIVATE KEY");
        let lost = b"PRIVATE KEY-----MC4CAQAwBQYDK2VwBCIEIPpsZ-----END PRIVATE KEY";
        assert_eq!(PemLabel::of(lost).message(), "a block with an unknown label of 61 characters");
        assert!(PemLabel::of(b"RSA PRIVATE KEY").is_private_key() && !PemLabel::of(lost).is_private_key());
        assert!(PemLabel::of(b"CERTIFICATE") == "CERTIFICATE" && PemLabel::of(b"x") != "y");
    }
}
