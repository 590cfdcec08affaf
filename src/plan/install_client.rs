//! `install client`: its files, and the config that names them.

use std::path::{Path, PathBuf};

use super::install_daemon::{Placed, placement_step};
use super::step::{ConfigStep, InventoryStep, Plan, StateStep};
use crate::layout::{ClientSettings, ConfigEdit, InventoryChange, edit_client_config};
use crate::message;
use crate::model::{Failure, IdentityName, Role};
use crate::store::{KeyPresence, Observation};

/// What `install client` was asked for.
#[derive(Clone, Debug)]
pub struct InstallClientRequest {
    /// The client.
    pub name: IdentityName,
    /// The config to edit, for tools that have one.
    pub config: Option<ConfigFile>,
    /// The daemon that its tool is to start, where its files are placed too.
    pub daemon: Option<ManagedDaemonRequest>,
}

/// A daemon that the client's tool starts itself.
#[derive(Clone, Debug)]
pub struct ManagedDaemonRequest {
    /// The daemon.
    pub name: IdentityName,
    /// What stands where its files are to be.
    pub placed: Placed,
}

/// A client's config as it is, and what it should say.
#[derive(Clone, Debug)]
pub struct ConfigFile {
    /// Where it is.
    pub path: PathBuf,
    /// What is in it; None: there is none.
    pub bytes: Option<Vec<u8>>,
    /// What it should say.
    pub settings: ClientSettings,
}

/// Plans the installation of a client's files, wherever they came from: the files if they differ
/// from what is there, the config if it does not say what it should.
///
/// # Errors
/// A config that cannot be edited safely: the failure has the lines to add.
pub fn install_client(request: &InstallClientRequest, placed: &Placed) -> Result<Plan, Failure> {
    let mut plan = Plan::default();
    plan.placements.extend(placement_step(Role::Client, &request.name, placed));
    if let Some(daemon) = &request.daemon {
        plan.placements.extend(placement_step(Role::Daemon, &daemon.name, &daemon.placed));
    }
    if let Some(config) = &request.config
        && let ConfigEdit::Changed { bytes, keys } =
            edit_client_config(config.bytes.as_deref(), &config.path, &config.settings)?
    {
        plan.config =
            Some(ConfigStep { path: config.path.clone(), before: config.bytes.clone(), after: bytes, keys });
    }
    Ok(plan)
}

/// Refuses a client of the state whose files cannot be installed, since not all of them are there.
///
/// # Errors
/// A client without a certificate, or whose key is kept elsewhere.
pub fn refuse_keyless_client(name: &IdentityName, observation: &Observation) -> Result<(), Failure> {
    let failure = Failure::new("installing client", name);
    match observation.current(Role::Client, name) {
        None => Err(failure
            .expected("a certificate")
            .found("none")
            .hint(message!("{kitcert} issue client {}", name))),
        Some(current) if current.key == KeyPresence::Absent => Err(failure
            .expected("its key")
            .found("a certificate alone; the key stayed where its request was made")),
        Some(_) => Ok(()),
    }
}

/// Notes in kitcert.yaml where files are installed for a client's tool, so that a renewal reaches
/// them: the client's own, and those of the daemon that the tool starts. None where it says so
/// already, or lists neither.
#[must_use]
pub fn note_installed(
    client: &IdentityName,
    daemon: Option<&IdentityName>,
    folder: &Path,
    observation: &Observation,
) -> Option<StateStep> {
    let identities = [Some((Role::Client, client)), daemon.map(|daemon| (Role::Daemon, daemon))];
    let is_unnoted = |(role, name): &(Role, &IdentityName)| {
        let noted = observation.inventory.installed(*role, name);
        noted.is_some_and(|folders| folders.iter().all(|noted| noted != folder))
    };
    let changes: Vec<_> = identities
        .into_iter()
        .flatten()
        .filter(is_unnoted)
        .map(|(role, name)| InventoryChange::AddInstalled(role, name.clone(), folder.to_owned()))
        .collect();
    (!changes.is_empty()).then_some(StateStep::Inventory(InventoryStep::Edit(changes)))
}
