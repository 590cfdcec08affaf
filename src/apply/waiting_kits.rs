//! What clients go on with: while their kits wait, and for daemons that their newest kit is not for.

use std::collections::BTreeMap;

use crate::model::{Fingerprint, IdentityName, Role};
use crate::pki::Certificate;
use crate::plan;
use crate::store::{Observation, ObservedIdentity, StateDirectory, observe_generation};

/// The certificates that clients use whose kits wait: of those that they had before, the one that ends
/// last. A generation that is damaged says nothing; it is told where it is needed.
pub(super) fn used_meanwhile(
    directory: &StateDirectory,
    observation: &Observation,
) -> BTreeMap<IdentityName, Certificate> {
    let in_use = |name: &IdentityName| {
        let client = observation.clients.get(name)?;
        let current = client.current.as_ref().map(|current| current.number);
        let others = client.generations.iter().copied().filter(|number| Some(*number) != current);
        let leaves = others.filter_map(|number| {
            Some(observe_generation(directory, Role::Client, name, number).ok()?.leaf().clone())
        });
        Some((name.clone(), leaves.max_by_key(|leaf| leaf.validity().not_after)?))
    };
    observation.waiting_kits.iter().filter_map(in_use).collect()
}

/// What clients of several daemons have for keys other than their current one: for each such key that nobody has
/// replaced or revoked, the certificate that ends last.
pub(super) fn of_other_keys(
    directory: &StateDirectory,
    observation: &Observation,
) -> BTreeMap<IdentityName, Vec<Certificate>> {
    let several = observation.clients.iter().filter(|(name, _)| plan::may_use_several(observation, name));
    let of_client = |(name, client): (&IdentityName, &ObservedIdentity)| {
        let own = client.current.as_ref()?.leaf().public_key().fingerprint();
        let counts = |key: &Fingerprint| {
            let is_replaced = client.record.keys.get(key).is_some_and(|one| one.replaced.is_some());
            *key != own && !is_replaced && !plan::is_key_revoked(key, observation)
        };
        let mut of_keys: BTreeMap<Fingerprint, Certificate> = BTreeMap::new();
        for number in &client.generations {
            let Ok(read) = observe_generation(directory, Role::Client, name, *number) else { continue };
            let key = read.leaf().public_key().fingerprint();
            let is_later = |one: &Certificate| read.leaf().validity().not_after > one.validity().not_after;
            if counts(&key) && of_keys.get(&key).is_none_or(is_later) {
                of_keys.insert(key, read.leaf().clone());
            }
        }
        (!of_keys.is_empty()).then(|| (name.clone(), of_keys.into_values().collect()))
    };
    several.filter_map(of_client).collect()
}
