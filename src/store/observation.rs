//! What a state directory holds, read into types.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::history::{DaemonHistory, read_history};
use super::state::StateDirectory;
use super::verified::{VerifiedRecord, read_verified};
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
    /// The key identifier of the CA to which everything is being moved, or was moved last; None
    /// before the first rollover.
    pub issuer: Option<String>,
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
    /// Of a daemon, its last verification. Whether that is one of the current generation, and still
    /// counts, the planner says.
    pub verified: Option<VerifiedRecord>,
    /// Of a daemon, which generations have worked.
    pub history: DaemonHistory,
    /// The generation that is known to be in use: of a daemon the one that worked last, of a client
    /// the one that it said it has. Read only if there are several CAs.
    pub confirmed: Option<ObservedGeneration>,
    /// The highest number that a generation has or had, as far as is known; 0 for none.
    pub last_generation: u32,
    /// The numbers of the generations that are there, rising.
    pub generations: Vec<u32>,
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
        issuer: directory
            .link_target(Path::new("issuer"))?
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
            let folders = directory.list(Path::new(folder_of(Role::Daemon)))?;
            names.extend(folders.iter().filter_map(|folder| Some((Role::Daemon, folder.parse().ok()?))));
            names.sort();
            names.dedup();
            Ok(names)
        }
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
    depth: Depth,
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
        Some(number) => Some(observe_generation(directory, role, name, number)?),
    };
    let mut generations: Vec<u32> = entries.iter().filter_map(|entry| number_of(entry)).collect();
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
        last_generation: known.max().unwrap_or(0),
        history,
        generations,
    }))
}

/// One generation of an identity, current or not.
///
/// # Errors
/// A file of it that is missing, cannot be read, or is not what it should be.
pub fn observe_generation(
    directory: &StateDirectory,
    role: Role,
    name: &IdentityName,
    number: u32,
) -> Result<ObservedGeneration, Failure> {
    let set = Path::new(folder_of(role)).join(name.as_str()).join(format!("gen-{number:04}"));
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
pub(super) fn chain(directory: &StateDirectory, path: &Path) -> Result<Vec<Certificate>, Failure> {
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

    /// The CA to which everything is moved in the end; without a rollover, the youngest.
    #[must_use]
    pub fn target_authority(&self) -> Option<&ObservedAuthority> {
        match &self.issuer {
            Some(issuer) => self.authority(issuer),
            None => self.authorities.first(),
        }
    }

    /// The CA of that key identifier.
    #[must_use]
    pub fn authority(&self, key_identifier: &str) -> Option<&ObservedAuthority> {
        self.authorities.iter().find(|authority| authority.key_identifier == key_identifier)
    }

    /// The CA of that certificate: no two CAs share a name.
    #[must_use]
    pub fn issuer_of(&self, leaf: &Certificate) -> Option<&ObservedAuthority> {
        self.authorities.iter().find(|authority| authority.certificate.subject() == leaf.issuer())
    }

    /// The CA to which everything is moved in the end, if it can sign; without a rollover, the
    /// youngest that can.
    #[must_use]
    pub fn issuing_authority(&self, now: Timestamp) -> Option<&ObservedAuthority> {
        match &self.issuer {
            Some(_) => self.target_authority().filter(|authority| authority.can_sign(now)),
            None => self.authorities.iter().find(|authority| authority.can_sign(now)),
        }
    }
}

impl ObservedAuthority {
    /// Whether it is valid and its key is at hand.
    #[must_use]
    pub fn can_sign(&self, now: Timestamp) -> bool {
        self.key == KeyPresence::Present && self.certificate.validity().contains(now)
    }
}

impl ObservedIdentity {
    /// Whether the current generation of a daemon was verified at some time.
    #[must_use]
    pub fn has_worked(&self) -> bool {
        self.current.as_ref().is_some_and(|current| self.history.has_worked(current.number))
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
