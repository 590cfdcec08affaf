//! Bytes on a disk, kept whole, private and durable. Nothing here knows what is in a file.
//!
//! ```text
//! directory               a folder held open: what is made, renamed and removed in it
//! user_file               a person's file, replaced
//! unnamed_file, scratch   what another process says, and a folder that is gone afterwards
//! read                    never more than was asked for, and never waiting for a pipe
//! durable                 what was written reaches the disk, many files at a time
//! lock                    one process at a time, and everybody else is told which
//! privacy, users          who may read what is written, and whose a home is
//! path_trust              walking to a folder without trusting whoever may write on the way
//! processes               what runs because one process was started
//! io_failure              what the system's errors mean, in words
//! crash_point             where a test stops a change, as a crash would
//! ```

pub(super) mod crash_point;
pub(super) mod directory;
pub(super) mod durable;
pub(super) mod io_failure;
pub(super) mod lock;
pub(super) mod path_trust;
mod printable;
pub(super) mod privacy;
mod processes;
pub(super) mod read;
mod scratch;
mod unnamed_file;
mod user_file;
pub(super) mod users;

pub(crate) use path_trust::writable_by_others;
pub(crate) use privacy::{KeyReaders, Privacy};
pub(crate) use processes::ProcessMark;
pub(crate) use read::{
    ReadFile, exists, files_in, folders_in, is_program, lies_in, others_in, read, read_if_present,
    read_standard_input, this_user,
};
pub(crate) use scratch::ScratchDirectory;
pub(crate) use unnamed_file::UnnamedFile;
pub(crate) use user_file::{Existing, Parents, Replacement, refuse_irreplaceable, replace_file};
pub(crate) use users::{Home, Owner, earthly_home, sudo_caller, user_name};
