//! Planners, asked about states that are made up in memory: every decision, and both sides of every
//! bound.

mod adopted;
mod alike;
mod carried_out;
mod emptiness;
mod installing;
mod issuing;
mod joining;
mod kits;
mod requesting;
mod restored;
mod revoking;
mod rolling_over;
mod rotating;
mod status;
mod turning_round;
mod verification;
mod walk;
mod words;
mod world;

use crate::model::numbered;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::layout::Inventory;
use crate::model::{
    AuthorityId, Contact, IdentityName, KeyAlgorithm, Lifetime, Role, SubjectAltName, Timestamp, Validity,
};
use crate::pki::{
    AuthorityRequest, Certificate, CertificateAuthority, LeafRequest, PrivateKey, PublicKey, TrustBundle,
};
use crate::plan::{Placed, PlacedState};
use crate::probe::DIAL_LIST_VERSION;
use crate::store::{
    AuthorityRecord, KeyPresence, Observation, ObservedAuthority, ObservedGeneration, ObservedIdentity,
    StateRecord, Vantage, VerifiedRecord,
};

/// One daemon and one client. A verification counts for as long as these tests look ahead.
const INVENTORY: &str = "version: 1
verify_every: 100y
ca: {name: Test, lifetime: 10y, key: ecdsa-p256}
daemons:
  builder:
    hosts: [builder.example.com, 10.0.0.5]
    endpoint: tcp://builder.example.com:8372
    lifetime: 397d
clients:
  ana:
    lifetime: 90d
";

/// A state in memory, and the means to issue more of its CA.
struct State {
    observation: Observation,
    authority: CertificateAuthority,
}

fn now() -> Timestamp {
    Timestamp::from_unix(1_800_000_000)
}

fn days(days: u32) -> Lifetime {
    Lifetime::days(days)
}

fn seconds(seconds: u32) -> Lifetime {
    Lifetime::from_seconds(seconds)
}

fn name(text: &str) -> IdentityName {
    text.parse().unwrap()
}

fn hosts(texts: &[&str]) -> Vec<SubjectAltName> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn user() -> Contact {
    "root".parse().unwrap()
}

fn fresh_key() -> PublicKey {
    PrivateKey::generate(KeyAlgorithm::EcdsaP256).ok().unwrap().public_key().clone()
}

/// A CA that was made that many days ago, for ten years.
fn authority(made: u32) -> CertificateAuthority {
    let began = now().minus(days(made));
    authority_of(Validity { not_before: began, not_after: began.plus(days(3652)) })
}

fn authority_of(validity: Validity) -> CertificateAuthority {
    let request = AuthorityRequest { name: "Test".parse().unwrap(), validity };
    CertificateAuthority::create(&request, &PrivateKey::generate(KeyAlgorithm::EcdsaP256).ok().unwrap())
        .unwrap()
}

fn observed(authority: &CertificateAuthority) -> ObservedAuthority {
    let certificate = authority.certificate().clone();
    let id = AuthorityId::of(certificate.subject_key_identifier().unwrap());
    ObservedAuthority {
        id,
        certificate,
        chain: Vec::new(),
        key: KeyPresence::Present,
        key_fault: None,
        record: AuthorityRecord::default(),
    }
}

/// One generation, current; nobody has verified it.
fn identity(authority: &CertificateAuthority, leaf: Certificate, key: KeyPresence) -> ObservedIdentity {
    let current = ObservedGeneration {
        number: numbered(1),
        chain: vec![leaf],
        trust: TrustBundle::new(vec![authority.certificate().clone()]),
        key,
    };
    ObservedIdentity {
        current: Some(current),
        last_generation: Some(numbered(1)),
        generations: vec![numbered(1)],
        ..ObservedIdentity::default()
    }
}

/// What stands where files are installed: three generations, the last of which is like that.
fn placed(state: PlacedState) -> Placed {
    Placed {
        folder: PathBuf::from("/certs"),
        state,
        current: None,
        trust: None,
        standing: crate::plan::Standing::Ours,
        next_generation: numbered(4),
        links: Vec::new(),
    }
}

impl State {
    /// A state with a CA of a hundred days, and what kitcert.yaml says; nothing is issued.
    fn of(inventory: &str) -> State {
        let authority = authority(100);
        let observation = Observation {
            path: PathBuf::from("/state"),
            state: StateRecord::default(),
            inventory: Inventory::parse(inventory.as_bytes(), Path::new("kitcert.yaml")).unwrap(),
            inventory_text: inventory.as_bytes().to_vec(),
            unread: std::collections::BTreeMap::new(),
            authorities: vec![observed(&authority)],
            rollover: None,
            revocations: None,
            issued: Vec::new(),
            waiting_kits: BTreeSet::new(),
            withdrawn_kits: BTreeSet::new(),
            daemons: BTreeMap::new(),
            clients: BTreeMap::new(),
        };
        State { observation, authority }
    }

    /// The usual one, with `builder` and `ana` issued a day ago, and their keys at hand.
    fn new() -> State {
        let mut state = State::of(INVENTORY);
        state.issue_daemon("builder", &["builder.example.com", "10.0.0.5"], now().minus(days(1)));
        state.issue_client("ana", now().minus(days(1)), KeyPresence::Present);
        state
    }

    fn leaf(&self, role: Role, named: &str, hosts: &[&str], validity: Validity) -> Certificate {
        let hosts = hosts.iter().map(|host| host.parse().unwrap()).collect();
        let request = LeafRequest { role, name: name(named), hosts, validity };
        self.authority.issue(&request, &fresh_key()).unwrap()
    }

    /// A daemon that got its certificate then, for 397 days, and was verified.
    fn issue_daemon(&mut self, named: &str, hosts: &[&str], issued: Timestamp) {
        let validity = Validity { not_before: issued, not_after: issued.plus(days(397)) };
        let leaf = self.leaf(Role::Daemon, named, hosts, validity);
        let daemon = identity(&self.authority, leaf, KeyPresence::Present);
        self.observation.daemons.insert(name(named), daemon);
        self.verify(named);
    }

    /// Notes that the current generation of a daemon was verified now, with what kitcert.yaml says of it.
    fn verify(&mut self, named: &str) {
        let name = name(named);
        let entry = self.observation.inventory.daemons.get(&name);
        let endpoint = entry
            .map_or_else(|| "tcp://unlisted.example.com:8372".parse().unwrap(), |one| one.endpoint.clone());
        let hosts = entry.map(|entry| entry.hosts.clone()).unwrap_or_default();
        let daemon = self.observation.daemons.get_mut(&name).unwrap();
        let current = daemon.current.as_ref().unwrap();
        daemon.history.note_worked(current.number, now());
        daemon.verified = Some(VerifiedRecord {
            dial_list: DIAL_LIST_VERSION,
            kitcert: "0.0.0".to_owned(),
            server_name: endpoint.host().clone(),
            endpoint,
            hosts,
            addresses: Vec::new(),
            narrowed_to: Vec::new(),
            vantage: Vantage { host: "here".to_owned(), uid: 0 },
            generation: current.number,
            leaf: current.leaf().fingerprint(),
            bundle: current.trust.fingerprint(),
            dials: 13,
            not_tried: Vec::new(),
            started_at: now(),
            verified_at: now(),
            command: "verify".to_owned(),
        });
    }

    /// A client that got its certificate then, for 90 days.
    fn issue_client(&mut self, named: &str, issued: Timestamp, key: KeyPresence) {
        let validity = Validity { not_before: issued, not_after: issued.plus(days(90)) };
        let leaf = self.leaf(Role::Client, named, &[], validity);
        self.observation.clients.insert(name(named), identity(&self.authority, leaf, key));
    }

    fn client(&self, named: &str) -> &ObservedGeneration {
        self.observation.current(Role::Client, &name(named)).unwrap()
    }
}
