//! Which daemons let a client in with which of its sets: whether copies of these are to be replaced.

use std::collections::BTreeSet;

use super::guard::Guard;
use super::uses::dials;
use crate::model::{Generation, IdentityName, Timestamp};
use crate::pki::{Certificate, TrustBundle};
use crate::store::{KeyPresence, Observation, ObservedGeneration, ObservedIdentity};

/// Which of the daemons that a client uses let it in with a set.
#[derive(Debug, Default)]
pub(crate) struct Reached {
    /// Whether one does, whatever it may serve; of a state without daemons nothing speaks against it.
    pub is_some: bool,
    /// Those that may serve what does not.
    pub missed: BTreeSet<IdentityName>,
}

/// Which of the daemons that a client uses let it in with that set.
pub(crate) fn reached(
    name: &IdentityName,
    set: &ObservedGeneration,
    observation: &Observation,
    now: Timestamp,
) -> Reached {
    let Some(identity) = observation.clients.get(name) else {
        return Reached { is_some: true, ..Reached::default() };
    };
    let guard = Guard { observation, now };
    let uses = &identity.record.uses;
    let used = used(identity, observation);
    let lets_in = |name: &IdentityName, daemon: &ObservedIdentity| {
        // Nothing that came before an emergency lets its new clients in.
        (daemon.is_served_known() || !guard.is_emergency())
            && daemon.served().next().is_some()
            && daemon.served().all(|served| guard.lets_in(uses, set, (name, served)))
    };
    let missed = used.iter().filter(|(name, daemon)| !lets_in(name, daemon));
    let missed: BTreeSet<IdentityName> = missed.map(|(name, _)| (*name).clone()).collect();
    Reached { is_some: used.is_empty() || missed.len() < used.len(), missed }
}

/// Whether no daemon that a client uses lets it in with that set, whatever each may serve.
pub(crate) fn is_out(
    name: &IdentityName,
    set: &ObservedGeneration,
    observation: &Observation,
    now: Timestamp,
) -> bool {
    let Some(identity) = observation.clients.get(name) else { return false };
    let guard = Guard { observation, now };
    let uses = &identity.record.uses;
    let used = used(identity, observation);
    !used.is_empty()
        && used.iter().all(|(name, daemon)| {
            daemon.is_served_known()
                && !daemon.served().any(|served| guard.lets_in(uses, set, (name, served)))
        })
}

/// The daemons that may let a client in with what it has, and may not with what it would get.
pub(crate) fn lost(
    name: &IdentityName,
    (has, gets): (&ObservedGeneration, &ObservedGeneration),
    observation: &Observation,
    now: Timestamp,
) -> BTreeSet<IdentityName> {
    let Some(identity) = observation.clients.get(name) else { return BTreeSet::new() };
    let guard = Guard { observation, now };
    let uses = &identity.record.uses;
    let is_lost = |name: &IdentityName, daemon: &ObservedIdentity| {
        daemon.served().any(|served| {
            guard.lets_in(uses, has, (name, served)) && !guard.lets_in(uses, gets, (name, served))
        })
    };
    let used = used(identity, observation).into_iter();
    used.filter(|(name, daemon)| is_lost(name, daemon)).map(|(name, _)| name.clone()).collect()
}

/// The clients that use a daemon and that those files of it do not let in with what is current for them.
pub(crate) fn not_let_in(
    (name, chain, trust): (&IdentityName, &[Certificate], &TrustBundle),
    observation: &Observation,
    now: Timestamp,
) -> BTreeSet<IdentityName> {
    let Some(daemon) = observation.daemons.get_key_value(name) else { return BTreeSet::new() };
    let guard = Guard { observation, now };
    let served = ObservedGeneration {
        number: Generation::after(daemon.1.last_generation),
        chain: chain.to_vec(),
        trust: trust.clone(),
        key: KeyPresence::Absent,
    };
    let is_out = |client: &ObservedIdentity| {
        let uses = &client.record.uses;
        let current = client.current.as_ref().filter(|_| !client.is_retired());
        current.is_some_and(|current| {
            dials(uses, daemon, observation) && !guard.lets_in(uses, current, (name, &served))
        })
    };
    let out = observation.clients.iter().filter(|(_, client)| is_out(client));
    out.map(|(name, _)| name.clone()).collect()
}

/// The daemons that a client uses. One that is retired is no reason to leave the others.
fn used<'a>(
    client: &ObservedIdentity,
    observation: &'a Observation,
) -> Vec<(&'a IdentityName, &'a ObservedIdentity)> {
    let uses = &client.record.uses;
    let mut used: Vec<_> = observation.daemons.iter().filter(|one| dials(uses, *one, observation)).collect();
    if used.iter().any(|(_, daemon)| !daemon.is_retired()) {
        used.retain(|(_, daemon)| !daemon.is_retired());
    }
    used
}
