//! `rotate`: what is due is renewed, what is listed and missing is issued, and what is not proven
//! goes on at restart and prove.

use std::collections::BTreeSet;

use serde::Serialize;

use super::due::is_due;
use super::issue::{kept_or_new, key_of_client, names_are, next_generation, validity};
use super::kit::KitRequest;
use super::lock_out::refuse_lock_out;
use super::request::KeyRenewal;
use super::step::{Issuance, KeySource, Plan, Reason, StateStep};
use crate::layout::Renewal;
use crate::model::profile::KEY_AGE;
use crate::model::{Contact, ExitCode, Failure, IdentityName, Lifetime, Role, SubjectAltName, Timestamp};
use crate::pki::{Certificate, Receipt};
use crate::store::{KeyPresence, Observation, ObservedGeneration, ObservedIdentity};

/// What `rotate` was asked for.
#[derive(Clone, Debug)]
pub struct RotateRequest {
    /// The daemons and clients; empty: all.
    pub names: Vec<IdentityName>,
    /// Whether only what is due.
    pub scope: RotationScope,
    /// Whether a renewal keeps its key.
    pub key: KeyRenewal,
    /// The clients of which it is known that they have their certificate.
    pub received: Vec<Reception>,
    /// Who asks, whom kits name where kitcert.yaml names nobody.
    pub user: Contact,
}

/// Which certificates a rotation renews.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RotationScope {
    /// Those that are due.
    #[default]
    Due,
    /// All that it is about; and a change that locks somebody out is no reason to stop.
    Forced,
}

/// By what it is known that a client has its certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reception {
    /// Somebody says so.
    Told(IdentityName),
    /// Its key says so.
    Signed(Receipt),
}

/// What was seen besides the state itself.
#[derive(Clone, Debug, Default)]
pub struct RotationFacts {
    /// Every certificate ever issued; only looked at where something is renewed.
    pub issued: Vec<Certificate>,
    /// The identities whose installed copies are not their current set.
    pub outdated: BTreeSet<(Role, IdentityName)>,
}

/// What a rotation does.
#[derive(Clone, Debug, Default)]
pub struct Rotation {
    /// The changes of the state.
    pub plan: Plan,
    /// The daemons that are to be placed, restarted and proven.
    pub daemons: Vec<IdentityName>,
    /// The clients whose installed copies are to be replaced.
    pub clients: Vec<IdentityName>,
    /// What is done or to be said, identity by identity.
    pub rows: Vec<RotationRow>,
}

/// What a rotation does about one identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RotationRow {
    /// `daemon` or `client`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// What.
    pub action: RotationAction,
    /// Why, or what is left for a person to do.
    pub reason: String,
    /// The end of its certificate, in RFC 3339, where it gets a new one.
    pub expires: Option<String>,
}

/// What becomes of an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RotationAction {
    /// It gets its first certificate.
    Issued,
    /// It gets another one.
    Renewed,
    /// Nothing new; it is to be shown that its daemon serves what it has.
    ToProve,
    /// Its installed copies are replaced.
    Placed,
    /// It was said to have its certificate.
    Received,
    /// Nothing; a person has something to do.
    Reported,
}

impl RotationAction {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            RotationAction::Issued => "issued",
            RotationAction::Renewed => "renewed",
            RotationAction::ToProve => "to prove",
            RotationAction::Placed => "placed",
            RotationAction::Received => "received",
            RotationAction::Reported => "reported",
        }
    }
}

impl Rotation {
    /// Whether there is nothing to do; something may be to be said all the same.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.plan.is_empty() && self.daemons.is_empty() && self.clients.is_empty()
    }
}

/// Plans a rotation.
///
/// # Errors
/// A name that nobody has, a receipt that is for no current certificate, no CA that can issue, and
/// a change that would lock a client out.
pub fn rotate(
    request: &RotateRequest,
    observation: &Observation,
    facts: &RotationFacts,
    now: Timestamp,
) -> Result<Rotation, Failure> {
    refuse_unknown(request, observation)?;
    let mut planner = Planner { request, observation, facts, now, rotation: Rotation::default() };
    for reception in &request.received {
        planner.receive(reception)?;
    }
    let is_meant = |name: &IdentityName| request.names.is_empty() || request.names.contains(name);
    for (name, entry) in observation.inventory.daemons.iter().filter(|(name, _)| is_meant(name)) {
        planner.daemon(name, &entry.hosts, entry.lifetime)?;
    }
    for (name, entry) in observation.inventory.clients.iter().filter(|(name, _)| is_meant(name)) {
        planner.client(name, entry.renew, entry.lifetime)?;
    }
    let inventory = &observation.inventory;
    let is_passed_over = |name: &IdentityName| !is_meant(name);
    planner
        .report_unlisted(Role::Daemon, |name| inventory.daemons.contains_key(name) || is_passed_over(name));
    planner
        .report_unlisted(Role::Client, |name| inventory.clients.contains_key(name) || is_passed_over(name));
    let rotation = planner.rotation;
    if request.scope == RotationScope::Due {
        refuse_lock_out(&rotation.plan, observation, &facts.issued, now)?;
    }
    Ok(rotation)
}

struct Planner<'a> {
    request: &'a RotateRequest,
    observation: &'a Observation,
    facts: &'a RotationFacts,
    now: Timestamp,
    rotation: Rotation,
}

impl Planner<'_> {
    fn daemon(
        &mut self,
        name: &IdentityName,
        hosts: &[SubjectAltName],
        lifetime: Lifetime,
    ) -> Result<(), Failure> {
        let identity = self.observation.daemons.get(name);
        let current = identity.and_then(|identity| identity.current.as_ref());
        let reason = match current {
            None => Some(Reason::NotIssued),
            Some(current) if !names_are(current, hosts) => Some(Reason::HostsChanged),
            Some(current) => self.reason_to_renew(Role::Daemon, name, current),
        };
        if let Some(reason) = reason {
            let key = self.key(current, kept_or_new(current, self.observation));
            self.issue(Role::Daemon, name, hosts, lifetime, key, reason)?;
            self.rotation.daemons.push(name.clone());
            return Ok(());
        }
        let is_placed = !self.facts.outdated.contains(&(Role::Daemon, name.clone()));
        if identity.is_some_and(ObservedIdentity::is_proven) && is_placed {
            return Ok(());
        }
        let reason = if is_placed { "not proven yet" } else { "other files are installed" };
        self.say(Role::Daemon, name, RotationAction::ToProve, reason);
        self.rotation.daemons.push(name.clone());
        Ok(())
    }

    fn client(&mut self, name: &IdentityName, renew: Renewal, lifetime: Lifetime) -> Result<(), Failure> {
        let current = self.observation.current(Role::Client, name);
        let reason = match current {
            None => Some(Reason::NotIssued),
            Some(current) => self.reason_to_renew(Role::Client, name, current),
        };
        let is_elsewhere = current.is_some_and(|current| current.key == KeyPresence::Absent);
        let Some(reason) = reason else {
            if self.facts.outdated.contains(&(Role::Client, name.clone())) {
                self.say(Role::Client, name, RotationAction::Placed, "other files are installed");
                self.rotation.clients.push(name.clone());
            } else if self.waits_for(name) {
                self.say(Role::Client, name, RotationAction::Reported, &waiting(self.observation, name));
            }
            return Ok(());
        };
        if is_elsewhere && renew == Renewal::Manual {
            let hint = format!(
                "due, and its key is elsewhere: kitcert issue client {name} --csr FILE --kit FILE, or renew: auto"
            );
            self.say(Role::Client, name, RotationAction::Reported, &hint);
            return Ok(());
        }
        let kit = is_elsewhere
            .then(|| {
                KitRequest::waiting(lifetime).terms(name, self.observation, &self.request.user, self.now)
            })
            .transpose()?;
        let key = self.key(current, key_of_client(current, self.observation));
        self.issue(Role::Client, name, &[], lifetime, key, reason)?;
        match kit {
            Some(terms) => {
                self.rotation.plan.state.push(StateStep::Kit(terms));
                let is_old = current.is_some_and(|current| self.is_old(current));
                let rekey = if is_old { "; its key is older than a year" } else { "" };
                if let Some(row) = self.rotation.rows.last_mut() {
                    row.reason = format!("{}; {}{rekey}", row.reason, waiting(self.observation, name));
                }
            }
            None => self.rotation.clients.push(name.clone()),
        }
        Ok(())
    }

    /// Whether a kit waits for a client and is of use still.
    fn waits_for(&self, name: &IdentityName) -> bool {
        let received = |reception: &Reception| reception.name() == name;
        self.observation.waiting_kits.contains(name) && !self.request.received.iter().any(received)
    }

    fn reason_to_renew(
        &self,
        role: Role,
        name: &IdentityName,
        current: &ObservedGeneration,
    ) -> Option<Reason> {
        if is_due(self.observation, role, name, current, self.now) {
            return Some(Reason::Due);
        }
        (self.request.scope == RotationScope::Forced).then_some(Reason::Asked)
    }

    /// The key as it would be renewed; a new one where that was asked for or it is old, and where
    /// it is ours to make.
    fn key(&self, current: Option<&ObservedGeneration>, kept: KeySource) -> KeySource {
        let is_over = self.request.key == KeyRenewal::Fresh || current.is_some_and(|one| self.is_old(one));
        match kept {
            KeySource::Kept { .. } if is_over => KeySource::New(self.observation.inventory.authority.key),
            kept => kept,
        }
    }

    /// Whether the first certificate of a key was issued more than a year ago.
    fn is_old(&self, current: &ObservedGeneration) -> bool {
        let key = current.leaf().public_key();
        let of_key = self.facts.issued.iter().filter(|one| one.public_key() == key);
        let first = of_key.map(|one| one.validity().not_before).min();
        first.is_some_and(|first| self.now.seconds_since(first) > KEY_AGE.seconds())
    }

    fn issue(
        &mut self,
        role: Role,
        name: &IdentityName,
        hosts: &[SubjectAltName],
        lifetime: Lifetime,
        key: KeySource,
        reason: Reason,
    ) -> Result<(), Failure> {
        let validity = validity(self.observation, lifetime, self.now)?;
        let action = match reason {
            Reason::NotIssued => RotationAction::Issued,
            Reason::Asked | Reason::Due | Reason::HostsChanged => RotationAction::Renewed,
        };
        self.rotation.rows.push(RotationRow {
            kind: kind(role),
            name: name.to_string(),
            action,
            reason: reason.as_str().to_owned(),
            expires: Some(validity.not_after.to_string()),
        });
        self.rotation.plan.state.push(StateStep::Issue(Issuance {
            role,
            name: name.clone(),
            hosts: hosts.to_vec(),
            validity,
            generation: next_generation(self.observation, role, name),
            key,
            reason,
        }));
        let former = self.observation.identities(role).get(name);
        let needless = former.map(needless_generations).unwrap_or_default().into_iter();
        let prune = needless.map(|generation| StateStep::Prune { role, name: name.clone(), generation });
        self.rotation.plan.state.extend(prune);
        Ok(())
    }

    fn receive(&mut self, reception: &Reception) -> Result<(), Failure> {
        let name = reception.name();
        let failure = || Failure::new("taking the word of client", name).hint("kitcert status");
        let Some(current) = self.observation.current(Role::Client, name) else {
            return Err(failure().expected("a client of this state").found("another name"));
        };
        if let Reception::Signed(receipt) = reception
            && !receipt.is_for(current.leaf())
        {
            let serial = current.leaf().serial().to_string();
            let found = match receipt.serial() == serial {
                true => "one signed with another key".to_owned(),
                false => format!("one for {}", receipt.serial()),
            };
            let expected = format!("a receipt for its current certificate ({serial})");
            return Err(failure().expected(expected).found(found));
        }
        if self.observation.waiting_kits.contains(name) {
            self.rotation.plan.state.push(StateStep::Receive(name.clone()));
            self.say(Role::Client, name, RotationAction::Received, "it has its certificate");
        }
        Ok(())
    }

    /// What was taken out of kitcert.yaml is never deleted: its certificates are good until they end.
    fn report_unlisted(&mut self, role: Role, is_listed: impl Fn(&IdentityName) -> bool) {
        let observation = self.observation;
        for (name, identity) in observation.identities(role).iter().filter(|(name, _)| !is_listed(name)) {
            let end = identity.current.as_ref().map(|current| current.leaf().validity().not_after);
            if let Some(end) = end.filter(|end| *end >= self.now) {
                let reason = format!("not in kitcert.yaml; its certificate is good until {}", end.date());
                self.say(role, name, RotationAction::Reported, &reason);
            }
        }
    }

    fn say(&mut self, role: Role, name: &IdentityName, action: RotationAction, reason: &str) {
        self.rotation.rows.push(RotationRow {
            kind: kind(role),
            name: name.to_string(),
            action,
            reason: reason.to_owned(),
            expires: None,
        });
    }
}

impl Reception {
    /// The client.
    #[must_use]
    pub fn name(&self) -> &IdentityName {
        match self {
            Reception::Told(name) => name,
            Reception::Signed(receipt) => receipt.name(),
        }
    }
}

/// The generations that nothing leads to and that are not among the last few.
fn needless_generations(identity: &ObservedIdentity) -> Vec<u32> {
    let current = identity.current.as_ref().map(|current| current.number);
    let recent = identity.generations.len().saturating_sub(KEPT_GENERATIONS);
    let old = identity.generations.iter().take(recent).copied();
    old.filter(|number| Some(*number) != current && Some(*number) != identity.proven).collect()
}

fn waiting(observation: &Observation, name: &IdentityName) -> String {
    format!("hand over {}/kits/{name}.kit", observation.path.display())
}

fn refuse_unknown(request: &RotateRequest, observation: &Observation) -> Result<(), Failure> {
    let is_known = |name: &IdentityName| {
        let inventory = &observation.inventory;
        inventory.daemons.contains_key(name)
            || inventory.clients.contains_key(name)
            || observation.daemons.contains_key(name)
            || observation.clients.contains_key(name)
    };
    match request.names.iter().find(|name| !is_known(name)) {
        None => Ok(()),
        Some(name) => Err(Failure::new("rotating", name)
            .expected(format!("a daemon or a client of {}/kitcert.yaml", observation.path.display()))
            .found("another name")
            .hint("kitcert status")
            .exit(ExitCode::Usage)),
    }
}

fn kind(role: Role) -> &'static str {
    match role {
        Role::Daemon => "daemon",
        Role::Client => "client",
    }
}

/// How many former generations are kept, for a person who wants to look at them.
const KEPT_GENERATIONS: usize = 3;
