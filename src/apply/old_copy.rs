//! Whether the state is an old copy of itself, as of a backup: what is installed for a daemon came from it
//! after more changes than it has had. No clock is asked.

use super::context::Context;
use super::placed::observe_daemon;
use crate::message;
use crate::model::{Failure, Message};
use crate::plan::{InstallDaemonRequest, InstallRequest, Installed};
use crate::store::{Interest, Observation};

/// What is installed on this machine for each daemon, as far as it can be read.
pub(super) fn installed(context: &Context<'_>, observation: &Observation) -> Vec<Installed> {
    let daemons = observation.inventory.daemons.iter();
    let of_daemon = |(name, entry): (&_, &crate::layout::DaemonEntry)| {
        let install = entry.install.as_ref()?;
        let request = InstallDaemonRequest {
            name: Clone::clone(name),
            install: InstallRequest { root: install.root.clone(), layout: install.layout },
            owner: None,
        };
        // What cannot be read is told when it is put in place.
        let placed = observe_daemon(context, &request, Some(observation)).ok()?;
        Some(Installed {
            daemon: Clone::clone(name),
            later_commit: placed.observed.later_commit,
            trust: placed.observed.trust?,
        })
    };
    daemons.filter_map(of_daemon).collect()
}

/// Refuses to go on with an old copy: what is issued and put in place would be of the past.
///
/// # Errors
/// It is one.
pub(super) fn refuse_old_copy(context: &Context<'_>, observation: &Observation) -> Result<(), Failure> {
    let is_later = |one: &&Installed| one.later_commit.is_some();
    if !installed(context, observation).iter().any(|one| is_later(&one)) {
        return Ok(());
    }
    // Another command may have changed the state, and put that in place, since it was looked at.
    let (_, observation) = context.observe(&Interest::Inventory)?;
    let installed = installed(context, &observation);
    let later: Vec<&Installed> = installed.iter().filter(is_later).collect();
    if later.is_empty() {
        return Ok(());
    }
    let names = Message::join(later.iter().map(|one| &one.daemon), ", ");
    Err(Failure::new("changing the state", context.state.display())
        .expected("the state that installed the files of its daemons last")
        .found(message!("an old copy of it, as of a backup: what is installed for {} came later", names))
        .hint("{kitcert} recover"))
}
