//! Which names a CA's certificates may have.

use std::net::IpAddr;

use x509_parser::extensions::{GeneralName, GeneralSubtree, NameConstraints as Parsed};

use super::extension::NameKind;
use crate::model::{DnsName, Exclusion};

/// The nameConstraints extension (RFC 5280 section 4.2.1.10), of the kinds that Go honors.
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
    /// The mailboxes of a host, or with a leading dot of all hosts below a domain.
    EmailHost(String),
    Mailbox {
        local: String,
        host: String,
    },
    /// The URIs of a host.
    Uri(String),
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

    /// The constraints that exclude these names and no others.
    pub(super) fn excluding<'a>(names: impl IntoIterator<Item = &'a Exclusion>) -> NameConstraints {
        NameConstraints { permitted: Vec::new(), excluded: names.into_iter().map(Subtree::of).collect() }
    }

    /// What is excluded, as far as it is single names: no networks, and nothing that begins with a dot.
    pub(super) fn excluded(&self) -> impl Iterator<Item = Exclusion> {
        self.excluded.iter().filter_map(Subtree::name)
    }

    /// Whether they exclude nothing, and only permit.
    #[must_use]
    pub fn exclude_nothing(&self) -> bool {
        self.excluded.is_empty()
    }

    /// Whether both exclude the same, in whatever order.
    #[must_use]
    pub fn exclude_the_same_as(&self, other: &NameConstraints) -> bool {
        let within = |one: &NameConstraints, other: &NameConstraints| {
            one.excluded.iter().all(|subtree| other.excluded.contains(subtree))
        };
        within(self, other) && within(other, self)
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
    /// only where there are some, and refuses them then. E-mail addresses and URIs that readers take for
    /// different ones are refused too.
    #[must_use]
    pub fn allow(&self, name: &NameKind) -> bool {
        match name {
            NameKind::Dns(name) if !is_domain(name) => return false,
            NameKind::Email(address) if !is_plain_address(address) => return false,
            NameKind::Uri(uri) if plain_host(uri).is_none() => return false,
            _ => {}
        }
        let excluded = self.excluded.iter().any(|subtree| subtree.excludes(name));
        let mut concerned = self.permitted.iter().filter_map(|subtree| subtree.holds(name)).peekable();
        let permitted = concerned.peek().is_none() || concerned.any(|holds| holds);
        permitted && !excluded
    }
}

impl Subtree {
    fn of(name: &Exclusion) -> Subtree {
        match name {
            Exclusion::Dns(name) => Subtree::Dns(name.as_str().to_owned()),
            Exclusion::Ip(address) => {
                let network = octets_of(address);
                Subtree::Ip { mask: vec![0xff; network.len()], network }
            }
            Exclusion::Email(mailbox) => match mailbox.split_once('@') {
                Some((local, host)) => Subtree::Mailbox { local: local.to_owned(), host: host.to_owned() },
                None => Subtree::EmailHost(mailbox.clone()),
            },
            Exclusion::Uri(host) => Subtree::Uri(host.clone()),
        }
    }

    /// The single name that it is.
    fn name(&self) -> Option<Exclusion> {
        match self {
            Subtree::Dns(domain) => {
                domain.parse().ok().filter(|name: &DnsName| !name.is_wildcard()).map(Exclusion::Dns)
            }
            Subtree::Ip { network, mask } if mask.iter().all(|octet| *octet == 0xff) => {
                let four = <[u8; 4]>::try_from(network.as_slice()).map(IpAddr::from);
                let sixteen = || <[u8; 16]>::try_from(network.as_slice()).map(IpAddr::from);
                four.or_else(|_| sixteen()).ok().map(Exclusion::Ip)
            }
            Subtree::Mailbox { local, host } => Exclusion::email(&format!("{local}@{host}")),
            Subtree::Uri(host) => Exclusion::uri(host),
            Subtree::Ip { .. } | Subtree::EmailHost(_) | Subtree::Unknown | Subtree::Unreadable => None,
        }
    }

    /// Whether it excludes the name: one that is in it, or a wildcard that stands for one (as Go
    /// does since CVE-2025-61727).
    fn excludes(&self, name: &NameKind) -> bool {
        let parent = |name: &str| name.find('.').and_then(|dot| name.get(dot..)).map(str::to_ascii_lowercase);
        let stands_for_one = || match (self, name) {
            (Subtree::Dns(domain), NameKind::Dns(name)) if name.starts_with('*') => {
                parent(domain).is_some_and(|of_domain| parent(name) == Some(of_domain))
            }
            _ => false,
        };
        self.holds(name) == Some(true) || stands_for_one()
    }

    /// Whether the name is in it; nothing where it is of another kind.
    fn holds(&self, name: &NameKind) -> Option<bool> {
        match (self, name) {
            (Subtree::Dns(domain), NameKind::Dns(name)) => Some(is_below(name, domain)),
            (Subtree::EmailHost(domain), NameKind::Email(address)) => {
                Some(address.split_once('@').is_some_and(|(_, host)| is_below(host, domain)))
            }
            (Subtree::Mailbox { local, host }, NameKind::Email(address)) => {
                let is_it = |(own, at): (&str, &str)| own == local && at.eq_ignore_ascii_case(host);
                Some(address.split_once('@').is_some_and(is_it))
            }
            (Subtree::Uri(domain), NameKind::Uri(uri)) => {
                Some(plain_host(uri).is_some_and(|host| is_below(host, domain)))
            }
            (Subtree::Ip { network, mask }, NameKind::Ip(address)) => {
                let octets = octets_of(address);
                let masked = |(octet, mask): (&u8, &u8)| octet & mask;
                let own = octets.iter().zip(mask).map(masked);
                let theirs = network.iter().zip(mask).map(masked);
                Some(octets.len() == network.len() && own.eq(theirs))
            }
            _ => None,
        }
    }
}

fn octets_of(address: &IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// A domain holds itself and what is below it; with a leading dot, only what is below. Hundreds of these are
/// compared with every name.
fn is_below(name: &str, domain: &str) -> bool {
    let Some((above, end)) = name.len().checked_sub(domain.len()).and_then(|at| name.split_at_checked(at))
    else {
        return false;
    };
    let is_apart = above.is_empty() || above.ends_with('.') || domain.is_empty() || domain.starts_with('.');
    is_apart && end.eq_ignore_ascii_case(domain)
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
        GeneralName::URI(domain) => readable(
            constrains(domain) && domain.parse::<IpAddr>().is_err(),
            Subtree::Uri((*domain).to_owned()),
        ),
        GeneralName::RFC822Name(name) => match name.split_once('@') {
            None => readable(constrains(name), Subtree::EmailHost((*name).to_owned())),
            Some((local, host)) => readable(
                is_plain_local(local) && is_domain(host) && !host.contains('@'),
                Subtree::Mailbox { local: local.to_owned(), host: host.to_owned() },
            ),
        },
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

/// The host of a URI, if it is a name.
fn plain_host(uri: &str) -> Option<&str> {
    let (_, rest) = uri.split_once("://")?;
    let host = rest.split(['/', '?', '#']).next()?;
    let is_plain = host.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-.".contains(&octet));
    (!host.is_empty() && is_plain && is_domain(host) && host.parse::<IpAddr>().is_err()).then_some(host)
}

/// Ones, then zeros.
fn is_mask(mask: &[u8]) -> bool {
    let bits: Vec<bool> =
        mask.iter().flat_map(|octet| (0..8).rev().map(move |bit| octet >> bit & 1 == 1)).collect();
    bits.is_sorted_by(|one, next| one >= next)
}

/// The first bytes of an IPv4 address in the clothes of IPv6.
const MAPPED: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

#[cfg(test)]
mod tests;
