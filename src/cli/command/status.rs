//! `kitcert status`

use std::path::Path;

use clap::Args;

use super::rotate;
use crate::cli::options::ResultOptions;
use crate::cli::output::{LEGEND, Monitored, MonitoredCertificate, Report, Tone, timeline};
use crate::cli::session::{Session, UNWATCHED};
use crate::layout::Renewal;
use crate::message;
use crate::model::{
    ExitCode, Failure, Finding, IdentityName, Message, Printable, Role, Rule, Severity, Timestamp,
};
use crate::plan::{self, IdentityState, LastVerification, StatusRow, Window};
use crate::store::{Interest, KeyPresence, Observation, observe_issued};

/// `kitcert status`
#[derive(Debug, Args)]
pub struct StatusArguments {
    /// Show what will be so at that time
    #[arg(long, value_name = "TIME", value_parser = Timestamp::parse)]
    pub at: Option<Timestamp>,
    /// Exit 4 if something is due or not verified
    #[arg(long)]
    pub check: bool,
    /// Draw from when until when every certificate is good, those that were replaced included
    #[arg(long)]
    pub timeline: bool,
    /// Where the result goes.
    #[command(flatten)]
    pub result: ResultOptions,
}

pub(in crate::cli) fn run(session: Session<'_>, asked: &StatusArguments) -> Result<Report, Failure> {
    let context = session.context("status", None, UNWATCHED)?;
    let (directory, observation) = context.observe(&Interest::Everything)?;
    let now = asked.at.unwrap_or(session.environment.now());
    let rows = plan::status(&observation, now);
    let attention = rows.iter().any(|row| row.state.needs_attention());
    let exit = if asked.check && attention { ExitCode::Due } else { ExitCode::Done };
    let mut report = Report::new("status")
        .target(context.state.display())
        .exit(exit)
        .detail("now", now.message())
        .detail("identities", &rows)
        .about(monitored(&context.state, &rows, now))
        .line(message!("{}  {}", context.state.display(), now.minute()));
    if !asked.timeline {
        report = report.table(table(&rows));
    }
    if directory.has_unfinished_change()? {
        report = report.toned(
            Tone::Warning,
            "an interrupted change waits; the next command that changes something finishes it",
        );
    }
    let mut last = last_line(&rows, &observation);
    let rolls_over = plan::rolls_over(&observation);
    let issued = if rolls_over || asked.timeline { observe_issued(&directory)? } else { Vec::new() };
    if asked.timeline {
        let windows = plan::timeline(&observation, &issued, now);
        let drawing = timeline(&windows, now, session.console.columns(), |one| tone_of(one, &rows));
        report = report.detail("timeline", &windows).table(drawing).toned(Tone::Aside, LEGEND);
    }
    if rolls_over && let Some(progress) = plan::rollover_progress(&observation, &issued, now) {
        report = rotate::progress(report, &progress);
        if !attention && !progress.waits_for.is_empty() {
            last = message!("the rollover waits; next: kitcert rotate --moved NAME, or --drop NAME");
        }
    }
    Ok(report.toned(if attention { Tone::Warning } else { Tone::Plain }, last))
}

/// What monitoring reads of it.
fn monitored(state: &Path, rows: &[StatusRow], now: Timestamp) -> Monitored {
    let whose = |row: &StatusRow| message!("{} {}", row.kind, row.name);
    let certificate = |row: &StatusRow| {
        Some(MonitoredCertificate { whose: whose(row), validity: row.validity?, due: row.due? })
    };
    let findings: Vec<Finding> = rows.iter().filter_map(|row| finding(row, whose(row))).collect();
    let faults = findings.len();
    let is_sound = Finding::gravest(&findings) < Severity::Warning;
    Monitored {
        name: state.message(),
        verdict: match faults {
            0 => message!("nothing is due; every daemon is verified"),
            1 => message!("1 needs attention"),
            faults => message!("{} need attention", faults),
        },
        findings,
        certificates: rows.iter().filter_map(certificate).collect(),
        seconds: None,
        succeeded_at: is_sound.then_some(now),
    }
}

fn finding(row: &StatusRow, whose: Message) -> Option<Finding> {
    let (rule, severity) = match row.state {
        IdentityState::Ok | IdentityState::NotListed => return None,
        IdentityState::KitWaiting => (Rule::KitWaiting, Severity::Info),
        IdentityState::NotVerified => (Rule::NotVerified, Severity::Warning),
        IdentityState::Due => (Rule::ExpiresSoon, Severity::Warning),
        IdentityState::HostsChanged | IdentityState::NotIssued => (Rule::NotIssued, Severity::Warning),
        IdentityState::NotYetValid => (Rule::NotYetValid, Severity::Error),
        IdentityState::Expired => (Rule::Expired, Severity::Error),
    };
    Some(Finding::new(rule, severity, whose).expected("ok").found(row.state).fix(rule.fix()))
}

fn table(rows: &[StatusRow]) -> Vec<(Tone, Vec<Message>)> {
    let heading = ["KIND", "NAME", "EXPIRES", "LEFT", "ISSUER", "STATE"].map(|word| word.message()).to_vec();
    let body = rows.iter().map(|row| (tone(row.state), cells(row)));
    std::iter::once((Tone::Aside, heading)).chain(body).collect()
}

fn cells(row: &StatusRow) -> Vec<Message> {
    let date = row.expires.map_or(message!("-"), |end| end.date());
    let left = row.seconds_left.map_or_else(|| message!("-"), left);
    vec![row.kind.message(), row.name.clone(), date, left, row.issuer.clone(), stands(row)]
}

/// `ok, verified 3 days ago`; of a daemon that is not verified, why its last verification does not count.
fn stands(row: &StatusRow) -> Message {
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
        IdentityState::Ok => Tone::Plain,
        IdentityState::Expired | IdentityState::NotYetValid => Tone::Bad,
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

fn last_line(rows: &[StatusRow], observation: &Observation) -> Message {
    let states = [
        IdentityState::Expired,
        IdentityState::NotYetValid,
        IdentityState::Due,
        IdentityState::NotIssued,
        IdentityState::HostsChanged,
        IdentityState::NotVerified,
        IdentityState::KitWaiting,
    ];
    let count = |state: IdentityState| rows.iter().filter(|row| row.state == state).count();
    let counts: Vec<_> =
        states.into_iter().map(|state| (count(state), state)).filter(|(count, _)| *count > 0).collect();
    if counts.is_empty() {
        return message!("nothing is due; every daemon is verified");
    }
    let text = Message::join(counts.iter().map(|(count, state)| message!("{} {}", count, state)), ", ");
    match next(rows, observation) {
        Some(next) => message!("{}; next: {}", text, next),
        None => text,
    }
}

/// What to do next: what a rotation does by itself comes before what a person has to do.
fn next(rows: &[StatusRow], observation: &Observation) -> Option<Message> {
    let cures: Vec<_> =
        rows.iter().filter_map(|row| cure(row, observation).map(|cure| (cure, row))).collect();
    let (cure, StatusRow { name, .. }) =
        cures.iter().max_by_key(|(cure, row)| (*cure == Cure::Rotate, row.state))?;
    let alike = cures.iter().filter(|(other, _)| other == cure).count();
    Some(match cure {
        Cure::Rotate => message!("kitcert rotate"),
        Cure::IssueClient => message!("kitcert issue client {}", name),
        Cure::Verify if alike > 1 => message!("kitcert verify --all"),
        Cure::Verify => message!("kitcert verify {}", name),
        Cure::HandOver => message!("hand over {}/kits/{}.kit", observation.path.display(), name),
    })
}

/// What mends the state of an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cure {
    Rotate,
    /// Its key is elsewhere, and kitcert.yaml leaves its renewal to a person.
    IssueClient,
    Verify,
    HandOver,
}

fn cure(row: &StatusRow, observation: &Observation) -> Option<Cure> {
    let name: IdentityName = row.name.as_str().parse().ok().filter(|_| row.kind != "ca")?;
    let inventory = &observation.inventory;
    let daemon = inventory.daemons.get(&name).filter(|_| row.kind == "daemon");
    let client = inventory.clients.get(&name).filter(|_| row.kind == "client");
    match row.state {
        IdentityState::Expired
        | IdentityState::Due
        | IdentityState::NotIssued
        | IdentityState::HostsChanged => {
            let current = observation.current(Role::Client, &name);
            let is_elsewhere = current.is_some_and(|current| current.key == KeyPresence::Absent);
            match (daemon, client) {
                (None, Some(client)) if is_elsewhere && client.renew == Renewal::Manual => {
                    Some(Cure::IssueClient)
                }
                // What is not listed is never renewed.
                (None, None) => None,
                _ => Some(Cure::Rotate),
            }
        }
        // Nobody knows where a daemon is that is not listed.
        IdentityState::NotVerified => {
            Some(if daemon?.restart.is_empty() { Cure::Verify } else { Cure::Rotate })
        }
        IdentityState::KitWaiting => Some(Cure::HandOver),
        IdentityState::Ok | IdentityState::NotListed | IdentityState::NotYetValid => None,
    }
}
