//! Whether one daemon answered, and whom else it trusts by name: what every dial saw of it is
//! compared, over all addresses.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use super::evidence::Evidence;
use super::expected::Expected;
use crate::message;
use crate::model::{Cause, Finding, Message, Printable as _, Rule, Severity};
use crate::pki::DistinguishedName;
use crate::probe::dial_list::{Dial, Sni};
use crate::probe::outcome::{Chain, Facts, TlsVersion};
use crate::probe::results::{Asked, DialResults, Dialed, Pass};

/// The findings about daemons that differ, and about CAs that are not trusted here.
pub(super) fn all(evidence: &Evidence<'_>, expected: &Expected) -> Vec<Finding> {
    let mut findings = several_daemons(evidence, expected);
    // A client that is refused is the graver news, and this may be its cause.
    if evidence.client_is_accepted() {
        findings.extend(other_authorities(evidence, expected));
    }
    findings
}

/// What the dials of the last pass differ in; a difference that a second look does not show was a
/// restart.
fn several_daemons(evidence: &Evidence<'_>, expected: &Expected) -> Vec<Finding> {
    let passes = if evidence.observed.is_second_look { Passes::Last } else { Passes::All };
    let differences = differences(evidence.observed, passes);
    let finding = |difference: &Difference| {
        let seen = difference
            .seen
            .iter()
            .map(|(value, addresses)| message!("{} at {}", value, Message::join(addresses, ", ")));
        let finding = |rule| {
            Finding::new(rule, Severity::Error, &expected.endpoint)
                .expected(message!("one daemon: {} alike in every dial", difference.what))
                .found(Message::join(seen, "; "))
        };
        let has_looked_again = evidence.observed.addresses.iter().any(|seen| seen.passes.len() > 1);
        match has_looked_again {
            true => finding(Rule::SeveralDaemons).because(&[Cause::SeveralDaemons]),
            false => finding(Rule::Inconclusive)
                .cause("the time was up before a second look: several daemons, or one that was restarted meanwhile")
                .fix(expected.again.longer()),
        }
    };
    differences.iter().map(finding).collect()
}

/// The CAs that the daemon names and that the client's trust bundle lacks: their clients get in too.
fn other_authorities(evidence: &Evidence<'_>, expected: &Expected) -> Option<Finding> {
    let others = named_beyond(evidence, expected);
    if others.is_empty() {
        return None;
    }
    // Names are all that a daemon tells: another CA may have that of one of ours.
    let described = |name: &DistinguishedName| match allowed(name, expected) {
        0 => name.message(),
        1 => message!("another CA that is called {} too", name),
        ours => message!("another CA that is called {}, as {} of this state's are", name, ours),
    };
    let (severity, expected) = match &expected.known_authorities {
        Some(_) => (Severity::Error, "CAs of this state alone"),
        None => (Severity::Warning, "the CAs of the client's ca.pem alone"),
    };
    Some(
        Finding::new(Rule::OtherCaTrusted, severity, "acceptable CAs")
            .expected(expected)
            .found(Message::join(others.iter().map(described), "; "))
            .because(&[Cause::OtherCaTrusted]),
    )
}

/// Those CAs, each once. A daemon that names none says nothing about whom it trusts.
pub(super) fn named_beyond(evidence: &Evidence<'_>, expected: &Expected) -> BTreeSet<DistinguishedName> {
    evidence
        .observed
        .dials()
        .filter(|dialed| is_compared(dialed))
        .filter_map(|dialed| match &dialed.handshake.asked {
            Asked::For(names) => Some(names),
            Asked::Nothing => None,
        })
        .flat_map(|names| {
            let times = |name: &DistinguishedName| names.iter().filter(|one| *one == name).count();
            names.iter().filter(move |name| times(name) > allowed(name, expected))
        })
        .cloned()
        .collect()
}

/// How many CAs of that name are ours: a name that stands there more often is another CA's, too.
fn allowed(name: &DistinguishedName, expected: &Expected) -> usize {
    let known = expected.known_authorities.as_deref().unwrap_or_default();
    expected.trust.named(name).max(known.iter().filter(|one| *one == name).count())
}

/// Which passes are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passes {
    /// All of them.
    All,
    /// The last at each address.
    Last,
}

/// Something in which dials differ, and what each address showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    /// In what.
    pub(crate) what: &'static str,
    /// Each value, shortened, with the addresses that showed it.
    pub(crate) seen: Vec<(Message, BTreeSet<SocketAddr>)>,
}

/// In what the dials differ. Only what answers under the daemon's name is compared, and what proved to be
/// the host under another: that may be another service.
pub(crate) fn differences(observed: &DialResults, passes: Passes) -> Vec<Difference> {
    let mut leaf = Values::new("the served certificate");
    let mut authorities = Values::new("the CAs that are asked for");
    let mut newer = Values::new("the signatures that are accepted in TLS 1.3");
    let mut older = Values::new("the signatures that are accepted in TLS 1.2");
    let mut asking = Values::new("whether a certificate is asked for");
    for (address, dialed) in compared(observed, passes) {
        let handshake = &dialed.handshake;
        // A proxy may have another rule for another name, version or protocol.
        if dialed.dial.offers() == Dial::Client.offers() {
            let (bytes, described) = match handshake.asked {
                Asked::For(_) => (b"asked", message!("asked for")),
                Asked::Nothing => (b"never", message!("not asked for")),
            };
            asking.add(Some(bytes.to_vec()), described, address);
        }
        let described = handshake.leaf().map(|leaf| message!("serial {}", leaf.serial()));
        leaf.add(handshake.chain.first().cloned(), described.unwrap_or_default(), address);
        let Asked::For(names) = &handshake.asked else { continue };
        let mut named: Vec<&DistinguishedName> = names.iter().collect();
        named.sort_unstable();
        let ders: Vec<&[u8]> = named.iter().map(|name| name.der()).collect();
        let described = if named.is_empty() { message!("none") } else { Message::join(&named, "; ") };
        authorities.add(Some(ders.concat()), described, address);
        let mut schemes = handshake.schemes.clone();
        schemes.sort_unstable();
        let bytes = schemes.iter().flat_map(|scheme| scheme.to_be_bytes()).collect();
        let described = Message::join(&schemes, " ");
        match version(dialed) {
            Some(TlsVersion::Tls13) => newer.add(Some(bytes), described, address),
            Some(TlsVersion::Tls12) => older.add(Some(bytes), described, address),
            None => {}
        }
    }
    [leaf, asking, authorities, newer, older].into_iter().filter_map(Values::difference).collect()
}

fn compared(observed: &DialResults, passes: Passes) -> impl Iterator<Item = (SocketAddr, &Dialed)> {
    observed.addresses.iter().flat_map(move |seen| {
        let first = match passes {
            Passes::All => 0,
            Passes::Last => seen.passes.len().saturating_sub(1),
        };
        let dials = seen.passes.iter().skip(first).flat_map(|pass: &Pass| &pass.dials);
        dials.filter(|dialed| is_compared(dialed)).map(|dialed| (seen.address, dialed))
    })
}

/// One that shows another certificate under the daemon's own name is another server, whomever it lets in.
fn is_compared(dialed: &Dialed) -> bool {
    matches!(dialed.facts, Facts::Tls(facts) if match facts.chain {
        Chain::Proven => true,
        Chain::Another => facts.sni == Sni::Name,
        Chain::Unseen => false,
    })
}

fn version(dialed: &Dialed) -> Option<TlsVersion> {
    match dialed.facts {
        Facts::Tls(facts) => facts.version,
        Facts::Plain(_) => None,
    }
}

/// The different values of one thing.
struct Values {
    what: &'static str,
    seen: Vec<(Vec<u8>, Message, BTreeSet<SocketAddr>)>,
}

impl Values {
    fn new(what: &'static str) -> Values {
        Values { what, seen: Vec::new() }
    }

    fn add(&mut self, value: Option<Vec<u8>>, described: Message, address: SocketAddr) {
        let Some(value) = value else { return };
        match self.seen.iter_mut().find(|(known, ..)| *known == value) {
            Some((_, _, addresses)) => {
                addresses.insert(address);
            }
            None => self.seen.push((value, described, BTreeSet::from([address]))),
        }
    }

    fn difference(self) -> Option<Difference> {
        let seen = self.seen.into_iter().map(|(_, described, addresses)| (described, addresses));
        let seen: Vec<_> = seen.collect();
        (seen.len() > 1).then_some(Difference { what: self.what, seen })
    }
}
