//! `kitcert.yaml`: what should exist, how its text is read and written, and how it is edited in place.

mod edit;
mod entries;
mod read;
mod write;

pub use edit::{InventoryChange, edit_inventory};
pub use entries::{
    AuthorityPolicy, ClientEntry, DaemonEntry, InstallEntry, Inventory, Owner, Renewal, RestartWhen,
};
