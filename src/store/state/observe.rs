//! Reads a state directory into values.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::history::{DaemonHistory, read_history};
use super::observed::{
    Interest, KeyPresence, Observation, ObservedAuthority, ObservedGeneration, ObservedIdentity,
};
use super::state_directory::StateDirectory;
use super::verified::read_verified;
use crate::layout::Inventory;
use crate::layout::state_paths::{AUTHORITIES, CURRENT, INVENTORY, ISSUER, KITS, identity_folder};
use crate::model::profile::LARGEST_PEM;
use crate::model::{Failure, Generation, IdentityName, Role};
use crate::pki::{Certificate, TrustBundle};

/// Reads a state, as far as `interest` goes.
///
/// # Errors
/// A file that is there and cannot be read, or is not what it should be. What cannot be read is
/// never taken for absent.
pub(crate) fn observe(directory: &StateDirectory, interest: &Interest) -> Result<Observation, Failure> {
    let inventory_path = directory.path().join(INVENTORY);
    let inventory_text = required(directory, Path::new(INVENTORY), LARGEST_INVENTORY)?;
    let mut observation = Observation {
        path: directory.path().to_owned(),
        inventory: Inventory::parse(&inventory_text, &inventory_path)?,
        inventory_text,
        authorities: authorities(directory)?,
        issuer: directory
            .link_target(Path::new(ISSUER))?
            .and_then(|target| target.strip_prefix("ca/").map(str::to_owned)),
        waiting_kits: waiting_kits(directory)?,
        daemons: BTreeMap::new(),
        clients: BTreeMap::new(),
    };
    let depth = if observation.authorities.len() > 1 { Depth::Confirmed } else { Depth::Current };
    for (role, name) in names_of(directory, interest, depth)? {
        let Some(identity) = identity(directory, role, &name, depth)? else { continue };
        match role {
            Role::Daemon => observation.daemons.insert(name, identity),
            Role::Client => observation.clients.insert(name, identity),
        };
    }
    Ok(observation)
}

/// How much of an identity is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    /// What is current.
    Current,
    /// What is known to be in use too: how far a rollover is, is seen from that.
    Confirmed,
}

fn names_of(
    directory: &StateDirectory,
    interest: &Interest,
    depth: Depth,
) -> Result<Vec<(Role, IdentityName)>, Failure> {
    match interest {
        Interest::Inventory => Ok(Vec::new()),
        Interest::Identities(identities) if depth == Depth::Current => Ok(identities.clone()),
        // Which CA signs depends on how far every daemon is.
        Interest::Identities(identities) => {
            let mut names = identities.clone();
            let folders = directory.list(Path::new(Role::Daemon.folder()))?;
            names.extend(folders.iter().filter_map(|folder| Some((Role::Daemon, folder.parse().ok()?))));
            names.sort();
            names.dedup();
            Ok(names)
        }
        Interest::Everything => {
            let mut names = Vec::new();
            for role in [Role::Daemon, Role::Client] {
                let folders = directory.list(Path::new(role.folder()))?;
                names.extend(folders.iter().filter_map(|folder| Some((role, folder.parse().ok()?))));
            }
            Ok(names)
        }
    }
}

fn authorities(directory: &StateDirectory) -> Result<Vec<ObservedAuthority>, Failure> {
    let mut authorities = Vec::new();
    for key_identifier in directory.list(Path::new(AUTHORITIES))? {
        let folder = Path::new(AUTHORITIES).join(&key_identifier);
        let path = folder.join("ca.pem");
        let mut chain = chain(directory, &path)?;
        authorities.push(ObservedAuthority {
            certificate: chain.swap_remove(0),
            key: key_presence(directory, &folder.join("key.pem"))?,
            key_identifier,
        });
    }
    authorities.sort_by_key(|authority| Reverse(authority.certificate.validity().not_before));
    Ok(authorities)
}

fn waiting_kits(directory: &StateDirectory) -> Result<BTreeSet<IdentityName>, Failure> {
    let entries = directory.list(Path::new(KITS))?;
    Ok(entries.iter().filter_map(|entry| entry.strip_suffix(".kit")?.parse().ok()).collect())
}

/// An identity of the state; None where it has no folder.
fn identity(
    directory: &StateDirectory,
    role: Role,
    name: &IdentityName,
    depth: Depth,
) -> Result<Option<ObservedIdentity>, Failure> {
    let folder = identity_folder(role, name);
    let entries = directory.list(&folder)?;
    if entries.is_empty() {
        return Ok(None);
    }
    let linked = |link: &str| -> Result<Option<Generation>, Failure> {
        Ok(directory.link_target(&folder.join(link))?.and_then(|target| target.parse().ok()))
    };
    let current = match linked(CURRENT)? {
        None => None,
        Some(number) => Some(observe_generation(directory, role, name, number)?),
    };
    let mut generations: Vec<Generation> = entries.iter().filter_map(|entry| entry.parse().ok()).collect();
    generations.sort_unstable();
    let (verified, history) = match role {
        Role::Daemon => (read_verified(directory, name), read_history(directory, name)?),
        Role::Client => (None, DaemonHistory::default()),
    };
    let in_use = match (depth, role) {
        (Depth::Current, _) => None,
        (Depth::Confirmed, Role::Daemon) => {
            history.working().find(|number| generations.binary_search(number).is_ok())
        }
        (Depth::Confirmed, Role::Client) => linked("received")?,
    };
    let confirmed = in_use.map(|number| observe_generation(directory, role, name, number)).transpose()?;
    // What is remembered of a number is about one generation, though its folder may be gone.
    let known = generations.last().into_iter().chain(&history.refuted);
    let known = known.copied().chain(history.worked.iter().map(|one| one.generation));
    Ok(Some(ObservedIdentity {
        current,
        verified,
        confirmed,
        last_generation: known.max(),
        history,
        generations,
    }))
}

/// One generation of an identity, current or not.
///
/// # Errors
/// A file of it that is missing, cannot be read, or is not what it should be.
pub(crate) fn observe_generation(
    directory: &StateDirectory,
    role: Role,
    name: &IdentityName,
    number: Generation,
) -> Result<ObservedGeneration, Failure> {
    let set = identity_folder(role, name).join(number.to_string());
    let trust_path = set.join("ca.pem");
    let subject = directory.path().join(&trust_path);
    Ok(ObservedGeneration {
        number,
        chain: chain(directory, &set.join("cert.pem"))?,
        trust: TrustBundle::from_pem(&required(directory, &trust_path, LARGEST_PEM)?, &subject)?,
        key: key_presence(directory, &set.join("key.pem"))?,
    })
}

/// The certificates of a file that must be there.
pub(in crate::store) fn chain(directory: &StateDirectory, path: &Path) -> Result<Vec<Certificate>, Failure> {
    let bytes = required(directory, path, LARGEST_PEM)?;
    Certificate::chain_from_pem(&bytes, directory.path().join(path))
}

fn key_presence(directory: &StateDirectory, path: &Path) -> Result<KeyPresence, Failure> {
    Ok(if directory.mode(path)?.is_some() { KeyPresence::Present } else { KeyPresence::Absent })
}

fn required(directory: &StateDirectory, path: &Path, largest: usize) -> Result<Vec<u8>, Failure> {
    let file = directory.read(path, largest)?.ok_or_else(|| {
        Failure::new("reading", directory.path().join(path).display()).expected("a file").found("none")
    })?;
    Ok(file.bytes.to_vec())
}

/// A hundred thousand clients, each with a line of its own.
const LARGEST_INVENTORY: usize = 16 * 1024 * 1024;
