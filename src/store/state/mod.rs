//! The state directory: what it holds, as values, and the one transaction by which it changes.
//!
//! Each record (`….json`) has a file with its path, its form and its reader. A new one is read in `observe`,
//! held in `observed`, written by `apply/change`, described in `cli/manual/inventory`, and appears in the
//! order of `Rank` in `journal`. Names that other layers need are in `layout/state_paths`.

mod authority_record;
mod change;
mod client_record;
mod history;
mod issued;
pub(super) mod journal;
mod log;
mod log_end;
mod observe;
mod observed;
mod record_file;
mod requests;
mod required;
mod rollover_record;
mod state_directory;
mod state_record;
mod verified;

pub(crate) use authority_record::AuthorityRecord;
pub(crate) use change::StagedChange;
pub(crate) use client_record::{ClientRecord, Held, HeldBy, Use};
pub(crate) use history::DaemonHistory;
pub(crate) use log::{LogEvent, LogLine};
pub(crate) use log_end::{LogEnd, log_end, logs_put_aside};
pub(crate) use observe::{glance, observe, observe_generation, observe_lineage, observe_undescribed};
pub use observed::{Interest, Observation};
pub(crate) use observed::{
    KeyPresence, ObservedAuthority, ObservedCopies, ObservedGeneration, ObservedIdentity,
};
pub(crate) use requests::{ObservedRequest, observe_request, request_generations};
pub(crate) use rollover_record::{RolloverKind, RolloverRecord};
pub(crate) use state_directory::{DaemonLock, StateDirectory, StateLock};
pub(crate) use state_record::StateRecord;
pub(crate) use verified::VerifiedAddress;
pub use verified::{Vantage, VerifiedRecord};
