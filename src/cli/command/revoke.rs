//! `kitcert revoke`

use std::path::PathBuf;

use clap::Args;

use super::let_in_again::{TakenBack, in_again, is_in_again};
use super::revoke_daemon;
use super::revoke_object::RevokeObject;
use super::rotate::{Jobs, restarting};
use super::rotation_report::{Asked, still_let_in, told, with_try};
use super::waiting::Waiting;
use crate::apply::{self, AccessChange, Invocation, Restarting, Revoked, RolloutResult, Rotated};
use crate::cli::options::ChangeOptions;
use crate::cli::output::{Changed, Report, Tone, show_steps};
use crate::cli::session::Session;
use crate::message;
use crate::model::{
    Exclusion, ExitCode, Failure, FingerprintPrefix, IdentityName, Message, Printable as _, RevocationReason,
    Role, Selector,
};
use crate::plan::{RevokeRequest, RotationAction, SeenRequest, StateStep, UndoRequest};

/// `kitcert revoke`
#[derive(Debug, Args)]
pub struct RevokeArguments {
    /// The client; daemon/NAME for what helps if a daemon's key was stolen
    #[arg(value_name = "NAME")]
    pub name: Selector,
    /// Only this key of the client: the SHA-256 of the SubjectPublicKeyInfo, or its first 32 digits
    #[arg(long, value_name = "SHA256")]
    pub only_key: Option<FingerprintPrefix>,
    /// Also stop this certificate, which this state did not issue
    #[arg(long, value_name = "FILE", conflicts_with_all = ["undo", "seen"])]
    pub cert: Vec<PathBuf>,
    /// Why; it is remembered
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<RevocationReason>,
    /// Give the client its access back, with its previous keys; with --only-key, with that key only; for a daemon: its key
    /// was not stolen
    #[arg(long, conflicts_with_all = ["reason", "seen"])]
    pub undo: bool,
    /// With --undo: the keys that it had stay revoked, and it gets in with another one alone
    #[arg(long, requires = "undo", conflicts_with = "only_key")]
    pub new_key: bool,
    /// Afterwards: you have seen that the daemons refuse the client, or let it in again, or are stopped; for a CA without
    /// its key, and for daemons that nobody renews, where kitcert cannot try it
    #[arg(long, conflicts_with_all = ["only_key", "reason"])]
    pub seen: bool,
    /// With --seen: on this daemon alone; one that kitcert does not restart has to be named
    #[arg(long, value_name = "DAEMON", requires = "seen")]
    pub on: Vec<IdentityName>,
    /// Do not restart any daemon; the client gets in until you do
    #[arg(long, conflicts_with = "when_idle")]
    pub no_restart: bool,
    /// Restart each daemon only while no build runs there
    #[arg(long)]
    pub when_idle: bool,
    /// How many daemons are restarted at the same time
    #[command(flatten)]
    pub jobs: Jobs,
    /// Whether to only print the plan.
    #[command(flatten)]
    pub change: ChangeOptions,
}

pub(in crate::cli) fn run(session: Session<'_>, asked: &RevokeArguments) -> Result<Report, Failure> {
    let waiting = Waiting::shown_by(&session);
    let watch = |progress| waiting.watch(progress);
    let invocation = session.invocation("revoke", Some(asked.change), &watch)?;
    if asked.name.role == Some(Role::Daemon) {
        let for_clients = asked.seen || asked.new_key || asked.only_key.is_some() || !asked.cert.is_empty();
        if asked.undo && !for_clients {
            return revoke_daemon::undo(&invocation, &asked.name.name);
        }
        let way = (how(asked), asked.jobs.jobs.into());
        return revoke_daemon::run(&invocation, &asked.name.name, (asked.reason.as_ref(), for_clients), way);
    }
    let name = asked.name.name.clone();
    let change = match (asked.undo, asked.seen) {
        (true, _) => AccessChange::Undo(UndoRequest {
            name: name.clone(),
            only_key: asked.only_key.clone(),
            with_new_key: asked.new_key,
            by: invocation.contact(),
        }),
        (_, true) => AccessChange::Seen(SeenRequest { name: name.clone(), daemons: asked.on.clone() }),
        (false, false) => AccessChange::Revoke(RevokeRequest {
            name: name.clone(),
            only_key: asked.only_key.clone(),
            others: apply::certificates_in(&asked.cert)?,
            reason: asked.reason.clone(),
            by: invocation.contact(),
        }),
    };
    let revoked = apply::revoke(&invocation, &change, (how(asked), asked.jobs.jobs.into()))?;
    Ok(said(&invocation, asked, &name, &revoked))
}

fn how(asked: &RevokeArguments) -> Restarting {
    if asked.when_idle { Restarting::WhenIdle } else { restarting(asked.no_restart) }
}

fn said(
    invocation: &Invocation<'_>,
    asked: &RevokeArguments,
    name: &IdentityName,
    revoked: &Revoked,
) -> Report {
    let warned = |report: Report| {
        warnings(name, revoked).into_iter().fold(report, |report, text| report.toned(Tone::Warning, text))
    };
    if !invocation.acts() {
        let report = warned(Report::new("revoke").target(invocation.state.display()));
        let report = report.object(&RevokeObject::of(revoked));
        return match revoked.rotated.rotation.is_empty() {
            true => show_steps(report, revoked.steps.clone()),
            false => told(report, invocation, &revoked.rotated, Asked::Plan).exit(ExitCode::Done),
        };
    }
    let report = told(Report::new("revoke"), invocation, &revoked.rotated, Asked::Action);
    let report = warned(report.object(&RevokeObject::of(revoked)).exit(revoked.exit()));
    let is_changed = !revoked.done.plan.state.is_empty() || revoked.rotated.is_changed();
    let report = report.changed(if is_changed { Changed::Yes } else { Changed::No });
    let report = revoked.removed.iter().fold(report, |report, folder| {
        report.line(message!("removed the files of client {} in {}", name, folder))
    });
    let report = revoked
        .kit
        .iter()
        .fold(report, |report, kit| report.line(message!("its kit waits again: hand over {}", kit)));
    let report = revoked.put_back.iter().fold(report, |report, folder| {
        report.line(message!("put the files of client {} back in {}", name, folder))
    });
    let report = revoked.missing.iter().fold(report, |report, folder| {
        report.toned(
            Tone::Warning,
            message!(
                "the files of client {} are not in {}: that folder is gone, or its key is elsewhere",
                name,
                folder
            ),
        )
    });
    let report =
        revoked.unremoved.iter().fold(report, |report, failure| report.toned(Tone::Bad, with_try(failure)));
    // Of one that is down it is said above.
    let is_down = |daemon: &IdentityName| {
        matches!(revoked.rotated.rollouts.get(daemon), Some(RolloutResult::Down { .. }))
    };
    let still = revoked.still_let_in.iter().filter(|(daemon, _)| !is_down(daemon));
    let report = still.fold(report, |report, (daemon, who)| {
        report.toned(Tone::Bad, message!("STILL LETS IN {} on {}", Message::few(who, ", "), daemon))
    });
    let report = still_let_in(report, &revoked.unstoppable);
    let report = revoked.not_tried.iter().fold(report, |report, (daemon, who)| {
        let does = if asked.undo { "lets in" } else { "refuses" };
        report.toned(
            Tone::Warning,
            message!("not tried: whether {} {} {}", daemon, does, Message::few(who, ", ")),
        )
    });
    let is_done = revoked.exit() == ExitCode::Done;
    match (asked.undo, asked.seen) {
        (true, _) if is_done && !is_in_again(revoked) => {
            report.toned(Tone::Warning, in_again(taken_back(asked), name, revoked))
        }
        (true, _) if is_done => report.toned(Tone::Good, in_again(taken_back(asked), name, revoked)),
        (true, _) if revoked.is_in_effect() && is_served(revoked) => {
            report.toned(Tone::Warning, in_again(taken_back(asked), name, revoked))
        }
        (_, true) if is_done => report.toned(Tone::Good, noted(name, revoked)),
        // What else is wrong with a daemon is told above.
        (_, true) if revoked.is_in_effect() => report.toned(Tone::Warning, noted(name, revoked)),
        (false, false) if revoked.revoked_now.is_empty() => report.toned(
            Tone::Warning,
            message!(
                "client {} is not revoked any more: that was taken back meanwhile; next: {kitcert} status",
                name
            ),
        ),
        (false, false) if is_done => match &asked.only_key {
            None => report
                .toned(Tone::Good, message!("every daemon refuses client {}{}", name, of_person(revoked))),
            Some(_) => report.toned(
                Tone::Good,
                message!(
                    "every daemon refuses that key of client {}{}; next: {kitcert} issue client {} --new-key",
                    name,
                    of_person(revoked),
                    name
                ),
            ),
        },
        (false, false) if revoked.is_in_effect() => report.toned(
            Tone::Warning,
            message!(
                "client {} is refused{}, and something else is wrong with a daemon; next: {kitcert} rotate",
                name,
                of_person(revoked)
            ),
        ),
        _ if !revoked.not_tried.is_empty() && revoked.still_let_in.is_empty() => {
            let is_asked = revoked.not_tried.values().flatten().any(|who| *who == name.message());
            let mut words = revoked.rotated.rollouts.values().filter_map(|one| match one {
                RolloutResult::Untried { word, .. } => Some(word.parted().0),
                _ => None,
            });
            // What is left may be another's.
            let word = if is_asked { None } else { words.next() };
            let word = word.unwrap_or_else(|| message!("{kitcert} revoke --seen {}", name));
            report.toned(
                Tone::Warning,
                message!("not verified: try it with the client's files, or a copy of them; next: {}", word),
            )
        }
        _ if revoked.still_let_in.is_empty() && !revoked.unstoppable.is_empty() => report.toned(
            Tone::Bad,
            message!(
                "not done: what no daemon can refuse gets in until it ends; next: {}",
                revoked.way_past.in_one_line()
            ),
        ),
        _ => {
            let is_left = |daemon: &IdentityName| revoked.rotated.rotation.left_letting_in.contains(daemon);
            let left = &revoked.still_let_in;
            let is_unrestarted = |daemon: &IdentityName| {
                matches!(revoked.rotated.rollouts.get(daemon), Some(RolloutResult::NotServed { .. }))
            };
            let all = |is_so: &dyn Fn(&IdentityName) -> bool| !left.is_empty() && left.keys().all(is_so);
            let held_back = revoked.rotated.rollouts.iter().find_map(|(daemon, one)| match one {
                RolloutResult::HeldBack { command, .. } => Some((daemon, command)),
                _ => None,
            });
            let text = match (all(&is_left), all(&is_unrestarted), held_back) {
                (.., Some((daemon, command))) => {
                    message!("not done; do not restart {}; next: {}", daemon, command.in_one_line())
                }
                (true, ..) => message!("not done: nobody renews what still lets them in"),
                (_, true, _) => {
                    message!("not done until every daemon above is restarted; then: {kitcert} rotate")
                }
                (false, false, _) => message!("not done; next: {kitcert} rotate"),
            };
            report.toned(Tone::Bad, text)
        }
    }
}

fn taken_back(asked: &RevokeArguments) -> TakenBack {
    match (&asked.only_key, asked.new_key) {
        (Some(_), _) => TakenBack::OfKey,
        (None, true) => TakenBack::ButKeys,
        (None, false) => TakenBack::Whole,
    }
}

/// Of which daemons it was noted what a person has seen.
fn noted(name: &IdentityName, revoked: &Revoked) -> Message {
    let daemon = |step: &StateStep| match step {
        StateStep::NoteSeen(daemon, _) => Some(daemon.message()),
        _ => None,
    };
    match Message::join(revoked.done.plan.state.iter().filter_map(daemon), " and ") {
        none if none.is_empty() => message!("nothing to note: no daemon waits for a word of client {}", name),
        daemons => message!("noted what you have seen of client {} on {}", name, daemons),
    }
}

/// Of which daemons a person has said so.
fn of_person(revoked: &Revoked) -> Message {
    let said = revoked.said.iter().map(|(daemon, at)| message!("{} on {}", daemon, at.date()));
    match Message::join(said, ", ") {
        none if none.is_empty() => none,
        said => message!("; nothing here can try that, it was said of {}", said),
    }
}

/// Whether each daemon was verified with the bundle that it is to have: none was refused, or could not be read.
fn is_served(revoked: &Revoked) -> bool {
    let Rotated { rotation, rollouts, failure, .. } = &revoked.rotated;
    // Of what was put back nobody has seen that.
    let is_verified = |one: &RolloutResult| matches!(one, RolloutResult::Verified { .. });
    failure.is_none()
        && rotation.unable.is_empty()
        && !rotation.rows.iter().any(|row| row.action == RotationAction::Refused)
        && !rollouts.is_empty()
        && rollouts.values().all(is_verified)
}

/// What the revocation cannot do, and what else it does.
fn warnings(name: &IdentityName, revoked: &Revoked) -> Vec<Message> {
    let unlike = revoked.planned.of_other_names.iter();
    let unlike =
        unlike.map(|one| message!("--cert names certificate {}; it is revoked as client {}", one, name));
    let unstopped = revoked.planned.unstopped.iter().map(|(serial, end)| {
        message!(
            "certificate {} of client {} has no name of its own, so that no daemon can refuse it; it ends on {}",
            serial,
            name,
            end.date()
        )
    });
    let by_name = revoked.planned.by_name.iter().map(|name| {
        let below = match name {
            Exclusion::Dns(_) | Exclusion::Uri(_) => ", or a name below it,",
            Exclusion::Ip(_) | Exclusion::Email(_) => "",
        };
        message!(
            "whoever else has a certificate with {}{} is refused too: others of its CA are not known here",
            name,
            below
        )
    });
    let shared = &revoked.planned.shares_key_with;
    let shared = (!shared.is_empty()).then(|| {
        message!(
            "its key is that of {} too, as whom it gets in still; to stop that: {kitcert} revoke {}",
            Message::few(shared, ", "),
            Message::join(shared.iter().take(1), "")
        )
    });
    let may_stop = revoked.planned.may_stop_unknown.then(|| {
        message!(
            "of a CA of which others may have certificates, clients that are not known here are refused too if a name of theirs cannot \
             be compared: a host name with a blank, a mailbox without a host, a URI without one or with an address"
        )
    });
    let dropped = revoked.planned.drops.iter().map(|subject| {
        message!("whoever has a certificate that {} has issued, if there is any, is refused too", subject)
    });
    let nameless = &revoked.planned.has_nameless;
    let nameless = (!nameless.is_empty()).then(|| {
        message!(
            "a server of gRPC's C core refuses every certificate without a name from now on: {}",
            Message::few(nameless, ", ")
        )
    });
    unlike
        .chain(unstopped)
        .chain(by_name)
        .chain(shared)
        .chain(may_stop)
        .chain(dropped)
        .chain(nameless)
        .collect()
}
