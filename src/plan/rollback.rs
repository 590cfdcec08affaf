//! `rollback`: an earlier generation again; and the same choice after a rotation that failed.

use super::rollover::trusts_former_authority;
use super::steps::{Plan, StateStep};
use crate::message;
use crate::model::{ExitCode, Failure, Generation, IdentityName, Message, Role, Timestamp};
use crate::store::{KeyPresence, Observation, ObservedGeneration};

/// Which identity goes back, and to what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rollback {
    /// Daemon or client.
    pub role: Role,
    /// Whose.
    pub name: IdentityName,
    /// The generation that becomes current again.
    pub generation: Generation,
}

/// A generation that is not current.
#[derive(Clone, Debug)]
pub(crate) struct EarlierGeneration {
    /// Its number.
    pub number: Generation,
    /// Its files; None if they cannot be read.
    pub files: Option<ObservedGeneration>,
}

impl Rollback {
    /// The change of the state.
    #[must_use]
    pub(crate) fn plan(&self) -> Plan {
        let Rollback { role, name, generation } = self.clone();
        Plan { state: vec![StateStep::Restore { role, name, generation }], ..Plan::default() }
    }
}

/// Plans a rollback: of a daemon to the generation that worked last, of a client to the newest one
/// before the current; in both cases one that is valid now.
///
/// # Errors
/// A name that nobody has, one that a daemon and a client share, a daemon that kitcert.yaml does not
/// list, and an identity that has nothing to go back to: why not, for each generation.
pub(crate) fn rollback(
    name: &IdentityName,
    observation: &Observation,
    earlier: &[EarlierGeneration],
    now: Timestamp,
) -> Result<Rollback, Failure> {
    let failure = || Failure::new("going back to an earlier generation of", name);
    let has_it = |role: &Role| observation.current(*role, name).is_some();
    let roles: Vec<Role> = [Role::Daemon, Role::Client].into_iter().filter(has_it).collect();
    let role = match roles.as_slice() {
        [role] => *role,
        [] => {
            return Err(failure()
                .expected(message!("a daemon or a client of {}", observation.path.display()))
                .found("another name")
                .hint("{kitcert} status")
                .exit(ExitCode::Usage));
        }
        _ => return Err(failure().expected("one identity of that name").found("a daemon and a client")),
    };
    if role == Role::Daemon && !observation.inventory.daemons.contains_key(name) {
        return Err(failure()
            .expected(message!("a daemon that {}/kitcert.yaml describes", observation.path.display()))
            .found("one that it does not list"));
    }
    match choose(role, name, observation, earlier, now) {
        Ok(generation) => Ok(Rollback { role, name: name.clone(), generation }),
        Err(objections) => Err(failure()
            .expected(match role {
                Role::Daemon => "one that was verified once, is valid now and names today's hosts",
                Role::Client => "one that is valid now",
            })
            .found(match objections.is_empty() {
                true => message!("none"),
                false => Message::join(&objections, "; "),
            })
            .hint(message!("{kitcert} rotate --force {}   # new credentials in place of the current", name))),
    }
}

/// The generation to which a daemon goes back by itself after its current one failed. None if there is
/// none, and if the current generation has worked itself: then it is not the cause.
#[must_use]
pub(crate) fn fallback(
    name: &IdentityName,
    observation: &Observation,
    earlier: &[EarlierGeneration],
    now: Timestamp,
) -> Option<Generation> {
    let daemon = observation.daemons.get(name).filter(|daemon| !daemon.has_worked())?;
    daemon.current.as_ref()?;
    choose(Role::Daemon, name, observation, earlier, now).ok()
}

/// The best of the earlier generations, or what stands against each.
fn choose(
    role: Role,
    name: &IdentityName,
    observation: &Observation,
    earlier: &[EarlierGeneration],
    now: Timestamp,
) -> Result<Generation, Vec<Message>> {
    let identity = observation.identities(role).get(name);
    let working: Vec<Generation> = identity.map(|one| one.history.working().collect()).unwrap_or_default();
    let mut candidates: Vec<&EarlierGeneration> = earlier.iter().collect();
    // What worked last comes first; of the others, the newest.
    let place = |number: Generation| working.iter().position(|one| *one == number).unwrap_or(working.len());
    candidates.sort_by_key(|one| (place(one.number), std::cmp::Reverse(one.number)));
    let current = observation.current(role, name).map(|current| current.number);
    if role == Role::Client {
        candidates.retain(|one| Some(one.number) < current);
    }
    let mut objections = Vec::new();
    for candidate in candidates {
        let against = objections_to(role, name, observation, candidate, now);
        if against.is_empty() {
            return Ok(candidate.number);
        }
        objections.push(message!("{} {}", candidate.number, Message::join(&against, ", ")));
    }
    Err(objections)
}

fn objections_to(
    role: Role,
    name: &IdentityName,
    observation: &Observation,
    candidate: &EarlierGeneration,
    now: Timestamp,
) -> Vec<Message> {
    let Some(files) = &candidate.files else { return vec![message!("cannot be read")] };
    let mut objections = Vec::new();
    let history = observation.identities(role).get(name).map(|identity| &identity.history);
    if role == Role::Daemon && !history.is_some_and(|history| history.has_worked(candidate.number)) {
        let was_cause = history.is_some_and(|history| history.refuted.contains(&candidate.number));
        let why = if was_cause { "was the cause of a failure" } else { "was never verified" };
        objections.push(message!("{}", why));
    }
    let validity = files.leaf().validity();
    if !validity.contains(now) {
        objections.push(message!("is valid from {} until {}", validity.not_before, validity.not_after));
    }
    if role == Role::Daemon {
        if files.key == KeyPresence::Absent {
            objections.push(message!("has no key"));
        }
        let names = files.leaf().usable_names();
        let entry = observation.inventory.daemons.get(name);
        let missing = entry.and_then(|entry| entry.hosts.iter().find(|host| !names.contains(host)));
        objections.extend(missing.map(|host| message!("does not name {}", host)));
        if trusts_former_authority(observation, files) {
            objections.push(message!("lets clients of a previous CA in"));
        }
    }
    objections
}
