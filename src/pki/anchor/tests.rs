use rcgen::{
    BasicConstraints, GeneralSubtree, IsCa, KeyIdMethod, KeyPair, NameConstraints as Constraints,
    PKCS_ED25519, PKCS_RSA_SHA256,
};

use super::*;
use crate::model::{AuthorityName, Exclusion, Lifetime, Role, Rule, Severity, SubjectAltName, Validity};
use crate::pki::judge::{Peer, certificate_file};
use crate::pki::specimens::{Specimen, an_authority, dns, name, now, root, root_of};
use crate::pki::{AuthorityRequest, CertificateAuthority, TrustBundle};

const BEN: &str = "dns:ben.client.kitcert.internal";

fn exclusions(names: &[&str]) -> Exclusions {
    names.iter().map(|name| name.parse::<Exclusion>().unwrap()).collect()
}

fn without_key(original: &Certificate, names: &[&str]) -> Certificate {
    original.excluding(&exclusions(names), None).unwrap()
}

fn authority(key: &PrivateKey) -> CertificateAuthority {
    let validity = Validity::issued(now(), Lifetime::days(3650), Lifetime::from_seconds(3600));
    let name: AuthorityName = "Test".parse().unwrap();
    CertificateAuthority::create(&AuthorityRequest { name, validity }, key).unwrap()
}

#[track_caller]
fn assert_same_authority(made: &Certificate, original: &Certificate) {
    assert!(made.is_of_same_authority(original));
    assert_eq!(made.subject().der(), original.subject().der());
    assert_eq!(made.issuer().der(), original.subject().der());
    assert_eq!(made.serial(), original.serial());
    assert_eq!(made.validity(), original.validity());
    assert_eq!(made.key_usage(), original.key_usage());
    assert_eq!(made.extended_key_usages(), original.extended_key_usages());
    assert_eq!(made.criticality("2.5.29.30"), Some(true));
    assert_eq!(made.unreadable_to_go(), None);
}

fn accepts(anchor: &Certificate, leaf: &Certificate) -> bool {
    let trust = TrustBundle::new(vec![anchor.clone()]);
    Peer { trust: &trust, accepts: Role::Client, host: None, now: now() }
        .accept(std::slice::from_ref(leaf))
        .is_ok()
}

#[test]
fn without_the_key_it_is_the_same_ca_and_always_the_same_certificate() {
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
    let original = authority(&key).certificate().clone();
    let made = without_key(&original, &[BEN]);
    assert_same_authority(&made, &original);
    assert_eq!(made, without_key(&original, &[BEN]));
    assert_eq!(made.basic_constraints(), original.basic_constraints());
    assert_eq!(made.authority_key_identifier(), original.authority_key_identifier());
    assert_eq!(made.extensions().len(), original.extensions().len() + 1);
    assert!(original.is_self_signed() && !made.is_self_signed());
    assert_eq!(Exclusions::of(&made), Some(exclusions(&[BEN])));
    assert_eq!(Exclusions::canary_in(&made), Some(exclusions(&[BEN]).canary()));
    assert_eq!(Exclusions::of(&original), None);
    assert_ne!(made, without_key(&original, &[]));
    assert_eq!(Exclusions::canary_in(&without_key(&original, &[])), Some(Exclusions::default().canary()));
}

#[test]
fn with_the_key_of_any_kind_it_is_self_signed() {
    for algorithm in [KeyAlgorithm::EcdsaP256, KeyAlgorithm::EcdsaP384, KeyAlgorithm::Ed25519] {
        let key = PrivateKey::generate(algorithm).unwrap();
        let original = authority(&key).certificate().clone();
        let made = original.excluding(&exclusions(&[BEN]), Some(&key)).unwrap();
        assert_same_authority(&made, &original);
        assert!(made.is_self_signed());
        let other = PrivateKey::generate(algorithm).unwrap();
        assert!(original.excluding(&exclusions(&[BEN]), Some(&other)).is_err());
    }
}

#[test]
fn the_excluded_are_refused_by_name_and_by_key_and_others_are_let_in() {
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
    let issuing = authority(&key);
    let leaf = |names: &[&str]| {
        let names: Vec<SubjectAltName> = names.iter().map(|name| name.parse().unwrap()).collect();
        let own = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
        let validity = Validity::issued(now(), Lifetime::days(2), Lifetime::from_seconds(0));
        issuing.issue_named(&names, validity, own.public_key()).unwrap()
    };
    let (of_ben, of_key) =
        ("ben.client.kitcert.internal", "00112233445566778899aabbccddeeff.key.kitcert.internal");
    let set = exclusions(&[BEN, &format!("dns:{of_key}")]);
    let canary = set.canary();
    for signer in [None, Some(&key)] {
        let anchor = issuing.certificate().excluding(&set, signer).unwrap();
        for (names, is_let_in) in [
            (&[of_ben][..], false),
            (&["ana.client.kitcert.internal", of_key], false),
            (&["laptop.ben.client.kitcert.internal"], false),
            (&[canary.as_str()], false),
            (&["ana.client.kitcert.internal"], true),
            (&[], true),
        ] {
            let leaf = leaf(names);
            assert_eq!(accepts(&anchor, &leaf), is_let_in, "{names:?}");
            assert_eq!(set.stop(&leaf), !is_let_in, "{names:?}");
            assert!(accepts(issuing.certificate(), &leaf), "{names:?}");
        }
    }
}

#[test]
fn what_the_ca_constrains_itself_stays_and_an_earlier_canary_goes() {
    let dns = |name: &str| GeneralSubtree::DnsName(name.to_owned());
    let original = root(|ca| {
        ca.name_constraints = Some(Constraints {
            permitted_subtrees: vec![dns("client.kitcert.internal")],
            excluded_subtrees: vec![dns(".example.com"), dns("ben.client.kitcert.internal")],
        });
    });
    let earlier = without_key(&original.certificate, &["dns:cleo.client.kitcert.internal"]);
    let made = without_key(&earlier, &[BEN]);
    assert_eq!(made.extensions().len(), original.certificate.extensions().len());
    assert_eq!(Exclusions::of(&made), Some(exclusions(&[BEN, "dns:cleo.client.kitcert.internal"])));
    assert_eq!(Exclusions::canary_in(&made), Some(exclusions(&[BEN]).canary()));
    let has = |leaf: &str| {
        accepts(
            &made,
            &original
                .leaf(Role::Client, |one| one.subject_alt_names = vec![super::super::specimens::dns(leaf)]),
        )
    };
    assert!(has("ana.client.kitcert.internal"));
    for refused in ["cleo.client.kitcert.internal", "a.example.com", "other.example.org"] {
        assert!(!has(refused), "{refused}");
    }
    assert_eq!(made, without_key(&made, &[BEN]), "nothing is there twice");
}

#[test]
fn a_ca_without_a_path_length_keeps_its_own_constraints() {
    for is_ca in [IsCa::Ca(BasicConstraints::Unconstrained), IsCa::Ca(BasicConstraints::Constrained(3))] {
        let original = an_authority(|ca| ca.is_ca = is_ca);
        let made = without_key(&original, &[BEN]);
        assert_eq!(made.basic_constraints(), original.basic_constraints());
    }
}

/// The same certificate in another version and without extensions, as OpenSSL made them of old.
fn of_version_1(original: &Certificate) -> Certificate {
    let [(_, body), (_, algorithm), (_, bits)]: [Element<'_>; 3] =
        parts(only(original.der(), SEQUENCE).unwrap()).unwrap().try_into().unwrap();
    let kept = parts(body).unwrap().into_iter().filter(|(tag, _)| *tag != VERSION && *tag != EXTENSIONS);
    let body: Vec<u8> = kept.flat_map(|(tag, contents)| element(tag, contents)).collect();
    let all = [element(SEQUENCE, &body), element(SEQUENCE, algorithm), element(BIT_STRING, bits)].concat();
    Certificate::from_der(&element(SEQUENCE, &all)).unwrap()
}

#[test]
fn extensions_that_counted_for_nothing_do_not_count_from_now_on() {
    let original = root(|_| ()).certificate;
    let der: Vec<u8> = original.der().to_vec();
    let at = der.windows(5).position(|part| part == [0xa0, 3, 2, 1, 2]).unwrap();
    let older = [&der[..at + 4], &[1], &der[at + 5..]].concat();
    let older = Certificate::from_der(&older).unwrap();
    assert_eq!((older.version(), older.extensions().len()), (2, 0));
    let made = without_key(&older, &[BEN]);
    assert_eq!((made.version(), made.is_authority(), made.extensions().len()), (3, true, 2));
    assert_eq!(made.repeated_extension(), None);
}

#[test]
fn a_ca_of_version_1_becomes_one_of_version_3() {
    let authority = root(|_| ());
    let original = of_version_1(&authority.certificate);
    assert_eq!((original.version(), original.is_authority()), (1, false));
    let made = without_key(&original, &[BEN]);
    assert_eq!((made.version(), made.is_authority(), made.extensions().len()), (3, true, 2));
    assert_same_authority(&made, &original);
    let leaf = |name: &str| authority.leaf(Role::Client, |leaf| leaf.subject_alt_names = vec![dns(name)]);
    assert!(accepts(&made, &leaf("ana.client.kitcert.internal")));
    assert!(!accepts(&made, &leaf("ben.client.kitcert.internal")));
}

#[test]
fn a_ca_that_another_issued_becomes_its_own_anchor() {
    let kinds = [KeyPair::generate().unwrap(), KeyPair::generate_for(&PKCS_ED25519).unwrap()];
    for key in kinds {
        let parent = root_of(key, |ca| ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
        let mut parameters = crate::pki::specimens::authority_parameters();
        parameters.distinguished_name = name("below");
        parameters.use_authority_key_identifier_extension = true;
        parameters.key_identifier_method = KeyIdMethod::PreSpecified(vec![0xbb; 20]);
        let below: Specimen = parent.signs(parameters);
        assert_eq!(below.certificate.authority_key_identifier(), Some(&[0xaa; 20][..]));
        let made = without_key(&below.certificate, &[BEN]);
        assert_same_authority(&made, &below.certificate);
        assert_eq!(made.authority_key_identifier(), Some(&[0xbb; 20][..]));
        assert_eq!(made.signature_algorithm().to_string(), "ecdsa-sha256");
        assert!(!made.is_self_signed() && !made.is_signed_by(parent.certificate.public_key()));
        assert!(accepts(&made, &below.leaf(Role::Client, |_| ())));
    }
}

#[test]
fn who_is_no_ca_is_not_constrained_and_there_are_limits() {
    let leaf = root(|_| ()).leaf(Role::Client, |_| ());
    assert!(leaf.excluding(&Exclusions::default(), None).is_err());
    let ca = an_authority(|_| ());
    let many = |count: usize, name: &dyn Fn(usize) -> String| -> Exclusions {
        (0..count).map(|at| name(at).parse::<Exclusion>().unwrap()).collect()
    };
    let short = |at: usize| format!("dns:c{at}.client.kitcert.internal");
    assert!(ca.excluding(&many(MOST_EXCLUSIONS, &short), None).is_ok());
    assert!(ca.excluding(&many(MOST_EXCLUSIONS + 1, &short), None).is_err());
    let long = |at: usize| format!("dns:c{at}.{}", ["a".repeat(60).as_str(); 3].join("."));
    assert!(ca.excluding(&many(150, &long), None).is_ok());
    assert!(ca.excluding(&many(200, &long), None).is_err());
}

#[test]
fn a_constrained_anchor_is_information_and_names_whom_it_stops() {
    let original = an_authority(|_| ());
    let told = |names: &[&str]| {
        let file = TrustBundle::new(vec![without_key(&original, names)]);
        certificate_file(&file, now())
    };
    let of_key = format!("dns:{}.key.kitcert.internal", "0f".repeat(16));
    let found = told(&[BEN, "ip:10.0.0.7", &of_key, "dns:ci--linux.client.kitcert.internal"]);
    assert_eq!((found.len(), found[0].rule, found[0].severity), (1, Rule::NamesExcluded, Severity::Info));
    let shown = format!("4 refused by name: key {}, client ben, client ci.linux", "0f".repeat(16));
    assert!(found[0].found.to_string().starts_with(&shown), "{}", found[0].found);
    assert_eq!(told(&[])[0].found.to_string(), "nobody is refused by name");
}

#[test]
fn two_of_one_key_and_other_exclusions_than_the_signers_are_errors() {
    let parent = root(|ca| ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
    let mut parameters = crate::pki::specimens::authority_parameters();
    parameters.distinguished_name = name("below");
    parameters.use_authority_key_identifier_extension = true;
    let below = parent.signs(parameters).certificate;
    let errors = |file: &[&Certificate]| -> Vec<Rule> {
        let file = TrustBundle::new(file.iter().map(|one| (*one).clone()).collect());
        let all = certificate_file(&file, now()).into_iter();
        all.filter(|one| one.severity >= Severity::Error).map(|one| one.rule).collect()
    };
    let constrained = without_key(&parent.certificate, &[BEN]);
    assert_eq!(errors(&[&parent.certificate, &below]), []);
    assert_eq!(errors(&[&constrained, &parent.certificate]), [Rule::BundleDuplicate]);
    assert_eq!(errors(&[&constrained, &below]), [Rule::ExclusionsDiffer]);
    assert_eq!(errors(&[&below, &constrained]), [Rule::ExclusionsDiffer]);
    assert_eq!(errors(&[&constrained, &without_key(&below, &[BEN])]), []);
}

#[test]
fn an_anchor_of_rsa_keeps_a_signature_of_its_form() {
    let Ok(key) = KeyPair::generate_for(&PKCS_RSA_SHA256) else { return };
    let original = root_of(key, |_| ()).certificate;
    let made = without_key(&original, &[BEN]);
    assert_same_authority(&made, &original);
}

#[test]
fn without_what_was_excluded_it_is_the_ca_s_own_certificate_again() {
    let original = an_authority(|_| ());
    assert_eq!(without_key(&original, &[BEN]).without_exclusions(), Some(original.clone()));
    assert_eq!(without_key(&original, &[]).without_exclusions(), Some(original.clone()));
    assert_eq!(original.without_exclusions(), None);
}
