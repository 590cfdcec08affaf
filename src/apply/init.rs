//! `init`, done.

use super::change::{Supplies, change_state_with};
use super::invocation::{Invocation, Mode};
use super::placed::{PlacedDaemon, observe_adopted, observe_daemon};
use crate::model::{Endpoint, Failure, IdentityName, Role};
use crate::pki::Certificate;
use crate::plan::{self, InitRequest, InstallDaemonRequest, Placed, Plan};
use crate::store::{Interest, Observation};

/// What `init` did, or would do.
#[derive(Debug)]
pub struct Initialized {
    /// The plan that was carried out, or would be.
    pub plan: Plan,
    /// What there is now; None of a plan that was not carried out.
    pub present: Option<Present>,
}

/// What is there of what `init` was asked for.
#[derive(Debug)]
pub struct Present {
    /// The CAs.
    pub authorities: Vec<Certificate>,
    /// The daemon's certificate and the clients'.
    pub identities: Vec<(Role, IdentityName, Certificate)>,
    /// Where clients reach the daemon.
    pub endpoint: Endpoint,
    /// Whether the daemon may be called verified.
    pub is_verified: bool,
}

/// Makes a CA, a daemon's and the first clients' certificates, and installs the daemon's where
/// that was asked for.
///
/// # Errors
/// What [`plan::init`] refuses; a root where foreign files stand in the way, before anything is
/// written; a disk that does not take the files.
pub fn init(invocation: &Invocation<'_>, request: &InitRequest) -> Result<Initialized, Failure> {
    init_with(invocation, request, &Supplies::default())
}

/// The same, with what is taken over.
pub(crate) fn init_with(
    invocation: &Invocation<'_>,
    request: &InitRequest,
    supplies: &Supplies,
) -> Result<Initialized, Failure> {
    let clients = request.clients.iter().map(|name| (Role::Client, name.clone()));
    let identities: Vec<_> = std::iter::once((Role::Daemon, request.name.clone())).chain(clients).collect();
    let interest = Interest::Identities(identities.clone());
    let placement = |observation: Option<&Observation>| -> Result<Option<PlacedDaemon>, Failure> {
        let Some(install) = &request.install else { return Ok(None) };
        let owner = request.adopted.as_ref().and_then(|adopted| adopted.owner.clone());
        let (name, install) = (request.name.clone(), install.clone());
        let request = InstallDaemonRequest { name, install, owner, key_group: None };
        match (observation, &supplies.daemon) {
            (None, Some(files)) => observe_adopted(&request, files).map(Some),
            (observation, _) => observe_daemon(invocation, &request, observation).map(Some),
        }
    };
    let planner = |observation: Option<&Observation>| {
        // Files of another daemon stand in the way of nothing that was asked for.
        plan::init(request, observation, None, invocation.environment.now())?;
        let placed: Option<Placed> = placement(observation)?.map(|placed| placed.observed);
        plan::init(request, observation, placed.as_ref(), invocation.environment.now())
    };
    let plan = change_state_with(invocation, &interest, &planner, supplies)?.plan;
    if invocation.mode != Mode::Apply {
        return Ok(Initialized { plan, present: None });
    }
    let (_, observation) = invocation.observe(&interest)?;
    if !plan.placements.is_empty()
        && let Some(placed) = placement(Some(&observation))?
    {
        placed.install()?;
    }
    let daemon = observation.inventory.daemons.get(&request.name).ok_or_else(|| invocation.no_state())?;
    let present = Present {
        authorities: observation.authorities.iter().map(|one| one.certificate.clone()).collect(),
        endpoint: daemon.endpoint.clone(),
        is_verified: plan::verification(&observation, &request.name, invocation.environment.now())
            .is_verified(),
        identities: identities
            .into_iter()
            .filter_map(|(role, name)| {
                let leaf = observation.current(role, &name)?.leaf().clone();
                Some((role, name, leaf))
            })
            .collect(),
    };
    Ok(Initialized { plan, present: Some(present) })
}
