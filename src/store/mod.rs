//! Files: the state directory with its one transaction, the lock, the log, installed copies, and
//! everything else that is read from or written to a disk.
//!
//! Nothing else in the crate touches a file. This module moves bytes and keeps them whole, private
//! and durable; it does not know what a certificate is, what is due, or what a command wants.
//! Folders are held by handle, links are not followed where somebody else could have planted them,
//! and whatever cannot be read is a failure, never an absence.

mod account;
mod change;
mod directory;
mod fault;
mod history;
mod issued;
mod journal;
mod log;
mod observation;
mod placement;
mod printable;
mod read;
mod replace;
mod requests;
mod scratch;
mod state;
mod step;
mod trust;
mod verified;

pub use account::{Home, Owner, earthly_home};
pub use change::{FileMode, StagedChange};
pub use history::{DaemonHistory, WorkedGeneration};
pub use issued::observe_issued;
pub use log::{LogEvent, LogLine, newest_log_time};
pub use observation::{
    Interest, KeyPresence, Observation, ObservedAuthority, ObservedGeneration, ObservedIdentity, observe,
    observe_generation,
};
pub use placement::{FileSet, LinkState, PlacedFiles, PlacedGeneration, Placement};
pub use read::{ReadFile, exists, files_in, read, read_if_present, read_standard_input, this_user};
pub use replace::{Parents, Replacement, refuse_irreplaceable, replace_file};
pub use requests::{ObservedRequest, observe_request, request_folder, request_generations};
pub use scratch::ScratchDirectory;
pub use state::{StateDirectory, StateLock};
pub use verified::{Vantage, VerifiedAddress, VerifiedRecord};

#[cfg(test)]
mod tests;
