//! `init`: a CA, a daemon and its first clients.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::adopt::{AdoptedDaemon, ImportedAuthority};
use super::install::{InstallRequest, Placed, placement_step, refuse_unfit};
use super::issue::endpoint_of;
use super::repetition::refuse_repetition;
use super::steps::{AuthorityChoice, InventoryStep, Issuance, KeySource, Plan, Reason, Signing, StateStep};
use crate::layout::{
    AuthorityPolicy, ClientEntry, DaemonEntry, Defaults, InstallEntry, Inventory, InventoryChange,
};
use crate::message;
use crate::model::profile::BACKDATING;
use crate::model::{
    AuthorityName, Contact, Endpoint, ExitCode, Failure, Generation, IdentityName, KeyAlgorithm, Lifetime,
    Message, Printable, Quoted, Role, SubjectAltName, Timestamp, Validity,
};
use crate::store::Observation;

/// What `init` was asked for.
#[derive(Clone, Debug)]
pub struct InitRequest {
    /// Where the state is to be.
    pub state: PathBuf,
    /// The daemon's names and addresses.
    pub hosts: Vec<SubjectAltName>,
    /// What the daemon is called.
    pub name: IdentityName,
    /// The first clients.
    pub clients: Vec<IdentityName>,
    /// Where clients reach the daemon; the first host and port 8372 where it is not said.
    pub endpoint: Option<Endpoint>,
    /// The first part of the CA's common name.
    pub authority_name: AuthorityName,
    /// How long the CA lives.
    pub authority_lifetime: Lifetime,
    /// How long a daemon's certificate lives, this one's and later ones'; None: as the profile says.
    pub daemon_lifetime: Option<Lifetime>,
    /// How long a client's certificate lives, these ones' and later ones'; None: as the profile says.
    pub client_lifetime: Option<Lifetime>,
    /// Whom kits name.
    pub contact: Option<Contact>,
    /// The type of every key.
    pub key: KeyAlgorithm,
    /// Where the daemon's files are installed too.
    pub install: Option<InstallRequest>,
    /// The CA that goes on, which was made elsewhere; None: one is made.
    pub import: Option<ImportedAuthority>,
    /// The daemon that was set up by others; None: its certificate is issued.
    pub adopted: Option<AdoptedDaemon>,
}

impl InitRequest {
    /// What holds for identities that say nothing else.
    fn defaults(&self) -> Defaults {
        Defaults {
            daemon_lifetime: self.daemon_lifetime,
            client_lifetime: self.client_lifetime,
            ..Defaults::default()
        }
    }
}

/// Plans `init`. `observed` is the state that is there, if any; `placed` what is installed under
/// the requested root.
///
/// The same request again plans nothing.
///
/// # Errors
/// Names given twice, a CA that would live less than twice as long as a leaf, and a state that
/// was made by another request: the difference is named.
pub fn init(
    request: &InitRequest,
    observed: Option<&Observation>,
    placed: Option<&Placed>,
    now: Timestamp,
) -> Result<Plan, Failure> {
    refuse_repetition("--host", &request.hosts)?;
    refuse_repetition("--client", &request.clients)?;
    refuse_short_authority(request)?;
    let mut plan = match observed {
        None => fresh(request, now)?,
        Some(observation) => {
            refuse_difference(request, observation)?;
            newly_installed(request, observation)
        }
    };
    if let Some(placed) = placed {
        refuse_unfit(&request.name, placed, observed)?;
        plan.placements.extend(placement_step(Role::Daemon, &request.name, placed));
    }
    Ok(plan)
}

fn fresh(request: &InitRequest, now: Timestamp) -> Result<Plan, Failure> {
    let made = Validity::issued(now, request.authority_lifetime, BACKDATING);
    let authority = request.import.as_ref().map_or(made, |import| import.certificate.validity());
    let issue = |role, name: &IdentityName, hosts: Vec<SubjectAltName>, lifetime| {
        StateStep::Issue(Issuance {
            role,
            name: name.clone(),
            hosts,
            validity: Validity::issued(now, lifetime, BACKDATING).within(authority),
            generation: Generation::after(None),
            key: KeySource::New(request.key),
            reason: Reason::Asked,
            signing: Signing::alone(AuthorityChoice::Made),
        })
    };
    let mut state = vec![
        StateStep::Create(request.state.clone()),
        match &request.import {
            Some(ImportedAuthority { certificate, chain }) => {
                StateStep::ImportAuthority { certificate: certificate.clone(), chain: chain.clone() }
            }
            None => StateStep::MakeAuthority {
                name: request.authority_name.clone(),
                algorithm: request.key,
                validity: authority,
            },
        },
    ];
    match &request.adopted {
        Some(adopted) => state.extend(adopted.steps(&request.name)),
        None => {
            let lifetime = request.defaults().lifetime(Role::Daemon);
            state.push(issue(Role::Daemon, &request.name, request.hosts.clone(), lifetime));
        }
    }
    // A daemon that does not trust the new CA yet would let nobody of it in: they come with a rotation.
    let is_trusted = request.adopted.as_ref().is_none_or(|adopted| adopted.issuers().next().is_none());
    let lifetime = request.defaults().lifetime(Role::Client);
    let clients = request.clients.iter().filter(|_| is_trusted);
    state.extend(clients.map(|name| issue(Role::Client, name, Vec::new(), lifetime)));
    state.push(StateStep::Inventory(InventoryStep::Write(Box::new(inventory(request)?))));
    Ok(Plan { state, ..Plan::default() })
}

/// The same request with `--install` is the natural second step after one without.
fn newly_installed(request: &InitRequest, observation: &Observation) -> Plan {
    let mut plan = Plan::default();
    let listed = observation.inventory.daemons.get(&request.name);
    if let Some(install) =
        request.install.as_ref().filter(|_| listed.is_some_and(|daemon| daemon.install.is_none()))
    {
        let entry =
            InstallEntry { layout: install.layout, root: install.root.clone(), owner: None, key_group: None };
        let change = InventoryChange::SetInstall(request.name.clone(), entry);
        plan.state.push(StateStep::Inventory(InventoryStep::Edit(vec![change])));
    }
    plan
}

fn inventory(request: &InitRequest) -> Result<Inventory, Failure> {
    let client = ClientEntry::of_lifetime(request.defaults().lifetime(Role::Client));
    Ok(Inventory {
        contact: request.contact.clone(),
        defaults: request.defaults(),
        accept: Vec::new(),
        renew_before: None,
        verify_every: None,
        authority: AuthorityPolicy {
            name: request.authority_name.clone(),
            lifetime: request.authority_lifetime,
            key: request.key,
            key_group: None,
        },
        daemons: BTreeMap::from([(request.name.clone(), daemon_entry(request)?)]),
        clients: request.clients.iter().map(|name| (name.clone(), client.clone())).collect(),
    })
}

fn daemon_entry(request: &InitRequest) -> Result<DaemonEntry, Failure> {
    let endpoint = endpoint_of(request.endpoint.as_ref(), &request.hosts)?;
    Ok(DaemonEntry {
        install: request.install.as_ref().map(|install| InstallEntry {
            layout: install.layout,
            root: install.root.clone(),
            owner: request.adopted.as_ref().and_then(|adopted| adopted.owner.clone()),
            key_group: None,
        }),
        ..DaemonEntry::new(request.hosts.clone(), endpoint, request.defaults().lifetime(Role::Daemon))
    })
}

fn refuse_short_authority(request: &InitRequest) -> Result<(), Failure> {
    let longest = request.defaults().lifetime(Role::Daemon).max(request.defaults().lifetime(Role::Client));
    if longest <= request.authority_lifetime.longest_leaf() {
        return Ok(());
    }
    Err(Failure::new("reading", "--ca-lifetime")
        .expected(message!(
            "at least twice the longest certificate's ({}), or it could not be rolled over",
            longest
        ))
        .found(request.authority_lifetime)
        .exit(ExitCode::Usage))
}

/// Compares what the request names with what is there. What the state has besides, such as
/// clients that were added since, is no difference.
fn refuse_difference(request: &InitRequest, observation: &Observation) -> Result<(), Failure> {
    let path = observation.path.as_path();
    let differs = |what: &'static str, there: &dyn Printable, asked: &dyn Printable, hint: Message| {
        Err(Failure::new("initializing", path)
            .expected(message!("the {} that it was made with ({})", what, there))
            .found(asked)
            .hint(hint))
    };
    let another = message!("name another folder with --state, if this is to be another state");
    let inventory = &observation.inventory;
    let policy = &inventory.authority;
    if policy.name != request.authority_name {
        return differs("CA name", &policy.name, &request.authority_name, another);
    }
    if policy.lifetime != request.authority_lifetime {
        return differs("CA lifetime", &policy.lifetime, &request.authority_lifetime, another);
    }
    if policy.key != request.key {
        return differs("key type", &policy.key, &request.key, another);
    }
    let imported =
        request.import.iter().map(|import| (import.certificate.authority_id(), &import.certificate));
    let adopted = request.adopted.iter().flat_map(|adopted| &adopted.anchors);
    let adopted = adopted.map(|anchor| (anchor.id.clone(), &anchor.certificate));
    for (id, certificate) in imported.chain(adopted) {
        if observation.authority(&id).is_none() {
            let there = join(observation.authorities.iter().map(|one| one.certificate.subject()));
            return differs("CA", &there, certificate.subject(), another);
        }
    }
    let mut asked = daemon_entry(request)?;
    asked.lifetime = request.daemon_lifetime.unwrap_or_else(|| inventory.defaults.lifetime(Role::Daemon));
    let Some(daemon) = observation.inventory.daemons.get(&request.name) else {
        let there = join(observation.inventory.daemons.keys());
        let hint = message!(
            "{kitcert} issue daemon {} --host {}",
            request.name,
            Message::join(&request.hosts, " --host ")
        );
        return differs("daemon", &there, &request.name, hint);
    };
    let edit =
        message!("${EDITOR:-vi} {} && {kitcert} rotate {}", Quoted(path.join("kitcert.yaml")), request.name);
    if daemon.hosts != asked.hosts {
        return differs("hosts", &join(&daemon.hosts), &join(&asked.hosts), edit);
    }
    if daemon.endpoint != asked.endpoint {
        return differs("endpoint", &daemon.endpoint, &asked.endpoint, edit);
    }
    if daemon.lifetime != asked.lifetime {
        return differs("daemon lifetime", &daemon.lifetime, &asked.lifetime, edit);
    }
    if let (Some(install), Some(there)) = (&asked.install, &daemon.install)
        && (&there.root, there.layout) != (&install.root, install.layout)
    {
        let there = message!("{} under {}", there.layout, there.root);
        let asked = message!("{} under {}", install.layout, install.root);
        let hint = message!(
            "{kitcert} install daemon {} --root {} --layout {}",
            request.name,
            install.root,
            install.layout
        );
        return differs("installation", &there, &asked, hint);
    }
    if let Some(asked) = request.contact.as_ref().filter(|asked| inventory.contact.as_ref() != Some(*asked)) {
        let there = inventory.contact.as_ref().map_or(message!("none"), |contact| contact.message());
        return differs(
            "contact",
            &there,
            asked,
            message!("${EDITOR:-vi} {}", Quoted(path.join("kitcert.yaml"))),
        );
    }
    let client_lifetime =
        request.client_lifetime.unwrap_or_else(|| inventory.defaults.lifetime(Role::Client));
    for name in &request.clients {
        let Some(client) = observation.inventory.clients.get(name) else {
            let hint = message!("{kitcert} issue client {}", name);
            return differs("clients", &join(observation.inventory.clients.keys()), name, hint);
        };
        if client.lifetime != client_lifetime {
            let edit = message!("${EDITOR:-vi} {}", Quoted(path.join("kitcert.yaml")));
            return differs("client lifetime", &client.lifetime, &client_lifetime, edit);
        }
    }
    Ok(())
}

fn join<T: Printable>(items: impl IntoIterator<Item = T>) -> Message {
    let text = Message::join(items, ", ");
    if text.is_empty() { message!("none") } else { text }
}
