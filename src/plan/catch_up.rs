//! `recover` of an old copy of a state, as of a backup.

use super::recover::{Recovery, Unknown, longest_lifetime};
use super::steps::{Plan, StateStep};
use crate::message;
use crate::model::{Failure, IdentityName, Timestamp};
use crate::pki::{Certificate, TrustBundle};
use crate::store::{Observation, ObservedAuthority};

/// What is installed on this machine for a daemon.
#[derive(Clone, Debug)]
pub(crate) struct Installed {
    /// Which.
    pub daemon: IdentityName,
    /// After how many changes of this very state it was put there, if those are more than it has had.
    pub later_commit: Option<u64>,
    /// The CAs that it trusts.
    pub trust: TrustBundle,
}

/// Plans `recover` of an old copy. It goes on from where the state itself was; a CA that no daemon trusts
/// any more is not trusted again; and since certificates may have been issued that this copy does not know,
/// each CA counts as one of which others have certificates.
///
/// # Errors
/// No CA that some daemon still trusts: then this copy is of no use.
pub(crate) fn catch_up(
    observation: &Observation,
    installed: &[Installed],
    now: Timestamp,
) -> Result<Recovery, Failure> {
    let trusts =
        |authority: &ObservedAuthority| installed.iter().any(|one| one.trust.trusts(&authority.certificate));
    // Of a daemon that is installed elsewhere nobody here knows whom it trusts.
    let is_known = |name: &IdentityName| installed.iter().any(|one| one.daemon == *name);
    let are_all_known = observation.inventory.daemons.keys().all(is_known);
    let (kept, gone): (Vec<_>, Vec<_>) = observation
        .authorities
        .iter()
        .filter(|authority| authority.record.is_usable())
        .partition(|authority| !are_all_known || trusts(authority));
    if kept.is_empty() {
        return Err(Failure::new("recovering", observation.path.display())
            .expected("a CA that some daemon still trusts")
            .found("none: everything was moved to another since this copy was made")
            .hint("restore a newer backup of the state"));
    }
    let is_known = |anchor: &Certificate| {
        observation.authorities.iter().any(|one| one.certificate.is_of_same_authority(anchor))
    };
    let unknown = installed.iter().flat_map(|one| one.trust.certificates()).find(|anchor| !is_known(anchor));
    if let Some(unknown) = unknown {
        // Its clients would be locked out, and nobody here knows them.
        return Err(Failure::new("recovering", observation.path.display())
            .expected("a copy that knows every CA that its daemons trust")
            .found(message!("none of {}, which some clients may need", unknown.subject()))
            .hint("restore a newer backup of the state"));
    }
    let open_until = now.plus(longest_lifetime(observation, &observation.inventory));
    let mut state: Vec<StateStep> = installed
        .iter()
        .filter_map(|one| one.later_commit)
        .max()
        .map(StateStep::ComeAfter)
        .into_iter()
        .collect();
    if !gone.is_empty() {
        state.push(StateStep::EndRollover(gone.iter().map(|one| one.id.clone()).collect()));
    }
    let closed = kept.iter().filter(|one| !one.record.is_open(open_until));
    state.extend(closed.map(|one| StateStep::Open(one.id.clone(), open_until)));
    let later = installed.iter().filter(|one| one.later_commit.is_some());
    let unknown = later.map(|one| Unknown {
        subject: message!("daemon {}", one.daemon),
        what: message!(
            "its files were put in place after this copy was made; the next rotation replaces them"
        ),
    });
    let unknown = unknown.chain(gone.iter().map(|one| Unknown {
        subject: message!("CA {}", one.id.short()),
        what: message!("no daemon trusts it any more, and none will again"),
    }));
    let plan = Plan { state, ..Plan::default() };
    let inventory = observation.inventory.clone();
    Ok(Recovery { plan, inventory, open_until, unknown: unknown.collect() })
}
