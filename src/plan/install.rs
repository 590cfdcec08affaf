//! `install`: a daemon's or a client's files where they are read, and a client's config that names
//! them.

use std::path::{Path, PathBuf};

use super::exclusions::unrecorded;
use super::fault::fault_of;
use super::revoke::refuse_revoked;
use super::standing::Standing;
use super::steps::{ConfigStep, InventoryStep, PlacementStep, Plan, StateStep};
use crate::layout::{
    ClientSettings, ConfigEdit, DaemonEntry, DaemonLayout, GroupName, InstallEntry, Inventory,
    InventoryChange, OwnerName, edit_client_config, move_aside,
};
use crate::message;
use crate::model::{Failure, Generation, IdentityName, Message, Quoted, Role};
use crate::pki::{Certificate, TrustBundle};
use crate::store::{KeyPresence, Observation};

/// What `install daemon` was asked for, with what kitcert.yaml says filled in.
#[derive(Clone, Debug)]
pub(crate) struct InstallDaemonRequest {
    /// The daemon.
    pub name: IdentityName,
    /// Where, and for which daemon.
    pub install: InstallRequest,
    /// Whose the files are to be; root's or ours where it is not said.
    pub owner: Option<OwnerName>,
    /// The group that may read the key; nobody but its owner where it is not said.
    pub key_group: Option<GroupName>,
}

impl InstallDaemonRequest {
    /// The place where kitcert.yaml says that a daemon is installed on this machine; None where it does not.
    pub(crate) fn of_entry(name: &IdentityName, entry: &DaemonEntry) -> Option<InstallDaemonRequest> {
        let install = entry.install.as_ref()?;
        Some(InstallDaemonRequest {
            name: name.clone(),
            install: InstallRequest { root: install.root.clone(), layout: install.layout },
            owner: install.owner.clone(),
            key_group: install.key_group.clone(),
        })
    }
}

/// Where and for which daemon files are installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstallRequest {
    /// The root that paths are under.
    pub root: PathBuf,
    /// Which daemon reads them.
    pub layout: DaemonLayout,
}

/// What stands where files are to be installed.
#[derive(Clone, Debug)]
pub struct Placed {
    /// The folder of the generations.
    pub folder: PathBuf,
    /// The paths that are to lead there.
    pub links: Vec<PathBuf>,
    /// The number that a new generation would have.
    pub next_generation: Generation,
    /// How what is there compares with what should be.
    pub state: PlacedState,
    /// The certificate that is current there, if it can be read.
    pub current: Option<Certificate>,
    /// The CAs that are trusted there, if they can be read.
    pub trust: Option<TrustBundle>,
    /// Whose what is there is.
    pub standing: Standing,
}

/// How what is installed compares with what should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlacedState {
    /// Nothing, other files, or not all of the links.
    Outdated,
    /// Every file, byte for byte, and every link.
    UpToDate,
}

/// Plans `install daemon`: the files if they differ from what is there, and kitcert.yaml if it
/// does not say yet where the daemon is installed.
///
/// # Errors
/// A daemon that has no certificate.
pub(crate) fn install_daemon(
    request: &InstallDaemonRequest,
    observation: &Observation,
    placed: &Placed,
) -> Result<Plan, Failure> {
    if observation.current(Role::Daemon, &request.name).is_none() {
        return Err(Failure::new("installing daemon", &request.name)
            .expected("a certificate")
            .found(message!(
                "none{}",
                request.name.did_you_mean(
                    observation.inventory.daemons.keys().filter(|known| **known != request.name)
                )
            ))
            .hint(match observation.inventory.daemons.contains_key(&request.name) {
                true => message!("{kitcert} issue daemon {}", request.name),
                false => message!("issue it a certificate first, with each host that clients dial"),
            }));
    }
    refuse_unfit(&request.name, placed, Some(observation))?;
    let entry = InstallEntry {
        layout: request.install.layout,
        root: request.install.root.clone(),
        owner: request.owner.clone(),
        key_group: request.key_group.clone(),
    };
    let listed = observation.inventory.daemons.get(&request.name);
    let mut plan = Plan::default();
    if let Some(DaemonEntry { install, .. }) = listed
        && install.as_ref() != Some(&entry)
    {
        let change = InventoryChange::SetInstall(request.name.clone(), entry);
        plan.state.push(StateStep::Inventory(InventoryStep::Edit(vec![change])));
    }
    plan.placements.extend(placement_step(Role::Daemon, &request.name, placed));
    Ok(plan)
}

/// Refuses to put a daemon's files over another's, of this state or of another CA: whoever trusts
/// that CA would be locked out. Nor is a CA trusted again that the daemon trusts no more.
pub(crate) fn refuse_unfit(
    name: &IdentityName,
    placed: &Placed,
    observation: Option<&Observation>,
) -> Result<(), Failure> {
    let folder = Quoted(&placed.folder);
    let fault = placed.standing.fault(name).filter(|_| placed.standing != Standing::ByHand);
    if let Some(fault) = fault {
        let failure = Failure::new("installing daemon", name).found(message!("{}, in {}", fault, folder));
        return Err(match &placed.standing {
            Standing::OtherState(_) => failure
                .expected("nothing there, or what this state installed last")
                .hint(elsewhere(name, placed, false)),
            Standing::OtherDaemon(_) => {
                failure.expected("nothing there, or its own files").hint(elsewhere(name, placed, true))
            }
            _ => failure.expected("this state to be the only one, and up to date").hint("{kitcert} recover"),
        });
    }
    refuse_more_trust(name, placed, observation)?;
    let adopted = observation.and_then(|one| one.daemons.get(name)?.history.adopted);
    let is_adopted = |there: &Certificate| adopted.is_some_and(|adopted| adopted.leaf == there.fingerprint());
    let Some(there) = placed.current.as_ref().filter(|there| !is_adopted(there)) else { return Ok(()) };
    let is_known_here = observation.is_some_and(|observation| {
        observation.authorities.iter().any(|authority| authority.certificate.subject() == there.issuer())
    });
    if is_known_here && there.subject().common_name() == Some(name.common_name(Role::Daemon)) {
        return Ok(());
    }
    Err(Failure::new("installing daemon", name)
        .expected(message!("nothing in {}, or an earlier set of this daemon", folder))
        .found(message!("{}, issued by {}", there.subject(), there.issuer()))
        .hint(elsewhere(name, placed, is_known_here)))
}

/// What to do where files of somebody else stand in the way. Another daemon of this state goes on with them.
fn elsewhere(name: &IdentityName, placed: &Placed, is_of_this_state: bool) -> Message {
    let other = root_of(name);
    let is_there = placed.folder.starts_with(&other);
    let other = if is_there { Path::new("/srv").join(format!("{name}-2")) } else { other };
    let install = message!("{kitcert} install daemon {} --root {}", name, Quoted(&other));
    if is_of_this_state {
        return install;
    }
    let aside = move_aside(&placed.folder, |_| false);
    message!("{}   # or, if no daemon reads what is there: {}", install, aside)
}

/// The root for a daemon that cannot have `/`.
fn root_of(name: &IdentityName) -> PathBuf {
    Path::new("/srv").join(name.as_str())
}

/// The root to name for a daemon that is to be installed, if it must have another than `/`: one daemon of
/// this state is there.
#[must_use]
pub(crate) fn other_root(name: &IdentityName, inventory: &Inventory) -> Option<PathBuf> {
    let is_at_top =
        |entry: &DaemonEntry| entry.install.as_ref().is_some_and(|install| install.root == Path::new("/"));
    let own = inventory.daemons.get(name).and_then(|entry| entry.install.as_ref());
    let mut others = inventory.daemons.iter().filter(|(other, _)| *other != name);
    (own.is_none() && others.any(|(_, entry)| is_at_top(entry))).then(|| root_of(name))
}

/// Refuses to trust a CA again that a daemon trusts no more, or to let in again whom it refuses, unless that is
/// meant: a bundle never trusts more than what is noted.
fn refuse_more_trust(
    name: &IdentityName,
    placed: &Placed,
    observation: Option<&Observation>,
) -> Result<(), Failure> {
    let Some(observation) = observation else { return Ok(()) };
    let current = observation.current(Role::Daemon, name);
    let Some((there, current)) = placed.trust.as_ref().zip(current) else { return Ok(()) };
    let forgotten = unrecorded(observation, there);
    if !forgotten.is_empty() && current.trust.certificates().iter().any(|anchor| there.trusts(anchor)) {
        return Err(Failure::new("installing daemon", name)
            .expected(message!("a state that knows whom {} refuses", Quoted(&placed.folder)))
            .found(message!("none of {} in revocations.json", Message::few(&forgotten, ", ")))
            .hint("{kitcert} recover   # takes in whom the daemons refuse"));
    }
    let rollover = observation.rollover.as_ref().filter(|rollover| !rollover.is_emergency());
    let meant = observation.authorities.iter().filter(|one| {
        observation.active_authority().is_some_and(|active| active.id == one.id)
            || (one.record.clients_only && one.record.is_usable())
            || rollover.is_some_and(|rollover| rollover.from.contains(&one.id))
    });
    let meant: Vec<&Certificate> = meant.map(|one| &one.certificate).collect();
    let is_known = |anchor: &&Certificate| {
        there.trusts(anchor) || meant.iter().any(|authority| authority.is_of_same_authority(anchor))
    };
    let Some(more) = current.trust.certificates().iter().find(|anchor| !is_known(anchor)) else {
        return Ok(());
    };
    Err(Failure::new("installing daemon", name)
        .expected(message!("CAs that the daemon trusts already, as installed in {}", Quoted(&placed.folder)))
        .found(message!("{} too, which nothing says that it is to trust", more.subject()))
        .hint(message!("{kitcert} rotate --force daemon/{}   # with the CA that is in use alone", name)))
}

/// The step that puts a set of files in place, where what is there is not the same already.
pub(super) fn placement_step(role: Role, name: &IdentityName, placed: &Placed) -> Option<PlacementStep> {
    (placed.state == PlacedState::Outdated).then(|| PlacementStep {
        role,
        name: name.clone(),
        folder: placed.folder.clone(),
        generation: placed.next_generation,
        links: placed.links.clone(),
    })
}

/// What `install client` was asked for.
#[derive(Clone, Debug)]
pub(crate) struct InstallClientRequest {
    /// The client.
    pub name: IdentityName,
    /// The config to edit, for tools that have one.
    pub config: Option<ConfigFile>,
    /// The daemon that its tool is to start, where its files are placed too.
    pub daemon: Option<ManagedDaemonRequest>,
}

/// A daemon that the client's tool starts itself.
#[derive(Clone, Debug)]
pub(crate) struct ManagedDaemonRequest {
    /// The daemon.
    pub name: IdentityName,
    /// What stands where its files are to be.
    pub placed: Placed,
}

/// A client's config as it is, and what it should say.
#[derive(Clone, Debug)]
pub(crate) struct ConfigFile {
    /// Where it is.
    pub path: PathBuf,
    /// What is in it; None: there is none.
    pub bytes: Option<Vec<u8>>,
    /// What it should say.
    pub settings: ClientSettings,
}

/// Plans the installation of a client's files, wherever they came from: the files if they differ
/// from what is there, the config if it does not say what it should.
///
/// # Errors
/// A config that cannot be edited safely: the failure has the lines to add.
pub(crate) fn install_client(request: &InstallClientRequest, placed: &Placed) -> Result<Plan, Failure> {
    let mut plan = Plan::default();
    plan.placements.extend(placement_step(Role::Client, &request.name, placed));
    if let Some(daemon) = &request.daemon {
        plan.placements.extend(placement_step(Role::Daemon, &daemon.name, &daemon.placed));
    }
    if let Some(config) = &request.config
        && let ConfigEdit::Changed { bytes, keys } =
            edit_client_config(config.bytes.as_deref(), &config.path, &config.settings)?
    {
        plan.config =
            Some(ConfigStep { path: config.path.clone(), before: config.bytes.clone(), after: bytes, keys });
    }
    Ok(plan)
}

/// The generation of a client of the state that is to be installed: all of its files have to be there.
///
/// # Errors
/// A client without a certificate, or whose key is kept elsewhere.
pub(crate) fn installable_generation(
    name: &IdentityName,
    observation: &Observation,
) -> Result<Generation, Failure> {
    let failure = Failure::new("installing client", name);
    let key =
        observation.current(Role::Client, name).map(|current| current.leaf().public_key().fingerprint());
    refuse_revoked("installing client", name, key.as_ref(), observation)?;
    match observation.current(Role::Client, name) {
        None => Err(fault_of(Role::Client, name, observation).unwrap_or_else(|| {
            let known = observation.inventory.clients.keys().filter(|known| *known != name);
            let none = failure.expected("a certificate").found(message!("none{}", name.did_you_mean(known)));
            none.hint(message!("{kitcert} issue client {}", name))
        })),
        Some(current) if current.key == KeyPresence::Absent => Err(failure
            .expected("its key")
            .found("a certificate without a key: the key is where the request was made, or in the kit")
            .hint(message!("{kitcert} invite {}", name))),
        Some(current) => Ok(current.number),
    }
}

/// Notes in kitcert.yaml where files are installed for a client's tool, so that a renewal reaches
/// them: the client's own, and those of the daemon that the tool starts. None where it says so
/// already, or lists neither.
#[must_use]
pub(crate) fn note_installed(
    client: &IdentityName,
    daemon: Option<&IdentityName>,
    folder: &Path,
    observation: &Observation,
) -> Option<StateStep> {
    let identities = [Some((Role::Client, client)), daemon.map(|daemon| (Role::Daemon, daemon))];
    let is_unnoted = |(role, name): &(Role, &IdentityName)| {
        let noted = observation.inventory.installed(*role, name);
        noted.is_some_and(|folders| folders.iter().all(|noted| noted != folder))
    };
    let changes: Vec<_> = identities
        .into_iter()
        .flatten()
        .filter(is_unnoted)
        .map(|(role, name)| InventoryChange::AddInstalled(role, name.clone(), folder.to_owned()))
        .collect();
    (!changes.is_empty()).then_some(StateStep::Inventory(InventoryStep::Edit(changes)))
}
