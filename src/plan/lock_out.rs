//! Whom a change would lock out, before it is made.

use std::collections::BTreeSet;

use super::rollover::client_of;
use super::step::{AuthorityChoice, Plan, StateStep};
use crate::model::{Failure, IdentityName, Role, Timestamp};
use crate::pki::chain::{self, Purpose};
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
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    Err(Failure::new("rotating", "the daemons")
        .expected("sets with which every client that is let in now is let in afterwards")
        .found(format!("some that lock out {}", names.join(", ")))
        .hint("kitcert rotate --force   # to lock them out all the same"))
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

/// Whether a Go client with that certificate would send it, and a daemon would accept it.
fn is_let_in(leaf: &Certificate, trust: &TrustBundle, now: Timestamp) -> bool {
    let sent = std::slice::from_ref(leaf);
    let acceptable: Vec<_> = trust.subjects().into_iter().cloned().collect();
    chain::would_send(sent, &acceptable) && chain::verify(sent, trust, Purpose::of(Role::Client), now).is_ok()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::path::{Path, PathBuf};

    use crate::layout::Inventory;
    use crate::model::{Contact, Failure, IdentityName, KeyAlgorithm, Lifetime, Role, Timestamp, Validity};
    use crate::pki::{
        AuthorityRequest, Certificate, CertificateAuthority, LeafRequest, PrivateKey, TrustBundle,
    };
    use crate::plan::request::KeyRenewal;
    use crate::plan::{
        AuthorityRotation, FormerKeys, RotateRequest, Rotation, RotationFacts, RotationScope, rotate,
    };
    use crate::store::{KeyPresence, Observation, ObservedAuthority, ObservedGeneration, ObservedIdentity};

    const INVENTORY: &str = "version: 1\nca: {name: Test, lifetime: 10y, key: ecdsa-p256}\ndaemons:\n  builder:\n    \
        hosts: [localhost]\n    endpoint: tcp://localhost:8372\n    lifetime: 397d\n";

    fn now() -> Timestamp {
        Timestamp::from_unix(1_800_000_000)
    }

    fn days_ago(days: u32) -> Timestamp {
        now().minus(Lifetime::days(days))
    }

    fn authority(name: &str) -> CertificateAuthority {
        let validity = Validity { not_before: days_ago(1000), not_after: now().plus(Lifetime::days(1000)) };
        let request = AuthorityRequest { name: name.parse().unwrap(), validity };
        CertificateAuthority::create(&request, &PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap())
            .unwrap()
    }

    fn leaf(authority: &CertificateAuthority, role: Role, name: &str, days: u32) -> Certificate {
        let hosts = match role {
            Role::Daemon => vec!["localhost".parse().unwrap()],
            Role::Client => Vec::new(),
        };
        let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
        let request =
            LeafRequest::new(role, name.parse().unwrap(), hosts, days_ago(days), Lifetime::days(90));
        authority.issue(&request, key.public_key()).unwrap()
    }

    /// A state that issues with the new CA, and whose daemon trusts these and is due.
    fn observed(trusted: &[&CertificateAuthority], new: &CertificateAuthority) -> Observation {
        let name: IdentityName = "builder".parse().unwrap();
        let current = ObservedGeneration {
            number: 1,
            chain: vec![leaf(trusted[0], Role::Daemon, "builder", 80)],
            trust: TrustBundle::new(trusted.iter().map(|one| one.certificate().clone()).collect()),
            key: KeyPresence::Present,
        };
        let identity = ObservedIdentity {
            current: Some(current),
            confirmed: None,
            proven: Some(1),
            last_generation: 1,
            generations: vec![1],
        };
        Observation {
            path: PathBuf::from("/state"),
            inventory: Inventory::parse(INVENTORY.as_bytes(), Path::new("kitcert.yaml")).unwrap(),
            inventory_text: INVENTORY.as_bytes().to_vec(),
            authorities: vec![ObservedAuthority {
                key_identifier: "new".to_owned(),
                certificate: new.certificate().clone(),
                key: KeyPresence::Present,
            }],
            issuer: None,
            waiting_kits: BTreeSet::new(),
            daemons: BTreeMap::from([(name, identity)]),
            clients: BTreeMap::new(),
        }
    }

    fn rotated(
        observation: &Observation,
        issued: &[Certificate],
        scope: RotationScope,
    ) -> Result<Rotation, Failure> {
        let request = RotateRequest {
            names: Vec::new(),
            scope,
            key: KeyRenewal::Keep,
            received: Vec::new(),
            authority: AuthorityRotation::IfNeeded,
            former_keys: FormerKeys::Keep,
            dropped: Vec::new(),
            user: "jo".parse::<Contact>().unwrap(),
        };
        let facts = RotationFacts { issued: issued.to_vec(), is_complete: true, ..RotationFacts::default() };
        rotate(&request, observation, &facts, now())
    }

    #[test]
    fn a_bundle_that_shrinks_locks_out_whom_only_the_ca_that_goes_has_signed() {
        let (old, new) = (authority("Old"), authority("New"));
        let observation = observed(&[&old, &new], &new);
        let issued = [
            leaf(&old, Role::Client, "cleo", 10),
            leaf(&old, Role::Client, "ana", 10),
            leaf(&old, Role::Client, "ana", 20),
            leaf(&old, Role::Client, "expired", 91),
            leaf(&new, Role::Client, "moved", 10),
            leaf(&authority("Another"), Role::Client, "stranger", 10),
            leaf(&old, Role::Daemon, "builder", 10),
        ];
        let failure = rotated(&observation, &issued, RotationScope::Due).unwrap_err();
        assert!(failure.to_string().ends_with("some that lock out ana, cleo"), "{failure}");
        assert!(format!("{failure:?}").contains("--force"), "{failure:?}");

        let rotation = rotated(&observation, &issued, RotationScope::Forced).unwrap();
        assert_eq!(rotation.plan.issuances().count(), 1);
        let rotation = rotated(&observation, &issued[3..], RotationScope::Due).unwrap();
        assert_eq!(rotation.plan.issuances().count(), 1, "nobody is locked out");
    }

    #[test]
    fn whoever_holds_an_older_certificate_besides_counts_until_it_ends() {
        let (old, new) = (authority("Old"), authority("New"));
        let observation = observed(&[&old, &new], &new);
        let renewed = leaf(&new, Role::Client, "ana", 1);
        for (days, is_refused) in [(89, true), (91, false)] {
            let issued = [leaf(&old, Role::Client, "ana", days), renewed.clone()];
            let refused = rotated(&observation, &issued, RotationScope::Due).is_err();
            assert_eq!(refused, is_refused, "a certificate of {days} days ago");
        }
    }

    #[test]
    fn a_bundle_that_stays_locks_nobody_out() {
        let (old, new) = (authority("Old"), authority("New"));
        let issued = [leaf(&old, Role::Client, "ana", 10), leaf(&new, Role::Client, "bob", 10)];
        let rotation = rotated(&observed(&[&new], &new), &issued, RotationScope::Due).unwrap();
        assert_eq!(rotation.plan.issuances().count(), 1);
    }
}
