//! One file a command: what can be typed, and what comes of it.

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
pub(super) mod recover;
pub(super) mod request;
pub(super) mod rollback;
pub(super) mod rotate;
mod rotation_report;
pub(super) mod status;
pub(super) mod verify;
mod waiting;

pub(super) use ca::CaCommand;
pub(super) use completions::CompletionsArguments;
pub(super) use confirm::{ConfirmArguments, RetireArguments};
pub(super) use demo::DemoArguments;
pub(super) use init::InitArguments;
pub(super) use inspect::InspectArguments;
pub(super) use install::InstallCommand;
pub(super) use invite::InviteArguments;
pub(super) use issue::IssueCommand;
pub(super) use join::JoinArguments;
pub(super) use recover::RecoverArguments;
pub(super) use request::RequestArguments;
pub(super) use rollback::RollbackArguments;
pub(super) use rotate::RotateArguments;
pub(super) use status::StatusArguments;
pub(super) use verify::VerifyArguments;
