//! `install daemon`: its files, where it reads them.

use std::path::PathBuf;

use super::step::{InventoryStep, PlacementStep, Plan, StateStep};
use crate::layout::{DaemonEntry, DaemonLayout, InstallEntry, InventoryChange, Owner};
use crate::message;
use crate::model::{Failure, IdentityName, Quoted, Role};
use crate::pki::Certificate;
use crate::store::Observation;

/// What `install daemon` was asked for, with what kitcert.yaml says filled in.
#[derive(Clone, Debug)]
pub struct InstallDaemonRequest {
    /// The daemon.
    pub name: IdentityName,
    /// Where, and for which daemon.
    pub install: InstallRequest,
    /// Whose the files are to be; root's or ours where it is not said.
    pub owner: Option<Owner>,
}

/// Where and for which daemon files are installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstallRequest {
    /// The root that paths are under.
    pub root: PathBuf,
    /// Which daemon reads them.
    pub layout: DaemonLayout,
}

/// What stands where files are to be installed.
#[derive(Clone, Debug)]
pub struct Placed {
    /// The folder of the generations.
    pub folder: PathBuf,
    /// The paths that are to lead there.
    pub links: Vec<PathBuf>,
    /// The number that a new generation would have.
    pub next_generation: u32,
    /// How what is there compares with what should be.
    pub state: PlacedState,
    /// The certificate that is current there, if it can be read.
    pub current: Option<Certificate>,
}

/// How what is installed compares with what should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlacedState {
    /// Nothing, other files, or not all of the links.
    Outdated,
    /// Every file, byte for byte, and every link.
    UpToDate,
}

/// Plans `install daemon`: the files if they differ from what is there, and kitcert.yaml if it
/// does not say yet where the daemon is installed.
///
/// # Errors
/// A daemon that has no certificate.
pub fn install_daemon(
    request: &InstallDaemonRequest,
    observation: &Observation,
    placed: &Placed,
) -> Result<Plan, Failure> {
    if observation.current(Role::Daemon, &request.name).is_none() {
        return Err(Failure::new("installing daemon", &request.name)
            .expected("a certificate")
            .found("none")
            .hint(message!("{kitcert} issue daemon {}", request.name)));
    }
    refuse_another(&request.name, placed, Some(observation))?;
    let entry = InstallEntry {
        layout: request.install.layout,
        root: request.install.root.clone(),
        owner: request.owner.clone(),
    };
    let listed = observation.inventory.daemons.get(&request.name);
    let mut plan = Plan::default();
    if let Some(DaemonEntry { install, .. }) = listed
        && install.as_ref() != Some(&entry)
    {
        let change = InventoryChange::SetInstall(request.name.clone(), entry);
        plan.state.push(StateStep::Inventory(InventoryStep::Edit(vec![change])));
    }
    plan.placements.extend(placement_step(Role::Daemon, &request.name, placed));
    Ok(plan)
}

/// Refuses to put a daemon's files over another's, of this state or of another CA: whoever trusts
/// that CA would be locked out.
pub fn refuse_another(
    name: &IdentityName,
    placed: &Placed,
    observation: Option<&Observation>,
) -> Result<(), Failure> {
    let Some(there) = &placed.current else { return Ok(()) };
    let ours = observation.is_some_and(|observation| {
        observation.authorities.iter().any(|authority| authority.certificate.subject() == there.issuer())
    });
    if ours && there.subject().common_name() == Some(name.common_name(Role::Daemon)) {
        return Ok(());
    }
    let folder = Quoted(&placed.folder);
    Err(Failure::new("installing daemon", name)
        .expected(message!("nothing in {}, or an earlier set of this daemon", folder))
        .found(message!("{}, issued by {}", there.subject(), there.issuer()))
        .hint(message!(
            "{kitcert} install daemon {} --root DIR, or, to replace it: mv {} {}.former",
            name,
            folder,
            folder
        )))
}

/// The step that puts a set of files in place, where what is there is not the same already.
pub(super) fn placement_step(role: Role, name: &IdentityName, placed: &Placed) -> Option<PlacementStep> {
    (placed.state == PlacedState::Outdated).then(|| PlacementStep {
        role,
        name: name.clone(),
        folder: placed.folder.clone(),
        generation: placed.next_generation,
        links: placed.links.clone(),
    })
}
