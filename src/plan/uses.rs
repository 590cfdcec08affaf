//! Which daemons a client uses, and by which hosts.

use std::collections::BTreeSet;

use crate::model::{IdentityName, SubjectAltName};
use crate::store::{Observation, ObservedGeneration, ObservedIdentity, Use};

/// The hosts by which a client with those uses dials a daemon; where none are known, all of its
/// certificate.
pub(super) fn hosts(
    uses: &BTreeSet<Use>,
    daemon: &IdentityName,
    served: &ObservedGeneration,
    observation: &Observation,
) -> Vec<SubjectAltName> {
    if uses.is_empty() {
        return served.leaf().usable_names();
    }
    // What kitcert.yaml does not list may have another name there now: the client dials the same host.
    let is_renamed = |one: &Use| {
        !observation.inventory.daemons.contains_key(&one.daemon) && served.leaf().covers(&one.host)
    };
    let of_daemon = uses.iter().filter(|one| one.daemon == *daemon || is_renamed(one));
    of_daemon.map(|one| one.host.clone()).collect()
}

/// Whether a client with those uses dials a daemon.
pub(super) fn dials(
    uses: &BTreeSet<Use>,
    (name, daemon): (&IdentityName, &ObservedIdentity),
    observation: &Observation,
) -> bool {
    uses.is_empty()
        || uses.iter().any(|one| one.daemon == *name)
        || daemon.served().any(|served| !hosts(uses, name, served, observation).is_empty())
}
