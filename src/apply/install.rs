//! `install daemon`, done: files where a daemon reads them. What is observed of any place of files
//! is observed here.

use std::path::{Path, PathBuf};

use super::authorities::read_key;
use super::context::{Context, Mode};
use super::state_change::change_state;
use crate::layout::state_paths::identity_folder;
use crate::layout::{DaemonEntry, DaemonLayout, Owner as OwnerName, SetFile};
use crate::message;
use crate::model::profile::LARGEST_PEM;
use crate::model::{Failure, IdentityName, Quoted, Role, SubjectAltName};
use crate::pki::judge::{Credentials, require};
use crate::pki::{Certificate, TrustBundle};
use crate::plan::{self, InstallDaemonRequest, InstallRequest, Placed, PlacedState, Plan};
use crate::store::{
    FileSet, Interest, LinkState, Observation, Origin, Owner, PlacedFiles, Placement, StateRecord, read,
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

/// What `install daemon` was asked for; what is None is as kitcert.yaml says.
#[derive(Clone, Debug)]
pub(crate) struct DaemonInstallation {
    /// The daemon; else the only one that there is.
    pub name: Option<IdentityName>,
    /// The root that paths are under; else `/`.
    pub root: Option<PathBuf>,
    /// Which daemon reads the files.
    pub layout: Option<DaemonLayout>,
    /// Whose the files are to be.
    pub owner: Option<OwnerName>,
}

/// What the installation of a daemon did, or would do.
#[derive(Debug)]
pub(crate) struct InstalledDaemon {
    /// The plan that was carried out, or would be.
    pub plan: Plan,
    /// The daemon.
    pub name: IdentityName,
    /// Where its files are.
    pub install: InstallRequest,
    /// What kitcert.yaml says of it.
    pub entry: Option<DaemonEntry>,
}

/// Installs a daemon's files under a root.
///
/// # Errors
/// No daemon, or several and none named; no certificate, a set that its peers would refuse, foreign files in the way, parents that
/// others can write, a disk that does not take the files. Nothing live is changed then.
pub(crate) fn install_daemon(
    context: &Context<'_>,
    asked: &DaemonInstallation,
) -> Result<InstalledDaemon, Failure> {
    let (_, observation) = context.observe(&Interest::Inventory)?;
    let name = plan::chosen(asked.name.as_ref(), observation.inventory.daemons.keys(), Role::Daemon)?;
    let entry = observation.inventory.daemons.get(&name);
    let there = entry.and_then(|entry| entry.install.as_ref());
    let root = asked.root.clone().or_else(|| there.map(|there| there.root.clone()));
    let request = InstallDaemonRequest {
        name: name.clone(),
        install: InstallRequest {
            layout: asked.layout.or(there.map(|there| there.layout)).unwrap_or_default(),
            root: root.unwrap_or_else(|| PathBuf::from("/")),
        },
        owner: asked.owner.clone().or_else(|| there.and_then(|there| there.owner.clone())),
    };
    let plan = carry_out(context, &request)?;
    Ok(InstalledDaemon { plan, name, install: request.install, entry: entry.cloned() })
}

fn carry_out(context: &Context<'_>, request: &InstallDaemonRequest) -> Result<Plan, Failure> {
    let interest = Interest::Identities(vec![(Role::Daemon, request.name.clone())]);
    let planner = |observation: Option<&Observation>| {
        let observation = observation.ok_or_else(|| context.no_state())?;
        let placed = observe_daemon(context, request, Some(observation))?;
        plan::install_daemon(request, observation, &placed.observed)
    };
    let (_, observation) = context.observe(&interest)?;
    let hosts = observation.inventory.daemons.get(&request.name).map(|daemon| daemon.endpoint.host().clone());
    check_set(context, Role::Daemon, &request.name, &observation, hosts.as_slice())?;
    let placed = observe_daemon(context, request, Some(&observation))?;
    let done = change_state(context, &interest, &planner)?;
    if context.mode == Mode::Apply && !done.plan.placements.is_empty() {
        placed.install()?;
    }
    Ok(done.plan)
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

/// Whether that set comes from this very state, after more changes than it has had: then what is here is
/// an old copy.
fn is_of_later_state(placed: &PlacedFiles, own: Option<&Origin>) -> bool {
    let there = placed.current.as_ref().and_then(|current| current.origin.as_ref());
    there.zip(own).is_some_and(|(there, own)| there.state == own.state && there.commit > own.commit)
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
        is_of_later_state: is_of_later_state(&placed, placement.origin.as_ref()),
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
