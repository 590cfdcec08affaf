//! What a daemon's trust anchors exclude: those whom they let in no more.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::certificate::Certificate;
use super::extension::NameKind;
use super::name_constraints::NameConstraints;
use crate::model::{DnsName, Exclusion, Hex};
use crate::pki::element::{SEQUENCE, element, only, parts};
use crate::pki::key::checksum;

/// A set of names that trust anchors exclude.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exclusions {
    names: BTreeSet<Exclusion>,
    /// The names and the canary, as verifiers read them.
    constraints: NameConstraints,
}

impl Exclusions {
    fn new(names: BTreeSet<Exclusion>) -> Exclusions {
        let canary = Exclusion::Dns(canary_of(&names));
        let constraints = NameConstraints::excluding(names.iter().chain([&canary]));
        Exclusions { names, constraints }
    }

    /// The names by which an anchor could stop a certificate, each alone, in its order: those that every verifier
    /// reads in the same way.
    #[must_use]
    pub fn candidates(leaf: &Certificate) -> Vec<Exclusion> {
        let candidate = |name: &NameKind| match name {
            NameKind::Dns(name) => {
                let name: DnsName = name.parse().ok()?;
                (!name.is_wildcard()).then_some(Exclusion::Dns(name))
            }
            // Go cannot read an IPv4 address in the clothes of IPv6.
            NameKind::Ip(address) => (address.to_canonical() == *address).then_some(Exclusion::Ip(*address)),
            NameKind::Email(mailbox) => Exclusion::email(mailbox),
            NameKind::Uri(uri) => {
                let rest = uri.split_once("://").map(|(_, rest)| rest)?;
                // OpenSSL takes what is before an @ for the host.
                let host = rest.split(['/', '?', '#']).next().filter(|host| !host.contains('@'))?;
                Exclusion::uri(host.split(':').next()?)
            }
            NameKind::Malformed(_) | NameKind::Other => None,
        };
        leaf.names().unwrap_or_default().iter().filter_map(candidate).collect()
    }

    /// The single names that an anchor excludes, without the canary; None for one without name constraints.
    /// An anchor that others have constrained may exclude more, such as networks.
    #[must_use]
    pub fn of(anchor: &Certificate) -> Option<Exclusions> {
        let excluded = anchor.name_constraints()?.excluded();
        Some(excluded.filter(|name| !is_canary(name)).collect())
    }

    /// The canary in that anchor: it has one if it is constrained by us.
    #[must_use]
    pub fn canary_in(anchor: &Certificate) -> Option<DnsName> {
        anchor.name_constraints()?.excluded().find_map(|name| match name {
            Exclusion::Dns(dns_name) if is_canary(&Exclusion::Dns(dns_name.clone())) => Some(dns_name),
            _ => None,
        })
    }

    /// The name that an anchor with exactly these exclusions excludes beside them. A daemon that refuses a
    /// certificate with this name has loaded that very anchor.
    #[must_use]
    pub fn canary(&self) -> DnsName {
        canary_of(&self.names)
    }

    /// Whether one of a certificate's own names is excluded, or is below one that is: whatever verifier heeds
    /// name constraints refuses it.
    #[must_use]
    pub fn name(&self, leaf: &Certificate) -> bool {
        Exclusions::candidates(leaf)
            .iter()
            .any(|name| self.names.iter().any(|excluded| excluded.excludes(name)))
    }

    /// Whether an anchor with these exclusions stops a certificate, by Go's rules: one of its names is excluded
    /// or is below one that is, or cannot be compared, for which other verifiers let it in. A certificate without
    /// names is never stopped.
    #[must_use]
    pub fn stop(&self, leaf: &Certificate) -> bool {
        leaf.names().unwrap_or_default().iter().any(|name| !self.constraints.allow(name))
    }

    /// How long the name constraints of an anchor with these exclusions are in DER, the canary included.
    #[must_use]
    pub fn der_len(&self) -> usize {
        self.extension(None).unwrap_or_default().len()
    }

    /// The names, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Exclusion> {
        self.names.iter()
    }

    /// Whether that name is excluded by itself.
    #[must_use]
    pub fn contains(&self, name: &Exclusion) -> bool {
        self.names.contains(name)
    }

    /// How many names are excluded, the canary not counted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether no name is excluded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The value of the extension: these names and the canary, beside what was permitted and excluded `before`.
    /// An earlier canary goes. None for a value that cannot be read.
    pub(in crate::pki) fn extension(&self, before: Option<&[u8]>) -> Option<Vec<u8>> {
        let before = before.map_or(Some(Vec::new()), |value| parts(only(value, SEQUENCE)?))?;
        let of = |tag: u8| before.iter().find(|part| part.0 == tag).map_or(&[][..], |part| part.1);
        let canary = Exclusion::Dns(self.canary());
        let own: Vec<Vec<u8>> = self.names.iter().chain([&canary]).map(subtree).collect();
        let there = parts(of(EXCLUDED))?.into_iter().filter(|(_, subtree)| !excludes_a_canary(subtree));
        let kept = there.map(|(tag, contents)| element(tag, contents)).filter(|one| !own.contains(one));
        let excluded: Vec<u8> = kept.chain(own.clone()).flatten().collect();
        let permitted = match of(PERMITTED) {
            [] => Vec::new(),
            subtrees => element(PERMITTED, subtrees),
        };
        Some(element(SEQUENCE, &[permitted, element(EXCLUDED, &excluded)].concat()))
    }
}

impl FromIterator<Exclusion> for Exclusions {
    fn from_iter<I: IntoIterator<Item = Exclusion>>(names: I) -> Exclusions {
        Exclusions::new(names.into_iter().collect())
    }
}

impl Default for Exclusions {
    fn default() -> Exclusions {
        Exclusions::new(BTreeSet::new())
    }
}

/// Each name is hashed behind its length, so that no two sets are one text.
fn canary_of(names: &BTreeSet<Exclusion>) -> DnsName {
    let texts: Vec<String> = names.iter().map(|name| format!("{name}")).collect();
    let hashed = texts.iter().map(|text| format!("{} {text}\n", text.len()));
    checksum(&[HASHED.as_bytes(), hashed.collect::<String>().as_bytes()]).label_in(CANARY_DOMAIN)
}

fn is_canary(name: &Exclusion) -> bool {
    let Exclusion::Dns(name) = name else { return false };
    let label = name.as_str().strip_suffix(CANARY_DOMAIN).and_then(|rest| rest.strip_suffix('.'));
    label.is_some_and(|label| Hex::parse(label).is_some_and(|octets| octets.len() == 16))
}

fn excludes_a_canary(subtree: &[u8]) -> bool {
    let name = only(subtree, DNS_NAME).and_then(|name| std::str::from_utf8(name).ok());
    name.and_then(|name| name.parse().ok()).is_some_and(|name| is_canary(&Exclusion::Dns(name)))
}

/// A GeneralSubtree that is that single name.
fn subtree(name: &Exclusion) -> Vec<u8> {
    let (tag, contents) = match name {
        Exclusion::Email(mailbox) => (MAILBOX, mailbox.as_bytes().to_vec()),
        Exclusion::Dns(name) => (DNS_NAME, name.as_str().as_bytes().to_vec()),
        Exclusion::Uri(host) => (URI, host.as_bytes().to_vec()),
        Exclusion::Ip(IpAddr::V4(address)) => (IP_ADDRESS, [address.octets(), [0xff; 4]].concat()),
        Exclusion::Ip(IpAddr::V6(address)) => (IP_ADDRESS, [address.octets(), [0xff; 16]].concat()),
    };
    element(SEQUENCE, &element(tag, &contents))
}

/// The domain of the names of whole sets of exclusions.
const CANARY_DOMAIN: &str = "bundle.kitcert.internal";
/// What is hashed begins so.
const HASHED: &str = "exclusions\n";
/// permittedSubtrees and excludedSubtrees, and the names in them (RFC 5280 sections 4.2.1.10 and 4.2.1.6).
const PERMITTED: u8 = 0xa0;
const EXCLUDED: u8 = 0xa1;
const MAILBOX: u8 = 0x81;
const DNS_NAME: u8 = 0x82;
const URI: u8 = 0x86;
const IP_ADDRESS: u8 = 0x87;

#[cfg(test)]
mod tests {
    use rcgen::{GeneralSubtree, NameConstraints as Constraints, SanType};

    use super::*;
    use crate::model::Role;
    use crate::pki::specimens::{a_leaf, an_authority, dns};

    fn exclusions(names: &[&str]) -> Exclusions {
        names.iter().map(|name| name.parse::<Exclusion>().unwrap()).collect()
    }

    const ALL: [&str; 5] = [
        "dns:ana.client.kitcert.internal",
        "ip:10.0.0.7",
        "ip:fd00::7",
        "email:ana@example.com",
        "uri:spiffe.example.com",
    ];

    #[test]
    fn the_canary_names_the_set_and_nothing_else() {
        let one = exclusions(&ALL[..1]);
        let other_order: Exclusions = [ALL[1], ALL[0]].iter().map(|name| name.parse().unwrap()).collect();
        assert_eq!(other_order.canary(), exclusions(&ALL[..2]).canary());
        let sets = [Exclusions::default(), one.clone(), other_order, exclusions(&ALL), exclusions(&ALL[1..])];
        let canaries: BTreeSet<DnsName> = sets.iter().map(Exclusions::canary).collect();
        assert_eq!(canaries.len(), sets.len());
        assert!(canaries.iter().all(|name| is_canary(&Exclusion::Dns(name.clone()))));
        // `printf 'exclusions\n31 dns:ana.client.kitcert.internal\n' | sha256sum`
        assert_eq!(
            (one.canary().as_str(), one.len()),
            ("bd2a52f14b8f64ecc8dc4051b5a71358.bundle.kitcert.internal", 1)
        );
        assert!(!is_canary(&ALL[0].parse().unwrap()));
    }

    #[test]
    fn a_name_stops_itself_and_all_below_it_of_its_kind() {
        let dns_name = |name: &str| dns(name);
        let email = |name: &str| SanType::Rfc822Name(name.try_into().unwrap());
        let uri = |name: &str| SanType::URI(name.try_into().unwrap());
        let ip = |address: &str| SanType::IpAddress(address.parse().unwrap());
        let stops = |names: Vec<SanType>| {
            exclusions(&ALL).stop(&a_leaf(Role::Client, |leaf| leaf.subject_alt_names = names))
        };
        let canary = exclusions(&ALL).canary();
        for stopped in [
            dns_name("ana.client.kitcert.internal"),
            dns_name("ANA.client.kitcert.internal"),
            dns_name("laptop.ana.client.kitcert.internal"),
            dns_name("*.client.kitcert.internal"),
            dns_name(canary.as_str()),
            ip("10.0.0.7"),
            ip("fd00::7"),
            email("ana@EXAMPLE.com"),
            uri("https://spiffe.example.com/a"),
            uri("spiffe://a.spiffe.example.com/a"),
            // What readers take for different hosts is stopped.
            uri("https://u@example.org/"),
        ] {
            assert!(stops(vec![dns("ben.client.kitcert.internal"), stopped.clone()]), "{stopped:?}");
        }
        for passed in [
            dns_name("ben.client.kitcert.internal"),
            dns_name("joana.client.kitcert.internal"),
            dns_name("client.kitcert.internal"),
            dns_name("*.ben.client.kitcert.internal"),
            ip("10.0.0.8"),
            ip("fd00::8"),
            email("Ana@example.com"),
            email("ana@a.example.com"),
            uri("spiffe://example.com/a"),
        ] {
            assert!(!stops(vec![passed.clone()]), "{passed:?}");
        }
        assert!(!stops(vec![]), "a certificate without names");
    }

    #[test]
    fn the_length_is_that_of_the_extension() {
        let empty = Exclusions::default();
        // SEQUENCE, [1], and one dNSName in its SEQUENCE.
        assert_eq!(empty.der_len(), 2 + 2 + 2 + 2 + empty.canary().as_str().len());
        assert!(exclusions(&ALL).der_len() > empty.der_len());
    }

    #[test]
    fn of_others_anchors_the_single_names_are_read() {
        let constrained = |excluded: Vec<GeneralSubtree>| {
            let constraints = Constraints { permitted_subtrees: vec![], excluded_subtrees: excluded };
            an_authority(|ca| ca.name_constraints = Some(constraints))
        };
        let dns = |name: &str| GeneralSubtree::DnsName(name.to_owned());
        let theirs = constrained(vec![dns(".example.com"), dns("a.example.com"), dns("")]);
        assert_eq!(Exclusions::of(&theirs), Some(exclusions(&["dns:a.example.com"])));
        assert_eq!(Exclusions::canary_in(&theirs), None);
        let canary = exclusions(&ALL).canary();
        let ours = constrained(vec![dns("a.example.com"), dns(canary.as_str())]);
        assert_eq!(Exclusions::of(&ours), Some(exclusions(&["dns:a.example.com"])));
        assert_eq!(Exclusions::canary_in(&ours), Some(canary));
        assert_eq!(Exclusions::of(&an_authority(|_| ())), None);
    }
}
