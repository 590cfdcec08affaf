//! Kinds of keys that we generate.

use std::fmt;
use std::str::FromStr;

use super::{ExitCode, Failure, Word};

/// A key type that kitcert generates. RSA is accepted in requests and imports only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyAlgorithm {
    /// ECDSA on P-256 with SHA-256, the default: every BuildKit client and daemon takes it.
    #[default]
    EcdsaP256,
    /// ECDSA on P-384 with SHA-384.
    EcdsaP384,
    /// Ed25519 (RFC 8410).
    Ed25519,
}

impl KeyAlgorithm {
    /// Every kind, the default first.
    pub const ALL: [KeyAlgorithm; 3] =
        [KeyAlgorithm::EcdsaP256, KeyAlgorithm::EcdsaP384, KeyAlgorithm::Ed25519];

    /// The word for it on a command line and in kitcert.yaml.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            KeyAlgorithm::EcdsaP256 => "ecdsa-p256",
            KeyAlgorithm::EcdsaP384 => "ecdsa-p384",
            KeyAlgorithm::Ed25519 => "ed25519",
        }
    }
}

impl FromStr for KeyAlgorithm {
    type Err = Failure;

    fn from_str(text: &str) -> Result<KeyAlgorithm, Failure> {
        KeyAlgorithm::ALL.into_iter().find(|algorithm| algorithm.as_str() == text).ok_or_else(|| {
            Failure::new("reading the key type", Word(text))
                .expected("ecdsa-p256, ecdsa-p384 or ed25519")
                .found("another word")
                .exit(ExitCode::Usage)
        })
    }
}

impl fmt::Display for KeyAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_read_by_its_word_and_by_no_other() {
        for algorithm in KeyAlgorithm::ALL {
            assert_eq!(algorithm.as_str().parse::<KeyAlgorithm>().unwrap(), algorithm);
        }
        for other in ["", "rsa", "ECDSA-P256", "p256"] {
            assert_eq!(other.parse::<KeyAlgorithm>().unwrap_err().exit_code(), ExitCode::Usage);
        }
    }
}
