//! What the copies of clients on this machine hold. They are read each time that somebody decides what a client
//! may be using: what was put there once may have been restored, replaced or removed since.

use std::collections::BTreeMap;
use std::path::Path;

use crate::layout::{CredentialFile, client_links};
use crate::model::profile::LARGEST_PEM;
use crate::model::{IdentityName, Role};
use crate::pki::{Certificate, TrustBundle};
use crate::store::{Observation, ObservedCopies, ObservedGeneration, read};

/// What the copies of every client hold that kitcert.yaml notes. A disk that does not answer may hold this
/// up, so that the state is not locked meanwhile.
pub(super) fn read_client_copies(observation: &Observation) -> BTreeMap<IdentityName, ObservedCopies> {
    let installed = observation.inventory.clients.iter().filter(|(_, entry)| !entry.installed.is_empty());
    let copies = installed.filter_map(|(name, entry)| {
        let current = observation.current(Role::Client, name)?;
        let mut copies = ObservedCopies::default();
        for folder in &entry.installed {
            match read_copy(folder, current) {
                Some(set) if set.chain == current.chain && is_same_trust(&set, current) => {}
                Some(set) => copies.sets.push(set),
                None => copies.is_unread = true,
            }
        }
        Some((name.clone(), copies))
    });
    copies.collect()
}

/// The sets that a client's copies on this machine hold, of those that can be read.
pub(super) fn sets_in_use(observation: &Observation, name: &IdentityName) -> Vec<ObservedGeneration> {
    let Some(current) = observation.current(Role::Client, name) else { return Vec::new() };
    let folders = observation.inventory.installed(Role::Client, name).unwrap_or_default();
    folders.iter().filter_map(|folder| read_copy(folder, current)).collect()
}

/// What a client's tool reads in a folder, whoever has put it there. It has no number of its own.
pub(super) fn read_copy(folder: &Path, current: &ObservedGeneration) -> Option<ObservedGeneration> {
    let links = client_links(folder);
    let file = |wanted: CredentialFile| {
        let (path, _) = links.iter().find(|(_, file)| *file == wanted)?;
        Some((read(path, LARGEST_PEM).ok()?.bytes, path.display()))
    };
    let (certificate, path) = file(CredentialFile::Certificate)?;
    let chain = Certificate::chain_from_pem(&certificate, path).ok()?;
    let (authority, path) = file(CredentialFile::Authority)?;
    let trust = TrustBundle::from_pem(&authority, path).ok()?;
    let set = ObservedGeneration { number: current.number, chain, trust, key: current.key };
    (!set.chain.is_empty()).then_some(set)
}

fn is_same_trust(one: &ObservedGeneration, other: &ObservedGeneration) -> bool {
    one.trust.fingerprint() == other.trust.fingerprint()
}
