//! A name that a daemon's trust anchor excludes.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use super::{DnsName, Failure, Fingerprint, IdentityName};

/// One excluded subtree of the name constraints in a trust anchor (RFC 5280 section 4.2.1.10): a certificate
/// with such a name is refused.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Exclusion {
    /// A dNSName, and all below it.
    Dns(DnsName),
    /// One iPAddress.
    Ip(IpAddr),
    /// One mailbox.
    Email(String),
    /// The URIs of that host.
    Uri(String),
}

impl Exclusion {
    /// The client that it stops, if it is a client's name.
    #[must_use]
    pub fn client(&self) -> Option<IdentityName> {
        match self {
            Exclusion::Dns(name) => IdentityName::of_client_dns_name(name),
            Exclusion::Ip(_) | Exclusion::Email(_) | Exclusion::Uri(_) => None,
        }
    }

    /// The beginning of the SHA-256 of the key that it stops, if it is a key's name.
    #[must_use]
    pub(crate) fn key(&self) -> Option<[u8; 16]> {
        match self {
            Exclusion::Dns(name) => Fingerprint::beginning_in(name),
            Exclusion::Ip(_) | Exclusion::Email(_) | Exclusion::Uri(_) => None,
        }
    }

    /// Whether what excludes this name excludes that one too: the same, or one below it.
    #[must_use]
    pub fn excludes(&self, other: &Exclusion) -> bool {
        let is_below = |name: &str, above: &str| {
            name.strip_suffix(above).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        match (self, other) {
            (Exclusion::Dns(own), Exclusion::Dns(other)) => is_below(other.as_str(), own.as_str()),
            (Exclusion::Uri(own), Exclusion::Uri(other)) => is_below(other, own),
            _ => self == other,
        }
    }

    /// The mailbox, if every verifier takes the text for the same one.
    #[must_use]
    pub fn email(text: &str) -> Option<Exclusion> {
        let is_local = |part: &str| {
            is_plain(part, b"-._") && !part.starts_with('.') && !part.ends_with('.') && !part.contains("..")
        };
        let (local, domain) = text.split_once('@')?;
        (is_local(local) && is_host(domain)).then(|| Exclusion::Email(text.to_owned()))
    }

    /// The URIs of that host, if it is a host's name.
    #[must_use]
    pub fn uri(host: &str) -> Option<Exclusion> {
        is_host(host).then(|| Exclusion::Uri(host.to_owned()))
    }
}

fn is_host(text: &str) -> bool {
    is_plain(text, b"-.") && text.parse::<DnsName>().is_ok_and(|name| name.as_str() == text)
}

fn is_plain(text: &str, beside: &[u8]) -> bool {
    !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_alphanumeric() || beside.contains(&octet))
}

/// As `dns:ana.client.kitcert.internal`, `ip:10.0.0.7`, `email:ana@example.com`, `uri:example.com`.
impl fmt::Display for Exclusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exclusion::Dns(name) => write!(f, "{DNS}{name}"),
            Exclusion::Ip(address) => write!(f, "{IP}{address}"),
            Exclusion::Email(mailbox) => write!(f, "{EMAIL}{mailbox}"),
            Exclusion::Uri(host) => write!(f, "{URI}{host}"),
        }
    }
}

/// In the form that [`fmt::Display`] writes, and in no other.
impl FromStr for Exclusion {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Exclusion, Failure> {
        let after = |kind| text.strip_prefix(kind);
        let read = match (after(DNS), after(IP), after(EMAIL), after(URI)) {
            (Some(name), ..) => {
                name.parse().ok().filter(|name: &DnsName| !name.is_wildcard()).map(Exclusion::Dns)
            }
            (_, Some(address), ..) => {
                // Go cannot read an IPv4 address in the clothes of IPv6.
                let own = address.parse().ok().filter(|own: &IpAddr| own.to_canonical() == *own);
                own.map(Exclusion::Ip)
            }
            (_, _, Some(mailbox), _) => Exclusion::email(mailbox),
            (.., host) => host.and_then(Exclusion::uri),
        };
        read.filter(|exclusion| exclusion.to_string() == text).ok_or_else(|| {
            Failure::new("reading", "an excluded name")
                .expected("dns:, ip:, email: or uri:, and a name of that kind")
                .found("something else")
        })
    }
}

const DNS: &str = "dns:";
const IP: &str = "ip:";
const EMAIL: &str = "email:";
const URI: &str = "uri:";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exclusion_is_read_as_it_is_printed_and_in_no_other_form() {
        for text in [
            "dns:ana.client.kitcert.internal",
            "dns:ci--linux.client.kitcert.internal",
            "ip:10.0.0.7",
            "ip:fd00::7",
            "email:ana.b@example.com",
            "uri:example.com",
        ] {
            let read: Exclusion = text.parse().unwrap();
            assert_eq!(
                (read.to_string(), serde_json::to_value(&read).unwrap()),
                (text.to_owned(), text.into())
            );
            assert_eq!(serde_json::from_value::<Exclusion>(text.into()).unwrap(), read);
        }
        for text in [
            "",
            "ana.client.kitcert.internal",
            "dns:",
            "dns:Ana.client.kitcert.internal",
            "dns:*.client.kitcert.internal",
            "dns:.client.kitcert.internal",
            "dns:ana.client.kitcert.internal.",
            "ip:10.0.0.0/8",
            "ip:FD00::7",
            "ip:::ffff:10.0.0.7",
            "email:example.com",
            "email:a..b@example.com",
            "email:a@b@example.com",
            "uri:https://example.com",
            "uri:example.com/a",
            "uri:10.0.0.7",
            "other:example.com",
        ] {
            assert!(text.parse::<Exclusion>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_name_excludes_itself_and_what_is_below_it() {
        let excludes = |one: &str, other: &str| {
            one.parse::<Exclusion>().unwrap().excludes(&other.parse::<Exclusion>().unwrap())
        };
        for (one, other) in [
            ("dns:example.com", "dns:example.com"),
            ("dns:example.com", "dns:ana.example.com"),
            ("uri:corp", "uri:a.corp"),
            ("ip:10.0.0.7", "ip:10.0.0.7"),
        ] {
            assert!(excludes(one, other), "{one} {other}");
        }
        for (one, other) in [
            ("dns:example.com", "dns:badexample.com"),
            ("dns:ana.example.com", "dns:example.com"),
            ("dns:example.com", "uri:example.com"),
            ("email:ana@example.com", "email:ana@a.example.com"),
        ] {
            assert!(!excludes(one, other), "{one} {other}");
        }
    }

    #[test]
    fn the_client_that_is_stopped_has_the_name_that_a_person_knows() {
        let client = |text: &str| text.parse::<Exclusion>().unwrap().client().map(|name| name.to_string());
        assert_eq!(client("dns:ci--linux.client.kitcert.internal").as_deref(), Some("ci.linux"));
        assert_eq!(client("dns:builder.example.com"), None);
        assert_eq!(client("ip:10.0.0.7"), None);
    }

    #[test]
    fn the_key_that_is_stopped_is_told_by_its_beginning() {
        let stopped = Fingerprint::new([0xab; 32]);
        assert_eq!(Exclusion::Dns(stopped.key_dns_name()).key(), Some([0xab; 16]));
        for other in ["dns:ana.client.kitcert.internal", "dns:abab.key.kitcert.internal", "ip:10.0.0.7"] {
            assert_eq!(other.parse::<Exclusion>().unwrap().key(), None, "{other}");
        }
    }
}
