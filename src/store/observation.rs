//! What a state directory holds, read into types.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::state::StateDirectory;
use crate::layout::Inventory;
use crate::model::profile::LARGEST_PEM;
use crate::model::{Failure, IdentityName, Role, Timestamp};
use crate::pki::{Certificate, TrustBundle};

/// How much of a state a command needs to see: reading ten thousand certificates to issue one
/// more would be waste.
#[derive(Clone, Debug)]
pub enum Interest {
    /// kitcert.yaml and the CAs.
    Inventory,
    /// Those, and these identities.
    Identities(Vec<(Role, IdentityName)>),
    /// All of it.
    Everything,
}

/// A state directory as it was at one moment.
#[derive(Clone, Debug)]
pub struct Observation {
    /// Where it is.
    pub path: PathBuf,
    /// kitcert.yaml, read.
    pub inventory: Inventory,
    /// kitcert.yaml, to the byte.
    pub inventory_text: Vec<u8>,
    /// Its CAs, the youngest first.
    pub authorities: Vec<ObservedAuthority>,
    /// The clients for whom a kit waits to be handed over.
    pub waiting_kits: BTreeSet<IdentityName>,
    /// The daemons that have a folder.
    pub daemons: BTreeMap<IdentityName, ObservedIdentity>,
    /// The clients that have a folder.
    pub clients: BTreeMap<IdentityName, ObservedIdentity>,
}

/// A CA of the state.
#[derive(Clone, Debug)]
pub struct ObservedAuthority {
    /// The name of its folder: its key identifier in hex.
    pub key_identifier: String,
    /// Its certificate.
    pub certificate: Certificate,
    /// Whether its key lies beside it.
    pub key: KeyPresence,
}

/// Whether a private key is at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyPresence {
    /// It lies there.
    Present,
    /// It is kept elsewhere.
    Absent,
}

/// A daemon or a client of the state.
#[derive(Clone, Debug, Default)]
pub struct ObservedIdentity {
    /// What `current` leads to.
    pub current: Option<ObservedGeneration>,
    /// The number of the generation that `proven` leads to.
    pub proven: Option<u32>,
    /// The highest number of a generation that is there; 0 for none.
    pub last_generation: u32,
}

/// One generation of an identity: a whole set of files.
#[derive(Clone, Debug)]
pub struct ObservedGeneration {
    /// Its number.
    pub number: u32,
    /// cert.pem, leaf first.
    pub chain: Vec<Certificate>,
    /// ca.pem.
    pub trust: TrustBundle,
    /// Whether key.pem is there.
    pub key: KeyPresence,
}

/// Reads a state, as far as `interest` goes.
///
/// # Errors
/// A file that is there and cannot be read, or is not what it should be. What cannot be read is
/// never taken for absent.
pub fn observe(directory: &StateDirectory, interest: &Interest) -> Result<Observation, Failure> {
    let inventory_path = directory.path().join(INVENTORY);
    let inventory_text = required(directory, Path::new(INVENTORY), LARGEST_INVENTORY)?;
    let mut observation = Observation {
        path: directory.path().to_owned(),
        inventory: Inventory::parse(&inventory_text, &inventory_path)?,
        inventory_text,
        authorities: authorities(directory)?,
        waiting_kits: waiting_kits(directory)?,
        daemons: BTreeMap::new(),
        clients: BTreeMap::new(),
    };
    for (role, name) in names_of(directory, interest)? {
        let Some(identity) = identity(directory, role, &name)? else { continue };
        match role {
            Role::Daemon => observation.daemons.insert(name, identity),
            Role::Client => observation.clients.insert(name, identity),
        };
    }
    Ok(observation)
}

fn names_of(directory: &StateDirectory, interest: &Interest) -> Result<Vec<(Role, IdentityName)>, Failure> {
    match interest {
        Interest::Inventory => Ok(Vec::new()),
        Interest::Identities(identities) => Ok(identities.clone()),
        Interest::Everything => {
            let mut names = Vec::new();
            for role in [Role::Daemon, Role::Client] {
                let folders = directory.list(Path::new(folder_of(role)))?;
                names.extend(folders.iter().filter_map(|folder| Some((role, folder.parse().ok()?))));
            }
            Ok(names)
        }
    }
}

fn authorities(directory: &StateDirectory) -> Result<Vec<ObservedAuthority>, Failure> {
    let mut authorities = Vec::new();
    for key_identifier in directory.list(Path::new("ca"))? {
        let folder = Path::new("ca").join(&key_identifier);
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
    let entries = directory.list(Path::new("kits"))?;
    Ok(entries.iter().filter_map(|entry| entry.strip_suffix(".kit")?.parse().ok()).collect())
}

/// An identity of the state; None where it has no folder.
fn identity(
    directory: &StateDirectory,
    role: Role,
    name: &IdentityName,
) -> Result<Option<ObservedIdentity>, Failure> {
    let folder = Path::new(folder_of(role)).join(name.as_str());
    let entries = directory.list(&folder)?;
    if entries.is_empty() {
        return Ok(None);
    }
    let number_of = |entry: &str| entry.strip_prefix("gen-")?.parse::<u32>().ok();
    let linked = |link: &str| -> Result<Option<u32>, Failure> {
        Ok(directory.link_target(&folder.join(link))?.as_deref().and_then(number_of))
    };
    let current = match linked("current")? {
        None => None,
        Some(number) => {
            let set = folder.join(format!("gen-{number:04}"));
            let trust_path = set.join("ca.pem");
            let subject = directory.path().join(&trust_path).display().to_string();
            Some(ObservedGeneration {
                number,
                chain: chain(directory, &set.join("cert.pem"))?,
                trust: TrustBundle::from_pem(&required(directory, &trust_path, LARGEST_PEM)?, &subject)?,
                key: key_presence(directory, &set.join("key.pem"))?,
            })
        }
    };
    Ok(Some(ObservedIdentity {
        current,
        proven: linked("proven")?,
        last_generation: entries.iter().filter_map(|entry| number_of(entry)).max().unwrap_or(0),
    }))
}

/// The certificates of a file that must be there.
pub(super) fn chain(directory: &StateDirectory, path: &Path) -> Result<Vec<Certificate>, Failure> {
    let bytes = required(directory, path, LARGEST_PEM)?;
    Certificate::chain_from_pem(&bytes, &directory.path().join(path).display().to_string())
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

fn folder_of(role: Role) -> &'static str {
    match role {
        Role::Daemon => "daemons",
        Role::Client => "clients",
    }
}

impl Observation {
    /// The daemons or the clients.
    #[must_use]
    pub fn identities(&self, role: Role) -> &BTreeMap<IdentityName, ObservedIdentity> {
        match role {
            Role::Daemon => &self.daemons,
            Role::Client => &self.clients,
        }
    }

    /// The generation that is current for an identity.
    #[must_use]
    pub fn current(&self, role: Role, name: &IdentityName) -> Option<&ObservedGeneration> {
        self.identities(role).get(name)?.current.as_ref()
    }

    /// The CA that issues: the youngest that is valid and whose key is at hand.
    #[must_use]
    pub fn issuing_authority(&self, now: Timestamp) -> Option<&ObservedAuthority> {
        self.authorities.iter().find(|authority| {
            authority.key == KeyPresence::Present && authority.certificate.validity().contains(now)
        })
    }
}

impl ObservedIdentity {
    /// Whether the current generation has been proven on the wire.
    #[must_use]
    pub fn is_proven(&self) -> bool {
        self.current.as_ref().is_some_and(|current| self.proven == Some(current.number))
    }
}

impl ObservedGeneration {
    /// The certificate itself.
    #[must_use]
    pub fn leaf(&self) -> &Certificate {
        &self.chain[0]
    }
}

const INVENTORY: &str = "kitcert.yaml";

/// A hundred thousand clients, each with a line of its own.
const LARGEST_INVENTORY: usize = 16 * 1024 * 1024;
