//! The copies that `install client` has made on this machine, as kitcert.yaml notes them: a
//! client's own, and those of a daemon that the client's tool starts.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::apply::invocation::Invocation;
use crate::apply::placed::{observe_placement, read_set, read_set_with_key};
use crate::layout::{
    CredentialFile, client_generations, client_links, daemon_generations, daemon_links, put_aside,
};
use crate::message;
use crate::model::{ExitCode, Failure, Generation, IdentityName, Message, Printable, Role, Timestamp};
use crate::pki::{Certificate, PrivateKey};
use crate::plan::{self, PlacedState, Reached};
use crate::store::{
    CredentialBytes, InstallPlace, KeyPresence, KeyReaders, Observation, ObservedGeneration, Owner,
    PlaceStyle, RolloverRecord, exists,
};

/// Where the copies of an identity are, below the folder in which the client's tool reads them.
pub(in crate::apply) fn copies_in(folder: &Path, role: Role, owner: Option<Owner>) -> InstallPlace {
    let (folder, links) = match role {
        Role::Daemon => (daemon_generations(folder), daemon_links(folder)),
        Role::Client => (client_generations(folder), client_links(folder)),
    };
    let link = |(path, file): (_, CredentialFile)| (path, file.file_name());
    InstallPlace {
        folder,
        links: links.into_iter().map(link).collect(),
        owner,
        style: PlaceStyle::Links,
        key_readers: KeyReaders::default(),
        origin: None,
    }
}

/// Whether the copies of a client may be replaced by its current set: which daemons let it in with that.
/// `in_use` is what they hold.
///
/// # Errors
/// A set that no daemon lets in yet. But in an emergency, one that some daemon does not let in which lets the
/// copies in.
pub(in crate::apply) fn refuse_useless(
    observation: &Observation,
    (name, current): (&IdentityName, &ObservedGeneration),
    in_use: &[ObservedGeneration],
    now: Timestamp,
) -> Result<Reached, Failure> {
    let failure = || Failure::new("replacing the copies of client", name);
    let reached = plan::reached(name, current, observation, now);
    if !reached.is_some {
        return Err(failure()
            .expected("a daemon that lets it in with its new certificate")
            .found("none yet")
            .hint("{kitcert} rotate   # when the daemons serve the new CA")
            .exit(ExitCode::NotServed));
    }
    if observation.rollover.as_ref().is_some_and(RolloverRecord::is_emergency) {
        return Ok(reached);
    }
    let lost = in_use.iter().flat_map(|has| plan::lost(name, (has, current), observation, now));
    let lost: BTreeSet<IdentityName> = lost.collect();
    if lost.is_empty() {
        return Ok(reached);
    }
    // What another copy of the state has given it opens more than what this one has for it.
    Err(failure()
        .expected("files that get in where the installed ones do")
        .found(message!("files that {} refuses", Message::few(&lost, ", ")))
        .hint(message!(
            "{kitcert} rotate --force client/{}   # a new certificate, if the CA in use is trusted there",
            name
        )))
}

/// The copies of an identity on this machine, beside its current set.
pub(in crate::apply) struct Copies(Vec<CopyState>);

/// How one copy stands.
enum CopyState {
    /// It is the current set.
    Current,
    /// It is another, and this set belongs there.
    Outdated { placement: Box<InstallPlace>, set: CredentialBytes, next: Generation },
    /// A folder that somebody has removed since is not made again: it may be mounted again.
    Gone(PathBuf),
    /// The current certificate is for a key that is neither in the state nor there.
    OfOtherKey(PathBuf),
    /// It cannot be replaced.
    Stuck(Failure),
}

/// What became of the copies of an identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::apply) enum Copying {
    /// They are its current set now.
    Done,
    /// The same; but for some, and why.
    InPart(Message),
    /// It has none.
    Nowhere,
}

impl Copies {
    /// Looks at every copy of an identity that kitcert.yaml notes.
    pub(in crate::apply) fn of(
        invocation: &Invocation<'_>,
        observation: &Observation,
        role: Role,
        name: &IdentityName,
    ) -> Copies {
        let current = observation.current(role, name);
        // A daemon's own copies are placed by whoever has its key.
        let current = current.filter(|one| role == Role::Client || one.key == KeyPresence::Present);
        let Some(current) = current else { return Copies(Vec::new()) };
        let folders = observation.inventory.installed(role, name).unwrap_or_default();
        let look = |folder: &PathBuf| {
            look(invocation, (role, name), current, folder).unwrap_or_else(CopyState::Stuck)
        };
        Copies(folders.iter().map(look).collect())
    }

    /// Whether some are not the current set.
    ///
    /// # Errors
    /// Copies that cannot be read, and something foreign among them.
    pub(in crate::apply) fn are_outdated(&self) -> Result<bool, Failure> {
        let stuck = self.0.iter().find_map(|copy| match copy {
            CopyState::Stuck(failure) => Some(Err(failure.clone())),
            _ => None,
        });
        stuck.unwrap_or_else(|| Ok(self.0.iter().any(|copy| matches!(copy, CopyState::Outdated { .. }))))
    }

    /// Why some cannot be replaced; None where all can be.
    pub(in crate::apply) fn obstacle(&self) -> Option<Message> {
        let obstacles: Vec<Message> = self.0.iter().filter_map(CopyState::obstacle).collect();
        (!obstacles.is_empty()).then(|| Message::join(&obstacles, " and "))
    }

    /// Replaces every one by the current set.
    ///
    /// # Errors
    /// What stands in the way of one, and a disk that does not take the files. The others are replaced then.
    pub(in crate::apply) fn replace(self) -> Result<Copying, Failure> {
        if self.0.is_empty() {
            return Ok(Copying::Nowhere);
        }
        let is_gone = |copy: &&CopyState| matches!(copy, CopyState::Gone(_) | CopyState::OfOtherKey(_));
        let left: Vec<Message> = self.0.iter().filter(is_gone).filter_map(CopyState::obstacle).collect();
        let mut failed = Ok(());
        for copy in self.0 {
            let replaced = match copy {
                CopyState::Current | CopyState::Gone(_) | CopyState::OfOtherKey(_) => Ok(()),
                CopyState::Outdated { placement, set, next } => placement.install(&set, next),
                CopyState::Stuck(failure) => Err(failure),
            };
            failed = failed.and(replaced);
        }
        failed?;
        Ok(if left.is_empty() { Copying::Done } else { Copying::InPart(Message::join(&left, " and ")) })
    }
}

/// Removes the files of a client from every folder on this machine where kitcert.yaml says that they are, and
/// the links to them: whether some were there, folder by folder.
pub(in crate::apply) fn remove_copies(
    observation: &Observation,
    name: &IdentityName,
) -> Vec<(Message, Result<bool, Failure>)> {
    let folders = observation.inventory.installed(Role::Client, name).unwrap_or_default();
    let remove = |folder: &PathBuf| {
        let place = copies_in(folder, Role::Client, None);
        if !exists(&place.folder) {
            return Ok(false);
        }
        let place = InstallPlace { owner: Owner::of(&place.folder)?, ..place };
        let there = place.observe(None)?.current.and_then(|current| current.files);
        // Another client's files may be in that folder by now.
        let is_its = there.is_some_and(|files| {
            let leaf = Certificate::chain_from_pem(&files.certificate, folder.display());
            leaf.is_ok_and(|chain| IdentityName::of_client(&chain[0].usable_names()).as_ref() == Some(name))
        });
        if is_its { place.remove() } else { Ok(false) }
    };
    folders.iter().map(|folder| (folder.message(), remove(folder))).collect()
}

/// Puts the current set of a client into every folder on this machine where kitcert.yaml says that its files are and where
/// none are: whether they were put there, folder by folder. A folder that is gone is not made again.
pub(in crate::apply) fn put_back_copies(
    invocation: &Invocation<'_>,
    observation: &Observation,
    name: &IdentityName,
) -> Vec<(Message, Result<bool, Failure>)> {
    let current = observation.current(Role::Client, name).filter(|one| one.key == KeyPresence::Present);
    let folders = observation.inventory.installed(Role::Client, name).unwrap_or_default();
    let is_empty = |folder: &&PathBuf| {
        let place = copies_in(folder, Role::Client, None);
        !exists(&place.folder) && !place.links.iter().any(|(path, _)| exists(path))
    };
    let put_back = |folder: &PathBuf| {
        let Some(current) = current.filter(|_| exists(folder)) else { return Ok(false) };
        let set = read_set(&invocation.state, Role::Client, name, current.number)?;
        let place = copies_in(folder, Role::Client, Owner::of(folder)?);
        let observed = observe_placement(&place, Some(&set))?;
        place.install(&set, observed.next_generation).map(|()| true)
    };
    let empty = folders.iter().filter(is_empty);
    empty.map(|folder| (folder.display().message(), put_back(folder))).collect()
}

impl CopyState {
    fn obstacle(&self) -> Option<Message> {
        match self {
            CopyState::Current | CopyState::Outdated { .. } => None,
            CopyState::Gone(folder) => Some(message!("{} is not there", folder)),
            CopyState::OfOtherKey(folder) => {
                Some(message!("{} has another key than the current certificate", folder))
            }
            CopyState::Stuck(failure) => Some(message!(
                "{}: expected {}, found {}",
                failure.subject(),
                failure.what_was_expected(),
                failure.what_was_found()
            )),
        }
    }
}

fn look(
    invocation: &Invocation<'_>,
    (role, name): (Role, &IdentityName),
    current: &ObservedGeneration,
    folder: &Path,
) -> Result<CopyState, Failure> {
    let placement = copies_in(folder, role, None);
    // Whoever copies a home may leave files where the links were, and nothing of what they led to. They
    // are asked to put those aside, to make room.
    let has_files = || placement.links.iter().any(|(path, _)| exists(path) || exists(&put_aside(path)));
    if !exists(&placement.folder) && !has_files() {
        let gone = if exists(folder) { &placement.folder } else { folder };
        return Ok(CopyState::Gone(gone.to_path_buf()));
    }
    let placement = InstallPlace { owner: Owner::of(&placement.folder)?, ..placement };
    let set = match current.key {
        KeyPresence::Present => read_set(&invocation.state, role, name, current.number)?,
        KeyPresence::Absent => match own_key(&placement, current)? {
            Some(key) => read_set_with_key(&invocation.state, role, name, current.number, key)?,
            None => {
                observe_placement(&placement, None)?;
                return Ok(CopyState::OfOtherKey(folder.to_owned()));
            }
        },
    };
    let observed = observe_placement(&placement, Some(&set))?;
    Ok(match observed.state {
        PlacedState::UpToDate => CopyState::Current,
        PlacedState::Outdated => {
            CopyState::Outdated { placement: Box::new(placement), set, next: observed.next_generation }
        }
    })
}

/// The key of a copy, if the current certificate is for it.
fn own_key(
    placement: &InstallPlace,
    current: &ObservedGeneration,
) -> Result<Option<Zeroizing<Vec<u8>>>, Failure> {
    let there = placement.observe(None)?.current.and_then(|current| current.files);
    let Some(files) = there else { return Ok(None) };
    let key = PrivateKey::from_pem(&files.key, placement.folder.display());
    Ok(key.is_ok_and(|key| key.public_key() == current.leaf().public_key()).then_some(files.key))
}
