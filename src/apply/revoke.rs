//! `revoke`, done: whose access is taken away is noted, and every daemon is brought to refuse him at once; or
//! that is taken back, in the same way.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::change::{Done, change_existing};
use super::clock::ClockTrust;
use super::install::{put_back_copies, remove_copies};
use super::invocation::{Invocation, Mode};
use super::rollout::{Restarting, RolloutResult};
use super::rotate::{Rotated, RotationOrder, rotate};
use crate::layout::state_paths::waiting_kit;
use crate::message;
use crate::model::{ExitCode, Failure, Fingerprint, IdentityName, Message, Printable as _, Role, Timestamp};
use crate::plan::{
    self, Plan, PlannedRevocation, Regained, RevokeRequest, RotateRequest, RotationFacts, RotationScope,
    SeenRequest, StateStep, StepSummary, StillExcluded, UndoRequest,
};
use crate::store::{Interest, Observation, Revocation, exists, observe};

/// What is to become of somebody's access.
#[derive(Clone, Debug)]
pub(crate) enum AccessChange {
    /// It is taken away.
    Revoke(RevokeRequest),
    /// It is given back.
    Undo(UndoRequest),
    /// A person knows that the daemons refuse him, or let him in again.
    Seen(SeenRequest),
}

impl AccessChange {
    fn name(&self) -> &IdentityName {
        match self {
            AccessChange::Revoke(request) => &request.name,
            AccessChange::Undo(request) => &request.name,
            AccessChange::Seen(request) => &request.name,
        }
    }
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Revoked {
    /// What was noted, or would be.
    pub done: Done,
    /// What the revocation stops, and what not.
    pub planned: PlannedRevocation,
    /// What became of the daemons.
    pub rotated: Rotated,
    /// The steps of all that, a row each.
    pub steps: Vec<StepSummary>,
    /// The daemons that still let somebody in who is revoked, and whom.
    pub still_let_in: BTreeMap<IdentityName, BTreeSet<Message>>,
    /// The daemons of which nothing here can try whether they refuse them, or let them in again, and whom.
    pub not_tried: BTreeMap<IdentityName, BTreeSet<Message>>,
    /// The daemons that let the client in with what no name stops, and until when.
    pub unstoppable: BTreeMap<IdentityName, BTreeMap<Message, Timestamp>>,
    /// What helps against them.
    pub way_past: Message,
    /// The folders on this machine from which the files of the client were removed.
    pub removed: Vec<Message>,
    /// Those into which they were put back.
    pub put_back: Vec<Message>,
    /// Why some were not removed, or put back.
    pub unremoved: Vec<Failure>,
    /// What of the client is revoked now: None for every key.
    pub revoked_now: BTreeSet<Option<Fingerprint>>,
    /// By whose revocation the client is refused still that was to get in again: both have a name.
    pub still_excluded: Option<StillExcluded>,
    /// How a client gets in that may again; None where nothing is known of its certificates.
    pub regained: Option<Regained>,
    /// The kit that waits for the client again.
    pub kit: Option<Message>,
    /// The folders on this machine in which the client's files are to be and are not.
    pub missing: Vec<Message>,
    /// The daemons of which a person has said what becomes of the client there, and when: nothing here can try it.
    pub said: BTreeMap<IdentityName, Timestamp>,
}

impl Revoked {
    /// Whether every daemon does with the client as it is meant, as far as anybody knows.
    #[must_use]
    pub(crate) fn is_in_effect(&self) -> bool {
        self.still_let_in.is_empty() && self.not_tried.is_empty() && self.unstoppable.is_empty()
    }

    /// What the command ends with.
    #[must_use]
    pub(crate) fn exit(&self) -> ExitCode {
        let unremoved = self.unremoved.iter().map(Failure::exit_code);
        let pending = (!self.is_in_effect()).then_some(ExitCode::NotServed);
        ExitCode::of_all(std::iter::once(self.rotated.exit()).chain(unremoved).chain(pending))
    }
}

/// Takes somebody's access away at every daemon, or gives it back.
///
/// # Errors
/// What [`plan::revoke`] and [`plan::undo`] refuse; no state, one that is busy or an old copy. Nothing is
/// changed then. What goes wrong with a daemon is its own result.
pub(crate) fn revoke(
    invocation: &Invocation<'_>,
    change: &AccessChange,
    (restarting, jobs): (Restarting, usize),
) -> Result<Revoked, Failure> {
    let now = invocation.environment.now();
    let planned = |observation: &Observation| match change {
        AccessChange::Revoke(request) => plan::revoke(request, observation, now),
        AccessChange::Undo(request) => Ok(of_plan(plan::undo(request, observation, now)?)),
        AccessChange::Seen(request) => Ok(of_plan(plan::see(request, observation, now)?)),
    };
    let directory = invocation.open()?.ok_or_else(|| invocation.no_state())?;
    let before = invocation.observe_in(&directory, &Interest::InUse)?;
    let first = planned(&before)?;
    let done = change_existing(invocation, &Interest::InUse, &|observation| Ok(planned(observation)?.plan))?;
    let mut steps = done.plan.summary();
    if invocation.mode == Mode::DryRun {
        let to_remove = removals(change, &before);
        let mut rotated = foreseen(invocation, before, &first, now)?;
        steps.extend(rotated.steps.iter().cloned());
        steps.extend(to_remove);
        rotated.steps.clone_from(&steps);
        return Ok(Revoked {
            done,
            planned: first,
            rotated,
            steps,
            still_let_in: BTreeMap::new(),
            not_tried: BTreeMap::new(),
            unstoppable: BTreeMap::new(),
            way_past: Message::default(),
            removed: Vec::new(),
            put_back: Vec::new(),
            unremoved: Vec::new(),
            revoked_now: BTreeSet::new(),
            still_excluded: None,
            regained: None,
            kit: None,
            missing: Vec::new(),
            said: BTreeMap::new(),
        });
    }
    let order = RotationOrder {
        request: request(invocation),
        at: None,
        restarting,
        jobs,
        clock: ClockTrust::Checked,
    };
    // It is noted by now: what goes wrong from here on is told beside who gets in still.
    let rotated = rotate(invocation, &order)
        .unwrap_or_else(|failure| Rotated { failure: Some(failure), ..Rotated::default() });
    steps.extend(rotated.steps.iter().cloned());
    let after = observe(&directory, &Interest::InUse).unwrap_or_else(|_| noted(before, &done.plan));
    let (mut removed, mut unremoved) = (Vec::new(), Vec::new());
    if let AccessChange::Revoke(RevokeRequest { name, only_key: None, .. }) = change {
        for (folder, result) in remove_copies(&after, name) {
            match result {
                Ok(true) => removed.push(folder),
                Ok(false) => {}
                Err(failure) => unremoved.push(failure),
            }
        }
    }
    let pending = plan::pending(&after, invocation.environment.present());
    let is_untried = |name: &IdentityName| {
        rotated.rollouts.get(name).is_some_and(|one| matches!(one, RolloutResult::Untried { .. }))
    };
    let (mut not_tried, still_let_in): (BTreeMap<_, _>, _) =
        pending.into_iter().partition(|(name, _)| is_untried(name));
    if let AccessChange::Undo(UndoRequest { name: client, .. }) = change {
        let untried = rotated.rollouts.keys().filter(|name| is_untried(name));
        not_tried.extend(untried.map(|name| (name.clone(), BTreeSet::from([client.message()]))));
    }
    let of_client = |one: &&Revocation| one.client.as_ref() == Some(change.name());
    let standing = after.revocations.iter().flat_map(|record| record.standing());
    let revoked_now = standing.filter(of_client).map(|one| one.key).collect();
    let present = invocation.environment.present();
    let (still_excluded, regained) = match change {
        AccessChange::Undo(request) => {
            let regained = plan::regained(&request.name, &after, present);
            (plan::still_excluded(request, &after), regained.filter(|_| !request.with_new_key))
        }
        AccessChange::Revoke(_) | AccessChange::Seen(_) => (None, None),
    };
    let kit = done.plan.state.iter().any(|step| matches!(step, StateStep::PutBackKit(_)))
        && after.waiting_kits.contains(change.name());
    let (mut put_back, mut missing) = (Vec::new(), Vec::new());
    if let AccessChange::Undo(request) = change
        && gets_files(request, &after)
    {
        for (folder, result) in put_back_copies(invocation, &after, &request.name) {
            match result {
                Ok(true) => put_back.push(folder),
                Ok(false) => missing.push(folder),
                Err(failure) => unremoved.push(failure),
            }
        }
    }
    let said = plan::said(&after, change.name(), invocation.environment.present());
    Ok(Revoked {
        unstoppable: plan::unstoppable(&after, Some(change.name()), invocation.environment.present()),
        way_past: plan::rollover_past(&after, invocation.environment.present()),
        done,
        planned: first,
        rotated,
        steps,
        said,
        still_let_in,
        not_tried,
        removed,
        unremoved,
        revoked_now,
        still_excluded,
        regained,
        kit: kit.then(|| invocation.state.join(waiting_kit(change.name())).display().message()),
        put_back,
        missing,
    })
}

/// Whether the client's current files may be installed here again.
fn gets_files(request: &UndoRequest, observation: &Observation) -> bool {
    let current = observation.current(Role::Client, &request.name);
    let key = current.map(|current| current.leaf().public_key().fingerprint());
    !request.with_new_key && key.is_some_and(|key| !plan::is_key_revoked(&key, observation))
}

/// The folders on this machine from which files would be removed, a row each.
fn removals(change: &AccessChange, observation: &Observation) -> Vec<StepSummary> {
    let AccessChange::Revoke(RevokeRequest { name, only_key: None, .. }) = change else { return Vec::new() };
    let folders = observation.inventory.installed(Role::Client, name).unwrap_or_default();
    let row = |folder: &PathBuf| StepSummary {
        step: "remove",
        subject: message!("client {}", name),
        detail: message!("its files in {}", folder.display()),
    };
    folders.iter().filter(|folder| exists(folder)).map(row).collect()
}

/// Only what shuts somebody out, or lets somebody in again.
fn request(invocation: &Invocation<'_>) -> RotateRequest {
    RotateRequest { scope: RotationScope::Access, ..RotateRequest::new(invocation.contact()) }
}

/// What is known once whose access is taken away or given back is noted.
pub(super) fn noted(mut observation: Observation, plan: &Plan) -> Observation {
    for step in &plan.state {
        if let StateStep::ChangeRevocations(record) = step {
            observation.revocations = Some(record.clone());
        }
    }
    observation
}

/// What would become of the daemons, once that is noted.
fn foreseen(
    invocation: &Invocation<'_>,
    observation: Observation,
    planned: &PlannedRevocation,
    now: Timestamp,
) -> Result<Rotated, Failure> {
    let observation = noted(observation, &planned.plan);
    let rotation = plan::rotate(&request(invocation), &observation, &RotationFacts::default(), now)?;
    let steps = rotation.summary(&observation.inventory);
    Ok(Rotated { rotation, steps, ..Rotated::default() })
}

fn of_plan(plan: Plan) -> PlannedRevocation {
    PlannedRevocation { plan, ..PlannedRevocation::default() }
}
