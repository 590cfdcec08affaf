//! `kitcert.yaml`: what should exist, how its text is read and written, and how it is edited in place.
//!
//! ```text
//! entries   what should exist
//! read      the text becomes an inventory
//! parsed    values that their own types read, with the line where one is wrong
//! write     a whole text, as init writes it
//! edit      one change of a text, in place
//! accept    findings that a person has looked at and lives with
//! ```
//!
//! A new key is a field in `entries`, is read in `read`, written in `write` and explained in
//! `cli/manual/inventory/keys`. `plan/init` gives it its first value, and `plan/recover` names it if the
//! certificates do not tell it.

mod accept;
mod edit;
mod entries;
mod parsed;
mod read;
mod write;

pub use accept::Acceptance;
pub use edit::{InventoryChange, edit_inventory};
pub use entries::{AuthorityPolicy, ClientEntry, Defaults, Inventory};
pub(crate) use entries::{DaemonEntry, GroupName, InstallEntry, OwnerName, Renewal, RestartWhen};
pub(crate) use read::is_nothing;
