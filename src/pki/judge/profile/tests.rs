use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, ExtendedKeyUsagePurpose, IsCa,
    KeyIdMethod, KeyUsagePurpose, SanType, SerialNumber,
};

use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use super::*;
use crate::model::profile::LARGEST_NAMES;
use crate::model::{IdentityName, KeyAlgorithm, Lifetime, SubjectAltName, Validity};
use crate::pki::element::element;
use crate::pki::specimens::{a_leaf, an_authority, dns, now, patched};
use crate::pki::{AuthorityRequest, CertificateAuthority, LeafRequest, PrivateKey, TrustBundle};

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

fn leaf(certificate: &Certificate, role: Role, issuer: Option<&Certificate>) -> Vec<Finding> {
    super::leaf(certificate, role, issuer, Standard::Profile)
}

fn authority(certificate: &Certificate) -> Vec<Finding> {
    super::authority(certificate, None, Standard::Profile)
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
    let both = a_leaf(Role::Client, |leaf| leaf.extended_key_usages = vec![ClientAuth, ServerAuth]);
    assert_eq!(leaf(&both, Role::Client, None)[0].found, "serverAuth, clientAuth");
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
    let cases: [(Rule, Change); 14] = [
        (Rule::AuthorityKeyIdentifier, |leaf| leaf.use_authority_key_identifier_extension = false),
        (Rule::SerialNumber, |leaf| leaf.serial_number = Some(SerialNumber::from_slice(&[0]))),
        (Rule::SerialNumber, |leaf| leaf.serial_number = Some(SerialNumber::from_slice(&[0x41; 21]))),
        (Rule::SubjectAltName, |leaf| leaf.subject_alt_names = vec![]),
        (Rule::SubjectAltName, |leaf| leaf.subject_alt_names = vec![dns("a.example.")]),
        (Rule::SubjectAltName, |leaf| leaf.subject_alt_names = vec![dns("a.*.example")]),
        (Rule::SubjectAltName, |leaf| leaf.subject_alt_names = vec![dns("a b")]),
        (Rule::SubjectAltName, |leaf| leaf.subject_alt_names = vec![dns("")]),
        (Rule::SubjectAltName, |leaf| {
            leaf.subject_alt_names.push(SanType::IpAddress("::ffff:10.0.0.5".parse().unwrap()));
        }),
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
    let signing_code = leaf_says(Role::Client, |leaf| {
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
    });
    assert_eq!(signing_code, [(Rule::ExtendedKeyUsage, Severity::Error)]);
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
fn what_is_just_enough_is_no_surprise() {
    let three_years = 3 * 365 * 86_400;
    let lasting = |seconds| {
        a_leaf(Role::Client, |leaf| leaf.not_after = now().plus(Lifetime::from_seconds(seconds)).calendar())
    };
    assert_eq!(told(&leaf(&lasting(three_years), Role::Client, None)), []);
    let longer = leaf(&lasting(three_years + 1), Role::Client, None);
    assert_eq!((longer[0].rule, longer[0].found.as_str()), (Rule::LegacyGenerator, "1095 days"));
    let numbered = |serial: &[u8]| {
        leaf_says(Role::Client, |leaf| leaf.serial_number = Some(SerialNumber::from_slice(serial)))
    };
    assert_eq!(numbered(&[0x41; 7]), []);
    assert_eq!(numbered(&[0x41; 6]), [(Rule::SerialNumber, Severity::Warning)]);
    let named =
        |count| leaf_says(Role::Client, |leaf| leaf.subject_alt_names = vec![dns("a.example"); count]);
    assert_eq!(named(100), []);
}

#[test]
fn what_fixes_a_fault_is_told_for_whose_it_is() {
    let forever = |leaf: &mut CertificateParams| leaf.not_after = now().plus(Lifetime::days(4000)).calendar();
    for (role, command) in [
        (Role::Daemon, "issue the daemon another certificate, for each host that clients dial"),
        (Role::Client, "issue the client another certificate"),
    ] {
        assert_eq!(leaf(&a_leaf(role, forever), role, None)[0].fix.as_deref(), Some(command));
    }
    let unsigning = an_authority(|ca| ca.key_usages = vec![]);
    assert_eq!(
        authority(&unsigning)[0].fix.as_deref(),
        Some("move to another CA: kitcert ca rollover start")
    );
    let ended = dates(&a_leaf(Role::Client, |_| ()), now().plus(Lifetime::days(91)));
    assert_eq!(ended[0].fix.as_deref(), Some("kitcert rotate"));
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
        // Of another version its extensions count for nothing, and that they are missing is told too.
        let missing = [
            (Rule::SubjectKeyIdentifier, Severity::Info),
            (Rule::AuthorityKeyIdentifier, Severity::Error),
            (Rule::KeyUsage, Severity::Warning),
            (Rule::ExtendedKeyUsage, Severity::Warning),
            (Rule::SubjectAltName, Severity::Error),
        ];
        let missing = if rule == Rule::CertificateVersion { &missing[..] } else { &[] };
        assert_eq!(says, [&[(rule, severity)], missing].concat());
    }
}

/// The same certificate, said to be signed with SHA-1.
fn with_sha1(certificate: &Certificate) -> Certificate {
    let of_sha256 = element(0x30, &element(0x06, &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2]));
    let of_sha1 = element(0x30, &element(0x06, &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 1]));
    let (_, parsed) = X509Certificate::from_der(certificate.der()).unwrap();
    let signed = &parsed.tbs_certificate.as_ref()[4..];
    let at = signed.windows(of_sha256.len()).position(|octets| octets == of_sha256).unwrap();
    let signed = [&signed[..at], &of_sha1, &signed[at + of_sha256.len()..]].concat();
    let signature = element(0x03, &[&[0], parsed.signature_value.data.as_ref()].concat());
    let parts = [element(0x30, &signed), of_sha1, signature];
    Certificate::from_der(&element(0x30, &parts.concat())).unwrap()
}

#[test]
fn sha1_is_refused_of_a_leaf_and_only_frowned_at_of_an_anchor() {
    let says = told(&leaf(&with_sha1(&a_leaf(Role::Daemon, |_| ())), Role::Daemon, None));
    assert_eq!(says, [(Rule::SignatureAlgorithm, Severity::Error)]);
    let says = told(&authority(&with_sha1(&an_authority(|_| ()))));
    assert_eq!(says, [(Rule::SignatureAlgorithm, Severity::Warning)]);
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
fn a_bundle_has_a_certificate_and_more_than_sixteen_are_warned_of() {
    let many: Vec<_> = (0..17).map(|_| an_authority(|_| ())).collect();
    let says = |count| super::bundle(&TrustBundle::new(many[..count].to_vec()));
    for (count, severity, found) in [(0, Severity::Error, "none"), (17, Severity::Warning, "17")] {
        let findings = says(count);
        assert_eq!(findings.len(), 1, "{count}");
        let [finding] = findings.as_slice() else { panic!("{count}") };
        assert_eq!((finding.rule, finding.severity), (Rule::BundleSize, severity));
        assert_eq!(finding.found, found);
    }
    assert!(says(1).is_empty() && says(16).is_empty());
}

#[test]
fn names_that_do_not_fit_into_a_handshake_are_an_error() {
    let long = an_authority(|ca| {
        ca.distinguished_name = rcgen::DistinguishedName::new();
        ca.distinguished_name.push(rcgen::DnType::CommonName, "x".repeat(LARGEST_NAMES / 2));
    });
    let length = TrustBundle::new(vec![long.clone()]).length_of_subjects();
    assert!(length > LARGEST_NAMES / 2 && length < LARGEST_NAMES / 2 + 100);
    let findings = super::bundle(&TrustBundle::new(vec![long.clone(), long]));
    let too_long = |one: &&Finding| one.rule == Rule::BundleSize && one.severity == Severity::Error;
    assert_eq!(findings.iter().filter(too_long).count(), 1, "{findings:?}");
}

#[test]
fn every_flaw_of_earthlys_own_generator_is_named() {
    for generator in ["earthly", "earthbuild"] {
        let read = |file: &str| {
            let path = format!("{}/fixtures/pki/legacy/{generator}/{file}", env!("CARGO_MANIFEST_DIR"));
            Certificate::chain_from_pem(&std::fs::read(&path).unwrap(), std::path::Path::new(&path))
                .unwrap()
                .remove(0)
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
