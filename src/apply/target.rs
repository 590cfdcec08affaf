//! Whom to dial: by name, by endpoint, or as a client's config says.

use std::fmt;
use std::str::FromStr;

use super::configured::Configured;
use super::context::Context;
use super::credentials::Credentials;
use crate::layout::DaemonEntry;
use crate::model::{Endpoint, ExitCode, Failure, Finding, IdentityName, Role, Severity};
use crate::store::{Interest, Observation, StateDirectory};

/// Whom to dial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// What the client's own config says.
    Configured,
    /// An endpoint.
    Endpoint(Endpoint),
    /// A daemon of the state.
    Daemon(IdentityName),
}

impl FromStr for Target {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Target, Failure> {
        if text.contains("://") {
            return text.parse().map(Target::Endpoint);
        }
        text.parse().map(Target::Daemon).map_err(|_: Failure| {
            Failure::new("reading the target", format!("{text:?}"))
                .expected("tcp://host:port or the name of a daemon")
                .found("something else")
                .hint(format!("kitcert verify tcp://{text}"))
                .exit(ExitCode::Usage)
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Configured => f.pad("what the client's config says"),
            Target::Endpoint(endpoint) => f.pad(&endpoint.to_string()),
            Target::Daemon(name) => f.pad(name.as_str()),
        }
    }
}

/// Reads the daemons, and as few clients as will do: a state may have ten thousand.
pub(super) fn observe_for(
    context: &Context<'_>,
    directory: &StateDirectory,
    credentials: &Credentials,
) -> Result<Observation, Failure> {
    let inventory = context.observe_in(directory, &Interest::Inventory)?.inventory;
    let clients: Vec<&IdentityName> = match credentials {
        Credentials::Client(name) => vec![name],
        _ => inventory.clients.keys().take(CLIENTS_TRIED).collect(),
    };
    let daemons = inventory.daemons.keys().map(|name| (Role::Daemon, name.clone()));
    let clients = clients.into_iter().map(|name| (Role::Client, name.clone()));
    context.observe_in(directory, &Interest::Identities(daemons.chain(clients).collect()))
}

/// The endpoint to dial; None where the config names one that nobody can dial.
pub(super) fn endpoint_of(
    context: &Context<'_>,
    target: &Target,
    observation: Option<&Observation>,
    configured: &Configured,
) -> Result<Option<Endpoint>, Failure> {
    match target {
        Target::Endpoint(endpoint) => Ok(Some(endpoint.clone())),
        Target::Daemon(name) => {
            let observation = observation.ok_or_else(|| context.no_state())?;
            let listed = observation.inventory.daemons.get(name);
            let listed = listed.ok_or_else(|| unknown_daemon(name, observation))?;
            Ok(Some(listed.endpoint.clone()))
        }
        Target::Configured => match configured.endpoint() {
            Some(endpoint) => Ok(Some(endpoint)),
            None if Finding::gravest(&configured.findings) >= Severity::Error
                && configured.host.is_some() =>
            {
                Ok(None)
            }
            None => the_only_endpoint(context, observation).map(Some),
        },
    }
}

/// Without a config that names a host, the state's one daemon is meant.
fn the_only_endpoint(context: &Context<'_>, observation: Option<&Observation>) -> Result<Endpoint, Failure> {
    let undecided = |there: &str, hint: &str| {
        Failure::new("choosing", "a daemon to verify")
            .expected("tcp://host:port, a daemon's name, or a client's config that names a host")
            .found(format!("none, and {there} in {}", context.state.display()))
            .hint(hint)
            .exit(ExitCode::Usage)
    };
    let example = "kitcert verify tcp://builder.example.com:8372";
    let daemons = observation.map(|observation| observation.inventory.daemons.values().collect::<Vec<_>>());
    match daemons.as_deref() {
        Some([only]) => Ok(only.endpoint.clone()),
        Some(several) => Err(undecided(&format!("{} daemons", several.len()), example)),
        None => Err(undecided("no state", &format!("{example} --tlsdir DIR"))),
    }
}

fn unknown_daemon(name: &IdentityName, observation: &Observation) -> Failure {
    let known = observation.inventory.daemons.keys().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    Failure::new("verifying daemon", name)
        .expected(format!("one of {}/kitcert.yaml ({known})", observation.path.display()))
        .found("another name")
        .hint("kitcert status")
}

/// The daemon of the state that an endpoint belongs to: the one that was named, else the one with
/// that endpoint, else the only one with that host.
pub(super) fn daemon_of(
    target: &Target,
    observation: Option<&Observation>,
    endpoint: &Endpoint,
) -> Option<(IdentityName, DaemonEntry)> {
    let daemons = &observation?.inventory.daemons;
    let entry = |name: &IdentityName| Some((name.clone(), daemons.get(name)?.clone()));
    if let Target::Daemon(name) = target {
        return entry(name);
    }
    if let Some((name, _)) = daemons.iter().find(|(_, daemon)| daemon.endpoint == *endpoint) {
        return entry(name);
    }
    let mut with_host = daemons.iter().filter(|(_, daemon)| daemon.hosts.contains(endpoint.host()));
    match (with_host.next(), with_host.next()) {
        (Some((name, _)), None) => entry(name),
        _ => None,
    }
}

/// Among how many clients of the state one is looked for that can be dialled as.
const CLIENTS_TRIED: usize = 16;
