//! Places: where a daemon and each client read their files, and the schemas of the configs we edit.

mod client_config;
mod client_config_edit;
#[cfg(test)]
mod client_config_fixtures;
mod client_config_schema;
mod client_config_splice;
mod set_file;

pub use client_config::ClientConfig;
pub use client_config_edit::{
    ClientSettings, ConfigEdit, EnableTls, KeyChange, edit_client_config, lines_to_add,
};
pub use set_file::SetFile;
