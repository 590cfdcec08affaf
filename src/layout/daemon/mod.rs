//! Each daemon: where it reads its files, its own config, and how it is started.

mod config;
mod files;
mod start;

pub use config::DaemonConfig;
pub(crate) use files::{CredentialFile, DaemonLayout};
pub(crate) use start::{restart_command, start_command};
