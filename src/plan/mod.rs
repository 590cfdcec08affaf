//! Decisions: what is to be done, as values.
//!
//! A pure planner for each command that changes something: from what was observed, what was asked and the
//! instant, to a [`Plan`]. Commands that only look have none, but `status`, which has rows. It makes no key,
//! touches no file and dials nobody, so that `--dry-run` costs nothing and prints exactly what `apply` would
//! do. An empty plan is the usual answer: nothing to do.

mod ca;
mod catch_up;
mod choice;
mod confirm;
mod fault;
mod guard;
mod holders;
mod init;
mod install;
mod invite;
mod issuance;
mod issue;
mod join;
mod kit;
mod lock_out;
mod next_step;
mod printable;
mod reach;
mod recover;
mod recovery;
mod repetition;
mod request;
mod rollback;
mod rollover;
mod rotate;
mod standing;
mod status;
mod steps;
mod summary;
mod timeline;
mod uses;
mod verification;

#[cfg(test)]
mod tests;

pub(crate) use ca::{delete_former_keys, finish, skip};
pub(crate) use catch_up::{Installed, catch_up};
pub(crate) use choice::chosen;
pub use confirm::Confirmation;
pub(crate) use confirm::{confirm, hold, retire};
pub(crate) use fault::fault_of;
pub(crate) use guard::{Judgement, judge, needs_holders};
pub(crate) use holders::replaced_here;
pub use init::{InitRequest, init};
pub(crate) use install::{
    ConfigFile, InstallClientRequest, InstallDaemonRequest, InstallRequest, ManagedDaemonRequest, Placed,
    PlacedState, install_client, install_daemon, installable_generation, note_installed, other_root,
    refuse_unfit,
};
pub(crate) use invite::{InviteRequest, invite};
pub(crate) use issuance::longest_leaf;
pub use issue::{IssueClientsRequest, KeyChange, issue_clients};
pub(crate) use issue::{IssueDaemonRequest, issue_daemon};
pub(crate) use join::{Evidence, KitStanding, Membership, kit_standing};
pub(crate) use kit::KitRequest;
pub(crate) use next_step::{NextStep, next_step};
pub(crate) use reach::{Reached, is_out, lost, reached};
pub(crate) use recover::recover;
pub(crate) use recovery::{Recovered, Recovery, Unknown};
pub(crate) use request::{KeyRenewal, RequestRequest, WrittenRequest, request};
pub(crate) use rollback::{EarlierGeneration, Rollback, fallback, rollback, whose};
pub(crate) use rollover::{RolloverProgress, refuse_lost_record, rollover_progress};
pub(crate) use rotate::{AuthorityRotation, Rotation, RotationFacts, RotationScope};
pub use rotate::{RotateRequest, RotationAction, RotationRow, rotate};
pub(crate) use standing::{Standing, standing};
pub(crate) use status::{IdentityState, LastVerification, StatusRow, status};
pub(crate) use steps::{
    AuthorityChoice, Handover, InventoryStep, Issuance, KeyRemoval, KeySource, KitTerms, Plan, Reason,
    Signing, StateStep,
};

pub(crate) use summary::StepSummary;
pub(crate) use timeline::{Window, timeline};
pub(crate) use verification::verification;
