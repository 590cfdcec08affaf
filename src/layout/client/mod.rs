//! The programs that talk to a daemon: where each reads its files, its config, and what it makes of it.

mod config;
mod config_edit;
mod config_findings;
#[cfg(test)]
mod config_tests;
mod diagnosis;
mod find_tool;
mod misplaced;
mod numbers;
mod place;
mod tls_path;
mod tool;

pub use config::ClientConfig;
pub(crate) use config_edit::by_hand;
pub use config_edit::{
    ClientSettings, ConfigChange, ConfigEdit, DaemonFiles, EnableTls, edit_client_config, lines_to_add,
};
pub(crate) use config_findings::about_host;
pub(crate) use diagnosis::{ClientHost, ClientSituation, is_on_path};
pub(crate) use find_tool::find_tool;
pub(crate) use place::{
    ClientPlace, ConfigPlace, DaemonSet, client_generations, client_links, client_place, daemon_generations,
    daemon_links, environment_line, managed_container, use_command, verify_command,
};
pub(crate) use tls_path::TlsPath;
pub(crate) use tool::ClientTool;
