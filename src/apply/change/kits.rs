//! Kits that wait in the state: written with the certificates that they hold, put aside, and put back.

use std::path::PathBuf;

use super::staging::{Issued, stage_public};
use crate::apply::authorities::Authorities;
use crate::apply::invocation::Invocation;
use crate::apply::kit_contents::waiting_kit;
use crate::layout::state_paths;
use crate::model::profile::LARGEST_PEM;
use crate::model::{Failure, Role};
use crate::plan::{Issuance, Plan};
use crate::store::{Observation, StagedChange, StateDirectory};

/// A kit that waits has no secret, and is as its own signature says: it is moved as it is. One that cannot be read is
/// removed: nobody's access waits for it.
pub(super) fn move_kit(
    invocation: &Invocation<'_>,
    staged: &StagedChange<'_>,
    from: PathBuf,
    to: PathBuf,
) -> Result<(), Failure> {
    if let Ok(kit) = StateDirectory::read_in(&invocation.state, &from, LARGEST_PEM) {
        stage_public(staged, &to, &kit.bytes)?;
    }
    staged.remove(&from)
}

/// A kit that was put aside is of the past once its client has another certificate.
fn forget_withdrawn(
    staged: &StagedChange<'_>,
    plan: &Plan,
    observation: Option<&Observation>,
) -> Result<(), Failure> {
    let Some(observation) = observation.filter(|one| !one.withdrawn_kits.is_empty()) else { return Ok(()) };
    let of_clients = plan.issuances().filter(|issuance| issuance.role == Role::Client);
    let mut withdrawn = of_clients.filter(|issuance| observation.withdrawn_kits.contains(&issuance.name));
    withdrawn.try_for_each(|issuance| staged.remove(&state_paths::withdrawn_kit(&issuance.name)))
}

/// Renewals of clients that hold their keys themselves.
pub(super) fn stage_kits(
    staged: &StagedChange<'_>,
    (plan, observation): (&Plan, Option<&Observation>),
    issued: &[Issued],
    authorities: &Authorities<'_>,
) -> Result<(), Failure> {
    forget_withdrawn(staged, plan, observation)?;
    for terms in plan.waiting_kits() {
        let is_theirs = |one: &&Issuance| one.role == Role::Client && one.name == terms.name;
        let issuance = plan.issuances().find(is_theirs);
        let client = issued.iter().find(|one| one.role == Role::Client && one.name == terms.name);
        let (Some(client), Some(issuance)) = (client, issuance) else { continue };
        let trust = authorities.bundle(Role::Client, &issuance.signing.trust)?;
        let signers = authorities.signers(&issuance.signing)?;
        let kit = waiting_kit(terms, &client.certificate, &trust, &signers)?;
        stage_public(staged, &state_paths::waiting_kit(&terms.name), kit.to_text().as_bytes())?;
    }
    Ok(())
}
