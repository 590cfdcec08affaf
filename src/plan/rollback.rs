//! `rollback`: a former generation again.

use super::step::{Plan, StateStep};
use crate::message;
use crate::model::{ExitCode, Failure, IdentityName, Role};
use crate::store::Observation;

/// Which identity goes back, and to what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rollback {
    /// Daemon or client.
    pub role: Role,
    /// Whose.
    pub name: IdentityName,
    /// The generation that becomes current again.
    pub generation: u32,
}

impl Rollback {
    /// The change of the state.
    #[must_use]
    pub fn plan(&self) -> Plan {
        let Rollback { role, name, generation } = self.clone();
        Plan { state: vec![StateStep::Restore { role, name, generation }], ..Plan::default() }
    }
}

/// Plans a rollback: to the generation that was proven last, where the current one is not; else to
/// the one before the current.
///
/// # Errors
/// A name that nobody has, one that a daemon and a client share, a daemon that kitcert.yaml does not
/// list, and an identity that has nothing to go back to.
pub fn rollback(name: &IdentityName, observation: &Observation) -> Result<Rollback, Failure> {
    let failure = || Failure::new("going back to the former set of", name);
    let has_it = |role: &Role| observation.current(*role, name).is_some();
    let roles: Vec<Role> = [Role::Daemon, Role::Client].into_iter().filter(has_it).collect();
    let role = match roles.as_slice() {
        [role] => *role,
        [] => {
            return Err(failure()
                .expected(message!("a daemon or a client of {}", observation.path.display()))
                .found("another name")
                .hint("kitcert status")
                .exit(ExitCode::Usage));
        }
        _ => return Err(failure().expected("one identity of that name").found("a daemon and a client")),
    };
    if role == Role::Daemon && !observation.inventory.daemons.contains_key(name) {
        return Err(failure()
            .expected(message!("a daemon that {}/kitcert.yaml describes", observation.path.display()))
            .found("one that it does not list"));
    }
    let identity = observation.identities(role).get(name);
    let current = observation.current(role, name).map(|current| current.number);
    let proven = identity.and_then(|identity| identity.proven).filter(|proven| Some(*proven) != current);
    let earlier = identity.and_then(|identity| {
        identity.generations.iter().rev().copied().find(|number| Some(*number) < current)
    });
    match proven.or(earlier) {
        Some(generation) => Ok(Rollback { role, name: name.clone(), generation }),
        None => Err(failure()
            .expected("an earlier generation")
            .found("none")
            .hint(message!("kitcert rotate --force {}   # a new set in place of the current one", name))),
    }
}
