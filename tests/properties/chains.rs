//! Our judgement of chains is Go's, on cases made by hand and on cases made at random.

use std::path::{Path, PathBuf};
use std::process::Command;

use kitcert::model::{Lifetime, Timestamp};
use kitcert::pki::chain::{self, ChainFault, Purpose};
use kitcert::pki::{Certificate, TrustBundle};
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, CustomExtension, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    NameConstraints, SanType, SerialNumber,
};

use crate::peers;

/// A certificate with its key, and the parameters that it was made of.
struct Entity {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

fn now() -> Timestamp {
    Timestamp::parse("2026-11-23").unwrap()
}

fn days_from_now(days: i64) -> time::OffsetDateTime {
    Timestamp::from_unix(now().unix() + days * Lifetime::days(1).seconds()).calendar()
}

fn named(common_name: &str) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    parameters.distinguished_name = name;
    parameters.serial_number = Some(SerialNumber::from_slice(&[0x41; 16]));
    parameters.not_before = days_from_now(-10);
    parameters.not_after = days_from_now(10);
    parameters.use_authority_key_identifier_extension = true;
    parameters
}

fn authority(common_name: &str) -> CertificateParams {
    let mut parameters = named(common_name);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    parameters
}

fn client(common_name: &str) -> CertificateParams {
    let mut parameters = named(common_name);
    parameters.is_ca = IsCa::ExplicitNoCa;
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    parameters.subject_alt_names = vec![SanType::DnsName("ana.client.example".try_into().unwrap())];
    parameters
}

fn root(parameters: CertificateParams) -> Entity {
    let key = KeyPair::generate().unwrap();
    let made = parameters.self_signed(&key).unwrap();
    entity(parameters, key, made.der())
}

fn signed(parameters: CertificateParams, by: &Entity) -> Entity {
    signed_for(KeyPair::generate().unwrap(), parameters, by)
}

fn signed_for(key: KeyPair, parameters: CertificateParams, by: &Entity) -> Entity {
    let made = parameters.signed_by(&key, &by.issuer).unwrap();
    entity(parameters, key, made.der())
}

fn entity(parameters: CertificateParams, key: KeyPair, der: &[u8]) -> Entity {
    Entity { certificate: Certificate::from_der(der).unwrap(), issuer: Issuer::new(parameters, key) }
}

/// What is sent, what is trusted, and for what.
struct Case {
    sent: Vec<Certificate>,
    trusted: Vec<Certificate>,
    purpose: Purpose,
}

fn case(sent: &[&Entity], trusted: &[&Entity]) -> Case {
    let certificates = |entities: &[&Entity]| entities.iter().map(|one| one.certificate.clone()).collect();
    Case { sent: certificates(sent), trusted: certificates(trusted), purpose: Purpose::Client }
}

impl Case {
    fn ours(&self) -> Result<Vec<Certificate>, ChainFault> {
        chain::verify(&self.sent, &TrustBundle::new(self.trusted.clone()), self.purpose, now())
    }

    fn path_length(&self) -> usize {
        self.ours().map(|path| path.len()).unwrap_or_else(|fault| panic!("{fault}"))
    }

    fn fault(&self) -> ChainFault {
        let fault = self.ours().expect_err("refused");
        let finding = fault.finding("cert.pem");
        assert!(finding.cause.is_some() && finding.fix.is_some() && finding.found == fault.to_string());
        fault
    }
}

/// Go's verdict on a case, by the peer's `verify`.
struct Go {
    program: PathBuf,
    folder: tempfile::TempDir,
}

impl Go {
    fn find(test: &str) -> Option<Go> {
        let program = peers::program("go-peer", test)?;
        Some(Go { program, folder: tempfile::tempdir().unwrap() })
    }

    fn accepts(&self, case: &Case) -> Result<(), String> {
        let write = |name: &str, certificates: &[Certificate]| {
            let path = self.folder.path().join(name);
            std::fs::write(&path, certificates.iter().map(Certificate::to_pem).collect::<String>()).unwrap();
            path
        };
        let (sent, trusted) = (write("sent.pem", &case.sent), write("trusted.pem", &case.trusted));
        let role = match case.purpose {
            Purpose::Server => "server",
            Purpose::Client => "client",
        };
        let mut command = Command::new(&self.program);
        command.args(["verify", "--role", role, "--at", &now().to_string()]);
        command.arg("--ca").arg(trusted).arg(sent);
        let output = peers::run(&mut command, "");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() { Ok(()) } else { Err(said) }
    }
}

fn dated(mut parameters: CertificateParams, from: i64, until: i64) -> CertificateParams {
    parameters.not_before = days_from_now(from);
    parameters.not_after = days_from_now(until);
    parameters
}

/// The cases that are made by hand, each with whether it is accepted.
#[allow(clippy::too_many_lines)]
fn cases() -> Vec<(&'static str, Case, Option<fn(&ChainFault) -> bool>)> {
    use ChainFault as F;
    let ca = root(authority("ca"));
    let namesake = root(authority("ca"));
    let stranger = root(authority("stranger"));
    let intermediate = signed(authority("intermediate"), &ca);
    let sibling = signed(authority("sibling"), &ca);
    let ana = signed(client("ana"), &ca);
    let below = signed(client("below"), &intermediate);
    let pinned = root(client("pinned"));
    let mut pinned_wrong = client("pinned");
    pinned_wrong.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let pinned_wrong = root(pinned_wrong);
    let expired_ca = root(dated(authority("expired ca"), -10, -1));
    let of_expired_ca = signed(client("ana"), &expired_ca);
    let future_ca = root(dated(authority("future ca"), 1, 10));
    let of_future_ca = signed(client("ana"), &future_ca);
    let expired = signed(dated(client("expired"), -10, -1), &ca);
    let future = signed(dated(client("future"), 1, 10), &ca);
    let mut no_usage = client("no usage");
    no_usage.extended_key_usages = vec![];
    let no_usage = signed(no_usage, &ca);
    let mut any_usage = client("any usage");
    any_usage.extended_key_usages = vec![ExtendedKeyUsagePurpose::Any];
    let any_usage = signed(any_usage, &ca);
    let mut server_only = client("server only");
    server_only.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let server_only = signed(server_only, &ca);
    let mut server_ca = authority("server ca");
    server_ca.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let server_ca = root(server_ca);
    let of_server_ca = signed(client("ana"), &server_ca);
    let mut short = authority("short");
    short.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let short = root(short);
    let too_many = signed(authority("intermediate"), &short);
    let below_too_many = signed(client("ana"), &too_many);
    let of_short = signed(client("ana"), &short);
    let of_a_leaf = signed(client("of a leaf"), &ana);
    let mut unsigning = authority("unsigning");
    unsigning.key_usages = vec![KeyUsagePurpose::CrlSign];
    let unsigning = root(unsigning);
    let of_unsigning = signed(client("ana"), &unsigning);
    let mut bare = authority("bare");
    bare.is_ca = IsCa::NoCa;
    bare.key_usages = vec![];
    let bare = root(bare);
    let of_bare = signed(client("ana"), &bare);
    let mut critical = client("critical");
    let mut unknown = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99999], vec![5, 0]);
    unknown.set_criticality(true);
    critical.custom_extensions = vec![unknown.clone()];
    let critical = signed(critical, &ca);
    let mut twice = client("twice");
    unknown.set_criticality(false);
    twice.custom_extensions = vec![unknown; 2];
    let twice = signed(twice, &ca);
    let mut hint = authority("ca");
    hint.key_identifier_method = KeyIdMethod::PreSpecified(vec![1; 20]);
    let misleading = root(hint);
    let cross = signed_for(KeyPair::generate().unwrap(), authority("ca"), &stranger);
    let of_cross = signed(client("ana"), &cross);
    let deep = (0..6).fold(vec![root(authority("deep"))], |mut path, number| {
        let next = signed(authority(&format!("deep {number}")), path.last().unwrap());
        path.push(next);
        path
    });
    let at_the_bottom = signed(client("ana"), deep.last().unwrap());
    let mut sent_deep: Vec<_> = deep.iter().skip(1).collect();
    sent_deep.insert(0, &at_the_bottom);
    let constrained = |permitted: Vec<GeneralSubtree>, excluded: Vec<GeneralSubtree>| {
        let mut parameters = authority("constrained");
        parameters.name_constraints =
            Some(NameConstraints { permitted_subtrees: permitted, excluded_subtrees: excluded });
        root(parameters)
    };
    let domain = |name: &str| GeneralSubtree::DnsName(name.to_owned());
    let permitting = constrained(vec![domain("client.example")], vec![]);
    let of_permitting = signed(client("ana"), &permitting);
    let elsewhere = constrained(vec![domain("other.example")], vec![]);
    let of_elsewhere = signed(client("ana"), &elsewhere);
    let excluding = constrained(vec![], vec![domain("client.example")]);
    let of_excluding = signed(client("ana"), &excluding);
    let addresses =
        constrained(vec![GeneralSubtree::IpAddress(CidrSubnet::V4([10, 0, 0, 0], [255, 0, 0, 0]))], vec![]);
    let of_addresses = signed(client("ana"), &addresses);
    let mut by_address = client("ana");
    by_address.subject_alt_names = vec![SanType::IpAddress("192.168.0.1".parse().unwrap())];
    let outside = signed(by_address, &addresses);

    vec![
        ("a leaf of the CA", case(&[&ana], &[&ca]), None),
        ("a leaf among two CAs of one name", case(&[&ana], &[&namesake, &ca]), None),
        ("a misleading key identifier", case(&[&ana], &[&misleading, &ca]), None),
        ("a leaf of an intermediate", case(&[&below, &intermediate], &[&ca]), None),
        ("an unneeded intermediate", case(&[&ana, &sibling], &[&ca]), None),
        ("an intermediate alone as anchor", case(&[&below], &[&intermediate]), None),
        ("a pinned self-signed client", case(&[&pinned], &[&pinned]), None),
        ("a pinned leaf of a CA", case(&[&ana], &[&ana]), None),
        ("no usage", case(&[&no_usage], &[&ca]), None),
        ("any usage", case(&[&any_usage], &[&ca]), None),
        ("a path length of 0", case(&[&of_short], &[&short]), None),
        ("a cross-signed CA", case(&[&of_cross, &cross], &[&stranger]), None),
        ("seven CAs", case(&sent_deep, &[&deep[0]]), None),
        ("a permitted name", case(&[&of_permitting], &[&permitting]), None),
        ("no name of the constrained kind", case(&[&of_addresses], &[&addresses]), None),
        ("another CA", case(&[&ana], &[&stranger]), Some(|f| matches!(f, F::UnknownAuthority { .. }))),
        ("a namesake CA", case(&[&ana], &[&namesake]), Some(|f| matches!(f, F::SameNameOtherKey { .. }))),
        ("a sibling's leaf", case(&[&below], &[&sibling]), Some(|f| matches!(f, F::UnknownAuthority { .. }))),
        ("no intermediate", case(&[&below], &[&ca]), Some(|f| matches!(f, F::UnknownAuthority { .. }))),
        (
            "the wrong intermediate",
            case(&[&below, &sibling], &[&ca]),
            Some(|f| matches!(f, F::MissingIntermediate { .. })),
        ),
        ("an expired leaf", case(&[&expired], &[&ca]), Some(|f| matches!(f, F::Expired { .. }))),
        ("a future leaf", case(&[&future], &[&ca]), Some(|f| matches!(f, F::NotYetValid { .. }))),
        (
            "an expired anchor",
            case(&[&of_expired_ca], &[&expired_ca]),
            Some(|f| matches!(f, F::Expired { .. })),
        ),
        (
            "a future anchor",
            case(&[&of_future_ca], &[&future_ca]),
            Some(|f| matches!(f, F::NotYetValid { .. })),
        ),
        ("a server's leaf", case(&[&server_only], &[&ca]), Some(|f| matches!(f, F::WrongUsage { .. }))),
        (
            "a server's pinned leaf",
            case(&[&pinned_wrong], &[&pinned_wrong]),
            Some(|f| matches!(f, F::WrongUsage { .. })),
        ),
        (
            "an anchor for servers",
            case(&[&of_server_ca], &[&server_ca]),
            Some(|f| matches!(f, F::WrongUsage { .. })),
        ),
        (
            "more CAs than allowed",
            case(&[&below_too_many, &too_many], &[&short]),
            Some(|f| matches!(f, F::PathTooLong { allowed: 0, .. })),
        ),
        (
            "a leaf as issuer",
            case(&[&of_a_leaf, &ana], &[&ca]),
            Some(|f| matches!(f, F::NotAnAuthority { .. })),
        ),
        ("a leaf as anchor", case(&[&of_a_leaf], &[&ana]), Some(|f| matches!(f, F::NotAnAuthority { .. }))),
        (
            "a CA without keyCertSign",
            case(&[&of_unsigning], &[&unsigning]),
            Some(|f| matches!(f, F::NotAnAuthority { .. })),
        ),
        (
            "an anchor without basicConstraints",
            case(&[&of_bare], &[&bare]),
            Some(|f| matches!(f, F::NotAnAuthority { .. })),
        ),
        (
            "a critical extension",
            case(&[&critical], &[&ca]),
            Some(|f| matches!(f, F::CriticalExtension { .. })),
        ),
        ("an extension twice", case(&[&twice], &[&ca]), Some(|f| matches!(f, F::Unreadable { .. }))),
        (
            "a name elsewhere",
            case(&[&of_elsewhere], &[&elsewhere]),
            Some(|f| matches!(f, F::NameNotAllowed { .. })),
        ),
        (
            "an excluded name",
            case(&[&of_excluding], &[&excluding]),
            Some(|f| matches!(f, F::NameNotAllowed { .. })),
        ),
        (
            "an address outside",
            case(&[&outside], &[&addresses]),
            Some(|f| matches!(f, F::NameNotAllowed { .. })),
        ),
    ]
}

#[test]
fn a_chain_is_accepted_or_refused_for_the_right_reason() {
    for (name, case, fault) in cases() {
        match fault {
            None => assert!(case.path_length() >= 1, "{name}"),
            Some(expected) => {
                let fault = case.fault();
                assert!(expected(&fault), "{name}: {fault}");
            }
        }
    }
}

#[test]
fn go_says_the_same_of_every_case() {
    let Some(go) = Go::find("go_says_the_same_of_every_case") else { return };
    for (name, case, fault) in cases() {
        let says = go.accepts(&case);
        assert_eq!(says.is_ok(), fault.is_none(), "{name}: {says:?}");
    }
}

#[test]
fn the_path_leads_from_the_leaf_to_the_anchor() {
    let ca = root(authority("ca"));
    let intermediate = signed(authority("intermediate"), &ca);
    let leaf = signed(client("ana"), &intermediate);
    let path = case(&[&leaf, &ca, &intermediate], &[&ca]).ours().unwrap();
    assert_eq!(path, [leaf.certificate, intermediate.certificate, ca.certificate]);
}

#[test]
fn a_web_of_namesakes_ends_after_a_hundred_checks() {
    let roots: Vec<_> = (0..16).map(|_| root(authority("one"))).collect();
    let crowd: Vec<_> = roots.iter().take(15).map(|by| signed(authority("one"), by)).collect();
    let leaf = signed(client("ana"), &crowd[0]);
    let sent: Vec<_> = std::iter::once(&leaf).chain(&crowd).collect();
    let others: Vec<_> = (0..16).map(|_| root(authority("one"))).collect();
    let case = case(&sent, &others.iter().collect::<Vec<_>>());
    assert!(matches!(case.fault(), ChainFault::TooManyChecks | ChainFault::SameNameOtherKey { .. }));
    let long: Vec<_> = sent.iter().copied().chain([&leaf]).collect();
    let certificates: Vec<_> = long.iter().map(|one| one.certificate.clone()).collect();
    let refused = chain::verify(&certificates, &TrustBundle::default(), Purpose::Client, now());
    assert_eq!(refused, Err(ChainFault::TooLong { count: 17 }));
    assert_eq!(
        chain::verify(&[], &TrustBundle::default(), Purpose::Client, now()),
        Err(ChainFault::NothingSent)
    );
}

#[test]
fn a_client_sends_its_chain_only_to_who_accepts_one_of_its_issuers() {
    let ca = root(authority("ca"));
    let intermediate = signed(authority("intermediate"), &ca);
    let leaf = signed(client("ana"), &intermediate);
    let pinned = root(client("pinned"));
    let name = |entity: &Entity| entity.certificate.subject().clone();
    let sends = |entities: &[&Entity], acceptable: &[_]| {
        let chain: Vec<_> = entities.iter().map(|one| one.certificate.clone()).collect();
        chain::would_send(&chain, acceptable)
    };
    assert!(sends(&[&leaf], &[]));
    assert!(sends(&[&leaf], &[name(&intermediate)]));
    assert!(!sends(&[&leaf], &[name(&ca)]));
    assert!(sends(&[&leaf, &intermediate], &[name(&ca)]));
    assert!(!sends(&[&leaf], &[name(&leaf)]));
    assert!(sends(&[&pinned], &[name(&pinned)]));
}

/// Numbers that look random and are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    /// One time in `bound`.
    fn seldom(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }
}

fn at_random(numbers: &mut Numbers, mut parameters: CertificateParams) -> CertificateParams {
    use ExtendedKeyUsagePurpose::{Any, ClientAuth, CodeSigning, ServerAuth};
    if numbers.seldom(6) {
        let path_length = u8::try_from(numbers.below(3)).unwrap();
        parameters.is_ca = [
            IsCa::NoCa,
            IsCa::ExplicitNoCa,
            IsCa::Ca(BasicConstraints::Unconstrained),
            IsCa::Ca(BasicConstraints::Constrained(path_length)),
        ][numbers.below(4)]
        .clone();
    }
    if numbers.seldom(8) {
        parameters.key_usages = [vec![], vec![KeyUsagePurpose::DigitalSignature]][numbers.below(2)].clone();
    }
    if numbers.seldom(5) {
        parameters.extended_key_usages = [
            vec![],
            vec![ClientAuth],
            vec![ServerAuth],
            vec![CodeSigning],
            vec![Any],
            vec![ServerAuth, ClientAuth],
        ][numbers.below(6)]
        .clone();
    }
    if numbers.seldom(10) {
        parameters = [dated(parameters.clone(), -10, -1), dated(parameters, 1, 10)][numbers.below(2)].clone();
    }
    if numbers.seldom(8) {
        parameters.key_identifier_method = KeyIdMethod::PreSpecified(vec![7; 20]);
        parameters.use_authority_key_identifier_extension = numbers.seldom(2);
    }
    if numbers.seldom(12) {
        let mut extension = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99999], vec![5, 0]);
        extension.set_criticality(numbers.seldom(2));
        parameters.custom_extensions = vec![extension];
    }
    parameters
}

fn case_at_random(numbers: &mut Numbers) -> Case {
    let names = ["one", "two", "three"];
    let mut entities = Vec::new();
    for _ in 0..2 {
        let parameters = authority(names[numbers.below(2)]);
        entities.push(root(at_random(numbers, parameters)));
    }
    for _ in 0..3 {
        let parameters = authority(names[numbers.below(3)]);
        let parameters = at_random(numbers, parameters);
        let by = numbers.below(entities.len());
        let made = signed(parameters, &entities[by]);
        entities.push(made);
    }
    let by = numbers.below(entities.len());
    let parameters = client("leaf");
    let leaf = signed(at_random(numbers, parameters), &entities[by]);
    let mut sent = vec![&leaf];
    let mut trusted = Vec::new();
    for entity in &entities {
        match numbers.below(4) {
            0 | 1 => sent.push(entity),
            2 => trusted.push(entity),
            _ => {}
        }
    }
    trusted.push(&entities[numbers.below(2)]);
    let mut case = case(&sent, &trusted);
    case.purpose = [Purpose::Client, Purpose::Client, Purpose::Server][numbers.below(3)];
    case
}

#[test]
fn go_says_the_same_of_random_chains() {
    let Some(go) = Go::find("go_says_the_same_of_random_chains") else { return };
    let mut numbers = Numbers(2026);
    let mut accepted = 0;
    for number in 0..400 {
        let case = case_at_random(&mut numbers);
        let (ours, theirs) = (case.ours(), go.accepts(&case));
        accepted += usize::from(ours.is_ok());
        let told = ours.as_ref().map(Vec::len).map_err(ToString::to_string);
        assert_eq!(ours.is_ok(), theirs.is_ok(), "case {number}: {told:?}, but Go: {theirs:?}");
    }
    assert!((40..360).contains(&accepted), "{accepted} of 400 accepted say nothing");
}

#[test]
fn earthlys_first_certificates_pass_go_for_both_roles() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/pki/legacy/earthly");
    let read =
        |file: &str| Certificate::chain_from_pem(&std::fs::read(folder.join(file)).unwrap(), file).unwrap();
    let trust = TrustBundle::new(read("ca_cert.pem"));
    let at = Timestamp::parse("2030-01-01").unwrap();
    for file in ["buildkit_cert.pem", "earthly_cert.pem"] {
        for purpose in [Purpose::Server, Purpose::Client] {
            assert!(chain::verify(&read(file), &trust, purpose, at).is_ok(), "{file}");
        }
    }
}
