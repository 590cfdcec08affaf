//! `install client`, done: files where a client's tool reads them, and the config that names them.
//!
//! What is installed is a value, wherever it came from: `install client` reads it from the state,
//! and a machine that has no state can bring it too.

use std::path::{Path, PathBuf};

use super::copies::{copies_in, refuse_useless};
use crate::apply::change::{change_existing, refuse_old_copy};
use crate::apply::client_copies::read_copy;
use crate::apply::invocation::{Invocation, Mode};
use crate::apply::placed::{check_set, observe_placement, read_set};
use crate::layout::{
    ClientConfig, ClientPlace, ClientSettings, ClientTool, ConfigPlace, CredentialFile, DaemonSet, EnableTls,
    Inventory, by_hand, client_place,
};
use crate::message;
use crate::model::profile::LARGEST_PEM;
use crate::model::{Endpoint, ExitCode, Failure, IdentityName, Role};
use crate::plan::{self, ConfigFile, InstallClientRequest, ManagedDaemonRequest, Placed, Plan};
use crate::store::{
    CredentialBytes, Existing, Home, InstallPlace, Interest, KeyPresence, Observation, ObservedGeneration,
    Owner, Parents, Privacy, Replacement, earthly_home, exists, read_if_present, refuse_irreplaceable,
    replace_file,
};

/// What the installation of a client did, or would do.
#[derive(Debug)]
pub(crate) struct InstalledClient {
    /// The plan that was carried out, or would be.
    pub plan: Plan,
    /// Where its files and its config are.
    pub place: ClientPlace,
    /// The client.
    pub name: IdentityName,
    /// The daemon that it will use.
    pub endpoint: Endpoint,
}

/// What `install client` was asked for.
#[derive(Clone, Debug)]
pub(crate) struct ClientInstallation {
    /// The client, one of the state; None: the only one that there is.
    pub name: Option<IdentityName>,
    /// The daemon that it will use; None: the only one that there is.
    pub endpoint: Option<Endpoint>,
    /// Its tool.
    pub tool: ClientTool,
    /// The config to edit instead of the tool's own.
    pub config: Option<PathBuf>,
    /// Whether TLS is turned on where the config turns it off.
    pub enable_tls: EnableTls,
}

/// A client's files at hand, and where they are to go. Whoever makes one has checked the set.
/// Without Debug, since it holds keys.
pub(crate) struct ClientToInstall {
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
    /// Its ca.pem, cert.pem and key.pem.
    pub set: CredentialBytes,
    /// The files of the daemon, where the client's tool is to start that daemon itself.
    pub daemon: Option<ManagedDaemon>,
}

/// The files of a daemon that a client's tool starts itself.
pub(crate) struct ManagedDaemon {
    /// The daemon.
    pub name: IdentityName,
    /// Its ca.pem, cert.pem and key.pem.
    pub set: CredentialBytes,
}

/// The installation of a client, decided and not yet done.
pub(crate) struct PlannedClient {
    /// What is to be done.
    pub plan: Plan,
    /// Where its files and its config are.
    pub place: ClientPlace,
    name: IdentityName,
    endpoint: Endpoint,
    sets: Vec<SetInPlace>,
    /// What the config is to say, if there is one.
    settings: Option<ClientSettings>,
    owner: Option<Owner>,
}

/// A set of files, and the place for it.
struct SetInPlace {
    placement: InstallPlace,
    set: CredentialBytes,
    observed: Placed,
}

/// Installs a client's files beside its config, and edits the config in place.
///
/// # Errors
/// No certificate or no key, a set that its peers would refuse, and those of [`plan_client`] and
/// [`PlannedClient::carry_out`].
pub(crate) fn install_client(
    invocation: &Invocation<'_>,
    request: &ClientInstallation,
) -> Result<InstalledClient, Failure> {
    let (_, observation) = invocation.observe(&Interest::Inventory)?;
    refuse_old_copy(invocation, &observation)?;
    let inventory = &observation.inventory;
    let named = request.endpoint.as_ref().map(|endpoint| message!(" --endpoint {}", endpoint));
    let name = plan::chosen(
        request.name.as_ref(),
        inventory.clients.keys(),
        Role::Client,
        &named.unwrap_or_default(),
    )?;
    let endpoint = match &request.endpoint {
        Some(endpoint) => endpoint.clone(),
        None => endpoint_of(inventory, &name)?,
    };
    let daemon = managed_daemon(request.tool, &endpoint, inventory);
    let mut identities = vec![(Role::Client, name.clone())];
    // Which of them let the client in is to be known before files that work are replaced.
    identities.extend(inventory.daemons.keys().map(|name| (Role::Daemon, name.clone())));
    let (_, observation) = invocation.observe(&Interest::Identities(identities))?;
    let generation = plan::installable_generation(&name, &observation)?;
    check_set(invocation, Role::Client, &name, &observation, &[])?;
    let daemon = daemon
        .map(|daemon| daemon_at_hand(invocation, daemon, &endpoint, &observation))
        .transpose()?
        .flatten();
    let managed = daemon.as_ref().map(|daemon| daemon.name.clone());
    let planned = plan_client(
        invocation,
        ClientToInstall {
            name: name.clone(),
            endpoint,
            tool: request.tool,
            config: request.config.clone(),
            enable_tls: request.enable_tls,
            set: read_set(&invocation.state, Role::Client, &name, generation)?,
            daemon,
        },
    )?;
    let folder = planned.place.folder.clone();
    refuse_to_lock_out(invocation, &observation, &name, &folder)?;
    let note = |observation: &Observation| {
        let noted = plan::note_installed(&name, managed.as_ref(), &folder, observation);
        Ok(Plan { state: noted.into_iter().collect(), ..Plan::default() })
    };
    let mut installed = match invocation.mode {
        Mode::Apply => planned.carry_out()?,
        Mode::DryRun | Mode::Look => planned.installed(),
    };
    // Behind the files: what is noted is there.
    installed.plan.state = change_existing(invocation, &Interest::Inventory, &note)?.plan.state;
    Ok(installed)
}

/// Where the client dials, by kitcert.yaml: its own endpoint, that of the defaults, or the only one.
fn endpoint_of(inventory: &Inventory, name: &IdentityName) -> Result<Endpoint, Failure> {
    let own = inventory.clients.get(name).and_then(|client| client.endpoint.as_ref());
    if let Some(endpoint) = own.or(inventory.defaults.endpoint.as_ref()) {
        return Ok(endpoint.clone());
    }
    let mut daemons = inventory.daemons.values();
    match (daemons.next(), daemons.next()) {
        (Some(only), None) => Ok(only.endpoint.clone()),
        (Some(first), Some(_)) => Err(Failure::new("choosing the daemon of client", name)
            .expected("--endpoint, or endpoint: of it in kitcert.yaml")
            .found(message!("neither, and {} daemons", inventory.daemons.len()))
            .hint(message!("{kitcert} install client {} --endpoint {}", name, first.endpoint))
            .exit(ExitCode::Usage)),
        (None, _) => Err(Failure::new("choosing the daemon of client", name)
            .expected("one in kitcert.yaml")
            .found("none")
            .hint("issue a daemon its certificate first, with each host that clients dial")),
    }
}

/// Refuses to replace files with which a daemon lets the client in by some that none does, or not that one.
fn refuse_to_lock_out(
    invocation: &Invocation<'_>,
    observation: &Observation,
    name: &IdentityName,
    folder: &Path,
) -> Result<(), Failure> {
    let Some(current) = observation.current(Role::Client, name) else { return Ok(()) };
    let now = invocation.environment.now();
    let works = |set: &ObservedGeneration| !plan::is_out(name, set, observation, now);
    let Some(there) = read_copy(folder, current).filter(works) else { return Ok(()) };
    let judged = refuse_useless(observation, (name, current), &[there], now);
    // Nothing has changed.
    judged.map(|_| ()).map_err(|failure| failure.exit(ExitCode::Failed))
}

/// The daemon of the state that the client's tool would start itself, since the endpoint is one
/// that it takes for its own machine.
fn managed_daemon(tool: ClientTool, endpoint: &Endpoint, inventory: &Inventory) -> Option<IdentityName> {
    let is_managed = tool.has_config() && endpoint.is_local_to_earthly();
    let found = inventory.daemons.iter().find(|(_, daemon)| is_managed && daemon.endpoint == *endpoint);
    found.map(|(name, _)| name.clone())
}

/// Its files, where its key is at hand and the set is one that clients accept.
fn daemon_at_hand(
    invocation: &Invocation<'_>,
    name: IdentityName,
    endpoint: &Endpoint,
    observation: &Observation,
) -> Result<Option<ManagedDaemon>, Failure> {
    let current = observation.current(Role::Daemon, &name);
    let Some(current) = current.filter(|current| current.key == KeyPresence::Present) else {
        return Ok(None);
    };
    check_set(invocation, Role::Daemon, &name, observation, std::slice::from_ref(endpoint.host()))?;
    let set = read_set(&invocation.state, Role::Daemon, &name, current.number)?;
    Ok(Some(ManagedDaemon { name, set }))
}

/// Looks at where a client's files are to go, and decides what is to be done. Nothing is changed.
///
/// # Errors
/// Foreign files in the way, parents that others can write, and a config that cannot be read or
/// cannot be edited safely: the failure has the lines to add.
pub(crate) fn plan_client(
    invocation: &Invocation<'_>,
    client: ClientToInstall,
) -> Result<PlannedClient, Failure> {
    let Home { path: home, owner } = earthly_home(invocation.environment)?;
    let config = client.config.as_deref();
    let place =
        client_place(client.tool, invocation.environment, &home, config, Some(&client.endpoint), &exists)?;
    let config = place.config.as_ref().map(|config| config_file(&client, config)).transpose()?;
    let of_client = SetInPlace::observe(copies_in(&place.folder, Role::Client, owner), client.set)?;
    let mut request = InstallClientRequest { name: client.name, config, daemon: None };
    let mut of_daemon = None;
    if let Some(ManagedDaemon { name, set }) = client.daemon {
        let set = SetInPlace::observe(copies_in(&place.folder, Role::Daemon, owner), set)?;
        request.daemon = Some(ManagedDaemonRequest { name, placed: set.observed.clone() });
        of_daemon = Some(set);
    }
    let plan = plan::install_client(&request, &of_client.observed)?;
    if let (Some(step), Some(file)) = (&plan.config, &request.config) {
        // The files should not be in place and their config be refused.
        refuse_irreplaceable(&step.path, owner, Parents::Create)
            .map_err(|failure| by_hand(failure, &step.path, &file.settings))?;
    }
    let sets = std::iter::once(of_client).chain(of_daemon).collect();
    let settings = request.config.map(|file| file.settings);
    Ok(PlannedClient { plan, place, name: request.name, endpoint: client.endpoint, sets, settings, owner })
}

impl PlannedClient {
    /// Puts the files in place, and edits the config when the files that it names are there.
    ///
    /// # Errors
    /// A disk that does not take the files, and a config that somebody has changed meanwhile.
    pub(crate) fn carry_out(self) -> Result<InstalledClient, Failure> {
        for SetInPlace { placement, set, observed } in &self.sets {
            if self.plan.placements.iter().any(|step| step.folder == placement.folder) {
                placement.install(set, observed.next_generation)?;
            }
        }
        if let Some(config) = &self.plan.config {
            replace_file(&Replacement {
                path: &config.path,
                expected: config.before.as_deref(),
                bytes: &config.after,
                mode: Privacy::Private,
                owner: self.owner,
                existing: Existing::LeavesAccess,
                parents: Parents::Create,
            })
            .map_err(|failure| match &self.settings {
                Some(settings) => by_hand(failure, &config.path, settings),
                None => failure,
            })?;
        }
        Ok(self.installed())
    }

    fn installed(self) -> InstalledClient {
        InstalledClient { plan: self.plan, place: self.place, name: self.name, endpoint: self.endpoint }
    }
}

impl SetInPlace {
    fn observe(placement: InstallPlace, set: CredentialBytes) -> Result<SetInPlace, Failure> {
        let observed = observe_placement(&placement, Some(&set))?;
        Ok(SetInPlace { placement, set, observed })
    }
}

/// The config as it is, and what it should say.
fn config_file(client: &ClientToInstall, config: &ConfigPlace) -> Result<ConfigFile, Failure> {
    let bytes = read_if_present(&config.path, LARGEST_PEM)?.map(|file| file.bytes.to_vec());
    // A config that cannot be read is refused by the editor, with the lines to add.
    let now = ClientConfig::parse(bytes.as_deref().unwrap_or_default(), &config.path).unwrap_or_default();
    let daemon = if client.daemon.is_some() { DaemonSet::Placed } else { DaemonSet::Elsewhere };
    Ok(ConfigFile {
        path: config.path.clone(),
        bytes,
        settings: ClientSettings {
            endpoint: client.endpoint.clone(),
            tls_ca: config.value_of(CredentialFile::Authority),
            tls_cert: config.value_of(CredentialFile::Certificate),
            tls_key: config.value_of(CredentialFile::Key),
            daemon: config.daemon_files(&now, daemon, &client.endpoint, &exists),
            enable_tls: client.enable_tls,
        },
    })
}
