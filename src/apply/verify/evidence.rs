//! What was seen of a daemon of the state, until it is recorded.

use std::net::IpAddr;

use super::dial::DialOptions;
use super::verification::Outcome;
use crate::apply::invocation::Invocation;
use crate::layout::DaemonEntry;
use crate::model::{Endpoint, Fingerprint, Generation, IdentityName, SubjectAltName, Timestamp};
use crate::pki::Certificate;
use crate::probe::{AddressVerdict, DIAL_LIST_VERSION, DialResults, Handshake, Verdict};
use crate::store::{Observation, Vantage, VerifiedAddress, VerifiedRecord};

/// What a verification is about. If any of it is different later, it was about something else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Basis {
    generation: Generation,
    leaf: Fingerprint,
    bundle: Fingerprint,
    endpoint: Endpoint,
    hosts: Vec<SubjectAltName>,
    addresses: Vec<IpAddr>,
    /// A counter and no time, so that no clock can put an older verification after a newer refutation.
    refutations: u64,
}

impl Basis {
    pub(super) fn of(observation: &Observation, name: &IdentityName) -> Option<Basis> {
        let entry = observation.inventory.daemons.get(name)?;
        let daemon = observation.daemons.get(name)?;
        let current = daemon.current.as_ref()?;
        Some(Basis {
            generation: current.number,
            leaf: current.leaf().fingerprint(),
            bundle: current.trust.fingerprint(),
            endpoint: entry.endpoint.clone(),
            hosts: entry.hosts.clone(),
            addresses: entry.addresses.clone(),
            refutations: daemon.history.refutations,
        })
    }
}

/// What was seen of whom a daemon lets in and refuses, of those whom ca.pem alone tells apart.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Not everybody was tried.
    Unknown,
    /// Everybody as it is meant.
    Right,
    /// Somebody got in, or was kept out, who is not to be.
    Wrong,
}

/// What was seen of a daemon of the state, before it is judged.
pub(super) struct Seen {
    pub(super) name: IdentityName,
    pub(super) endpoint: Endpoint,
    pub(super) basis: Option<Basis>,
    pub(super) served: Option<Certificate>,
    /// What it serves, if its CA is closed and this state has not issued it.
    pub(super) unknown_leaf: Option<Certificate>,
    pub(super) is_up: bool,
    /// Whether it was dialed as one of its clients, or let somebody in whoever dialed it, under its
    /// own name, and at every address that kitcert.yaml allows.
    pub(super) is_as_clients_dial: bool,
    /// Whether it was dialed where its clients dial it, or proved to be the host.
    pub(super) is_itself: bool,
    /// Whether somebody was let in by TLS who must not be, answered or not.
    pub(super) lets_in: bool,
    /// Whether there was a client to dial as: without one no look comes to more than another.
    pub(super) has_client: bool,
    /// Whether it was seen to use another ca.pem than its current one.
    pub(super) has_stale_bundle: bool,
    /// What was seen of whom it lets in and refuses, of those whom ca.pem alone tells apart.
    pub(super) access: Access,
    pub(super) record: Option<VerifiedRecord>,
}

impl Seen {
    pub(super) fn of(
        observation: &Observation,
        (name, entry): (&IdentityName, &DaemonEntry),
        (options, is_of_daemon): (&DialOptions, bool),
        (observed, verdict): (&DialResults, &Verdict),
        (invocation, started_at): (&Invocation<'_>, Timestamp),
    ) -> Seen {
        let basis = Basis::of(observation, name);
        let handshake = observed.handshake();
        let record = basis.as_ref().map(|basis| VerifiedRecord {
            dial_list: DIAL_LIST_VERSION,
            kitcert: env!("CARGO_PKG_VERSION").to_owned(),
            endpoint: entry.endpoint.clone(),
            server_name: entry.endpoint.host().clone(),
            hosts: entry.hosts.clone(),
            addresses: addresses(verdict),
            narrowed_to: entry.addresses.clone(),
            vantage: Vantage {
                host: invocation.environment.host_name().to_owned(),
                uid: invocation.environment.user_id(),
            },
            generation: basis.generation,
            leaf: basis.leaf,
            bundle: basis.bundle,
            dials: u32::try_from(verdict.dials.len()).unwrap_or(u32::MAX),
            not_tried: verdict.not_tried.iter().map(|one| one.dial.to_string()).collect(),
            started_at,
            verified_at: invocation.environment.present(),
            command: invocation.command.to_owned(),
        });
        Seen {
            name: name.clone(),
            endpoint: entry.endpoint.clone(),
            basis,
            served: handshake.and_then(Handshake::leaf),
            unknown_leaf: None,
            is_up: handshake.is_some(),
            is_as_clients_dial: (is_of_daemon || verdict.lets_in)
                && options.addresses == entry.addresses
                && options.server_name.as_ref().is_none_or(|name| name == entry.endpoint.host()),
            lets_in: verdict.lets_in,
            has_client: true,
            has_stale_bundle: false,
            access: Access::Unknown,
            is_itself: options.addresses == entry.addresses || observed.is_proven(),
            record,
        }
    }

    /// The same, with a certificate that it serves and that this state should have issued.
    pub(super) fn with_unknown_leaf(self, unknown_leaf: Option<Certificate>) -> Seen {
        Seen { unknown_leaf, ..self }
    }

    /// The same, with whether there was a client to dial as.
    pub(super) fn with_client(self, has_client: bool) -> Seen {
        Seen { has_client, ..self }
    }

    /// The same, with whether somebody was seen to get in, or to be kept out, who is not to be, and whether that
    /// shows another ca.pem than its current one.
    pub(super) fn with_access(self, access: Access, has_stale_bundle: bool) -> Seen {
        Seen { access, has_stale_bundle, ..self }
    }

    /// Whether the current generation is what it serves.
    pub(super) fn serves_current(&self) -> bool {
        let served = self.served.as_ref().map(Certificate::fingerprint);
        !self.has_stale_bundle && self.basis.as_ref().is_some_and(|basis| served == Some(basis.leaf))
    }

    /// The same, judged.
    pub(super) fn evidence(self, outcome: Outcome) -> Evidence {
        Evidence { outcome, seen: self }
    }
}

/// What was seen of a daemon of the state, and what it says.
pub(in crate::apply) struct Evidence {
    pub(super) outcome: Outcome,
    pub(super) seen: Seen,
}

impl Evidence {
    /// The certificate that it served.
    pub(crate) fn served(&self) -> Option<&Certificate> {
        self.seen.served.as_ref()
    }

    /// Whether the current generation is what it serves.
    pub(crate) fn serves_current(&self) -> bool {
        self.seen.serves_current()
    }

    /// Whether somebody gets in who must be refused.
    pub(crate) fn is_open(&self) -> bool {
        self.outcome == Outcome::Open
    }

    /// Whether somebody was seen to get in, or to be kept out, who is not to be: what was known of that before
    /// counts no more.
    pub(crate) fn is_access_wrong(&self) -> bool {
        self.is_open() && self.seen.access != Access::Right || self.seen.access == Access::Wrong
    }

    /// Whether everybody was seen to be let in and refused as it is meant, whatever else is wrong.
    pub(crate) fn is_access_right(&self) -> bool {
        self.seen.access == Access::Right
    }

    pub(super) fn lets_in(&self) -> bool {
        self.is_open() || self.seen.lets_in
    }

    /// Whether another look may come to more: there is a client to dial as.
    pub(crate) fn may_change(&self) -> bool {
        self.seen.has_client
    }

    /// Whether it answers at all.
    pub(crate) fn is_up(&self) -> bool {
        self.seen.is_up
    }
}

fn addresses(verdict: &Verdict) -> Vec<VerifiedAddress> {
    let result = |one: &AddressVerdict| VerifiedAddress {
        address: one.address,
        result: one.result.as_str().to_owned(),
    };
    verdict.addresses.iter().map(result).collect()
}
