//! What stands where files are installed, compared with what should.

use std::path::Path;

use zeroize::Zeroizing;

use super::authorities::read_key;
use super::invocation::Invocation;
use crate::layout::state_paths::identity_folder;
use crate::layout::{CredentialFile, GroupName, move_aside};
use crate::model::profile::LARGEST_PEM;
use crate::model::{Failure, Fingerprint, Generation, IdentityName, Message, Role, SubjectAltName};
use crate::pki::judge::{Credentials, require};
use crate::pki::{Certificate, TrustBundle};
use crate::plan::{InstallDaemonRequest, Placed, PlacedState, Standing, standing};
use crate::store::{
    CredentialBytes, InstallPlace, KeyReaders, LinkState, MadeGeneration, Observation, ObservedGeneration,
    Origin, Owner, PlaceStyle, PlacedFiles, StateDirectory, exists, observe_lineage, read,
};

/// A daemon's files, and the place for them.
pub(super) struct PlacedDaemon {
    placement: InstallPlace,
    files: Option<CredentialBytes>,
    /// What stands there still as it was taken over, where whoever took it over did not come to note that there.
    taken_over: Option<CredentialBytes>,
    /// The set that is there, if it can be read.
    pub there: Option<CredentialBytes>,
    /// What is noted beside it.
    pub origin: Option<Origin>,
    /// What the planner needs to know of it.
    pub observed: Placed,
}

impl PlacedDaemon {
    /// Puts the files in place.
    pub(super) fn install(&self) -> Result<(), Failure> {
        let Some(files) = &self.files else { return Ok(()) };
        let mut number = self.observed.next_generation;
        if let Some(taken_over) = &self.taken_over {
            let as_it_is = InstallPlace {
                style: PlaceStyle::Kept { plain: true },
                origin: None,
                ..self.placement.clone()
            };
            as_it_is.install(taken_over, number)?;
            number = Generation::after(Some(number));
        }
        self.placement.install(files, number)
    }
}

/// Looks at where a daemon's files belong. What this state remembers is read behind what is there, so that
/// no change of another command comes between.
pub(super) fn observe_daemon(
    invocation: &Invocation<'_>,
    request: &InstallDaemonRequest,
    observation: Option<&Observation>,
) -> Result<PlacedDaemon, Failure> {
    let layout = request.install.layout;
    let directory = observation.map(|_| StateDirectory::find(&invocation.state)).transpose()?.flatten();
    let history =
        directory.as_ref().map(|directory| observe_lineage(directory, &request.name)).transpose()?;
    let history = history.map(|(_, history)| history);
    let mut placement = place_of(request)?;
    let current = observation.and_then(|observation| observation.current(Role::Daemon, &request.name));
    let read = |current: &ObservedGeneration| {
        read_set(&invocation.state, Role::Daemon, &request.name, current.number)
    };
    let files = current.map(read).transpose()?;
    let mut before = None;
    if layout.is_in_place() {
        // What was taken over stands there as it did.
        let sets = history.iter().flat_map(|history| &history.made);
        let adopted = history.as_ref().and_then(|history| history.adopted).map(|adopted| adopted.sha256);
        let is_adopted = |sha256: &Fingerprint| adopted.as_ref() == Some(sha256);
        let is_plain = files.as_ref().is_some_and(|files| is_adopted(&files.checksum()));
        placement.style = PlaceStyle::Kept { plain: is_plain };
        let mut adopted = sets.filter(|made| !is_plain && is_adopted(&made.sha256));
        let read = |made: &MadeGeneration| {
            read_set(&invocation.state, Role::Daemon, &request.name, made.generation).ok()
        };
        before = adopted.find_map(read);
    }
    let (mut observed, placed) = look(&placement, files.as_ref(), before.as_ref())?;
    let taken_over = before.filter(|_| placed.current.is_none() && placed.links.contains(&LinkState::Plain));
    let directory = observation.map(|_| StateDirectory::find(&invocation.state)).transpose()?.flatten();
    let lineage = directory.map(|directory| observe_lineage(&directory, &request.name)).transpose()?;
    let (own, history) = lineage.unwrap_or_default();
    if let Some(there) = &placed.current {
        let checksum = there.files.as_ref().map(CredentialBytes::checksum);
        let by = |checksum: &Fingerprint| {
            standing(&request.name, there.origin.as_ref(), checksum, (&own, &history))
        };
        observed.standing = match (checksum, &there.origin) {
            (Some(checksum), _) => by(&checksum),
            // Whoever removed one of the files did not place them.
            (None, Some(origin)) => match by(&origin.sha256) {
                Standing::Ours => Standing::ByHand,
                others => others,
            },
            (None, None) => Standing::ByHand,
        };
        if observed.standing == Standing::ByHand {
            observed.state = PlacedState::Outdated;
        }
    }
    placement.origin = files.as_ref().zip(current).map(|(files, current)| Origin {
        state: own.id,
        commit: own.commit,
        daemon: request.name.clone(),
        generation: current.number,
        sha256: files.checksum(),
    });
    let (there, origin) = placed.current.map(|current| (current.files, current.origin)).unwrap_or_default();
    Ok(PlacedDaemon { placement, files, taken_over, there, origin, observed })
}

/// Looks at where a daemon reads the files with which it is taken over; no state knows it yet.
pub(super) fn observe_adopted(
    request: &InstallDaemonRequest,
    files: &CredentialBytes,
) -> Result<PlacedDaemon, Failure> {
    let placement = InstallPlace { style: PlaceStyle::Kept { plain: true }, ..place_of(request)? };
    let (observed, placed) = look(&placement, Some(files), None)?;
    let (there, origin) = placed.current.map(|current| (current.files, current.origin)).unwrap_or_default();
    Ok(PlacedDaemon { placement, files: None, taken_over: None, there, origin, observed })
}

fn place_of(request: &InstallDaemonRequest) -> Result<InstallPlace, Failure> {
    let (root, layout) = (&request.install.root, request.install.layout);
    Ok(InstallPlace {
        folder: root.join(layout.folder()),
        links: layout.links().into_iter().map(|(path, file)| (root.join(path), file.file_name())).collect(),
        owner: request.owner.as_ref().map(|owner| Owner::parse(&owner.to_string())).transpose()?,
        style: PlaceStyle::Links,
        key_readers: KeyReaders::named(request.key_group.as_ref().map(GroupName::as_str))?,
        origin: None,
    })
}

/// The certificate of the set that is current at a place.
fn current_leaf(placed: &PlacedFiles, folder: &Path) -> Option<Certificate> {
    let files = placed.current.as_ref()?.files.as_ref()?;
    let chain = Certificate::chain_from_pem(&files.certificate, folder).ok()?;
    chain.into_iter().next()
}

/// The CAs of that set.
fn current_trust(placed: &PlacedFiles, folder: &Path) -> Option<TrustBundle> {
    let files = placed.current.as_ref()?.files.as_ref()?;
    TrustBundle::from_pem(&files.authority, folder.display()).ok()
}

/// What stands at a place, compared with what should.
pub(super) fn observe_placement(
    placement: &InstallPlace,
    files: Option<&CredentialBytes>,
) -> Result<Placed, Failure> {
    look(placement, files, None).map(|(observed, _)| observed)
}

/// Looks at a place where those files belong, and where those of before may stand as plain ones.
fn look(
    placement: &InstallPlace,
    files: Option<&CredentialBytes>,
    before: Option<&CredentialBytes>,
) -> Result<(Placed, PlacedFiles), Failure> {
    let placed = placement.observe(before.or(files))?;
    let foreign = placement.links.iter().zip(&placed.links).filter_map(|((path, _), state)| match state {
        LinkState::Foreign { what } => Some((path, what)),
        LinkState::Absent | LinkState::Ours | LinkState::Plain => None,
    });
    let foreign: Vec<_> = foreign.collect();
    if let Some((path, what)) = foreign.first() {
        let moves = foreign.iter().map(|(path, _)| move_aside(path, exists));
        return Err(Failure::new("installing", path.display())
            .expected("nothing, or a link that kitcert made")
            .found(what)
            .hint(Message::join(moves, " && ")));
    }
    let is_current =
        |files: &CredentialBytes| placed.current.as_ref().is_some_and(|current| current.holds(files));
    let same = files.is_some_and(is_current) && placement.is_linked(&placed);
    if !same {
        placement.refuse_unwritable()?;
    }
    let observed = Placed {
        folder: placement.folder.clone(),
        links: placement.links.iter().map(|(path, _)| path.clone()).collect(),
        next_generation: placed.next,
        state: if same { PlacedState::UpToDate } else { PlacedState::Outdated },
        current: current_leaf(&placed, &placement.folder),
        trust: current_trust(&placed, &placement.folder),
        standing: Standing::Ours,
    };
    Ok((observed, placed))
}

/// Reads a generation of an identity of the state. Its files never change, while `current` may lead to another
/// between two of them.
pub(super) fn read_set(
    state: &Path,
    role: Role,
    name: &IdentityName,
    generation: Generation,
) -> Result<CredentialBytes, Failure> {
    let folder = state.join(identity_folder(role, name)).join(generation.to_string());
    let key = read(&folder.join(CredentialFile::Key.file_name()), LARGEST_PEM)?.bytes;
    read_set_with_key(state, role, name, generation, key)
}

/// The same of a generation whose key is not in the state, but at hand.
pub(super) fn read_set_with_key(
    state: &Path,
    role: Role,
    name: &IdentityName,
    generation: Generation,
    key: Zeroizing<Vec<u8>>,
) -> Result<CredentialBytes, Failure> {
    let folder = state.join(identity_folder(role, name)).join(generation.to_string());
    let file = |file: CredentialFile| {
        Ok::<_, Failure>(read(&folder.join(file.file_name()), LARGEST_PEM)?.bytes.to_vec())
    };
    let authority = file(CredentialFile::Authority)?;
    Ok(CredentialBytes { authority, certificate: file(CredentialFile::Certificate)?, key })
}

/// Checks the set that is about to be installed as its peers would.
pub(super) fn check_set(
    invocation: &Invocation<'_>,
    role: Role,
    name: &IdentityName,
    observation: &Observation,
    hosts: &[SubjectAltName],
) -> Result<(), Failure> {
    let Some(current) = observation.current(role, name) else { return Ok(()) };
    let folder = identity_folder(role, name).join(current.number.to_string());
    let key = read_key(&invocation.state, &folder.join("key.pem"))?;
    let key = Some(key.public_key());
    let credentials = Credentials { role, chain: &current.chain, key, trust: &current.trust };
    require(&credentials, name, hosts, invocation.environment.now())
}
