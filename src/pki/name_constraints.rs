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
    /// E-mail addresses and URIs: Go honours these, and no BuildKit certificate has any.
    OfOtherNames,
    /// Go refuses these where the extension is critical.
    Unknown,
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

    /// Whether a certificate below may have that name. A kind of name of which none is permitted
    /// by name is permitted altogether.
    #[must_use]
    pub fn allow(&self, name: &NameKind) -> bool {
        let excluded = self.excluded.iter().any(|subtree| subtree.holds(name) == Some(true));
        let mut concerned = self.permitted.iter().filter_map(|subtree| subtree.holds(name)).peekable();
        let permitted = concerned.peek().is_none() || concerned.any(|holds| holds);
        permitted && !excluded
    }
}

impl Subtree {
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
    match base {
        GeneralName::DNSName(domain) => Subtree::Dns((*domain).to_owned()),
        GeneralName::IPAddress(octets) if matches!(octets.len(), 8 | 32) => {
            let (network, mask) = octets.split_at(octets.len() / 2);
            Subtree::Ip { network: network.to_vec(), mask: mask.to_vec() }
        }
        GeneralName::URI(_) | GeneralName::RFC822Name(_) => Subtree::OfOtherNames,
        _ => Subtree::Unknown,
    }
}
