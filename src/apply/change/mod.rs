//! The transaction in which credentials change: planned under the state's lock, judged by `plan/guard`, staged,
//! read back, committed. What a verification has seen, and a key that was handed over, are noted in
//! transactions of their own, which change nobody's credentials.
//!
//! ```text
//! transaction   the one way in which a state changes; each step of a plan, done
//! staging       what it writes for one identity or one CA
//! kits          kits that wait: written, put aside, put back
//! adopting      CAs and a daemon that others have made
//! supplies      what is taken in and is no part of a plan
//! records       what is remembered beside the certificates
//! old_copy      whether the state is the only one and the latest
//! take_in       what another copy of the state has made, made known here
//! log_lines     what commands write into the log
//! ```

mod adopting;
mod kits;
mod log_lines;
mod old_copy;
mod records;
mod staging;
mod supplies;
mod take_in;
mod transaction;

pub(super) use log_lines::line;
pub(super) use old_copy::{
    faults, installed, is_issued, placed, refuse_misplaced, refuse_old_copy, unknown_leaves, way_out,
};
pub(crate) use staging::Issued;
pub(crate) use supplies::Supplies;
pub(crate) use transaction::Done;
pub(super) use transaction::{
    carry_out, change_existing, change_existing_despite, change_state, change_state_with, refuse_lock_out,
};
