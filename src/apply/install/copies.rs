//! The copies that `install client` has made on this machine, as kitcert.yaml notes them: a
//! client's own, and those of a daemon that the client's tool starts.

use std::path::Path;

use crate::apply::invocation::Invocation;
use crate::apply::placed::{observe_placement, read_set};
use crate::layout::{CredentialFile, client_generations, client_links, daemon_generations, daemon_links};
use crate::model::{Failure, IdentityName, Role};
use crate::pki::{Certificate, TrustBundle};
use crate::plan::PlacedState;
use crate::store::{InstallPlace, KeyPresence, Observation, ObservedGeneration, Owner, exists};

/// Where the copies of an identity are, below the folder in which the client's tool reads them.
pub(in crate::apply) fn copies_in(folder: &Path, role: Role, owner: Option<Owner>) -> InstallPlace {
    let (folder, links) = match role {
        Role::Daemon => (daemon_generations(folder), daemon_links(folder)),
        Role::Client => (client_generations(folder), client_links(folder)),
    };
    let link = |(path, file): (_, CredentialFile)| (path, file.file_name());
    InstallPlace { folder, links: links.into_iter().map(link).collect(), owner, origin: None }
}

/// Whether some copies of an identity are not its current set.
///
/// # Errors
/// Copies that cannot be read, and something foreign among them.
pub(in crate::apply) fn are_outdated(
    invocation: &Invocation<'_>,
    observation: &Observation,
    role: Role,
    name: &IdentityName,
) -> Result<bool, Failure> {
    let copies = standing(observation, role, name)?;
    if copies.is_empty() {
        return Ok(false);
    }
    let Some(current) = observation.current(role, name) else { return Ok(false) };
    let set = read_set(&invocation.state, role, name, current.number)?;
    for placement in &copies {
        if observe_placement(placement, Some(&set))?.state == PlacedState::Outdated {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Replaces every copy of an identity by its current set.
///
/// # Errors
/// Those of [`are_outdated`], and a disk that does not take the files.
pub(in crate::apply) fn replace_copies(
    invocation: &Invocation<'_>,
    observation: &Observation,
    role: Role,
    name: &IdentityName,
) -> Result<Copying, Failure> {
    let copies = standing(observation, role, name)?;
    if copies.is_empty() {
        return Ok(Copying::Nowhere);
    }
    let Some(current) = observation.current(role, name) else { return Ok(Copying::Nowhere) };
    let set = read_set(&invocation.state, role, name, current.number)?;
    for placement in &copies {
        let observed = observe_placement(placement, Some(&set))?;
        placement.install(&set, observed.next_generation)?;
    }
    let noted = observation.inventory.installed(role, name).unwrap_or_default().len();
    Ok(if copies.len() == noted { Copying::Done } else { Copying::InPart })
}

/// What the first of a client's copies on this machine is; None where it has none, or none that can be read.
pub(in crate::apply) fn copy_in_use(
    observation: &Observation,
    name: &IdentityName,
) -> Option<ObservedGeneration> {
    let current = observation.current(Role::Client, name)?;
    let copies = standing(observation, Role::Client, name).ok()?;
    let files = copies.first()?.observe().ok()?.current?.files?;
    let chain = Certificate::chain_from_pem(&files.certificate, name).ok()?;
    let trust = TrustBundle::from_pem(&files.authority, name).ok()?;
    (!chain.is_empty()).then_some(ObservedGeneration {
        number: current.number,
        chain,
        trust,
        key: current.key,
    })
}

/// Whether an identity has copies on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::apply) enum Copying {
    /// It has, and they are its current set now.
    Done,
    /// The same; but of those that kitcert.yaml notes some folder is gone, and may come back.
    InPart,
    /// It has none.
    Nowhere,
}

/// The copies that stand still: a folder that somebody has removed since is not made again.
fn standing(
    observation: &Observation,
    role: Role,
    name: &IdentityName,
) -> Result<Vec<InstallPlace>, Failure> {
    let current = observation.current(role, name);
    let has_key = current.is_some_and(|current| current.key == KeyPresence::Present);
    let folders = observation.inventory.installed(role, name).filter(|_| has_key).unwrap_or_default();
    let copies = folders.iter().map(|folder| copies_in(folder, role, None));
    copies
        .filter(|placement| exists(&placement.folder))
        .map(|placement| Ok(InstallPlace { owner: Owner::of(&placement.folder)?, ..placement }))
        .collect()
}
