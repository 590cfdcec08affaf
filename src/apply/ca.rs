//! `ca`, `confirm` and `retire`, done: what a person decides or knows is noted. What follows from it is
//! for the next rotation.

use super::context::Context;
use super::state_change::{Done, change_existing};
use crate::model::{AuthorityId, Failure, IdentityName, Role};
use crate::plan::{self, Confirmation};
use crate::store::Interest;

/// The rollover does not wait for those clients.
///
/// # Errors
/// What [`plan::skip`] refuses, no state, a state that is busy.
pub(crate) fn skip(context: &Context<'_>, names: &[IdentityName]) -> Result<Done, Failure> {
    change_existing(context, &Interest::InUse, &|observation| {
        plan::skip(names, observation, context.environment.now())
    })
}

/// The rollover does not wait for unknown holders of a CA.
///
/// # Errors
/// What [`plan::finish`] refuses, no state, a state that is busy.
pub(crate) fn finish(context: &Context<'_>, id: &AuthorityId) -> Result<Done, Failure> {
    change_existing(context, &Interest::Inventory, &|observation| plan::finish(id, observation))
}

/// The keys of CAs that nothing trusts any more are removed.
///
/// # Errors
/// What [`plan::delete_former_keys`] refuses, no state, a state that is busy.
pub(crate) fn delete_former_keys(context: &Context<'_>) -> Result<Done, Failure> {
    change_existing(context, &Interest::Inventory, &plan::delete_former_keys)
}

/// A client has its certificate.
///
/// # Errors
/// What [`plan::confirm`] refuses, no state, a state that is busy.
pub fn confirm(context: &Context<'_>, confirmation: &Confirmation) -> Result<Done, Failure> {
    change_existing(context, &Interest::InUse, &|observation| {
        plan::confirm(confirmation, observation, context.environment.now())
    })
}

/// An identity is neither renewed nor waited for any more.
///
/// # Errors
/// A name that nobody has, no state, a state that is busy.
pub(crate) fn retire(
    context: &Context<'_>,
    (role, name): (Option<Role>, &IdentityName),
) -> Result<Done, Failure> {
    let identities = [Role::Daemon, Role::Client].map(|role| (role, name.clone())).to_vec();
    change_existing(context, &Interest::Identities(identities), &|observation| {
        let role = plan::whose(name, role, observation)?;
        Ok(plan::retire(role, name, observation))
    })
}
