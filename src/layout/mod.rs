//! Places: where a daemon and each client read their files, and the schemas of the configs we edit.
//!
//! It owns the paths, the words of `kitcert.yaml` and of Earthly's `config.yml`, and the editing of
//! both in place: bytes go in and bytes come out, and what is not ours stays as it is. It is told
//! what exists: it opens no file, and reads no clock and no variable but through
//! [`Environment`](crate::env::Environment).

mod client_config;
mod client_config_edit;
mod client_config_findings;
#[cfg(test)]
mod client_config_tests;
mod client_place;
mod client_tool;
mod command_line;
mod daemon_layout;
mod inventory;
mod inventory_edit;
mod inventory_text;
mod judgement;
mod start_command;
pub mod state_place;
mod yaml_document;
mod yaml_edit;
mod yaml_mapping;
mod yaml_text;

pub use client_config::ClientConfig;
pub use client_config_edit::{
    ClientSettings, ConfigEdit, EnableTls, KeyChange, edit_client_config, lines_to_add,
};
pub use client_place::{ClientPlace, ConfigPlace, client_place, environment_line, use_command};
pub use client_tool::ClientTool;
pub use daemon_layout::{DaemonLayout, SetFile};
pub use inventory::{
    AuthorityPolicy, ClientEntry, DaemonEntry, InstallEntry, Inventory, Owner, Renewal, RestartWhen,
};
pub use inventory_edit::{InventoryChange, edit_inventory};
pub use judgement::{FileFacts, Judgement, Kind, facts_of, judge};
pub use start_command::{StartCommand, restart_command, start_command};
