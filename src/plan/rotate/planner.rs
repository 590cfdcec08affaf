//! A rotation on its way: what the other files of this folder add their steps to.

use super::rotation::{RotateRequest, Rotation, RotationAction, RotationFacts, RotationRow};
use crate::message;
use crate::model::{Failure, IdentityName, Message, Printable, Role, Timestamp};
use crate::plan::access::pending;
use crate::plan::rollover::Rollover;
use crate::store::{Observation, ObservedAuthority};

/// A rotation on its way, and what it is made from.
pub(super) struct Planner<'a> {
    pub(super) request: &'a RotateRequest,
    pub(super) observation: &'a Observation,
    pub(super) facts: &'a RotationFacts,
    pub(super) now: Timestamp,
    pub(super) rollover: Option<Rollover<'a>>,
    pub(super) rotation: Rotation,
}

impl<'a> Planner<'a> {
    pub(super) fn new(
        request: &'a RotateRequest,
        observation: &'a Observation,
        facts: &'a RotationFacts,
        now: Timestamp,
    ) -> Result<Planner<'a>, Failure> {
        let rollover = Rollover::of(observation, now)?;
        let rotation = Rotation {
            rolls_over: rollover.is_some(),
            is_emergency: rollover.as_ref().is_some_and(|rollover| rollover.record.is_emergency()),
            lets_in: pending(observation, now),
            ..Rotation::default()
        };
        Ok(Planner { request, observation, facts, now, rollover, rotation })
    }

    pub(super) fn say(
        &mut self,
        role: Role,
        name: &IdentityName,
        action: RotationAction,
        reason: impl Printable,
    ) {
        self.say_of(role, name, action, reason, false);
    }

    /// Says that a rollover waits for an identity, and what a person has to do about it.
    pub(super) fn say_it_waits(&mut self, role: Role, name: &IdentityName, todo: impl Printable) {
        let reason = message!("holds the rollover: {}", todo);
        self.say_of(role, name, RotationAction::Reported, reason, true);
    }

    fn say_of(
        &mut self,
        role: Role,
        name: &IdentityName,
        action: RotationAction,
        reason: impl Printable,
        holds_rollover: bool,
    ) {
        self.rotation.rows.push(RotationRow {
            kind: kind(role),
            name: name.message(),
            action,
            reason: reason.message(),
            next: None,
            expires: None,
            identity: Some((role, name.clone())),
            holds_rollover,
        });
    }
}

/// What a person has to do with a kit that waits.
pub(super) fn waiting(
    observation: &Observation,
    name: &IdentityName,
    issuer: Option<&ObservedAuthority>,
) -> Message {
    let issuer = issuer.filter(|_| observation.authorities.len() > 1);
    let words = issuer.map(|issuer| {
        let words = issuer.certificate.fingerprint().words();
        message!("; if join asks for the CA's fingerprint, tell it separately: {}", words)
    });
    message!("hand over {}/kits/{}.kit{}", observation.path, name, words.unwrap_or_default())
}

/// The word for it in a row.
pub(super) fn kind(role: Role) -> &'static str {
    match role {
        Role::Daemon => "daemon",
        Role::Client => "client",
    }
}
