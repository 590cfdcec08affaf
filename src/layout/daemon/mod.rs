//! Each daemon: where it reads its files, its own config, and how it is started.
//!
//! A new kind of daemon is a variant of `DaemonLayout` in `files`, with its word and its paths, and an image in
//! `start`. What is special to one of them outside of here is in `probe/verdict/server_checks` and in
//! `apply/verify/remedies`.

mod config;
mod files;
mod start;

pub use config::DaemonConfig;
pub(crate) use files::{CredentialFile, DaemonLayout};
pub(crate) use start::{restart_command, start_command};
