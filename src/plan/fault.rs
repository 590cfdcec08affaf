//! Identities of which something cannot be read: what a person is told, and the way out.

use crate::message;
use crate::model::{Failure, IdentityName, Role};
use crate::store::{Observation, ObservedIdentity};

/// Why something of an identity cannot be read, with a command that fixes it; None where all of it can,
/// and of one that is retired: nothing of that is needed any more.
pub(crate) fn fault_of(role: Role, name: &IdentityName, observation: &Observation) -> Option<Failure> {
    let identity = observation.identities(role).get(name).filter(|identity| !identity.is_retired())?;
    let is_listed = match role {
        Role::Daemon => observation.inventory.daemons.contains_key(name),
        Role::Client => observation.inventory.clients.contains_key(name),
    };
    let hint = match is_listed {
        true => message!(
            "{kitcert} issue {} {}   # or, if nobody needs it: {kitcert} retire {}/{}",
            role,
            name,
            role,
            name
        ),
        false => message!("{kitcert} retire {}/{}   # or restore it from a backup", role, name),
    };
    // Whose folder others may write in is whole, and the fault names what closes it.
    let is_remedied = |fault: &Failure| *fault.doing() == "trusting" && fault.remedy().is_some();
    identity.fault.clone().map(|fault| if is_remedied(&fault) { fault } else { fault.hint(hint) })
}

/// Whether something of an identity cannot be read that somebody may still need.
pub(super) fn is_faulty(identity: &ObservedIdentity) -> bool {
    identity.fault.is_some() && !identity.is_retired()
}
