//! Decisions: what is to be done, as values.
//!
//! A pure planner for each command that changes something: from what was observed, what was asked and the
//! instant, to a [`Plan`]. Of those that only look, `status` has one. A planner makes no key, touches no file
//! and dials nobody, so that `--dry-run` costs nothing and prints exactly what `apply` would do. An empty plan
//! is the usual answer: nothing to do.
//!
//! ```text
//! steps, summary                   what a plan is made of, and in words
//! init, issue, install, request    the planners of these commands
//! adopt                            what init takes over
//! invite, join, kit, confirm       kits: made, joined, and their clients' word
//! rotate, rollback                 renewals, rollovers and previous generations
//! revoke, undo                     whose access is taken away, and given back
//! stopping, exclusions             by which name a certificate is stopped; what daemons exclude for it
//! revoke_daemon                    what is noted where a daemon's key was stolen
//! access                           which change of it is in effect where, and who can tell
//! ca                               what a person decides about a rollover, and of CAs' keys
//! recover, catch_up, recovery      a lost kitcert.yaml; a state that is an old copy; what was found
//! status, next_step, timeline      what exists, what a person does next, and when what ends
//! identity_state, other_keys       how each stands, in one word; what else a client uses
//! issuance                         when a certificate is due, with which key, for how long
//! rollover, signing                how far a CA rollover is; who signs, and whom a set trusts
//! guard, lock_out                  whom a plan would lock out, and in words
//! holders, uses, reach             what each client may hold, dials, and is let in with
//! verification                     whether a daemon may be called verified now
//! standing, fault                  whose installed files are; what cannot be read
//! choice, repetition               which one is meant where none is named; lists without doubles
//! ```
//!
//! A new kind of change is a variant of `StateStep` in `steps`, a row in `summary`, and a deed in
//! `apply/change/transaction`; whatever takes something from somebody must come before `guard`. A step of the
//! CA rollover: its stage in `rollover`, when it begins, turns or ends in `rotate/direction`, what it means for
//! each identity in `rotate/rollover_steps`, what a person decides in `ca`; and `tests/walk` must hold.

mod access;
mod adopt;
mod ca;
mod catch_up;
mod choice;
mod confirm;
mod exclusions;
mod fault;
mod guard;
mod holders;
mod identity_state;
mod init;
mod install;
mod invite;
mod issuance;
mod issue;
mod join;
mod kit;
mod lock_out;
mod next_step;
mod other_keys;
mod printable;
mod reach;
mod recover;
mod recovery;
mod repetition;
mod request;
mod revoke;
mod revoke_daemon;
mod rollback;
mod rollover;
mod rotate;
mod signing;
mod standing;
mod status;
mod steps;
mod stopping;
mod summary;
mod timeline;
mod undo;
mod uses;
mod verification;

#[cfg(test)]
mod tests;

pub(crate) use access::{
    SeenRequest, awaits_word, can_be_told_by_name, changes, in_question, own_client, pending, rollover_past,
    said, see, unstoppable, untried, usable_client, word,
};
pub use adopt::{AdoptedAnchor, AdoptedDaemon, ImportedAuthority};
pub(crate) use ca::{delete_former_keys, finish, skip};
pub(crate) use catch_up::{Installed, catch_up, has_forgotten};
pub(crate) use choice::chosen;
pub use confirm::Confirmation;
pub(crate) use confirm::{confirm, hold, retire};
pub(crate) use exclusions::{in_force, is_key_revoked, is_refusal_known, meant, refuse_forgotten, whom};
pub(crate) use fault::fault_of;
pub(crate) use guard::{Judgement, judge, needs_holders};
pub(crate) use holders::replaced_here;
pub(crate) use identity_state::IdentityState;
pub use init::{InitRequest, init};
pub(crate) use install::{
    ConfigFile, InstallClientRequest, InstallDaemonRequest, InstallRequest, ManagedDaemonRequest, Placed,
    PlacedState, install_client, install_daemon, installable_generation, note_installed, other_root,
    refuse_unfit,
};
pub(crate) use invite::{InviteRequest, invite};
pub(crate) use issuance::longest_leaf;
pub use issue::{IssueClientsRequest, KeyChange, issue_clients};
pub(crate) use issue::{IssueDaemonRequest, endpoint_of, issue_daemon};
pub(crate) use join::{Evidence, KitStanding, Membership, kit_standing};
pub(crate) use kit::KitRequest;
pub(crate) use next_step::{NextStep, next_step};
pub(crate) use other_keys::{may_use_several, status_of_other_keys};
pub(crate) use reach::{Reached, Regained, is_out, lost, reached, regained};
pub(crate) use recover::recover;
pub(crate) use recovery::{Recovered, Recovery, Unknown};
pub(crate) use request::{KeyRenewal, RequestRequest, WrittenRequest, request};
pub(crate) use revoke::{PlannedRevocation, RevokeRequest, clients_in_use, revoke};
pub(crate) use revoke_daemon::{revoke_daemon, undo_daemon};
pub(crate) use rollback::{EarlierGeneration, Rollback, fallback, rollback, whose};
pub(crate) use rollover::{RolloverProgress, refuse_lost_record, rollover_progress};
pub(crate) use rotate::{AuthorityRotation, Rotation, RotationFacts, RotationScope};
pub use rotate::{RotateRequest, RotationAction, RotationRow, rotate};
pub(crate) use standing::{Standing, standing};
pub(crate) use status::{LastVerification, StatusRow, status};
pub(crate) use steps::{
    AuthorityChoice, Handover, InventoryStep, Issuance, KeyRemoval, KeySource, KitTerms, Plan, Reason,
    Signing, StateStep,
};

pub(crate) use summary::StepSummary;
pub(crate) use timeline::{Window, timeline};
pub(crate) use undo::{StillExcluded, UndoRequest, still_excluded, undo};
pub(crate) use verification::verification;
