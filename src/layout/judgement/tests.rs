use super::*;
use crate::model::{KeyAlgorithm, Lifetime, Validity};
use crate::pki::{AuthorityRequest, CertificateAuthority, LeafRequest};

fn now() -> Timestamp {
    Timestamp::parse("2026-11-23").unwrap()
}

fn private(path: &str) -> FileFacts {
    FileFacts { path: path.to_owned(), mode: Some(0o600), owner: FileOwner::UsOrRoot }
}

fn fixture(path: &str) -> Vec<u8> {
    std::fs::read(format!("{}/fixtures/pki/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// The PEM of a CA and of a client of its.
fn made() -> (String, String, PrivateKey) {
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).ok().unwrap();
    let validity = Validity::issued(now(), Lifetime::days(3650), Lifetime::days(1));
    let request = AuthorityRequest { name: "Acme builders".parse().unwrap(), validity };
    let ca = CertificateAuthority::create(&request, &key).ok().unwrap();
    let leaf = LeafRequest::new(Role::Client, "ana".parse().unwrap(), vec![], now(), Lifetime::days(90));
    let leaf = ca.issue(&leaf, key.public_key()).unwrap();
    (ca.certificate().to_pem(), leaf.to_pem(), key)
}

fn rules(judgement: &Judgement) -> Vec<(Rule, Severity)> {
    judgement.findings.iter().map(|finding| (finding.rule, finding.severity)).collect()
}

fn fact<'a>(judgement: &'a Judgement, label: &str) -> &'a str {
    judgement.facts.iter().find(|(own, _)| *own == label).map_or("", |(_, value)| value)
}

#[test]
fn what_we_make_is_recognised_and_without_fault() {
    let (ca, leaf, key) = made();
    let of_ca = judge(ca.as_bytes(), &private("ca.pem"), now());
    assert_eq!((of_ca.kind, rules(&of_ca)), (Kind::Bundle, vec![]));
    let of_leaf = judge(leaf.as_bytes(), &private("cert.pem"), now());
    assert_eq!((of_leaf.kind, rules(&of_leaf)), (Kind::Chain, vec![]));
    assert_eq!(fact(&of_leaf, "names"), "ana.client.kitcert.internal");
    assert_eq!(fact(&of_leaf, "usages"), "clientAuth");
    let of_key = judge(key.expose_pem().as_bytes(), &private("key.pem"), now());
    assert_eq!((of_key.kind, rules(&of_key)), (Kind::Key, vec![]));
    assert_eq!(fact(&of_key, "key fingerprint"), key.public_key().fingerprint().to_string());
    let both = judge(format!("{leaf}{ca}").as_bytes(), &private("cert.pem"), now());
    assert_eq!((both.kind, rules(&both)), (Kind::Chain, vec![]));
    assert_eq!(fact(&both, "certificate"), "1 of 2");
}

#[test]
fn a_key_that_others_can_read_is_critical() {
    let (_, leaf, key) = made();
    for (mode, owner, expected) in [
        (0o400, FileOwner::UsOrRoot, None),
        (0o600, FileOwner::Another, Some(Severity::Warning)),
        (0o640, FileOwner::UsOrRoot, Some(Severity::Warning)),
        (0o640, FileOwner::Another, Some(Severity::Error)),
        (0o660, FileOwner::UsOrRoot, Some(Severity::Error)),
        (0o604, FileOwner::UsOrRoot, Some(Severity::Critical)),
        (0o444, FileOwner::UsOrRoot, Some(Severity::Critical)),
    ] {
        let file = FileFacts { path: "key.pem".to_owned(), mode: Some(mode), owner };
        let expected: Vec<_> = expected.map(|severity| (Rule::KeyMode, severity)).into_iter().collect();
        let judgement = judge(key.expose_pem().as_bytes(), &file, now());
        assert_eq!(rules(&judgement), expected, "{mode:o} {owner:?}");
        let beside = format!("{leaf}{}", *key.expose_pem());
        assert_eq!(rules(&judge(beside.as_bytes(), &file, now())), expected, "{mode:o} {owner:?}");
    }
    let judgement = judge(key.expose_pem().as_bytes(), &private("key.pem"), now());
    let secret: String = key.expose_pem().lines().skip(1).take(1).collect();
    assert!(!format!("{judgement:?}").contains(&secret));
}

#[test]
fn earthlys_own_files_are_judged_for_what_they_are() {
    let file =
        |path: &str| FileFacts { path: path.to_owned(), mode: Some(0o444), owner: FileOwner::UsOrRoot };
    let ca = judge(&fixture("legacy/earthly/ca_cert.pem"), &file("ca_cert.pem"), now());
    assert_eq!(ca.kind, Kind::Bundle);
    assert!(rules(&ca).contains(&(Rule::LegacyGenerator, Severity::Warning)));
    let client = judge(&fixture("legacy/earthbuild/earthly_cert.pem"), &file("earthly_cert.pem"), now());
    assert!(rules(&client).contains(&(Rule::ExtendedKeyUsage, Severity::Error)));
    let daemon = judge(&fixture("legacy/earthly/buildkit_cert.pem"), &file("buildkit_cert.pem"), now());
    assert!(rules(&daemon).contains(&(Rule::ExtendedKeyUsage, Severity::Warning)));
    let key = judge(&fixture("legacy/earthly/ca_key.pem"), &file("ca_key.pem"), now());
    assert_eq!(rules(&key), [(Rule::KeyFormat, Severity::Info), (Rule::KeyMode, Severity::Critical)]);
}

#[test]
fn dates_and_damage_are_told_with_the_path() {
    let (ca, leaf, key) = made();
    let late = now().plus(Lifetime::days(91));
    let judgement = judge(leaf.as_bytes(), &private("cert.pem"), late);
    assert_eq!(rules(&judgement), [(Rule::Expired, Severity::Error)]);
    assert_eq!(judgement.findings[0].subject, "cert.pem");
    let torn = ca.replace("-----END", "!-----END");
    let judgement = judge(format!("{ca}{torn}").as_bytes(), &private("ca.pem"), now());
    assert_eq!(rules(&judgement), [(Rule::BundleBlockDropped, Severity::Error)]);
    assert!(judgement.findings[0].subject.starts_with("ca.pem: line "));
    let pasted = judge(format!("{ca}{}", *key.expose_pem()).as_bytes(), &private("ca.pem"), now());
    assert_eq!(rules(&pasted), [(Rule::KeyInBundle, Severity::Critical)]);
}

#[test]
fn requests_are_read_and_forged_ones_refused() {
    let greedy = judge(&fixture("requests/greedy.csr"), &private("me.csr"), now());
    assert_eq!((greedy.kind, rules(&greedy)), (Kind::Request, vec![]));
    assert!(fact(&greedy, "asks for, and is not granted").starts_with("CA:TRUE; "));
    let forged = judge(&fixture("requests/forged.csr"), &private("me.csr"), now());
    assert_eq!(rules(&forged), [(Rule::RequestSignature, Severity::Error)]);
}

#[test]
fn anything_else_is_an_unreadable_file() {
    let (ca, ..) = made();
    let der = Certificate::chain_from_pem(ca.as_bytes(), "").unwrap()[0].der().to_vec();
    for (bytes, found) in [
        (vec![], "an empty file"),
        (b"global:\n  tls_enabled: true\n".to_vec(), "something else"),
        (vec![b'x'; 100_000], "100000 bytes"),
        (der, "a certificate in DER"),
        (b"-----BEGIN CERTIFICATE-----\n".to_vec(), "a block of \"CERTIFICATE\" that has no END line"),
    ] {
        let judgement = judge(&bytes, &private("x"), now());
        assert_eq!(
            (judgement.kind, rules(&judgement)),
            (Kind::Unknown, vec![(Rule::UnreadableFile, Severity::Error)])
        );
        assert_eq!(judgement.findings[0].found, found);
        assert!(judgement.findings[0].fix.is_some());
    }
}
