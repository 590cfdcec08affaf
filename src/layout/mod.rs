//! Places: where a daemon and each client read their files, and the schemas of the configs we edit.
//!
//! ```text
//! credential_paths   where the three files of one identity are
//! state_paths        where the state is, and what it calls its files
//! daemon             each daemon: its files, its own config, how it is started
//! client             the programs that talk to a daemon, and Earthly's config
//! inventory          kitcert.yaml
//! manifest           YAML and JSON of others that may carry credentials
//! yaml               the editing of both in place
//! command_line       quoting, so that a printed command can be pasted
//! ```
//!
//! It owns the paths, the words of `kitcert.yaml` and of Earthly's `config.yml`, and the editing of
//! both: bytes go in and bytes come out, and what is not ours stays as it is. A daemon's
//! `buildkitd.toml` is read and never edited. It is told what exists: it opens no file, and reads no clock and
//! no variable but through [`Environment`](crate::env::Environment).

mod client;
mod command_line;
mod credential_paths;
mod daemon;
mod inventory;
mod manifest;
mod printable;
pub mod state_paths;
mod yaml;

pub use client::{
    ClientConfig, ClientSettings, ConfigChange, ConfigEdit, DaemonFiles, EnableTls, edit_client_config,
    lines_to_add,
};
pub(crate) use client::{
    ClientHost, ClientPlace, ClientSituation, ClientTool, ConfigPlace, DaemonSet, TlsPath, about_host,
    by_hand, client_generations, client_links, client_place, daemon_generations, daemon_links,
    endpoint_of_folder, environment_line, find_tool, is_on_path, managed_container, unconfigured_folder,
    use_command, verify_command,
};
pub(crate) use command_line::{CommandLine, move_aside, put_aside};
pub(crate) use credential_paths::CredentialPaths;
pub use daemon::DaemonConfig;
pub(crate) use daemon::{CredentialFile, DaemonLayout, restart_command, start_command};
pub use inventory::{
    Acceptance, AuthorityPolicy, ClientEntry, Defaults, Inventory, InventoryChange, edit_inventory,
};
pub(crate) use inventory::{
    DaemonEntry, GroupName, InstallEntry, OwnerName, Renewal, RestartWhen, is_nothing,
};
pub(crate) use manifest::{
    Manifest, ManifestKind, ManifestText, is_client_config, is_inventory, manifest_of,
};
