//! Deeds: observe, plan, stage, check, commit, restart, verify, roll back.
//!
//! Every command that issues or installs something goes the same way: what is there is observed, a planner
//! decides, the new files are written beside the live ones, read back and checked as both peers
//! would, and only then moved into place. Nothing here decides what should be; nothing here
//! writes a file by another way than `store`'s.
//!
//! ```text
//! invocation                           what every deed needs to know of its command
//! init, issue, request, join           these commands, done
//! rotate, rollback, recover, ca        these too, and `confirm` and `retire` in `ca`
//! revoke, revoke_daemon                whose access is taken away; a daemon's stolen key
//! status, inspect, verify, install     these too
//! change                               the one transaction in which credentials change
//! rollout                              daemons are brought to serve their credentials
//! adopt                                what others have made, taken over
//! authorities                          the CAs of a state, to sign and to be trusted
//! kit, kit_contents, waiting_kits      kits: made, what they say, and those that wait
//! test_certificates                    those that a daemon must refuse
//! client_copies, placed                what stands where files are installed
//! clock                                whether the clock can be believed
//! input_file, hand_over, output        files that a person names: read, handed over, results
//! ```

mod adopt;
mod authorities;
mod ca;
mod change;
mod client_copies;
mod clock;
mod hand_over;
mod init;
mod input_file;
mod inspect;
mod install;
mod invocation;
mod issue;
mod join;
mod kit;
mod kit_contents;
mod output;
mod placed;
mod printable;
mod recover;
mod request;
mod revoke;
mod revoke_daemon;
mod rollback;
mod rollout;
mod rotate;
mod status;
mod test_certificates;
mod verify;
mod waiting_kits;

pub(crate) use adopt::{Probed, Survey, Takeover, TakeoverRequest};
pub use ca::confirm;
pub(crate) use ca::{delete_former_keys, finish, retire, skip};
pub(crate) use change::{Done, Issued};
pub use clock::ClockTrust;
pub(crate) use init::Present;
pub use init::init;
pub(crate) use init::init_with;
pub(crate) use input_file::{certificates_in, confirmation_of, names_in, passphrase_in, request_in};
pub use inspect::judged_bytes;
pub(crate) use inspect::{
    Inspected, compare, files_at, inspect_endpoint, inspect_file, inspect_receipt, inspect_standard_input,
    left_out,
};
pub(crate) use install::{
    ClientInstallation, DaemonInstallation, InstalledClient, InstalledDaemon, install_client, install_daemon,
};
pub(crate) use invocation::Progress;
pub use invocation::{Invocation, Mode};
pub use issue::issue_clients;
pub(crate) use issue::{IssuedClients, IssuedDaemon, issue_daemon};
pub(crate) use join::{Given, JoinRequest, Joined, Placing, Received, Replacing, receive};
pub(crate) use kit::{KeyCopies, MadeKit, invite};
pub(crate) use output::write_result;
pub(crate) use recover::{Recovering, Unexplained, recover};
pub(crate) use request::{RequestedKey, request};
pub(crate) use revoke::{AccessChange, Revoked, revoke};
pub(crate) use revoke_daemon::{RevokedDaemon, revoke_daemon, undo_daemon};
pub(crate) use rollback::rollback;
pub use rollout::{Restarting, RolloutResult};
pub use rotate::{FormerKeys, IdentityOutcome, IdentityResult, Rotated, RotationOrder, rotate};
pub(crate) use status::{Status, Timeline, status};
pub(crate) use verify::{
    ClientChoice, ConfigChoice, DialOptions, FleetRequest, Member, Outcome, Recorded, Scope, Target,
    Verification, every_daemon, listed_targets, verify_fleet,
};
