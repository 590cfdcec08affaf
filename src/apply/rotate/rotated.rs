//! What came of a rotation, identity by identity.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;

use crate::apply::change::Issued;
use crate::apply::rollout::RolloutResult;
use crate::message;
use crate::model::{ExitCode, Failure, IdentityName, Message, Printable, Role};
use crate::plan::{Rotation, RotationAction, RotationRow, StepSummary};

/// What came of it.
#[derive(Debug, Default)]
pub struct Rotated {
    /// The plan that was carried out, or would be.
    pub rotation: Rotation,
    /// Its steps, a row each.
    pub steps: Vec<StepSummary>,
    /// The certificates that were issued.
    pub issued: Vec<Issued>,
    /// How it ended for each daemon.
    pub rollouts: BTreeMap<IdentityName, RolloutResult>,
    /// The clients whose installed copies could not be replaced.
    pub unplaced: BTreeMap<IdentityName, Failure>,
    /// The clients whose copies on this machine are gone, or not mounted, and where they were.
    pub absent: BTreeMap<IdentityName, Message>,
    /// In an emergency, the clients that have their new files, and the daemons that do not let them in
    /// with these yet.
    pub parted: BTreeMap<IdentityName, BTreeSet<IdentityName>>,
    /// The clients whose copies could not be replaced and that no daemon lets in with what they have.
    pub out: BTreeSet<IdentityName>,
    /// How many identities kitcert.yaml lists.
    pub listed: BTreeMap<Role, usize>,
    /// Where the keys of former CAs are, if a rollover is over.
    pub ended: Option<FormerKeys>,
    /// What ended it before its time, after something was done.
    pub failure: Option<Failure>,
}

/// Where the keys of the CAs are that nothing trusts any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormerKeys {
    /// One is in the state.
    Here,
    /// None is.
    Elsewhere,
}

/// What came of a rotation for one identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityResult {
    /// `daemon`, `client` or `ca`; `certificate` of one of `issued/` that cannot be read.
    pub kind: &'static str,
    /// Its name.
    pub name: Message,
    /// What came of it.
    pub outcome: IdentityOutcome,
    /// What that is worth.
    pub exit: ExitCode,
    /// Whether something of it is different now.
    pub is_changed: bool,
    /// What went wrong, where something did.
    pub why: Option<Message>,
    /// The command that goes on from here.
    pub next: Option<Message>,
}

/// How a rotation ends for one identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum IdentityOutcome {
    /// Everything is as it should be.
    Done,
    /// The guard did not allow it.
    Refused,
    /// The earlier credentials are current and served again.
    RolledBack,
    /// It has new credentials, which are not served yet.
    NotServed,
    /// It serves them, and not as it must.
    Faulty,
    /// It does not serve anything.
    Down,
    /// Another command is at work on it.
    Busy,
    /// It could not be done.
    Failed,
    /// A person has something to do.
    Waiting,
}

impl IdentityOutcome {
    /// The word for it in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            IdentityOutcome::Done => "done",
            IdentityOutcome::Refused => "refused",
            IdentityOutcome::RolledBack => "rolled-back",
            IdentityOutcome::NotServed => "not-served",
            IdentityOutcome::Faulty => "faulty",
            IdentityOutcome::Down => "down",
            IdentityOutcome::Busy => "busy",
            IdentityOutcome::Failed => "failed",
            IdentityOutcome::Waiting => "waiting",
        }
    }

    /// The words for it in a sentence.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            IdentityOutcome::RolledBack => "rolled back",
            IdentityOutcome::NotServed => "not served",
            other => other.as_str(),
        }
    }
}

impl Rotated {
    /// What a later pass did too.
    pub(super) fn add(&mut self, later: Rotated) {
        self.rotation.rows.retain(|row| row.action != RotationAction::Reported);
        let is_said_again = |row: &RotationRow| {
            let mut rows = later.rotation.rows.iter();
            rows.any(|one| one.action == RotationAction::Reported && one.identity == row.identity)
        };
        for row in self.rotation.rows.iter_mut().filter(|row| is_said_again(row)) {
            row.next = None;
        }
        self.rotation.rows.extend(later.rotation.rows);
        self.rotation.rolls_over = later.rotation.rolls_over;
        self.rotation.is_emergency |= later.rotation.is_emergency;
        self.rotation.locked_out.extend(later.rotation.locked_out);
        self.rotation.unable = later.rotation.unable;
        self.rotation.unverified = later.rotation.unverified;
        self.rotation.left_letting_in = later.rotation.left_letting_in;
        self.rotation.unstoppable = later.rotation.unstoppable;
        self.steps.extend(later.steps);
        self.issued.extend(later.issued);
        self.rollouts.extend(later.rollouts);
        let is_settled = |name: &IdentityName| !later.rotation.clients.contains(name);
        self.unplaced.retain(|name, _| is_settled(name));
        self.absent.retain(|name, _| is_settled(name));
        self.out.retain(is_settled);
        self.unplaced.extend(later.unplaced);
        self.absent.extend(later.absent);
        self.out.extend(later.out);
        self.parted = later.parted;
        self.ended = later.ended.or(self.ended);
        self.failure = later.failure;
    }

    /// Whether anything is different now.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        let is_placed = self.rotation.clients.len() > self.unplaced.len();
        let is_left = |result: &RolloutResult| matches!(result, RolloutResult::LeftAlone(_));
        !self.rotation.plan.state.is_empty() || !self.rollouts.values().all(is_left) || is_placed
    }

    /// The clients for whose sake something was not done, or that are out now, at some daemon at least.
    #[must_use]
    pub fn locked_out(&self) -> BTreeSet<&IdentityName> {
        self.rotation.locked_out.iter().chain(self.parted.keys()).chain(&self.out).collect()
    }

    /// What the command ends with.
    #[must_use]
    pub fn exit(&self) -> ExitCode {
        // Until a client of a CA that is compromised, or one that is revoked, is refused everywhere, nothing
        // is done.
        let is_pending = self.rotation.is_emergency && self.rotation.rolls_over
            || !self.rotation.left_letting_in.is_empty()
            || !self.rotation.unstoppable.is_empty();
        let pending = is_pending.then_some(ExitCode::NotServed);
        ExitCode::of_all(std::iter::once(self.outcome()).chain(pending))
    }

    /// What came of all that was done.
    #[must_use]
    pub(crate) fn outcome(&self) -> ExitCode {
        let of_daemons = self.rollouts.values().map(RolloutResult::exit);
        let of_clients = self.unplaced.values().map(Failure::exit_code);
        let unable = self.rotation.unable.iter().map(|(_, failure)| failure.exit_code());
        let is_refused = self.rotation.rows.iter().any(|row| row.action == RotationAction::Refused);
        let refused = is_refused.then_some(ExitCode::Failed);
        let failure = self.failure.as_ref().map(Failure::exit_code);
        ExitCode::of_all(of_daemons.chain(of_clients).chain(unable).chain(refused).chain(failure))
    }

    /// What came of it for each identity that there was something to do for, or to say of.
    #[must_use]
    pub fn results(&self) -> Vec<IdentityResult> {
        let mut told = BTreeSet::new();
        // Of several passes the last row counts.
        let rows = self.rotation.rows.iter().rev();
        let mut results: Vec<IdentityResult> = rows
            .filter(|row| told.insert((row.kind, row.name.clone())))
            .map(|row| IdentityResult { is_changed: self.is_row_changed(row), ..self.of_row(row) })
            .collect();
        results.reverse();
        let is_told = |name: &IdentityName| {
            told.iter().any(|(kind, one)| *kind == "daemon" && one == &name.to_string())
        };
        let others = self.rollouts.iter().filter(|(name, _)| !is_told(name));
        results.extend(others.map(|(name, result)| of_rollout(name, result)));
        results
    }

    /// Whether something of an identity is different now, by any of its rows.
    fn is_row_changed(&self, last: &RotationRow) -> bool {
        let rows = self.rotation.rows.iter().filter(|row| row.kind == last.kind && row.name == last.name);
        let is_change = |row: &RotationRow| {
            matches!(row.action, RotationAction::Issued | RotationAction::Renewed | RotationAction::Placed)
        };
        rows.into_iter().any(is_change)
    }

    /// How many identities ended how.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<IdentityOutcome, usize> {
        let mut counts = BTreeMap::new();
        for result in self.results() {
            *counts.entry(result.outcome).or_default() += 1;
        }
        counts
    }

    /// How many daemons or clients there was nothing to do for, or to say of.
    #[must_use]
    pub fn untouched(&self, role: Role) -> usize {
        let of_role = self.rotation.rows.iter().filter_map(|row| row.identity.as_ref());
        let mut told: BTreeSet<&IdentityName> =
            of_role.filter(|(whose, _)| *whose == role).map(|(_, name)| name).collect();
        if role == Role::Daemon {
            told.extend(self.rollouts.keys());
        }
        self.listed.get(&role).copied().unwrap_or_default().saturating_sub(told.len())
    }

    fn of_row(&self, row: &RotationRow) -> IdentityResult {
        let result = |outcome, exit| IdentityResult {
            kind: row.kind,
            name: row.name.clone(),
            outcome,
            exit,
            is_changed: false,
            why: None,
            next: None,
        };
        let failed = |outcome, failure: &Failure| IdentityResult {
            why: Some(failure.message()),
            next: failure.remedy().map(|remedy| remedy.parted().0),
            ..result(outcome, failure.exit_code())
        };
        let left = |outcome, exit| IdentityResult { why: Some(row.why()), ..result(outcome, exit) };
        let mut unable = self.rotation.unable.iter();
        if let Some((_, failure)) = unable.find(|(whose, _)| Some(whose) == row.identity.as_ref()) {
            return failed(IdentityOutcome::Failed, failure);
        }
        match (&row.identity, row.action) {
            (_, RotationAction::Refused) => left(IdentityOutcome::Refused, ExitCode::Failed),
            (_, RotationAction::Reported | RotationAction::LockedOut) => {
                left(IdentityOutcome::Waiting, ExitCode::Done)
            }
            (_, RotationAction::LeftBehind) => left(IdentityOutcome::Done, ExitCode::Done),
            (Some((Role::Daemon, name)), _) => match self.rollouts.get(name) {
                Some(rollout) => of_rollout(name, rollout),
                None => result(IdentityOutcome::Done, ExitCode::Done),
            },
            (Some((Role::Client, name)), _) => match self.unplaced.get(name) {
                Some(failure) if failure.exit_code() == ExitCode::NotServed => {
                    failed(IdentityOutcome::NotServed, failure)
                }
                Some(failure) => failed(IdentityOutcome::Failed, failure),
                None => match self.absent.get(name) {
                    Some(why) => IdentityResult {
                        why: Some(why.clone()),
                        next: Some(message!("{kitcert} rotate {}", name)),
                        ..result(IdentityOutcome::Waiting, ExitCode::Done)
                    },
                    None => result(IdentityOutcome::Done, ExitCode::Done),
                },
            },
            (None, _) => result(IdentityOutcome::Done, ExitCode::Done),
        }
    }
}

fn of_rollout(name: &IdentityName, rollout: &RolloutResult) -> IdentityResult {
    let outcome = match rollout {
        RolloutResult::Verified { .. } => IdentityOutcome::Done,
        RolloutResult::NotServed { .. } | RolloutResult::HeldBack { .. } | RolloutResult::Untried { .. } => {
            IdentityOutcome::NotServed
        }
        RolloutResult::Faulty { .. } => IdentityOutcome::Faulty,
        RolloutResult::RolledBack { .. } => IdentityOutcome::RolledBack,
        RolloutResult::Down { .. } => IdentityOutcome::Down,
        RolloutResult::LeftAlone(failure) if failure.exit_code() == ExitCode::Busy => IdentityOutcome::Busy,
        RolloutResult::LeftAlone(_) | RolloutResult::Failed(_) => IdentityOutcome::Failed,
    };
    IdentityResult {
        kind: "daemon",
        name: name.message(),
        outcome,
        exit: rollout.exit(),
        is_changed: false,
        why: rollout.why(),
        next: rollout.next(name),
    }
}
