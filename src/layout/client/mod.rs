//! The programs that talk to a daemon: one file for each question, not for each program.
//!
//! ```text
//! tool             which programs there are
//! find_tool        which of them is here
//! place            where it reads its files, and how it is told to use them
//! config           the config of Earthly and EarthBuild, the only one that is edited
//! config_edit      the edit, beside the old text
//! tls_path         the keys of that config that name files
//! misplaced        keys that were meant to count and do not
//! config_findings  what follows from the config's text alone, which inspect shows too
//! diagnosis        what follows from variables, and from which paths exist
//! ```
//!
//! A new tool is a variant of `ClientTool` in `tool`, with the command that uses it in `place`. The compiler
//! does not ask for its turn in `find_tool`, in `apply/verify/client_config_check`, where findings that need a
//! file's content are made, and in the help of `--tool`.

mod config;
mod config_edit;
mod config_findings;
#[cfg(test)]
mod config_tests;
mod diagnosis;
mod find_tool;
mod misplaced;
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
    daemon_links, endpoint_of_folder, environment_line, managed_container, unconfigured_folder, use_command,
    verify_command,
};
pub(crate) use tls_path::TlsPath;
pub(crate) use tool::ClientTool;
