//! What a rotation is asked for, what it looks at, and what it does.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;

use crate::layout::{CommandLine, Inventory, RestartWhen};
use crate::message;
use crate::model::{
    AuthorityId, Contact, ExitCode, Failure, IdentityName, Message, Role, Selector, Timestamp,
};
use crate::plan::request::KeyRenewal;
use crate::plan::steps::{Plan, StateStep};
use crate::plan::summary::StepSummary;
use crate::store::{Observation, ObservedIdentity, RolloverRecord};

/// What `rotate` was asked for.
#[derive(Clone, Debug)]
pub struct RotateRequest {
    /// The daemons and clients; empty: all.
    pub names: Vec<Selector>,
    /// Whether only what is due.
    pub scope: RotationScope,
    /// Whether a renewal keeps its key.
    pub key: KeyRenewal,
    /// Whether another CA is wanted.
    pub authority: AuthorityRotation,
    /// The clients that may be locked out.
    pub lock_out: BTreeSet<IdentityName>,
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
            authority: AuthorityRotation::IfNeeded,
            lock_out: BTreeSet::new(),
            user,
        }
    }

    /// Whether it is about that identity.
    pub(super) fn names_it(&self, role: Role, name: &IdentityName) -> bool {
        self.names.is_empty() || self.names.iter().any(|one| one.means(role, name))
    }

    /// Whether it is about shutting out whoever has the key of a CA.
    #[must_use]
    pub(crate) fn is_emergency(&self, observation: &Observation) -> bool {
        matches!(self.authority, AuthorityRotation::Compromised(_))
            || observation.rollover.as_ref().is_some_and(RolloverRecord::is_emergency)
    }

    /// The command that asks for it, as far as it says which way a rollover goes.
    #[must_use]
    pub(crate) fn command(&self) -> Message {
        match &self.authority {
            AuthorityRotation::IfNeeded => message!("{kitcert} rotate"),
            AuthorityRotation::Begun => message!("{kitcert} ca rollover start"),
            AuthorityRotation::Back => message!("{kitcert} ca rollover abort"),
            AuthorityRotation::Compromised(None) => message!("{kitcert} ca rollover start --compromised"),
            AuthorityRotation::Compromised(Some(id)) => {
                message!("{kitcert} ca rollover start --compromised={}", id)
            }
        }
    }
}

/// Which certificates a rotation renews.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RotationScope {
    /// Those that are due.
    #[default]
    Due,
    /// All that it is about.
    Forced,
    /// None: only the daemons are given what shuts somebody out, or lets somebody in again.
    Access,
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
    /// The key of a CA is known to somebody: nothing of it is trusted any more, at once. Which one; None:
    /// the one that is in use, or was before the rollover.
    Compromised(Option<AuthorityId>),
    /// It goes back to the CA from which everything came.
    Back,
}

/// What was seen besides the state itself.
#[derive(Clone, Debug, Default)]
pub struct RotationFacts {
    /// Whether this run has begun a rollover, or gone on with one: it begins no other.
    pub has_begun: bool,
    /// The clients whose kits wait and whose previous certificates have all expired.
    pub lapsed: BTreeSet<IdentityName>,
    /// The daemons that stay as they are: another command is at work on them, or their clocks and the one
    /// here disagree.
    pub left_alone: BTreeSet<IdentityName>,
    /// The clients of which some copies that kitcert.yaml notes cannot be replaced, and why.
    pub stuck: BTreeMap<IdentityName, Message>,
    /// The identities whose keys were to be kept and cannot be read, and why.
    pub unreadable: BTreeMap<(Role, IdentityName), Failure>,
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
    /// What is due and cannot be done, and why.
    pub unable: Vec<((Role, IdentityName), Failure)>,
    /// Whether a rollover is under way.
    pub rolls_over: bool,
    /// Whether nothing of a previous CA may be trusted any more.
    pub is_emergency: bool,
    /// The daemons that may let somebody in who is to be shut out at once, and whom: nobody waits for builds
    /// there.
    pub lets_in: BTreeMap<IdentityName, BTreeSet<Message>>,
    /// Those of them that nobody renews, or that this rotation leaves alone.
    pub left_letting_in: BTreeSet<IdentityName>,
    /// The daemons that let somebody in whom no name stops.
    pub unstoppable: BTreeSet<IdentityName>,
    /// The clients that would be locked out by what was not done for that reason.
    pub locked_out: BTreeSet<IdentityName>,
}

/// What a rotation does about one identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RotationRow {
    /// `daemon`, `client` or `ca`; `certificate` of one of `issued/` that cannot be read.
    pub kind: &'static str,
    /// Its name.
    pub name: Message,
    /// What is done, or was.
    pub action: RotationAction,
    /// Why, or what is left for a person to do.
    pub reason: Message,
    /// What is left for a person to do where something is done, too.
    pub next: Option<Message>,
    /// The end of its certificate, in RFC 3339, where it gets a new one.
    pub expires: Option<Timestamp>,
    /// Which identity it is; None for a CA.
    pub identity: Option<(Role, IdentityName)>,
    /// Whether a rollover waits for it.
    pub holds_rollover: bool,
}

impl RotationRow {
    /// The reason, and what is left to do.
    #[must_use]
    pub fn why(&self) -> Message {
        self.next.as_ref().map_or_else(|| self.reason.clone(), |next| message!("{}; {}", self.reason, next))
    }
}

/// What becomes of an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
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
    /// A change of it would lock clients out, and is not made.
    Refused,
    /// It gets in no more until it has its new certificate.
    LockedOut,
    /// It is retired, and does not move to another CA.
    LeftBehind,
    /// Nothing of a CA is trusted any more.
    Distrusted,
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
            RotationAction::Refused => "refused",
            RotationAction::LockedOut => "locked out",
            RotationAction::LeftBehind => "left behind",
            RotationAction::Distrusted => "distrusted",
            RotationAction::Reported => "reported",
        }
    }
}

impl Rotation {
    /// What is done, a row a step: the changes of the state, and what follows them.
    #[must_use]
    pub fn summary(&self, inventory: &Inventory) -> Vec<StepSummary> {
        let mut steps = self.plan.summary();
        for (role, names) in [(Role::Daemon, &self.daemons), (Role::Client, &self.clients)] {
            let is_again = |name| role == Role::Daemon && self.verified_again.contains(name);
            steps.extend(names.iter().flat_map(|name| follow_up(inventory, role, name, is_again(name))));
        }
        steps
    }

    /// Takes back what was planned for an identity.
    pub(super) fn leave_out(&mut self, role: Role, name: &IdentityName) {
        self.plan.state.retain(|step| match step {
            StateStep::Issue(issuance) => (issuance.role, &issuance.name) != (role, name),
            StateStep::Rebundle { role: of, name: whose, .. }
            | StateStep::Prune { role: of, name: whose, .. } => (*of, whose) != (role, name),
            StateStep::Kit(terms) => (Role::Client, &terms.name) != (role, name),
            _ => true,
        });
        match role {
            Role::Daemon => self.daemons.retain(|one| one != name),
            Role::Client => self.clients.retain(|one| one != name),
        }
        self.rows.retain(|row| row.identity.as_ref() != Some(&(role, name.clone())));
    }

    /// Whether somebody is to be shut out at once.
    #[must_use]
    pub(crate) fn is_urgent(&self) -> bool {
        self.is_emergency || !self.lets_in.is_empty()
    }

    /// Whether there is nothing to do; something may be to be said all the same.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.plan.is_empty() && self.daemons.is_empty() && self.clients.is_empty()
    }
}

/// What happens to an identity once its current set is on disk.
pub(in crate::plan) fn follow_up(
    inventory: &Inventory,
    role: Role,
    name: &IdentityName,
    is_again: bool,
) -> Vec<StepSummary> {
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
            RestartWhen::Idle => ", when no build is running; at once if the daemon does not tell",
        };
        let unless = if is_again { ", unless it is verified as it is" } else { "" };
        step("restart", message!("{}{}{}", CommandLine(&daemon.restart), when, unless))
    });
    steps.extend(restart.into_iter().chain([verify]));
    steps
}

/// Refuses names that nobody has, or that nobody renews.
///
/// # Errors
/// Such a name.
pub(super) fn refuse_unknown(request: &RotateRequest, observation: &Observation) -> Result<(), Failure> {
    let inventory = &observation.inventory;
    let all = [
        (Role::Daemon, inventory.daemons.keys().chain(observation.daemons.keys()).collect::<Vec<_>>()),
        (Role::Client, inventory.clients.keys().chain(observation.clients.keys()).collect()),
    ];
    let is_known = |selector: &Selector| {
        all.iter().any(|(role, names)| names.iter().any(|name| selector.means(*role, name)))
    };
    let is_retired = |selector: &Selector| {
        let mut meant = all.iter().flat_map(|(role, names)| {
            let meant = names.iter().filter(|name| selector.means(*role, name));
            meant.map(|name| observation.identities(*role).get(*name))
        });
        meant.all(|one| one.is_some_and(ObservedIdentity::is_retired))
    };
    let refused =
        |name: &Selector| Failure::new("rotating", name).hint("{kitcert} status").exit(ExitCode::Usage);
    if let Some(name) = request.names.iter().find(|selector| !is_known(selector)) {
        let expected = message!("a daemon or a client of {}/kitcert.yaml", observation.path.display());
        let known = all.iter().flat_map(|(_, names)| names.iter().copied());
        let found = message!("another name{}", name.name.did_you_mean(known));
        return Err(refused(name).expected(expected).found(found));
    }
    match request.names.iter().find(|selector| is_retired(selector)) {
        Some(selector) => {
            let role = selector.role.unwrap_or(match observation.daemons.contains_key(&selector.name) {
                true => Role::Daemon,
                false => Role::Client,
            });
            Err(refused(selector)
                .expected("one that is renewed")
                .found("one that is retired")
                .hint(message!("{kitcert} issue {} {}   # renews it again", role, selector.name)))
        }
        None => Ok(()),
    }
}
