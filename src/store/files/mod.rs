//! Bytes on a disk, kept whole, private and durable: folders by their handle, reading, replacing,
//! whose a path is, and what the system's errors mean. Nothing here knows what is in a file.

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

pub(crate) use privacy::Privacy;
pub(crate) use processes::ProcessMark;
pub(crate) use read::{
    ReadFile, exists, files_in, folders_in, read, read_if_present, read_standard_input, this_user,
};
pub(crate) use scratch::ScratchDirectory;
pub(crate) use unnamed_file::UnnamedFile;
pub(crate) use user_file::{Parents, Replacement, refuse_irreplaceable, replace_file};
pub(crate) use users::{Home, Owner, earthly_home};
