//! Every cause that `verify` has a word for, brought about: it must be named, alone or with those
//! that nothing tells it from, no other fault may be, and the time must be kept.

use std::any::Any;
use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::time::Duration;

use kitcert::model::{Cause, Finding, KeyAlgorithm, Lifetime, Role, Rule, Severity};
use kitcert::pki::{Certificate, CertificateAuthority, Exclusions, PrivateKey, TrustBundle};
use kitcert::probe::{CertificateAndKey, Verdict};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod,
    KeyPair, KeyUsagePurpose, SanType,
};

use crate::figures::{Aim, publish};
use crate::support::entities::named;
use crate::support::peers;
use crate::support::scenario::{Authority, HOST, Scenario, authority, bundle, impostor, issued, issued_for};
use crate::support::servers::{Files, Listener, Server};

const TEST: &str = "every_cause_is_named_where_it_is_brought_about_and_no_other";

/// What listens while it is probed.
struct Running {
    host: &'static str,
    port: u16,
    _kept: Box<dyn Any>,
}

impl Running {
    fn server(server: Server) -> Running {
        Running { host: HOST, port: server.port, _kept: Box::new(server) }
    }

    fn listener(answer: impl Fn(usize, TcpStream) + Send + Sync + 'static) -> Option<Running> {
        let listener = Listener::of(answer);
        Some(Running { host: HOST, port: listener.port, _kept: Box::new(listener) })
    }
}

type Start = Box<dyn Fn(&Scenario, &Files) -> Option<Running>>;
/// A rule that is at fault, and why.
type Fault = (Rule, &'static [Cause]);

/// One thing that is wrong, and all that may be said of it.
struct Row {
    name: &'static str,
    scenario: Scenario,
    start: Start,
    faults: &'static [Fault],
    /// What is said of it in some runs: nginx ends some handshakes of TLS 1.2 for an error that
    /// OpenSSL has left from another connection.
    in_some_runs: Option<Rule>,
}

impl Row {
    fn in_some_runs(self, rule: Rule) -> Row {
        Row { in_some_runs: Some(rule), ..self }
    }
}

fn row(
    name: &'static str,
    scenario: Scenario,
    start: impl Fn(&Scenario, &Files) -> Option<Running> + 'static,
    faults: &'static [Fault],
) -> Row {
    Row { name, scenario, start: Box::new(start), faults, in_some_runs: None }
}

/// Go's TLS as buildkitd has it, with those options.
fn go(options: &'static [&'static str]) -> impl Fn(&Scenario, &Files) -> Option<Running> {
    move |_, files| Server::go(files, options, TEST).map(Running::server)
}

fn openssl(options: &'static [&'static str]) -> impl Fn(&Scenario, &Files) -> Option<Running> {
    move |_, files| Server::openssl(files, options, TEST).map(Running::server)
}

fn nginx(directives: &'static str) -> impl Fn(&Scenario, &Files) -> Option<Running> {
    move |_, files| Server::nginx(files, directives, TEST).map(Running::server)
}

fn grpcio(policy: &'static str) -> impl Fn(&Scenario, &Files) -> Option<Running> {
    move |_, files| Server::grpcio(files, policy, TEST).map(Running::server)
}

/// No daemon: it says this at once, then something to whoever spoke, and closes.
fn greeter(greeting: &'static str, complaint: &'static str) -> impl Fn(&Scenario, &Files) -> Option<Running> {
    move |_, _| {
        Running::listener(move |_, mut stream| {
            // Whoever was greeted may be gone already.
            let _ = stream.write_all(greeting.as_bytes());
            let _ = stream.read(&mut [0; 512]);
            let _ = stream.write_all(complaint.as_bytes());
        })
    }
}

fn sound() -> Scenario {
    Scenario::sound()
}

/// A scenario in which waiting is all that happens.
fn hurried(scenario: Scenario) -> Scenario {
    Scenario { deadline: Duration::from_millis(600), ..scenario }
}

/// One whose CA may have intermediates, as the profile's may not.
fn deep() -> Scenario {
    let scenario = sound();
    let mut parameters = parameters(&scenario, "deep");
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
    let made = parameters.self_signed(&pair_of(&key)).unwrap();
    let certificate = Certificate::from_der(made.der()).unwrap();
    let made = CertificateAuthority::load(certificate, &key, "deep").unwrap();
    Scenario::of(Authority { made, key }, scenario.now)
}

/// A little later, so that what others make meanwhile is valid.
fn later() -> Scenario {
    let scenario = sound();
    Scenario { now: scenario.now.plus(Lifetime::from_seconds(60)), ..scenario }
}

fn serving(make: impl Fn(&Scenario) -> CertificateAndKey) -> Scenario {
    serving_of(sound(), make)
}

fn serving_of(scenario: Scenario, make: impl Fn(&Scenario) -> CertificateAndKey) -> Scenario {
    Scenario { server: make(&scenario), ..scenario }
}

fn showing(make: impl Fn(&Scenario) -> CertificateAndKey) -> Scenario {
    let scenario = sound();
    Scenario { client: make(&scenario), ..scenario }
}

fn trusting(make: impl Fn(&Scenario) -> TrustBundle) -> Scenario {
    let scenario = sound();
    let client_authorities = make(&scenario);
    Scenario { installed_trust: Some(client_authorities.clone()), client_authorities, ..scenario }
}

/// The scenario's CA, so that it lets everybody in but the client.
fn excluding_the_client(scenario: &Scenario) -> TrustBundle {
    let excluded: Exclusions = Exclusions::candidates(&scenario.client.chain[0]).into_iter().collect();
    TrustBundle::new(vec![scenario.authority.made.certificate().excluding(&excluded, None).unwrap()])
}

fn issuer_of(authority: &Authority) -> Issuer<'static, KeyPair> {
    let certificate = authority.made.certificate();
    let mut parameters = named(&certificate.subject().common_name().unwrap());
    let identifier = certificate.subject_key_identifier().unwrap().to_vec();
    parameters.key_identifier_method = KeyIdMethod::PreSpecified(identifier);
    Issuer::new(parameters, pair_of(&authority.key))
}

fn pair_of(key: &PrivateKey) -> KeyPair {
    KeyPair::from_der_and_sign_algo(&key.expose_der(), &rcgen::PKCS_ECDSA_P256_SHA256).unwrap()
}

/// A certificate such as the profile would never make.
fn made(issuer: &Issuer<'_, KeyPair>, parameters: &CertificateParams) -> CertificateAndKey {
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
    let made = parameters.signed_by(&pair_of(&key), issuer).unwrap();
    CertificateAndKey { chain: vec![Certificate::from_der(made.der()).unwrap()], key }
}

fn parameters(scenario: &Scenario, name: &str) -> CertificateParams {
    let mut parameters = named(name);
    parameters.not_before = scenario.now.minus(Lifetime::days(10)).calendar();
    parameters.not_after = scenario.now.plus(Lifetime::days(10)).calendar();
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters
}

fn of_daemon(scenario: &Scenario) -> CertificateParams {
    let mut parameters = parameters(scenario, "daemon");
    parameters.is_ca = IsCa::ExplicitNoCa;
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    parameters.subject_alt_names = vec![SanType::IpAddress(HOST.parse().unwrap())];
    parameters
}

fn of_client(scenario: &Scenario) -> CertificateParams {
    let mut parameters = parameters(scenario, "ana");
    parameters.is_ca = IsCa::ExplicitNoCa;
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    parameters
}

/// An intermediate of the scenario's CA: its certificate, and what signs with it.
fn intermediate(scenario: &Scenario, name: &str) -> (Certificate, Issuer<'static, KeyPair>) {
    let mut parameters = parameters(scenario, name);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let CertificateAndKey { mut chain, key } = made(&issuer_of(&scenario.authority), &parameters);
    (chain.remove(0), Issuer::new(parameters, pair_of(&key)))
}

fn where_nobody_answers() -> Vec<Row> {
    let at = |host: &'static str, port: u16| {
        move |_: &Scenario, _: &Files| Some(Running { host, port, _kept: Box::new(()) })
    };
    let unused = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    vec![
        row(
            "no such name",
            sound(),
            at("no-such-name.invalid", 8372),
            &[(Rule::Unreachable, &[Cause::NameUnresolved])],
        ),
        row("nothing listens", sound(), at(HOST, unused()), &[(Rule::Unreachable, &[Cause::NothingListens])]),
        row("no route", sound(), at("255.255.255.255", 8372), &[(Rule::Unreachable, &[Cause::NoRoute])]),
        row(
            "packets are dropped",
            hurried(sound()),
            |_, _| Some(full()),
            &[(Rule::Unreachable, &[Cause::Filtered])],
        ),
        row(
            "accepts and says nothing",
            hurried(sound()),
            go(&["--silent"]),
            &[(Rule::NotUpYet, &[Cause::Silent])],
        ),
        row(
            "slower than the deadline",
            hurried(sound()),
            go(&["--slow", "30s"]),
            &[(Rule::NotUpYet, &[Cause::Silent])],
        ),
        row(
            "shakes hands and says nothing",
            hurried(sound()),
            openssl(&["-alpn", "h2"]),
            &[(Rule::Inconclusive, &[Cause::Unanswered])],
        ),
    ]
}

/// A port whose queue of connections is full, so that the system drops what comes, as a firewall
/// would.
fn full() -> Running {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    let listener = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        socket.listen(0).unwrap().into_std().unwrap()
    });
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
        waiting.push(stream);
    }
    Running { host: HOST, port: address.port(), _kept: Box::new((listener, waiting)) }
}

fn where_it_is_no_tls() -> Vec<Row> {
    const SMTP: &str = "220 mail.example.com ESMTP\r\n";
    vec![
        row(
            "an SSH server",
            sound(),
            greeter("SSH-2.0-OpenSSH_9.6\r\n", "Invalid SSH identification string.\r\n"),
            &[(Rule::NotTls, &[Cause::SshServer])],
        ),
        row(
            "a mail server",
            sound(),
            greeter(SMTP, "500 5.5.2 Error: bad syntax\r\n"),
            &[(Rule::NotTls, &[Cause::OtherService])],
        ),
        row(
            "a web server without TLS",
            sound(),
            |_, _| Server::plain_nginx("return 404;", TEST).map(Running::server),
            &[(Rule::NotTls, &[Cause::PlainHttpServer])],
        ),
        row(
            "a daemon without TLS",
            sound(),
            go(&["--plaintext"]),
            &[
                (Rule::NotTls, &[Cause::PlaintextDaemon]),
                (Rule::PlaintextAccepted, &[Cause::PlaintextDaemon]),
            ],
        ),
        row(
            "another gRPC service without TLS",
            sound(),
            go(&["--plaintext", "--grpc-status", "16"]),
            &[(Rule::NotTls, &[Cause::OtherGrpcService])],
        ),
    ]
}

fn where_what_is_served_is_at_fault() -> Vec<Row> {
    /// It is another's than the scenario's.
    const REPLACED: Fault = (Rule::ServedIsStale, &[Cause::NotRestarted]);
    let with = |change: &dyn Fn(&Scenario, &mut CertificateParams)| {
        serving(|scenario| {
            let mut parameters = of_daemon(scenario);
            change(scenario, &mut parameters);
            made(&issuer_of(&scenario.authority), &parameters)
        })
    };
    let at = |days: i64| {
        serving(move |one| {
            let seconds = days * Lifetime::days(1).seconds();
            let then = kitcert::model::Timestamp::from_unix(one.now.unix() + seconds);
            issued(&one.authority, Role::Daemon, HOST, then)
        })
    };
    vec![
        row("it expired", at(-3), go(&[]), &[(Rule::ServerExpired, &[Cause::ServedExpired])]),
        row("it is not valid yet", at(3), go(&[]), &[(Rule::ServerExpired, &[Cause::ServedNotYetValid])]),
        row(
            "it is for another host",
            serving(|one| issued(&one.authority, Role::Daemon, "other.example", one.now)),
            go(&[]),
            &[(Rule::ServerNameMismatch, &[Cause::ServedOtherName])],
        ),
        row(
            "it has the address as a DNS name",
            with(&|_, parameters| {
                parameters.subject_alt_names = vec![SanType::DnsName(HOST.try_into().unwrap())];
            }),
            go(&[]),
            &[(Rule::ServerNameMismatch, &[Cause::ServedIpAsDnsName])],
        ),
        row(
            "it has the address in its common name alone",
            with(&|one, parameters| {
                parameters.distinguished_name = parameters_named(one, HOST);
                parameters.subject_alt_names.clear();
            }),
            go(&[]),
            &[(Rule::ServerNameMismatch, &[Cause::ServedCommonNameOnly])],
        ),
        row(
            "it is a client's",
            with(&|_, parameters| {
                parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            }),
            go(&[]),
            &[(Rule::ServerUsage, &[Cause::ServedWrongUsage])],
        ),
        row(
            "it has a critical extension that nobody knows",
            with(&|_, parameters| {
                let mut extension =
                    CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99999, 1], vec![5, 0]);
                extension.set_criticality(true);
                parameters.custom_extensions = vec![extension];
            }),
            go(&[]),
            &[(Rule::ServerUntrusted, &[Cause::ServedUnacceptable])],
        ),
        row(
            "its key is of 1,024 bits",
            later(),
            |scenario, files| {
                by_openssl(scenario, files, &["-newkey", "rsa:1024"])?;
                openssl(&["-alpn", "h2", "-cipher", "DEFAULT@SECLEVEL=0"])(scenario, files)
            },
            &[(Rule::WeakKey, &[Cause::ServedWeak]), REPLACED],
        ),
        row(
            "it is signed with SHA-1",
            later(),
            |scenario, files| {
                by_openssl(
                    scenario,
                    files,
                    &["-sha1", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
                )?;
                openssl(&["-alpn", "h2", "-cipher", "DEFAULT@SECLEVEL=0"])(scenario, files)
            },
            &[(Rule::ServerUntrusted, &[Cause::ServedWeak]), REPLACED],
        ),
    ]
}

fn parameters_named(scenario: &Scenario, name: &str) -> rcgen::DistinguishedName {
    parameters(scenario, name).distinguished_name
}

/// Replaces the daemon's certificate by one of the scenario's CA that openssl makes.
fn by_openssl(scenario: &Scenario, files: &Files, options: &[&str]) -> Option<()> {
    let key = files.key.with_file_name("authority.key");
    std::fs::write(&key, scenario.authority.key.expose_pem().as_bytes()).unwrap();
    let ca = files.ca.with_file_name("authority.pem");
    std::fs::write(&ca, scenario.authority.made.certificate().to_pem()).unwrap();
    let mut command = Command::new(peers::program("openssl", TEST)?);
    command.args(["req", "-x509", "-nodes", "-days", "1", "-subj", "/CN=daemon"]).args(options);
    command.args(["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "extendedKeyUsage=serverAuth"]);
    command.args(["-addext", "basicConstraints=critical,CA:FALSE", "-addext", "keyUsage=digitalSignature"]);
    command
        .arg("-CA")
        .arg(ca)
        .arg("-CAkey")
        .arg(key)
        .arg("-keyout")
        .arg(&files.key)
        .arg("-out")
        .arg(&files.cert);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(())
}

fn where_what_is_served_is_of_another() -> Vec<Row> {
    let of_other = || serving(|one| issued(&authority(one.now), Role::Daemon, HOST, one.now));
    let lonely = serving_of(deep(), |one| made(&intermediate(one, "intermediate").1, &of_daemon(one)));
    let misled = serving_of(deep(), |one| {
        let mut identity = made(&intermediate(one, "intermediate").1, &of_daemon(one));
        identity.chain.push(intermediate(one, "another").0);
        identity
    });
    let all_of_another = {
        let scenario = sound();
        let other = authority(scenario.now);
        let (server, client_authorities) =
            (issued(&other, Role::Daemon, HOST, scenario.now), bundle(&[&other]));
        Scenario { server, client_authorities, ..scenario }
    };
    vec![
        row(
            "another daemon",
            all_of_another,
            go(&[]),
            &[(Rule::ServerUntrusted, &[Cause::ServedOtherCa]), (Rule::TrustIsStale, &[Cause::NotRestarted])],
        ),
        row(
            "our clients' CA, and a certificate of another",
            of_other(),
            go(&[]),
            &[(Rule::ServerUntrusted, &[Cause::ServedIntermediateMissing, Cause::ServedOtherCa])],
        ),
        row(
            "a proxy that ends TLS",
            of_other(),
            nginx("ssl_verify_client off;\nreturn 404;"),
            &[(Rule::ServerUntrusted, &[Cause::TlsProxy, Cause::ServedOtherCa])],
        ),
        row(
            "a CA made anew under the old name",
            serving(|one| issued(&impostor(&one.authority), Role::Daemon, HOST, one.now)),
            go(&[]),
            &[(Rule::ServerUntrusted, &[Cause::ServedNamesakeCa])],
        ),
        row(
            "no intermediate",
            lonely,
            go(&[]),
            &[(Rule::ServerUntrusted, &[Cause::ServedIntermediateMissing, Cause::ServedOtherCa])],
        ),
        row(
            "the wrong intermediate",
            misled,
            go(&[]),
            &[(Rule::ServerUntrusted, &[Cause::ServedIntermediateMissing])],
        ),
    ]
}

fn where_whom_it_trusts_keeps_us_out() -> Vec<Row> {
    let other = |one: &Scenario| bundle(&[&authority(one.now)]);
    let unknown = Scenario { installed_trust: None, ..trusting(other) };
    let stale = {
        let scenario = trusting(other);
        Scenario { installed_trust: Some(bundle(&[&scenario.authority])), ..scenario }
    };
    let scenario = sound();
    let dropped = {
        let block = scenario.authority.made.certificate().to_pem();
        let block =
            block.replace("-----BEGIN CERTIFICATE-----\n", "-----BEGIN CERTIFICATE-----\nBy: hand\n\n");
        format!("{}{block}", bundle(&[&authority(scenario.now)]).to_pem())
    };
    let with_dropped = Scenario {
        installed_trust: Some(TrustBundle::from_pem(dropped.as_bytes(), "ca.pem").unwrap()),
        ..scenario
    };
    vec![
        row(
            "it trusts another CA",
            trusting(other),
            go(&[]),
            &[(Rule::ClientRefused, &[Cause::DaemonTrustsOtherCa])],
        ),
        row(
            "it trusts another CA, and its files are elsewhere",
            unknown,
            go(&[]),
            &[(
                Rule::ClientRefused,
                &[Cause::DaemonTrustsOtherCa, Cause::NotRestarted, Cause::BundleBlockDropped],
            )],
        ),
        row(
            "it trusts another CA, and names none",
            trusting(other),
            openssl(&["-alpn", "h2", "-no_ca_names"]),
            &[(
                Rule::ClientRefused,
                &[
                    Cause::DaemonTrustsOtherCa,
                    Cause::DaemonTrustsNamesakeCa,
                    Cause::ClientIntermediateMissing,
                ],
            )],
        ),
        row(
            "it trusts another CA, and its TLS sends no alert",
            trusting(other),
            grpcio("require"),
            &[(Rule::ClientRefused, &[Cause::RefusedUnsaid, Cause::DaemonTrustsOtherCa])],
        ),
        row(
            "it trusts another CA beside the client's",
            trusting(|one| bundle(&[&one.authority, &authority(one.now)])),
            go(&[]),
            &[(Rule::OtherCaTrusted, &[Cause::OtherCaTrusted])],
        ),
        row(
            "it trusts a namesake",
            trusting(|one| bundle(&[&impostor(&one.authority)])),
            go(&[]),
            &[(Rule::ClientRefused, &[Cause::DaemonTrustsNamesakeCa])],
        ),
        row(
            "it was not restarted since its ca.pem changed",
            stale,
            go(&[]),
            &[(Rule::ClientRefused, &[Cause::NotRestarted]), (Rule::TrustIsStale, &[Cause::NotRestarted])],
        ),
        row(
            "it was not restarted since its cert.pem changed",
            sound(),
            |scenario, files| {
                let previous = Scenario {
                    server: issued(&scenario.authority, Role::Daemon, HOST, scenario.now),
                    ..sound()
                };
                let folder = files.cert.parent().unwrap();
                std::fs::write(&files.cert, previous.server.chain[0].to_pem()).unwrap();
                std::fs::write(&files.key, previous.server.key.expose_pem().as_bytes()).unwrap();
                go(&[])(scenario, &Files::in_folder(folder))
            },
            &[(Rule::ServedIsStale, &[Cause::NotRestarted])],
        ),
        row(
            "a block of its ca.pem is dropped",
            with_dropped,
            move |scenario, files| {
                std::fs::write(&files.ca, &dropped).unwrap();
                go(&[])(scenario, files)
            },
            &[(Rule::ClientRefused, &[Cause::BundleBlockDropped])],
        ),
    ]
}

fn where_the_client_is_at_fault() -> Vec<Row> {
    let at = |days: i64| {
        showing(move |one| {
            let seconds = days * Lifetime::days(1).seconds();
            let then = kitcert::model::Timestamp::from_unix(one.now.unix() + seconds);
            issued(&one.authority, Role::Client, HOST, then)
        })
    };
    let below = {
        let scenario = deep();
        let (certificate, issuer) = intermediate(&scenario, "intermediate");
        let mut server = made(&issuer, &of_daemon(&scenario));
        server.chain.push(certificate);
        Scenario { server, client: made(&issuer, &of_client(&scenario)), ..scenario }
    };
    let of_ed25519 = showing(|one| {
        let key = PrivateKey::generate(KeyAlgorithm::Ed25519).unwrap();
        issued_for(key, &one.authority, Role::Client, HOST, one.now)
    });
    vec![
        row("the client's expired", at(-3), go(&[]), &[(Rule::ClientRefused, &[Cause::ClientExpired])]),
        row(
            "the client's is not valid yet",
            at(3),
            go(&[]),
            &[(Rule::ClientRefused, &[Cause::ClientNotYetValid])],
        ),
        row(
            "the client's is a daemon's",
            showing(|one| issued(&one.authority, Role::Daemon, HOST, one.now)),
            go(&[]),
            &[(Rule::ClientRefused, &[Cause::ClientWrongUsage])],
        ),
        row(
            "the client's is of another CA",
            showing(|one| issued(&authority(one.now), Role::Client, HOST, one.now)),
            go(&[]),
            &[(Rule::ClientRefused, &[Cause::ClientOfOtherCa, Cause::ClientIntermediateMissing])],
        ),
        row(
            "the client's is of a namesake",
            showing(|one| issued(&impostor(&one.authority), Role::Client, HOST, one.now)),
            go(&[]),
            &[(Rule::ClientRefused, &[Cause::ClientOfOtherCa])],
        ),
        row(
            "the client's lacks its intermediate",
            below,
            go(&[]),
            &[(Rule::ClientRefused, &[Cause::ClientIntermediateMissing])],
        ),
        row(
            "the client's signs as BoringSSL does not take it",
            of_ed25519,
            grpcio("require"),
            &[(Rule::ClientRefused, &[Cause::ClientSignatureUnsupported])],
        ),
        row(
            "the client's was revoked",
            trusting(excluding_the_client),
            go(&[]),
            &[(Rule::ClientRefused, &[Cause::ClientRevoked, Cause::RefusedUnclear])],
        ),
        row(
            "its clock is behind, and the client's is not valid there",
            sound(),
            go(&["--clock-offset", "-3h"]),
            &[(Rule::ClientRefused, &[Cause::ClocksDiffer])],
        ),
        row(
            "its clock is behind, and the expired is not there",
            showing(|one| made(&issuer_of(&one.authority), &of_client(one))),
            go(&["--clock-offset", "-60h"]),
            &[(Rule::ExpiredAccepted, &[Cause::ClocksDiffer])],
        ),
    ]
}

fn where_the_handshake_fails() -> Vec<Row> {
    let named = serving(|one| issued(&one.authority, Role::Daemon, "localhost", one.now));
    vec![
        row(
            "it closes at once",
            sound(),
            |_, _| Running::listener(|_, stream| drop(stream)),
            &[(Rule::NotUpYet, &[Cause::NotUpYet])],
        ),
        row(
            "nothing newer than TLS 1.1",
            sound(),
            openssl(&["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"]),
            &[(Rule::ClientRefused, &[Cause::NoCommonTlsVersion])],
        ),
        row(
            "no cipher of the client's",
            sound(),
            openssl(&["-tls1_2", "-cipher", "AES128-SHA"]),
            &[(Rule::Inconclusive, &[Cause::NoCommonCipher])],
        ),
        row(
            "a name that the client's certificate lacks",
            sound(),
            openssl(&["-alpn", "h2", "-verify_ip", "192.0.2.1"]),
            &[(Rule::ClientRefused, &[Cause::ClientRevoked, Cause::RefusedUnclear])],
        ),
        row(
            "HTTP/1.1 alone",
            sound(),
            openssl(&["-alpn", "http/1.1"]),
            &[(Rule::ClientRefused, &[Cause::ProtocolRefused])],
        ),
        row(
            "no server of that name",
            named,
            |_, files| {
                let (cert, key) = (files.cert.to_str().unwrap(), files.key.to_str().unwrap());
                let options =
                    ["-servername", "other.example", "-servername_fatal", "-cert2", cert, "-key2", key];
                let running = Running::server(Server::openssl(files, &options, TEST)?);
                Some(Running { host: "localhost", ..running })
            },
            &[(Rule::ClientRefused, &[Cause::UnknownServerName])],
        ),
    ]
}

fn where_it_is_no_daemon() -> Vec<Row> {
    vec![
        row("no protocol by ALPN", sound(), go(&["--no-alpn"]), &[(Rule::NoAlpn, &[Cause::NoAlpn])]),
        row(
            "no HTTP/2",
            sound(),
            openssl(&["-alpn", "h2", "-rev"]),
            &[(Rule::NotBuildkit, &[Cause::NoHttp2])],
        ),
        row(
            "a web server",
            sound(),
            go(&["--http-status", "404"]),
            &[(Rule::NotBuildkit, &[Cause::WebServer])],
        ),
        row(
            "a proxy whose daemon is away",
            sound(),
            go(&["--http-status", "503"]),
            &[(Rule::Inconclusive, &[Cause::ProxyWithoutDaemon])],
        ),
        row(
            "nginx whose daemon is away",
            sound(),
            |_, files| {
                let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
                let directives =
                    format!("ssl_verify_client on;\nlocation / {{ grpc_pass grpc://127.0.0.1:{port}; }}");
                Server::nginx(files, &directives, TEST).map(Running::server)
            },
            &[
                (Rule::Inconclusive, &[Cause::ProxyWithoutDaemon]),
                (Rule::NoCertificateAccepted, &[Cause::TurnedDownAboveTls]),
                (Rule::ExpiredAccepted, &[Cause::TurnedDownAboveTls]),
                (Rule::WrongUsageAccepted, &[Cause::TurnedDownAboveTls]),
            ],
        )
        .in_some_runs(Rule::UnknownCaAccepted),
        row(
            "a proxy that forbids it",
            sound(),
            go(&["--http-status", "403"]),
            &[(Rule::NotBuildkit, &[Cause::TurnedDownAboveTls, Cause::WebServer])],
        ),
        row(
            "gRPC that is unavailable",
            sound(),
            go(&["--grpc-status", "14"]),
            &[(Rule::Inconclusive, &[Cause::ProxyWithoutDaemon])],
        ),
        row(
            "gRPC that knows nobody",
            sound(),
            go(&["--grpc-status", "16"]),
            &[(Rule::ClientRefused, &[Cause::TurnedDownAboveTls])],
        ),
        row(
            "another gRPC service",
            sound(),
            go(&["--grpc-status", "12"]),
            &[(Rule::NotBuildkit, &[Cause::OtherGrpcService])],
        ),
        row("no worker", sound(), go(&["--workers", "0"]), &[(Rule::NotBuildkit, &[Cause::NoWorker])]),
        row(
            "one of several is another",
            sound(),
            |scenario, files| {
                let daemon = Server::go(files, &[], TEST)?;
                let other = tempfile::tempdir().unwrap();
                let renewed = Scenario {
                    server: issued(&scenario.authority, Role::Daemon, HOST, scenario.now),
                    client_authorities: bundle(&[&scenario.authority]),
                    ..sound()
                };
                let another = Server::go(&renewed.files(other.path()), &[], TEST)?;
                let ports = [daemon.port, another.port];
                let listener = Listener::of(move |number, stream| relay(stream, ports[number % 2]));
                let kept = (listener, daemon, another, other);
                Some(Running { host: HOST, port: kept.0.port, _kept: Box::new(kept) })
            },
            &[
                (Rule::SeveralDaemons, &[Cause::SeveralDaemons]),
                // The last dial of the client reaches the other.
                (Rule::ServedIsStale, &[Cause::NotRestarted]),
            ],
        ),
    ]
}

fn relay(stream: TcpStream, port: u16) {
    let Ok(upstream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { return };
    let (mut from, mut to) = (stream.try_clone().unwrap(), upstream.try_clone().unwrap());
    std::thread::spawn(move || {
        // A side that is gone ends both.
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(std::net::Shutdown::Both);
    });
    let _ = std::io::copy(&mut &upstream, &mut &stream);
    let _ = stream.shutdown(std::net::Shutdown::Both);
}

fn where_others_get_in() -> Vec<Row> {
    const OPEN: &[Fault] = &[
        (Rule::NoCertificateAccepted, &[Cause::NoClientCa]),
        (Rule::UnknownCaAccepted, &[Cause::NoClientCa]),
        (Rule::ExpiredAccepted, &[Cause::NoClientCa]),
        (Rule::WrongUsageAccepted, &[Cause::NoClientCa]),
    ];
    vec![
        row("it has no CA", sound(), go(&["--no-ca"]), OPEN),
        row("it asks nobody, on gRPC's C core", sound(), grpcio("open"), OPEN),
        row(
            "it asks, and does not insist",
            sound(),
            |_, files| {
                let daemon = Server::go(files, &["--plaintext"], TEST)?;
                let directives = format!(
                    "ssl_verify_client optional_no_ca;\nlocation / {{ grpc_pass grpc://127.0.0.1:{}; }}",
                    daemon.port
                );
                let proxy = Server::nginx(files, &directives, TEST)?;
                Some(Running { host: HOST, port: proxy.port, _kept: Box::new((proxy, daemon)) })
            },
            &[
                (Rule::NoCertificateAccepted, &[Cause::CertificateOptional]),
                (Rule::ExpiredAccepted, &[Cause::TurnedDownAboveTls]),
                (Rule::WrongUsageAccepted, &[Cause::TurnedDownAboveTls]),
            ],
        )
        .in_some_runs(Rule::UnknownCaAccepted),
        row(
            "it takes any certificate",
            sound(),
            go(&["--any-certificate"]),
            &[
                (Rule::UnknownCaAccepted, &[Cause::SignatureUnchecked]),
                (Rule::ExpiredAccepted, &[Cause::SignatureUnchecked]),
                (Rule::WrongUsageAccepted, &[Cause::SignatureUnchecked]),
            ],
        ),
        row(
            "it takes any usage",
            sound(),
            go(&["--any-usage"]),
            &[(Rule::WrongUsageAccepted, &[Cause::UsageUnchecked])],
        ),
        row(
            "a proxy turns down by HTTP whoever has no certificate",
            sound(),
            go(&["--lenient"]),
            &[
                (Rule::NoCertificateAccepted, &[Cause::TurnedDownAboveTls]),
                (Rule::UnknownCaAccepted, &[Cause::TurnedDownAboveTls]),
                (Rule::ExpiredAccepted, &[Cause::TurnedDownAboveTls]),
                (Rule::WrongUsageAccepted, &[Cause::TurnedDownAboveTls]),
            ],
        ),
    ]
}

#[test]
fn every_cause_is_named_where_it_is_brought_about_and_no_other() {
    let rows: Vec<Row> = [
        where_nobody_answers(),
        where_it_is_no_tls(),
        where_what_is_served_is_at_fault(),
        where_what_is_served_is_of_another(),
        where_whom_it_trusts_keeps_us_out(),
        where_the_client_is_at_fault(),
        where_the_handshake_fails(),
        where_it_is_no_daemon(),
        where_others_get_in(),
    ]
    .into_iter()
    .flatten()
    .collect();
    let mut wrong = Vec::new();
    let mut brought_about = 0;
    let mut seen = BTreeSet::new();
    for row in &rows {
        let folder = tempfile::tempdir().unwrap();
        let files = row.scenario.files(folder.path());
        let Some(running) = (row.start)(&row.scenario, &files) else { continue };
        let mut verdict = row.scenario.verdict(running.host, running.port);
        let is_inconclusive = |(rule, _): &Fault| *rule == Rule::Inconclusive;
        if verdict.inconclusive_only && !row.faults.iter().any(is_inconclusive) {
            // A busy machine came to no verdict in time, which is no wrong cause.
            verdict = row.scenario.verdict(running.host, running.port);
        }
        brought_about += 1;
        let told = at_fault(&verdict).filter(|one| Some(one.rule) != row.in_some_runs);
        let told: Vec<_> = told.map(|one| (one.rule, one.causes.as_slice())).collect();
        seen.extend(told.iter().flat_map(|(_, causes)| causes.iter().copied()));
        if told != row.faults || !is_summed_up(&verdict) {
            wrong.push(format!("{}: {told:?}, not {:?}: {:#?}", row.name, row.faults, verdict.findings));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
    if brought_about == rows.len() {
        let never: Vec<_> = Cause::ALL.iter().filter(|cause| !seen.contains(cause)).collect();
        assert!(never.is_empty(), "never brought about: {never:?}");
    }
    let aim = Aim { words: "every one", is_met: true };
    publish(
        "verify",
        "faults of a connection brought about, named alone and in time",
        brought_about,
        Some(aim),
    );
}

/// Whether the line that matters says what follows from the gravest.
fn is_summed_up(verdict: &Verdict) -> bool {
    let begins = match at_fault(verdict).map(|one| one.rule).next() {
        Some(Rule::NoAlpn | Rule::OtherCaTrusted) => "verified",
        Some(Rule::NoCertificateAccepted | Rule::UnknownCaAccepted | Rule::NotTls) => "OPEN",
        Some(Rule::ClientRefused) => "CLOSED: ",
        Some(Rule::ServerUntrusted | Rule::ServerNameMismatch | Rule::ServerExpired | Rule::ServerUsage) => {
            "not verified: the daemon's certificate is at fault, so the client's certificate was not sent"
        }
        _ => "not verified",
    };
    let is_open = at_fault(verdict).any(|one| one.severity == Severity::Critical);
    verdict.summary.starts_with(if begins == "OPEN" && !is_open { "not verified" } else { begins })
}

fn at_fault(verdict: &Verdict) -> impl Iterator<Item = &Finding> {
    let findings = verdict.findings.iter();
    findings.filter(|one| one.severity >= Severity::Warning && one.rule != Rule::LoopbackHost)
}
