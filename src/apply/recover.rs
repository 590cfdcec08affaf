//! `recover`, done: a lost kitcert.yaml is written again. Nothing else is changed or removed.

use super::context::{Context, PATIENCE};
use super::state_change::carry_out;
use crate::layout::state_paths::INVENTORY;
use crate::model::Failure;
use crate::plan::{self, Recovery};
use crate::store::{StateDirectory, observe_undescribed};

/// Writes kitcert.yaml again, from what is beside it.
///
/// # Errors
/// No state, one that has its kitcert.yaml, one without a CA, a file of it that cannot be read; a state
/// that is busy. Nothing is changed then.
pub(crate) fn recover(context: &Context<'_>) -> Result<Recovery, Failure> {
    let now = context.environment.now();
    let directory = undescribed(context)?;
    let recovery = plan::recover(&observe_undescribed(&directory)?, now)?;
    if !context.acts() {
        return Ok(recovery);
    }
    let lock = directory.lock(context.command, PATIENCE)?;
    // Another command may have been there first.
    undescribed(context)?;
    let observation = observe_undescribed(lock.state())?;
    let recovery = plan::recover(&observation, now)?;
    // No identity gets anything else than it has, so that the guard has nothing to judge.
    carry_out(context, &lock, Some(&observation), &recovery.plan)?;
    Ok(recovery)
}

/// The state, if its kitcert.yaml is lost.
fn undescribed(context: &Context<'_>) -> Result<StateDirectory, Failure> {
    let described = context.open();
    if let Some(directory) = StateDirectory::find_undescribed(&context.state)? {
        return Ok(directory);
    }
    match described? {
        None => Err(context.no_state()),
        Some(directory) => Err(Failure::new("recovering", directory.path().join(INVENTORY).display())
            .found("nothing to recover: the file exists")
            .hint("{kitcert} status")),
    }
}
