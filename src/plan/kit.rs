//! Kits: to whom, for which daemon, until when.

use std::path::PathBuf;

use super::steps::{InventoryStep, KitTerms, StateStep};
use crate::layout::{DaemonEntry, Inventory, InventoryChange};
use crate::message;
use crate::model::{
    Contact, Endpoint, ExitCode, Failure, Finding, IdentityName, Lifetime, Quoted, Role, Rule, Severity,
    Timestamp,
};
use crate::store::{Observation, ObservedAuthority, Use};

/// The kit that a command was asked for.
#[derive(Clone, Debug)]
pub struct KitRequest {
    /// Where it is written.
    pub path: PathBuf,
    /// The daemon; None: the client's own in kitcert.yaml, or the only one.
    pub endpoint: Option<Endpoint>,
    /// Whom to ask; None: as kitcert.yaml says.
    pub contact: Option<Contact>,
    /// For how long it may be joined.
    pub join_within: Lifetime,
}

impl KitRequest {
    /// A renewal, which waits in the state for as long as its certificate lives.
    #[must_use]
    pub(super) fn waiting(lifetime: Lifetime) -> KitRequest {
        KitRequest { path: PathBuf::new(), endpoint: None, contact: None, join_within: lifetime }
    }

    /// What the kit will say.
    ///
    /// # Errors
    /// Several daemons of which none is named.
    pub(super) fn terms(
        &self,
        name: &IdentityName,
        observation: &Observation,
        user: &Contact,
        now: Timestamp,
    ) -> Result<KitTerms, Failure> {
        let contact = self.contact.as_ref().or(observation.inventory.contact.as_ref());
        Ok(KitTerms {
            name: name.clone(),
            endpoint: self.endpoint_of(name, observation)?,
            contact: contact.unwrap_or(user).clone(),
            created: now,
            join_before: now.plus(self.join_within),
        })
    }

    /// The endpoint that was named, where kitcert.yaml would not lead to it: it is written there,
    /// so that renewals name it too.
    pub(super) fn endpoint_to_remember(
        &self,
        name: &IdentityName,
        observation: &Observation,
    ) -> Option<Endpoint> {
        let inventory = &observation.inventory;
        let known = inventory.clients.get(name).and_then(|client| client.endpoint.as_ref());
        let by_default = by_default(inventory);
        self.endpoint.clone().filter(|endpoint| known.or(by_default) != Some(endpoint))
    }

    /// The same, as a step for a client that kitcert.yaml lists.
    pub(super) fn endpoint_step(&self, name: &IdentityName, observation: &Observation) -> Option<StateStep> {
        let endpoint = self.endpoint_to_remember(name, observation)?;
        let change = InventoryChange::SetEndpoint(name.clone(), endpoint);
        observation
            .inventory
            .clients
            .contains_key(name)
            .then(|| StateStep::Inventory(InventoryStep::Edit(vec![change])))
    }

    fn endpoint_of(&self, name: &IdentityName, observation: &Observation) -> Result<Endpoint, Failure> {
        let inventory = &observation.inventory;
        let listed = inventory.clients.get(name).and_then(|client| client.endpoint.as_ref());
        if let Some(endpoint) = self.endpoint.as_ref().or(listed) {
            return Ok(endpoint.clone());
        }
        // Where there is a choice, a new client is not given a daemon that nobody has named.
        let is_clear = inventory.daemons.len() == 1 || observation.clients.contains_key(name);
        by_default(inventory).filter(|_| is_clear).cloned().ok_or_else(|| {
            let path = observation.path.join("kitcert.yaml");
            let failure = Failure::new("choosing the daemon of client", name)
                .expected(message!("--endpoint, or endpoint: of it in {}", path.display()))
                .exit(ExitCode::Usage);
            match inventory.daemons.values().next() {
                None => failure
                    .found("neither, and no daemon")
                    .hint("issue a daemon its certificate first, with each host that clients dial"),
                // A rotation has no such option.
                Some(_) if self.path.as_os_str().is_empty() => failure
                    .expected(message!("endpoint: of it, or of defaults, in {}", path.display()))
                    .found(message!("neither, and {} daemons", inventory.daemons.len()))
                    .hint(message!(
                        "${EDITOR:-vi} {}   # clients: {}: endpoint:",
                        Quoted(path.display()),
                        name
                    )),
                Some(first) => failure
                    .found(message!("neither, and {} daemons", inventory.daemons.len()))
                    .again(message!(
                        "--endpoint {}   # or that of another daemon of kitcert.yaml",
                        first.endpoint
                    )),
            }
        })
    }
}

/// The daemon of clients that say no other.
fn by_default(inventory: &Inventory) -> Option<&Endpoint> {
    let mut daemons = inventory.daemons.values();
    let only = daemons.next().filter(|_| daemons.next().is_none());
    inventory.defaults.endpoint.as_ref().or(only.map(|only| &only.endpoint))
}

impl KitTerms {
    /// The steps that note which daemons its client uses, where they are of the state and not noted yet.
    /// Several may stand behind one name.
    pub(super) fn use_steps(&self, observation: &Observation) -> Vec<StateStep> {
        let host = self.endpoint.host();
        let daemons = &observation.inventory.daemons;
        let is_told = daemons.values().any(|entry| entry.endpoint == self.endpoint);
        // Where the endpoint is a daemon's own, another port of the host is another daemon.
        let may_answer = |entry: &DaemonEntry| {
            entry.endpoint == self.endpoint
                || entry.hosts.iter().any(|one| one.covers(host))
                    && (!is_told || entry.endpoint.port() == self.endpoint.port())
        };
        let client = observation.clients.get(&self.name);
        let uses = client.map(|client| &client.record.uses);
        let used: Vec<Use> = daemons
            .iter()
            .filter(|(_, entry)| may_answer(entry))
            .map(|(daemon, _)| Use { daemon: daemon.clone(), host: host.clone() })
            .collect();
        if used.is_empty() {
            // Something before a daemon: nobody knows which.
            let is_known = uses.is_some_and(|uses| !uses.is_empty());
            return if is_known { vec![StateStep::UseAny(self.name.clone())] } else { Vec::new() };
        }
        // What a client was given before it may use with any daemon.
        let uses_any = client.is_some_and(|client| client.record.uses.is_empty() && client.current.is_some());
        let is_new = |used: &Use| !uses_any && uses.is_none_or(|uses| !uses.contains(used));
        used.into_iter().filter(is_new).map(|used| StateStep::Use(self.name.clone(), used)).collect()
    }

    /// What will keep the client from its daemon, although the kit is right.
    #[must_use]
    pub fn findings(&self, inventory: &Inventory) -> Vec<Finding> {
        let finding = |rule| Finding::new(rule, Severity::Warning, &self.endpoint);
        let host = self.endpoint.host();
        if self.endpoint.is_loopback() {
            return vec![
                finding(Rule::LoopbackHost)
                    .expected("a host that the client reaches")
                    .found(message!("one that is {}'s own machine", self.name))
                    .fix(
                        "make it again, with --endpoint and a name of this machine that the client can dial",
                    ),
            ];
        }
        let is_named =
            inventory.daemons.values().any(|daemon| daemon.hosts.iter().any(|one| one.covers(host)));
        if is_named {
            return Vec::new();
        }
        vec![
            finding(Rule::ServerNameMismatch)
                .expected(message!("a daemon of kitcert.yaml with {} among its hosts", host))
                .found("none: no client can verify it by that name")
                .fix(message!("add {} to the daemon's hosts in kitcert.yaml, then: {kitcert} rotate", host)),
        ]
    }
}

/// The CA that has issued what a client's waiting kit holds, and signs the kit. A client that trusts none of
/// the kit's CAs, as after a compromise, is asked for its fingerprint by `join`.
pub(super) fn issuer_of_kit<'a>(
    name: &IdentityName,
    observation: &'a Observation,
) -> Option<&'a ObservedAuthority> {
    observation.issuer_of(observation.current(Role::Client, name)?.leaf())
}
