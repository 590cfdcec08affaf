//! The values of this layer that a message may contain.

use super::client::ClientTool;
use super::daemon::DaemonLayout;
use super::inventory::{GroupName, OwnerName};
use crate::model::parsed;

parsed!(ClientTool, DaemonLayout, GroupName, OwnerName);
