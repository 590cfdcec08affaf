//! `install`, done: files where a daemon or a client reads them.

use std::path::{Path, PathBuf};

use super::check::Set;
use super::context::{Context, Mode};
use super::state_change::{change_state, identity_folder, read_key};
use crate::layout::{ClientPlace, ClientSettings, ClientTool, EnableTls, SetFile, client_place};
use crate::model::profile::LARGEST_PEM;
use crate::model::{Endpoint, Failure, IdentityName, Role, SubjectAltName};
use crate::pki::Certificate;
use crate::plan::{self, ConfigFile, InstallClientRequest, InstallDaemonRequest, Placed, PlacedState, Plan};
use crate::store::{
    FileMode, FileSet, Home, Interest, LinkState, Observation, Owner, Parents, PlacedFiles, Placement,
    Replacement, earthly_home, exists, read, read_if_present, replace_file,
};

/// What the installation of a client did, or would do.
#[derive(Debug)]
pub struct InstalledClient {
    /// The plan that was carried out, or would be.
    pub plan: Plan,
    /// Where its files and its config are.
    pub place: ClientPlace,
}

/// What `install client` was asked for.
#[derive(Clone, Debug)]
pub struct ClientInstallation {
    /// The client.
    pub name: IdentityName,
    /// The daemon that it will use.
    pub endpoint: Endpoint,
    /// Its tool.
    pub tool: ClientTool,
    /// The config to edit instead of the tool's own.
    pub config: Option<PathBuf>,
    /// Whether TLS is turned on where the config turns it off.
    pub enable_tls: EnableTls,
}

/// A daemon's files, and the place for them.
pub(super) struct PlacedDaemon {
    placement: Placement,
    files: Option<FileSet>,
    /// What the planner needs to know of it.
    pub observed: Placed,
}

impl PlacedDaemon {
    /// Puts the files in place.
    pub fn install(&self) -> Result<(), Failure> {
        match &self.files {
            Some(files) => self.placement.install(files, self.observed.next_generation),
            None => Ok(()),
        }
    }
}

/// Installs a daemon's files under a root; the plan that was carried out, or would be.
///
/// # Errors
/// No certificate, a set that its peers would refuse, foreign files in the way, parents that
/// others can write, a disk that does not take the files. Nothing live is changed then.
pub fn install_daemon(context: &Context<'_>, request: &InstallDaemonRequest) -> Result<Plan, Failure> {
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

/// Installs a client's files beside its config, and edits the config in place.
///
/// # Errors
/// As [`install_daemon`], and a config that cannot be edited safely: the failure has the lines
/// to add.
pub fn install_client(
    context: &Context<'_>,
    request: &ClientInstallation,
) -> Result<InstalledClient, Failure> {
    let interest = Interest::Identities(vec![(Role::Client, request.name.clone())]);
    let (_, observation) = context.observe(&interest)?;
    let place = client_place_of(context, request)?;
    let config = match &place.config {
        None => None,
        Some(config) => Some(ConfigFile {
            path: config.path.clone(),
            bytes: read_if_present(&config.path, LARGEST_PEM)?.map(|file| file.bytes.to_vec()),
            settings: ClientSettings {
                endpoint: request.endpoint.clone(),
                tls_ca: config.value_of(SetFile::Authority),
                tls_cert: config.value_of(SetFile::Certificate),
                tls_key: config.value_of(SetFile::Key),
                enable_tls: request.enable_tls,
            },
        }),
    };
    let (placement, files) = client_placement(context, &request.name, &place, &observation)?;
    let observed = observe_placement(&placement, files.as_ref())?;
    let asked = InstallClientRequest { name: request.name.clone(), config };
    let plan = plan::install_client(&asked, &observation, &observed)?;
    check_set(context, Role::Client, &request.name, &observation, &[])?;
    if context.mode == Mode::Apply {
        if let (false, Some(files)) = (plan.placements.is_empty(), &files) {
            placement.install(files, observed.next_generation)?;
        }
        if let Some(config) = &plan.config {
            replace_file(&Replacement {
                path: &config.path,
                expected: config.before.as_deref(),
                bytes: &config.after,
                mode_if_absent: FileMode::Private,
                owner_if_absent: placement.owner,
                parents: Parents::Create,
            })?;
        }
    }
    Ok(InstalledClient { plan, place })
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
    };
    let files = observation
        .filter(|observation| observation.current(Role::Daemon, &request.name).is_some())
        .map(|_| read_set(&context.state, Role::Daemon, &request.name))
        .transpose()?;
    let observed = observe_placement(&placement, files.as_ref())?;
    Ok(PlacedDaemon { placement, files, observed })
}

fn client_place_of(context: &Context<'_>, request: &ClientInstallation) -> Result<ClientPlace, Failure> {
    let home = earthly_home(context.environment)?;
    let config = request.config.as_deref();
    client_place(request.tool, context.environment, &home.path, config, Some(&request.endpoint), &exists)
}

fn client_placement(
    context: &Context<'_>,
    name: &IdentityName,
    place: &ClientPlace,
    observation: &Observation,
) -> Result<(Placement, Option<FileSet>), Failure> {
    let Home { owner, .. } = earthly_home(context.environment)?;
    let links = [SetFile::Authority, SetFile::Certificate, SetFile::Key];
    let placement = Placement {
        folder: place.folder.join("kitcert"),
        links: links
            .into_iter()
            .map(|file| (place.folder.join(file.file_name()), file.file_name()))
            .collect(),
        owner,
    };
    let has_key = observation
        .current(Role::Client, name)
        .is_some_and(|current| current.key == crate::store::KeyPresence::Present);
    let files = if has_key { Some(read_set(&context.state, Role::Client, name)?) } else { None };
    Ok((placement, files))
}

/// The certificate of the set that is current at a place.
fn current_leaf(placed: &PlacedFiles, folder: &Path) -> Option<Certificate> {
    let files = placed.current.as_ref()?.files.as_ref()?;
    let chain = Certificate::chain_from_pem(&files.certificate, &folder.display().to_string()).ok()?;
    chain.into_iter().next()
}

/// What stands at a place, compared with what should.
fn observe_placement(placement: &Placement, files: Option<&FileSet>) -> Result<Placed, Failure> {
    let placed = placement.observe()?;
    let foreign = placement.links.iter().zip(&placed.links).find_map(|((path, _), state)| match state {
        LinkState::Foreign { what } => Some((path, what)),
        LinkState::Absent | LinkState::Ours => None,
    });
    if let Some((path, what)) = foreign {
        return Err(Failure::new("installing", path.display())
            .expected("nothing, or a link that kitcert made")
            .found(what)
            .hint(format!("mv {0} {0}.before-kitcert", path.display())));
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
    })
}

fn read_set(state: &Path, role: Role, name: &IdentityName) -> Result<FileSet, Failure> {
    let folder = state.join(identity_folder(role, name)).join("current");
    let file = |file: SetFile| Ok::<_, Failure>(read(&folder.join(file.file_name()), LARGEST_PEM)?.bytes);
    Ok(FileSet {
        authority: file(SetFile::Authority)?.to_vec(),
        certificate: file(SetFile::Certificate)?.to_vec(),
        key: file(SetFile::Key)?,
    })
}

/// Checks the set that is about to be installed as its peers would.
fn check_set(
    context: &Context<'_>,
    role: Role,
    name: &IdentityName,
    observation: &Observation,
    hosts: &[SubjectAltName],
) -> Result<(), Failure> {
    let Some(current) = observation.current(role, name) else { return Ok(()) };
    let key = read_key(&context.state, &identity_folder(role, name).join("current/key.pem"))?;
    let set = Set { role, name, trust: &current.trust, chain: &current.chain, key: key.public_key(), hosts };
    set.check(context.environment.now())
}
