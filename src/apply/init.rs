//! `init`, done.

use super::context::{Context, Mode};
use super::install::{self, PlacedDaemon};
use super::state_change::{Done, change_state};
use crate::model::{Failure, Role};
use crate::plan::{self, InitRequest, InstallDaemonRequest, Placed};
use crate::store::{Interest, Observation};

/// Makes a CA, a daemon's and the first clients' certificates, and installs the daemon's where
/// that was asked for.
///
/// # Errors
/// What [`plan::init`] refuses; a root where foreign files stand in the way, before anything is
/// written; a disk that does not take the files.
pub fn init(context: &Context<'_>, request: &InitRequest) -> Result<Done, Failure> {
    let mut identities: Vec<_> = request.clients.iter().map(|name| (Role::Client, name.clone())).collect();
    identities.push((Role::Daemon, request.name.clone()));
    let interest = Interest::Identities(identities);
    let placement = |observation: Option<&Observation>| -> Result<Option<PlacedDaemon>, Failure> {
        let Some(install) = &request.install else { return Ok(None) };
        let request =
            InstallDaemonRequest { name: request.name.clone(), install: install.clone(), owner: None };
        install::observe_daemon(context, &request, observation).map(Some)
    };
    let planner = |observation: Option<&Observation>| {
        let placed: Option<Placed> = placement(observation)?.map(|placed| placed.observed);
        plan::init(request, observation, placed.as_ref(), context.environment.now())
    };
    let done = change_state(context, &interest, &planner)?;
    if context.mode == Mode::Apply && !done.plan.placements.is_empty() {
        let (_, observation) = context.observe(&interest)?;
        if let Some(placed) = placement(Some(&observation))? {
            placed.install()?;
        }
    }
    Ok(done)
}
