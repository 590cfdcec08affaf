//! Whom a change would lock out, before it is made.

use super::step::Plan;
use crate::model::{Failure, IdentityName, Role, SubjectAltName, Timestamp};
use crate::pki::chain::{self, Purpose};
use crate::pki::{Certificate, TrustBundle};
use crate::store::Observation;

/// Refuses a plan after which a client that a daemon lets in now would be turned away, by Go's
/// rules. A client counts by every certificate of it that ever left and has not expired.
///
/// # Errors
/// The clients that would be locked out, by name.
pub(super) fn refuse_lock_out(
    plan: &Plan,
    observation: &Observation,
    issued: &[Certificate],
    now: Timestamp,
) -> Result<(), Failure> {
    let Some(authority) = observation.issuing_authority(now) else { return Ok(()) };
    let after = TrustBundle::new(vec![authority.certificate.clone()]);
    for issuance in plan.issuances().filter(|issuance| issuance.role == Role::Daemon) {
        let Some(before) = observation.current(Role::Daemon, &issuance.name) else { continue };
        if before.trust.certificates().iter().all(|anchor| after.certificates().contains(anchor)) {
            continue;
        }
        let names = locked_out(&before.trust, &after, issued, now);
        if !names.is_empty() {
            return Err(Failure::new("rotating daemon", &issuance.name)
                .expected("a set with which every client that is let in now is let in afterwards")
                .found(format!("one that locks out {}", names.join(", ")))
                .hint("kitcert rotate --force   # to lock them out all the same"));
        }
    }
    Ok(())
}

/// The clients whom the first bundle lets in and the second does not.
fn locked_out(
    before: &TrustBundle,
    after: &TrustBundle,
    issued: &[Certificate],
    now: Timestamp,
) -> Vec<String> {
    let is_let_in = |leaf: &Certificate, trust: &TrustBundle| {
        chain::verify(std::slice::from_ref(leaf), trust, Purpose::of(Role::Client), now).is_ok()
    };
    let locked_out = issued.iter().filter(|leaf| is_let_in(leaf, before) && !is_let_in(leaf, after));
    let mut names: Vec<String> = locked_out.map(name_of).collect();
    names.sort();
    names.dedup();
    names
}

fn name_of(leaf: &Certificate) -> String {
    let names = leaf.usable_names().into_iter().find_map(|name| match name {
        SubjectAltName::Dns(name) => IdentityName::of_client_dns_name(&name),
        SubjectAltName::Ip(_) => None,
    });
    names.map_or_else(|| leaf.subject().to_string(), |name| name.to_string())
}
