//! `ca`, `confirm` and `retire`, done: what a person decides or knows is noted. What follows from it is
//! for the next rotation.

use super::change::{Done, change_existing};
use super::invocation::Invocation;
use crate::model::{AuthorityId, Failure, IdentityName, Role};
use crate::plan::{self, Confirmation};
use crate::store::Interest;

/// The rollover does not wait for those clients.
///
/// # Errors
/// What [`plan::skip`] refuses, no state, a state that is busy.
pub(crate) fn skip(invocation: &Invocation<'_>, names: &[IdentityName]) -> Result<Done, Failure> {
    change_existing(invocation, &Interest::InUse, &|observation| {
        plan::skip(names, observation, invocation.environment.now())
    })
}

/// The rollover does not wait for unknown holders of a CA.
///
/// # Errors
/// What [`plan::finish`] refuses, no state, a state that is busy.
pub(crate) fn finish(invocation: &Invocation<'_>, id: &AuthorityId) -> Result<Done, Failure> {
    change_existing(invocation, &Interest::Inventory, &|observation| plan::finish(id, observation))
}

/// The keys of CAs that nothing trusts any more are removed.
///
/// # Errors
/// What [`plan::delete_former_keys`] refuses, no state, a state that is busy.
pub(crate) fn delete_former_keys(invocation: &Invocation<'_>) -> Result<Done, Failure> {
    change_existing(invocation, &Interest::Inventory, &plan::delete_former_keys)
}

/// A client has its certificate.
///
/// # Errors
/// What [`plan::confirm`] refuses, no state, a state that is busy.
pub fn confirm(invocation: &Invocation<'_>, confirmation: &Confirmation) -> Result<Done, Failure> {
    change_existing(invocation, &Interest::InUse, &|observation| {
        plan::confirm(confirmation, observation, invocation.environment.now())
    })
}

/// An identity is neither renewed nor waited for any more.
///
/// # Errors
/// A name that nobody has, no state, a state that is busy.
pub(crate) fn retire(
    invocation: &Invocation<'_>,
    (role, name): (Option<Role>, &IdentityName),
) -> Result<Done, Failure> {
    let identities = [Role::Daemon, Role::Client].map(|role| (role, name.clone())).to_vec();
    change_existing(invocation, &Interest::Identities(identities), &|observation| {
        let role = plan::whose("retire", name, role, observation)?;
        Ok(plan::retire(role, name, observation))
    })
}
