//! Decisions: what is to be done, as values.
//!
//! One pure planner a command: from what was observed, what was asked and the instant, to a
//! [`Plan`]. It makes no key, touches no file and dials nobody, so that `--dry-run` costs nothing
//! and prints exactly what `apply` would do. An empty plan is the usual answer: nothing to do.

mod choice;
mod due;
mod init;
mod install_client;
mod install_daemon;
mod invite;
mod issue;
mod join;
mod kit;
mod lock_out;
mod next_step;
mod printable;
mod request;
mod rollback;
mod rollover;
mod rotate;
mod rotation;
mod step;
mod summary;
mod timeline;
mod verification;

#[cfg(test)]
mod tests;

pub use choice::chosen;
pub use due::{IdentityState, LastVerification, StatusRow, VerificationVantage, longest_leaf, status};
pub use init::{InitRequest, init};
pub use install_client::{
    ConfigFile, InstallClientRequest, ManagedDaemonRequest, install_client, note_installed,
    refuse_keyless_client,
};
pub use install_daemon::{
    InstallDaemonRequest, InstallRequest, Placed, PlacedState, install_daemon, refuse_another,
};
pub use invite::{InviteRequest, invite};
pub use issue::{IssueClientsRequest, IssueDaemonRequest, KeyChange, issue_clients, issue_daemon};
pub use join::{Evidence, KitStanding, Membership, kit_standing};
pub use kit::KitRequest;
pub use next_step::{NextStep, next_step};
pub use request::{KeyRenewal, RequestRequest, WrittenRequest, request};
pub use rollback::{EarlierGeneration, Rollback, fallback, rollback};
pub use rollover::{RolloverProgress, former_authority, rollover_progress, rolls_over};
pub use rotate::rotate;
pub use rotation::{
    AuthorityRotation, FormerKeys, Reception, RotateRequest, Rotation, RotationAction, RotationFacts,
    RotationRow, RotationScope,
};
pub use step::{
    AuthorityChoice, ConfigStep, Handover, HandoverStep, InventoryStep, Issuance, KeyRemoval, KeySource,
    KitTerms, PlacementStep, Plan, Reason, Signing, StateStep,
};

pub use summary::StepSummary;
pub use timeline::{Window, timeline};
pub use verification::{Staleness, VerificationState, verification};

use std::collections::BTreeSet;

use crate::message;
use crate::model::{ExitCode, Failure, Printable};

/// Refuses a list that names something twice: what was meant is not known.
fn refuse_repetition<T: Ord + Printable>(option: &'static str, items: &[T]) -> Result<(), Failure> {
    let mut seen = BTreeSet::new();
    match items.iter().find(|item| !seen.insert(*item)) {
        None => Ok(()),
        Some(repeated) => Err(Failure::new("reading", option)
            .expected("each name once")
            .found(message!("{} twice", repeated))
            .exit(ExitCode::Usage)),
    }
}
