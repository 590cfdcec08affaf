//! What a rotation is asked for, what it looks at, and what it does.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::layout::{CommandLine, Inventory, RestartWhen};
use crate::message;
use crate::model::{Contact, IdentityName, Message, Role, Timestamp};
use crate::pki::{Certificate, Receipt};
use crate::plan::request::KeyRenewal;
use crate::plan::steps::Plan;
use crate::plan::summary::StepSummary;

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
    /// Whether another CA is wanted.
    pub authority: AuthorityRotation,
    /// What becomes of the keys of CAs that nothing is signed by any more.
    pub former_keys: FormerKeys,
    /// The clients that a rollover leaves behind.
    pub dropped: Vec<IdentityName>,
    /// Who asks, whom kits name where kitcert.yaml names nobody.
    pub user: Contact,
}

impl RotateRequest {
    /// What is due of everything, and nothing beyond it.
    #[must_use]
    pub fn new(user: Contact) -> RotateRequest {
        RotateRequest {
            names: Vec::new(),
            scope: RotationScope::Due,
            key: KeyRenewal::Keep,
            received: Vec::new(),
            authority: AuthorityRotation::IfNeeded,
            former_keys: FormerKeys::Keep,
            dropped: Vec::new(),
            user,
        }
    }
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

/// What becomes of the keys of former CAs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FormerKeys {
    /// They stay.
    #[default]
    Keep,
    /// They are removed.
    Destroy,
}

/// Whether a rotation moves everything to another CA.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AuthorityRotation {
    /// It goes on with a rollover that is under way, and begins one where the CA's remaining life
    /// does not cover a new certificate's.
    #[default]
    IfNeeded,
    /// It begins one, unless one is under way.
    Begun,
    /// The CA's key is known to somebody: nothing of it is trusted any more, at once.
    Compromised,
    /// It goes to that CA, from which everything came.
    Back(String),
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
    /// Every certificate ever issued; read only where something is renewed or rolls over.
    pub issued: Vec<Certificate>,
    /// Whether this run has begun a rollover, or gone on with one: it begins no other.
    pub has_begun: bool,
    /// Whether `issued` was read: before, it is not known whether all clients have moved.
    pub is_complete: bool,
    /// The clients whose kits wait and whose former certificates have all expired.
    pub lapsed: BTreeSet<IdentityName>,
    /// The identities whose installed copies are not their current set.
    pub outdated: BTreeSet<(Role, IdentityName)>,
}

/// What a rotation does.
#[derive(Clone, Debug, Default)]
pub struct Rotation {
    /// The changes of the state.
    pub plan: Plan,
    /// The daemons that are to be placed, restarted and verified.
    pub daemons: Vec<IdentityName>,
    /// Of these, the ones whose current generation has worked: they are verified again, and restarted
    /// only if that fails.
    pub verified_again: BTreeSet<IdentityName>,
    /// The daemons that are not verified, and that this rotation leaves alone.
    pub unverified: Vec<IdentityName>,
    /// The clients whose installed copies are to be replaced.
    pub clients: Vec<IdentityName>,
    /// What is done or to be said, identity by identity.
    pub rows: Vec<RotationRow>,
    /// Whether a rollover is under way.
    pub rolls_over: bool,
}

/// What a rotation does about one identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RotationRow {
    /// `daemon`, `client` or `ca`.
    pub kind: &'static str,
    /// Its name.
    pub name: Message,
    /// What.
    pub action: RotationAction,
    /// Why, or what is left for a person to do.
    pub reason: Message,
    /// The end of its certificate, in RFC 3339, where it gets a new one.
    pub expires: Option<Timestamp>,
    /// Which identity it is; None for a CA.
    #[serde(skip)]
    pub identity: Option<(Role, IdentityName)>,
    /// Whether a rollover waits for it.
    #[serde(skip)]
    pub holds_rollover: bool,
}

/// What becomes of an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RotationAction {
    /// It gets its first certificate.
    Issued,
    /// It gets another one.
    Renewed,
    /// Nothing new; it is to be verified that its daemon serves what it has.
    ToVerify,
    /// Its installed copies are replaced.
    Placed,
    /// It was said to have its certificate.
    Received,
    /// A rollover leaves it behind.
    Left,
    /// The key of a former CA is removed.
    Destroyed,
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
            RotationAction::ToVerify => "to verify",
            RotationAction::Placed => "placed",
            RotationAction::Received => "received",
            RotationAction::Left => "left",
            RotationAction::Destroyed => "destroyed",
            RotationAction::Reported => "reported",
        }
    }
}

impl Rotation {
    /// What is done, a row a step: the changes of the state, and what follows them.
    #[must_use]
    pub fn summary(&self, inventory: &Inventory) -> Vec<StepSummary> {
        let mut steps = self.plan.summary();
        for (role, names) in [(Role::Client, &self.clients), (Role::Daemon, &self.daemons)] {
            let is_again = |name| role == Role::Daemon && self.verified_again.contains(name);
            steps.extend(names.iter().flat_map(|name| follow_up(inventory, role, name, is_again(name))));
        }
        steps
    }

    /// Whether there is nothing to do; something may be to be said all the same.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.plan.is_empty() && self.daemons.is_empty() && self.clients.is_empty()
    }
}

/// What happens to an identity once its current set is on disk.
fn follow_up(inventory: &Inventory, role: Role, name: &IdentityName, is_again: bool) -> Vec<StepSummary> {
    let step = |step, detail| StepSummary { step, subject: message!("{} {}", role, name), detail };
    let daemon = inventory.daemons.get(name).filter(|_| role == Role::Daemon);
    let root = daemon.and_then(|daemon| daemon.install.as_ref());
    let root = root.map(|install| install.root.join(install.layout.folder()));
    let copies = inventory.installed(role, name).unwrap_or_default().iter().cloned();
    let places = root.into_iter().chain(copies);
    let mut steps: Vec<_> = places.map(|place| step("install", message!("in {}", place.display()))).collect();
    let Some(daemon) = daemon else { return steps };
    let verify = step("verify", message!("at {}", daemon.endpoint));
    let restart = (!daemon.restart.is_empty()).then(|| {
        let when = match daemon.restart_when {
            RestartWhen::Now => "",
            RestartWhen::Idle => ", when it has no session",
        };
        let unless = if is_again { ", unless it is verified as it is" } else { "" };
        step("restart", message!("{}{}{}", CommandLine(&daemon.restart), when, unless))
    });
    steps.extend(restart.into_iter().chain([verify]));
    steps
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
