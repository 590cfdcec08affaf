//! Whether the state is the only one and the latest: what is installed for its daemons came from it. An old
//! copy, as of a backup, and two copies that are both in use are told here. No clock is asked.

use crate::apply::invocation::Invocation;
use crate::apply::placed::{PlacedDaemon, observe_daemon};
use crate::layout::state_paths;
use crate::message;
use crate::model::{Failure, IdentityName, Message, Printable as _, Role, Rule};
use crate::pki::judge::{Credentials, require};
use crate::pki::{Certificate, PrivateKey, TrustBundle};
use crate::plan::{InstallDaemonRequest, Installed};
use crate::store::{Observation, StateDirectory, exists, observe_lineage};

/// What stands where a daemon is installed on this machine; None where it is not, or cannot be read: that
/// is told when something is put in place.
pub(in crate::apply) fn placed(
    invocation: &Invocation<'_>,
    observation: &Observation,
    name: &IdentityName,
) -> Option<PlacedDaemon> {
    let request = InstallDaemonRequest::of_entry(name, observation.inventory.daemons.get(name)?)?;
    observe_daemon(invocation, &request, Some(observation)).ok()
}

/// What to do instead of installing a daemon's files, where what is installed came from a later copy of the
/// state, or another one.
pub(in crate::apply) fn way_out(
    invocation: &Invocation<'_>,
    observation: &Observation,
    name: &IdentityName,
) -> Option<Message> {
    let standing = placed(invocation, observation, name)?.observed.standing;
    standing.is_old().then(|| WAY_OUT.message())
}

/// What is installed on this machine for each daemon, as far as it can be read.
pub(in crate::apply) fn installed(invocation: &Invocation<'_>, observation: &Observation) -> Vec<Installed> {
    let of_daemon = |daemon: &IdentityName| {
        let placed = placed(invocation, observation, daemon)?;
        let files = placed.there?;
        let standing = placed.observed.standing;
        let chain = Certificate::chain_from_pem(&files.certificate, daemon);
        let trust = TrustBundle::from_pem(&files.authority, daemon);
        let (chain, trust) = match (chain, trust) {
            (Ok(chain), Ok(trust)) => (chain, trust),
            (Err(failure), _) | (_, Err(failure)) => {
                let (chain, trust, unfit) =
                    (Vec::new(), TrustBundle::new(Vec::new()), Some(failure.message()));
                let (daemon, origin) = (daemon.clone(), placed.origin);
                return Some(Installed { daemon, standing, origin, chain, trust, unfit });
            }
        };
        let key = PrivateKey::from_pem(&files.key, placed.observed.folder.join("current/key.pem"));
        let unfit = match &key {
            Err(failure) => Some(failure.message()),
            Ok(key) => {
                let key = Some(key.public_key());
                let credentials = Credentials { role: Role::Daemon, chain: &chain, key, trust: &trust };
                let judged = require(&credentials, daemon, &[], invocation.environment.now());
                judged.err().map(|failure| failure.message())
            }
        };
        Some(Installed { daemon: daemon.clone(), standing, origin: placed.origin, chain, trust, unfit })
    };
    observation.inventory.daemons.keys().filter_map(of_daemon).collect()
}

/// Whether a certificate with that number is in `issued/`.
pub(in crate::apply) fn is_issued(invocation: &Invocation<'_>, certificate: &Certificate) -> bool {
    exists(&invocation.state.join(state_paths::issued(certificate.serial())))
}

/// The certificates that daemons were seen to serve, of CAs whose keys nobody else should have, and that
/// this state has not issued.
pub(in crate::apply) fn unknown_leaves(
    invocation: &Invocation<'_>,
    observation: &Observation,
) -> Vec<(IdentityName, Certificate)> {
    let Ok(Some(directory)) = StateDirectory::find(&invocation.state) else { return Vec::new() };
    let of_daemon = |name: &IdentityName| {
        let (_, history) = observe_lineage(&directory, name).ok()?;
        let leaf =
            Certificate::chain_from_pem(history.unknown_leaf?.as_bytes(), name).ok()?.into_iter().next()?;
        let issuer = observation.issuer_of(&leaf)?;
        let counts = issuer.record.is_usable() && leaf.validity().not_after >= invocation.environment.now();
        (counts && !is_issued(invocation, &leaf)).then(|| (name.clone(), leaf))
    };
    observation.inventory.daemons.keys().filter_map(of_daemon).collect()
}

/// What is wrong with what is installed for each daemon and with what it serves, as far as another state,
/// another copy of this one or a thief has to do with it; and whether that makes this state one that must
/// not go on.
pub(in crate::apply) fn faults(
    invocation: &Invocation<'_>,
    observation: &Observation,
) -> (bool, Vec<Message>) {
    let daemons = observation.inventory.daemons.keys();
    let standings: Vec<_> = daemons
        .filter_map(|name| Some((name, placed(invocation, observation, name)?.observed.standing)))
        .collect();
    let served: Vec<Message> = unknown_leaves(invocation, observation).iter().map(served_fault).collect();
    let is_old = !served.is_empty() || standings.iter().any(|(_, standing)| standing.is_old());
    let placed = standings.iter().filter_map(|(name, standing)| standing.fault(name));
    (is_old, placed.chain(served).collect())
}

fn served_fault((name, leaf): &(IdentityName, Certificate)) -> Message {
    message!(
        "{} serves {}, which this state has not issued: an old copy, a second copy in use or a stolen CA key",
        name,
        leaf.serial()
    )
}

/// Refuses to go on with an old copy, or with one of two: what is issued and put in place would be of the
/// past, or of one of two presents.
///
/// # Errors
/// It is one, by what is installed on this machine or by what a daemon was seen to serve.
pub(in crate::apply) fn refuse_old_copy(
    invocation: &Invocation<'_>,
    observation: &Observation,
) -> Result<(), Failure> {
    refuse_misplaced(invocation, observation)?;
    let leaves = unknown_leaves(invocation, observation);
    if leaves.is_empty() {
        return Ok(());
    }
    let found = Message::join(leaves.iter().map(served_fault), "; ");
    Err(failure(invocation, found).hint(Rule::UnknownLeaf.fix()))
}

/// The same, by what is installed on this machine alone: a stolen key is no reason not to shut the thief out.
///
/// # Errors
/// It is one.
pub(in crate::apply) fn refuse_misplaced(
    invocation: &Invocation<'_>,
    observation: &Observation,
) -> Result<(), Failure> {
    let daemons = observation.inventory.daemons.keys();
    let mut standings = daemons.filter_map(|name| {
        let standing = placed(invocation, observation, name)?.observed.standing;
        standing.is_old().then(|| standing.fault(name)).flatten()
    });
    let Some(first) = standings.next() else { return Ok(()) };
    let found = Message::join(std::iter::once(first).chain(standings), "; ");
    Err(failure(invocation, found).hint(WAY_OUT))
}

fn failure(invocation: &Invocation<'_>, found: Message) -> Failure {
    Failure::new("changing the state", invocation.state.display())
        .expected("the only copy of the state, or the one that last installed its daemons' files")
        .found(found)
}

/// Two copies in use are two sets of clients, of which each copy knows one.
const WAY_OUT: &str = "{kitcert} recover   # in the copy that you keep; remove the others";
