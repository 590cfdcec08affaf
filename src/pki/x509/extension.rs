//! What stands in a certificate's extensions.

use std::fmt;
use std::net::IpAddr;

use x509_parser::extensions::{ExtendedKeyUsage as Usages, GeneralName};

use super::uri;
use crate::model::ExtendedKeyUsage;

/// The basicConstraints extension (RFC 5280 section 4.2.1.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BasicConstraints {
    /// cA.
    pub is_authority: bool,
    /// pathLenConstraint.
    pub path_length: Option<u32>,
}

/// The keyUsage extension (RFC 5280 section 4.2.1.3), as far as TLS is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyUsage {
    /// digitalSignature.
    pub digital_signature: bool,
    /// keyCertSign.
    pub key_cert_sign: bool,
    /// cRLSign.
    pub crl_sign: bool,
    /// Whether any other bit is set.
    pub others: bool,
}

/// A general name of a certificate as it stands there, usable or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameKind {
    /// A dNSName, to the letter.
    Dns(String),
    /// An iPAddress of 4 or 16 bytes.
    Ip(IpAddr),
    /// One that Go cannot read, described: an iPAddress of 5 bytes, a dNSName beyond ASCII.
    Malformed(String),
    /// A uniformResourceIdentifier, to the letter.
    Uri(String),
    /// An rfc822Name, to the letter.
    Email(String),
    /// Any other, of which Go takes no notice.
    Other,
}

/// The name alone, its control characters replaced: one from elsewhere must not be able to steer
/// a terminal.
impl fmt::Display for NameKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NameKind::Dns(name) | NameKind::Uri(name) | NameKind::Email(name) => f.pad(name),
            NameKind::Ip(address) => f.pad(&address.to_string()),
            NameKind::Malformed(description) => f.pad(description),
            NameKind::Other => f.pad("a name of another kind"),
        }
    }
}

impl NameKind {
    /// Whether Go refuses a certificate with this name: an address of a wrong length, an IPv4
    /// address in the clothes of IPv6 (since 1.26), or text that is not ASCII.
    #[must_use]
    pub fn is_unreadable_to_go(&self) -> bool {
        match self {
            NameKind::Malformed(_) => true,
            NameKind::Ip(address) => address.is_ipv6() && address.to_canonical().is_ipv4(),
            NameKind::Dns(text) | NameKind::Uri(text) | NameKind::Email(text) => !text.is_ascii(),
            NameKind::Other => false,
        }
    }
}

impl KeyUsage {
    pub(super) fn of(parsed: &x509_parser::extensions::KeyUsage) -> KeyUsage {
        const NAMED: u16 = 1 | 1 << 5 | 1 << 6;
        KeyUsage {
            digital_signature: parsed.digital_signature(),
            key_cert_sign: parsed.key_cert_sign(),
            crl_sign: parsed.crl_sign(),
            others: parsed.flags & !NAMED != 0,
        }
    }

    /// Whether no bit is set, which Go takes for an absent extension.
    #[must_use]
    pub fn is_empty(self) -> bool {
        !(self.digital_signature || self.key_cert_sign || self.crl_sign || self.others)
    }
}

/// One extension of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtensionSummary {
    /// Its object identifier, dotted.
    pub identifier: String,
    /// Whether a verifier that does not know it must refuse.
    pub critical: bool,
}

pub(in crate::pki) fn usages_of(usage: &Usages<'_>) -> Vec<ExtendedKeyUsage> {
    let other = |identifier: &str| Some(ExtendedKeyUsage::Other(identifier.to_owned()));
    let named = [
        usage.any.then_some(ExtendedKeyUsage::Any),
        usage.server_auth.then_some(ExtendedKeyUsage::ServerAuth),
        usage.client_auth.then_some(ExtendedKeyUsage::ClientAuth),
        usage.code_signing.then(|| other("codeSigning")).flatten(),
        usage.email_protection.then(|| other("emailProtection")).flatten(),
        usage.time_stamping.then(|| other("timeStamping")).flatten(),
        usage.ocsp_signing.then(|| other("OCSPSigning")).flatten(),
    ];
    let others = usage.other.iter().map(|identifier| ExtendedKeyUsage::Other(identifier.to_id_string()));
    named.into_iter().flatten().chain(others).collect()
}

pub(in crate::pki) fn name_of(name: &GeneralName<'_>) -> NameKind {
    match name {
        GeneralName::DNSName(name) => NameKind::Dns((*name).to_owned()),
        GeneralName::IPAddress(octets) => match (<[u8; 4]>::try_from(*octets), <[u8; 16]>::try_from(*octets))
        {
            (Ok(four), _) => NameKind::Ip(four.into()),
            (_, Ok(sixteen)) => NameKind::Ip(sixteen.into()),
            _ => NameKind::Malformed(format!("an IP address of {} bytes", octets.len())),
        },
        GeneralName::URI(uri) if uri::is_read_by_go(uri) => NameKind::Uri((*uri).to_owned()),
        GeneralName::URI(_) => NameKind::Malformed("a URI that is none".to_owned()),
        GeneralName::RFC822Name(address) => NameKind::Email((*address).to_owned()),
        GeneralName::Invalid(..) => NameKind::Malformed("a name that is no text".to_owned()),
        _ => NameKind::Other,
    }
}

/// Object identifiers of extensions (RFC 5280 sections 4.2.1 and 4.2.2), dotted.
pub(in crate::pki) mod oid {
    pub(crate) const SUBJECT_KEY_IDENTIFIER: &str = "2.5.29.14";
    pub(crate) const KEY_USAGE: &str = "2.5.29.15";
    pub(crate) const SUBJECT_ALT_NAME: &str = "2.5.29.17";
    pub(crate) const BASIC_CONSTRAINTS: &str = "2.5.29.19";
    pub(crate) const NAME_CONSTRAINTS: &str = "2.5.29.30";
    pub(crate) const REVOCATION_LISTS: &str = "2.5.29.31";
    pub(crate) const POLICIES: &str = "2.5.29.32";
    pub(crate) const POLICY_MAPPINGS: &str = "2.5.29.33";
    pub(crate) const AUTHORITY_KEY_IDENTIFIER: &str = "2.5.29.35";
    pub(crate) const POLICY_CONSTRAINTS: &str = "2.5.29.36";
    pub(crate) const EXTENDED_KEY_USAGE: &str = "2.5.29.37";
    pub(crate) const INHIBIT_ANY_POLICY: &str = "2.5.29.54";
    pub(crate) const AUTHORITY_INFORMATION: &str = "1.3.6.1.5.5.7.1.1";
}

/// The extensions that Go reads, and refuses the certificate for where it cannot
/// (`processExtensions` in crypto/x509); it looks into no other.
pub(in crate::pki) const READ_BY_GO: [&str; 13] = [
    oid::SUBJECT_KEY_IDENTIFIER,
    oid::KEY_USAGE,
    oid::SUBJECT_ALT_NAME,
    oid::BASIC_CONSTRAINTS,
    oid::NAME_CONSTRAINTS,
    oid::REVOCATION_LISTS,
    oid::POLICIES,
    oid::POLICY_MAPPINGS,
    oid::AUTHORITY_KEY_IDENTIFIER,
    oid::POLICY_CONSTRAINTS,
    oid::EXTENDED_KEY_USAGE,
    oid::INHIBIT_ANY_POLICY,
    oid::AUTHORITY_INFORMATION,
];

#[cfg(test)]
mod tests {
    use x509_parser::asn1_rs::Tag;

    use super::*;
    use crate::model::Printable;

    fn usage_of(bit: u16) -> KeyUsage {
        KeyUsage::of(&x509_parser::extensions::KeyUsage { flags: 1 << bit })
    }

    #[test]
    fn every_bit_of_a_key_usage_is_seen() {
        // The bits in the order of RFC 5280 section 4.2.1.3.
        for bit in 0..9 {
            let usage = usage_of(bit);
            assert_eq!(usage.digital_signature, bit == 0, "{bit}");
            assert_eq!(usage.key_cert_sign, bit == 5, "{bit}");
            assert_eq!(usage.crl_sign, bit == 6, "{bit}");
            assert_eq!(usage.others, !matches!(bit, 0 | 5 | 6), "{bit}");
            assert!(!usage.is_empty(), "{bit}");
        }
        assert!(KeyUsage::of(&x509_parser::extensions::KeyUsage { flags: 0 }).is_empty());
    }

    #[test]
    fn every_kind_of_name_is_read_and_shown() {
        for (name, shown) in [
            (GeneralName::DNSName("a.example\x07"), "a.example\\u{7}"),
            (GeneralName::IPAddress(&[10, 0, 0, 5]), "10.0.0.5"),
            (GeneralName::IPAddress(&[0; 16]), "::"),
            (GeneralName::IPAddress(&[10, 0, 0]), "an IP address of 3 bytes"),
            (GeneralName::URI("spiffe://a/b"), "spiffe://a/b"),
            (GeneralName::URI("::::bad"), "a URI that is none"),
            (GeneralName::RFC822Name("ana@example.com"), "ana@example.com"),
            (GeneralName::Invalid(Tag(2), &[0xff]), "a name that is no text"),
            (GeneralName::RegisteredID("1.2.3".parse().unwrap()), "a name of another kind"),
        ] {
            assert_eq!(name_of(&name).message(), shown);
        }
    }

    #[test]
    fn go_reads_names_of_its_kinds_that_are_well_formed() {
        let dns = |name: &str| NameKind::Dns(name.to_owned());
        let ip = |address: &str| NameKind::Ip(address.parse().unwrap());
        for name in [dns("a.example"), ip("10.0.0.5"), ip("fd00::1"), ip("::"), NameKind::Other] {
            assert!(!name.is_unreadable_to_go(), "{name}");
        }
        let beyond_ascii = "ü".to_owned();
        for name in [
            dns("bücher.example"),
            ip("::ffff:10.0.0.5"),
            NameKind::Malformed("no name".to_owned()),
            NameKind::Uri(beyond_ascii.clone()),
            NameKind::Email(beyond_ascii),
        ] {
            assert!(name.is_unreadable_to_go(), "{name}");
        }
    }

    #[test]
    fn every_extended_key_usage_has_its_name() {
        let usages = Usages {
            any: true,
            server_auth: true,
            client_auth: true,
            code_signing: true,
            email_protection: true,
            time_stamping: true,
            ocsp_signing: true,
            other: vec!["1.2.3".parse().unwrap()],
        };
        let names: Vec<_> = usages_of(&usages).iter().map(ToString::to_string).collect();
        let named = [
            "anyExtendedKeyUsage",
            "serverAuth",
            "clientAuth",
            "codeSigning",
            "emailProtection",
            "timeStamping",
        ];
        assert_eq!(names, [&named[..], &["OCSPSigning", "1.2.3"]].concat());
        let none = Usages {
            any: false,
            server_auth: false,
            client_auth: false,
            code_signing: false,
            email_protection: false,
            time_stamping: false,
            ocsp_signing: false,
            other: Vec::new(),
        };
        assert!(usages_of(&none).is_empty());
    }
}
