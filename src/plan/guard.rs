//! Whom a change would lock out, before it is made.

use std::collections::BTreeSet;

use super::rollover::client_of;
use super::steps::{AuthorityChoice, Plan, StateStep};
use crate::message;
use crate::model::{Failure, IdentityName, Message, Role, Timestamp};
use crate::pki::judge::admit;
use crate::pki::{Certificate, TrustBundle};
use crate::store::Observation;

/// The clients that a daemon lets in now and would turn away after a plan, by Go's rules. A client
/// counts by every certificate of it that ever left and has not expired; those that are excused
/// have another one.
pub(super) fn locked_out(
    plan: &Plan,
    observation: &Observation,
    issued: &[Certificate],
    excused: &dyn Fn(&IdentityName) -> bool,
    now: Timestamp,
) -> BTreeSet<IdentityName> {
    let mut names = BTreeSet::new();
    for (daemon, trust) in bundles(plan) {
        let Some(before) = observation.current(Role::Daemon, daemon) else { continue };
        let after = bundle(observation, trust);
        if before.trust.certificates().iter().all(|anchor| after.certificates().contains(anchor)) {
            continue;
        }
        let lost =
            issued.iter().filter(|leaf| is_let_in(leaf, &before.trust, now) && !is_let_in(leaf, &after, now));
        names.extend(lost.filter_map(client_of).filter(|name| !excused(name)));
    }
    names
}

/// Refuses to lock those clients out.
///
/// # Errors
/// There is one at least; all are named.
pub(super) fn refuse_lock_out(names: &BTreeSet<IdentityName>) -> Result<(), Failure> {
    if names.is_empty() {
        return Ok(());
    }
    Err(Failure::new("rotating", "the daemons")
        .expected("sets with which every client that is let in now is let in afterwards")
        .found(message!("some that lock out {}", Message::join(names, ", ")))
        .hint("{kitcert} rotate --force   # to lock them out all the same"))
}

/// The CAs that each daemon of a plan would trust.
fn bundles(plan: &Plan) -> impl Iterator<Item = (&IdentityName, &[AuthorityChoice])> {
    plan.state.iter().filter_map(|step| match step {
        StateStep::Issue(issuance) if issuance.role == Role::Daemon => {
            Some((&issuance.name, issuance.signing.trust.as_slice()))
        }
        StateStep::Rebundle { name, trust, .. } => Some((name, trust.as_slice())),
        _ => None,
    })
}

/// A CA that is yet to be made has issued nothing.
fn bundle(observation: &Observation, trust: &[AuthorityChoice]) -> TrustBundle {
    let certificate = |choice: &AuthorityChoice| match choice {
        AuthorityChoice::Made => None,
        AuthorityChoice::Of(identifier) => {
            observation.authority(identifier).map(|authority| authority.certificate.clone())
        }
    };
    TrustBundle::new(trust.iter().filter_map(certificate).collect())
}

/// Whether a daemon with those CAs lets in a client with that certificate alone.
fn is_let_in(leaf: &Certificate, trust: &TrustBundle, now: Timestamp) -> bool {
    admit(std::slice::from_ref(leaf), trust, now).is_ok()
}
