//! `install daemon`, done: files where a daemon reads them.

use std::path::PathBuf;

use crate::apply::change::change_state;
use crate::apply::invocation::{Invocation, Mode, PATIENCE};
use crate::apply::placed::{check_set, observe_daemon};
use crate::apply::verify::{DialOptions, Forgotten, forgotten};
use crate::layout::{DaemonEntry, DaemonLayout, OwnerName};
use crate::model::{ExitCode, Failure, IdentityName, Message, Role};
use crate::plan::{self, InstallDaemonRequest, InstallRequest, Plan, Standing};
use crate::store::{Interest, Observation};

/// What `install daemon` was asked for; what is None is as kitcert.yaml says.
#[derive(Clone, Debug)]
pub(crate) struct DaemonInstallation {
    /// The daemon; else the only one that there is.
    pub name: Option<IdentityName>,
    /// The root that paths are under; else `/`.
    pub root: Option<PathBuf>,
    /// Which daemon reads the files.
    pub layout: Option<DaemonLayout>,
    /// Whose the files are to be.
    pub owner: Option<OwnerName>,
}

/// What the installation of a daemon did, or would do.
#[derive(Debug)]
pub(crate) struct InstalledDaemon {
    /// The plan that was carried out, or would be.
    pub plan: Plan,
    /// The daemon.
    pub name: IdentityName,
    /// Where its files are.
    pub install: InstallRequest,
    /// What kitcert.yaml says of it.
    pub entry: Option<DaemonEntry>,
    /// What was there, if it was not as kitcert has put it there.
    pub by_hand: Option<Message>,
}

/// Installs a daemon's files under a root.
///
/// # Errors
/// No daemon, or several and none named; no certificate, a set that its peers would refuse, foreign files in
/// the way, parents that others can write, a disk that does not take the files. Nothing live is changed then.
pub(crate) fn install_daemon(
    invocation: &Invocation<'_>,
    asked: &DaemonInstallation,
) -> Result<InstalledDaemon, Failure> {
    let (_, observation) = invocation.observe(&Interest::Inventory)?;
    let name = plan::chosen(
        asked.name.as_ref(),
        observation.inventory.daemons.keys(),
        Role::Daemon,
        &Message::default(),
    )?;
    let entry = observation.inventory.daemons.get(&name);
    let there = entry.and_then(|entry| entry.install.as_ref());
    let root = asked.root.clone().or_else(|| there.map(|there| there.root.clone()));
    let request = InstallDaemonRequest {
        name: name.clone(),
        install: InstallRequest {
            layout: asked.layout.or(there.map(|there| there.layout)).unwrap_or_default(),
            root: root.unwrap_or_else(|| PathBuf::from("/")),
        },
        owner: asked.owner.clone().or_else(|| there.and_then(|there| there.owner.clone())),
        key_group: there.and_then(|there| there.key_group.clone()),
    };
    let (plan, standing) = carry_out(invocation, &request)?;
    let by_hand = standing.fault(&name);
    Ok(InstalledDaemon { plan, name, install: request.install, entry: entry.cloned(), by_hand })
}

fn carry_out(
    invocation: &Invocation<'_>,
    request: &InstallDaemonRequest,
) -> Result<(Plan, Standing), Failure> {
    let interest = Interest::Identities(vec![(Role::Daemon, request.name.clone())]);
    let planner = |observation: Option<&Observation>| {
        let observation = observation.ok_or_else(|| invocation.no_state())?;
        let placed = observe_daemon(invocation, request, Some(observation))?;
        plan::install_daemon(request, observation, &placed.observed)
    };
    let (_, observation) = invocation.observe(&interest)?;
    let hosts = observation.inventory.daemons.get(&request.name).map(|daemon| daemon.endpoint.host().clone());
    check_set(invocation, Role::Daemon, &request.name, &observation, hosts.as_slice())?;
    let placed = observe_daemon(invocation, request, Some(&observation))?;
    let planned = plan::install_daemon(request, &observation, &placed.observed)?;
    if invocation.mode == Mode::Apply && !planned.placements.is_empty() {
        refuse_kept_out(invocation, &request.name, &observation)?;
    }
    let (placed, _lock) = match invocation.mode == Mode::Apply && !planned.placements.is_empty() {
        false => (placed, None),
        true => {
            // A rotation that is at work on the daemon places its files too.
            let directory = invocation.open()?.ok_or_else(|| invocation.no_state())?;
            let lock = directory.lock_daemon(&request.name, invocation.command, PATIENCE)?;
            let (_, observation) = invocation.observe(&interest)?;
            (observe_daemon(invocation, request, Some(&observation))?, Some(lock))
        }
    };
    let done = change_state(invocation, &interest, &planner)?;
    if invocation.mode == Mode::Apply && !done.plan.placements.is_empty() {
        placed.install()?;
    }
    Ok((done.plan, placed.observed.standing.clone()))
}

/// Once it is restarted with other files, a daemon lets in again whom it refuses without this state knowing why.
fn refuse_kept_out(
    invocation: &Invocation<'_>,
    name: &IdentityName,
    observation: &Observation,
) -> Result<(), Failure> {
    let Some(entry) = observation.inventory.daemons.get(name) else { return Ok(()) };
    let options = DialOptions::before_a_change(entry);
    // What cannot be tried holds up nothing, and neither does a daemon that may be of another PKI.
    let is_of_another = |one: &Forgotten| one.is_leaf && !one.doubt.is_empty();
    match forgotten(invocation, (name, &entry.endpoint), &options) {
        Ok(Some(one)) if !is_of_another(&one) => Err(Failure::new("installing daemon", name)
            .expected("one that refuses nobody whom this state lets in, and serves what it has issued")
            .found(one.told())
            .hint(one.fix())
            .exit(ExitCode::NotServed)),
        _ => Ok(()),
    }
}
