//! `init`, `issue` and `install`, and what their findings' remedies do.

mod init_and_issue;
mod install_client;
mod remedies;
