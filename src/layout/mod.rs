//! Places: where a daemon and each client read their files, and the schemas of the configs that
//! we edit, `kitcert.yaml` and Earthly's `config.yml`.
//!
//! Bytes to bytes: nothing here opens a file or asks a clock. An edit keeps every byte that is
//! not its own, and is checked by reading the result again; what cannot be edited safely is
//! refused, with the lines to add by hand.

mod client_config;
mod client_config_edit;
mod client_place;
mod daemon_layout;
mod inventory;
mod inventory_edit;
mod judgement;
mod set_file;
mod start_command;
pub mod state_place;

pub use client_config::ClientConfig;
pub use client_config_edit::{
    ClientSettings, ConfigEdit, EnableTls, KeyChange, edit_client_config, lines_to_add,
};
pub use client_place::{ClientPlace, ClientTool, ConfigPlace, client_place, environment_line, use_command};
pub use daemon_layout::DaemonLayout;
pub use inventory::{
    AuthorityPolicy, ClientEntry, DaemonEntry, InstallEntry, Inventory, Owner, Renewal, RestartWhen,
};
pub use inventory_edit::{InventoryChange, edit_inventory};
pub use judgement::{FileFacts, Judgement, Kind, facts_of, judge};
pub use set_file::SetFile;
pub use start_command::{StartCommand, restart_command, start_command};
