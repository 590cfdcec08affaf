//! `confirm`: a client has its certificate, and nothing older of that key is in use.

use std::collections::BTreeSet;

use super::fault::fault_of;
use super::holders::{Holder, holders};
use super::steps::{Plan, StateStep};
use crate::message;
use crate::model::{
    ExitCode, Failure, Fingerprint, FingerprintPrefix, IdentityName, Message, Role, Timestamp,
};
use crate::pki::Receipt;
use crate::store::{Held, HeldBy, Observation, ObservedGeneration, ObservedIdentity};

/// By what it is known that a client has its certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Confirmation {
    /// Somebody says so, of the key with that fingerprint where a client has several.
    Told(IdentityName, Option<FingerprintPrefix>),
    /// Its key says so.
    Signed(Receipt),
}

impl Confirmation {
    /// The client.
    #[must_use]
    pub fn name(&self) -> &IdentityName {
        match self {
            Confirmation::Told(name, _) => name,
            Confirmation::Signed(receipt) => receipt.name(),
        }
    }
}

/// Plans `confirm`. What is known already is not noted again.
///
/// # Errors
/// A client of which something cannot be read, a name that no client has, a receipt that is for no
/// certificate of the client, and one of several keys that is not named.
pub(crate) fn confirm(
    confirmation: &Confirmation,
    observation: &Observation,
    now: Timestamp,
) -> Result<Plan, Failure> {
    let name = confirmation.name();
    let failure = || Failure::new("confirming client", name).hint("{kitcert} status");
    if let Some(fault) = fault_of(Role::Client, name, observation) {
        return Err(fault);
    }
    let Some(identity) = observation.clients.get(name).filter(|client| client.current.is_some()) else {
        let found = message!("another name{}", name.did_you_mean(observation.inventory.clients.keys()));
        return Err(failure().expected("a client of this state").found(found).exit(ExitCode::Usage));
    };
    let generations = || identity.current.iter().chain(&identity.earlier);
    let (set, by) = match confirmation {
        Confirmation::Signed(receipt) => {
            let of_number = |set: &&ObservedGeneration| set.leaf().serial().to_string() == receipt.serial();
            let expected = || failure().expected("a receipt for one of its certificates");
            let set = generations()
                .find(of_number)
                .ok_or_else(|| expected().found("one for another certificate"))?;
            if !receipt.is_for(set.leaf()) {
                return Err(expected().found("one signed with another key"));
            }
            (set, HeldBy::Receipt)
        }
        Confirmation::Told(_, key) => {
            let all = holders(observation, now);
            let keys: Vec<&Holder<'_>> = all.iter().filter(|holder| holder.client == *name).collect();
            let meant: BTreeSet<Fingerprint> = match key {
                Some(prefix) => keys.iter().map(|one| one.key).filter(|key| prefix.matches(key)).collect(),
                None => keys.iter().map(|one| one.key).collect(),
            };
            let list = || Message::join(keys.iter().map(|one| one.key), " or ");
            let key = match (meant.len(), meant.first()) {
                (1, Some(key)) => *key,
                (0, _) if key.is_none() => {
                    return Err(failure()
                        .expected("a certificate that may be in use")
                        .found("none: all have expired, or it is retired"));
                }
                (0, _) => return Err(failure().expected(list()).found("another key").exit(ExitCode::Usage)),
                _ => {
                    return Err(failure()
                        .expected("which of its keys: --key-id")
                        .found(message!("{} in use: {}", keys.len(), list()))
                        .hint(message!(
                            "{kitcert} confirm {} --key-id {}",
                            name,
                            unconfirmed(identity, &keys).map(|key| message!("{}", key)).unwrap_or_default()
                        ))
                        .exit(ExitCode::Usage));
                }
            };
            let of_key = |set: &&ObservedGeneration| set.leaf().public_key().fingerprint() == key;
            let newest = generations().filter(of_key).max_by_key(|set| set.number);
            let set = newest.ok_or_else(|| {
                failure().expected("a generation with that key").found("none: it was removed")
            })?;
            (set, HeldBy::Confirm)
        }
    };
    let step = hold(name, set, by, Vec::new(), now);
    let known = identity.record.keys.get(&set.leaf().public_key().fingerprint());
    let is_known = known.and_then(|key| key.held.as_ref()).is_some_and(|held| held.generation >= set.number);
    let is_waiting = observation.waiting_kits.contains(name)
        && identity.current.as_ref().is_some_and(|current| current.number == set.number);
    Ok(match is_known && !is_waiting {
        true => Plan::default(),
        false => Plan { state: vec![step], ..Plan::default() },
    })
}

/// The key of which it is not known that its newest certificate is held: that of the current generation
/// before others.
fn unconfirmed(identity: &ObservedIdentity, keys: &[&Holder<'_>]) -> Option<Fingerprint> {
    let of = |set: &ObservedGeneration| set.leaf().public_key().fingerprint();
    let newest = |key: &Fingerprint| {
        let generations = identity.current.iter().chain(&identity.earlier);
        generations.filter(|set| of(set) == *key).map(|set| set.number).max()
    };
    let is_known = |key: &Fingerprint| {
        let held = identity.record.keys.get(key).and_then(|key| key.held.as_ref());
        held.is_some_and(|held| Some(held.generation) >= newest(key))
    };
    let current = identity.current.as_ref().map(of);
    let all = || keys.iter().map(|holder| holder.key);
    let open = || all().filter(|key| !is_known(key));
    open().find(|key| Some(*key) == current).or(open().next()).or(all().next())
}

/// The step by which a client is known to have a set.
pub(crate) fn hold(
    name: &IdentityName,
    set: &ObservedGeneration,
    by: HeldBy,
    replaces: Vec<Fingerprint>,
    at: Timestamp,
) -> StateStep {
    let held = Held { serial: set.leaf().serial().clone(), generation: set.number, by, at };
    StateStep::Hold { name: name.clone(), key: set.leaf().public_key().fingerprint(), held, replaces }
}

/// Plans `retire`: an identity is neither renewed nor waited for any more.
pub(crate) fn retire(role: Role, name: &IdentityName, observation: &Observation) -> Plan {
    let is_retired = observation.identities(role).get(name).is_some_and(ObservedIdentity::is_retired);
    let step = StateStep::Retire(role, name.clone());
    Plan { state: if is_retired { Vec::new() } else { vec![step] }, ..Plan::default() }
}
