//! `rollback`: an earlier certificate and key again; and the same choice after a rotation that failed.
//!
//! It is a new generation with today's bundle: a bundle that trusts more would let those in again whom
//! something has shut out since. Only where every CA of the earlier bundle is still meant to be trusted
//! does that bundle come back too.

use super::exclusions::{is_key_revoked, same_authorities};
use super::fault::fault_of;
use super::issuance::next_generation;
use super::revoke::refuse_revoked;
use super::rotate::follow_up;
use super::steps::{AuthorityChoice, Plan, StateStep};
use super::summary::StepSummary;
use crate::layout::Inventory;
use crate::message;
use crate::model::{AuthorityId, ExitCode, Failure, Generation, IdentityName, Message, Role, Timestamp};
use crate::pki::{Certificate, TrustBundle};
use crate::store::{KeyPresence, Observation, ObservedAuthority, ObservedGeneration};

/// Which identity goes back, and to what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rollback {
    /// Daemon or client.
    pub role: Role,
    /// The name of the daemon or client that goes back.
    pub name: IdentityName,
    /// The generation whose certificate and key come back.
    pub from: Generation,
    /// Its certificate, leaf first.
    pub chain: Vec<Certificate>,
    /// The number of the new generation.
    pub generation: Generation,
    /// The CAs that it trusts.
    pub trust: Vec<AuthorityChoice>,
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
        let Rollback { role, name, from, chain, generation, trust } = self.clone();
        let step = StateStep::Rebundle { role, name, from, chain, generation, trust };
        Plan { state: vec![step], ..Plan::default() }
    }
}

impl Rollback {
    /// What a person is told of it, a row a step.
    #[must_use]
    pub(crate) fn summary(&self, inventory: &Inventory) -> Vec<StepSummary> {
        let trust = Message::join(&self.trust, " and ");
        let first = StepSummary {
            step: "put back",
            subject: message!("{} {}", self.role, self.name),
            detail: message!(
                "the certificate and key of {}, as {}, with today's trust in {}",
                self.from,
                self.generation,
                trust
            ),
        };
        std::iter::once(first).chain(follow_up(inventory, self.role, &self.name, false)).collect()
    }
}

/// Plans a rollback: of a daemon to the generation that worked last, of a client to the newest one
/// before the current; in both cases one that is valid now.
///
/// # Errors
/// A name that nobody has, a daemon that kitcert.yaml does not list, and an identity that has nothing to
/// go back to: why not, for each generation.
pub(crate) fn rollback(
    (role, name): (Role, &IdentityName),
    observation: &Observation,
    earlier: &[EarlierGeneration],
    now: Timestamp,
) -> Result<Rollback, Failure> {
    let failure = || Failure::new("going back to an earlier generation of", message!("{} {}", role, name));
    if let Some(fault) = fault_of(role, name, observation) {
        return Err(fault);
    }
    if observation.current(role, name).is_none() {
        return Err(failure().expected("a certificate").found("none").hint("{kitcert} status"));
    }
    if role == Role::Daemon && !observation.inventory.daemons.contains_key(name) {
        return Err(failure()
            .expected(message!("a daemon that {}/kitcert.yaml describes", observation.path.display()))
            .found("one that it does not list"));
    }
    choose(role, name, observation, (earlier, Choice::Persons), now).map_err(|objections| {
        failure()
            .expected(match role {
                Role::Daemon => "one that was verified once, is valid now and names today's hosts",
                Role::Client => "one that is valid now",
            })
            .found(match objections.is_empty() {
                true => message!("none"),
                false => Message::join(&objections, "; "),
            })
            .hint(message!("{kitcert} rotate --force {}   # new credentials in place of the current", name))
    })
}

/// Who has that name: a daemon or a client. `command` is what is to be done with it.
///
/// # Errors
/// Nobody, and both where it is not said which.
pub(crate) fn whose(
    command: &'static str,
    name: &IdentityName,
    role: Option<Role>,
    observation: &Observation,
) -> Result<Role, Failure> {
    let failure = || Failure::new("finding", name);
    let listed = &observation.inventory;
    let is_there = |one: Role| {
        let identity = observation.identities(one).get(name);
        identity.is_some_and(|identity| identity.current.is_some() || identity.fault.is_some())
    };
    let has_it = |one: &Role| is_there(*one) && role.is_none_or(|role| role == *one);
    let roles: Vec<Role> = [Role::Daemon, Role::Client].into_iter().filter(has_it).collect();
    match roles.as_slice() {
        [role] => Ok(*role),
        [] => Err(failure()
            .expected(message!("a daemon or a client of {}", observation.path.display()))
            .found(message!(
                "another name{}",
                name.did_you_mean(listed.daemons.keys().chain(listed.clients.keys()))
            ))
            .hint("{kitcert} status")
            .exit(ExitCode::Usage)),
        _ => Err(failure()
            .expected("one identity of that name")
            .found("a daemon and a client")
            .hint(message!("{kitcert} {} daemon/{}   # or client/{}", command, name, name))
            .exit(ExitCode::Usage)),
    }
}

/// That to which a daemon goes back by itself after its current generation failed. None if there is
/// nothing, and if the current generation has worked itself: then it is not the cause.
#[must_use]
pub(crate) fn fallback(
    name: &IdentityName,
    observation: &Observation,
    earlier: &[EarlierGeneration],
    now: Timestamp,
) -> Option<Rollback> {
    let daemon = observation.daemons.get(name).filter(|daemon| !daemon.has_worked())?;
    daemon.current.as_ref()?;
    choose(Role::Daemon, name, observation, (earlier, Choice::Automatic), now).ok()
}

/// Who goes back.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Choice {
    /// A person, who may wait.
    Persons,
    /// A rotation that failed: a daemon with a key that is revoked serves its clients no worse than before, and one
    /// that is down serves nobody.
    Automatic,
}

/// The best of the earlier generations with a key that may be used, or what stands against each.
fn choose(
    role: Role,
    name: &IdentityName,
    observation: &Observation,
    (earlier, choice): (&[EarlierGeneration], Choice),
    now: Timestamp,
) -> Result<Rollback, Vec<Message>> {
    let identity = observation.identities(role).get(name);
    let working: Vec<Generation> = identity.map(|one| one.history.working().collect()).unwrap_or_default();
    let mut candidates: Vec<&EarlierGeneration> = earlier.iter().collect();
    // What worked last comes first; of the others, the newest.
    let place = |number: Generation| working.iter().position(|one| *one == number).unwrap_or(working.len());
    candidates.sort_by_key(|one| (place(one.number), std::cmp::Reverse(one.number)));
    let current = observation.current(role, name);
    if role == Role::Client {
        // Before the first generation that had what is current: who goes back twice goes further back.
        let has_current = |one: &&EarlierGeneration| {
            one.files.as_ref().zip(current).is_some_and(|(files, current)| files.leaf() == current.leaf())
        };
        let first = earlier.iter().filter(has_current).map(|one| one.number);
        let first = first.chain(current.map(|current| current.number)).min();
        candidates.retain(|one| first.is_none_or(|first| one.number < first));
    }
    let mut objections = Vec::new();
    for candidate in candidates {
        let mut against = objections_to(role, name, observation, candidate, now);
        let key = candidate.files.as_ref().map(|files| files.leaf().public_key().fingerprint());
        let is_revoked = key.is_some_and(|key| is_key_revoked(&key, observation));
        if (role, choice) == (Role::Daemon, Choice::Persons) && is_revoked {
            against.push(message!("has a key that is revoked"));
        }
        let is_current = |files: &ObservedGeneration, current: &ObservedGeneration| {
            let trust = bundle(observation, &files.trust, &current.trust);
            files.leaf() == current.leaf()
                && files.trust.certificates() != current.trust.certificates()
                && trust == same_authorities(observation, &current.trust)
        };
        if candidate.files.as_ref().zip(current).is_some_and(|(files, current)| is_current(files, current)) {
            against.push(message!("is what is current, with today's bundle"));
        }
        match (&candidate.files, current) {
            (Some(files), Some(current)) if against.is_empty() => {
                return Ok(Rollback {
                    role,
                    name: name.clone(),
                    from: candidate.number,
                    chain: files.chain.clone(),
                    generation: next_generation(observation, role, name),
                    trust: bundle(observation, &files.trust, &current.trust),
                });
            }
            _ => objections.push(message!("{} {}", candidate.number, Message::join(&against, ", "))),
        }
    }
    Err(objections)
}

/// The earlier bundle, if nobody is trusted by it who is not meant to be; else today's.
fn bundle(observation: &Observation, earlier: &TrustBundle, today: &TrustBundle) -> Vec<AuthorityChoice> {
    let is_meant = |anchor: &Certificate| {
        let rollover = observation.rollover.as_ref().filter(|rollover| !rollover.is_emergency());
        let active = observation.active_authority();
        let of_rollover =
            |id: &AuthorityId| rollover.is_some_and(|one| one.to == *id || one.from.contains(id));
        today.trusts(anchor)
            || observation.authorities.iter().any(|one| {
                one.certificate.is_of_same_authority(anchor)
                    && one.record.compromised.is_none()
                    && (of_rollover(&one.id) || active.is_some_and(|active| active.id == one.id))
            })
    };
    let keeps = |one: &ObservedAuthority| {
        !one.record.clients_only || !today.trusts(&one.certificate) || earlier.trusts(&one.certificate)
    };
    let is_safe = !earlier.certificates().is_empty()
        && earlier.certificates().iter().all(is_meant)
        && observation.authorities.iter().all(keeps);
    same_authorities(observation, if is_safe { earlier } else { today })
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
    let key = files.leaf().public_key().fingerprint();
    if role == Role::Client
        && refuse_revoked("going back with client", name, Some(&key), observation).is_err()
    {
        objections.push(message!("is revoked"));
    }
    let issuer = observation.issuer_of(files.leaf());
    if issuer.is_none_or(|issuer| !issuer.record.is_usable()) {
        objections.push(message!("is of a CA that nothing trusts any more"));
    }
    if role == Role::Daemon {
        if files.key == KeyPresence::Absent {
            objections.push(message!("has no key"));
        }
        let names = files.leaf().usable_names();
        let entry = observation.inventory.daemons.get(name);
        let missing = entry.and_then(|entry| entry.hosts.iter().find(|host| !names.contains(host)));
        objections.extend(missing.map(|host| message!("does not name {}", host)));
    }
    objections
}
