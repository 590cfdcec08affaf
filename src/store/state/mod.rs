//! The state directory: what it holds, as values, and the one transaction by which it changes.
//!
//! ```text
//! state_directory    the directory and its lock
//! observe, observed  it is read into values
//! change, journal    a change: staged beside the live files, then all of it or none
//! record_file        the form of every file below: JSON of one exact form
//! state_record       state.json: which state this is, and how often it was changed
//! authority_record   ca/<key id>/ca.json
//! client_record      clients/<name>/identity.json
//! history            daemons/<name>/identity.json
//! access_history     of that, whom the daemon has been seen to let in and to refuse
//! verified           daemons/<name>/verified.json
//! rollover_record    rollover.json
//! revocation_record  revocations.json
//! issued             issued/: every certificate until it is pruned
//! requests           requests/: the developer's side of a state
//! log, log_end       log.jsonl
//! required           files that must be there
//! ```
//!
//! A new record is read in `observe` and held in `observed`. It is written as a step of `plan/steps`, with a
//! row in `plan/summary`, by `apply/change/records`; what a verification saw, by
//! `apply/verify/verification_record`. A file that must appear before or after others has a `Rank` in
//! `journal`. Names that other layers need are in `layout/state_paths`.

mod access_history;
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
mod revocation_record;
mod rollover_record;
mod state_directory;
mod state_record;
mod verified;

pub(crate) use access_history::{AccessHistory, SeenAccess};
pub(crate) use authority_record::{AuthorityOrigin, AuthorityRecord, OpenUntil};
pub(crate) use change::StagedChange;
pub(crate) use client_record::{ClientRecord, Held, HeldBy, Use};
pub(crate) use history::{AdoptedGeneration, DaemonHistory, MadeGeneration};
pub(crate) use log::{LogEvent, LogLine};
pub(crate) use log_end::{LogEnd, log_end, logs_put_aside};
pub(crate) use observe::{glance, observe, observe_generation, observe_lineage, observe_undescribed};
pub use observed::{Interest, Observation};
pub(crate) use observed::{
    KeyPresence, ObservedAuthority, ObservedCopies, ObservedGeneration, ObservedIdentity,
};
pub(crate) use requests::{ObservedRequest, observe_request, request_generations};
pub(crate) use revocation_record::{Revocation, RevocationRecord};
pub(crate) use rollover_record::{RolloverKind, RolloverRecord};
pub(crate) use state_directory::{DaemonLock, StateDirectory, StateLock};
pub(crate) use state_record::StateRecord;
pub(crate) use verified::VerifiedAddress;
pub use verified::{Vantage, VerifiedRecord};
