//! Our judgement of chains is Go's, on cases made by hand and on cases made at random.

use std::path::{Path, PathBuf};
use std::process::Command;

use kitcert::model::{Role, Timestamp};
use kitcert::pki::judge::{ChainFault, Peer, Refusal, would_send};
use kitcert::pki::{Certificate, TrustBundle};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, ExtendedKeyUsagePurpose, IsCa, KeyIdMethod,
    KeyUsagePurpose,
};

use crate::pki::chains_by_hand::{Case, Named, case, cases};
use crate::support::entities::{Entity, authority, client, dated, now, root, signed};
use crate::support::peers;

impl Case {
    fn ours(&self) -> Result<Vec<Certificate>, ChainFault> {
        judged(&self.sent, &TrustBundle::new(self.trusted.clone()), self.role, now())
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

/// The judge's word on a chain, without a host: it has one reason at most.
fn judged(
    sent: &[Certificate],
    trust: &TrustBundle,
    accepts: Role,
    now: Timestamp,
) -> Result<Vec<Certificate>, ChainFault> {
    Peer { trust, accepts, host: None, now }.accept(sent).map_err(|refusals| match refusals.as_slice() {
        [Refusal::Chain(fault)] => fault.clone(),
        other => panic!("{other:?}"),
    })
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
        let role = match case.role {
            Role::Daemon => "server",
            Role::Client => "client",
        };
        let mut command = Command::new(&self.program);
        command.args(["verify", "--role", role, "--at", &now().to_string()]);
        command.arg("--ca").arg(trusted).arg(sent);
        let output = peers::run(&mut command, "");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() { Ok(()) } else { Err(said) }
    }
}

#[test]
fn a_chain_is_accepted_or_refused_for_the_right_reason() {
    for Named { name, case, refused } in cases() {
        match refused {
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
    for Named { name, case, refused } in cases() {
        let says = go.accepts(&case);
        assert_eq!(says.is_ok(), refused.is_none(), "{name}: {says:?}");
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
    let refused = judged(&certificates, &TrustBundle::default(), Role::Client, now());
    assert_eq!(refused, Err(ChainFault::TooLong { count: 17 }));
    assert_eq!(judged(&[], &TrustBundle::default(), Role::Client, now()), Err(ChainFault::NothingSent));
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
        would_send(&chain, acceptable)
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
        ][numbers.below(4)];
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
    case.role = [Role::Client, Role::Client, Role::Daemon][numbers.below(3)];
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
    let read = |file: &str| {
        Certificate::chain_from_pem(&std::fs::read(folder.join(file)).unwrap(), Path::new(file)).unwrap()
    };
    let trust = TrustBundle::new(read("ca_cert.pem"));
    let at = Timestamp::parse("2030-01-01").unwrap();
    for file in ["buildkit_cert.pem", "earthly_cert.pem"] {
        for role in [Role::Daemon, Role::Client] {
            assert!(judged(&read(file), &trust, role, at).is_ok(), "{file}");
        }
    }
}
