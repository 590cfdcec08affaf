//! Joining a shared builder: two machines, two people, a kit between them, and what a kit must not
//! get away with.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use kitcert::apply::{self, Invocation, Mode};
use kitcert::env::Environment;
use kitcert::model::{KeyAlgorithm, Lifetime, Role, Timestamp, Validity};
use kitcert::pki::{
    AuthorityRequest, CertificateAuthority, CertificateRequest, Kit, KitContents, LeafRequest, Passphrase,
    PrivateKey,
};
use kitcert::plan::{IssueClientsRequest, KeyChange};
use serde_json::Value;

use crate::support::daemon::Daemon;
use crate::support::peers;
use crate::support::workspace::{Said, Workspace};

/// An admin's machine and a developer's.
pub struct Machines {
    pub admin: Workspace,
    pub developer: Workspace,
    port: u16,
}

impl Machines {
    pub fn new() -> Machines {
        let port = Daemon::free_port();
        let (admin, developer) = (Workspace::new(), developers_machine());
        let endpoint = format!("tcp://127.0.0.1:{port}");
        admin.run(["init", "--host", "127.0.0.1", "--endpoint", &endpoint]).succeeded();
        Machines { admin, developer, port }
    }

    pub fn start_daemon(&self) -> Daemon {
        Daemon::start(&self.admin, self.port, &[])
    }

    /// `request` there, `issue` here; what was said, with the kit on the developer's machine.
    pub fn kit(&self, more: &[&str]) -> Value {
        let asked = self.developer.run(["request", "ana", "--format", "json"]).succeeded().json();
        self.answer(asked["words"].as_str().unwrap(), more)
    }

    /// What `issue` answers to the request that is there.
    pub fn answer(&self, words: &str, more: &[&str]) -> Value {
        let csr = self.admin.write("ana.csr", self.developer.read("ana.csr"));
        let issue = ["issue", "client", "ana", "--csr", &csr, "--fingerprint", words, "--kit", "ana.kit"];
        let answer = self.admin.run(issue.iter().chain(more).chain(&["--format", "json"])).succeeded().json();
        self.developer.write("ana.kit", self.admin.read("ana.kit"));
        answer
    }

    pub fn join(&self, more: &[&str]) -> Said {
        join(&self.developer, more)
    }
}

/// A machine with earthly and docker.
fn developers_machine() -> Workspace {
    let workspace = Workspace::new();
    for program in ["earthly", "docker"] {
        let path = workspace.write(&format!("bin/{program}"), "#!/bin/sh\n");
        std::fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
    }
    workspace
}

/// `join`, with them on PATH.
fn join(workspace: &Workspace, more: &[&str]) -> Said {
    let mut command = workspace.command(["join", "ana.kit", "--timeout", "2s"].iter().chain(more));
    command.env("PATH", workspace.path("bin"));
    workspace.finish(command, "")
}

pub fn fingerprint(answer: &Value) -> &str {
    answer["kit"]["authority_words"].as_str().unwrap()
}

/// Whether a text stands anywhere below a folder.
fn stands_in(folder: &Path, text: &str) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        match path.symlink_metadata().unwrap() {
            stat if stat.is_dir() => stands_in(&path, text),
            stat if stat.is_file() => String::from_utf8_lossy(&std::fs::read(&path).unwrap()).contains(text),
            _ => false,
        }
    })
}

#[test]
fn a_developer_joins_and_no_key_is_ever_on_the_admins_side() {
    let machines = Machines::new();
    let _daemon = machines.start_daemon();
    let answer = machines.kit(&[]);
    let kit = machines.developer.read("ana.kit");
    assert!(!kit.contains("PRIVATE KEY"), "{kit}");

    let said = machines.join(&["--fingerprint", fingerprint(&answer)]).succeeded();
    assert!(said.out.contains("verified: client accepted"), "{}", said.out);
    assert!(said.out.ends_with("next: earthly +build\n"), "{}", said.out);
    let verified = machines.developer.run(["verify", "--format", "json"]).succeeded().json();
    assert_eq!(verified["target"], format!("tcp://127.0.0.1:{}", machines.port));

    let key = machines.developer.read("home/.earthly/certs/key.pem");
    let secret = key.lines().nth(2).unwrap();
    assert!(!stands_in(&machines.admin.path(""), secret));
    assert!(!machines.admin.path("state/clients/ana/current/key.pem").exists());
    let keys = machines.admin.files_named("key.pem");
    let is_own = |path: &Path| {
        ["ca", "daemons"].iter().any(|kind| path.starts_with(machines.admin.path("state").join(kind)))
    };
    assert!(keys.len() == 3 && keys.iter().all(|path| is_own(path)), "{keys:?}");
    let installed = machines.developer.path("home/.earthly/certs/key.pem");
    assert_eq!(installed.metadata().unwrap().permissions().mode() & 0o777, 0o600);

    let before = machines.developer.snapshot();
    let again = machines.join(&["--format", "json"]).succeeded().json();
    assert_eq!((again["changed"].clone(), again["placing"].clone()), (false.into(), "unchanged".into()));
    before.assert_is(&machines.developer.snapshot(), "joining again");

    let receipt = again["receipt"].as_str().unwrap();
    machines.admin.run(["inspect", receipt]).succeeded();
    let forged = receipt.replace("30", "31");
    machines.admin.run(["inspect", &forged]).ended_with(3);
}

#[test]
fn each_side_authenticates_the_other() {
    let machines = Machines::new();
    let answer = machines.kit(&[]);
    let csr = machines.admin.text("ana.csr");
    let sign = ["issue", "client", "bob", "--csr", &csr];
    machines.admin.run(sign).ended_with(2);
    let others = "00".repeat(16);
    machines.admin.run(sign.iter().chain(&["--fingerprint", others.as_str()])).ended_with(1);

    let before = machines.developer.snapshot();
    let said = machines.join(&[]).ended_with(2);
    assert!(said.err.contains("--fingerprint"), "{}", said.err);
    let said = machines.join(&["--fingerprint", &others]).ended_with(1);
    assert!(said.err.contains("signed by the CA with the fingerprint that you gave"), "{}", said.err);
    let hex = answer["kit"]["authority_fingerprint"].as_str().unwrap();
    machines.join(&["--fingerprint", &hex[..31]]).ended_with(2);
    before.assert_is(&machines.developer.snapshot(), "a kit that nobody vouched for");
    machines.join(&["--fingerprint", &hex[..32], "--dry-run"]).succeeded();
}

#[test]
fn an_invited_client_has_its_key_from_the_kit_and_the_admin_has_it_no_more() {
    let machines = Machines::new();
    let _daemon = machines.start_daemon();
    let (admin, developer) = (&machines.admin, &machines.developer);
    admin.run(["issue", "client", "ana"]).succeeded();
    let key = admin.read("state/clients/ana/current/key.pem");
    let said = admin.run(["invite", "ana", "--format", "json"]).succeeded().json();
    let words = said["passphrase"].as_str().unwrap();
    assert!(!stands_in(&admin.path(""), words), "the passphrase is kept somewhere");
    assert!(!stands_in(&admin.path(""), key.lines().nth(2).unwrap()), "the key is still here");
    assert_eq!(admin.path("ana.kit").metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert!(admin.read("ana.kit").contains("ENCRYPTED PRIVATE KEY"));

    developer.write("ana.kit", admin.read("ana.kit"));
    let wrong = developer.write("wrong", "zoo zoo zoo zoo zoo zoo zoo\n");
    let untouched = developer.snapshot();
    machines.join(&[]).ended_with(2);
    let refused = machines.join(&["--passphrase-file", &wrong]).ended_with(1);
    assert!(refused.err.contains("expected the passphrase that was shown"), "{}", refused.err);
    untouched.assert_is(&developer.snapshot(), "a wrong passphrase");
    let right = developer.write("right", words.to_uppercase());
    machines.join(&["--passphrase-file", &right]).succeeded();
    assert_eq!(developer.read("home/.earthly/certs/key.pem"), key);

    // Whoever was invited before and lost the laptop gets another key.
    let again = admin.run(["invite", "ana", "--format", "json"]).succeeded().json();
    assert_ne!(again["passphrase"], said["passphrase"]);
    assert_eq!(again["issued"].as_array().unwrap().len(), 1);
}

#[test]
fn openssl_opens_the_key_of_a_kit_with_its_passphrase() {
    let Some(openssl) = peers::program("openssl", "openssl_opens_the_key_of_a_kit") else { return };
    let machines = Machines::new();
    let said = machines.admin.run(["invite", "ana", "--format", "json"]).succeeded().json();
    let kit = machines.admin.read("ana.kit");
    let from = kit.find("-----BEGIN ENCRYPTED").unwrap();
    let file = machines.admin.write("key.enc", &kit[from..kit.find("signature:").unwrap()]);
    let word = format!("pass:{}", said["passphrase"].as_str().unwrap());
    let output = machines.admin.finish(
        {
            let mut command = std::process::Command::new(openssl);
            command.args(["pkey", "-in", &file, "-passin", &word, "-pubout"]);
            command
        },
        "",
    );
    let public = output.succeeded().out;
    let mut certificate = std::process::Command::new("openssl");
    certificate.args(["x509", "-noout", "-pubkey", "-in"]);
    certificate.arg(machines.admin.path("state/clients/ana/current/cert.pem"));
    assert_eq!(public, machines.admin.finish(certificate, "").succeeded().out);
}

#[test]
fn each_tool_joins_where_it_reads_its_files() {
    let machines = Machines::new();
    let _daemon = machines.start_daemon();
    let answer = machines.kit(&[]);
    let told = fingerprint(&answer);
    for (tool, folder, next) in [
        ("earthly", ".earthly/certs", "next: earthly +build".to_owned()),
        ("earthbuild", ".earth/certs", "next: earth +build".to_owned()),
        (
            "buildctl",
            ".config/kitcert/buildctl/127.0.0.1-PORT",
            format!("next: buildctl --addr tcp://127.0.0.1:{} --tlsdir /", machines.port),
        ),
        ("buildx", ".config/kitcert/buildx/127.0.0.1-PORT", "next: docker buildx create".to_owned()),
    ] {
        let said = machines.join(&["--tool", tool, "--fingerprint", told]).succeeded();
        assert!(said.out.contains(&next), "{tool}: {}", said.out);
        let folder = folder.replace("PORT", &machines.port.to_string());
        let folder = machines.developer.path("home").join(folder);
        assert!(folder.join("key.pem").exists(), "{tool}");
        let dialed = machines.developer.run([
            "verify",
            &format!("tcp://127.0.0.1:{}", machines.port),
            "--tlsdir",
            folder.to_str().unwrap(),
        ]);
        dialed.succeeded();
    }
}

#[test]
fn verify_knows_the_daemon_that_was_joined_with_a_tool_that_has_no_config() {
    let machines = Machines::new();
    let _daemon = machines.start_daemon();
    let answer = machines.kit(&[]);
    let told = fingerprint(&answer);
    machines.join(&["--tool", "buildctl", "--fingerprint", told]).succeeded();
    let endpoint = format!("tcp://127.0.0.1:{}", machines.port);
    let verified = |arguments: &[&str]| {
        let said = machines.developer.run(["verify"].iter().chain(arguments)).succeeded();
        assert!(said.out.contains("verified: ") && said.out.contains(&endpoint), "{}", said.out);
    };
    verified(&[]);
    verified(&[&endpoint]);
    verified(&["--tool", "buildctl"]);
    // Nothing on this machine renews it.
    let said = machines.developer.run(["verify", "--at", "2027-12-01"]).ended_with(3);
    assert!(said.out.contains("fix: ask the admin of the daemon for a new kit"), "{}", said.out);
    let folder = machines.developer.path("home/.config/kitcert/buildctl");
    // Of two daemons, one has to be named.
    let status = std::process::Command::new("cp")
        .arg("-a")
        .arg(folder.join(format!("127.0.0.1-{}", machines.port)))
        .arg(folder.join("zz.example.com-8372"))
        .status();
    assert!(status.unwrap().success());
    let said = machines.developer.run(["verify"]).ended_with(2);
    assert!(said.err.contains(&format!("try: kitcert verify {endpoint}")), "{}", said.err);
    std::fs::remove_dir_all(folder.join("zz.example.com-8372")).unwrap();
    std::fs::rename(folder.join(format!("127.0.0.1-{}", machines.port)), folder.join("moved")).unwrap();
    let said = machines.developer.run(["verify"]).ended_with(2);
    assert!(said.err.contains("--tlsdir"), "{}", said.err);
}

#[test]
fn verify_misses_the_files_that_a_config_names_though_another_tool_has_some() {
    let machines = Machines::new();
    let _daemon = machines.start_daemon();
    let answer = machines.kit(&[]);
    for tool in ["earthly", "buildctl"] {
        machines.join(&["--tool", tool, "--fingerprint", fingerprint(&answer)]).succeeded();
    }
    let verified = |arguments: &[&str]| machines.developer.run(["verify"].iter().chain(arguments));
    verified(&[]).succeeded();
    std::fs::remove_dir_all(machines.developer.path("home/.earthly/certs")).unwrap();
    let said = verified(&[]).ended_with(3);
    assert!(said.out.contains("not dialed: ") && said.out.contains(".earthly/certs"), "{}", said.out);
    verified(&["--tool", "buildctl"]).succeeded();
}

/// A CA of thirty days ago, and a client's key.
struct Past {
    authority: CertificateAuthority,
    key: PrivateKey,
    now: Timestamp,
}

impl Past {
    fn new(developer: &Workspace) -> Past {
        let now = now();
        let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
        let validity =
            Validity { not_before: days_before(now, 30), not_after: now.plus(Lifetime::days(900)) };
        let request = AuthorityRequest { name: "Past".parse().unwrap(), validity };
        let authority = CertificateAuthority::create(&request, &key).unwrap();
        developer.run(["request", "ana"]).succeeded();
        let path = "state/requests/ana/current/key.pem";
        let key = PrivateKey::from_pem(developer.read(path).as_bytes(), path).ok().unwrap();
        Past { authority, key, now }
    }

    /// A kit of that many days ago.
    fn contents(&self, days: u32, endpoint: &str) -> KitContents {
        let then = days_before(self.now, days);
        let leaf =
            LeafRequest::new(Role::Client, "ana".parse().unwrap(), Vec::new(), then, Lifetime::days(90));
        KitContents {
            name: "ana".parse().unwrap(),
            endpoint: endpoint.parse().unwrap(),
            contact: "jo".parse().unwrap(),
            created: then,
            join_before: then.plus(Lifetime::days(14)),
            chain: vec![self.authority.issue(&leaf, self.key.public_key()).unwrap()],
            trust: vec![self.authority.certificate().clone()],
        }
    }

    fn kit(&self, days: u32, endpoint: &str) -> String {
        Kit::sign(self.contents(days, endpoint), std::slice::from_ref(&self.authority)).unwrap().to_text()
    }

    fn fingerprint(&self) -> String {
        self.authority.certificate().fingerprint().words().to_string()
    }
}

fn now() -> Timestamp {
    Environment::of_process().now()
}

fn days_before(now: Timestamp, days: u32) -> Timestamp {
    now.minus(Lifetime::days(days))
}

#[test]
fn a_kit_that_must_not_be_joined_changes_nothing_and_says_why() {
    let developer = developers_machine();
    let past = Past::new(&developer);
    let endpoint = format!("tcp://127.0.0.1:{}", Daemon::free_port());
    let told = past.fingerprint();
    developer.write("ana.kit", past.kit(3, &endpoint));
    join(&developer, &["--fingerprint", &told]).ended_with(3);

    let good = past.kit(2, &endpoint);
    let flipped = good.replacen("join-before: 2", "join-before: 3", 1);
    let with_checksum = |text: &str| {
        let rest = text.split_once('\n').unwrap().1;
        let digest = ring_sha256(rest.as_bytes());
        format!("sha256: {digest}\n{rest}")
    };
    let unsigned: String =
        good.lines().filter(|line| !line.starts_with("signature")).map(|line| format!("{line}\n")).collect();
    let other_past = Past::new(&Workspace::new());
    let passphrase = Passphrase::generate().ok().unwrap();
    let sealed =
        Kit::seal(past.contents(1, &endpoint), std::slice::from_ref(&past.authority), &past.key, &passphrase)
            .unwrap();
    let other_passphrase = developer.write("other", "one two three four five six seven");
    let by_passphrase = ["--passphrase-file", other_passphrase.as_str()];
    let by_fingerprint = ["--fingerprint", told.as_str()];
    let cases: [(&str, Vec<u8>, &[&str], &str); 11] = [
        ("truncated", good[..good.len() / 2].into(), &by_fingerprint, "cut off on its way"),
        ("flipped", flipped.clone().into(), &by_fingerprint, "damaged on its way"),
        ("changed", with_checksum(&flipped).into(), &by_fingerprint, "a wrong signature"),
        ("signed by nobody", with_checksum(&unsigned).into(), &by_fingerprint, "found no signature"),
        ("other CA", other_past.kit(2, &endpoint).into(), &by_fingerprint, "signed by the CA with the"),
        (
            "other key",
            another_key(&past, &endpoint).into(),
            &by_fingerprint,
            "the key that it is for on this",
        ),
        ("past its date", past.kit(20, &endpoint).into(), &by_fingerprint, "was to be joined before"),
        ("superseded", past.kit(4, &endpoint).into(), &by_fingerprint, "found an older one"),
        ("wrong passphrase", sealed.to_text().into(), &by_passphrase, "the passphrase that was shown"),
        ("zeros", vec![0; 100_000_000], &by_fingerprint, "at most 65536 bytes"),
        ("empty", Vec::new(), &by_fingerprint, "found an empty file"),
    ];
    let mut said_before = std::collections::BTreeSet::new();
    for (what, kit, evidence, says) in cases {
        developer.write("ana.kit", kit);
        let before = developer.snapshot();
        let started = Instant::now();
        let said = join(&developer, evidence).ended_with(1);
        assert!(started.elapsed() < Duration::from_secs(1), "{what} took {:?}", started.elapsed());
        assert!(said.err.contains(says), "{what}: {}", said.err);
        assert!(
            ["\ntry: ", "\nfix: "].iter().any(|word| said.err.contains(word)) || what == "zeros",
            "{what}: {}",
            said.err
        );
        assert!(said_before.insert(said.err.clone()), "{what} says what another said");
        assert_eq!(said.out, "", "{what}");
        before.assert_is(&developer.snapshot(), what);
    }
}

/// A kit of the right CA for a key that is not on the developer's machine.
fn another_key(past: &Past, endpoint: &str) -> String {
    let other = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
    let mut contents = past.contents(2, endpoint);
    let then = days_before(past.now, 2);
    let leaf = LeafRequest::new(Role::Client, "ana".parse().unwrap(), Vec::new(), then, Lifetime::days(90));
    contents.chain = vec![past.authority.issue(&leaf, other.public_key()).unwrap()];
    Kit::sign(contents, std::slice::from_ref(&past.authority)).unwrap().to_text()
}

fn ring_sha256(bytes: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    digest.as_ref().iter().map(|octet| format!("{octet:02x}")).collect()
}

#[test]
fn a_renewal_needs_no_fingerprint_and_what_works_stays_unless_the_new_is_verified() {
    let developer = developers_machine();
    let past = Past::new(&developer);
    let endpoint = format!("tcp://127.0.0.1:{}", Daemon::free_port());
    developer.write("ana.kit", past.kit(3, &endpoint));
    let first = join(&developer, &["--fingerprint", &past.fingerprint()]).ended_with(3);
    assert!(first.out.contains("joined, but not verified yet"), "{}", first.out);
    assert!(first.out.contains("the daemon cannot be reached"), "{}", first.out);

    developer.write("ana.kit", past.kit(1, &endpoint));
    let before = developer.snapshot();
    let kept = join(&developer, &[]).ended_with(3);
    assert!(kept.out.ends_with("to replace them without verification: --unverified\n"), "{}", kept.out);
    before.assert_is(&developer.snapshot(), "a renewal that could not be verified");
    let replaced = join(&developer, &["--unverified", "--format", "json"]).ended_with(3).json();
    assert_eq!(replaced["placing"], "placed");
    let kit = Kit::from_text(developer.read("ana.kit").as_bytes(), "ana.kit").unwrap();
    assert_eq!(developer.read("home/.earthly/certs/cert.pem"), kit.contents().leaf().to_pem());
}

#[test]
fn a_set_that_works_makes_way_for_one_that_works_too() {
    let machines = Machines::new();
    let _daemon = machines.start_daemon();
    let answer = machines.kit(&[]);
    let old = machines.developer.write("home/old/ca.pem", "not a set of ours");
    machines.developer.write(
        "home/.earthly/config.yml",
        format!(
            "global:\n  buildkit_host: tcp://other:1\n  tlsca: {old}\n  tlscert: {old}\n  tlskey: {old}\n"
        ),
    );
    machines.join(&["--fingerprint", fingerprint(&answer)]).succeeded();
    let config = machines.developer.read("home/.earthly/config.yml");
    assert!(config.contains(&format!("buildkit_host: tcp://127.0.0.1:{}", machines.port)), "{config}");
}

#[test]
fn a_request_is_the_same_until_a_new_key_is_asked_for_and_the_old_key_can_still_join() {
    let machines = Machines::new();
    let _daemon = machines.start_daemon();
    let answer = machines.kit(&[]);
    let developer = &machines.developer;
    let first = developer.read("ana.csr");
    let before = developer.snapshot();
    developer.run(["request", "ana"]).succeeded();
    before.assert_is(&developer.snapshot(), "the same request");
    developer.run(["request", "ana", "--key-type", "ed25519"]).ended_with(1);
    developer.run(["request", "ana", "--key-type", "ed25519", "--new-key"]).succeeded();
    let second = developer.read("ana.csr");
    let key = |text: &str| CertificateRequest::from_pem(text.as_bytes(), "csr").unwrap().fingerprint();
    assert_ne!(key(&first), key(&second));
    machines.join(&["--fingerprint", fingerprint(&answer)]).succeeded();
}

#[test]
fn a_kit_names_the_daemon_that_was_meant_and_so_do_its_renewals() {
    let machines = Machines::new();
    let admin = &machines.admin;
    admin.run(["issue", "daemon", "second", "--host", "10.0.0.7"]).succeeded();
    let asked = machines.developer.run(["request", "ana", "--format", "json"]).succeeded().json();
    let csr = admin.write("ana.csr", machines.developer.read("ana.csr"));
    let told = asked["fingerprint"].as_str().unwrap();
    let issue = ["issue", "client", "ana", "--csr", &csr, "--fingerprint", told, "--kit", "ana.kit"];
    let said = admin.run(issue).ended_with(2);
    assert!(said.err.contains("--endpoint"), "{}", said.err);
    assert!(!admin.path("state/clients/ana").exists());
    let second = ["--endpoint", "tcp://10.0.0.7:8372", "--contact", "Jo <jo@example.com>"];
    admin.run(issue.iter().chain(&second)).succeeded();
    let kit = admin.read("ana.kit");
    assert!(kit.contains("endpoint: tcp://10.0.0.7:8372\ncontact: Jo <jo@example.com>\n"), "{kit}");
    assert!(admin.read("state/kitcert.yaml").contains("endpoint: tcp://10.0.0.7:8372}"));
    std::fs::remove_file(admin.path("ana.kit")).unwrap();
    admin.run(issue).succeeded();
    assert!(admin.read("ana.kit").contains("endpoint: tcp://10.0.0.7:8372\n"));
}

#[test]
fn a_renewal_of_a_key_that_is_elsewhere_waits_in_the_state_as_a_kit() {
    let machines = Machines::new();
    let answer = machines.kit(&[]);
    let later = now().plus(Lifetime::days(70));
    let environment = Environment::made_up(later, &[("USER", "jo")]);
    let invocation = Invocation {
        environment: &environment,
        state: machines.admin.path("state"),
        command: "issue client",
        mode: Mode::Apply,
        at: None,
        progress: &|_| {},
    };
    let request = IssueClientsRequest {
        names: vec!["ana".parse().unwrap()],
        lifetime: None,
        requested_key: None,
        key_change: KeyChange::Refused,
        kit: None,
        user: invocation.contact(),
    };
    let issued = apply::issue_clients(&invocation, &request).unwrap();
    assert_eq!(issued.done.issued.len(), 1);
    let kit = machines.admin.read("state/kits/ana.kit");
    assert!(!kit.contains("PRIVATE KEY"), "{kit}");
    let kit = Kit::from_text(kit.as_bytes(), "ana.kit").unwrap();
    let previous = Kit::from_text(machines.developer.read("ana.kit").as_bytes(), "ana.kit").unwrap();
    assert!(kit.is_of(&fingerprint(&answer).parse().unwrap()).is_ok());
    assert!(kit.contents().leaf().public_key() == previous.contents().leaf().public_key());
    assert_eq!(kit.contents().join_before, kit.contents().leaf().validity().not_after);
    assert_eq!(kit.contents().endpoint, previous.contents().endpoint);
    let at = later.plus(Lifetime::days(1)).to_string();
    let status = machines.admin.run(["status", "--at", &at]).succeeded();
    assert!(status.out.contains("kit waiting"), "{}", status.out);
}

/// A command on a terminal, where somebody types an answer to a question.
fn on_a_terminal(workspace: &Workspace, arguments: &[&str], question: &str, answer: &str) -> Option<Said> {
    let python = peers::program("python3", "what is asked on a terminal")?;
    let mut starter = Command::new(python);
    starter.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/terminal.py")).args([question, answer]);
    Some(workspace.finish(workspace.command_under(starter, arguments), ""))
}

fn join_on_a_terminal(machines: &Machines, question: &str, answer: &str) -> Option<Said> {
    let arguments = ["join", "ana.kit", "--tool", "earthly", "--timeout", "2s"];
    on_a_terminal(&machines.developer, &arguments, question, answer)
}

/// Who had only to agree would.
#[test]
fn on_a_terminal_issue_wants_the_words_typed_that_request_showed_and_shows_none() {
    let machines = Machines::new();
    let asked = machines.developer.run(["request", "ana", "--format", "json"]).succeeded().json();
    let (words, digits) = (asked["words"].as_str().unwrap(), asked["fingerprint"].as_str().unwrap());
    machines.admin.write("ana.csr", machines.developer.read("ana.csr"));
    let arguments = ["issue", "client", "ana", "--csr", "ana.csr", "--kit", "ana.kit"];
    let before = machines.admin.snapshot();
    let question = "as its owner told you (twelve words, or at least 32 hex digits): ";
    let issue = |answer| on_a_terminal(&machines.admin, &arguments, question, answer);
    let others = "ab".repeat(16);
    for (answer, code) in [("yes", 2), ("y", 2), (&words[..words.len() / 2], 2), (others.as_str(), 1)] {
        let Some(said) = issue(answer) else { return };
        let said = said.ended_with(code);
        assert!(!said.out.contains(words) && !said.out.contains(&digits[..16]), "{answer}: {}", said.out);
        before.assert_is(&machines.admin.snapshot(), answer);
    }
    let said = machines.admin.run(arguments).ended_with(2);
    assert!(!said.err.contains(words) && !said.err.contains(&digits[..16]), "{}", said.err);
    issue(words).unwrap().succeeded();
    assert!(machines.admin.path("ana.kit").exists());
}

#[test]
fn a_terminal_shows_what_is_typed_again_however_the_question_ends() {
    let machines = Machines::new();
    let invited = machines.admin.run(["invite", "ana", "--format", "json"]).succeeded().json();
    machines.developer.write("ana.kit", machines.admin.read("ana.kit"));
    let before = machines.developer.snapshot();
    let question = "passphrase, as tester told you: ";
    let (interrupt, quit, suspend) = ("\x03", "\x1c", "ab\x1acd");
    for (answer, code) in [(interrupt, 256 - 2), (quit, 256 - 3), (suspend, 1), ("\x04", 2), ("", 2)] {
        let Some(said) = join_on_a_terminal(&machines, question, answer) else { return };
        assert_eq!(said.err, "echo is on\n", "{answer:?}: {}", said.out);
        assert_eq!(said.code, code, "{answer:?}: {}", said.out);
        before.assert_is(&machines.developer.snapshot(), answer);
    }
    // A key that is no letter is none of the passphrase.
    let words = invited["passphrase"].as_str().unwrap().replacen(' ', " \x1a", 1);
    let said = join_on_a_terminal(&machines, question, &words).unwrap();
    assert!(said.out.contains("installed"), "{}", said.out);
}

#[test]
fn on_a_terminal_join_asks_for_the_fingerprint() {
    let machines = Machines::new();
    let _daemon = machines.start_daemon();
    let answer = machines.kit(&["--contact", "jo@example.com"]);
    let question = "as jo@example.com told you (twelve words, or at least 32 hex digits): ";
    let Some(said) = join_on_a_terminal(&machines, question, "one two three") else { return };
    assert!(said.ended_with(2).out.contains("3 words"));
    assert!(!machines.developer.path("home/.earthly").exists());
    let said = join_on_a_terminal(&machines, question, fingerprint(&answer)).unwrap().succeeded();
    assert!(said.out.contains("next: earthly +build"), "{}", said.out);
}

#[test]
fn on_a_terminal_join_asks_for_the_passphrase_and_does_not_show_it() {
    let machines = Machines::new();
    let _daemon = machines.start_daemon();
    let invited = machines.admin.run(["invite", "ana", "--format", "json"]).succeeded().json();
    machines.developer.write("ana.kit", machines.admin.read("ana.kit"));
    let words = invited["passphrase"].as_str().unwrap();
    let Some(said) = join_on_a_terminal(&machines, "passphrase, as tester told you: ", words) else {
        return;
    };
    assert!(!said.out.contains(words), "{}", said.out);
    assert!(said.succeeded().out.contains("next: earthly +build"));
}

#[test]
fn whoever_lost_a_key_asks_with_a_new_one_and_the_admin_says_so_too() {
    let machines = Machines::new();
    let _daemon = machines.start_daemon();
    let answer = machines.kit(&[]);
    machines.join(&["--fingerprint", fingerprint(&answer)]).succeeded();
    let asked = machines.developer.run(["request", "ana", "--new-key", "--format", "json"]).succeeded();
    let asked = asked.json()["fingerprint"].as_str().unwrap().to_owned();
    let csr = machines.admin.write("ana.csr", machines.developer.read("ana.csr"));
    let issue = ["issue", "client", "ana", "--csr", &csr, "--fingerprint", &asked, "--kit", "ana.kit"];
    let said = machines.admin.run(issue).ended_with(1);
    assert!(said.err.contains("--new-key"), "{}", said.err);
    machines.admin.run(issue.iter().chain(&["--new-key"])).succeeded();
    machines.developer.write("ana.kit", machines.admin.read("ana.kit"));
    machines.join(&[]).succeeded();
    let installed = machines.developer.read("home/.earthly/certs/key.pem");
    assert_eq!(installed, machines.developer.read("state/requests/ana/current/key.pem"));
}

#[test]
fn a_kit_that_leads_nowhere_is_said_to_when_it_is_made() {
    let admin = Workspace::new();
    admin.run(["init", "--host", "builder.example.com", "--host", "10.0.0.5"]).succeeded();
    for (endpoint, rule) in [
        ("tcp://builder.example.com:8372", None),
        ("tcp://10.0.0.5:9", None),
        ("tcp://10.0.0.6:8372", Some("server-name-mismatch")),
        ("tcp://localhost:8372", Some("loopback-host")),
        ("tcp://127.0.0.9:8372", Some("loopback-host")),
    ] {
        let said = admin.run(["invite", "ana", "--endpoint", endpoint, "--format", "json"]).succeeded();
        let findings = said.json()["findings"].clone();
        assert_eq!(findings[0]["rule"].as_str(), rule, "{endpoint}: {findings:#}");
    }
}

#[test]
fn a_kit_is_never_written_over_something_else() {
    let machines = Machines::new();
    let admin = &machines.admin;
    admin.run(["invite", "ana"]).succeeded();
    let before = admin.snapshot();
    for command in
        [&["issue", "client", "ana", "--kit", "ana.kit"][..], &["invite", "bob", "--output", "ana.kit"]]
    {
        let said = admin.run(command).ended_with(1);
        assert!(said.err.contains("expected nothing there, or an older one"), "{}", said.err);
    }
    before.assert_is(&admin.snapshot(), "a kit that may hold the only copy of a key");
}
