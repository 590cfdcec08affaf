//! `revoke daemon/NAME`, done: it gets another key, and what whoever has the previous one can still do is said.

use std::collections::BTreeMap;

use super::change::{Done, change_existing};
use super::clock::ClockTrust;
use super::invocation::{Invocation, Mode};
use super::revoke::noted;
use super::rollout::Restarting;
use super::rotate::{Rotated, RotationOrder, rotate};
use crate::model::{ExitCode, Failure, IdentityName, Message, RevocationReason, Role, Selector, Timestamp};
use crate::plan::{self, KeyRenewal, RotateRequest, RotationScope};
use crate::store::{Interest, Observation, observe};

/// What came of it that a daemon's key is somebody else's, too.
#[derive(Debug)]
pub(crate) struct RevokedDaemon {
    /// What became of the daemon, and the steps of all that.
    pub rotated: Rotated,
    /// Whether it goes on with the key that it had.
    pub keeps_key: bool,
    /// The daemons that let somebody in whom no name stops, whom, and until when.
    pub unstoppable: BTreeMap<IdentityName, BTreeMap<Message, Timestamp>>,
    /// What helps against whoever passes for the daemon, or gets in with its previous certificate.
    pub way_past: Message,
}

impl RevokedDaemon {
    /// What the command ends with.
    #[must_use]
    pub(crate) fn exit(&self) -> ExitCode {
        let is_pending = self.keeps_key || !self.unstoppable.is_empty();
        let pending = is_pending.then_some(ExitCode::NotServed);
        ExitCode::of_all(std::iter::once(self.rotated.exit()).chain(pending))
    }
}

/// Gives a daemon another key, and notes what whoever has the previous one can do with it.
///
/// # Errors
/// A daemon that has no certificate; no state, one that is busy or an old copy. Nothing is changed then. What goes
/// wrong with the daemon is its own result.
pub(crate) fn revoke_daemon(
    invocation: &Invocation<'_>,
    name: &IdentityName,
    reason: Option<&RevocationReason>,
    (restarting, jobs): (Restarting, usize),
) -> Result<RevokedDaemon, Failure> {
    let now = invocation.environment.now();
    let by = invocation.contact();
    let planned = |observation: &Observation| plan::revoke_daemon(name, (reason, &by), observation, now);
    let directory = invocation.open()?.ok_or_else(|| invocation.no_state())?;
    let before = invocation.observe_in(&directory, &Interest::InUse)?;
    let done = change_existing(invocation, &Interest::InUse, &planned)?;
    let selector = Selector { role: Some(Role::Daemon), name: name.clone() };
    let order = RotationOrder {
        request: RotateRequest {
            names: vec![selector],
            scope: RotationScope::Forced,
            key: KeyRenewal::Fresh,
            ..RotateRequest::new(invocation.contact())
        },
        at: None,
        restarting,
        jobs,
        clock: ClockTrust::Checked,
    };
    // It is noted by now: what goes wrong from here on is told beside who gets in still.
    let mut rotated = rotate(invocation, &order)
        .unwrap_or_else(|failure| Rotated { failure: Some(failure), ..Rotated::default() });
    rotated.steps.splice(0..0, done.plan.summary());
    let key = |observation: &Observation| {
        let current = observation.current(Role::Daemon, name)?;
        Some(current.leaf().public_key().fingerprint())
    };
    let after = match invocation.mode {
        Mode::Look | Mode::DryRun => noted(before.clone(), &done.plan),
        Mode::Apply => {
            observe(&directory, &Interest::Everything).unwrap_or_else(|_| noted(before.clone(), &done.plan))
        }
    };
    Ok(RevokedDaemon {
        rotated,
        keeps_key: invocation.acts() && key(&after) == key(&before),
        unstoppable: plan::unstoppable(&after, None, invocation.environment.present()),
        way_past: plan::rollover_past(&after, invocation.environment.present()),
    })
}

/// Takes back that a daemon's key is somebody else's, too; whether that was noted.
///
/// # Errors
/// What [`plan::undo_daemon`] refuses; no state, one that is busy or an old copy.
pub(crate) fn undo_daemon(invocation: &Invocation<'_>, name: &IdentityName) -> Result<Done, Failure> {
    let now = invocation.environment.now();
    change_existing(invocation, &Interest::InUse, &|observation| plan::undo_daemon(name, observation, now))
}
