//! The command line of `rotate` and `rollback`.

use std::path::PathBuf;

use clap::Args;

use super::arguments::ChangeOptions;
use crate::model::{IdentityName, Timestamp};

/// `kitcert rotate`
#[derive(Debug, Args)]
pub struct RotateArguments {
    /// The daemons and clients [default: all]
    #[arg(value_name = "NAME")]
    pub names: Vec<IdentityName>,
    /// Renew though nothing is due, and though it locks somebody out
    #[arg(long)]
    pub force: bool,
    /// Make new keys for what is renewed
    #[arg(long)]
    pub new_key: bool,
    /// A client that has its new certificate: its name, its receipt, or a file with its receipt; give
    /// it again for each
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
    /// Renew and put in place, and leave the restart to somebody else
    #[arg(long)]
    pub no_restart: bool,
    /// Do nothing, and exit 4 where something is due or not proven
    #[arg(long)]
    pub check: bool,
    /// Plan as of that time, with --dry-run or --check
    #[arg(long, value_name = "TIME", value_parser = Timestamp::parse)]
    pub at: Option<Timestamp>,
    /// Believe the clock, though it does not fit the log or a daemon
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
    /// Put the files in place, and leave the restart to somebody else
    #[arg(long)]
    pub no_restart: bool,
    /// Whether to only print the plan.
    #[command(flatten)]
    pub change: ChangeOptions,
}
