//! Decisions: what is to be done, as values.
//!
//! One pure planner a command: from what was observed, what was asked and the instant, to a
//! [`Plan`]. It makes no key, touches no file and dials nobody, so that `--dry-run` costs nothing
//! and prints exactly what `apply` would do. An empty plan is the usual answer: nothing to do.

mod choice;
mod guard;
mod init;
mod install;
mod invite;
mod issuance;
mod issue;
mod join;
mod kit;
mod next_step;
mod printable;
mod repetition;
mod request;
mod rollback;
mod rollover;
mod rotate;
mod status;
mod steps;
mod summary;
mod timeline;
mod verification;

#[cfg(test)]
mod tests;

pub use choice::chosen;
pub use init::{InitRequest, init};
pub use install::{
    ConfigFile, InstallClientRequest, InstallDaemonRequest, InstallRequest, ManagedDaemonRequest, Placed,
    PlacedState, install_client, install_daemon, note_installed, refuse_another, refuse_keyless_client,
};
pub use invite::{InviteRequest, invite};
pub use issuance::longest_leaf;
pub use issue::{IssueClientsRequest, IssueDaemonRequest, KeyChange, issue_clients, issue_daemon};
pub use join::{Evidence, KitStanding, Membership, kit_standing};
pub use kit::KitRequest;
pub use next_step::{NextStep, next_step};
pub use request::{KeyRenewal, RequestRequest, WrittenRequest, request};
pub use rollback::{EarlierGeneration, Rollback, fallback, rollback};
pub use rollover::{RolloverProgress, former_authority, rollover_progress, rolls_over};
pub use rotate::{
    AuthorityRotation, FormerKeys, Reception, RotateRequest, Rotation, RotationAction, RotationFacts,
    RotationRow, RotationScope, rotate,
};
pub use status::{IdentityState, LastVerification, StatusRow, VerificationVantage, status};
pub use steps::{
    AuthorityChoice, ConfigStep, Handover, HandoverStep, InventoryStep, Issuance, KeyRemoval, KeySource,
    KitTerms, PlacementStep, Plan, Reason, Signing, StateStep,
};

pub use summary::StepSummary;
pub use timeline::{Window, timeline};
pub use verification::{Staleness, VerificationState, verification};
