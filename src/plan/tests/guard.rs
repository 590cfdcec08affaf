//! Whom a change of a daemon's bundle would lock out.

use super::{INVENTORY, State, authority, days, identity, name, now, user};
use crate::model::numbered;
use crate::model::{Failure, KeyAlgorithm, Role, Validity};
use crate::pki::{Certificate, CertificateAuthority, LeafRequest, TrustBundle};
use crate::plan::guard::locked_out;
use crate::plan::{
    AuthorityChoice, Issuance, KeySource, Plan, Reason, RotateRequest, Rotation, RotationFacts,
    RotationScope, Signing, StateStep, rotate,
};
use crate::store::{KeyPresence, Observation};

const HOSTS: [&str; 2] = ["builder.example.com", "10.0.0.5"];

fn leaf(authority: &CertificateAuthority, role: Role, named: &str, age: u32) -> Certificate {
    let hosts = match role {
        Role::Daemon => super::hosts(&HOSTS),
        Role::Client => Vec::new(),
    };
    let request = LeafRequest::new(role, name(named), hosts, now().minus(days(age)), days(90));
    authority.issue(&request, &super::fresh_key()).unwrap()
}

/// A state that issues with the new CA, and whose daemon trusts these and is due.
fn observed(trusted: &[&CertificateAuthority], new: &CertificateAuthority) -> Observation {
    let (daemons_alone, _) = INVENTORY.split_once("clients:").unwrap();
    let mut observation = State::of(daemons_alone).observation;
    observation.authorities = vec![super::observed(new)];
    let due = leaf(trusted[0], Role::Daemon, "builder", 80);
    let mut builder = identity(trusted[0], due, KeyPresence::Present);
    let trust = trusted.iter().map(|one| one.certificate().clone()).collect();
    builder.current.as_mut().unwrap().trust = TrustBundle::new(trust);
    observation.daemons.insert(name("builder"), builder);
    observation
}

fn rotated(
    observation: &Observation,
    issued: &[Certificate],
    scope: RotationScope,
) -> Result<Rotation, Failure> {
    let facts = RotationFacts { issued: issued.to_vec(), is_complete: true, ..RotationFacts::default() };
    rotate(&RotateRequest { scope, ..RotateRequest::new(user()) }, observation, &facts, now())
}

#[test]
fn a_bundle_that_shrinks_locks_out_whom_only_the_ca_that_goes_has_signed() {
    let (old, new) = (authority(1000), authority(1000));
    let observation = observed(&[&old, &new], &new);
    let issued = [
        leaf(&old, Role::Client, "cleo", 10),
        leaf(&old, Role::Client, "ana", 10),
        leaf(&old, Role::Client, "ana", 20),
        leaf(&old, Role::Client, "expired", 91),
        leaf(&new, Role::Client, "moved", 10),
        leaf(&authority(1000), Role::Client, "other", 10),
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
    let (old, new) = (authority(1000), authority(1000));
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
    let (old, new) = (authority(1000), authority(1000));
    let issued = [leaf(&old, Role::Client, "ana", 10), leaf(&new, Role::Client, "bob", 10)];
    let rotation = rotated(&observed(&[&new], &new), &issued, RotationScope::Due).unwrap();
    assert_eq!(rotation.plan.issuances().count(), 1);
}

#[test]
fn a_daemons_bundle_counts_however_it_changes_and_a_clients_does_not() {
    let (old, new) = (authority(1000), authority(1000));
    let observation = observed(&[&old, &new], &new);
    let issued = [leaf(&old, Role::Client, "ana", 10)];
    let trust = || vec![AuthorityChoice::Of(super::observed(&new).id)];
    let issuance = |role| {
        StateStep::Issue(Issuance {
            role,
            name: name("builder"),
            hosts: Vec::new(),
            validity: Validity { not_before: now(), not_after: now().plus(days(1)) },
            generation: numbered(2),
            key: KeySource::New(KeyAlgorithm::EcdsaP256),
            reason: Reason::Due,
            signing: Signing { issuer: trust().remove(0), trust: trust() },
        })
    };
    let rebundled = StateStep::Rebundle {
        name: name("builder"),
        from: numbered(1),
        generation: numbered(2),
        trust: trust(),
    };
    for (step, is_ana_out) in
        [(rebundled, true), (issuance(Role::Daemon), true), (issuance(Role::Client), false)]
    {
        let plan = Plan { state: vec![step], ..Plan::default() };
        let names = locked_out(&plan, &observation, &issued, &|_| false, now());
        assert_eq!(names.contains(&name("ana")), is_ana_out, "{plan:?}");
    }
}
