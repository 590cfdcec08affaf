//! `issue`: more identities, or those that kitcert.yaml lists and the disk lacks.

use super::exclusions::is_key_revoked;
use super::exclusions::is_revoked;
use super::fault::is_faulty;
use super::holders::client_of;
use super::issuance::{is_due, kept_or_new, key_of_client, names_are, next_generation, validity};
use super::kit::KitRequest;
use super::repetition::refuse_repetition;
use super::revoke::{in_use, refuse_revoked};
use super::rollover::Rollover;
use super::signing::signing;
use super::steps::{Handover, HandoverStep, InventoryStep, Issuance, KeySource, Plan, Reason, StateStep};
use crate::layout::{ClientEntry, DaemonEntry, InventoryChange};
use crate::message;
use crate::model::{
    Contact, Endpoint, ExitCode, Failure, IdentityName, Lifetime, Message, Printable, Quoted, Role,
    SubjectAltName, Timestamp,
};
use crate::pki::PublicKey;
use crate::store::{KeyPresence, Observation, ObservedGeneration, ObservedIdentity};

/// What `issue daemon` was asked for.
#[derive(Clone, Debug)]
pub(crate) struct IssueDaemonRequest {
    /// What the daemon is called.
    pub name: IdentityName,
    /// Its names and addresses; empty: as kitcert.yaml says.
    pub hosts: Vec<SubjectAltName>,
    /// Where clients reach it; the first host and port 8372 where it is not said.
    pub endpoint: Option<Endpoint>,
    /// How long its certificate lives.
    pub lifetime: Option<Lifetime>,
}

/// Whether a client may have another key than it had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyChange {
    /// It may not: whoever sent it may be somebody else.
    #[default]
    Refused,
    /// It may: the old one is lost, old, or revoked. Its certificate stays good until it ends. Without a
    /// request, the new one is made here.
    Accepted,
}

/// What `issue client` was asked for.
#[derive(Clone, Debug)]
pub struct IssueClientsRequest {
    /// The clients; empty: those that kitcert.yaml lists and that have no certificate.
    pub names: Vec<IdentityName>,
    /// How long their certificates live.
    pub lifetime: Option<Lifetime>,
    /// The key of a request, for exactly one client.
    pub requested_key: Option<PublicKey>,
    /// Whether that may be another key than the client had.
    pub key_change: KeyChange,
    /// The kit to answer with, for exactly one client.
    pub kit: Option<KitRequest>,
    /// Who asks, whom kits name where kitcert.yaml names nobody.
    pub user: Contact,
}

/// Plans `issue daemon`. A daemon that has its certificate already, valid and for the same names,
/// needs nothing; where its names in kitcert.yaml have changed, or where less than a third of
/// its lifetime is left, it is issued a new one for its key.
///
/// # Errors
/// A name given twice, a daemon that is neither described nor listed, a request that differs
/// from what is listed, a lifetime of more than half the CA's, and no CA that can issue.
pub(crate) fn issue_daemon(
    request: &IssueDaemonRequest,
    observation: &Observation,
    now: Timestamp,
) -> Result<Plan, Failure> {
    refuse_repetition("--host", &request.hosts)?;
    let listed = observation.inventory.daemons.get(&request.name);
    let entry = match listed {
        Some(entry) => {
            refuse_other_daemon(request, entry, observation)?;
            entry.clone()
        }
        None => described_daemon(request, observation)?,
    };
    let identity = observation.daemons.get(&request.name);
    let current = identity.and_then(|identity| identity.current.as_ref());
    let serves = |current: &ObservedGeneration| {
        names_are(current.leaf(), &entry.hosts)
            && !is_due(observation, Role::Daemon, &request.name, current, now)
    };
    // Whoever is issued to again is retired no more, and its files can be read.
    let is_wanted = identity.is_some_and(|one| one.is_retired() || is_faulty(one));
    if listed.is_some() && current.is_some_and(serves) && !is_wanted {
        return Ok(Plan::default());
    }
    let key = kept_or_new(current, observation);
    let rollover = Rollover::of(observation, now)?;
    let signing = signing(rollover.as_ref(), observation, Role::Daemon, &request.name, now)?;
    let mut state = vec![StateStep::Issue(Issuance {
        role: Role::Daemon,
        name: request.name.clone(),
        hosts: entry.hosts.clone(),
        validity: validity(observation, &signing, entry.lifetime, now),
        generation: next_generation(observation, Role::Daemon, &request.name),
        key,
        reason: Reason::Asked,
        signing,
    })];
    if listed.is_none() {
        let add = InventoryChange::AddDaemon(request.name.clone(), entry);
        let changes = first_daemon(observation).into_iter().chain([add]).collect();
        state.push(StateStep::Inventory(InventoryStep::Edit(changes)));
    }
    Ok(Plan { state, ..Plan::default() })
}

/// The clients of the only daemon go on with it when there is a second.
fn first_daemon(observation: &Observation) -> Option<InventoryChange> {
    let inventory = &observation.inventory;
    let mut daemons = inventory.daemons.values();
    match (daemons.next(), daemons.next(), &inventory.defaults.endpoint) {
        (Some(only), None, None) => Some(InventoryChange::SetDefaultEndpoint(only.endpoint.clone())),
        _ => None,
    }
}

/// Plans `issue client`. Clients that have a certificate already are left as they are, unless less
/// than a third of its lifetime is left: then they get a new one, for their key where we hold it.
///
/// # Errors
/// A name given twice, a request for anything but one client, a lifetime or a key that differs
/// from what is there, a lifetime of more than half the CA's, and no CA that can issue.
pub fn issue_clients(
    request: &IssueClientsRequest,
    observation: &Observation,
    now: Timestamp,
) -> Result<Plan, Failure> {
    refuse_repetition("the names", &request.names)?;
    if request.requested_key.is_some() && request.names.len() != 1 {
        return Err(Failure::new("reading", "--csr")
            .expected("the name of one client")
            .found(message!("{} names", request.names.len()))
            .hint("name the one client whose request it is")
            .exit(ExitCode::Usage));
    }
    if let (Some(kit), true) = (&request.kit, request.names.len() != 1) {
        return Err(Failure::new("reading", message!("--kit {}", kit.path.display()))
            .expected("the name of one client")
            .found(message!("{} names", request.names.len()))
            .hint("name the one client whose kit it is")
            .exit(ExitCode::Usage));
    }
    if request.key_change == KeyChange::Accepted && request.names.is_empty() {
        return Err(Failure::new("reading", "--new-key")
            .expected("the names of the clients that get one")
            .found("none")
            .exit(ExitCode::Usage));
    }
    let rollover = Rollover::of(observation, now)?;
    let listed = &observation.inventory.clients;
    let names =
        if request.names.is_empty() { listed.keys().cloned().collect() } else { request.names.clone() };
    let mut state = Vec::new();
    let mut added = Vec::new();
    let mut waiting = Vec::new();
    for name in names {
        let identity = observation.clients.get(&name);
        let is_damaged = identity.is_some_and(is_faulty);
        if is_damaged && request.names.is_empty() {
            // That something of it cannot be read does not say that it has no certificate.
            continue;
        }
        let entry = match listed.get(&name) {
            Some(entry) => {
                refuse_other_lifetime(&name, request.lifetime, entry, observation)?;
                entry.clone()
            }
            None => new_client(request.lifetime, observation)?,
        };
        if !listed.contains_key(&name) {
            let endpoint = request.kit.as_ref().and_then(|kit| kit.endpoint_to_remember(&name, observation));
            added.push((name.clone(), ClientEntry { endpoint, ..entry.clone() }));
        }
        if request.names.is_empty() && is_revoked(observation, &name) {
            continue;
        }
        let has_fresh_key = request.requested_key.is_none() && request.key_change == KeyChange::Accepted;
        let kept = observation.current(Role::Client, &name).filter(|_| !has_fresh_key);
        let key = request.requested_key.as_ref().or(kept.map(|current| current.leaf().public_key()));
        let key = key.map(PublicKey::fingerprint);
        if request.names.is_empty() && key.is_some_and(|key| is_key_revoked(&key, observation)) {
            continue;
        }
        refuse_revoked("issuing a certificate for client", &name, key.as_ref(), observation)?;
        if let Some(key) = &request.requested_key {
            refuse_anothers(&name, key, observation, now)?;
        }
        if let Some(current) = observation.current(Role::Client, &name) {
            let has_key = |key: &PublicKey| key == current.leaf().public_key();
            let is_same = request.requested_key.as_ref().is_none_or(has_key);
            if !is_same && request.key_change == KeyChange::Refused {
                return Err(other_key(&name, request.requested_key.as_ref(), current));
            }
            let is_wanted = is_damaged || identity.is_some_and(ObservedIdentity::is_retired);
            if is_same
                && !has_fresh_key
                && !is_wanted
                && !is_due(observation, Role::Client, &name, current, now)
            {
                continue;
            }
            if current.key == KeyPresence::Absent && request.kit.is_none() && !has_fresh_key {
                let waits = KitRequest::waiting(entry.lifetime);
                let terms = waits.terms(&name, observation, &request.user, now)?;
                waiting.extend(terms.use_steps(observation));
                waiting.push(StateStep::Kit(terms));
            }
        }
        let signing = signing(rollover.as_ref(), observation, Role::Client, &name, now)?;
        state.push(StateStep::Issue(Issuance {
            role: Role::Client,
            hosts: Vec::new(),
            validity: validity(observation, &signing, entry.lifetime, now),
            generation: next_generation(observation, Role::Client, &name),
            key: match &request.requested_key {
                Some(key) => KeySource::Requested(key.clone()),
                None if has_fresh_key => KeySource::New(observation.inventory.leaf_key()),
                None => key_of_client(observation.current(Role::Client, &name), observation),
            },
            reason: Reason::Asked,
            signing,
            name,
        }));
    }
    state.extend(waiting);
    if !added.is_empty() {
        state.push(StateStep::Inventory(InventoryStep::Edit(vec![InventoryChange::AddClients(added)])));
    }
    let handover = match (&request.kit, request.names.as_slice()) {
        (Some(kit), [name]) => {
            if request.requested_key.is_none() {
                refuse_key_here(name, observation)?;
            }
            state.extend(kit.endpoint_step(name, observation));
            let terms = kit.terms(name, observation, &request.user, now)?;
            state.extend(terms.use_steps(observation));
            Some(HandoverStep { path: kit.path.clone(), content: Handover::Kit(terms) })
        }
        _ => None,
    };
    Ok(Plan { state, handover, ..Plan::default() })
}

/// Refuses a key that somebody else has: of two clients neither could be revoked without the other.
///
/// # Errors
/// Such a key.
fn refuse_anothers(
    name: &IdentityName,
    key: &PublicKey,
    observation: &Observation,
    now: Timestamp,
) -> Result<(), Failure> {
    let is_of_authority = observation.authorities.iter().any(|one| one.certificate.public_key() == key);
    let mut daemons = observation.daemons.values().filter_map(|daemon| daemon.current.as_ref());
    let is_of_daemon = daemons.any(|current| current.leaf().public_key() == key);
    let mut with_key = in_use(observation, now).into_iter().filter(|leaf| leaf.public_key() == key);
    let found = match with_key.find_map(|leaf| client_of(leaf).filter(|other| other != name)) {
        _ if is_of_authority => message!("that of a CA"),
        _ if is_of_daemon => message!("that of a daemon"),
        Some(other) => message!("that of client {}: neither could be revoked without the other", other),
        None => return Ok(()),
    };
    Err(Failure::new("issuing a certificate for client", name)
        .expected("a key that nobody else has")
        .found(found)
        .hint(message!("let {} make a key of its own, on its machine: kitcert request {}", name, name)))
}

/// A client that kitcert.yaml does not list yet.
///
/// # Errors
/// A lifetime of more than half the CA's.
pub(super) fn new_client(
    lifetime: Option<Lifetime>,
    observation: &Observation,
) -> Result<ClientEntry, Failure> {
    let lifetime = lifetime.unwrap_or_else(|| observation.inventory.defaults.lifetime(Role::Client));
    refuse_long_lifetime(lifetime, observation)?;
    Ok(ClientEntry::of_lifetime(lifetime))
}

/// Refuses what kitcert.yaml would be refused for.
fn refuse_long_lifetime(lifetime: Lifetime, observation: &Observation) -> Result<(), Failure> {
    observation.inventory.authority.refused(lifetime).map_or(Ok(()), |allowed| {
        Err(Failure::new("reading", "--lifetime").expected(allowed).found(lifetime).exit(ExitCode::Usage))
    })
}

fn described_daemon(request: &IssueDaemonRequest, observation: &Observation) -> Result<DaemonEntry, Failure> {
    if request.hosts.is_empty() {
        return Err(Failure::new("issuing a certificate for daemon", &request.name)
            .expected(message!("--host, or the daemon in {}/kitcert.yaml", observation.path.display()))
            .found("neither")
            .hint("give each name and address that clients dial with --host")
            .exit(ExitCode::Usage));
    }
    let endpoint = endpoint_of(request.endpoint.as_ref(), &request.hosts)?;
    let lifetime = request.lifetime.unwrap_or_else(|| observation.inventory.defaults.lifetime(Role::Daemon));
    refuse_long_lifetime(lifetime, observation)?;
    Ok(DaemonEntry::new(request.hosts.clone(), endpoint, lifetime))
}

/// The endpoint that was given, or else the first host that can be dialed, on port 8372.
///
/// # Errors
/// Wildcards alone, which nobody can dial.
pub(crate) fn endpoint_of(given: Option<&Endpoint>, hosts: &[SubjectAltName]) -> Result<Endpoint, Failure> {
    if let Some(endpoint) = given {
        // No client would take the daemon's certificate for that of the host that it dials.
        if !hosts.is_empty() && !hosts.iter().any(|host| host.covers(endpoint.host())) {
            let listed = Message::join(hosts, " --host ");
            return Err(Failure::new("reading", "--endpoint")
                .expected(message!("one of the daemon's hosts in it: {}", Message::join(hosts, ", ")))
                .found(endpoint.host())
                .hint(message!("--host {} --host {}   # if clients use both", listed, endpoint.host()))
                .exit(ExitCode::Usage));
        }
        return Ok(endpoint.clone());
    }
    let dialed = hosts.iter().find(|host| !matches!(host, SubjectAltName::Dns(name) if name.is_wildcard()));
    dialed.map(|host| Endpoint::new(host.clone(), Endpoint::DEFAULT_PORT)).ok_or_else(|| {
        Failure::new("reading", "--host")
            .expected("one host that can be dialed, or --endpoint")
            .found("wildcards alone")
            .exit(ExitCode::Usage)
    })
}

fn refuse_other_daemon(
    request: &IssueDaemonRequest,
    entry: &DaemonEntry,
    observation: &Observation,
) -> Result<(), Failure> {
    let asked = |what: &'static str, there: Message, asked: Message| {
        Err(Failure::new("issuing a certificate for daemon", &request.name)
            .expected(message!("the {} of {}/kitcert.yaml ({})", what, observation.path.display(), there))
            .found(asked)
            .hint(message!(
                "${EDITOR:-vi} {} && {kitcert} rotate {}",
                Quoted(observation.path.join("kitcert.yaml")),
                request.name
            )))
    };
    let join = |hosts: &[SubjectAltName]| Message::join(hosts, ", ");
    request.lifetime.map_or(Ok(()), |lifetime| refuse_long_lifetime(lifetime, observation))?;
    if !request.hosts.is_empty() && request.hosts != entry.hosts {
        return asked("hosts", join(&entry.hosts), join(&request.hosts));
    }
    match (&request.endpoint, request.lifetime) {
        (Some(endpoint), _) if *endpoint != entry.endpoint => {
            asked("endpoint", entry.endpoint.message(), endpoint.message())
        }
        (_, Some(lifetime)) if lifetime != entry.lifetime => {
            asked("lifetime", entry.lifetime.message(), lifetime.message())
        }
        _ => Ok(()),
    }
}

pub(super) fn refuse_other_lifetime(
    name: &IdentityName,
    lifetime: Option<Lifetime>,
    entry: &ClientEntry,
    observation: &Observation,
) -> Result<(), Failure> {
    lifetime.map_or(Ok(()), |lifetime| refuse_long_lifetime(lifetime, observation))?;
    match lifetime {
        Some(lifetime) if lifetime != entry.lifetime => {
            let path = observation.path.join("kitcert.yaml");
            Err(Failure::new("issuing a certificate for client", name)
                .expected(message!("the lifetime of {} ({})", path.display(), entry.lifetime))
                .found(lifetime)
                .hint(message!("${EDITOR:-vi} {}", Quoted(path))))
        }
        _ => Ok(()),
    }
}

fn other_key(name: &IdentityName, requested: Option<&PublicKey>, current: &ObservedGeneration) -> Failure {
    let found = requested.map(|key| message!(" ({})", key.fingerprint())).unwrap_or_default();
    Failure::new("signing the request of client", name)
        .expected(message!(
            "the key that {} has a certificate for ({}), or --new-key",
            name,
            current.leaf().public_key().fingerprint()
        ))
        .found(message!("another{}", found))
        .again(message!("--new-key   # if {} says that it is theirs", name))
}

/// A kit without a key is of use only to whoever has the key.
fn refuse_key_here(name: &IdentityName, observation: &Observation) -> Result<(), Failure> {
    match observation.current(Role::Client, name) {
        Some(current) if current.key == KeyPresence::Absent => Ok(()),
        _ => Err(Failure::new("making a kit without a key for client", name)
            .expected("a client that made its own key")
            .found("one whose key is made here")
            .hint(message!("{kitcert} invite {}   # a kit with the key, under a passphrase", name))),
    }
}
