//! Each daemon: where it reads its files, its own config, and how it is started.
//!
//! ```text
//! files    where it reads its certificates, and which kinds of daemons there are
//! config   buildkitd.toml: which doors it opens, and to whom
//! section  the sections of that, and what each key is to be
//! start    how it is started with the files that are installed for it
//! ```
//!
//! A new kind of daemon is a variant of `DaemonLayout` in `files`, with its word and its paths, and an image
//! in `start`. `probe/verdict/server_checks` and `apply/verify/remedies` ask whether it is moby's: a new one
//! counts as Earthly's there until you say otherwise. Its word is explained in `cli/manual/inventory/keys`.

mod config;
mod files;
mod section;
mod start;

pub use config::DaemonConfig;
pub(crate) use files::{CredentialFile, DaemonLayout};
pub(crate) use start::{restart_command, start_command};
