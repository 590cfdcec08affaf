//! One file for each command: what can be typed, and what comes of it. `rotation_report` and `waiting` are what
//! several of them show.
//!
//! A new one is also named in `cli/arguments`, `cli/run` and `cli/schema`, there in `CHANGING` too if it
//! changes something. Its planner is `plan/NAME`, its deed `apply/NAME`. The members of its JSON object are
//! its type called `…Object`; what stands below them is serialized where it is defined, such as a row of
//! `status` in `plan/status`. `KITCERT_UPDATE=1` with the tests of tests/properties/words/manual writes its page.

pub(super) mod ca;
pub(super) mod completions;
pub(super) mod confirm;
pub(super) mod demo;
pub(super) mod init;
pub(super) mod inspect;
pub(super) mod install;
pub(super) mod invite;
pub(super) mod issue;
pub(super) mod join;
mod let_in_again;
pub(super) mod recover;
pub(super) mod request;
pub(super) mod revoke;
mod revoke_daemon;
mod revoke_object;
pub(super) mod rollback;
pub(super) mod rotate;
mod rotation_report;
pub(super) mod status;
pub(super) mod verify;
mod waiting;

pub(super) use ca::CaCommand;
pub(super) use completions::{CompletionsArguments, CompletionsObject};
pub(super) use confirm::{ConfirmArguments, RetireArguments};
pub(super) use demo::DemoArguments;
pub(super) use init::{InitArguments, InitObject};
pub(super) use inspect::{InspectArguments, InspectObject};
pub(super) use install::{InstallCommand, StartObject};
pub(super) use invite::{InviteArguments, PassphraseObject};
pub(super) use issue::IssueCommand;
pub(super) use join::{JoinArguments, JoinObject};
pub(super) use recover::{RecoverArguments, RecoverObject};
pub(super) use request::{RequestArguments, RequestObject};
pub(super) use revoke::RevokeArguments;
pub(super) use revoke_object::RevokeObject;
pub(super) use rollback::{RollbackArguments, RollbackObject};
pub(super) use rotate::RotateArguments;
pub(super) use rotation_report::RotationObject;
pub(super) use status::{StatusArguments, StatusObject};
pub(super) use verify::{DaemonObject, VerifyArguments, VerifyObject};
