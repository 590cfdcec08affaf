use rcgen::{BasicConstraints, CertificateParams, CustomExtension, IsCa, KeyPair};

use super::*;
use crate::model::Lifetime;
use crate::pki::specimens::{Specimen, authority_parameters, name, now, root, root_of};

fn judged(sent: &[&Certificate], trusted: &[&Certificate], at: Timestamp) -> Result<usize, ChainFault> {
    let owned = |all: &[&Certificate]| all.iter().map(|one| (*one).clone()).collect::<Vec<_>>();
    verify(&owned(sent), &TrustBundle::new(owned(trusted)), Role::Client, at).map(|path| path.len())
}

/// A client of that CA.
fn client(authority: &Specimen) -> Certificate {
    authority.leaf(Role::Client, |_| ())
}

/// The same without a hint whose key signed it, so that issuers are tried in their order.
fn client_without_hint(authority: &Specimen) -> Certificate {
    authority.leaf(Role::Client, |leaf| leaf.use_authority_key_identifier_extension = false)
}

#[test]
fn a_certificate_is_valid_until_its_last_second_and_in_it() {
    let authority = root(|_| ());
    let leaf = client(&authority);
    let last = leaf.validity().not_after;
    assert_eq!(judged(&[&leaf], &[&authority.certificate], last), Ok(2));
    let fault = judged(&[&leaf], &[&authority.certificate], last.plus(Lifetime::from_seconds(1)));
    assert!(matches!(fault, Err(ChainFault::Expired { .. })), "{fault:?}");
}

#[test]
fn a_chain_has_sixteen_certificates_at_the_most() {
    let authority = root(|_| ());
    let leaf = client(&authority);
    let sent = [&leaf; LARGEST_BUNDLE + 1];
    assert_eq!(judged(&sent[1..], &[&authority.certificate], now()), Ok(2));
    assert_eq!(judged(&sent, &[&authority.certificate], now()), Err(ChainFault::TooLong { count: 17 }));
}

#[test]
fn a_hundred_signatures_are_checked_and_not_one_more() {
    let (right, wrong): (_, Vec<_>) = (root(|_| ()), (0..MOST_CHECKS).map(|_| root(|_| ())).collect());
    let leaf = client_without_hint(&right);
    let behind = |count: usize| {
        let before = wrong[..count].iter().map(|one| &one.certificate);
        let trusted: Vec<_> = before.chain([&right.certificate]).collect();
        judged(&[&leaf], &trusted, now())
    };
    assert_eq!(behind(MOST_CHECKS - 1), Ok(2));
    assert_eq!(behind(MOST_CHECKS), Err(ChainFault::TooManyChecks));
}

/// Three CAs of one name: a stranger, and the right key in a certificate that has ended and in one
/// that has not begun.
fn namesakes() -> [Specimen; 3] {
    let key = KeyPair::generate().unwrap();
    let again = KeyPair::try_from(key.serialize_der()).unwrap();
    let early = |ca: &mut CertificateParams| ca.not_after = ca.not_before;
    let late = |ca: &mut CertificateParams| ca.not_before = ca.not_after;
    [root(|_| ()), root_of(key, early), root_of(again, late)]
}

#[test]
fn of_several_faults_the_one_that_came_nearest_is_told_and_of_equals_the_first() {
    let [stranger, ended, unbegun] = namesakes();
    let leaf = client_without_hint(&ended);
    let tomorrow = now().plus(Lifetime::days(1));
    let told = |trusted: &[&Specimen]| {
        let trusted: Vec<_> = trusted.iter().map(|one| &one.certificate).collect();
        judged(&[&leaf], &trusted, tomorrow).unwrap_err()
    };
    for trusted in [[&stranger, &ended], [&ended, &stranger]] {
        assert!(matches!(told(&trusted), ChainFault::Expired { .. }), "{}", told(&trusted));
    }
    assert!(matches!(told(&[&stranger]), ChainFault::SameNameOtherKey { .. }));
    assert!(matches!(told(&[&ended, &unbegun]), ChainFault::Expired { .. }));
    assert!(matches!(told(&[&unbegun, &ended]), ChainFault::NotYetValid { .. }));
}

#[test]
fn a_ca_that_signs_its_own_successor_of_the_same_name_is_another() {
    let open_ended = |ca: &mut CertificateParams| ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let old = root(open_ended);
    let new = old.signs(authority_parameters());
    assert_eq!(new.certificate.subject(), old.certificate.subject());
    let leaf = client_without_hint(&new);
    assert_eq!(judged(&[&leaf, &new.certificate], &[&old.certificate], now()), Ok(3));
}

#[test]
fn a_certificate_that_go_cannot_read_ends_the_handshake() {
    let authority = root(|ca| ca.distinguished_name = name("authority"));
    let leaf = authority.leaf(Role::Client, |leaf| {
        let mut information = CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 1], vec![0x30, 0]);
        information.set_criticality(true);
        leaf.custom_extensions = vec![information];
    });
    let certificate = leaf.subject().clone();
    assert_eq!(
        judged(&[&leaf], &[&authority.certificate], now()),
        Err(ChainFault::Unreadable { certificate, why: "critical authority information" })
    );
}
