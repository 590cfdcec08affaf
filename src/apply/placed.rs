//! What stands where files are installed, compared with what should.

use std::path::Path;

use super::authorities::read_key;
use super::context::Context;
use crate::layout::SetFile;
use crate::layout::state_paths::identity_folder;
use crate::message;
use crate::model::profile::LARGEST_PEM;
use crate::model::{Failure, IdentityName, Quoted, Role, SubjectAltName};
use crate::pki::judge::{Credentials, require};
use crate::pki::{Certificate, TrustBundle};
use crate::plan::{InstallDaemonRequest, Placed, PlacedState};
use crate::store::{
    FileSet, LinkState, Observation, Origin, Owner, PlacedFiles, Placement, StateRecord, read,
};

/// A daemon's files, and the place for them.
pub(super) struct PlacedDaemon {
    placement: Placement,
    files: Option<FileSet>,
    /// What the planner needs to know of it.
    pub observed: Placed,
}

impl PlacedDaemon {
    /// Puts the files in place.
    pub(super) fn install(&self) -> Result<(), Failure> {
        match &self.files {
            Some(files) => self.placement.install(files, self.observed.next_generation),
            None => Ok(()),
        }
    }
}

pub(super) fn observe_daemon(
    context: &Context<'_>,
    request: &InstallDaemonRequest,
    observation: Option<&Observation>,
) -> Result<PlacedDaemon, Failure> {
    let root = &request.install.root;
    let layout = request.install.layout;
    let placement = Placement {
        folder: root.join(layout.folder()),
        links: layout.links().into_iter().map(|(path, file)| (root.join(path), file.file_name())).collect(),
        owner: request.owner.as_ref().map(|owner| Owner::parse(&owner.to_string())).transpose()?,
        origin: observation.map(|observation| {
            let StateRecord { id, commit, .. } = &observation.state;
            Origin { state: id.clone(), commit: *commit }
        }),
    };
    let files = observation
        .filter(|observation| observation.current(Role::Daemon, &request.name).is_some())
        .map(|_| read_set(&context.state, Role::Daemon, &request.name))
        .transpose()?;
    let observed = observe_placement(&placement, files.as_ref())?;
    Ok(PlacedDaemon { placement, files, observed })
}

/// The certificate of the set that is current at a place.
fn current_leaf(placed: &PlacedFiles, folder: &Path) -> Option<Certificate> {
    let files = placed.current.as_ref()?.files.as_ref()?;
    let chain = Certificate::chain_from_pem(&files.certificate, folder).ok()?;
    chain.into_iter().next()
}

/// After how many changes that set comes from this very state, if it has had fewer: then it is an old copy.
fn later_commit(placed: &PlacedFiles, own: Option<&Origin>) -> Option<u64> {
    let there = placed.current.as_ref()?.origin.as_ref()?;
    own.filter(|own| there.state == own.state && there.commit > own.commit).map(|_| there.commit)
}

/// The CAs of that set.
fn current_trust(placed: &PlacedFiles, folder: &Path) -> Option<TrustBundle> {
    let files = placed.current.as_ref()?.files.as_ref()?;
    TrustBundle::from_pem(&files.authority, folder.display()).ok()
}

/// What stands at a place, compared with what should.
pub(super) fn observe_placement(placement: &Placement, files: Option<&FileSet>) -> Result<Placed, Failure> {
    let placed = placement.observe()?;
    let foreign = placement.links.iter().zip(&placed.links).find_map(|((path, _), state)| match state {
        LinkState::Foreign { what } => Some((path, what)),
        LinkState::Absent | LinkState::Ours => None,
    });
    if let Some((path, what)) = foreign {
        return Err(Failure::new("installing", path.display())
            .expected("nothing, or a link that kitcert made")
            .found(what)
            .hint(message!("mv {} {}.before-kitcert", Quoted(path), Quoted(path))));
    }
    let is_current = |files: &FileSet| placed.current.as_ref().is_some_and(|current| current.holds(files));
    let same = files.is_some_and(is_current) && placed.links.iter().all(|link| *link == LinkState::Ours);
    if !same {
        placement.refuse_unwritable()?;
    }
    Ok(Placed {
        folder: placement.folder.clone(),
        links: placement.links.iter().map(|(path, _)| path.clone()).collect(),
        next_generation: placed.next,
        state: if same { PlacedState::UpToDate } else { PlacedState::Outdated },
        current: current_leaf(&placed, &placement.folder),
        trust: current_trust(&placed, &placement.folder),
        later_commit: later_commit(&placed, placement.origin.as_ref()),
    })
}

/// Reads the current set of an identity of the state.
pub(super) fn read_set(state: &Path, role: Role, name: &IdentityName) -> Result<FileSet, Failure> {
    let folder = state.join(identity_folder(role, name)).join("current");
    let file = |file: SetFile| Ok::<_, Failure>(read(&folder.join(file.file_name()), LARGEST_PEM)?.bytes);
    Ok(FileSet {
        authority: file(SetFile::Authority)?.to_vec(),
        certificate: file(SetFile::Certificate)?.to_vec(),
        key: file(SetFile::Key)?,
    })
}

/// Checks the set that is about to be installed as its peers would.
pub(super) fn check_set(
    context: &Context<'_>,
    role: Role,
    name: &IdentityName,
    observation: &Observation,
    hosts: &[SubjectAltName],
) -> Result<(), Failure> {
    let Some(current) = observation.current(role, name) else { return Ok(()) };
    let key = read_key(&context.state, &identity_folder(role, name).join("current/key.pem"))?;
    let key = Some(key.public_key());
    let credentials = Credentials { role, chain: &current.chain, key, trust: &current.trust };
    require(&credentials, name, hosts, context.environment.now())
}
