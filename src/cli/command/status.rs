//! `kitcert status`

use std::path::Path;

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use super::rotation_report;
use crate::apply::{self, Invocation, Status, Timeline};
use crate::cli::options::ResultOptions;
use crate::cli::output::{LEGEND, Monitored, MonitoredCertificate, Report, Tone, timeline as drawn};
use crate::cli::session::{Session, UNWATCHED};
use crate::message;
use crate::model::{ExitCode, Failure, Finding, Message, Printable, Role, Rule, Severity, Timestamp};
use crate::plan::{IdentityState, LastVerification, NextStep, RolloverProgress, StatusRow, Window};

/// `kitcert status`
#[derive(Debug, Args)]
pub struct StatusArguments {
    /// Show the state as of that time, such as 2027-02-01
    #[arg(long, value_name = "TIME", value_parser = Timestamp::parse)]
    pub at: Option<Timestamp>,
    /// Exit 4 if something is due or not verified, 3 if a client's certificate expired while its kit waits
    #[arg(long)]
    pub check: bool,
    /// Draw when each certificate is valid, replaced ones included
    #[arg(long)]
    pub timeline: bool,
    /// Where the result goes.
    #[command(flatten)]
    pub result: ResultOptions,
}

pub(in crate::cli) fn run(session: Session<'_>, asked: &StatusArguments) -> Result<Report, Failure> {
    let invocation = Invocation { at: asked.at, ..session.invocation("status", None, UNWATCHED)? };
    let timeline = if asked.timeline { Timeline::Wanted } else { Timeline::Unwanted };
    let status = apply::status(&invocation, timeline)?;
    let (now, rows) = (status.now, &status.rows);
    let attention = rows.iter().any(StatusRow::needs_attention);
    // In the second stage people are waited for; in the others a rotation goes on.
    let is_emergency = status.rollover.as_ref().is_some_and(|one| one.compromised || one.stage != 2);
    let is_locked_out = rows.iter().any(|row| row.state == IdentityState::KitOverdue);
    let lost = status.lost();
    let exit = match asked.check {
        true if status.is_old || lost.is_some() || is_locked_out => ExitCode::Verification,
        true if attention || is_emergency || !status.misplaced.is_empty() => ExitCode::Due,
        _ => ExitCode::Done,
    };
    let mut report = Report::new("status")
        .target(invocation.state.display())
        .exit(exit)
        .object(&StatusObject {
            now,
            identities: rows,
            rollover: status.rollover.as_ref(),
            state_is_old: status.is_old,
            rollover_is_lost: status.lost_rollover.is_some(),
            revocations_are_lost: status.lost_revocations.is_some(),
            timeline: asked.timeline.then_some(&status.windows),
        })
        .about(monitored(&invocation.state, &status))
        .line(message!("{}  {}", invocation.state.display(), now.minute()));
    if !asked.timeline {
        // Cron mails whatever is printed.
        let is_told = |row: &&StatusRow| !session.global.quiet || row.needs_attention();
        report = report.table(table(rows.iter().filter(is_told)));
    }
    let is_faulty =
        status.is_old || lost.is_some() || !status.misplaced.is_empty() || !status.log_faults.is_empty();
    if attention || is_emergency || is_faulty {
        report = report.even_if_quiet();
    }
    for (row, fault) in rows.iter().filter_map(|row| Some((row, row.fault.as_ref()?))) {
        let remedy = row.remedy.as_ref().map(|remedy| message!("; try: {}", remedy)).unwrap_or_default();
        report = report.toned(Tone::Bad, message!("{} {}: {}{}", row.kind, row.name, fault, remedy));
    }
    report = status.log_faults.iter().fold(report, |report, fault| report.toned(Tone::Warning, fault));
    if session.global.verbose {
        for row in rows {
            if let Some(words) = &row.authority_words {
                let line = message!("if join asks {} for the CA's fingerprint: {}", row.name, words);
                report = report.line(line);
            }
        }
    }
    if status.has_unfinished_change {
        report = report.toned(
            Tone::Warning,
            "a change was interrupted; the next command that changes something finishes it",
        );
    }
    let kind = if status.is_old { Tone::Bad } else { Tone::Warning };
    report = status.misplaced.iter().fold(report, |report, one| report.toned(kind, one.clone()));
    if !status.can_sign {
        report =
            report.toned(Tone::Warning, "the key of no CA is here, so that nothing is issued or renewed");
    }
    let mut last = last_line(&status, &invocation.state);
    if asked.timeline {
        let drawing = drawn(&status.windows, now, session.console.columns(), |one| tone_of(one, rows));
        report = report.table(drawing).toned(Tone::Aside, LEGEND);
    }
    if let Some(progress) = &status.rollover {
        report = report.toned(Tone::Warning, rotation_report::progress_line(progress));
        if progress.compromised {
            last = message!("it is over once every client of that CA is refused; next: {kitcert} rotate");
        } else if !attention && !progress.waits_for.is_empty() {
            let next = progress.next.clone().unwrap_or(message!("{kitcert} rotate"));
            last = message!("the rollover waits; next: {}", next);
        }
    }
    if status.is_old {
        let old = message!("{}; next: {kitcert} recover, in the copy that you keep", OLD);
        return Ok(report.toned(Tone::Bad, old));
    }
    if let Some(lost) = lost {
        return Ok(report.toned(Tone::Bad, rotation_report::with_try(lost)));
    }
    Ok(report.toned(if attention || is_emergency { Tone::Warning } else { Tone::Plain }, last))
}

const OLD: &str = "this may be an old copy of the state, or one of two";

/// What monitoring reads of it.
fn monitored(state: &Path, status: &Status) -> Monitored {
    let (rows, now) = (&status.rows, status.now);
    let whose = |row: &StatusRow| message!("{} {}", row.kind, row.name);
    let certificate = |row: &StatusRow| {
        Some(MonitoredCertificate { whose: whose(row), validity: row.validity?, due: row.due? })
    };
    let mut findings: Vec<Finding> = rows.iter().filter_map(|row| finding(row, whose(row))).collect();
    let faults = rows.iter().filter(|row| row.needs_attention()).count();
    let rollover = status.rollover.as_ref().map(of_rollover);
    let verdict = match faults {
        _ if status.is_old => OLD.message(),
        0 => message!("nothing is due; every daemon is verified"),
        1 => message!("1 needs attention"),
        faults => message!("{} need attention", faults),
    };
    let verdict = match &status.rollover {
        Some(progress) => message!("{}; {}", rotation_report::progress_line(progress), verdict),
        None => verdict,
    };
    findings.extend(rollover);
    findings.extend(status.log_faults.iter().map(|fault| {
        let finding = Finding::new(Rule::LogDamaged, Severity::Warning, message!("log.jsonl"));
        finding.expected("a log that can be read and appended to").found(fault).fix(Rule::LogDamaged.fix())
    }));
    let severity = if status.is_old { Severity::Error } else { Severity::Warning };
    findings.extend(status.misplaced.iter().map(|one| {
        let finding = Finding::new(Rule::OldCopy, severity, state.display());
        finding.expected("what this copy of the state has made").found(one).fix(Rule::OldCopy.fix())
    }));
    findings.extend(status.lost().map(|lost| {
        let finding = Finding::new(Rule::Unreadable, Severity::Error, lost.subject());
        let finding = finding.expected(lost.what_was_expected()).found(lost.what_was_found());
        match lost.remedy() {
            Some(remedy) => finding.fix(remedy),
            None => finding,
        }
    }));
    let is_sound = Finding::gravest(&findings) < Severity::Warning;
    Monitored {
        name: state.message(),
        verdict,
        findings,
        certificates: rows.iter().filter_map(certificate).collect(),
        seconds: None,
        succeeded_at: is_sound.then_some(now),
    }
}

/// A rollover that waits for people is in order; one that goes on is due; an emergency is an error until
/// it is over.
fn of_rollover(progress: &RolloverProgress) -> Finding {
    let (rule, severity) = match progress {
        RolloverProgress { compromised: true, .. } => (Rule::Emergency, Severity::Error),
        RolloverProgress { stage: 2, .. } => (Rule::RolloverUnderWay, Severity::Info),
        RolloverProgress { .. } => (Rule::RolloverUnderWay, Severity::Warning),
    };
    let finding = Finding::new(rule, severity, message!("ca {}", progress.to.short()));
    finding.expected("no rollover under way").found(rotation_report::progress_line(progress)).fix(rule.fix())
}

fn finding(row: &StatusRow, whose: Message) -> Option<Finding> {
    let rule = row.state.rule()?;
    let severity = match row.state {
        IdentityState::Ok | IdentityState::Retired | IdentityState::Revoked => return None,
        _ if row.accepted.is_some() => Severity::Info,
        IdentityState::KitWaiting | IdentityState::NotListed => Severity::Info,
        IdentityState::KitOverdue
        | IdentityState::LetsInRevoked
        | IdentityState::RefusalNotTried
        | IdentityState::NotYetValid
        | IdentityState::Expired
        | IdentityState::KeyExposed
        | IdentityState::Unreadable => Severity::Error,
        _ => Severity::Warning,
    };
    let found = match &row.accepted {
        Some(accepted) => message!("{} ({})", row.state, accepted),
        None => row.fault.clone().unwrap_or_else(|| row.state.message()),
    };
    let finding = Finding::new(rule, severity, whose).expected("ok").found(found);
    if let Some(remedy) = &row.remedy {
        return Some(finding.fix(remedy.clone()));
    }
    Some(match (row.state, &row.identity) {
        (IdentityState::KeyRevoked, Some((Role::Client, name))) => {
            finding.fix(message!("{kitcert} issue client {} --new-key", name))
        }
        (IdentityState::KeyRevoked, Some((Role::Daemon, name))) => {
            finding.fix(message!("{kitcert} revoke daemon/{}", name))
        }
        (IdentityState::NotListed, Some((role, name))) => {
            finding.fix(message!("list it in kitcert.yaml again, or: {kitcert} retire {}/{}", role, name))
        }
        _ => finding.fix(rule.fix()),
    })
}

fn table<'a>(rows: impl Iterator<Item = &'a StatusRow>) -> Vec<(Tone, Vec<Message>)> {
    let heading = ["KIND", "NAME", "EXPIRES", "LEFT", "ISSUER", "STATE"].map(|word| word.message()).to_vec();
    let tone_of = |row: &StatusRow| if row.accepted.is_some() { Tone::Plain } else { tone(row.state) };
    let body = rows.map(|row| (tone_of(row), cells(row)));
    std::iter::once((Tone::Aside, heading)).chain(body).collect()
}

fn cells(row: &StatusRow) -> Vec<Message> {
    let date = row.expires.map_or(message!("-"), |end| end.date());
    let left = row.seconds_left.map_or_else(|| message!("-"), left);
    vec![row.kind.message(), row.name.clone(), date, left, row.issuer.clone(), stands(row)]
}

/// `ok, verified 3 days ago`; of a daemon that is not verified, why its last verification does not count.
fn stands(row: &StatusRow) -> Message {
    if let Some(accepted) = &row.accepted {
        return message!("{} ({})", row.state, accepted);
    }
    match &row.verification {
        Some(LastVerification { stale: None, seconds_ago, .. }) => {
            message!("{}, verified {} ago", row.state, span(*seconds_ago))
        }
        Some(LastVerification { stale: Some(why), .. }) if row.state == IdentityState::NotVerified => {
            message!("{}: {}", row.state, why)
        }
        _ => row.state.message(),
    }
}

/// In the largest unit that is passed: `3 days`.
fn span(seconds: i64) -> Message {
    let units = [(86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")];
    let unit = units.into_iter().find(|(length, _)| seconds >= *length).unwrap_or((1, "second"));
    let count = seconds.max(0) / unit.0;
    message!("{} {}{}", count, unit.1, if count == 1 { "" } else { "s" })
}

/// Days, to the nearest, while there are some; then hours and minutes.
fn left(seconds: i64) -> Message {
    let (sign, seconds) = if seconds < 0 { ("-", -seconds) } else { ("", seconds) };
    match seconds {
        172_800.. => message!("{}{}d", sign, (seconds + 43_200) / 86_400),
        7_200.. => message!("{}{}h", sign, seconds / 3_600),
        60.. => message!("{}{}m", sign, seconds / 60),
        _ => message!("{}{}s", sign, seconds),
    }
}

fn tone(state: IdentityState) -> Tone {
    match state {
        IdentityState::Ok | IdentityState::Retired => Tone::Plain,
        IdentityState::Expired
        | IdentityState::KitOverdue
        | IdentityState::NotYetValid
        | IdentityState::Unreadable => Tone::Bad,
        _ => Tone::Warning,
    }
}

/// What was replaced needs nobody's attention, and stays as good as what replaced it.
fn tone_of(window: &Window, rows: &[StatusRow]) -> Tone {
    match rows.iter().find(|row| window.is_of(row)) {
        Some(row) => tone(row.state),
        None => Tone::Aside,
    }
}

fn last_line(status: &Status, state: &Path) -> Message {
    let states = [
        IdentityState::LetsInRevoked,
        IdentityState::RefusalNotTried,
        IdentityState::Unreadable,
        IdentityState::Expired,
        IdentityState::KitOverdue,
        IdentityState::NotYetValid,
        IdentityState::NotRenewable,
        IdentityState::KitEnding,
        IdentityState::Due,
        IdentityState::NotIssued,
        IdentityState::KeyRevoked,
        IdentityState::KeyExposed,
        IdentityState::HostsChanged,
        IdentityState::NotVerified,
        IdentityState::KitWaiting,
        IdentityState::NotListed,
    ];
    let told = |row: &&StatusRow| row.accepted.is_none();
    let count =
        |state: IdentityState| status.rows.iter().filter(told).filter(|row| row.state == state).count();
    let counts: Vec<_> =
        states.into_iter().map(|state| (count(state), state)).filter(|(count, _)| *count > 0).collect();
    if counts.is_empty() && !status.can_sign {
        return message!(
            "nothing is due yet; before something is, put the CA key back; if it is lost: {kitcert} ca rollover start"
        );
    }
    if counts.is_empty() {
        return message!("nothing is due; every daemon is verified");
    }
    let counted = |(count, state): &(usize, IdentityState)| match state {
        IdentityState::LetsInRevoked if *count == 1 => message!("1 daemon lets in somebody who is revoked"),
        IdentityState::LetsInRevoked => message!("{} daemons let in somebody who is revoked", count),
        IdentityState::RefusalNotTried => message!("{} not tried with whoever is revoked", count),
        IdentityState::KitOverdue => message!("{} whose certificate has expired while a kit waits", count),
        IdentityState::KitEnding => message!("{} whose certificate ends soon while a kit waits", count),
        IdentityState::NotRenewable => message!("{} that no CA here can renew", count),
        IdentityState::HostsChanged => message!("{} with other hosts in kitcert.yaml", count),
        IdentityState::KeyRevoked => message!("{} with a revoked key", count),
        IdentityState::KeyExposed => message!("{} with a key that others can read", count),
        IdentityState::KitWaiting => message!("{} for whom a kit waits", count),
        state => message!("{} {}", count, state),
    };
    let text = Message::join(counts.iter().map(counted), ", ");
    match &status.next {
        Some(next) => message!("{}; next: {}", text, words(next, state).in_one_line()),
        None => text,
    }
}

fn words(next: &NextStep, state: &Path) -> Message {
    match next {
        NextStep::Rotate => message!("{kitcert} rotate"),
        NextStep::Restart(name) => {
            message!("restart {} with its new files; then: {kitcert} rotate {}", name, name)
        }
        NextStep::Stop(name, None) => message!("stop {}, or list it in kitcert.yaml again", name),
        NextStep::Stop(name, Some(client)) => message!(
            "stop {}, or list it in kitcert.yaml again; if it is stopped: {kitcert} revoke --seen {} --on {}",
            name,
            client,
            name
        ),
        NextStep::RenewAgain(name) => message!(
            "{kitcert} issue daemon {} && {kitcert} rotate   # it is retired, and this renews it again; or stop it",
            name
        ),
        NextStep::IssueClient(name) => message!(
            "{kitcert} issue client {}   # or, if nobody needs it: {kitcert} retire client/{}",
            name,
            name
        ),
        NextStep::Seen(word) => word.clone(),
        NextStep::NewKey(name) => message!("{kitcert} issue client {} --new-key", name),
        NextStep::NewKeyOfDaemon(name) => message!("{kitcert} revoke daemon/{}", name),
        NextStep::Retire(role, name) => message!("{kitcert} retire {}/{}", role, name),
        NextStep::VerifyAll => message!("{kitcert} verify --all"),
        NextStep::Verify(name) => message!("{kitcert} verify {}", name),
        NextStep::RollOver => message!("{kitcert} ca rollover start"),
        NextStep::Past(command) => command.clone(),
        NextStep::HandOver(name) => message!(
            "hand over {}/kits/{}.kit; once it is joined: {kitcert} confirm {}; if nobody needs it: {kitcert} retire \
             client/{}",
            state.display(),
            name,
            name,
            name
        ),
    }
}

/// What exists.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::cli) struct StatusObject<'a> {
    /// As of when, RFC 3339.
    now: Timestamp,
    /// Every CA, daemon and client.
    identities: &'a [StatusRow],
    /// How far a rollover of the CA is; there while one is under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    rollover: Option<&'a RolloverProgress>,
    /// Whether what is installed came from another copy of this state, or a later one.
    state_is_old: bool,
    /// Whether several CAs are in use and rollover.json is gone.
    rollover_is_lost: bool,
    /// Whether the daemons refuse somebody of whom revocations.json says nothing.
    revocations_are_lost: bool,
    /// From when until when each certificate is good; there with `--timeline`.
    #[serde(skip_serializing_if = "Option::is_none")]
    timeline: Option<&'a Vec<Window>>,
}
