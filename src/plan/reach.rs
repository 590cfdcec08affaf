//! Which daemons let a client in with which of its sets: whether copies of these are to be replaced.

use std::collections::BTreeSet;

use super::guard::Guard;
use super::holders::holders;
use super::uses::dials;
use crate::message;
use crate::model::{Generation, IdentityName, Message, Timestamp};
use crate::pki::judge::admit;
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

/// How a client gets in that may again: what nothing excludes may still be of a CA that no daemon trusts, and a daemon
/// that nobody renews goes on with what it has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Regained {
    /// The daemons that it uses and that may refuse whatever it may have, or would with a new certificate.
    pub refused_by: BTreeSet<IdentityName>,
    /// Whether no daemon that it uses lets it in with what it has.
    pub is_nowhere: bool,
    /// Whether it has a certificate that is valid now.
    pub is_valid: bool,
    /// Whether a daemon trusts the CA of one.
    pub is_of_trusted: bool,
    /// Why the first of them refuses it, and what helps.
    pub why: Option<Message>,
}

/// How a client gets in with what it may have, by what each daemon may serve, retired or not; None for one of whom
/// the state has no certificate. Of an observation of what is in use.
pub(crate) fn regained(name: &IdentityName, observation: &Observation, now: Timestamp) -> Option<Regained> {
    let identity = observation.clients.get(name)?;
    let holders = holders(observation, now);
    let its = || holders.iter().filter(|holder| holder.client == *name).flat_map(|one| &one.credentials);
    let uses = &identity.record.uses;
    let is_valid = |served: &&ObservedGeneration| served.leaf().validity().not_after >= now;
    let used = observation.daemons.iter().filter(|one| dials(uses, *one, observation));
    let used: Vec<_> = used.filter(|(_, daemon)| daemon.served().any(|served| is_valid(&served))).collect();
    let is_refused = |daemon: &ObservedIdentity| {
        let mut served = daemon.served().filter(is_valid);
        served.any(|served| !its().any(|one| admit(one.chain, &served.trust, now).is_ok()))
    };
    let refused_by = used.iter().filter(|(_, daemon)| is_refused(daemon));
    let refused_by: BTreeSet<IdentityName> = refused_by.map(|(name, _)| (*name).clone()).collect();
    let is_nowhere = !used.is_empty() && refused_by.len() == used.len();
    let is_left = |daemon: &IdentityName| {
        let is_retired = observation.daemons.get(daemon).is_some_and(ObservedIdentity::is_retired);
        is_retired || !observation.inventory.daemons.contains_key(daemon)
    };
    // What has ended is refused everywhere; with another certificate by those that nobody renews.
    let is_valid_now = its().next().is_some();
    let refused_by: BTreeSet<IdentityName> =
        refused_by.into_iter().filter(|daemon| is_valid_now || is_left(daemon)).collect();
    let why = refused_by.first().and_then(|daemon| {
        let is_listed = observation.inventory.daemons.contains_key(daemon);
        Some(match (is_listed, observation.daemons.get(daemon)?.is_retired()) {
            (true, true) => message!(
                "it is retired; to renew it again: {kitcert} issue daemon {} && {kitcert} rotate",
                daemon
            ),
            (false, _) => message!("kitcert.yaml does not list it"),
            (true, false) => message!("next: {kitcert} rotate"),
        })
    });
    let is_of_trusted = its().any(|one| {
        let issuer = observation.issuer_of(one.leaf());
        let is_trusted = |served: &ObservedGeneration| {
            issuer.is_some_and(|issuer| served.trust.trusts(&issuer.certificate))
        };
        used.iter().any(|(_, daemon)| daemon.served().any(is_trusted))
    });
    Some(Regained { refused_by, is_nowhere, is_valid: is_valid_now, is_of_trusted, why })
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
