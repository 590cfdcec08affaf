//! The commands that bring a daemon up, make it read its files, and give it files that it runs without.

use super::client::Client;
use crate::layout::{
    ClientTool, CommandLine, DaemonEntry, DaemonLayout, managed_container, restart_command, start_command,
};
use crate::message;
use crate::model::{Finding, IdentityName, Message, Printable, Role, Severity, Timestamp, Word};
use crate::store::{KeyPresence, Observation};

/// The command that makes a daemon read its files: what kitcert.yaml says, or that of the
/// container that we told to start.
pub(in crate::apply) fn restart_line(name: &IdentityName, entry: &DaemonEntry) -> Option<Message> {
    if !entry.restart.is_empty() {
        return Some(CommandLine(&entry.restart).message());
    }
    // How moby's daemon was started, and with which flags, is not ours to know.
    let install = entry.install.as_ref().filter(|install| install.layout != DaemonLayout::Buildkit);
    // A client's tool compares the paths of the files and not what is in them: it has to make the
    // container again.
    let managed = || entry.installed.iter().find_map(|folder| managed_container(folder));
    match install {
        Some(install) => Some(CommandLine(&restart_command(install.layout, name)?).message()),
        None => managed().map(|container| message!("docker rm -f {}", Word(&container))),
    }
}

/// How to look whether a daemon is there that nobody can connect to: a container that was never made cannot
/// be restarted.
pub(super) fn start_line(name: &IdentityName, entry: &DaemonEntry) -> Option<Message> {
    let container = container(name, entry)?;
    Some(message!(
        "docker ps -a --filter name={}   # if it is there: docker restart {}; if not, this prints how it is \
         started: {kitcert} install daemon {}",
        Word(&container),
        Word(&container),
        name
    ))
}

/// The command that gives the installed files to a daemon that runs without them. A container gets its mounts
/// and its environment when it is made, and no restart adds any.
pub(super) fn give_line(name: &IdentityName, entry: &DaemonEntry, is_installed: bool) -> Option<Message> {
    let install = entry.install.as_ref()?;
    // A container that a person restarts by a command of his own may be another than ours.
    let Some(container) = container(name, entry).filter(|_| entry.restart.is_empty()) else {
        return Some(message!(
            "{kitcert} install daemon {}   # prints how it is given its files; a restart alone does not",
            name
        ));
    };
    let start = start_command(install.layout, &install.root, name, entry.endpoint.port()).ok()??;
    let first = match is_installed {
        true => Message::default(),
        false => message!("{kitcert} install daemon {} && ", name),
    };
    Some(message!("{}docker rm -f {}; {}", first, Word(&container), CommandLine(&start.arguments)))
}

/// The command that gives a client its new files whose own are of a CA that is not in use any more.
pub(super) fn renew_line(observation: &Observation, client: &Client) -> Option<Message> {
    let leaf = client.identity.as_ref()?.chain.first()?;
    let is_replaced = observation.issuer_of(leaf).is_some_and(|issuer| !issuer.record.is_usable());
    let name = IdentityName::of_client(&leaf.usable_names()).filter(|_| is_replaced)?;
    let invite = message!("{kitcert} invite {}", name);
    Some(match observation.current(Role::Client, &name) {
        Some(current) if current.key == KeyPresence::Present => {
            message!("{kitcert} install client {}   # on this machine; on another: {}", name, invite)
        }
        Some(_) => message!("sign another request of {}: its key is elsewhere", name),
        None => invite,
    })
}

/// How a client's certificate is renewed where there is no state: nothing on that machine can.
pub(super) fn renewed_by_a_kit(finding: &mut Finding) {
    if finding.fix.as_ref().is_some_and(|fix| fix.starts_with("kitcert rotate")) {
        finding.set_fix("ask the admin of the daemon for a new kit, and join it");
    }
}

/// What fixes a finding where there is no state: a client has its files from a kit, and all else is done
/// where the state is.
pub(super) fn without_state(finding: &mut Finding) {
    let Some(fix) = &finding.fix else { return };
    let is_for_anybody = |word: &&str| fix.starts_with(&format!("kitcert {word}"));
    if fix.starts_with("kitcert install client") {
        let tool =
            ClientTool::ALL.into_iter().find(|tool| fix.contains(&format!(" --tool {}", tool.as_str())));
        let with = tool.map(|tool| message!(" with --tool {}", tool)).unwrap_or_default();
        finding.set_fix(message!(
            "join the kit that you were sent{}, or ask the admin of the daemon for a new one",
            with
        ));
    } else if fix.starts_with("kitcert ") && !["verify", "inspect"].iter().any(is_for_anybody) {
        finding.fix = Some(message!("where the state is: {}", fix));
    }
}

/// The container of a daemon that is installed on this machine, as far as kitcert.yaml knows none other: the
/// one that we told to start, or the one that its restart command names.
fn container(name: &IdentityName, entry: &DaemonEntry) -> Option<String> {
    let install = entry.install.as_ref()?;
    let words: Vec<&str> = entry.restart.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] => restart_command(install.layout, name)?.pop(),
        ["docker", "restart", container] => Some((*container).to_owned()),
        _ => None,
    }
}

/// What kitcert.yaml accepts of a daemon is information.
pub(super) fn accept(observation: &Observation, name: &IdentityName, finding: &mut Finding, now: Timestamp) {
    let found = (finding.rule, &finding.found);
    let acceptance = observation.inventory.accepted((Role::Daemon, name), found, now);
    if let Some(acceptance) = acceptance.filter(|_| finding.severity > Severity::Info) {
        *finding = acceptance.accept(finding);
    }
}
