//! Places: where a daemon and each client read their files, and the schemas of the configs we edit.
//!
//! It owns the paths, the words of `kitcert.yaml` and of Earthly's `config.yml`, and the editing of
//! both in place: bytes go in and bytes come out, and what is not ours stays as it is. It is told
//! what exists: it opens no file, and reads no clock and no variable but through
//! [`Environment`](crate::env::Environment).

mod client_config;
mod client_place;
mod client_tool;
mod client_traps;
mod command_line;
mod daemon_config;
mod daemon_layout;
mod find_tool;
mod inventory;
mod printable;
mod start_command;
pub mod state_place;
mod yaml;

pub use client_config::{
    ClientConfig, ClientSettings, ConfigEdit, DaemonFiles, EnableTls, KeyChange, TlsPath, about_host,
    by_hand, edit_client_config, lines_to_add,
};
pub use client_place::{
    ClientPlace, ConfigPlace, DaemonSet, client_generations, client_links, client_place, daemon_generations,
    daemon_links, environment_line, managed_container, use_command, verify_command,
};
pub use client_tool::ClientTool;
pub use client_traps::{ClientHost, ClientSituation, is_on_path};
pub use command_line::CommandLine;
pub use daemon_config::DaemonConfig;
pub use daemon_layout::{DaemonLayout, SetFile};
pub use find_tool::find_tool;
pub use inventory::{
    AuthorityPolicy, ClientEntry, DaemonEntry, InstallEntry, Inventory, InventoryChange, Owner, Renewal,
    RestartWhen, edit_inventory,
};
pub use start_command::{StartCommand, restart_command, start_command};
