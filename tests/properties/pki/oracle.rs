//! Who would get through is foretold: of a daemon, a client and their bundles the oracle says what
//! Go's TLS does when they meet.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use kitcert::model::{KeyAlgorithm, Role, Timestamp, Validity};
use kitcert::pki::judge::{ChainFault, Credentials, NoConnection, Refusal, connect};
use kitcert::pki::{
    AuthorityRequest, Certificate, CertificateAuthority, LeafRequest, PrivateKey, TrustBundle,
};
use rcgen::{CertificateParams, SanType};

use crate::figures::publish;
use crate::support::entities::{Entity, authority, client, now, root, signed};
use crate::support::peers;
use crate::support::turns::is_turn;

/// A cert.pem with its key.
struct Identity {
    name: &'static str,
    chain: Vec<Certificate>,
    /// Its folder, as the peer is told: `-` for a client without.
    folder: String,
}

/// A ca.pem.
struct Bundle {
    name: &'static str,
    trust: TrustBundle,
    file: String,
}

/// A daemon and a client, when they meet, and under which name.
#[derive(Clone, Copy)]
struct Meeting<'a> {
    daemon: &'a Identity,
    accepts: &'a Bundle,
    client: &'a Identity,
    trusts: &'a Bundle,
    host: &'static str,
    at: Timestamp,
}

/// Everybody who may meet, on disk too.
struct World {
    folder: tempfile::TempDir,
    identities: Vec<Identity>,
    bundles: Vec<Bundle>,
}

impl World {
    fn new() -> World {
        let (old, new) = (an_authority(KeyAlgorithm::EcdsaP256), an_authority(KeyAlgorithm::EcdsaP384));
        let key = a_key(KeyAlgorithm::Ed25519);
        let namesake =
            CertificateAuthority::impersonate(old.certificate(), &key, old.certificate().validity())
                .ok()
                .unwrap();
        let team = root(authority("team"));
        let middle = signed(authority("middle"), &team);
        let below = signed(of_no_usage("below"), &middle);
        let (pinned, pinned_client) = (root(of_no_usage("pinned")), root(client("pinned client")));

        let nobody = Identity { name: "nobody", chain: Vec::new(), folder: "-".to_owned() };
        let folder = tempfile::tempdir().unwrap();
        let mut world = World { folder, identities: vec![nobody], bundles: Vec::new() };
        let daemon = world.issue("daemon", &old, Role::Daemon, &[BUILDER, "10.0.0.5"], 0..397);
        world.issue("new daemon", &new, Role::Daemon, &[BUILDER, "*.b.example.com", "::1"], 0..397);
        world.issue("namesake's daemon", &namesake, Role::Daemon, &[BUILDER], 0..397);
        world.issue("expired daemon", &old, Role::Daemon, &[BUILDER], -400..-1);
        world.issue("tomorrow's daemon", &old, Role::Daemon, &[BUILDER], 1..397);
        let ana = world.issue("client", &old, Role::Client, &[], 0..90);
        world.issue("new client", &new, Role::Client, &[], 0..90);
        world.issue("namesake's client", &namesake, Role::Client, &[], 0..90);
        world.issue("expired client", &old, Role::Client, &[], -91..-1);
        world.issue("tomorrow's client", &old, Role::Client, &[], 1..90);
        world.keep("below, with the intermediate", &[&below, &middle]);
        world.keep("below, without the intermediate", &[&below]);
        world.keep("pinned", &[&pinned]);
        world.keep("pinned client", &[&pinned_client]);

        let (old, new, namesake) = (old.certificate(), new.certificate(), namesake.certificate());
        let (team, middle) = (&team.certificate, &middle.certificate);
        for (name, certificates) in [
            ("old", vec![old]),
            ("new", vec![new]),
            ("old, new", vec![old, new]),
            ("new, old", vec![new, old]),
            ("namesake", vec![namesake]),
            ("namesake, old", vec![namesake, old]),
            ("old, namesake", vec![old, namesake]),
            ("root", vec![team]),
            ("intermediate", vec![middle]),
            ("root, old", vec![team, old]),
            ("the client's own certificate", vec![&ana]),
            ("the daemon's own certificate", vec![&daemon]),
            ("the pinned", vec![&pinned.certificate, &pinned_client.certificate]),
            ("new, the client's own certificate", vec![new, &ana]),
        ] {
            world.bundle(name, certificates.into_iter().cloned().collect());
        }
        world
    }

    /// Issues a certificate that begins and ends those days from now.
    fn issue(
        &mut self,
        name: &'static str,
        by: &CertificateAuthority,
        role: Role,
        hosts: &[&str],
        days: std::ops::Range<i64>,
    ) -> Certificate {
        let key = a_key(KeyAlgorithm::EcdsaP256);
        let request = LeafRequest {
            role,
            name: "someone".parse().unwrap(),
            hosts: hosts.iter().map(|host| host.parse().unwrap()).collect(),
            validity: Validity { not_before: days_from_now(days.start), not_after: days_from_now(days.end) },
        };
        let certificate = by.issue(&request, key.public_key()).unwrap();
        self.add(name, vec![certificate.clone()], &key.expose_pem());
        certificate
    }

    fn keep(&mut self, name: &'static str, chain: &[&Entity]) {
        let key = pem::encode(&pem::Pem::new("PRIVATE KEY", chain[0].issuer.key().serialize_der()));
        self.add(name, chain.iter().map(|one| one.certificate.clone()).collect(), &key);
    }

    fn add(&mut self, name: &'static str, chain: Vec<Certificate>, key: &str) {
        let folder = self.fresh_path();
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("cert.pem"), pem_of(&chain)).unwrap();
        std::fs::write(folder.join("key.pem"), key).unwrap();
        self.identities.push(Identity { name, chain, folder: folder.display().to_string() });
    }

    fn bundle(&mut self, name: &'static str, certificates: Vec<Certificate>) {
        let file = self.fresh_path();
        std::fs::write(&file, pem_of(&certificates)).unwrap();
        let trust = TrustBundle::new(certificates);
        self.bundles.push(Bundle { name, trust, file: file.display().to_string() });
    }

    fn fresh_path(&self) -> PathBuf {
        self.folder.path().join(format!("{}", self.identities.len() + self.bundles.len()))
    }

    /// Every daemon with every bundle of a client, under every name; every client with every bundle
    /// of a daemon; whoever is at work in a rollover, at every time; and a part of all the
    /// combinations that there are.
    fn meetings(&self) -> Vec<Meeting<'_>> {
        let (daemons, clients) = (&self.identities[1..], &self.identities[..]);
        let all = combinations([daemons.len(), self.bundles.len(), clients.len(), self.bundles.len()]);
        let all = all.map(|[daemon, accepts, client, trusts]| Meeting {
            daemon: &daemons[daemon],
            accepts: &self.bundles[accepts],
            client: &clients[client],
            trusts: &self.bundles[trusts],
            host: BUILDER,
            at: now(),
        });
        let mut meetings = Vec::new();
        for (number, meeting) in all.enumerate() {
            if meeting.accepts.name == "old" && meeting.client.name == "client" {
                meetings.extend(HOSTS.map(|host| Meeting { host, ..meeting }));
            }
            if meeting.daemon.name == "daemon" && meeting.trusts.name == "old" {
                meetings.push(meeting);
            }
            if meeting.is_in_a_rollover() {
                meetings.extend(TIMES.map(|seconds| {
                    let at = Timestamp::from_unix(now().unix() + seconds);
                    Meeting { at, ..meeting }
                }));
            }
            if number % PART == 0 {
                meetings.push(meeting);
            }
        }
        meetings
    }
}

/// Every combination of numbers below those.
fn combinations(below: [usize; 4]) -> impl Iterator<Item = [usize; 4]> {
    (0..below.iter().product()).map(move |mut number| {
        below.map(|below| {
            let digit = number % below;
            number /= below;
            digit
        })
    })
}

impl Meeting<'_> {
    fn ours(&self) -> Result<(), NoConnection> {
        let (daemon, accepts) = (&self.daemon.chain, &self.accepts.trust);
        let (client, trusts) = (&self.client.chain, &self.trusts.trust);
        let daemon = Credentials { role: Role::Daemon, chain: daemon, key: None, trust: accepts };
        let client = Credentials { role: Role::Client, chain: client, key: None, trust: trusts };
        connect(&client, &daemon, &self.host.parse().unwrap(), self.at)
    }

    /// The line that the peer's `handshakes` reads.
    fn line(&self) -> String {
        let Meeting { daemon, accepts, client, trusts, host, at } = self;
        format!("{} {} {} {} {host} {at}\n", daemon.folder, accepts.file, client.folder, trusts.file)
    }

    fn is_in_a_rollover(&self) -> bool {
        let bundles = ["old", "new", "old, new", "new, old"];
        ["daemon", "new daemon"].contains(&self.daemon.name)
            && ["client", "new client"].contains(&self.client.name)
            && bundles.contains(&self.accepts.name)
            && bundles.contains(&self.trusts.name)
    }

    fn told(&self) -> String {
        format!(
            "{} that accepts {}, dialed by {} that trusts {} as {} at {}",
            self.daemon.name, self.accepts.name, self.client.name, self.trusts.name, self.host, self.at
        )
    }
}

/// Whether the judge foretold what Go did.
fn agree(ours: &Result<(), NoConnection>, go: &str) -> bool {
    match ours {
        Ok(()) => go == "accepted",
        Err(NoConnection::ClientRefuses(Refusal::Host { .. })) => go == "misnamed",
        // Go looks at the name before the issuers, and tells of nothing else then.
        Err(NoConnection::ClientRefuses(_)) => go == "untrusted" || go == "misnamed",
        Err(
            NoConnection::NotSent { .. }
            | NoConnection::DaemonRefuses(Refusal::Chain(ChainFault::NothingSent)),
        ) => go == "none",
        Err(NoConnection::DaemonRefuses(_)) => go == "refused",
    }
}

#[test]
fn go_does_what_was_foretold() {
    if !is_turn("go_does_what_was_foretold") {
        return;
    }
    let Some(go) = peers::program("go-peer", "go_does_what_was_foretold") else { return };
    let world = World::new();
    let meetings = world.meetings();
    let lines: String = meetings.iter().map(Meeting::line).collect();
    let output = peers::run(Command::new(go).arg("handshakes"), &lines);
    let said = String::from_utf8(output.stdout).unwrap();
    let verdicts: Vec<_> = said.lines().collect();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert_eq!(verdicts.len(), meetings.len(), "{:?} {complaint}", verdicts.last());
    let mut counts = BTreeMap::new();
    for (meeting, verdict) in meetings.iter().zip(verdicts) {
        let ours = meeting.ours();
        let word = verdict.split(' ').next().unwrap();
        assert!(agree(&ours, word), "{}: {ours:?}, but Go: {verdict}", meeting.told());
        *counts.entry(word).or_insert(0) += 1;
    }
    println!("{} meetings, all as foretold: {counts:?}", meetings.len());
    publish(
        "agreement",
        "handshakes of Go's that the lock-out guard's oracle foretold",
        meetings.len(),
        None,
    );
    for word in ["accepted", "untrusted", "misnamed", "none", "refused"] {
        assert!(counts.get(word).is_some_and(|count| *count >= 40), "{word}: {counts:?}");
    }
}

fn a_key(algorithm: KeyAlgorithm) -> PrivateKey {
    PrivateKey::generate(algorithm).ok().unwrap()
}

fn an_authority(algorithm: KeyAlgorithm) -> CertificateAuthority {
    let validity = Validity { not_before: days_from_now(-500), not_after: days_from_now(3650) };
    let request = AuthorityRequest { name: "Acme builders".parse().unwrap(), validity };
    CertificateAuthority::create(&request, &a_key(algorithm)).ok().unwrap()
}

/// A leaf that says nothing of its usage, and so is good for either side.
fn of_no_usage(name: &str) -> CertificateParams {
    let mut parameters = client(name);
    parameters.extended_key_usages = Vec::new();
    parameters.subject_alt_names = vec![SanType::DnsName(BUILDER.try_into().unwrap())];
    parameters
}

fn days_from_now(days: i64) -> Timestamp {
    Timestamp::from_unix(now().unix() + days * DAY)
}

fn pem_of(certificates: &[Certificate]) -> String {
    certificates.iter().map(Certificate::to_pem).collect()
}

const BUILDER: &str = "builder.example.com";
const HOSTS: [&str; 6] =
    [BUILDER, "other.example.com", "10.0.0.5", "::1", "a.b.example.com", "a.a.b.example.com"];
const DAY: i64 = 24 * 60 * 60;
/// From now, in seconds: around the ends of the clients, the daemons and the CAs.
const TIMES: [i64; 8] =
    [-500 * DAY - 1, -1, 0, 90 * DAY, 90 * DAY + 1, 397 * DAY, 397 * DAY + 1, 3650 * DAY + 1];
/// One of so many; a prime, so that it goes with each of everything.
const PART: usize = 41;
