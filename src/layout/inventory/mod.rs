//! `kitcert.yaml`: what should exist, how its text is read and written, and how it is edited in place.

mod accept;
mod edit;
mod entries;
mod parsed;
mod read;
mod write;

pub use accept::Acceptance;
pub use edit::{InventoryChange, edit_inventory};
pub use entries::{AuthorityPolicy, ClientEntry, Defaults, Inventory};
pub(crate) use entries::{DaemonEntry, InstallEntry, OwnerName, Renewal, RestartWhen};
