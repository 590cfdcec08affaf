//! Which names a CA's certificates may have.

use std::net::IpAddr;

use x509_parser::extensions::{GeneralName, GeneralSubtree, NameConstraints as Parsed};

use super::extension::NameKind;

/// The nameConstraints extension (RFC 5280 section 4.2.1.10), of the two kinds that concern
/// BuildKit's certificates: DNS names and IP addresses. We never issue it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameConstraints {
    permitted: Vec<Subtree>,
    excluded: Vec<Subtree>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Subtree {
    Dns(String),
    Ip {
        network: Vec<u8>,
        mask: Vec<u8>,
    },
    /// E-mail addresses and URIs: Go honors these, and no BuildKit certificate has any.
    OfOtherNames,
    /// Go refuses these where the extension is critical.
    Unknown,
    /// Go cannot read a certificate with one of these.
    Unreadable,
}

impl NameConstraints {
    pub(super) fn of(parsed: &Parsed<'_>) -> NameConstraints {
        let read = |subtrees: &Option<Vec<GeneralSubtree<'_>>>| {
            subtrees.iter().flatten().map(|subtree| subtree_of(&subtree.base)).collect()
        };
        NameConstraints {
            permitted: read(&parsed.permitted_subtrees),
            excluded: read(&parsed.excluded_subtrees),
        }
    }

    /// Whether Go handles every constraint, so that it may be critical.
    #[must_use]
    pub fn is_known_to_go(&self) -> bool {
        !self.permitted.iter().chain(&self.excluded).any(|subtree| *subtree == Subtree::Unknown)
    }

    /// Why Go cannot read a certificate with these, where it cannot.
    #[must_use]
    pub fn unreadable_to_go(&self) -> Option<&'static str> {
        let mut all = self.permitted.iter().chain(&self.excluded).peekable();
        match all.peek() {
            None => Some("name constraints without a name"),
            Some(_) => all.any(|one| *one == Subtree::Unreadable).then_some("a name constraint that is none"),
        }
    }

    /// Whether a certificate below may have that name. A kind of name of which none is permitted
    /// by name is permitted altogether. Go looks at names that it cannot match against constraints
    /// only where there are some, and refuses them then. Constraints of e-mail addresses and URIs
    /// are not followed here: what they concern is refused.
    #[must_use]
    pub fn allow(&self, name: &NameKind) -> bool {
        let concerns_others =
            self.permitted.iter().chain(&self.excluded).any(|one| *one == Subtree::OfOtherNames);
        match name {
            NameKind::Dns(name) if !is_domain(name) => return false,
            NameKind::Email(address) => return !concerns_others && is_plain_address(address),
            NameKind::Uri(uri) => return !concerns_others && has_plain_host(uri),
            _ => {}
        }
        let excluded = self.excluded.iter().any(|subtree| subtree.excludes(name));
        let mut concerned = self.permitted.iter().filter_map(|subtree| subtree.holds(name)).peekable();
        let permitted = concerned.peek().is_none() || concerned.any(|holds| holds);
        permitted && !excluded
    }
}

impl Subtree {
    /// Whether it excludes the name: one that is in it, or a wildcard that stands for one (as Go
    /// does since CVE-2025-61727).
    fn excludes(&self, name: &NameKind) -> bool {
        let stands_for_one = || match (self, name) {
            (Subtree::Dns(domain), NameKind::Dns(name)) => {
                let parent =
                    |name: &str| name.find('.').and_then(|dot| name.get(dot..)).map(str::to_ascii_lowercase);
                name.starts_with('*')
                    && parent(domain).is_some_and(|of_domain| parent(name) == Some(of_domain))
            }
            _ => false,
        };
        self.holds(name) == Some(true) || stands_for_one()
    }

    /// Whether the name is in it; nothing where it is of another kind.
    fn holds(&self, name: &NameKind) -> Option<bool> {
        match (self, name) {
            (Subtree::Dns(domain), NameKind::Dns(name)) => Some(is_below(name, domain)),
            (Subtree::Ip { network, mask }, NameKind::Ip(address)) => {
                let octets = match address {
                    IpAddr::V4(address) => address.octets().to_vec(),
                    IpAddr::V6(address) => address.octets().to_vec(),
                };
                let masked = |(octet, mask): (&u8, &u8)| octet & mask;
                let own = octets.iter().zip(mask).map(masked);
                let theirs = network.iter().zip(mask).map(masked);
                Some(octets.len() == network.len() && own.eq(theirs))
            }
            _ => None,
        }
    }
}

/// A domain holds itself and what is below it; with a leading dot, only what is below.
fn is_below(name: &str, domain: &str) -> bool {
    let (name, domain) = (name.to_ascii_lowercase(), domain.to_ascii_lowercase());
    match (domain.as_str(), domain.strip_prefix('.')) {
        ("", _) => true,
        (_, Some(_)) => name.ends_with(&domain),
        (domain, None) => name == domain || name.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.')),
    }
}

fn subtree_of(base: &GeneralName<'_>) -> Subtree {
    let readable = |is_sound: bool, subtree: Subtree| if is_sound { subtree } else { Subtree::Unreadable };
    match base {
        GeneralName::DNSName(domain) => readable(constrains(domain), Subtree::Dns((*domain).to_owned())),
        GeneralName::IPAddress(octets) if matches!(octets.len(), 8 | 32) => {
            let (network, mask) = octets.split_at(octets.len() / 2);
            let subtree = Subtree::Ip { network: network.to_vec(), mask: mask.to_vec() };
            readable(is_mask(mask) && !network.starts_with(&MAPPED), subtree)
        }
        GeneralName::IPAddress(_) | GeneralName::Invalid(..) => Subtree::Unreadable,
        GeneralName::URI(domain) => {
            readable(constrains(domain) && domain.parse::<IpAddr>().is_err(), Subtree::OfOtherNames)
        }
        GeneralName::RFC822Name(name) => {
            let is_sound = match name.split_once('@') {
                None => constrains(name),
                Some((local, domain)) => is_plain_local(local) && is_domain(domain) && !domain.contains('@'),
            };
            readable(is_sound, Subtree::OfOtherNames)
        }
        _ => Subtree::Unknown,
    }
}

/// Whether Go takes it for the domain of a constraint: one leading dot is allowed, though not by
/// itself.
fn constrains(domain: &str) -> bool {
    domain != "." && is_domain(domain.strip_prefix('.').unwrap_or(domain))
}

/// Go's `domainNameValid`: visible ASCII, no empty label, no trailing dot; empty is fine.
fn is_domain(name: &str) -> bool {
    let is_label = |label: &str| !label.is_empty() && label.bytes().all(|octet| octet.is_ascii_graphic());
    name.is_empty() || name.split('.').all(is_label)
}

/// An e-mail address that every reader takes for the same one.
fn is_plain_address(address: &str) -> bool {
    address
        .split_once('@')
        .is_some_and(|(local, domain)| is_plain_local(local) && is_plain(domain) && is_domain(domain))
}

/// What stands before the @ of such an address.
fn is_plain_local(local: &str) -> bool {
    is_plain(local) && !local.starts_with('.') && !local.ends_with('.') && !local.contains("..")
}

fn is_plain(part: &str) -> bool {
    !part.is_empty() && part.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-._".contains(&octet))
}

/// A URI with a host that is a name.
fn has_plain_host(uri: &str) -> bool {
    let rest = uri.split_once("://").map_or("", |(_, rest)| rest);
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let is_plain = host.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-.".contains(&octet));
    !host.is_empty() && is_plain && is_domain(host) && host.parse::<IpAddr>().is_err()
}

/// Ones, then zeros.
fn is_mask(mask: &[u8]) -> bool {
    let bits: Vec<bool> =
        mask.iter().flat_map(|octet| (0..8).rev().map(move |bit| octet >> bit & 1 == 1)).collect();
    bits.is_sorted_by(|one, next| one >= next)
}

/// The first octets of an IPv4 address in the clothes of IPv6.
const MAPPED: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

#[cfg(test)]
mod tests;
