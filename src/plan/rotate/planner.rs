//! A rotation on its way: what the other files of this folder add their steps to.

use std::collections::BTreeSet;

use super::rotation::{
    AuthorityRotation, RotateRequest, Rotation, RotationAction, RotationFacts, RotationRow,
};
use crate::message;
use crate::model::{IdentityName, Message, Printable, Role, Timestamp};
use crate::plan::rollover::{self, RolloverStage};
use crate::store::Observation;

/// A rotation on its way, and what it is made from.
pub(super) struct Planner<'a> {
    pub(super) request: &'a RotateRequest,
    pub(super) observation: &'a Observation,
    pub(super) facts: &'a RotationFacts,
    pub(super) now: Timestamp,
    pub(super) stage: RolloverStage,
    /// The clients that hold a rollover up.
    pub(super) unmoved: BTreeSet<IdentityName>,
    /// Those that would, and are left behind.
    pub(super) left: BTreeSet<IdentityName>,
    pub(super) rotation: Rotation,
}

impl<'a> Planner<'a> {
    pub(super) fn new(
        request: &'a RotateRequest,
        observation: &'a Observation,
        facts: &'a RotationFacts,
        now: Timestamp,
    ) -> Planner<'a> {
        let mut unmoved = rollover::unmoved(observation, &facts.issued, now);
        let left = unmoved.iter().filter(|name| request.dropped.contains(name)).cloned().collect();
        unmoved.retain(|name| {
            !request.dropped.contains(name) && !request.received.iter().any(|one| one.name() == name)
        });
        let stage = match rollover::stage(observation) {
            RolloverStage::Settled => RolloverStage::Settled,
            _ if request.authority == AuthorityRotation::Compromised => RolloverStage::Switching,
            RolloverStage::Moving if unmoved.is_empty() && facts.is_complete => RolloverStage::Switching,
            stage => stage,
        };
        let rotation = Rotation { rolls_over: stage != RolloverStage::Settled, ..Rotation::default() };
        Planner { request, observation, facts, now, stage, unmoved, left, rotation }
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

    /// Says that a rollover waits for a client, and what a person has to do about it.
    pub(super) fn say_it_waits(&mut self, name: &IdentityName, todo: impl Printable) {
        let reason = message!("holds the rollover: {}", todo);
        self.say_of(Role::Client, name, RotationAction::Reported, reason, true);
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
            expires: None,
            identity: Some((role, name.clone())),
            holds_rollover,
        });
    }
}

/// What a person has to do with a kit that waits.
pub(super) fn waiting(observation: &Observation, name: &IdentityName) -> Message {
    message!("hand over {}/kits/{}.kit", observation.path, name)
}

/// The word for it in a row.
pub(super) fn kind(role: Role) -> &'static str {
    match role {
        Role::Daemon => "daemon",
        Role::Client => "client",
    }
}
