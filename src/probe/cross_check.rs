//! Whether one daemon answered: what every dial saw of it is compared, over all addresses.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use super::dialled::{Dialled, Observed, Pass};
use super::list::Dial;
use super::observed::Asked;
use super::outcome::{Chain, Facts, TlsVersion};
use crate::message;
use crate::model::Message;
use crate::pki::DistinguishedName;

/// Which passes are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passes {
    /// All of them.
    All,
    /// The last at each address.
    Last,
}

/// Something in which dials differ, and what each address showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Difference {
    /// In what.
    pub(super) what: &'static str,
    /// Each value, shortened, with the addresses that showed it.
    pub(super) seen: Vec<(Message, BTreeSet<SocketAddr>)>,
}

/// In what the dials differ. Only servers that proved to be the host are compared: what answers for
/// another name may be another service.
pub(super) fn differences(observed: &Observed, passes: Passes) -> Vec<Difference> {
    let mut leaf = Values::new("the served certificate");
    let mut authorities = Values::new("the CAs that are asked for");
    let mut newer = Values::new("the signatures that are accepted in TLS 1.3");
    let mut older = Values::new("the signatures that are accepted in TLS 1.2");
    let mut asking = Values::new("whether a certificate is asked for");
    for (address, dialled) in proven(observed, passes) {
        let handshake = &dialled.handshake;
        // A proxy may have another rule for another name, version or protocol.
        if dialled.dial.offers() == Dial::Ours.offers() {
            let (bytes, described) = match handshake.asked {
                Asked::For(_) => (b"asked", message!("asked for")),
                Asked::Nothing => (b"never", message!("not asked for")),
            };
            asking.add(Some(bytes.to_vec()), described, address);
        }
        let described = handshake.leaf().map(|leaf| message!("serial {}", leaf.serial()));
        leaf.add(handshake.chain.first().cloned(), described.unwrap_or_default(), address);
        let Asked::For(names) = &handshake.asked else { continue };
        let named: BTreeSet<&DistinguishedName> = names.iter().collect();
        let ders: Vec<&[u8]> = named.iter().map(|name| name.der()).collect();
        let described = if named.is_empty() { message!("none") } else { Message::join(&named, "; ") };
        authorities.add(Some(ders.concat()), described, address);
        let mut schemes = handshake.schemes.clone();
        schemes.sort_unstable();
        let bytes = schemes.iter().flat_map(|scheme| scheme.to_be_bytes()).collect();
        let described = Message::join(&schemes, " ");
        match version(dialled) {
            Some(TlsVersion::Tls13) => newer.add(Some(bytes), described, address),
            Some(TlsVersion::Tls12) => older.add(Some(bytes), described, address),
            None => {}
        }
    }
    [leaf, asking, authorities, newer, older].into_iter().filter_map(Values::difference).collect()
}

fn proven(observed: &Observed, passes: Passes) -> impl Iterator<Item = (SocketAddr, &Dialled)> {
    observed.addresses.iter().flat_map(move |seen| {
        let first = match passes {
            Passes::All => 0,
            Passes::Last => seen.passes.len().saturating_sub(1),
        };
        let dials = seen.passes.iter().skip(first).flat_map(|pass: &Pass| &pass.dials);
        let is_proven =
            |dialled: &&Dialled| matches!(dialled.facts, Facts::Tls(facts) if facts.chain == Chain::Proven);
        dials.filter(is_proven).map(|dialled| (seen.address, dialled))
    })
}

fn version(dialled: &Dialled) -> Option<TlsVersion> {
    match dialled.facts {
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
