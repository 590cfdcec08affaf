//! Files are put where a daemon or a client's tool reads them.
//!
//! ```text
//! daemon   `install daemon`
//! client   `install client`: the files, and the config that names them
//! copies   the copies of clients' files that kitcert.yaml notes
//! ```

mod client;
mod copies;
mod daemon;

pub(crate) use client::{ClientInstallation, InstalledClient, install_client};
pub(super) use client::{ClientToInstall, PlannedClient, plan_client};
pub(super) use copies::{Copies, Copying, copies_in, put_back_copies, refuse_useless, remove_copies};
pub(crate) use daemon::{DaemonInstallation, InstalledDaemon, install_daemon};
