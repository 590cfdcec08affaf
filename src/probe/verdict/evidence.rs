//! What counts for the verdict: each dial at each address, settled, and what is missing.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use super::settle::{Settled, settle};
use crate::message;
use crate::model::Message;
use crate::probe::dial_list::{Caller, Dial};
use crate::probe::outcome::Outcome;
use crate::probe::results::{AddressSeen, DialResults, Dialed, Pass};

/// One dial at one address, and what it proves.
#[derive(Clone, Copy)]
pub(super) struct Exhibit<'a> {
    pub(super) address: SocketAddr,
    pub(super) settled: Settled<'a>,
}

/// All that counts for the verdict.
pub(super) struct Evidence<'a> {
    pub(super) observed: &'a DialResults,
    pub(super) exhibits: Vec<Exhibit<'a>>,
}

impl<'a> Exhibit<'a> {
    pub(super) fn dialed(&self) -> &'a Dialed {
        self.settled.dialed()
    }

    pub(super) fn caller(&self) -> Caller {
        self.dialed().dial.caller()
    }
}

impl<'a> Evidence<'a> {
    pub(super) fn weigh(observed: &'a DialResults) -> Evidence<'a> {
        let mut exhibits = Vec::new();
        for seen in observed.addresses.iter().filter(|seen| is_reached(seen)) {
            for (index, pass) in seen.passes.iter().enumerate() {
                let is_last = index + 1 == seen.passes.len();
                // A second look replaces the first, but for whoever got in then.
                let counts = |exhibit: &Exhibit<'_>| {
                    let is_of_another = exhibit.caller() != Caller::Client;
                    let is_failure = matches!(exhibit.settled, Settled::Failed(_));
                    let lets_in = is_of_another || exhibit.dialed().outcome == Outcome::AsksNobody;
                    !observed.is_second_look || is_last || (is_failure && lets_in)
                };
                let settled = pass.list().into_iter().filter_map(|dial| settle(pass, dial));
                let address = seen.address;
                exhibits.extend(settled.map(|settled| Exhibit { address, settled }).filter(counts));
            }
        }
        Evidence { observed, exhibits }
    }

    /// Whether the client was accepted before and after, everywhere where it can connect. A refusal
    /// of somebody else counts only then, or a daemon that refuses everybody would pass.
    pub(super) fn client_is_accepted(&self) -> bool {
        let mut reached = self.served().filter(|seen| is_reached(seen)).peekable();
        reached.peek().is_some()
            && reached.all(|seen| {
                let accepted = |dial: Dial| {
                    self.exhibits.iter().any(|exhibit| {
                        let is_it = exhibit.address == seen.address && exhibit.dialed().dial == dial;
                        is_it && matches!(exhibit.settled, Settled::Passed(_))
                    })
                };
                accepted(Dial::Client) && accepted(Dial::ClientAgain)
            })
            && !self.of(Caller::Client).any(|exhibit| !matches!(exhibit.settled, Settled::Passed(_)))
    }

    /// Whether every dial that is required passed, in every pass, at every address of the name.
    pub(super) fn is_complete(&self) -> bool {
        self.observed.samples_left == 0
            && self.served().next().is_some()
            && self.served().all(|seen| self.is_complete_at(seen))
            && !self.exhibits.iter().any(|exhibit| matches!(exhibit.settled, Settled::Failed(_)))
    }

    /// The same of one address.
    pub(super) fn is_complete_at(&self, seen: &AddressSeen) -> bool {
        let is_complete = |pass: &Pass| {
            let passed = |dial: &Dial| matches!(settle(pass, *dial), Some(Settled::Passed(_)));
            required(!self.observed.is_ip_address).all(|dial| passed(&dial)) && pass.list().iter().all(passed)
        };
        let skipped = if self.observed.is_second_look { seen.passes.len().saturating_sub(1) } else { 0 };
        !seen.passes.is_empty() && seen.passes.iter().skip(skipped).all(is_complete)
    }

    /// The addresses where somebody can connect.
    pub(super) fn served(&self) -> impl Iterator<Item = &'a AddressSeen> {
        self.observed.addresses.iter().filter(|seen| !seen.is_not_served())
    }

    /// The exhibits of that caller.
    pub(super) fn of(&self, caller: Caller) -> impl Iterator<Item = &Exhibit<'a>> {
        self.exhibits.iter().filter(move |exhibit| exhibit.caller() == caller)
    }

    /// Whether somebody who must not get in was answered.
    pub(super) fn lets_in(&self, caller: Caller) -> bool {
        self.of(caller).any(|exhibit| exhibit.dialed().outcome == Outcome::Open)
    }
}

/// Whether there was any connection. An address without one has its own finding.
fn is_reached(seen: &AddressSeen) -> bool {
    !seen.is_not_served() && !seen.is_unreached()
}

/// The dials without which nothing is verified. None needs the key of a CA.
fn required(has_name: bool) -> impl Iterator<Item = Dial> {
    Dial::refusals(has_name).chain([Dial::Client, Dial::NoCertificateAgain, Dial::ClientAgain])
}

/// Which dials, and at which addresses if there are several: `N2, N4 at 127.0.0.3:8372`.
pub(super) fn places(observed: &DialResults, exhibits: &[&Exhibit<'_>]) -> Message {
    let mut dials: Vec<Dial> = Vec::new();
    for exhibit in exhibits {
        if !dials.contains(&exhibit.dialed().dial) {
            dials.push(exhibit.dialed().dial);
        }
    }
    let dials = Message::join(dials, ", ");
    if observed.addresses.len() < 2 {
        return dials;
    }
    let addresses: BTreeSet<SocketAddr> = exhibits.iter().map(|exhibit| exhibit.address).collect();
    message!("{} at {}", dials, Message::join(addresses, ", "))
}
