//! `status`: what a person does next.

use super::access::{in_question, pending};
use super::identity_state::IdentityState;
use super::status::StatusRow;
use crate::layout::Renewal;
use crate::model::{AuthorityId, IdentityName, Role, Timestamp};
use crate::store::{KeyPresence, Observation};

/// What fixes the state of the identities that need attention.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NextStep {
    /// What a rotation does by itself.
    Rotate,
    /// A new certificate for a client whose key is elsewhere, and whose renewal kitcert.yaml leaves
    /// to a person.
    IssueClient(IdentityName),
    /// Another key for a client whose key is revoked.
    NewKey(IdentityName),
    /// Another key for a daemon whose key is revoked.
    NewKeyOfDaemon(IdentityName),
    /// A person's word of whoever is revoked, which nothing here can try.
    Seen(IdentityName),
    /// The verification of one daemon.
    Verify(IdentityName),
    /// The verification of several.
    VerifyAll,
    /// A kit that waits for its client.
    HandOver(IdentityName),
    /// The end of an identity that kitcert.yaml does not list any more.
    Retire(Role, IdentityName),
    /// Another CA, since the one that is in use cannot sign, or lets somebody in whom no name stops.
    RollOver,
    /// The end of what holds the move to it.
    Finish(AuthorityId),
}

/// What to do next: what a rotation does by itself comes before what a person has to do.
#[must_use]
pub(crate) fn next_step(rows: &[StatusRow], observation: &Observation, now: Timestamp) -> Option<NextStep> {
    let cures: Vec<_> = rows
        .iter()
        .filter(|row| row.accepted.is_none())
        .filter_map(|row| cure(row, observation, now).map(|(cure, name)| (cure, name, row)))
        .collect();
    let (cure, name, row) = cures.iter().max_by_key(|(cure, _, row)| (*cure == Cure::Rotate, row.state))?;
    let alike = cures.iter().filter(|(other, ..)| other == cure).count();
    Some(match cure {
        Cure::Rotate => NextStep::Rotate,
        Cure::IssueClient => NextStep::IssueClient(name.clone()),
        Cure::NewKey if row.identity.as_ref()?.0 == Role::Daemon => NextStep::NewKeyOfDaemon(name.clone()),
        Cure::NewKey => NextStep::NewKey(name.clone()),
        Cure::Seen => NextStep::Seen(name.clone()),
        Cure::Verify if alike > 1 => NextStep::VerifyAll,
        Cure::Verify => NextStep::Verify(name.clone()),
        Cure::HandOver => NextStep::HandOver(name.clone()),
        Cure::Retire => NextStep::Retire(row.identity.as_ref()?.0, name.clone()),
        Cure::RollOver => match observation.rollover.as_ref().and_then(|rollover| rollover.from.first()) {
            Some(from) => NextStep::Finish(from.clone()),
            None => NextStep::RollOver,
        },
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Cure {
    Rotate,
    IssueClient,
    NewKey,
    Seen,
    Verify,
    HandOver,
    Retire,
    RollOver,
}

fn cure(row: &StatusRow, observation: &Observation, now: Timestamp) -> Option<(Cure, IdentityName)> {
    let (role, name) = row.identity.as_ref()?;
    let inventory = &observation.inventory;
    let daemon = inventory.daemons.get(name).filter(|_| *role == Role::Daemon);
    let client = inventory.clients.get(name).filter(|_| *role == Role::Client);
    let cure = match row.state {
        IdentityState::Expired
        | IdentityState::Due
        | IdentityState::NotIssued
        | IdentityState::HostsChanged => {
            let current = observation.current(Role::Client, name);
            let is_elsewhere = current.is_some_and(|current| current.key == KeyPresence::Absent);
            match (daemon, client) {
                (None, Some(client)) if is_elsewhere && client.renew == Renewal::Manual => Cure::IssueClient,
                // What is not listed is never renewed.
                (None, None) => return None,
                _ if !can_sign(observation) => Cure::RollOver,
                _ => Cure::Rotate,
            }
        }
        IdentityState::KeyRevoked => Cure::NewKey,
        IdentityState::RefusalNotTried => return Some((Cure::Seen, not_seen(observation, name, now)?)),
        // Nobody knows where a daemon is that is not listed.
        IdentityState::NotVerified if daemon?.restart.is_empty() => Cure::Verify,
        IdentityState::LetsInRevoked if !pending(observation, now).contains_key(name) => Cure::RollOver,
        IdentityState::NotVerified | IdentityState::LetsInRevoked => Cure::Rotate,
        IdentityState::KitWaiting | IdentityState::KitEnding | IdentityState::KitOverdue => Cure::HandOver,
        IdentityState::NotRenewable if observation.rollover.is_none() => Cure::RollOver,
        IdentityState::NotRenewable => Cure::Rotate,
        IdentityState::NotListed => Cure::Retire,
        IdentityState::Ok
        | IdentityState::Retired
        | IdentityState::Revoked
        | IdentityState::KeyExposed
        | IdentityState::NotYetValid
        | IdentityState::Unreadable => return None,
    };
    Some((cure, name.clone()))
}

/// The client of whom nobody has seen whether a daemon refuses him.
fn not_seen(observation: &Observation, daemon: &IdentityName, now: Timestamp) -> Option<IdentityName> {
    in_question(observation, daemon, now).into_iter().find_map(|one| one.client.clone())
}

/// Whether a rotation has a CA whose key is here; in a rollover it is the rotation that knows.
fn can_sign(observation: &Observation) -> bool {
    let mut usable = observation.authorities.iter().filter(|authority| authority.record.is_usable());
    observation.rollover.is_some() || usable.any(|authority| authority.key == KeyPresence::Present)
}
