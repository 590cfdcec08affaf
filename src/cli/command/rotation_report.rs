//! What a rotation did or would do, in words and in JSON.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::apply::{FormerKeys, IdentityOutcome, IdentityResult, Invocation, RolloutResult, Rotated};
use crate::cli::output::{Changed, Report, Tone, show_steps, with_plan};
use crate::message;
use crate::model::{ExitCode, Failure, IdentityName, Message, Printable, Role, Timestamp};
use crate::plan::{RolloverProgress, Rotation, RotationAction, RotationRow};

/// Whether it was only asked what would be done.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    Action,
    Plan,
    /// Of now, or of another time.
    Check(Option<Timestamp>),
}

/// What a rotation did or would do.
pub(super) fn told(report: Report, invocation: &Invocation<'_>, rotated: &Rotated, asked: Asked) -> Report {
    let rotation = &rotated.rotation;
    let report = report.target(invocation.state.display());
    let report =
        with_plan(report, rotated.steps.clone()).object(&object(rotated, asked)).table(rows(&rotation.rows));
    let report = rotation
        .unable
        .iter()
        .fold(report, |report, (_, failure)| report.toned(Tone::Bad, with_try(failure)));
    if rotation.is_empty() && rotated.rollouts.is_empty() && rotated.failure.is_none() {
        let report = report.exit(rotated.exit()).line(nothing(rotation));
        // What a person has to do is not said by anybody else.
        return if is_silent(rotation) { report } else { report.even_if_quiet() };
    }
    match asked {
        Asked::Plan => show_steps(report.exit(rotated.outcome()), rotated.steps.clone()),
        Asked::Check(at) => {
            let verdict = match at {
                None => message!("due; next: {kitcert} rotate"),
                Some(at) => message!("due by {}", at.minute()),
            };
            // What cannot be done is graver than what is to be done.
            report.exit(ExitCode::of_all([ExitCode::Due, rotated.outcome()])).toned(Tone::Warning, verdict)
        }
        Asked::Action => {
            let changed = if rotated.is_changed() { Changed::Yes } else { Changed::No };
            let report = report.changed(changed).exit(rotated.exit());
            let over = rotated.ended.map(|keys| match keys {
                FormerKeys::Here => message!("the rollover is over; next: {kitcert} ca delete-former-keys"),
                FormerKeys::Elsewhere => message!("the rollover is over"),
            });
            let report =
                over.into_iter().fold(report, |report, over| report.toned(Tone::Good, over).even_if_quiet());
            // What a person has to do is not said by anybody else.
            let is_told = rotation.rows.iter().any(|row| row.action == RotationAction::Reported);
            let report = if is_told { report.even_if_quiet() } else { report };
            let report = match (rotation.is_emergency, rotation.locked_out.is_empty()) {
                (true, false) => report
                    .toned(Tone::Bad, message!("locked out: {}", Message::few(&rotation.locked_out, ", "))),
                _ => report,
            };
            let report = match rotated.out.is_empty() {
                true => report,
                false => report.toned(
                    Tone::Bad,
                    message!("no daemon accepts the installed files of {}", Message::few(&rotated.out, ", ")),
                ),
            };
            let report = rotated.parted.iter().fold(report, |report, (name, daemons)| {
                let daemons = Message::join(daemons, " and ");
                report.toned(
                    Tone::Bad,
                    message!(
                        "{} has its new files, and is locked out of {} until that daemon serves its new files",
                        name,
                        daemons
                    ),
                )
            });
            let report = rotated.absent.iter().fold(report, |report, (name, why)| {
                let text =
                    message!("{}: {}; next: {kitcert} rotate {} (when it is there again)", name, why, name);
                report.toned(Tone::Warning, text)
            });
            let failures = rotated.unplaced.values().chain(&rotated.failure);
            let report = failures.fold(report, |report, failure| report.toned(Tone::Bad, with_try(failure)));
            let report = match (&rotated.failure, rotation.is_emergency && rotation.rolls_over) {
                (Some(_), true) => report.toned(
                    Tone::Bad,
                    "NOT DONE: those who must be shut out still get in; next: {kitcert} rotate",
                ),
                _ => report,
            };
            rollouts(report, rotated)
        }
    }
}

/// A failure of one identity, with what to try.
pub(super) fn with_try(failure: &Failure) -> Message {
    match failure.remedy() {
        Some(command) => message!("{}; try: {}", failure, command.in_one_line()),
        None => failure.message(),
    }
}

/// How far a rollover is that is under way, in one line.
pub(super) fn progress_line(progress: &RolloverProgress) -> Message {
    let RolloverProgress { to, stage, doing, waits_for, compromised, .. } = progress;
    let what = if *compromised { "EMERGENCY: rollover" } else { "rollover" };
    let names = Message::few(waits_for, ", ");
    let waits = if names.is_empty() { names } else { message!("; waits for {}", names) };
    message!("{} to {}, step {} of 3: {}{}", what, to.short(), stage, doing, waits)
}

/// What became of each identity.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::cli) struct RotationObject {
    /// Every identity that there was something to do for, or to say of.
    results: Vec<ResultMember>,
    /// How many ended how, by the word that `result` has for it.
    counts: BTreeMap<&'static str, usize>,
    /// How many of kitcert.yaml there was nothing to do for, or to say of.
    untouched: UntouchedMember,
    /// The clients for whose sake something was not done, or that are out now.
    locked_out: Vec<Message>,
}

/// What became of an identity.
#[derive(Debug, Serialize, JsonSchema)]
struct ResultMember {
    /// `ca`, `daemon` or `client`; `certificate` of a file that cannot be read.
    kind: &'static str,
    /// A CA's key identifier, shortened; an identity's name; that file.
    name: Message,
    /// What was done with it, or would be.
    action: Option<RotationAction>,
    /// Why.
    reason: Option<Message>,
    /// The end of its new certificate, RFC 3339.
    expires: Option<Timestamp>,
    /// How it ended; null where nothing was done.
    result: Option<IdentityOutcome>,
    /// What that is worth, as an exit code.
    exit: Option<u8>,
    /// Whether something of it is different now.
    changed: bool,
    /// What went wrong with it, where something did.
    why: Option<Message>,
    /// The command that goes on from there.
    #[serde(rename = "try")]
    next: Option<Message>,
}

/// Those that there was nothing to do for.
#[derive(Debug, Serialize, JsonSchema)]
struct UntouchedMember {
    /// Daemons.
    daemon: usize,
    /// Clients.
    client: usize,
}

/// The same of all, for programs.
fn object(rotated: &Rotated, asked: Asked) -> RotationObject {
    let rows = &rotated.rotation.rows;
    let is_done = asked == Asked::Action;
    let member = |result: IdentityResult| {
        let row = rows.iter().rev().find(|row| row.kind == result.kind && row.name == result.name);
        ResultMember {
            kind: result.kind,
            name: result.name,
            action: row.map(|row| row.action),
            reason: row.map(RotationRow::why),
            expires: row.and_then(|row| row.expires),
            result: is_done.then_some(result.outcome),
            exit: is_done.then(|| result.exit.code()),
            changed: is_done && result.is_changed,
            why: result.why.filter(|_| is_done),
            next: result.next.filter(|_| is_done),
        }
    };
    let counts = if is_done { rotated.counts() } else { BTreeMap::default() };
    RotationObject {
        results: rotated.results().into_iter().map(member).collect(),
        counts: counts.into_iter().map(|(outcome, count)| (outcome.as_str(), count)).collect(),
        untouched: UntouchedMember {
            daemon: rotated.untouched(Role::Daemon),
            client: rotated.untouched(Role::Client),
        },
        locked_out: rotated.locked_out().into_iter().map(Printable::message).collect(),
    }
}

/// How many ended how, in a line: what is done, what is not, and what there was nothing to do for.
fn tally(rotated: &Rotated) -> Message {
    let counted =
        rotated.counts().into_iter().map(|(outcome, count)| message!("{} {}", count, outcome.words()));
    let left = [(Role::Daemon, "daemon"), (Role::Client, "client")].into_iter().filter_map(|(role, one)| {
        let count = rotated.untouched(role);
        let many = if count == 1 { "" } else { "s" };
        (count > 0).then(|| message!("{} {}{} untouched", count, one, many))
    });
    Message::join(counted.chain(left), ", ")
}

fn rows(rows: &[RotationRow]) -> Vec<(Tone, Vec<Message>)> {
    let cells = |row: &RotationRow| {
        let until = row.expires.map(|end| message!("until {}", end.date())).unwrap_or_default();
        vec![row.kind.message(), row.name.clone(), row.action.as_str().message(), until, row.why()]
    };
    let tone = |row: &RotationRow| match row.action {
        RotationAction::Reported | RotationAction::LeftBehind => Tone::Warning,
        RotationAction::Refused | RotationAction::LockedOut | RotationAction::Distrusted => Tone::Bad,
        _ => Tone::Plain,
    };
    rows.iter().map(|row| (tone(row), cells(row))).collect()
}

fn nothing(rotation: &Rotation) -> Message {
    if rotation.rows.iter().any(|row| row.action == RotationAction::Refused) {
        return message!("{}", NOT_DONE);
    }
    let what = if rotation.rows.is_empty() { "nothing is due" } else { "nothing to do on this machine" };
    held_by(rotation).unwrap_or_else(|| message!("{}; {}", what, about_the_others(rotation)))
}

/// Whether every daemon is verified that was not looked at.
fn about_the_others(rotation: &Rotation) -> Message {
    let is_told = |name: &&IdentityName| {
        rotation.rows.iter().any(|row| row.identity.as_ref().is_some_and(|(_, told)| told == *name))
    };
    let untold: Vec<_> = rotation.unverified.iter().filter(|name| !is_told(name)).collect();
    let next = match untold.is_empty() {
        true => message!("{kitcert} status"),
        false => message!("{kitcert} rotate {}", Message::join(untold, " ")),
    };
    let mut letting_in = rotation.left_letting_in.iter().chain(&rotation.unstoppable).peekable();
    match (rotation.unverified.is_empty(), letting_in.peek().is_none()) {
        (true, true) => message!("every daemon is verified"),
        (true, false) => {
            message!("whoever is revoked gets in still: {}", Message::join(letting_in, ", "))
        }
        (false, _) => message!("not verified: {}; next: {}", Message::join(&rotation.unverified, ", "), next),
    }
}

/// Whom no name stops, on which daemon.
pub(super) fn still_let_in(
    report: Report,
    unstoppable: &BTreeMap<IdentityName, BTreeMap<Message, Timestamp>>,
) -> Report {
    let all = unstoppable.iter().flat_map(|(daemon, who)| who.iter().map(move |one| (daemon, one)));
    all.fold(report, |report, (daemon, (who, end))| {
        report.toned(Tone::Bad, message!("STILL LETS IN {} on {}, until {}", who, daemon, end.date()))
    })
}

/// Whether nothing is to be said that was not said the night before. That clients which nobody knows may have certificates
/// of a CA can hold a rollover for years, and `status` says so.
fn is_silent(rotation: &Rotation) -> bool {
    rotation.rows.iter().all(|row| row.kind == "ca" && row.holds_rollover)
}

/// That somebody holds a rollover up, to a person who asks; and to cron, where a person can do something about it.
fn told_held(report: Report, held: Message, rotation: &Rotation) -> Report {
    let report = report.toned(Tone::Warning, held);
    if is_silent(rotation) { report } else { report.even_if_quiet() }
}

/// For whom a rollover waits.
fn held_by(rotation: &Rotation) -> Option<Message> {
    let names =
        Message::few(rotation.rows.iter().filter(|row| row.holds_rollover).map(|row| &row.name), ", ");
    (!names.is_empty()).then(|| message!("the rollover waits for {}", names))
}

/// How it ended for each daemon, the gravest last, and then for how many.
fn rollouts(report: Report, rotated: &Rotated) -> Report {
    if rotated.rollouts.is_empty() {
        return match rotated.unplaced.is_empty() {
            true => match held_by(&rotated.rotation) {
                Some(held) => told_held(report, held, &rotated.rotation),
                None if rotated.rotation.unverified.is_empty() => {
                    report.toned(Tone::Good, "done; no daemon had to be restarted")
                }
                None => {
                    report.toned(Tone::Warning, message!("done; {}", about_the_others(&rotated.rotation)))
                }
            },
            false => with_tally(report, rotated),
        };
    }
    let (verified, others): (Vec<_>, Vec<_>) =
        rotated.rollouts.iter().partition(|(_, result)| matches!(result, RolloutResult::Verified { .. }));
    let report = match verified.as_slice() {
        [] => report,
        [(name, result)] => {
            let (_, tone, text) = line(name, result);
            report.toned(tone, text)
        }
        several => report.toned(
            Tone::Good,
            message!(
                "verified: {} daemons serve their current credentials, and let in only clients of their CAs",
                several.len()
            ),
        ),
    };
    let remarks = verified.iter().filter_map(|(name, result)| Some((name, result.why()?)));
    let report = remarks
        .fold(report, |report, (name, remark)| report.toned(Tone::Warning, message!("{}: {}", name, remark)));
    let all_verified = others.is_empty();
    let mut lines: Vec<(ExitCode, Tone, Message)> =
        others.into_iter().map(|(name, result)| line(name, result)).collect();
    lines.sort_by_key(|(exit, ..)| std::cmp::Reverse(exit.rank()));
    let report = lines.into_iter().fold(report, |report, (_, tone, text)| report.toned(tone, text));
    if rotated.rotation.rows.iter().any(|row| row.action == RotationAction::Refused) {
        return with_tally(report.toned(Tone::Bad, NOT_DONE), rotated);
    }
    match (all_verified, held_by(&rotated.rotation)) {
        (true, Some(held)) => told_held(report, held, &rotated.rotation),
        (true, None) => {
            let is_all = rotated.rotation.unverified.is_empty();
            let tone = if is_all { Tone::Good } else { Tone::Warning };
            report.toned(tone, message!("done; {}", about_the_others(&rotated.rotation)))
        }
        (false, _) => with_tally(report, rotated),
    }
}

/// Where there was more than one thing to do, and not all of it is done.
fn with_tally(report: Report, rotated: &Rotated) -> Report {
    let counts = rotated.counts();
    match counts.values().sum::<usize>() > 1 && counts.keys().any(|one| *one != IdentityOutcome::Done) {
        true => report.toned(Tone::Plain, tally(rotated)),
        false => report,
    }
}

/// How it ended for one daemon, in one line that says what to do next.
pub(super) fn line(name: &IdentityName, result: &RolloutResult) -> (ExitCode, Tone, Message) {
    let (tone, text) = match result {
        RolloutResult::Verified { .. } => (
            Tone::Good,
            message!(
                "verified: {} serves its current credentials, and lets in only clients of its CAs",
                name
            ),
        ),
        RolloutResult::NotServed { why, command } => {
            let next = match command {
                Some(command) => message!("next: {}; then: {kitcert} rotate {}", command, name),
                None => message!("next: restart it with its new files; then: {kitcert} rotate {}", name),
            };
            (Tone::Warning, message!("{}: {}; {}", name, why, next))
        }
        RolloutResult::HeldBack { why, command } => {
            (Tone::Bad, message!("{}; next: {}", why, command.in_one_line()))
        }
        RolloutResult::Untried { why, word } => {
            (Tone::Warning, message!("{} was restarted with its new files; {}; next: {}", name, why, word))
        }
        RolloutResult::Faulty { why } => {
            let text =
                message!("{} serves its current credentials: {}; next: {kitcert} verify {}", name, why, name);
            (Tone::Bad, text)
        }
        RolloutResult::RolledBack { generation, from, why } => {
            let text = message!(
                "rolled back: {} serves {} (the certificate of {}) again: {}",
                name,
                generation,
                from,
                why
            );
            (Tone::Bad, text)
        }
        RolloutResult::Down { why } => {
            (Tone::Bad, message!("DAEMON DOWN: {}: {}; next: {kitcert} verify {}", name, why, name))
        }
        RolloutResult::LeftAlone(failure) => {
            let next = result.next(name).map(|next| message!("; try: {}", next)).unwrap_or_default();
            (Tone::Bad, message!("{}: {}{}", name, failure, next))
        }
        RolloutResult::Failed(failure) => (Tone::Bad, message!("{}: {}", name, with_try(failure))),
    };
    (result.exit(), tone, text)
}

const NOT_DONE: &str = "not all done: what would lock somebody out was refused";
