//! `issue`, done.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::change::{Done, change_existing, change_existing_despite};
use super::hand_over::{HandedOver, refuse_unwritable_place};
use super::invocation::Invocation;
use super::kit::{MadeKit, write_kit};
use crate::model::{Failure, IdentityName, Role};
use crate::plan::{self, IssueClientsRequest, IssueDaemonRequest};
use crate::store::{Interest, Observation};

/// What `issue daemon` did, or would do.
#[derive(Debug)]
pub(crate) struct IssuedDaemon {
    /// The certificate.
    pub done: Done,
    /// The root under which it is to be installed; None where it is `/`, or as kitcert.yaml says.
    pub root: Option<PathBuf>,
}

/// Issues a daemon's certificate, whether or not that locks those clients out.
///
/// # Errors
/// What [`plan::issue_daemon`] refuses, no state, a state that is busy.
pub(crate) fn issue_daemon(
    invocation: &Invocation<'_>,
    request: &IssueDaemonRequest,
    lock_out: &BTreeSet<IdentityName>,
) -> Result<IssuedDaemon, Failure> {
    let (_, observation) = invocation.observe(&Interest::Inventory)?;
    let root = plan::other_root(&request.name, &observation.inventory);
    // What the others refuse, it is to refuse too.
    let names = observation.inventory.daemons.keys().chain([&request.name]);
    let names: BTreeSet<_> = names.map(|name| (Role::Daemon, name.clone())).collect();
    let interest = Interest::Identities(names.into_iter().collect());
    let planner =
        |observation: &Observation| plan::issue_daemon(request, observation, invocation.environment.now());
    let done = change_existing_despite(invocation, &interest, &planner, lock_out)?;
    Ok(IssuedDaemon { done, root })
}

/// What `issue client` did, or would do.
#[derive(Debug)]
pub struct IssuedClients {
    /// The certificates.
    pub done: Done,
    /// The kit that was asked for.
    pub kit: Option<MadeKit>,
}

/// Issues clients' certificates: all of them or none; then the kit that was asked for.
///
/// # Errors
/// What [`plan::issue_clients`] refuses, no state, a state that is busy; a file at the kit's place
/// that is no kit of that client.
pub fn issue_clients(
    invocation: &Invocation<'_>,
    request: &IssueClientsRequest,
) -> Result<IssuedClients, Failure> {
    if let (Some(kit), [name]) = (&request.kit, request.names.as_slice()) {
        HandedOver::Kit(name).refuse_foreign(&kit.path)?;
        refuse_unwritable_place(invocation, &kit.path)?;
    }
    let interest = if request.names.is_empty() {
        Interest::Everything
    } else if request.requested_key.is_some() {
        // Nobody else is to have that key.
        Interest::InUse
    } else {
        Interest::Identities(request.names.iter().map(|name| (Role::Client, name.clone())).collect())
    };
    let done = change_existing(invocation, &interest, &|observation| {
        plan::issue_clients(request, observation, invocation.environment.now())
    })?;
    let kit = write_kit(invocation, &done.plan)?;
    Ok(IssuedClients { done, kit })
}
