//! What a certificate or a request is signed with.

use std::fmt;

use x509_parser::oid_registry::Oid;

/// A signature algorithm, as far as verifiers tell them apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignatureAlgorithm {
    /// One that every peer verifies.
    Current(&'static str),
    /// ECDSA with SHA-512: Go verifies it, ring does not.
    EcdsaSha512,
    /// SHA-1, MD5 or older, which Go refuses (`InsecureAlgorithmError`).
    Obsolete(&'static str),
    /// Any other, by its dotted object identifier. Go knows none of these.
    Other(String),
}

impl SignatureAlgorithm {
    pub(in crate::pki) fn of(identifier: &Oid<'_>) -> SignatureAlgorithm {
        let identifier = identifier.to_id_string();
        match identifier.as_str() {
            "1.2.840.10045.4.3.2" => SignatureAlgorithm::Current("ecdsa-sha256"),
            "1.2.840.10045.4.3.3" => SignatureAlgorithm::Current("ecdsa-sha384"),
            "1.2.840.10045.4.3.4" => SignatureAlgorithm::EcdsaSha512,
            "1.3.101.112" => SignatureAlgorithm::Current("ed25519"),
            "1.2.840.113549.1.1.11" => SignatureAlgorithm::Current("rsa-sha256"),
            "1.2.840.113549.1.1.12" => SignatureAlgorithm::Current("rsa-sha384"),
            "1.2.840.113549.1.1.13" => SignatureAlgorithm::Current("rsa-sha512"),
            "1.2.840.113549.1.1.10" => SignatureAlgorithm::Current("rsa-pss"),
            "1.2.840.113549.1.1.2" => SignatureAlgorithm::Obsolete("rsa-md2"),
            "1.2.840.113549.1.1.4" => SignatureAlgorithm::Obsolete("rsa-md5"),
            "1.2.840.113549.1.1.5" | "1.3.14.3.2.29" => SignatureAlgorithm::Obsolete("rsa-sha1"),
            "1.2.840.10045.4.1" => SignatureAlgorithm::Obsolete("ecdsa-sha1"),
            "1.2.840.10040.4.3" => SignatureAlgorithm::Obsolete("dsa-sha1"),
            _ => SignatureAlgorithm::Other(identifier),
        }
    }

    /// Whether Go refuses it as insecure.
    #[must_use]
    pub fn is_obsolete(&self) -> bool {
        matches!(self, SignatureAlgorithm::Obsolete(_))
    }

    /// Whether this program can verify it.
    #[must_use]
    pub fn is_verifiable(&self) -> bool {
        matches!(self, SignatureAlgorithm::Current(_))
    }
}

/// As `ecdsa-sha256`; the dotted object identifier of an unknown one.
impl fmt::Display for SignatureAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            SignatureAlgorithm::Current(name) | SignatureAlgorithm::Obsolete(name) => name,
            SignatureAlgorithm::EcdsaSha512 => "ecdsa-sha512",
            SignatureAlgorithm::Other(identifier) => identifier,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(identifier: &str) -> SignatureAlgorithm {
        SignatureAlgorithm::of(&identifier.parse().unwrap())
    }

    #[test]
    fn every_algorithm_has_its_name_and_its_standing() {
        // RFC 5480, RFC 8410, RFC 8017 and RFC 3279; whether this program verifies it, and Go refuses it.
        for (identifier, name, is_verifiable, is_obsolete) in [
            ("1.2.840.10045.4.3.2", "ecdsa-sha256", true, false),
            ("1.2.840.10045.4.3.3", "ecdsa-sha384", true, false),
            ("1.2.840.10045.4.3.4", "ecdsa-sha512", false, false),
            ("1.3.101.112", "ed25519", true, false),
            ("1.2.840.113549.1.1.11", "rsa-sha256", true, false),
            ("1.2.840.113549.1.1.12", "rsa-sha384", true, false),
            ("1.2.840.113549.1.1.13", "rsa-sha512", true, false),
            ("1.2.840.113549.1.1.10", "rsa-pss", true, false),
            ("1.2.840.113549.1.1.2", "rsa-md2", false, true),
            ("1.2.840.113549.1.1.4", "rsa-md5", false, true),
            ("1.2.840.113549.1.1.5", "rsa-sha1", false, true),
            ("1.3.14.3.2.29", "rsa-sha1", false, true),
            ("1.2.840.10045.4.1", "ecdsa-sha1", false, true),
            ("1.2.840.10040.4.3", "dsa-sha1", false, true),
            ("1.2.840.10045.4.3.1", "1.2.840.10045.4.3.1", false, false),
        ] {
            let algorithm = named(identifier);
            assert_eq!(algorithm.to_string(), name, "{identifier}");
            assert_eq!(algorithm.is_verifiable(), is_verifiable, "{name}");
            assert_eq!(algorithm.is_obsolete(), is_obsolete, "{name}");
        }
    }
}
