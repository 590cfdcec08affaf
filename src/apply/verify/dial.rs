//! How a daemon is dialed, and all dials of one verification as one client.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::client::Client;
use crate::apply::invocation::Invocation;
use crate::apply::test_certificates::test_certificates;
use crate::layout::DaemonEntry;
use crate::layout::state_paths::identity_folder;
use crate::model::profile::LARGEST_PEM;
use crate::model::{Endpoint, Failure, IdentityName, Role, SubjectAltName};
use crate::pki::judge::{self, ChainFault, Credentials, Refusal};
use crate::pki::{Certificate, PrivateKey};
use crate::probe::{self, Activity, DialResults, Extent, Unreachable};
use crate::store::{KeyPresence, Observation, ObservedGeneration, read};

/// How a daemon is dialed.
#[derive(Clone, Debug)]
pub(crate) struct DialOptions {
    /// The name that the daemon's certificate must have, if it is not the endpoint's host.
    pub server_name: Option<SubjectAltName>,
    /// The addresses to dial; none for those of kitcert.yaml, or else every one of the host.
    pub addresses: Vec<IpAddr>,
    /// How often the whole list is dialed.
    pub samples: u16,
    /// How long to wait between two dials.
    pub pace: Duration,
    /// For how long a daemon is waited for that is not up yet.
    pub wait: Duration,
    /// How long all dials together may take.
    pub deadline: Duration,
    /// The daemon's other hosts, as far as kitcert.yaml lists them.
    pub other_hosts: Vec<SubjectAltName>,
    /// The daemon's own chain, and where its key is, if the key is here.
    pub leaf: Option<(Vec<Certificate>, PathBuf)>,
}

impl Default for DialOptions {
    fn default() -> DialOptions {
        DialOptions {
            server_name: None,
            addresses: Vec::new(),
            samples: 1,
            pace: Duration::ZERO,
            wait: Duration::ZERO,
            deadline: DIAL_DEADLINE,
            other_hosts: Vec::new(),
            leaf: None,
        }
    }
}

impl DialOptions {
    /// What kitcert.yaml says of a daemon.
    pub(in crate::apply) fn of_daemon(entry: &DaemonEntry) -> DialOptions {
        DialOptions::default().with_entry(entry)
    }

    /// The same, for a daemon that is looked at before it is given other files: one that is down answers nothing.
    pub(in crate::apply) fn before_a_change(entry: &DaemonEntry) -> DialOptions {
        DialOptions { deadline: LONGEST_GLANCE, ..DialOptions::of_daemon(entry) }
    }

    /// The same beside what was asked for, which goes before.
    pub(in crate::apply) fn with_entry(mut self, entry: &DaemonEntry) -> DialOptions {
        if self.addresses.is_empty() {
            self.addresses.clone_from(&entry.addresses);
        }
        self.other_hosts.clone_from(&entry.hosts);
        self
    }

    /// The same in less time.
    pub(super) fn within(&self, deadline: Duration) -> DialOptions {
        DialOptions { deadline, wait: Duration::ZERO, ..self.clone() }
    }

    /// With the daemon's own certificate, if its key is here: it must be refused as a client's.
    pub(super) fn with_leaf_of(
        mut self,
        invocation: &Invocation<'_>,
        observation: &Observation,
        name: &IdentityName,
    ) -> DialOptions {
        let current = observation.current(Role::Daemon, name);
        // One that is for clients too, or for nothing in particular, shows nothing of what it is refused for.
        let is_wrong_for_a_client = |current: &ObservedGeneration| {
            let files =
                Credentials { role: Role::Client, chain: &current.chain, key: None, trust: &current.trust };
            let refusals = judge::check(&files, &[], invocation.environment.now()).err().unwrap_or_default();
            matches!(refusals.as_slice(), [Refusal::Chain(ChainFault::WrongUsage { .. })])
        };
        let current =
            current.filter(|current| current.key == KeyPresence::Present && is_wrong_for_a_client(current));
        let key = identity_folder(Role::Daemon, name).join("current").join("key.pem");
        self.leaf = current.map(|current| (current.chain.clone(), invocation.state.join(key)));
        self
    }
}

/// Dials the whole list.
///
/// # Errors
/// A certificate that must be refused cannot be made.
pub(super) fn dial(
    invocation: &Invocation<'_>,
    client: &Client,
    endpoint: &Endpoint,
    options: &DialOptions,
) -> Result<DialResults, Failure> {
    let mut made = test_certificates(
        client.identity.as_ref().map(|identity| identity.chain.as_slice()),
        &client.trust,
        client.authority.as_ref(),
        invocation.environment.present(),
    )?;
    if let (None, Some((chain, key))) = (&made.wrong_usage, &options.leaf) {
        let key = PrivateKey::from_pem(&read(key, LARGEST_PEM)?.bytes, key)?;
        made.wrong_usage = Some(probe::CertificateAndKey { chain: chain.clone(), key });
    }
    let request = probe::Request {
        unknown_ca: made.unknown_ca.as_ref(),
        expired: made.expired.as_ref().or(client.expired.as_ref()),
        wrong_usage: made.wrong_usage.as_ref(),
        ..request(invocation, client, endpoint, options)
    };
    Ok(probe::probe(&request))
}

/// Dials once. The extent says what to learn: whether this client is accepted, whether one of a distrusted CA
/// is refused, or which builds run. It verifies nothing.
pub(in crate::apply) fn dial_once(
    invocation: &Invocation<'_>,
    client: &Client,
    endpoint: &Endpoint,
    (options, extent): (&DialOptions, Extent),
) -> DialResults {
    let request = request(invocation, client, endpoint, options);
    probe::probe(&probe::Request { extent, ..request })
}

/// Dials once, as the client, to ask what the daemon builds; None where nothing listens, so that nothing is
/// built.
pub(in crate::apply) fn activity(
    invocation: &Invocation<'_>,
    client: &Client,
    endpoint: &Endpoint,
    options: &DialOptions,
) -> Option<Activity> {
    let observed = dial_once(invocation, client, endpoint, (options, Extent::Activity));
    let mut dials = observed.dials();
    let is_down = dials.any(|dialed| dialed.account.unreachable == Some(Unreachable::Refused));
    match observed.answer() {
        Some(answer) => Some(answer.activity()),
        None if is_down => None,
        None => Some(Activity::NotTold),
    }
}

fn request<'a>(
    invocation: &Invocation<'_>,
    client: &'a Client,
    endpoint: &'a Endpoint,
    options: &'a DialOptions,
) -> probe::Request<'a> {
    probe::Request {
        server_name: options.server_name.as_ref(),
        addresses: &options.addresses,
        other_hosts: &options.other_hosts,
        client: client.identity.as_ref(),
        samples: options.samples,
        pace: options.pace,
        wait: options.wait,
        ..probe::Request::new(endpoint, &client.trust, options.deadline, invocation.judged_at())
    }
}

/// How long all dials to a daemon may take.
const DIAL_DEADLINE: Duration = Duration::from_secs(20);
const LONGEST_GLANCE: Duration = Duration::from_secs(15);
