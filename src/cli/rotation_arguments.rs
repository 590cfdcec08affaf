//! The command line of `rotate` and `rollback`.

use std::path::PathBuf;

use clap::Args;

use super::arguments::ChangeOptions;
use crate::model::{IdentityName, Timestamp};

/// `kitcert rotate`
#[derive(Debug, Args)]
pub struct RotateArguments {
    /// Only these daemons and clients [default: all of kitcert.yaml]
    #[arg(value_name = "NAME")]
    pub names: Vec<IdentityName>,
    /// Renew each NAME (all, without one) though it is not due, and though it locks a client out
    #[arg(long)]
    pub force: bool,
    /// Make a new key for each certificate that is renewed, where the key is kept here
    #[arg(long)]
    pub new_key: bool,
    /// Wait no longer for a client whose kit was handed over: its name, the receipt that join printed,
    /// or a file with that; give it again for each
    #[arg(long, value_name = "NAME|RECEIPT")]
    pub moved: Vec<PathBuf>,
    /// Roll the CA over: begin, or go on where it stopped
    #[arg(long)]
    pub ca: bool,
    /// With --ca, trust nothing of the former CA any more, at once: its key is known to somebody
    #[arg(long, requires = "ca")]
    pub compromised: bool,
    /// Leave a client behind that holds a rollover up; give it again for each
    #[arg(long = "drop", value_name = "NAME")]
    pub dropped: Vec<IdentityName>,
    /// Remove the keys of former CAs, once a rollover is over: nobody goes back to them then
    #[arg(long, conflicts_with = "ca")]
    pub destroy_former_keys: bool,
    /// Renew and put in place, but run no restart command
    #[arg(long)]
    pub no_restart: bool,
    /// Change nothing, and exit 4 if something is due or not verified
    #[arg(long)]
    pub check: bool,
    /// With --dry-run or --check: what there will be to do at that time, such as 2027-02-01
    #[arg(long, value_name = "TIME", value_parser = Timestamp::parse)]
    pub at: Option<Timestamp>,
    /// Believe the clock of this machine, though the log or a daemon contradicts it
    #[arg(long)]
    pub trust_clock: bool,
    /// Whether to only print the plan.
    #[command(flatten)]
    pub change: ChangeOptions,
}

/// `kitcert rollback`
#[derive(Debug, Args)]
pub struct RollbackArguments {
    /// The daemon or the client
    #[arg(required_unless_present = "ca", conflicts_with = "ca")]
    pub name: Option<IdentityName>,
    /// Go back to the CA from which a rollover is moving everything
    #[arg(long)]
    pub ca: bool,
    /// Put the files in place, but run no restart command
    #[arg(long)]
    pub no_restart: bool,
    /// Whether to only print the plan.
    #[command(flatten)]
    pub change: ChangeOptions,
}
