//! What a rotation did or would do, in words and in JSON.

use crate::apply::{IdentityOutcome, IdentityResult, Invocation, RolloutResult, Rotated};
use crate::cli::output::{Changed, Object, Report, Tone, show_steps};
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
    let report = report
        .detail("plan", &rotated.steps)
        .detail("results", results(rotated, asked))
        .detail("counts", counts(rotated, asked))
        .detail("untouched", untouched(rotated))
        .detail("locked_out", rotated.locked_out().into_iter().map(Printable::message).collect::<Vec<_>>())
        .table(rows(&rotation.rows));
    let report = rotation
        .unable
        .iter()
        .fold(report, |report, (_, failure)| report.toned(Tone::Bad, with_try(failure)));
    if rotation.is_empty() && rotated.rollouts.is_empty() {
        let report = report.exit(rotated.exit()).line(nothing(rotation));
        // What a person has to do is not said by anybody else.
        return if rotation.rows.is_empty() { report } else { report.even_if_quiet() };
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
            let report = match rotated.has_ended {
                true => report
                    .toned(
                        Tone::Good,
                        message!("the rollover is over; next: {kitcert} ca delete-former-keys"),
                    )
                    .even_if_quiet(),
                false => report,
            };
            // What a person has to do is not said by anybody else.
            let is_told = rotation.rows.iter().any(|row| row.action == RotationAction::Reported);
            let report = if is_told { report.even_if_quiet() } else { report };
            let report = match (rotation.is_emergency, rotation.locked_out.is_empty()) {
                (true, false) => report.toned(
                    Tone::Bad,
                    message!(
                        "locked out until they have their new certificates: {}",
                        Message::few(&rotation.locked_out, ", ")
                    ),
                ),
                _ => report,
            };
            let report = rotated.parted.iter().fold(report, |report, (name, daemons)| {
                let daemons = Message::join(daemons, " and ");
                report.toned(
                    Tone::Bad,
                    message!(
                        "{} has its new files, and is locked out of {} until that serves its own",
                        name,
                        daemons
                    ),
                )
            });
            let report = rotated.absent.iter().fold(report, |report, (name, why)| {
                let text =
                    message!("{}: {}; next: {kitcert} rotate {}   # when it is there again", name, why, name);
                report.toned(Tone::Warning, text)
            });
            let failures = rotated.unplaced.values().chain(&rotated.failure);
            let report = failures.fold(report, |report, failure| report.toned(Tone::Bad, with_try(failure)));
            let report = match (&rotated.failure, rotation.is_emergency && rotation.rolls_over) {
                (Some(_), true) => report.toned(
                    Tone::Bad,
                    "NOT DONE: whoever is to be shut out still gets in; next: {kitcert} rotate",
                ),
                _ => report,
            };
            rollouts(report, rotated)
        }
    }
}

/// A failure of one identity, with what to try.
pub(super) fn with_try(failure: &Failure) -> Message {
    match failure.command_to_try() {
        Some(command) => message!("{}; try: {}", failure, command),
        None => failure.message(),
    }
}

/// How far a rollover is that is under way, for `status`.
pub(super) fn progress(report: Report, progress: &RolloverProgress) -> Report {
    report.detail("rollover", progress).toned(Tone::Warning, progress_line(progress))
}

/// The same in one line.
pub(super) fn progress_line(progress: &RolloverProgress) -> Message {
    let RolloverProgress { to, stage, doing, waits_for, compromised } = progress;
    let what = if *compromised { "EMERGENCY: rollover" } else { "rollover" };
    let names = Message::few(waits_for, ", ");
    let waits = if names.is_empty() { names } else { message!("; waits for {}", names) };
    message!("{} to {}, step {} of 3: {}{}", what, to.short(), stage, doing, waits)
}

/// Each identity with what became of it, for programs.
fn results(rotated: &Rotated, asked: Asked) -> Vec<Object> {
    let rows = &rotated.rotation.rows;
    let object = |result: IdentityResult| {
        let row = rows.iter().rev().find(|row| row.kind == result.kind && row.name == result.name);
        let object = row.map(Object::of).unwrap_or_else(|| {
            let nothing = || None::<Message>;
            Object::default()
                .with("kind", result.kind)
                .with("name", result.name.clone())
                .with("action", nothing())
                .with("reason", nothing())
                .with("expires", nothing())
        });
        let is_done = asked == Asked::Action;
        object
            .with("result", is_done.then(|| result.outcome.as_str()))
            .with("exit", is_done.then(|| u64::from(result.exit.code())))
            .with("changed", is_done && result.is_changed)
            .with("why", result.why.filter(|_| is_done))
            .with("try", result.next.filter(|_| is_done))
    };
    rotated.results().into_iter().map(object).collect()
}

fn counts(rotated: &Rotated, asked: Asked) -> Object {
    let counts = if asked == Asked::Action { rotated.counts() } else { Default::default() };
    counts
        .into_iter()
        .fold(Object::default(), |object, (outcome, count)| object.with(outcome.as_str(), count as u64))
}

fn untouched(rotated: &Rotated) -> Object {
    let count = |role| rotated.untouched(role) as u64;
    Object::default().with("daemon", count(Role::Daemon)).with("client", count(Role::Client))
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
        vec![row.kind.message(), row.name.clone(), row.action.as_str().message(), until, row.reason.clone()]
    };
    let tone = |row: &RotationRow| match row.action {
        RotationAction::Reported => Tone::Warning,
        RotationAction::Refused | RotationAction::LockedOut | RotationAction::Distrusted => Tone::Bad,
        _ => Tone::Plain,
    };
    rows.iter().map(|row| (tone(row), cells(row))).collect()
}

fn nothing(rotation: &Rotation) -> Message {
    if rotation.rows.iter().any(|row| row.action == RotationAction::Refused) {
        return message!("{}", NOT_DONE);
    }
    let what = if rotation.rows.is_empty() { "nothing is due" } else { "nothing is to be done here" };
    held_by(rotation).unwrap_or_else(|| message!("{}; {}", what, about_the_others(rotation)))
}

/// Whether every daemon is verified that was not looked at.
fn about_the_others(rotation: &Rotation) -> Message {
    let names = |between| Message::join(&rotation.unverified, between);
    match rotation.unverified.is_empty() {
        true => message!("every daemon is verified"),
        false => message!("not verified: {}; next: {kitcert} rotate {}", names(", "), names(" ")),
    }
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
                Some(held) => report.toned(Tone::Warning, held).even_if_quiet(),
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
                "verified: {} daemons serve their current credentials, and nobody without a certificate of \
                 yours gets in",
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
        (true, Some(held)) => report.toned(Tone::Warning, held).even_if_quiet(),
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
                "verified: {} serves its current credentials, and nobody without a certificate of yours gets in",
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
        RolloutResult::Faulty { why } => {
            let text =
                message!("{} serves its current credentials: {}; next: {kitcert} verify {}", name, why, name);
            (Tone::Bad, text)
        }
        RolloutResult::RolledBack { generation, from, why } => {
            let text = message!(
                "rolled back: {} serves {}, which has the certificate of {}, again: {}",
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

const NOT_DONE: &str = "not done: what is refused, since it would lock somebody out";
