//! One file a command: what can be typed, and what comes of it.

pub(super) mod completions;
pub(super) mod demo;
pub(super) mod init;
pub(super) mod inspect;
pub(super) mod install;
pub(super) mod invite;
pub(super) mod issue;
pub(super) mod join;
pub(super) mod request;
pub(super) mod rollback;
pub(super) mod rotate;
pub(super) mod status;
pub(super) mod verify;

pub use completions::CompletionsArguments;
pub use demo::DemoArguments;
pub use init::InitArguments;
pub use inspect::InspectArguments;
pub use install::InstallCommand;
pub use invite::InviteArguments;
pub use issue::IssueCommand;
pub use join::JoinArguments;
pub use request::RequestArguments;
pub use rollback::RollbackArguments;
pub use rotate::RotateArguments;
pub use status::StatusArguments;
pub use verify::VerifyArguments;
