//! `recover`: a lost kitcert.yaml, from the certificates and from what is remembered beside them.

use std::collections::BTreeSet;

use super::issue::endpoint_of;
use super::recovery::{Recovered, Recovery, Unknown};
use super::steps::{InventoryStep, Plan, StateStep};
use crate::layout::{AuthorityPolicy, ClientEntry, DaemonEntry, Inventory};
use crate::message;
use crate::model::profile::{CLIENT_LIFETIME, DAEMON_LIFETIME};
use crate::model::{Endpoint, Failure, IdentityName, KeyAlgorithm, Lifetime, Message, Role, Timestamp};
use crate::pki::{Certificate, PublicKeyKind};
use crate::store::{Observation, ObservedAuthority, ObservedIdentity};

/// Plans `recover`, of a state that was observed without its kitcert.yaml.
///
/// A state that was restored may lack certificates, so that each CA counts as one of which others have
/// certificates, for as long as any certificate lives. Who is retired is not listed again.
///
/// # Errors
/// No CA.
pub(crate) fn recover(observation: &Observation, now: Timestamp) -> Result<Recovery, Failure> {
    let authority = observation.active_authority().ok_or_else(|| {
        Failure::new("writing again", observation.path.join("kitcert.yaml").display())
            .expected("the certificate of a CA in ca/, from a backup of the state")
            .found("none")
    })?;
    let mut rebuilt = Rebuilt { observation, inventory: Inventory::default(), unknown: Vec::new() };
    rebuilt.add_authority(authority);
    for (name, daemon) in listed(observation, Role::Daemon) {
        rebuilt.add_daemon(name, daemon, now);
    }
    for (name, client) in listed(observation, Role::Client) {
        rebuilt.add_client(name, client, now);
    }
    rebuilt.add_unknown_keys();
    let Rebuilt { inventory, unknown, .. } = rebuilt;
    let open_until = now.plus(longest_lifetime(observation, &inventory));
    let write = StateStep::Inventory(InventoryStep::Write(Box::new(inventory.clone())));
    let closed = observation.authorities.iter().filter(|one| !one.record.is_open(open_until));
    let open = closed.map(|one| StateStep::Open(one.id.clone(), open_until));
    let plan = Plan { state: std::iter::once(write).chain(open).collect(), ..Plan::default() };
    Ok(Recovery {
        what: Recovered::Inventory,
        plan,
        inventory,
        open_until,
        unknown,
        locked_out: BTreeSet::new(),
    })
}

/// The identities of a role that are not retired.
fn listed(observation: &Observation, role: Role) -> impl Iterator<Item = (&IdentityName, &ObservedIdentity)> {
    observation.identities(role).iter().filter(|(_, one)| !one.is_retired())
}

/// The longest lifetime that any certificate of the state has, or will have.
pub(super) fn longest_lifetime(observation: &Observation, inventory: &Inventory) -> Lifetime {
    let leaves = observation.issued.iter().filter(|certificate| !certificate.is_authority());
    let issued = leaves.map(|leaf| leaf.validity().lifetime());
    let daemons = inventory.daemons.values().map(|daemon| daemon.lifetime);
    let clients = inventory.clients.values().map(|client| client.lifetime);
    issued.chain(daemons).chain(clients).max().unwrap_or(DAEMON_LIFETIME.max(CLIENT_LIFETIME))
}

/// A kitcert.yaml that is being rebuilt.
struct Rebuilt<'a> {
    observation: &'a Observation,
    inventory: Inventory,
    unknown: Vec<Unknown>,
}

impl Rebuilt<'_> {
    fn note(&mut self, subject: Message, what: Message) {
        self.unknown.push(Unknown { subject, what, remedy: None });
    }

    fn add_authority(&mut self, authority: &ObservedAuthority) {
        let certificate = &authority.certificate;
        let policy = AuthorityPolicy::default();
        let common_name = certificate.subject().common_name().unwrap_or_default();
        let key_id = format!(" {}", authority.id.short());
        let name = common_name.strip_suffix(&key_id).unwrap_or(&common_name).parse().ok();
        let key = generated(certificate);
        let subject = message!("ca");
        if name.is_none() {
            self.note(subject.clone(), message!("name: {} has another form", certificate.subject()));
        }
        if key.is_none() {
            let kind = certificate.public_key().kind();
            self.note(subject, message!("key: no new key is made as that of the CA ({})", kind));
        }
        self.inventory.authority = AuthorityPolicy {
            name: name.unwrap_or(policy.name),
            lifetime: certificate.validity().lifetime(),
            key: key.unwrap_or(policy.key),
            key_group: None,
        };
    }

    fn add_daemon(&mut self, name: &IdentityName, daemon: &ObservedIdentity, now: Timestamp) {
        let subject = message!("daemon {}", name);
        let Some(current) = &daemon.current else {
            return self.note(subject, message!("is left out: it has no current generation"));
        };
        let hosts = current.leaf().usable_names();
        let remembered = daemon.verified.as_ref().map(|verified| verified.endpoint.clone());
        let guessed = || endpoint_of(None, &hosts).ok().or_else(|| self.used_endpoint(name));
        let Some(endpoint) = remembered.clone().or_else(guessed).filter(|_| !hosts.is_empty()) else {
            return self
                .note(subject, message!("is left out: its certificate names no host that can be dialed"));
        };
        if remembered.is_none() {
            self.note(subject.clone(), message!("endpoint: {} is a guess; addresses", endpoint));
        }
        let lifetime = self.lifetime(&subject, current.leaf(), DAEMON_LIFETIME, now);
        let addresses = daemon.verified.as_ref().map(|verified| verified.narrowed_to.clone());
        let entry = DaemonEntry {
            addresses: addresses.unwrap_or_default(),
            ..DaemonEntry::new(hosts, endpoint, lifetime)
        };
        self.inventory.daemons.insert(name.clone(), entry);
    }

    /// The host by which a client dials the daemon, on the usual port.
    fn used_endpoint(&self, daemon: &IdentityName) -> Option<Endpoint> {
        let mut uses = self.observation.clients.values().flat_map(|client| &client.record.uses);
        let used = uses.find(|used| used.daemon == *daemon)?;
        Some(Endpoint::new(used.host.clone(), Endpoint::DEFAULT_PORT))
    }

    fn add_client(&mut self, name: &IdentityName, client: &ObservedIdentity, now: Timestamp) {
        let subject = message!("client {}", name);
        let Some(current) = &client.current else {
            return self.note(subject, message!("is left out: it has no current generation"));
        };
        let uses: Vec<_> = client.record.uses.iter().collect();
        let endpoint = match uses.as_slice() {
            [used] => {
                let daemon = self.inventory.daemons.get(&used.daemon);
                let port = daemon.map_or(Endpoint::DEFAULT_PORT, |daemon| daemon.endpoint.port());
                Some(Endpoint::new(used.host.clone(), port))
            }
            _ => None,
        };
        if uses.len() > 1 {
            let daemons = Message::join(uses.iter().map(|used| &used.daemon), ", ");
            self.note(subject.clone(), message!("endpoint: it uses {}", daemons));
        }
        let lifetime = self.lifetime(&subject, current.leaf(), CLIENT_LIFETIME, now);
        let entry = ClientEntry { endpoint, ..ClientEntry::of_lifetime(lifetime) };
        self.inventory.clients.insert(name.clone(), entry);
    }

    /// How long the certificates of an identity live. One that ends with its CA may have been meant to
    /// live longer.
    fn lifetime(
        &mut self,
        subject: &Message,
        leaf: &Certificate,
        usual: Lifetime,
        now: Timestamp,
    ) -> Lifetime {
        let validity = leaf.validity();
        if validity.not_after < now {
            let ended = validity.not_after.date();
            self.note(subject.clone(), message!("remove it if nobody needs it: it ended on {}", ended));
        }
        let issuer = self.observation.issuer_of(leaf);
        let is_cut = issuer.is_some_and(|one| one.certificate.validity().not_after == validity.not_after);
        let whole = if is_cut { usual } else { validity.lifetime() };
        let lifetime = whole.min(self.inventory.authority.lifetime.longest_leaf());
        if lifetime != validity.lifetime() {
            self.note(subject.clone(), message!("lifetime: {} is a guess", lifetime));
        }
        lifetime
    }

    /// The keys of which no value is remembered anywhere.
    fn add_unknown_keys(&mut self) {
        let mut keys =
            vec![(message!("at the top"), message!("contact, renew_before, verify_every, defaults, accept"))];
        if !self.inventory.daemons.is_empty() {
            keys.push((
                message!("every daemon"),
                message!(
                    "install, restart, restart_when, restart_timeout, idle_limit, renew_before, \
                     verify_every, installed"
                ),
            ));
        }
        if !self.inventory.clients.is_empty() {
            let endpoint = if self.inventory.daemons.len() > 1 { "endpoint, " } else { "" };
            keys.push((message!("every client"), message!("{}renew, renew_before, installed", endpoint)));
        }
        if !self.inventory.daemons.is_empty() || !self.inventory.clients.is_empty() {
            keys.push((
                message!("removed entries"),
                message!("are listed again: remove them, or retire them"),
            ));
        }
        // Where a daemon's files are, and which key is theirs, is noted again by putting them there.
        keys.extend(self.inventory.daemons.keys().map(|name| {
            (
                message!("daemon {}", name),
                message!("if it runs on this machine: {kitcert} install daemon {}", name),
            )
        }));
        let keys = keys.into_iter().map(|(subject, what)| Unknown { subject, what, remedy: None });
        self.unknown.splice(0..0, keys);
    }
}

/// The type of a key, if it is one that is made here.
fn generated(certificate: &Certificate) -> Option<KeyAlgorithm> {
    match certificate.public_key().kind() {
        PublicKeyKind::Generated(algorithm) => Some(*algorithm),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::model::profile::BACKDATING;
    use crate::model::{Validity, numbered};
    use crate::pki::{AuthorityRequest, CertificateAuthority, LeafRequest, PrivateKey, TrustBundle};
    use crate::store::{AuthorityRecord, KeyPresence, ObservedGeneration, OpenUntil, Use};

    fn now() -> Timestamp {
        Timestamp::from_unix(1_800_000_000)
    }

    fn name(text: &str) -> IdentityName {
        text.parse().unwrap()
    }

    /// A state without its kitcert.yaml, with a CA that was made a year ago.
    struct Remains {
        authority: CertificateAuthority,
        observation: Observation,
    }

    impl Remains {
        fn of(authority_name: &str, lifetime: &str) -> Remains {
            let began = now().minus(Lifetime::days(365));
            let validity = Validity::issued(began, lifetime.parse().unwrap(), BACKDATING);
            let request = AuthorityRequest { name: authority_name.parse().unwrap(), validity };
            let key = PrivateKey::generate(KeyAlgorithm::Ed25519).ok().unwrap();
            let authority = CertificateAuthority::create(&request, &key).unwrap();
            let certificate = authority.certificate().clone();
            let observed = ObservedAuthority {
                chain: Vec::new(),
                id: certificate.authority_id(),
                certificate,
                key: KeyPresence::Present,
                key_fault: None,
                record: AuthorityRecord::default(),
            };
            let observation = Observation {
                state: crate::store::StateRecord::default(),
                path: PathBuf::from("/state"),
                inventory: Inventory::default(),
                inventory_text: Vec::new(),
                unread: BTreeMap::new(),
                authorities: vec![observed],
                rollover: None,
                revocations: None,
                issued: Vec::new(),
                waiting_kits: BTreeSet::new(),
                withdrawn_kits: BTreeSet::new(),
                daemons: BTreeMap::new(),
                clients: BTreeMap::new(),
            };
            Remains { authority, observation }
        }

        fn issue(
            &mut self,
            role: Role,
            named: &str,
            hosts: &[&str],
            lifetime: &str,
        ) -> &mut ObservedIdentity {
            let hosts = hosts.iter().map(|host| host.parse().unwrap()).collect();
            let began = now().minus(Lifetime::days(2));
            let request = LeafRequest::new(role, name(named), hosts, began, lifetime.parse().unwrap());
            let key = PrivateKey::generate(KeyAlgorithm::Ed25519).ok().unwrap();
            let current = ObservedGeneration {
                number: numbered(1),
                chain: vec![self.authority.issue(&request, key.public_key()).unwrap()],
                trust: TrustBundle::new(vec![self.authority.certificate().clone()]),
                key: KeyPresence::Present,
            };
            let identity = ObservedIdentity { current: Some(current), ..ObservedIdentity::default() };
            let identities = match role {
                Role::Daemon => &mut self.observation.daemons,
                Role::Client => &mut self.observation.clients,
            };
            identities.entry(name(named)).or_insert(identity)
        }

        fn recovered(&self) -> Recovery {
            let recovery = recover(&self.observation, now()).unwrap();
            let text = recovery.inventory.render();
            let read = Inventory::parse(text.as_bytes(), Path::new("kitcert.yaml")).unwrap();
            assert_eq!(read, recovery.inventory, "what is written is read again");
            recovery
        }
    }

    #[test]
    fn what_certificates_and_records_say_is_listed_again() {
        let mut remains = Remains::of("Acme builders", "8y");
        remains.issue(Role::Daemon, "builder", &["*.example.com", "10.0.0.5"], "300d");
        remains.issue(Role::Client, "ana", &[], "12h");
        let uses = [Use { daemon: name("builder"), host: "b.example.com".parse().unwrap() }];
        remains.issue(Role::Client, "ben", &[], "30d").record.uses = uses.into();
        let recovery = remains.recovered();
        let Inventory { authority, daemons, clients, .. } = &recovery.inventory;
        assert_eq!((authority.name.as_str(), authority.lifetime.to_string()), ("Acme builders", "8y".into()));
        assert_eq!(authority.key, KeyAlgorithm::Ed25519);
        let builder = &daemons[&name("builder")];
        assert_eq!(builder.hosts, ["*.example.com".parse().unwrap(), "10.0.0.5".parse().unwrap()]);
        assert_eq!(builder.endpoint.to_string(), "tcp://10.0.0.5:8372");
        assert_eq!(builder.lifetime, Lifetime::days(300));
        let client =
            |named| (clients[&name(named)].lifetime.to_string(), clients[&name(named)].endpoint.clone());
        assert_eq!(client("ana"), ("12h".to_owned(), None));
        assert_eq!(client("ben"), ("30d".to_owned(), Some("tcp://b.example.com:8372".parse().unwrap())));
    }

    #[test]
    fn every_ca_is_open_until_the_longest_lifetime_has_passed_and_never_less_long_than_before() {
        let mut remains = Remains::of("Acme", "8y");
        remains.issue(Role::Client, "ana", &[], "30d");
        let until = |recovery: &Recovery| {
            let steps = recovery.plan.state.iter().filter_map(|step| match step {
                StateStep::Open(_, until) => Some(*until),
                _ => None,
            });
            steps.collect::<Vec<_>>()
        };
        let in_a_month = now().plus(Lifetime::days(30));
        assert_eq!(until(&remains.recovered()), [in_a_month]);
        remains.observation.authorities[0].record.open_until = OpenUntil::Time(in_a_month);
        assert!(until(&remains.recovered()).is_empty());
        let week = remains.issue(Role::Daemon, "b", &["b"], "300d").current.clone().unwrap();
        remains.observation.daemons.clear();
        remains.observation.issued = vec![week.leaf().clone(), remains.authority.certificate().clone()];
        assert_eq!(until(&remains.recovered()), [now().plus(Lifetime::days(300))], "a daemon that is lost");
    }

    #[test]
    fn who_is_retired_stays_out_and_who_cannot_be_listed_is_named() {
        let mut remains = Remains::of("Acme", "8y");
        remains.issue(Role::Client, "gone", &[], "30d").record.retired = Some(now());
        remains.issue(Role::Daemon, "gone", &["g"], "30d").history.retired = Some(now());
        remains.issue(Role::Daemon, "wild", &["*.example.com"], "30d");
        remains.issue(Role::Client, "half", &[], "30d").current = None;
        let recovery = remains.recovered();
        assert!(recovery.inventory.daemons.is_empty() && recovery.inventory.clients.is_empty());
        let subjects: Vec<&str> = recovery.unknown.iter().map(|one| one.subject.as_str()).collect();
        assert_eq!(subjects, ["at the top", "daemon wild", "client half"]);
        // A client that dials it says how it is called.
        let uses = [Use { daemon: name("wild"), host: "w.example.com".parse().unwrap() }];
        remains.issue(Role::Client, "ana", &[], "30d").record.uses = uses.into();
        let endpoint = remains.recovered().inventory.daemons[&name("wild")].endpoint.to_string();
        assert_eq!(endpoint, "tcp://w.example.com:8372");
    }

    #[test]
    fn a_lifetime_that_cannot_be_told_is_one_that_kitcert_yaml_may_have() {
        let mut remains = Remains::of("Acme", "2y");
        remains.issue(Role::Client, "long", &[], "20y");
        remains.issue(Role::Daemon, "longer", &["l"], "366d");
        let recovery = remains.recovered();
        assert_eq!(recovery.inventory.clients[&name("long")].lifetime, CLIENT_LIFETIME);
        assert_eq!(recovery.inventory.daemons[&name("longer")].lifetime, Lifetime::days(365));
        let named = |subject: &str| recovery.unknown.iter().any(|one| one.subject == *subject);
        assert!(named("client long") && named("daemon longer"));
    }

    #[test]
    fn without_a_ca_nothing_is_written() {
        let mut remains = Remains::of("Acme", "8y");
        remains.observation.authorities.clear();
        assert!(recover(&remains.observation, now()).is_err());
    }
}
