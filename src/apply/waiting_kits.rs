//! What clients go on with while their kits wait.

use std::collections::BTreeMap;

use crate::model::{IdentityName, Role};
use crate::pki::Certificate;
use crate::store::{Observation, StateDirectory, observe_generation};

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
