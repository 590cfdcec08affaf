//! `kitcert status`

use std::path::Path;

use super::{Session, UNWATCHED};
use crate::cli::arguments::StatusArguments;
use crate::cli::report::{Report, Tone};
use crate::model::{ExitCode, Failure};
use crate::plan::{self, IdentityState, StatusRow};
use crate::store::Interest;

pub(super) fn run(session: Session<'_>, asked: &StatusArguments) -> Result<Report, Failure> {
    let context = session.context("status", None, UNWATCHED)?;
    let (directory, observation) = context.observe(&Interest::Everything)?;
    let now = asked.at.unwrap_or(session.environment.now());
    let rows = plan::status(&observation, now);
    let attention = rows.iter().any(|row| row.state.needs_attention());
    let exit = if asked.check && attention { ExitCode::Due } else { ExitCode::Done };
    let mut report = Report::new("status")
        .target(context.state.display().to_string())
        .exit(exit)
        .detail("now", now.to_string())
        .detail("identities", &rows)
        .line(format!("{}  {}", context.state.display(), now.minute()))
        .table(table(&rows));
    if directory.has_unfinished_change()? {
        report = report.toned(
            Tone::Warning,
            "an interrupted change waits; the next command that changes something finishes it",
        );
    }
    Ok(report.toned(if attention { Tone::Warning } else { Tone::Plain }, last_line(&rows, &context.state)))
}

fn table(rows: &[StatusRow]) -> Vec<(Tone, Vec<String>)> {
    let heading = ["KIND", "NAME", "EXPIRES", "LEFT", "ISSUER", "STATE"].map(str::to_owned).to_vec();
    let body = rows.iter().map(|row| (tone(row.state), cells(row)));
    std::iter::once((Tone::Aside, heading)).chain(body).collect()
}

fn cells(row: &StatusRow) -> Vec<String> {
    let date = row.expires.as_deref().and_then(|instant| instant.get(..10)).unwrap_or("-");
    let left = row.seconds_left.map_or_else(|| "-".to_owned(), left);
    vec![
        row.kind.to_owned(),
        row.name.clone(),
        date.to_owned(),
        left,
        row.issuer.clone(),
        row.state.to_string(),
    ]
}

/// Days, to the nearest, while there are some; then hours and minutes.
fn left(seconds: i64) -> String {
    let (sign, seconds) = if seconds < 0 { ("-", -seconds) } else { ("", seconds) };
    match seconds {
        172_800.. => format!("{sign}{}d", (seconds + 43_200) / 86_400),
        7_200.. => format!("{sign}{}h", seconds / 3_600),
        60.. => format!("{sign}{}m", seconds / 60),
        _ => format!("{sign}{seconds}s"),
    }
}

fn tone(state: IdentityState) -> Tone {
    match state {
        IdentityState::Ok => Tone::Plain,
        IdentityState::Expired | IdentityState::NotYetValid => Tone::Bad,
        _ => Tone::Warning,
    }
}

fn last_line(rows: &[StatusRow], state: &Path) -> String {
    let states = [
        IdentityState::Expired,
        IdentityState::NotYetValid,
        IdentityState::Due,
        IdentityState::NotIssued,
        IdentityState::HostsChanged,
        IdentityState::NotProven,
        IdentityState::KitWaiting,
    ];
    let count = |state: IdentityState| rows.iter().filter(|row| row.state == state).count();
    let counts: Vec<_> =
        states.into_iter().map(|state| (count(state), state)).filter(|(count, _)| *count > 0).collect();
    if counts.is_empty() {
        return "nothing is due; every daemon is proven".to_owned();
    }
    let text = counts.iter().map(|(count, state)| format!("{count} {state}")).collect::<Vec<_>>().join(", ");
    let leaf = |state| rows.iter().find(|row| row.state == state && row.kind != "ca");
    let to_issue =
        [IdentityState::Expired, IdentityState::NotIssued, IdentityState::HostsChanged, IdentityState::Due];
    let unissued = to_issue.into_iter().find_map(leaf);
    match (unissued, leaf(IdentityState::NotProven)) {
        (Some(row), _) => format!("{text}; next: kitcert issue {} {}", row.kind, row.name),
        (None, Some(row)) => format!("{text}; next: kitcert verify {}", row.name),
        (None, None) => match leaf(IdentityState::KitWaiting) {
            Some(row) => format!("{text}; next: hand over {}/kits/{}.kit", state.display(), row.name),
            None => text,
        },
    }
}
