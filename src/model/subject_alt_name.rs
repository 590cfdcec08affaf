//! Names that a certificate is valid for.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use super::{ExitCode, Failure, Word};

/// One entry of the subjectAltName extension (RFC 5280 section 4.2.1.6), of the two kinds that
/// BuildKit's clients compare a host with: an iPAddress or a dNSName.
///
/// An IP address, in whatever notation, is an [`SubjectAltName::Ip`] or an error; it never
/// becomes a DNS name, since no verifier would match it there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SubjectAltName {
    /// A dNSName.
    Dns(DnsName),
    /// An iPAddress; a v4 address mapped into v6 is kept as v4, as Go's resolver does.
    Ip(IpAddr),
}

impl SubjectAltName {
    /// Whether a certificate with this entry is good for `host`.
    #[must_use]
    pub fn covers(&self, host: &SubjectAltName) -> bool {
        match (self, host) {
            (SubjectAltName::Dns(own), SubjectAltName::Dns(host)) => own.covers(host),
            (own, host) => own == host,
        }
    }
}

impl FromStr for SubjectAltName {
    type Err = Failure;

    fn from_str(text: &str) -> Result<SubjectAltName, Failure> {
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        if let Ok(address) = bare.parse::<IpAddr>() {
            let address = address.to_canonical();
            return match undialed(address) {
                None => Ok(SubjectAltName::Ip(address)),
                Some(found) => Err(Failure::new("reading the host", Word(text))
                    .expected("an address that a client dials, such as 10.0.0.5")
                    .found(found)
                    .exit(ExitCode::Usage)),
            };
        }
        text.parse().map(SubjectAltName::Dns)
    }
}

/// Why nobody dials an address: it stands for no machine, or for many. A daemon may listen at the first.
fn undialed(address: IpAddr) -> Option<&'static str> {
    match address {
        _ if address.is_unspecified() => Some("the address that stands for every address of a machine"),
        _ if address.is_multicast() => Some("a multicast address"),
        _ => None,
    }
}

/// The address or name as it is typed, without brackets.
impl fmt::Display for SubjectAltName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SubjectAltName::Dns(name) => f.pad(name.as_str()),
            SubjectAltName::Ip(address) => f.pad(&address.to_string()),
        }
    }
}

/// A host name as a certificate carries it: lower case, A-labels (RFC 5890), letters, digits,
/// hyphens and underscores, labels of at most 63 and in all 253 bytes, no trailing dot.
///
/// The left-most label may be a whole wildcard, which callers allow only where it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DnsName(String);

impl DnsName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the left-most label is `*`.
    #[must_use]
    pub fn is_wildcard(&self) -> bool {
        self.0.starts_with("*.")
    }

    /// Whether a label has an underscore: Go and webpki accept it, RFC 5280 and linters do not.
    #[must_use]
    pub fn has_underscore(&self) -> bool {
        self.0.contains('_')
    }

    /// Whether this name of a certificate covers `host`, as Go's `VerifyHostname` compares them:
    /// equal, or with a wildcard for exactly the left-most label.
    #[must_use]
    pub fn covers(&self, host: &DnsName) -> bool {
        match self.0.strip_prefix("*.") {
            Some(parent) => host.0.split_once('.').is_some_and(|(_, rest)| rest == parent),
            None => self.0 == host.0,
        }
    }

    pub(super) fn from_checked(name: String) -> DnsName {
        DnsName(name)
    }
}

impl FromStr for DnsName {
    type Err = Failure;

    fn from_str(text: &str) -> Result<DnsName, Failure> {
        let failure = |expected: &'static str, found: &'static str| {
            Err(Failure::new("reading the host", Word(text))
                .expected(expected)
                .found(found)
                .exit(ExitCode::Usage))
        };
        let a_name = "a DNS name or an IP address, such as builder.example.com or 10.0.0.5";
        if text.is_empty() {
            return failure(a_name, "nothing");
        }
        if text.contains("://") {
            return failure("a host alone", "a URL");
        }
        if text.ends_with('.') {
            return failure("no trailing dot (a client compares the host to the letter)", "one");
        }
        let (wildcard, host) = match text.strip_prefix("*.") {
            Some(rest) => ("*.", rest),
            None => ("", text),
        };
        let Ok(ascii) = idna::domain_to_ascii_cow(host.as_bytes(), idna::AsciiDenyList::EMPTY) else {
            return failure(a_name, "a name that IDNA does not allow");
        };
        if let Some(fault) = fault_of(&ascii) {
            return failure(a_name, fault);
        }
        if wildcard.len() + ascii.len() > LONGEST_NAME {
            return failure(a_name, "more than 253 characters");
        }
        Ok(DnsName(format!("{wildcard}{ascii}")))
    }
}

fn fault_of(name: &str) -> Option<&'static str> {
    for label in name.split('.') {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if label.is_empty() {
            return Some("an empty label");
        }
        if label.len() > LONGEST_LABEL {
            return Some("a label of more than 63 characters");
        }
        if !label.bytes().all(allowed) {
            return Some("a character that host names don't have");
        }
        if label.starts_with('-') || label.ends_with('-') {
            return Some("a label with a hyphen at its edge");
        }
    }
    ends_in_a_number(name).then_some("an IP address in a notation that verifiers read differently")
}

/// Resolvers take a name whose last label is a number for an IPv4 address (`10.1`, `010.0.0.1`,
/// `0x7f000001`), which a certificate could never match (WHATWG URL, "ends in a number").
fn ends_in_a_number(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or_default();
    last.bytes().all(|byte| byte.is_ascii_digit())
        || last.strip_prefix("0x").is_some_and(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

impl fmt::Display for DnsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

const LONGEST_LABEL: usize = 63;
const LONGEST_NAME: usize = 253;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<SubjectAltName, Failure> {
        text.parse()
    }

    #[test]
    fn an_address_that_nobody_dials_is_no_host() {
        for address in ["0.0.0.0", "::", "[::]", "::ffff:0.0.0.0", "224.0.0.1", "ff02::1"] {
            assert!(read(address).is_err(), "{address}");
        }
        for address in ["127.0.0.1", "::1", "0.0.0.1", "169.254.1.1", "fe80::1", "255.255.255.254"] {
            assert!(read(address).is_ok(), "{address}");
        }
    }

    #[test]
    fn an_address_in_any_notation_is_an_address_or_refused() {
        for (text, address) in [
            ("10.0.0.5", "10.0.0.5"),
            ("::1", "::1"),
            ("[::1]", "::1"),
            ("0:0:0:0:0:0:0:1", "::1"),
            ("::ffff:10.0.0.5", "10.0.0.5"),
        ] {
            assert_eq!(read(text).unwrap(), SubjectAltName::Ip(address.parse().unwrap()), "{text}");
        }
        for text in [
            "010.0.0.1",
            "10.1",
            "2130706433",
            "0x7f000001",
            "1.2.3.4.5",
            "256.0.0.1",
            "fe80::1%eth0",
            "10.0.0.5:8372",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_name_becomes_lower_case_a_labels() {
        for (text, name) in [
            ("Builder.Example.COM", "builder.example.com"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("build_host", "build_host"),
            ("localhost", "localhost"),
            ("*.example.com", "*.example.com"),
        ] {
            assert_eq!(read(text).unwrap().to_string(), name);
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        let long_label = format!("{}.example", "a".repeat(64));
        let long_name = vec!["a".repeat(60); 5].join(".");
        for text in [
            "",
            ".",
            "a..b",
            "a.",
            "-a",
            "a-",
            "a b",
            "a/b",
            "tcp://a:1",
            "a:8372",
            "*",
            "*.",
            "a.*.b",
            "ex*.com",
            "a\0b",
            &long_label,
            &long_name,
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_label_has_63_characters_and_a_name_253_at_the_most() {
        let label = |length| "a".repeat(length);
        let name = |last| format!("{}.{}.{}.{}", label(63), label(63), label(63), label(last));
        assert_eq!(name(61).len(), 253);
        for good in [label(63), name(61)] {
            assert_eq!(good.parse::<DnsName>().unwrap().to_string(), good);
        }
        for bad in [label(64), name(62), format!("*.{}", name(60))] {
            assert!(bad.parse::<DnsName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_wildcard_covers_exactly_one_label() {
        let wildcard: DnsName = "*.example.com".parse().unwrap();
        assert!(wildcard.covers(&"a.example.com".parse().unwrap()));
        assert!(!wildcard.covers(&"example.com".parse().unwrap()));
        assert!(!wildcard.covers(&"a.b.example.com".parse().unwrap()));
    }
}
