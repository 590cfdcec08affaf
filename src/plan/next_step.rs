//! `status`: what a person does next.

use super::access::{in_question, may_let_in, pending, rollover_past, word};
use super::exclusions::is_as_meant;
use super::identity_state::IdentityState;
use super::status::StatusRow;
use crate::layout::Renewal;
use crate::model::{IdentityName, Message, Role, Timestamp};
use crate::store::{KeyPresence, Observation};

/// What fixes the state of the identities that need attention.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NextStep {
    /// What a rotation does by itself.
    Rotate,
    /// A restart of a daemon that nothing here restarts.
    Restart(IdentityName),
    /// The end of a daemon that kitcert.yaml does not list, and that lets a client in that is revoked; None for one
    /// whose name is not known.
    Stop(IdentityName, Option<IdentityName>),
    /// The renewal of a daemon that is retired, and lets somebody in who is revoked.
    RenewAgain(IdentityName),
    /// A new certificate for a client whose key is elsewhere, and whose renewal kitcert.yaml leaves
    /// to a person.
    IssueClient(IdentityName),
    /// Another key for a client whose key is revoked.
    NewKey(IdentityName),
    /// Another key for a daemon whose key is revoked.
    NewKeyOfDaemon(IdentityName),
    /// A person's word of whoever is revoked, or gets in again, which nothing here can try.
    Seen(Message),
    /// The verification of one daemon.
    Verify(IdentityName),
    /// The verification of several.
    VerifyAll,
    /// A kit that waits for its client.
    HandOver(IdentityName),
    /// The end of an identity that kitcert.yaml does not list any more.
    Retire(Role, IdentityName),
    /// Another CA, since the one that is in use cannot sign.
    RollOver,
    /// The end of what trusts a CA that lets somebody in whom no name stops.
    Past(Message),
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
        Cure::Restart => NextStep::Restart(name.clone()),
        Cure::Stop => {
            let identity = observation.daemons.get(name)?;
            let let_in = may_let_in(observation, (name, identity), now);
            NextStep::Stop(name.clone(), let_in.into_iter().find_map(|one| one.client.clone()))
        }
        Cure::RenewAgain => NextStep::RenewAgain(name.clone()),
        Cure::IssueClient => NextStep::IssueClient(name.clone()),
        Cure::NewKey if row.identity.as_ref()?.0 == Role::Daemon => NextStep::NewKeyOfDaemon(name.clone()),
        Cure::NewKey => NextStep::NewKey(name.clone()),
        Cure::Seen => NextStep::Seen(in_question(observation, name, now).into_iter().find_map(word)?),
        Cure::Verify if alike > 1 => NextStep::VerifyAll,
        Cure::Verify => NextStep::Verify(name.clone()),
        Cure::HandOver => NextStep::HandOver(name.clone()),
        Cure::Retire => NextStep::Retire(row.identity.as_ref()?.0, name.clone()),
        Cure::RollOver => NextStep::RollOver,
        Cure::Past => NextStep::Past(rollover_past(observation, now)),
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Cure {
    Rotate,
    Restart,
    Stop,
    RenewAgain,
    IssueClient,
    NewKey,
    Seen,
    Verify,
    HandOver,
    Retire,
    RollOver,
    Past,
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
        IdentityState::RefusalNotTried => Cure::Seen,
        // Nobody knows where a daemon is that is not listed.
        IdentityState::NotVerified if daemon?.restart.is_empty() => Cure::Verify,
        IdentityState::LetsInRevoked if !pending(observation, now).contains_key(name) => Cure::Past,
        IdentityState::LetsInRevoked if daemon.is_none() => Cure::Stop,
        IdentityState::LetsInRevoked if observation.daemons.get(name).is_some_and(|one| one.is_retired()) => {
            Cure::RenewAgain
        }
        IdentityState::LetsInRevoked
            if daemon.is_some_and(|daemon| daemon.restart.is_empty())
                && has_new_bundle(observation, name, now) =>
        {
            Cure::Restart
        }
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

/// Whether a restart would do: what is current for a daemon excludes whom it is to exclude.
fn has_new_bundle(observation: &Observation, name: &IdentityName, now: Timestamp) -> bool {
    let current = observation.current(Role::Daemon, name);
    current.is_some_and(|current| is_as_meant(observation, &current.trust, now))
}

/// Whether a rotation has a CA whose key is here; in a rollover it is the rotation that knows.
fn can_sign(observation: &Observation) -> bool {
    let mut usable = observation.authorities.iter().filter(|authority| authority.record.is_usable());
    observation.rollover.is_some() || usable.any(|authority| authority.key == KeyPresence::Present)
}
