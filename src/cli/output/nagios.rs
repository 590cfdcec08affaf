//! The output of a plugin for Nagios, Icinga and their kin, by the Monitoring Plugins development
//! guidelines: `STATUS - text | performance data`, and an exit code of its own.

use std::fmt::Write as _;

use super::monitored::Monitored;
use crate::model::{Failure, Rule, Severity, Timestamp};

/// What such a program makes of a result.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Status {
    Ok,
    Warning,
    Critical,
    Unknown,
}

impl Status {
    fn of(monitored: &Monitored) -> Status {
        let is_undecided = |severity| {
            monitored.findings.iter().any(|one| one.severity == severity && one.rule == Rule::Inconclusive)
        };
        match monitored.gravest() {
            Severity::Critical => Status::Critical,
            // Where nothing else is wrong but that nobody knows, nobody knows.
            Severity::Error if is_undecided(Severity::Error) && !has_other_error(monitored) => {
                Status::Unknown
            }
            Severity::Error => Status::Critical,
            Severity::Warning => Status::Warning,
            Severity::Pass | Severity::Info => Status::Ok,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Status::Ok => "OK",
            Status::Warning => "WARNING",
            Status::Critical => "CRITICAL",
            Status::Unknown => "UNKNOWN",
        }
    }

    /// The plugin interface's own exit code.
    fn code(self) -> u8 {
        self as u8
    }
}

/// The plugin's code when its text could not be printed: critical is graver than that, all else is not.
pub(in crate::cli) fn graver_than_unsaid(code: u8) -> u8 {
    let critical = Status::Critical.code();
    if code == critical { critical } else { Status::Unknown.code() }
}

fn has_other_error(monitored: &Monitored) -> bool {
    monitored.findings.iter().any(|one| one.severity >= Severity::Error && one.rule != Rule::Inconclusive)
}

/// The text, and the exit code: 0 to 3.
pub(in crate::cli) fn nagios(all: &[Monitored], now: Timestamp) -> (String, u8) {
    // CRITICAL counts for more than UNKNOWN, as the plugins' own summaries have it.
    let rank = |status: &Status| match status {
        Status::Unknown => Status::Critical.code(),
        Status::Critical => Status::Unknown.code(),
        other => other.code(),
    };
    let mut rows: Vec<(Status, &Monitored)> = all.iter().map(|one| (Status::of(one), one)).collect();
    rows.sort_by_key(|(status, _)| std::cmp::Reverse(rank(status)));
    let status = rows.first().map_or(Status::Unknown, |(status, _)| *status);
    let mut text = format!("KITCERT {} - {}", status.word(), plain(&headline(&rows)));
    let data: Vec<String> = all.iter().flat_map(|one| performance(one, now)).collect();
    if !data.is_empty() {
        let _ = write!(text, " | {}", data.join(" "));
    }
    text.push('\n');
    for (status, one) in rows.iter().filter(|_| rows.len() > 1) {
        let _ = writeln!(text, "{}: {}: {}", status.word(), plain(one.name.as_str()), plain(&said(one)));
    }
    (text, status.code())
}

/// What such a program is told where the command itself failed, a command line that makes no sense
/// included: nobody knows.
pub(in crate::cli) fn failed(failure: &Failure) -> (String, u8) {
    let text = failure.to_string();
    (format!("KITCERT UNKNOWN - {}\n", plain(&text)), Status::Unknown.code())
}

fn headline(rows: &[(Status, &Monitored)]) -> String {
    match rows {
        [] => "nothing was checked".to_owned(),
        [(_, only)] => format!("{}: {}", only.name, said(only)),
        several => {
            let faulty = several.iter().filter(|(status, _)| *status != Status::Ok).count();
            match several.first() {
                Some((status, worst)) if *status != Status::Ok => {
                    format!("{faulty} of {} at fault; {}: {}", several.len(), worst.name, said(worst))
                }
                _ => format!("{} as they must be", several.len()),
            }
        }
    }
}

fn said(one: &Monitored) -> String {
    match one.worst().and_then(|finding| finding.cause.as_ref()) {
        Some(cause) => format!("{}; cause: {cause}", one.verdict),
        None => one.verdict.to_string(),
    }
}

/// `'builder served days'=397;133:;0:` and `'builder time'=0.013s;;;0`: below the first bound it is
/// warned of, below the second it is over.
fn performance(one: &Monitored, now: Timestamp) -> Vec<String> {
    let label = |what: &str| format!("'{} {}'", one.name, what).replace('=', "-").replace("\n", " ");
    let days = one.certificates.iter().map(|certificate| {
        let end = certificate.validity.not_after;
        let days = end.seconds_since(now).div_euclid(DAY);
        let warned = (end.seconds_since(certificate.due) + DAY - 1).div_euclid(DAY);
        format!("{}={days};{warned}:;0:", label(&format!("{} days", certificate.whose)))
    });
    let time = one.seconds.map(|seconds| format!("{}={seconds:.4}s;;;0", label("time")));
    days.chain(time).collect()
}

/// One line, without the sign that begins the performance data.
fn plain(text: &str) -> String {
    text.chars()
        .map(|one| {
            if one == '|' {
                '/'
            } else if one.is_control() {
                ' '
            } else {
                one
            }
        })
        .collect()
}

const DAY: i64 = 86_400;
