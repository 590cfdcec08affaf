//! `ca`: what a person decides about a rollover beside its beginning and its end, and about the keys of
//! previous CAs.

use super::holders::holders;
use super::steps::{Plan, StateStep};
use crate::message;
use crate::model::{AuthorityId, ExitCode, Failure, IdentityName, Message, Timestamp};
use crate::store::{KeyPresence, Observation, RolloverRecord};

/// Plans `ca rollover skip`: the rollover does not wait for those clients. They are locked out until they
/// have their new certificates.
///
/// # Errors
/// No rollover under way, and a name that no client has.
pub(crate) fn skip(
    names: &[IdentityName],
    observation: &Observation,
    now: Timestamp,
) -> Result<Plan, Failure> {
    let record = under_way(observation)?;
    let holders = holders(observation, now);
    let is_client = |name: &IdentityName| {
        observation.clients.contains_key(name)
            || observation.inventory.clients.contains_key(name)
            || holders.iter().any(|holder| holder.client == *name)
    };
    if let Some(name) = names.iter().find(|name| !is_client(name)) {
        return Err(Failure::new("skipping client", name)
            .expected("a client of this state")
            .found(message!("another name{}", name.did_you_mean(observation.inventory.clients.keys())))
            .hint("{kitcert} status")
            .exit(ExitCode::Usage));
    }
    let mut changed = record.clone();
    changed.skipped.extend(names.iter().cloned());
    Ok(change(record, changed))
}

/// Plans `ca rollover finish`: the rollover does not wait for those who may have certificates of a CA
/// that nobody here knows of, and for no proof that they are refused. A CA that daemons trust for the sake
/// of earlier clients alone is trusted no more, with a rollover or without.
///
/// # Errors
/// No rollover under way, and a CA that it does not move away from.
pub(crate) fn finish(id: &AuthorityId, observation: &Observation) -> Result<Plan, Failure> {
    let known = observation.authority_like(id);
    let id = known.map_or(id, |authority| &authority.id);
    if let Some(known) = known.filter(|known| known.record.clients_only) {
        let is_trusted = known.record.retired.is_none();
        let state = is_trusted.then(|| StateStep::DropAuthority(id.clone())).into_iter().collect();
        return Ok(Plan { state, ..Plan::default() });
    }
    let record = under_way(observation)?;
    if !record.from.contains(id) {
        return Err(Failure::new("finishing the rollover from", message!("CA {}", id))
            .expected(Message::join(&record.from, " or "))
            .found("another CA")
            .hint("{kitcert} status")
            .exit(ExitCode::Usage));
    }
    let mut changed = record.clone();
    changed.finished.insert(id.clone());
    Ok(change(record, changed))
}

/// Plans `ca delete-former-keys`: the keys of CAs that nothing trusts any more.
///
/// # Errors
/// A rollover that is under way: they are needed to go back.
pub(crate) fn delete_former_keys(observation: &Observation) -> Result<Plan, Failure> {
    if observation.rollover.is_some() {
        return Err(Failure::new("deleting", "the keys of previous CAs")
            .expected("no rollover in progress: it needs them to go back")
            .found("one")
            .hint("{kitcert} rotate   # until nothing is left to do"));
    }
    let previous = observation.authorities.iter().filter(|one| {
        one.record.retired.is_some() && (one.key == KeyPresence::Present || one.key_fault.is_some())
    });
    let state = previous.map(|one| StateStep::DestroyKey(one.id.clone())).collect();
    Ok(Plan { state, ..Plan::default() })
}

fn under_way(observation: &Observation) -> Result<&RolloverRecord, Failure> {
    observation.rollover.as_ref().ok_or_else(|| {
        Failure::new("deciding about the rollover of", observation.path.display())
            .expected("a rollover in progress")
            .found("none")
            .hint("{kitcert} status")
    })
}

fn change(before: &RolloverRecord, after: RolloverRecord) -> Plan {
    let state = if *before == after { Vec::new() } else { vec![StateStep::ChangeRollover(after)] };
    Plan { state, ..Plan::default() }
}
