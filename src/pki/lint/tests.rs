use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, SanType, SerialNumber,
};

use super::*;
use crate::model::{IdentityName, KeyAlgorithm, Lifetime, SubjectAltName, Validity};
use crate::pki::{AuthorityRequest, CertificateAuthority, LeafRequest, PrivateKey};

fn now() -> Timestamp {
    Timestamp::parse("2026-11-23").unwrap()
}

fn parameters(common_name: &str) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    parameters.distinguished_name = name;
    parameters.serial_number = Some(SerialNumber::from_slice(&[0x41; 16]));
    parameters.not_before = now().calendar();
    parameters.not_after = now().plus(Lifetime::days(90)).calendar();
    parameters.key_identifier_method = KeyIdMethod::PreSpecified(vec![0xaa; 20]);
    parameters
}

fn leaf_parameters(role: Role) -> CertificateParams {
    let mut parameters = parameters("leaf");
    parameters.is_ca = IsCa::ExplicitNoCa;
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages = vec![match role {
        Role::Daemon => ExtendedKeyUsagePurpose::ServerAuth,
        Role::Client => ExtendedKeyUsagePurpose::ClientAuth,
    }];
    parameters.subject_alt_names = vec![dns("builder.example.com")];
    parameters.use_authority_key_identifier_extension = true;
    parameters
}

fn authority_parameters() -> CertificateParams {
    let mut parameters = parameters("authority");
    parameters.not_after = now().plus(Lifetime::days(3650)).calendar();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    parameters
}

fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().unwrap())
}

/// A leaf that differs from the profile in one thing.
fn a_leaf(role: Role, change: impl FnOnce(&mut CertificateParams)) -> Certificate {
    let issuer = Issuer::new(authority_parameters(), KeyPair::generate().unwrap());
    let mut parameters = leaf_parameters(role);
    change(&mut parameters);
    let made = parameters.signed_by(&KeyPair::generate().unwrap(), &issuer).unwrap();
    Certificate::from_der(made.der()).unwrap()
}

fn an_authority(change: impl FnOnce(&mut CertificateParams)) -> Certificate {
    let mut parameters = authority_parameters();
    change(&mut parameters);
    let made = parameters.self_signed(&KeyPair::generate().unwrap()).unwrap();
    Certificate::from_der(made.der()).unwrap()
}

/// The same certificate with `from` replaced by `to` wherever it stands; no lint looks at the
/// signature.
fn patched(certificate: &Certificate, from: &[u8], to: &[u8]) -> Certificate {
    let mut der = certificate.der().to_vec();
    let mut found = false;
    for at in 0..=der.len() - from.len() {
        if der[at..].starts_with(from) {
            der[at..at + to.len()].copy_from_slice(to);
            found = true;
        }
    }
    assert!(found && from.len() == to.len());
    Certificate::from_der(&der).unwrap()
}

fn told(findings: &[Finding]) -> Vec<(Rule, Severity)> {
    for finding in findings {
        assert!(!finding.expected.is_empty() && !finding.found.is_empty(), "{finding:?}");
        assert!(
            finding.cause.is_some() && finding.fix.is_some() && !finding.subject.is_empty(),
            "{finding:?}"
        );
    }
    findings.iter().map(|finding| (finding.rule, finding.severity)).collect()
}

fn leaf_says(role: Role, change: impl FnOnce(&mut CertificateParams)) -> Vec<(Rule, Severity)> {
    told(&leaf(&a_leaf(role, change), role, None))
}

fn authority_says(change: impl FnOnce(&mut CertificateParams)) -> Vec<(Rule, Severity)> {
    told(&authority(&an_authority(change)))
}

fn extension(identifier: &[u64], critical: bool, contents: &[u8]) -> CustomExtension {
    let mut extension = CustomExtension::from_oid_content(identifier, contents.to_vec());
    extension.set_criticality(critical);
    extension
}

#[test]
fn the_profile_itself_is_without_fault() {
    for role in [Role::Daemon, Role::Client] {
        assert_eq!(leaf_says(role, |_| ()), []);
    }
    assert_eq!(authority_says(|_| ()), []);
}

#[test]
fn whatever_we_issue_is_without_fault() {
    for algorithm in KeyAlgorithm::ALL {
        let key = PrivateKey::generate(algorithm).ok().unwrap();
        let validity = Validity::issued(now(), Lifetime::days(3650), Lifetime::days(1));
        let request = AuthorityRequest { name: "Acme builders".parse().unwrap(), validity };
        let ca = CertificateAuthority::create(&request, &key).ok().unwrap();
        assert_eq!(told(&authority(ca.certificate())), []);
        for role in [Role::Daemon, Role::Client] {
            let name: IdentityName = "ana".parse().unwrap();
            let hosts: Vec<SubjectAltName> = vec!["localhost".parse().unwrap(), "::1".parse().unwrap()];
            let request = LeafRequest::new(role, name, hosts, now(), Lifetime::days(397));
            let certificate = ca.issue(&request, key.public_key()).unwrap();
            assert_eq!(told(&leaf(&certificate, role, Some(ca.certificate()))), []);
            assert_eq!(told(&dates(&certificate, now())), []);
        }
    }
}

#[test]
fn a_client_that_could_stand_in_for_the_daemon_is_an_error() {
    use ExtendedKeyUsagePurpose::{Any, ClientAuth, ServerAuth};
    for usages in [vec![], vec![Any], vec![ClientAuth, ServerAuth], vec![ServerAuth]] {
        let says = leaf_says(Role::Client, |leaf| leaf.extended_key_usages = usages.clone());
        assert_eq!(says, [(Rule::ExtendedKeyUsage, Severity::Error)], "{usages:?}");
    }
}

#[test]
fn a_daemon_needs_server_auth_and_nothing_else() {
    use ExtendedKeyUsagePurpose::{Any, ClientAuth, ServerAuth};
    for (usages, severity) in [
        (vec![], Severity::Warning),
        (vec![Any], Severity::Warning),
        (vec![ClientAuth, ServerAuth], Severity::Warning),
        (vec![ClientAuth], Severity::Error),
    ] {
        let says = leaf_says(Role::Daemon, |leaf| leaf.extended_key_usages = usages);
        assert_eq!(says, [(Rule::ExtendedKeyUsage, severity)]);
    }
}

#[test]
fn faults_of_a_leaf_that_some_peer_refuses_are_errors() {
    type Change = fn(&mut CertificateParams);
    let cases: [(Rule, Change); 13] = [
        (Rule::AuthorityKeyIdentifier, |leaf| leaf.use_authority_key_identifier_extension = false),
        (Rule::SerialNumber, |leaf| leaf.serial_number = Some(SerialNumber::from_slice(&[0]))),
        (Rule::SerialNumber, |leaf| leaf.serial_number = Some(SerialNumber::from_slice(&[0x41; 21]))),
        (Rule::SubjectAltName, |leaf| leaf.subject_alt_names = vec![]),
        (Rule::SubjectAltName, |leaf| leaf.subject_alt_names = vec![dns("a.example.")]),
        (Rule::SubjectAltName, |leaf| leaf.subject_alt_names = vec![dns("a.*.example")]),
        (Rule::SubjectAltName, |leaf| leaf.subject_alt_names = vec![dns("a b")]),
        (Rule::SubjectAltName, |leaf| leaf.subject_alt_names = vec![dns("")]),
        (Rule::IpAsDnsName, |leaf| leaf.subject_alt_names = vec![dns("10.0.0.5")]),
        (Rule::IpAsDnsName, |leaf| leaf.subject_alt_names = vec![dns("[::1]")]),
        (Rule::UnexpectedExtension, |leaf| {
            leaf.custom_extensions = vec![extension(&[1, 3, 6, 1, 4, 1, 99999], true, &[5, 0])];
        }),
        (Rule::UnexpectedExtension, |leaf| {
            leaf.custom_extensions = vec![extension(&[1, 3, 6, 1, 5, 5, 7, 1, 1], true, &[0x30, 0])];
        }),
        (Rule::UnexpectedExtension, |leaf| {
            leaf.custom_extensions = vec![extension(&[1, 3, 6, 1, 4, 1, 99999], false, &[5, 0]); 2];
        }),
    ];
    for (number, (rule, change)) in cases.into_iter().enumerate() {
        assert_eq!(leaf_says(Role::Daemon, change), [(rule, Severity::Error)], "case {number}");
    }
    let as_authority =
        leaf_says(Role::Client, |leaf| leaf.is_ca = IsCa::Ca(BasicConstraints::Constrained(0)));
    assert_eq!(as_authority, [(Rule::BasicConstraints, Severity::Error)]);
    let unsigning = leaf_says(Role::Client, |leaf| leaf.key_usages = vec![KeyUsagePurpose::KeyEncipherment]);
    assert_eq!(unsigning, [(Rule::KeyUsage, Severity::Error), (Rule::KeyUsage, Severity::Info)]);
}

#[test]
fn an_empty_subject_needs_critical_names() {
    let certificate = a_leaf(Role::Daemon, |leaf| leaf.distinguished_name = DistinguishedName::new());
    assert_eq!(told(&leaf(&certificate, Role::Daemon, None)), []);
    let names_critical = [0x55, 0x1d, 0x11, 0x01, 0x01, 0xff];
    let issuers_critical = [0x55, 0x1d, 0x12, 0x01, 0x01, 0xff];
    let nameless = patched(&certificate, &names_critical, &issuers_critical);
    let says = told(&leaf(&nameless, Role::Daemon, None));
    assert!(says.contains(&(Rule::EmptySubject, Severity::Error)), "{says:?}");
}

#[test]
fn surprises_of_a_leaf_are_warnings() {
    type Change = fn(&mut CertificateParams);
    let cases: [(Rule, Change); 7] = [
        (Rule::SerialNumber, |leaf| leaf.serial_number = Some(SerialNumber::from_slice(&[7, 0xe5]))),
        (Rule::KeyUsage, |leaf| leaf.key_usages = vec![]),
        (Rule::UnderscoreInName, |leaf| leaf.subject_alt_names = vec![dns("build_host.example")]),
        (Rule::WildcardName, |leaf| leaf.subject_alt_names = vec![dns("*.example.com")]),
        (Rule::SubjectAltName, |leaf| leaf.subject_alt_names = vec![dns("a.example.com"); 101]),
        (Rule::SubjectKeyIdentifier, |leaf| {
            leaf.key_identifier_method = KeyIdMethod::PreSpecified(b"buildkit".to_vec());
        }),
        (Rule::LegacyGenerator, |leaf| leaf.not_after = now().plus(Lifetime::days(3650)).calendar()),
    ];
    for (number, (rule, change)) in cases.into_iter().enumerate() {
        assert_eq!(leaf_says(Role::Daemon, change), [(rule, Severity::Warning)], "case {number}");
    }
    let nameless = leaf_says(Role::Client, |leaf| leaf.subject_alt_names = vec![]);
    assert_eq!(nameless, [(Rule::SubjectAltName, Severity::Warning)]);
}

#[test]
fn faults_of_a_ca_are_named() {
    type Change = fn(&mut CertificateParams);
    let cases: [(Rule, Severity, Change); 9] = [
        (Rule::BasicConstraints, Severity::Error, |ca| ca.is_ca = IsCa::ExplicitNoCa),
        (Rule::PathLength, Severity::Warning, |ca| ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)),
        (Rule::PathLength, Severity::Info, |ca| ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(2))),
        (Rule::KeyUsage, Severity::Error, |ca| ca.key_usages = vec![]),
        (Rule::KeyUsage, Severity::Error, |ca| ca.key_usages = vec![KeyUsagePurpose::CrlSign]),
        (Rule::KeyUsage, Severity::Info, |ca| ca.key_usages = vec![KeyUsagePurpose::KeyCertSign]),
        (Rule::ExtendedKeyUsage, Severity::Error, |ca| {
            ca.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        }),
        (Rule::ExtendedKeyUsage, Severity::Warning, |ca| {
            ca.extended_key_usages =
                vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        }),
        (Rule::UnexpectedExtension, Severity::Warning, |ca| {
            ca.custom_extensions = vec![extension(&[2, 5, 29, 54], true, &[2, 1, 0])];
        }),
    ];
    for (number, (rule, severity, change)) in cases.into_iter().enumerate() {
        assert!(authority_says(change).contains(&(rule, severity)), "case {number}");
    }
    let nameless = authority_says(|ca| ca.distinguished_name = DistinguishedName::new());
    assert_eq!(nameless, [(Rule::EmptySubject, Severity::Error); 2]);
}

#[test]
fn what_rcgen_cannot_make_is_named_too() {
    let certificate = a_leaf(Role::Daemon, |_| ());
    let ecdsa_sha256 = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
    let ecdsa_sha512 = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x04];
    let unknown = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x01];
    let version = |octet| [0xa0, 0x03, 0x02, 0x01, octet];
    let serial = |octet| [0x02, 0x10, octet, 0x41];
    for (from, to, rule, severity) in [
        (&ecdsa_sha256[..], &ecdsa_sha512[..], Rule::SignatureAlgorithm, Severity::Warning),
        (&ecdsa_sha256, &unknown, Rule::SignatureAlgorithm, Severity::Error),
        (&version(2), &version(1), Rule::CertificateVersion, Severity::Error),
        (&serial(0x41), &serial(0xc1), Rule::SerialNumber, Severity::Error),
    ] {
        let says = told(&leaf(&patched(&certificate, from, to), Role::Daemon, None));
        assert_eq!(says, [(rule, severity)]);
    }
}

#[test]
fn a_leaf_that_outlives_its_issuer_or_points_to_another_is_an_error() {
    let certificate = a_leaf(Role::Client, |leaf| {
        leaf.not_after = now().plus(Lifetime::days(600)).calendar();
    });
    let short = an_authority(|ca| ca.not_after = now().plus(Lifetime::days(599)).calendar());
    let says = told(&leaf(&certificate, Role::Client, Some(&short)));
    assert_eq!(says, [(Rule::OutlivesIssuer, Severity::Error)]);
    let other = an_authority(|ca| ca.key_identifier_method = KeyIdMethod::PreSpecified(vec![0xbb; 20]));
    let says = told(&leaf(&certificate, Role::Client, Some(&other)));
    assert_eq!(says, [(Rule::AuthorityKeyIdentifier, Severity::Error)]);
}

#[test]
fn dates_are_judged_to_the_second() {
    let certificate = a_leaf(Role::Client, |_| ());
    let Validity { not_before, not_after } = certificate.validity();
    let second = Lifetime::from_seconds(1);
    let third = Lifetime::from_seconds(30 * 86_400 - 1_200);
    for (at, expected) in [
        (not_before.minus(second), Some((Rule::NotYetValid, Severity::Error))),
        (not_before, None),
        (not_after.minus(third), None),
        (not_after.minus(third).plus(second), Some((Rule::ExpiresSoon, Severity::Warning))),
        (not_after, Some((Rule::ExpiresSoon, Severity::Warning))),
        (not_after.plus(second), Some((Rule::Expired, Severity::Error))),
    ] {
        assert_eq!(told(&dates(&certificate, at)), Vec::from_iter(expected), "{at}");
    }
}

#[test]
fn a_bundle_is_judged_as_go_loads_it() {
    let says = |pem: &str| -> Vec<_> {
        let bundle = TrustBundle::from_pem(pem.as_bytes(), "ca.pem").unwrap();
        super::bundle(&bundle).iter().map(|finding| (finding.rule, finding.severity)).collect()
    };
    let ca = an_authority(|_| ()).to_pem();
    let leaf = a_leaf(Role::Client, |_| ()).to_pem();
    let pinned = an_authority(|ca| ca.is_ca = IsCa::ExplicitNoCa).to_pem();
    let twice = an_authority(|ca| {
        ca.custom_extensions = vec![extension(&[1, 3, 6, 1, 4, 1, 99999], false, &[5, 0]); 2];
    });
    let key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    assert_eq!(says(&ca), []);
    assert_eq!(says(&format!("{ca}{ca}")), [(Rule::BundleDuplicate, Severity::Warning)]);
    assert_eq!(says(&format!("{ca}{leaf}")), [(Rule::BundleHoldsLeaf, Severity::Warning)]);
    assert_eq!(says(&format!("{ca}{pinned}")), [(Rule::BundleHoldsLeaf, Severity::Info)]);
    assert_eq!(says(&format!("{ca}{key}")), [(Rule::KeyInBundle, Severity::Critical)]);
    let torn = ca.replace("-----END", "!-----END");
    assert_eq!(says(&format!("{torn}{ca}")), [(Rule::BundleBlockDropped, Severity::Error)]);
    assert_eq!(says(&format!("{}{ca}", twice.to_pem())), [(Rule::BundleBlockDropped, Severity::Error)]);
}

#[test]
fn every_flaw_of_earthlys_own_generator_is_named() {
    for generator in ["earthly", "earthbuild"] {
        let read = |file: &str| {
            let path = format!("{}/fixtures/pki/legacy/{generator}/{file}", env!("CARGO_MANIFEST_DIR"));
            Certificate::chain_from_pem(&std::fs::read(&path).unwrap(), &path).unwrap().remove(0)
        };
        let rules = |findings: Vec<Finding>| {
            let mut rules: Vec<_> = told(&findings).into_iter().map(|(rule, _)| rule).collect();
            rules.sort_unstable();
            rules
        };
        let ca = read("ca_cert.pem");
        let of_the_ca = [
            Rule::SerialNumber,     // 2021, everywhere
            Rule::PathLength,       // none
            Rule::KeyUsage,         // no cRLSign
            Rule::KeyUsage,         // digitalSignature
            Rule::ExtendedKeyUsage, // in a CA
            Rule::LegacyGenerator,  // not backdated
            Rule::LegacyGenerator,  // the same name everywhere, and no common name
        ];
        assert_eq!(rules(authority(&ca)), of_the_ca);
        for (file, role) in [("buildkit_cert.pem", Role::Daemon), ("earthly_cert.pem", Role::Client)] {
            let of_a_leaf = [
                Rule::ExtendedKeyUsage,       // both
                Rule::SubjectKeyIdentifier,   // ASCII
                Rule::AuthorityKeyIdentifier, // none
                Rule::IpAsDnsName,
                Rule::LegacyGenerator, // not backdated
                Rule::LegacyGenerator, // the CA key beside it
                Rule::LegacyGenerator, // ten years
            ];
            assert_eq!(rules(leaf(&read(file), role, Some(&ca))), of_a_leaf, "{generator} {file}");
        }
    }
}
