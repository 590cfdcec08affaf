//! What a rotation looks at besides the state itself.

use std::collections::{BTreeMap, BTreeSet};

use crate::apply::authorities::read_key;
use crate::apply::install::Copies;
use crate::apply::invocation::Invocation;
use crate::apply::rollout::placed;
use crate::apply::waiting_kits::used_meanwhile;
use crate::layout::state_paths::identity_folder;
use crate::message;
use crate::model::{Failure, IdentityName, Message, Role, Timestamp};
use crate::plan::{Issuance, KeySource, PlacedState, Plan, StateStep};
use crate::store::{Observation, StateDirectory, exists};

/// The clients whose kits wait, and whom no previous certificate lets in any more.
pub(super) fn lapsed(
    directory: &StateDirectory,
    observation: &Observation,
    now: Timestamp,
) -> BTreeSet<IdentityName> {
    let over = used_meanwhile(directory, observation).into_iter();
    over.filter(|(_, leaf)| leaf.validity().not_after < now).map(|(name, _)| name).collect()
}

/// How what is installed compares with what should be.
#[derive(Default)]
pub(super) struct Installed {
    /// The identities whose installed copies are not their current set.
    pub outdated: BTreeSet<(Role, IdentityName)>,
    /// The clients of which some copies cannot be replaced, and why.
    pub stuck: BTreeMap<IdentityName, Message>,
}

/// Looks at everything that is installed.
pub(super) fn installed(invocation: &Invocation<'_>, observation: &Observation) -> Installed {
    let mut installed = Installed::default();
    for (name, entry) in &observation.inventory.daemons {
        // What stands in the way there is told when it is put in place.
        let is_outdated = match placed(invocation, observation, name, entry) {
            Ok(Some(placed)) => placed.observed.state == PlacedState::Outdated,
            Ok(None) => false,
            Err(_) => true,
        };
        if is_outdated && observation.current(Role::Daemon, name).is_some() {
            installed.outdated.insert((Role::Daemon, name.clone()));
        }
    }
    for (role, names) in [
        (Role::Daemon, observation.inventory.daemons.keys().collect::<Vec<_>>()),
        (Role::Client, observation.inventory.clients.keys().collect()),
    ] {
        for name in names {
            let copies = Copies::of(invocation, observation, role, name);
            if copies.are_outdated().unwrap_or(true) {
                installed.outdated.insert((role, name.clone()));
            }
            if let Some(why) = copies.obstacle().filter(|_| role == Role::Client) {
                installed.stuck.insert(name.clone(), why);
            }
        }
    }
    installed
}

/// The identities whose keys a plan would keep and that cannot be read: each gets a new key, or none of this.
pub(super) fn unreadable_keys(
    invocation: &Invocation<'_>,
    plan: &Plan,
) -> BTreeMap<(Role, IdentityName), Failure> {
    let kept = plan.state.iter().filter_map(|step| match step {
        StateStep::Issue(Issuance { role, name, key: KeySource::Kept { generation }, .. }) => {
            Some((*role, name, *generation))
        }
        StateStep::Rebundle { role, name, from, .. } => Some((*role, name, *from)),
        _ => None,
    });
    let unreadable = kept.filter_map(|(role, name, generation)| {
        let key = identity_folder(role, name).join(generation.to_string()).join("key.pem");
        // That of a client may be elsewhere.
        if role == Role::Client && !exists(&invocation.state.join(&key)) {
            return None;
        }
        let failure = read_key(&invocation.state, &key).err()?;
        let hint = message!("{kitcert} rotate --force --new-key {}/{}", role, name);
        Some(((role, name.clone()), failure.hint(hint)))
    });
    unreadable.collect()
}
