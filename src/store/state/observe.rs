//! Reads a state directory into values.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::authority_record::read_authority_record;
use super::client_record::{ClientRecord, read_client_record};
use super::history::{DaemonHistory, read_history};
use super::issued::observe_issued;
use super::observed::{
    Interest, KeyPresence, Observation, ObservedAuthority, ObservedCopies, ObservedGeneration,
    ObservedIdentity,
};
use super::record_file;
use super::required::{chain, required};
use super::revocation_record::read_revocations;
use super::rollover_record::read_rollover;
use super::state_directory::StateDirectory;
use super::state_record::{StateRecord, parse_state_record};
use super::verified::read_verified;
use crate::layout::state_paths::{AUTHORITIES, CURRENT, INVENTORY, KITS, authority_folder, identity_folder};
use crate::layout::{GroupName, Inventory};
use crate::message;
use crate::model::profile::LARGEST_PEM;
use crate::model::{AuthorityId, Failure, FileMode, Generation, IdentityName, Quoted, Role, Word};
use crate::pki::{Certificate, PrivateKey, TrustBundle};
use crate::store::files::privacy::KeyReaders;

/// Reads a state, as far as `interest` goes.
///
/// # Errors
/// A file of the whole state that is there and cannot be read, or is not what it should be. What cannot be
/// read is never taken for absent: of an identity, its fault is observed in its place.
pub(crate) fn observe(directory: &StateDirectory, interest: &Interest) -> Result<Observation, Failure> {
    let path = directory.path().join(INVENTORY);
    let text = required(directory, Path::new(INVENTORY), LARGEST_INVENTORY)?;
    let inventory = Inventory::parse(&text, &path)?;
    observe_beside(directory, interest, inventory, text)
}

/// Reads all that is in use in a state whose kitcert.yaml is lost or says nothing; its inventory is empty.
///
/// # Errors
/// Those of [`observe`].
pub(crate) fn observe_undescribed(directory: &StateDirectory) -> Result<Observation, Failure> {
    let left = directory.read(Path::new(INVENTORY), LARGEST_INVENTORY)?;
    let left = left.map(|file| file.bytes.to_vec()).unwrap_or_default();
    observe_beside(directory, &Interest::InUse, Inventory::default(), left)
}

fn observe_beside(
    directory: &StateDirectory,
    interest: &Interest,
    inventory: Inventory,
    inventory_text: Vec<u8>,
) -> Result<Observation, Failure> {
    let authorities = authorities(directory, inventory.authority.key_group.as_ref())?;
    let rollover = read_rollover(directory)?;
    let interest = match interest {
        Interest::Identities(_) | Interest::Everything if rollover.is_some() => &Interest::InUse,
        interest => interest,
    };
    let mut observation = Observation {
        path: directory.path().to_owned(),
        state: read_state_record(directory)?,
        inventory,
        inventory_text,
        authorities,
        rollover,
        revocations: read_revocations(directory)?,
        issued: Vec::new(),
        unread: BTreeMap::new(),
        waiting_kits: kits(directory, ".kit")?,
        withdrawn_kits: kits(directory, ".withdrawn")?,
        daemons: BTreeMap::new(),
        clients: BTreeMap::new(),
    };
    if let Interest::InUse = interest {
        (observation.issued, observation.unread) = observe_issued(directory)?;
    }
    for (role, name) in names_of(directory, interest)? {
        let Some(identity) = identity(directory, role, &name, interest) else { continue };
        match role {
            Role::Daemon => observation.daemons.insert(name, identity),
            Role::Client => observation.clients.insert(name, identity),
        };
    }
    Ok(observation)
}

/// What a rollout that waits looks at again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Glance {
    /// The generation that the daemon is to serve.
    pub generation: Option<Generation>,
    /// Whether somebody is to be shut out at once.
    pub is_emergency: bool,
}

/// Looks at a daemon without a lock: two files, each of which is replaced whole.
///
/// # Errors
/// Files that cannot be read.
pub(crate) fn glance(directory: &StateDirectory, daemon: &IdentityName) -> Result<Glance, Failure> {
    let link = identity_folder(Role::Daemon, daemon).join(CURRENT);
    Ok(Glance {
        generation: directory.link_target(&link)?.and_then(|target| target.parse().ok()),
        is_emergency: read_rollover(directory)?.is_some_and(|rollover| rollover.is_emergency()),
    })
}

fn read_state_record(directory: &StateDirectory) -> Result<StateRecord, Failure> {
    let path = StateRecord::path();
    parse_state_record(directory.read(&path, record_file::LARGEST)?, &directory.path().join(&path))
}

fn names_of(directory: &StateDirectory, interest: &Interest) -> Result<Vec<(Role, IdentityName)>, Failure> {
    match interest {
        Interest::Inventory => Ok(Vec::new()),
        Interest::Identities(identities) => Ok(identities.clone()),
        Interest::Everything | Interest::InUse => {
            let mut names = Vec::new();
            for role in [Role::Daemon, Role::Client] {
                let folders = directory.list(Path::new(role.folder()))?;
                names.extend(folders.iter().filter_map(|folder| Some((role, folder.parse().ok()?))));
            }
            Ok(names)
        }
    }
}

fn authorities(
    directory: &StateDirectory,
    key_group: Option<&GroupName>,
) -> Result<Vec<ObservedAuthority>, Failure> {
    let mut authorities = Vec::new();
    for name in directory.list(Path::new(AUTHORITIES))? {
        let id: AuthorityId = name.parse().map_err(|failure: Failure| {
            Failure::new("reading", directory.path().join(AUTHORITIES).display())
                .expected("folders of CAs alone, each called by its key identifier")
                .found(message!("{}, which is {}", Word(&name), failure.what_was_found()))
        })?;
        let folder = authority_folder(&id);
        let path = folder.join("ca.pem");
        let mut chain = chain(directory, &path)?;
        let key = folder.join("key.pem");
        refuse_known_key(directory, &key, key_group)?;
        let certificate = chain.remove(0);
        let (key, key_fault) = authority_key(directory, &key, &certificate)?;
        authorities.push(ObservedAuthority {
            key,
            key_fault,
            certificate,
            chain,
            record: read_authority_record(directory, &id)?,
            id,
        });
    }
    authorities.sort_by_key(|authority| Reverse(authority.certificate.validity().not_before));
    Ok(authorities)
}

/// Whether a CA's key is at hand, and why what lies there is of no use.
fn authority_key(
    directory: &StateDirectory,
    path: &Path,
    certificate: &Certificate,
) -> Result<(KeyPresence, Option<Failure>), Failure> {
    if !directory.has_key(path)? {
        return Ok((KeyPresence::Absent, None));
    }
    let subject = directory.path().join(path);
    let read = || {
        let file = directory.read(path, LARGEST_PEM)?;
        file.map(|file| PrivateKey::from_pem(&file.bytes, subject.display())).transpose()
    };
    let fault = match read() {
        Ok(Some(key)) if key.public_key() == certificate.public_key() => {
            return Ok((KeyPresence::Present, None));
        }
        Ok(None) => return Ok((KeyPresence::Absent, None)),
        Ok(Some(_)) => Failure::new("loading the key of", certificate.subject())
            .expected(message!("its own, as of a backup, in {}", subject.display()))
            .found("another key"),
        Err(failure) => failure,
    };
    let hint = "{kitcert} ca rollover start   # if no backup has that key";
    Ok((KeyPresence::Absent, Some(fault.hint(hint))))
}

fn kits(directory: &StateDirectory, suffix: &str) -> Result<BTreeSet<IdentityName>, Failure> {
    let entries = directory.list(Path::new(KITS))?;
    Ok(entries.iter().filter_map(|entry| entry.strip_suffix(suffix)?.parse().ok()).collect())
}

/// What is read of one identity. What cannot be read is its own fault, and nobody else's.
#[derive(Default)]
struct Reading {
    fault: Option<Failure>,
}

impl Reading {
    /// What was read, or nothing and the reason; the first one counts.
    fn of<T: Default>(&mut self, read: Result<T, Failure>) -> T {
        read.unwrap_or_else(|failure| {
            self.fault.get_or_insert(failure);
            T::default()
        })
    }
}

/// An identity of the state; None where it has no folder.
fn identity(
    directory: &StateDirectory,
    role: Role,
    name: &IdentityName,
    interest: &Interest,
) -> Option<ObservedIdentity> {
    let mut reading = Reading::default();
    let folder = identity_folder(role, name);
    let entries = reading.of(directory.list(&folder));
    if entries.is_empty() && reading.fault.is_none() {
        return None;
    }
    let mut generations: Vec<Generation> = entries.iter().filter_map(|entry| entry.parse().ok()).collect();
    generations.sort_unstable();
    let link = folder.join(CURRENT);
    let number = reading.of(directory.link_target(&link)).and_then(|target| target.parse().ok());
    if number.is_none() && !generations.is_empty() {
        // Nobody knows which of them it is.
        let fault = Failure::new("reading", directory.path().join(&link).display());
        reading.fault.get_or_insert(fault.expected("a link to a generation").found("none"));
    }
    let current = number.and_then(|one| reading.of(observe_generation(directory, role, name, one).map(Some)));
    let key = number.map(|one: Generation| folder.join(one.to_string()).join("key.pem"));
    let exposed = key.and_then(|key| reading.of(exposed_key(directory, (role, name), &key)));
    let (verified, history) = match role {
        Role::Daemon => (read_verified(directory, name), reading.of(read_history(directory, name))),
        Role::Client => (None, DaemonHistory::default()),
    };
    let is_there = |one: &Generation| generations.binary_search(one).is_ok();
    let worked_before = match current.as_ref().map(|current| current.number) {
        Some(number) if history.has_worked(number) => None,
        // One that is damaged was replaced already: what stands in its place goes on.
        _ => history
            .working()
            .filter(is_there)
            .find_map(|one| observe_generation(directory, role, name, one).ok()),
    };
    let first = worked_before.as_ref().map(|before| before.number).or(number);
    let is_between = |one: &Generation| first < Some(*one) && Some(*one) < number;
    let between = generations.iter().copied().filter(|one| role == Role::Daemon && is_between(one));
    let between = between.filter_map(|one| observe_generation(directory, role, name, one).ok()).collect();
    let record = match role {
        Role::Client => reading.of(read_client_record(directory, name)),
        Role::Daemon => ClientRecord::default(),
    };
    let mut earlier = Vec::new();
    if role == Role::Client && matches!(interest, Interest::InUse) {
        for one in generations.iter().rev().filter(|one| Some(**one) != number) {
            // The certificate of one that is damaged is in `issued/` still.
            earlier.extend(observe_generation(directory, role, name, *one).ok());
        }
    }
    // What is remembered of a number is about one generation, though its folder may be gone.
    let known = generations.last().into_iter().chain(&history.refuted);
    let known = known.copied().chain(history.worked.iter().map(|one| one.generation));
    Some(ObservedIdentity {
        fault: reading.fault,
        exposed,
        current,
        verified,
        worked_before,
        between,
        record,
        earlier,
        copies: ObservedCopies::default(),
        last_generation: known.max(),
        history,
        generations,
    })
}

/// How often the state was changed, and what it has made for a daemon, as of this moment. Whatever was put
/// in place before this is read is in it, if it is of this state.
///
/// # Errors
/// A record that cannot be read, or is not what we write.
pub(crate) fn observe_lineage(
    directory: &StateDirectory,
    daemon: &IdentityName,
) -> Result<(StateRecord, DaemonHistory), Failure> {
    Ok((read_state_record(directory)?, read_history(directory, daemon)?))
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

/// Refuses a CA's key that others than its owner can read, and the group that kitcert.yaml names: each of them can
/// issue what every daemon lets in.
fn refuse_known_key(
    directory: &StateDirectory,
    path: &Path,
    key_group: Option<&GroupName>,
) -> Result<(), Failure> {
    let Some((mode, group)) = exposed(directory, path, key_group)? else { return Ok(()) };
    let path = directory.path().join(path);
    let expected = match key_group {
        None => message!("a CA's key that its owner alone can read (0600)"),
        Some(named) => {
            message!("a CA's key that its owner alone can read (0600), or group {} too (0640)", named)
        }
    };
    Err(Failure::new("trusting", path.display())
        .expected(expected)
        .found(message!("mode {}, group {}", FileMode(mode), group))
        .hint(message!(
            "chmod 0600 {}   # then, if others use this machine: {kitcert} ca rollover start --compromised",
            Quoted(path.display())
        )))
}

/// Why others than its owner can read the key of an identity.
fn exposed_key(
    directory: &StateDirectory,
    (role, name): (Role, &IdentityName),
    path: &Path,
) -> Result<Option<Failure>, Failure> {
    let Some((mode, group)) = exposed(directory, path, None)? else { return Ok(None) };
    let path = directory.path().join(path);
    let renewed = match role {
        Role::Daemon => message!("{kitcert} revoke daemon/{}", name),
        Role::Client => message!("{kitcert} issue client {} --new-key", name),
    };
    Ok(Some(
        Failure::new("trusting", path.display())
            .expected("a key that its owner alone can read (0600)")
            .found(message!("mode {}, group {}", FileMode(mode), group))
            .hint(message!(
                "chmod 0600 {}   # then, if others use this machine: {}",
                Quoted(path.display()),
                renewed
            )),
    ))
}

/// The mode and the group of a key, if anybody but its owner and `key_group` can read it.
fn exposed(
    directory: &StateDirectory,
    path: &Path,
    key_group: Option<&GroupName>,
) -> Result<Option<(u32, u32)>, Failure> {
    let found = directory.mode_and_group(path)?;
    let is_private = |mode, group| {
        // A group that this machine does not know matters only if a key is some group's.
        Ok::<bool, Failure>(
            KeyReaders::default().are_all_of(mode, group)
                || KeyReaders::named(key_group.map(GroupName::as_str))?.are_all_of(mode, group),
        )
    };
    match found {
        Some((mode, group)) if !is_private(mode, group)? => Ok(Some((mode, group))),
        _ => Ok(None),
    }
}

fn key_presence(directory: &StateDirectory, path: &Path) -> Result<KeyPresence, Failure> {
    Ok(if directory.has_key(path)? { KeyPresence::Present } else { KeyPresence::Absent })
}

/// A hundred thousand clients, each with a line of its own.
const LARGEST_INVENTORY: usize = 16 * 1024 * 1024;
