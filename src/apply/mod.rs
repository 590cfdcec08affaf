//! Deeds: observe, plan, stage, check, commit, restart, verify, roll back.
//!
//! Every command that changes something goes the same way: what is there is observed, a planner
//! decides, the new files are written beside the live ones, read back and checked as both peers
//! would, and only then moved into place. Nothing here decides what should be; nothing here
//! writes a file by another way than `store`'s.

mod authorities;
mod check;
mod clock;
mod context;
mod copies;
mod hand_over;
mod idleness;
mod init;
mod input_file;
mod inspect;
mod inspect_together;
mod install;
mod install_client;
mod issue;
mod join;
mod kit;
mod output;
mod printable;
mod request;
mod restart;
mod rollback;
mod rotate;
mod serve;
mod state_change;
mod status;
mod verify;

pub use clock::ClockTrust;
pub use context::{Context, Mode, Progress};
pub use init::{Initialized, Present, init};
pub use input_file::{names_in, passphrase_in, reception_of, request_in};
pub use inspect::{Inspected, inspect_endpoint, inspect_file, inspect_receipt, inspect_standard_input};
pub use inspect_together::{MOST_FILES, compare, files_at};
pub use install::{DaemonInstallation, InstalledDaemon, install_daemon};
pub use install_client::{
    ClientInstallation, ClientToInstall, InstalledClient, ManagedDaemon, PlannedClient, install_client,
    plan_client,
};
pub use issue::{IssuedClients, issue_clients, issue_daemon};
pub use join::{Given, JoinRequest, Joined, Placing, Received, Replacing, receive};
pub use kit::{Invitation, MadeKit, invite};
pub use output::write_result;
pub use request::{Requested, RequestedKey, request};
pub use rollback::{RolledBack, rollback};
pub use rotate::{Rotated, RotationOrder, roll_back_authority, rotate};
pub use serve::{Ending, Restarting};
pub use state_change::{Done, Issued};
pub use status::{Status, Timeline, status};
pub use verify::{
    ConfigChoice, Credentials, DialOptions, FleetRequest, Member, Outcome, Recorded, Scope, Target,
    Verification, VerifyRequest, every_daemon, listed_targets, verify, verify_fleet,
};
