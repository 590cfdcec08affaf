//! Whom to dial: by name, by endpoint, or as a client's config says.

use std::str::FromStr;

use super::client::ClientChoice;
use super::client_config_check::Configured;
use crate::apply::invocation::Invocation;
use crate::layout::DaemonEntry;
use crate::message;
use crate::model::{
    Endpoint, ExitCode, Failure, Finding, IdentityName, Message, Printable, Role, Selector, Severity, Word,
};
use crate::store::{Interest, Observation, StateDirectory};

/// Whom to dial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
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
            return text.parse().map(Target::Endpoint).map_err(|failure: Failure| match endpoint_in(text) {
                Some(endpoint) => failure.hint(message!("{kitcert} verify {}", endpoint)),
                None => failure,
            });
        }
        if let Ok(selector) = text.parse::<Selector>() {
            let named = selector.clone().name_of(Role::Daemon);
            let as_client = message!("{kitcert} verify --client {}", selector.name);
            return named.map(Target::Daemon).map_err(|failure: Failure| failure.hint(as_client));
        }
        let failure = Failure::new("reading the target", Word(text))
            .expected("tcp://host:port or the name of a daemon")
            .found("something else")
            .exit(ExitCode::Usage);
        Err(match endpoint_in(text) {
            Some(endpoint) => failure.hint(message!("{kitcert} verify {}", endpoint)),
            None => failure,
        })
    }
}

/// The endpoint that somebody may have meant who wrote no scheme, no port, or another scheme.
fn endpoint_in(text: &str) -> Option<Endpoint> {
    let host = text.split_once("://").map_or(text, |(_, rest)| rest).trim_end_matches('/');
    let with_port = format!("tcp://{host}:{}", Endpoint::DEFAULT_PORT);
    format!("tcp://{host}").parse().or_else(|_: Failure| with_port.parse()).ok()
}

impl Printable for Target {
    fn message(&self) -> Message {
        match self {
            Target::Configured => message!("what the client's config says"),
            Target::Endpoint(endpoint) => endpoint.message(),
            Target::Daemon(name) => name.message(),
        }
    }
}

/// Reads the daemons, and as few clients as will do: a state may have ten thousand.
pub(super) fn observe_for(
    invocation: &Invocation<'_>,
    directory: &StateDirectory,
    client: &ClientChoice,
) -> Result<Observation, Failure> {
    let inventory = invocation.observe_in(directory, &Interest::Inventory)?.inventory;
    let clients: Vec<&IdentityName> = match client {
        ClientChoice::Client(name) => vec![name],
        _ => inventory.clients.keys().take(CLIENTS_TRIED).collect(),
    };
    let daemons = inventory.daemons.keys().map(|name| (Role::Daemon, name.clone()));
    let clients = clients.into_iter().map(|name| (Role::Client, name.clone()));
    invocation.observe_in(directory, &Interest::Identities(daemons.chain(clients).collect()))
}

/// The endpoint to dial; None where the config names one that nobody can dial.
pub(super) fn endpoint_of(
    invocation: &Invocation<'_>,
    target: &Target,
    observation: Option<&Observation>,
    configured: &Configured,
) -> Result<Option<Endpoint>, Failure> {
    match target {
        Target::Endpoint(endpoint) => Ok(Some(endpoint.clone())),
        Target::Daemon(name) => {
            let observation = observation.ok_or_else(|| invocation.no_state())?;
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
            None => the_only_endpoint(invocation, observation, &configured.joined).map(Some),
        },
    }
}

/// Without a config that names a host, the state's one daemon is meant.
fn the_only_endpoint(
    invocation: &Invocation<'_>,
    observation: Option<&Observation>,
    joined: &[Endpoint],
) -> Result<Endpoint, Failure> {
    let undecided = |there: Message, hint: Message| {
        Failure::new("choosing", "a daemon to verify")
            .expected("tcp://host:port, a daemon's name, or a client's config that names a host")
            .found(message!("none, and {} in {}", there, invocation.state.display()))
            .hint(hint)
            .exit(ExitCode::Usage)
    };
    let daemons = observation.map(|observation| observation.inventory.daemons.values().collect::<Vec<_>>());
    match daemons.as_deref() {
        Some([only]) => Ok(only.endpoint.clone()),
        Some([]) => Err(undecided(
            message!("no daemon"),
            message!("issue a daemon its certificate first, with each host that clients dial"),
        )),
        Some(several) => {
            Err(undecided(message!("{} daemons", several.len()), message!("{kitcert} verify --all")))
        }
        None => Err(undecided(
            message!("no state"),
            match joined.first() {
                Some(first) => {
                    message!(
                        "{kitcert} verify {}   # one of those that were joined: {}",
                        first,
                        Message::few(joined, ", ")
                    )
                }
                None => {
                    message!(
                        "name the daemon's endpoint, and the folder with the client's files with --tlsdir"
                    )
                }
            },
        )),
    }
}

fn unknown_daemon(name: &IdentityName, observation: &Observation) -> Failure {
    let known = Message::join(observation.inventory.daemons.keys(), ", ");
    Failure::new("verifying daemon", name)
        .expected(message!("one of {}/kitcert.yaml ({})", observation.path.display(), known))
        .found(message!("another name{}", name.did_you_mean(observation.inventory.daemons.keys())))
        .hint("{kitcert} status")
        .exit(ExitCode::Usage)
}

/// The daemon of the state that is dialed: the one that was named, else the one with exactly that
/// endpoint. Another port of its host is another server, and says nothing of the daemon.
pub(super) fn daemon_of(
    target: &Target,
    observation: Option<&Observation>,
    endpoint: &Endpoint,
) -> Option<(IdentityName, DaemonEntry)> {
    let mut daemons = observation?.inventory.daemons.iter();
    let found = match target {
        Target::Daemon(named) => daemons.find(|(name, _)| *name == named),
        Target::Endpoint(_) | Target::Configured => daemons.find(|(_, daemon)| daemon.endpoint == *endpoint),
    };
    found.map(|(name, daemon)| (name.clone(), daemon.clone()))
}

/// Among how many clients of the state one is looked for that can be dialed as.
const CLIENTS_TRIED: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_an_endpoint_or_a_daemon_and_no_client() {
        let daemon = Target::Daemon("builder".parse().unwrap());
        assert_eq!("builder".parse::<Target>().unwrap(), daemon);
        assert_eq!("daemon/builder".parse::<Target>().unwrap(), daemon);
        let failure = "client/ana".parse::<Target>().unwrap_err();
        assert_eq!(failure.exit_code(), ExitCode::Usage);
        assert_eq!(failure.what_was_found().as_str(), "a client");
        assert_eq!(failure.remedy().unwrap().as_str(), "kitcert verify --client ana");
    }
}
