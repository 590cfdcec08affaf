use std::collections::HashSet;

use super::*;
use crate::model::{KeyAlgorithm, Rule};
use crate::pki::element::element;

fn now() -> Timestamp {
    Timestamp::parse("2026-11-23").unwrap()
}

fn a_key() -> PrivateKey {
    PrivateKey::generate(KeyAlgorithm::EcdsaP256).ok().unwrap()
}

fn an_authority(days: u32, key: &PrivateKey) -> CertificateAuthority {
    let validity = Validity::issued(now(), Lifetime::days(days), BACKDATING);
    let request = AuthorityRequest { name: "Acme builders".parse().unwrap(), validity };
    CertificateAuthority::create(&request, key).ok().unwrap()
}

fn ana(lifetime: Lifetime) -> LeafRequest {
    LeafRequest::new(Role::Client, "ana".parse().unwrap(), vec![], now(), lifetime)
}

#[test]
fn a_hundred_thousand_serials_are_distinct_positive_and_of_16_octets() {
    let serials: HashSet<_> = (0..100_000).map(|_| random_serial().unwrap()).collect();
    assert_eq!(serials.len(), 100_000);
    let sound =
        |serial: &SerialNumber| serial.octets().len() == 16 && !serial.is_negative() && !serial.is_zero();
    assert!(serials.iter().all(sound));
    let ones: u32 = serials.iter().flat_map(|serial| serial.octets()).map(|octet| octet.count_ones()).sum();
    // Of 126 random bits, half; and the one that is always set.
    let expected = 100_000.0 * (63.0 + 1.0);
    assert!((f64::from(ones) / expected - 1.0).abs() < 0.002, "{ones} ones");
}

#[test]
fn a_renewal_of_the_same_key_has_a_new_serial() {
    let (ca, key) = (an_authority(3650, &a_key()), a_key());
    let first = ca.issue(&ana(Lifetime::days(90)), key.public_key()).unwrap();
    let second = ca.issue(&ana(Lifetime::days(90)), key.public_key()).unwrap();
    assert_eq!(first.public_key(), second.public_key());
    assert_ne!(first.serial(), second.serial());
}

#[test]
fn a_leaf_never_outlives_its_ca() {
    let ca = an_authority(30, &a_key());
    for days in [1, 29, 30, 31, 397, 36_500] {
        let leaf = ca.issue(&ana(Lifetime::days(days)), a_key().public_key()).unwrap();
        assert!(leaf.validity().not_after <= ca.certificate().validity().not_after, "{days}");
        assert!(leaf.validity().not_before >= ca.certificate().validity().not_before, "{days}");
    }
    let late = now().plus(Lifetime::days(31));
    let request = LeafRequest::new(Role::Client, "ana".parse().unwrap(), vec![], late, Lifetime::days(1));
    assert!(ca.issue(&request, a_key().public_key()).is_err());
}

#[test]
fn a_ca_is_loaded_with_its_own_key_only() {
    let key = a_key();
    let ca = an_authority(3650, &key);
    let leaf = ca.issue(&ana(Lifetime::days(90)), key.public_key()).unwrap();
    let load = |certificate: &Certificate, key: &PrivateKey| {
        CertificateAuthority::load(certificate.clone(), key, "ca.pem").map(|ca| ca.certificate().clone())
    };
    assert!(load(ca.certificate(), &key).is_ok_and(|loaded| loaded == *ca.certificate()));
    assert_eq!(load(ca.certificate(), &a_key()).unwrap_err().what_was_found(), "another key");
    assert_eq!(load(&leaf, &key).unwrap_err().what_was_found(), "an end-entity certificate");
}

#[test]
fn a_loaded_ca_issues_what_the_first_would() {
    let key = a_key();
    let ca = an_authority(3650, &key);
    let again = CertificateAuthority::load(ca.certificate().clone(), &key, "ca.pem").ok().unwrap();
    let leaf = again.issue(&ana(Lifetime::days(90)), a_key().public_key()).unwrap();
    assert_eq!(leaf.issuer(), ca.certificate().subject());
    assert_eq!(leaf.authority_key_identifier(), ca.certificate().subject_key_identifier());
    assert!(leaf.is_signed_by(ca.certificate().public_key()));
}

#[test]
fn an_unknown_ca_has_the_name_and_the_key_identifier_but_not_the_key() {
    let ca = an_authority(3650, &a_key());
    let unknown_ca =
        CertificateAuthority::impersonate(ca.certificate(), &a_key(), ca.certificate().validity())
            .ok()
            .unwrap();
    let (own, other) = (ca.certificate(), unknown_ca.certificate());
    assert_eq!(own.subject(), other.subject());
    assert_eq!(own.subject_key_identifier(), other.subject_key_identifier());
    assert_ne!(own.public_key(), other.public_key());
    let leaf = unknown_ca.issue(&ana(Lifetime::days(90)), a_key().public_key()).unwrap();
    assert!(!leaf.is_signed_by(own.public_key()));
}

/// Names that rcgen cannot write again: a part twice, two parts in one set, texts of other kinds.
#[test]
fn a_ca_of_another_program_keeps_its_name_to_the_byte() {
    let oid = |last: u8| element(6, &[0x55, 4, last]);
    let component = element(6, &[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25]);
    let part = |kind: &[u8], tag: u8, text: &[u8]| element(0x30, &[kind, &element(tag, text)].concat());
    let set = |parts: &[Vec<u8>]| element(0x31, &parts.concat());
    let (dc, ou, o, cn) = (component.as_slice(), &oid(11), &oid(10), &oid(3));
    for sets in [
        vec![set(&[part(o, 0x13, b"Acme")]), set(&[part(cn, 0x0c, b"builders")])],
        vec![
            set(&[part(dc, 0x16, b"local")]),
            set(&[part(dc, 0x16, b"corp")]),
            set(&[part(cn, 0x13, b"CA")]),
        ],
        vec![set(&[part(ou, 0x0c, b"A")]), set(&[part(ou, 0x0c, b"B")])],
        vec![set(&[part(o, 0x0c, b"A"), part(cn, 0x0c, b"B")])],
        vec![set(&[part(cn, 0x1e, &[0, b'C', 0, b'A'])])],
        vec![set(&[part(cn, 0x14, b"CA")])],
        vec![set(&[part(cn, 0x0c, &[b'x'; 300])])],
    ] {
        let name = DistinguishedName::from_der(&element(0x30, &sets.concat()));
        let key = a_key();
        let own = an_authority(3650, &key);
        let validity = own.certificate().validity();
        let original = finished(own.certificate().der(), (&name, &name), &Signer::new(&key).ok().unwrap());
        let original = original.unwrap();
        let loaded = CertificateAuthority::load(original.clone(), &key, "ca.pem").ok().unwrap();
        let namesake = CertificateAuthority::impersonate(&original, &a_key(), validity).ok().unwrap();
        for authority in [loaded, namesake] {
            let leaf = authority.issue(&ana(Lifetime::days(90)), a_key().public_key()).unwrap();
            assert_eq!((authority.certificate().subject(), leaf.issuer()), (&name, &name));
            assert!(leaf.is_signed_by(authority.certificate().public_key()));
            let like = authority.issue_like(&original, validity, a_key().public_key()).unwrap();
            assert_eq!(like.subject(), &name);
        }
    }
}

#[test]
fn a_daemon_has_one_to_a_hundred_names() {
    let ca = an_authority(3650, &a_key());
    let issued = |count: usize| {
        let hosts = (0..count).map(|at| format!("b{at}.example.com").parse().unwrap()).collect();
        let request =
            LeafRequest::new(Role::Daemon, "builder".parse().unwrap(), hosts, now(), Lifetime::days(1));
        ca.issue(&request, a_key().public_key()).map_err(|failure| failure.what_was_expected().to_owned())
    };
    for count in [0, 101] {
        assert_eq!(issued(count).unwrap_err(), "1 to 100 names", "{count}");
    }
    assert_eq!(issued(100).unwrap().names().map(<[_]>::len), Some(100));
}

#[test]
fn what_the_lint_calls_an_error_leaves_no_ca() {
    let judged = |severity| refuse_faults("ana", vec![Finding::new(Rule::KeyUsage, severity, "CN=ana")]);
    for severity in [Severity::Info, Severity::Warning] {
        assert!(judged(severity).is_ok(), "{severity:?}");
    }
    for severity in [Severity::Error, Severity::Critical] {
        assert!(judged(severity).is_err(), "{severity:?}");
    }
}
