//! Every certificate that we issue is one that others accept: openssl at its strictest, Go, and a
//! linter.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use kitcert::model::{IdentityName, KeyAlgorithm, Lifetime, Role, SubjectAltName, Timestamp, Validity};
use kitcert::pki::{
    AuthorityRequest, Certificate, CertificateAuthority, CertificateRequest, KeyFile, LeafRequest,
    PrivateKey, PublicKey,
};

use crate::support::peers;
use crate::support::turns::is_turn;
use crate::support::workspace::Workspace;

fn now() -> Timestamp {
    Timestamp::parse("2026-11-23").unwrap()
}

/// Certificates that differ in nothing but key and serial number, so that one process can judge
/// all of them by one name.
struct Batch {
    authority: PathBuf,
    role: Role,
    /// A host that every certificate of the batch is good for.
    host: SubjectAltName,
    files: Vec<PathBuf>,
    /// Whether every name has more than one label, which linters insist on.
    is_public: bool,
}

fn authority(algorithm: KeyAlgorithm) -> CertificateAuthority {
    let validity = Validity::issued(now(), Lifetime::days(3650), Lifetime::from_seconds(3600));
    let request = AuthorityRequest { name: "Acme builders".parse().unwrap(), validity };
    CertificateAuthority::create(&request, &PrivateKey::generate(algorithm).ok().unwrap()).ok().unwrap()
}

/// The mixes of names that daemons are given, the host that is dialed first.
fn mixes_of_hosts() -> Vec<Vec<String>> {
    let long_label = format!("{}.example", "a".repeat(63));
    let long_name = [60, 60, 60, 60].map(|length| "b".repeat(length)).join(".") + ".example";
    vec![
        vec!["builder.example.com".into()],
        vec![
            "builder.example.com".into(),
            "10.0.0.5".into(),
            "localhost".into(),
            "127.0.0.1".into(),
            "::1".into(),
        ],
        vec!["10.0.0.5".into()],
        vec!["2001:db8::5".into(), "::ffff:10.0.0.6".into()],
        vec!["bücher.example".into(), "BUILDER.Example.COM".into()],
        (0..100).map(|number| format!("host-{number}.example.com")).collect(),
        (0..100).map(|number| format!("10.1.2.{number}")).collect(),
        vec![long_label, long_name],
    ]
}

/// The keys that certificates are issued for: the kinds that we make, and RSA from requests.
fn keys() -> Vec<PublicKey> {
    let generated = KeyAlgorithm::ALL.map(|algorithm| {
        let key = PrivateKey::generate(algorithm).ok().unwrap();
        key.public_key().clone()
    });
    let requested = REQUESTS.map(|name| request(name).public_key().clone());
    generated.into_iter().chain(requested).collect()
}

const REQUESTS: [&str; 8] =
    ["rsa-2048", "rsa-3072", "rsa-pss", "p256", "p256-sha384", "p384", "p384-sha256", "ed25519"];

fn request(name: &str) -> CertificateRequest {
    let path = format!("{}/fixtures/pki/requests/{name}.csr", env!("CARGO_MANIFEST_DIR"));
    CertificateRequest::from_pem(&std::fs::read(&path).unwrap(), std::path::Path::new(&path)).unwrap()
}

/// Over a thousand certificates: three kinds of CA, both roles, every mix of names, every key.
fn issue_everything(folder: &Path) -> Vec<Batch> {
    let mut batches = Vec::new();
    for algorithm in KeyAlgorithm::ALL {
        let ca = authority(algorithm);
        let path = folder.join(format!("{algorithm}.pem"));
        std::fs::write(&path, ca.certificate().to_pem()).unwrap();
        for hosts in mixes_of_hosts() {
            let hosts: Vec<SubjectAltName> = hosts.iter().map(|host| host.parse().unwrap()).collect();
            batches.push(batch(folder, &ca, &path, Role::Daemon, "builder", hosts, batches.len()));
        }
        for name in ["ana", "ci-7.team.x", "a23456789012345678901234567890123456789012345678901234567890123"]
        {
            batches.push(batch(folder, &ca, &path, Role::Client, name, vec![], batches.len()));
        }
    }
    batches
}

fn batch(
    folder: &Path,
    ca: &CertificateAuthority,
    authority: &Path,
    role: Role,
    name: &str,
    hosts: Vec<SubjectAltName>,
    number: usize,
) -> Batch {
    let name: IdentityName = name.parse().unwrap();
    let client_name = SubjectAltName::Dns(name.client_dns_name());
    let host = hosts.first().cloned().unwrap_or(client_name);
    let is_public =
        hosts.iter().all(|host| matches!(host, SubjectAltName::Ip(_)) || host.to_string().contains('.'));
    let request = LeafRequest::new(role, name, hosts, now(), Lifetime::days(397));
    let mut files = Vec::new();
    for round in 0..3 {
        for (at, key) in keys().iter().enumerate() {
            let path = folder.join(format!("{number}-{round}-{at}.pem"));
            std::fs::write(&path, ca.issue(&request, key).unwrap().to_pem()).unwrap();
            files.push(path);
        }
    }
    Batch { authority: authority.to_owned(), role, host, files, is_public }
}

#[test]
fn openssl_at_its_strictest_accepts_every_certificate() {
    let Some(openssl) = peers::program("openssl", "openssl_at_its_strictest_accepts_every_certificate")
    else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let batches = issue_everything(folder.path());
    for batch in &batches {
        let mut command = Command::new(&openssl);
        command.args(["verify", "-x509_strict", "-check_ss_sig", "-attime", &now().unix().to_string()]);
        command.arg("-CAfile").arg(&batch.authority);
        match batch.role {
            Role::Daemon => command.args(["-purpose", "sslserver"]),
            Role::Client => command.args(["-purpose", "sslclient"]),
        };
        match &batch.host {
            SubjectAltName::Dns(name) => command.args(["-verify_hostname", name.as_str()]),
            SubjectAltName::Ip(address) => command.args(["-verify_ip", &address.to_string()]),
        };
        let output = peers::run(command.args(&batch.files), "");
        let said = String::from_utf8_lossy(&output.stdout);
        let accepted = said.lines().filter(|line| line.ends_with(": OK")).count();
        assert_eq!(
            accepted,
            batch.files.len(),
            "{}: {}",
            batch.host,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    assert!(batches.iter().map(|batch| batch.files.len()).sum::<usize>() >= 1_000);
}

#[test]
fn go_accepts_every_certificate() {
    let Some(go) = peers::program("go-peer", "go_accepts_every_certificate") else { return };
    let folder = tempfile::tempdir().unwrap();
    for batch in issue_everything(folder.path()) {
        let mut command = Command::new(&go);
        let role = match batch.role {
            Role::Daemon => "server",
            Role::Client => "client",
        };
        command.args(["verify", "--role", role, "--name", &batch.host.to_string()]);
        command.args(["--at", &now().to_string()]).arg("--ca").arg(&batch.authority);
        let output = peers::run(command.args(&batch.files), "");
        let said = String::from_utf8_lossy(&output.stdout);
        let accepted = said.lines().filter(|line| line.starts_with("ok ")).count();
        assert_eq!(accepted, batch.files.len(), "{}: {said}", batch.host);
    }
}

#[test]
fn a_linter_has_nothing_to_say() {
    if !is_turn("a_linter_has_nothing_to_say") {
        return;
    }
    let test = "a_linter_has_nothing_to_say";
    let Some(python) = peers::program("python3", test) else { return };
    let folder = tempfile::tempdir().unwrap();
    let has_linter = Command::new(&python).args(["-c", "import pkilint"]).output().unwrap();
    if !has_linter.status.success() {
        return peers::skip(test, "this python has no pkilint");
    }
    let batches = issue_everything(folder.path());
    let mut lines = String::new();
    let mut single_labels = Vec::new();
    for batch in &batches {
        lines += &format!("{}\t-\n", batch.authority.display());
        for file in &batch.files {
            lines += &format!("{}\t{}\n", file.display(), batch.authority.display());
            if !batch.is_public {
                single_labels.push(file.display().to_string());
            }
        }
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/lint.py");
    let output = peers::run(Command::new(&python).arg(script), &lines);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8_lossy(&output.stdout);
    // The one exception: pkilint takes a name of one label, such as localhost, for no domain name.
    let is_excepted = |line: &&str| {
        line.contains("pkix.invalid_domain_name_syntax")
            && line.contains("\"localhost\"")
            && single_labels.iter().any(|file| line.starts_with(file))
    };
    let (excepted, others): (Vec<_>, Vec<_>) = said.lines().partition(is_excepted);
    assert_eq!(others, [] as [&str; 0]);
    assert_eq!(excepted.len(), single_labels.len(), "an exception that no longer is one");
}

#[test]
fn a_request_is_granted_its_key_and_nothing_else() {
    let ca = authority(KeyAlgorithm::EcdsaP256);
    let greedy = request("greedy");
    let leaf = LeafRequest::new(Role::Client, "ana".parse().unwrap(), vec![], now(), Lifetime::days(90));
    let certificate = ca.issue(&leaf, greedy.public_key()).unwrap();
    assert_eq!(certificate.public_key(), greedy.public_key());
    assert!(!certificate.is_authority());
    assert_eq!(certificate.subject().to_string(), "CN=client ana");
    let of_key = greedy.public_key().key_dns_name().to_string();
    let names: Vec<_> = certificate.usable_names().iter().map(ToString::to_string).collect();
    assert_eq!(names, ["ana.client.kitcert.internal", &of_key]);
    assert_eq!(certificate.extended_key_usages(), Some(&[Role::Client.extended_key_usage()][..]));
}

#[test]
fn keys_are_loaded_by_openssl_and_by_go() {
    let test = "keys_are_loaded_by_openssl_and_by_go";
    let folder = tempfile::tempdir().unwrap();
    let ca = authority(KeyAlgorithm::EcdsaP256);
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("ca.pem"), ca.certificate().to_pem()).unwrap();
    for algorithm in KeyAlgorithm::ALL {
        let key = PrivateKey::generate(algorithm).ok().unwrap();
        let hosts = vec!["127.0.0.1".parse().unwrap()];
        let leaf =
            LeafRequest::new(Role::Daemon, "builder".parse().unwrap(), hosts, now(), Lifetime::days(90));
        let certificate = ca.issue(&leaf, key.public_key()).unwrap();
        std::fs::write(path("key.pem"), key.expose_pem().as_bytes()).unwrap();
        std::fs::write(path("cert.pem"), certificate.to_pem()).unwrap();
        if let Some(openssl) = peers::program("openssl", test) {
            let mut command = Command::new(openssl);
            command.args(["pkey", "-check", "-noout", "-in"]).arg(path("key.pem"));
            let output = peers::run(&mut command, "");
            assert!(output.status.success(), "{algorithm}: {}", String::from_utf8_lossy(&output.stderr));
        }
        if let Some(go) = peers::program("go-peer", test) {
            let mut command = Command::new(go);
            command.args(["serve", "--addr", "127.0.0.1:0", "--cert"]).arg(path("cert.pem"));
            command.arg("--key").arg(path("key.pem")).arg("--ca").arg(path("ca.pem"));
            let output = peers::run(&mut command, "");
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(
                said.starts_with("listening "),
                "{algorithm}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
    }
}

#[test]
fn what_is_no_certificate_is_refused_and_named() {
    let found = |bytes: &[u8]| {
        let failure = Certificate::chain_from_pem(bytes, "cert.pem").unwrap_err();
        assert_eq!(failure.subject(), "cert.pem");
        failure.what_was_found().to_owned()
    };
    let certificate = authority(KeyAlgorithm::EcdsaP256).certificate().to_pem();
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).ok().unwrap();
    assert_eq!(found(b""), "an empty file");
    assert_eq!(found(b"\x30\x82\x00\x00\xff"), "no PEM block");
    assert!(found(key.expose_pem().as_bytes()).contains("a block of PRIVATE KEY"));
    assert!(found(&certificate.as_bytes()[..certificate.len() / 2]).contains("has no END line"));
    assert!(found(certificate.replace("MII", "MI").as_bytes()).contains("line 1"));
    assert!(found(&vec![b'A'; 10_000_000]).contains("bytes"));
    assert!(found("-----BEGIN X-----\n".repeat(3_000).as_bytes()).contains("line 1"));
}

/// Whatever is there in its place, a client gets a certificate.
#[test]
fn what_is_kept_of_a_ca_since_it_has_expired_is_made_again_where_it_was_lost() {
    let workspace = Workspace::new();
    workspace.run(["init", "--host", "localhost", "--client", "ana"]).succeeded();
    let folder = std::fs::read_dir(workspace.path("state/ca")).unwrap().next().unwrap().unwrap().path();
    let folder = folder.join("expired");
    let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    let issue = || workspace.run(["issue", "client", "ana", "--new-key"]).succeeded();
    let before = std::fs::read(&key).unwrap();
    issue();
    assert!(std::fs::read(&key).unwrap() == before, "what is there is left as it is");
    std::fs::remove_dir_all(&folder).unwrap();
    issue();
    let (made_cert, made_key) = (std::fs::read(&cert).unwrap(), std::fs::read(&key).unwrap());
    assert!(made_key != before);
    let chain = Certificate::chain_from_pem(&made_cert, "cert.pem").unwrap();
    assert!(KeyFile::read(&made_key, "key.pem").unwrap().public_key() == Some(chain[0].public_key()));
    assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    let in_its_place: [&dyn Fn(); 2] =
        [&|| std::fs::create_dir_all(&key).unwrap(), &|| std::fs::write(&folder, "").unwrap()];
    for damage in in_its_place {
        let _ = std::fs::remove_file(&folder);
        let _ = std::fs::remove_dir_all(&folder);
        damage();
        issue();
    }
}
