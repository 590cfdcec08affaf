//! Files: the state directory and its one transaction, installed copies behind a `current` link,
//! a person's config, and reading with a limit.
//!
//! Nothing else in the crate touches a disk. It moves bytes and decides nothing: which bytes, and
//! where to, is the planner's. Folders are held open and files are named relative to them, links
//! are never followed by accident, and everything is made with its final mode or a tighter one.
//! What only Linux has (`syncfs`, `O_PATH`) has a portable fallback beside it.

mod account;
mod change;
mod directory;
mod lock;
mod log;
mod observation;
mod placement;
mod read;
mod replace;
mod scratch;
mod state;
mod trouble;

pub use account::{earthly_home, numeric_owner, owner_of_home};
pub use change::StagedChange;
pub use directory::{FileMode, Ownership};
pub use lock::StateLock;
pub use log::LogLine;
pub use observation::{
    Interest, KeyPresence, Observation, ObservedAuthority, ObservedGeneration, ObservedIdentity, observe,
};
pub use placement::{FileSet, LinkState, PlacedFiles, Placement};
pub use read::{ReadFile, exists, read, read_if_present, read_standard_input};
pub use replace::replace_file;
pub use scratch::ScratchDirectory;
pub use state::StateDirectory;
