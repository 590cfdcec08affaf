//! Files are put where a daemon or a client's tool reads them.

mod client;
mod copies;
mod daemon;

pub(crate) use client::{ClientInstallation, InstalledClient, install_client};
pub(super) use client::{ClientToInstall, PlannedClient, plan_client};
pub(super) use copies::{Copying, are_outdated, copies_in, copy_in_use, replace_copies};
pub(crate) use daemon::{DaemonInstallation, InstalledDaemon, install_daemon};
