//! `kitcert.yaml`: what should exist, how its text is read and written, and how it is edited in place.

mod edit;
mod entries;
mod read;
mod write;

pub use edit::{InventoryChange, edit_inventory};
pub use entries::{AuthorityPolicy, ClientEntry, Inventory};
pub(crate) use entries::{DaemonEntry, InstallEntry, Owner, Renewal, RestartWhen};
