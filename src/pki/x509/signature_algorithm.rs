//! What a certificate or a request is signed with.

use std::fmt;

use x509_parser::x509::AlgorithmIdentifier;

use crate::pki::element::{INTEGER, NULL, OBJECT_IDENTIFIER, SEQUENCE, element};

/// A signature algorithm, as far as verifiers tell them apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignatureAlgorithm {
    /// One that every peer verifies.
    Current(&'static str),
    /// ECDSA with SHA-512: Go verifies it, ring does not.
    EcdsaSha512,
    /// SHA-1, MD5 or older, which Go refuses (`InsecureAlgorithmError`).
    Obsolete(&'static str),
    /// RSA-PSS with other parameters than Go takes: another salt, another hash for the mask.
    OtherPss,
    /// Any other, by its dotted object identifier.
    Other(String),
}

impl SignatureAlgorithm {
    pub(in crate::pki) fn of(algorithm: &AlgorithmIdentifier<'_>) -> SignatureAlgorithm {
        let identifier = algorithm.algorithm.to_id_string();
        if identifier == PSS && !algorithm.parameters.as_ref().is_some_and(|one| is_pss_of_go(one.data)) {
            return SignatureAlgorithm::OtherPss;
        }
        SignatureAlgorithm::named(identifier)
    }

    fn named(identifier: String) -> SignatureAlgorithm {
        match identifier.as_str() {
            "1.2.840.10045.4.3.2" => SignatureAlgorithm::Current("ecdsa-sha256"),
            "1.2.840.10045.4.3.3" => SignatureAlgorithm::Current("ecdsa-sha384"),
            "1.2.840.10045.4.3.4" => SignatureAlgorithm::EcdsaSha512,
            "1.3.101.112" => SignatureAlgorithm::Current("ed25519"),
            "1.2.840.113549.1.1.11" => SignatureAlgorithm::Current("rsa-sha256"),
            "1.2.840.113549.1.1.12" => SignatureAlgorithm::Current("rsa-sha384"),
            "1.2.840.113549.1.1.13" => SignatureAlgorithm::Current("rsa-sha512"),
            PSS => SignatureAlgorithm::Current("rsa-pss"),
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

/// The parameters that Go takes (`getSignatureAlgorithmFromAI`): one hash of SHA-2 for all, a salt of
/// its length, and no trailer of its own.
fn is_pss_of_go(parameters: &[u8]) -> bool {
    let is_of_hash = |(hash, length): &(&[u8], u8)| {
        let bare = element(OBJECT_IDENTIFIER, hash);
        let null = [bare.as_slice(), &[NULL, 0]].concat();
        [&bare, &null].into_iter().any(|of_message| {
            [&bare, &null].into_iter().any(|of_mask| {
                let mask = [element(OBJECT_IDENTIFIER, MGF1), element(SEQUENCE, of_mask)].concat();
                let expected = [
                    element(0xa0, &element(SEQUENCE, of_message)),
                    element(0xa1, &element(SEQUENCE, &mask)),
                    element(0xa2, &element(INTEGER, &[*length])),
                ]
                .concat();
                parameters == expected
                    || parameters.strip_prefix(expected.as_slice())
                        == Some(&element(0xa3, &element(INTEGER, &[1])))
            })
        })
    };
    HASHES.iter().any(is_of_hash)
}

const PSS: &str = "1.2.840.113549.1.1.10";
/// 1.2.840.113549.1.1.8
const MGF1: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08];
/// SHA-256, SHA-384 and SHA-512, with their lengths.
const HASHES: [(&[u8], u8); 3] = [
    (&[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01], 32),
    (&[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02], 48),
    (&[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03], 64),
];

/// As `ecdsa-sha256`; the dotted object identifier of an unknown one.
impl fmt::Display for SignatureAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            SignatureAlgorithm::Current(name) | SignatureAlgorithm::Obsolete(name) => name,
            SignatureAlgorithm::EcdsaSha512 => "ecdsa-sha512",
            SignatureAlgorithm::OtherPss => "rsa-pss with a salt, a hash or a mask of its own",
            SignatureAlgorithm::Other(identifier) => identifier,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(identifier: &str) -> SignatureAlgorithm {
        SignatureAlgorithm::named(identifier.to_owned())
    }

    #[test]
    fn rsa_pss_has_one_hash_and_a_salt_of_its_length() {
        let [(sha256, _), (sha384, _), _] = HASHES;
        let hash = |hash: &[u8]| element(SEQUENCE, &element(OBJECT_IDENTIFIER, hash));
        let parameters = |message: &[u8], mask: &[u8], salt: u8, more: &[u8]| {
            let mask = [element(OBJECT_IDENTIFIER, MGF1), hash(mask)].concat();
            let mask = element(0xa1, &element(SEQUENCE, &mask));
            let salt = element(0xa2, &element(INTEGER, &[salt]));
            is_pss_of_go(&[element(0xa0, &hash(message)), mask, salt, more.to_vec()].concat())
        };
        let trailer = |value| element(0xa3, &element(INTEGER, &[value]));
        assert!(parameters(sha256, sha256, 32, &[]) && parameters(sha384, sha384, 48, &trailer(1)));
        for (message, mask, salt, more) in [
            (sha256, sha256, 20, vec![]),
            (sha256, sha256, 48, vec![]),
            (sha256, sha384, 32, vec![]),
            (sha384, sha384, 32, vec![]),
            (sha256, sha256, 32, trailer(2)),
            (&[0x2b, 14, 3, 2, 26][..], &[0x2b, 14, 3, 2, 26][..], 20, vec![]),
        ] {
            assert!(!parameters(message, mask, salt, &more), "{salt}");
        }
        assert!(!is_pss_of_go(&[]));
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
