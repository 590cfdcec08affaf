//! The end of the log: when something was last done.

use std::path::PathBuf;

use serde::Deserialize;

use super::journal::{LOG, LOG_ASIDE};
use super::state_directory::StateDirectory;
use crate::model::{Failure, Message, Printable as _, Timestamp};

/// What the end of the log tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LogEnd {
    /// Nothing was logged.
    Empty,
    /// The newest entry of those that were written by a clock that was looked at; of verifications, which look at none,
    /// where there is no other.
    Entry {
        /// When it was written.
        at: Timestamp,
        /// Whether lines stand near it that are no entries: damaged, too long, or by another program.
        is_damaged: bool,
    },
    /// It cannot be read, or no entry can be found in it; why. That is for a person to look at, and no
    /// reason to do nothing: a rotation, and above all an emergency, goes on.
    Unreadable(Message),
}

/// Reads the end of the log, however long the log is. A line that a crash cut off is passed over for the
/// one before, and so is one that is too long.
pub(crate) fn log_end(directory: &StateDirectory) -> LogEnd {
    let mut last = LogEnd::Empty;
    for most in [USUAL_END, LONGEST_END] {
        let tail = match directory.folder().read_tail(LOG, most) {
            Ok(Some(tail)) => tail,
            Ok(None) => return LogEnd::Empty,
            Err(failure) => return LogEnd::Unreadable(failure.message()),
        };
        let lines = tail.bytes.split(|octet| *octet == b'\n');
        // What the end begins with is a part of a line, unless it is all of the log.
        let whole_lines = lines.skip(usize::from(!tail.is_whole)).filter(|line| !line.is_empty());
        let entries: Vec<_> = whole_lines.map(entry_of).collect();
        let is_damaged = entries.contains(&None);
        let known = entries.into_iter().flatten();
        let (of_clock, of_verification): (Vec<_>, Vec<_>) = known.partition(|entry| entry.by != By::Nobody);
        // From the last time that a person believed the clock on, the newest counts, whatever stands behind it.
        let believed = of_clock.iter().rposition(|entry| entry.by == By::Person).unwrap_or(0);
        let counting = of_clock.get(believed..).unwrap_or_default();
        last = match (counting.iter().map(|entry| entry.at).max(), of_verification.last()) {
            (Some(at), _) => return LogEnd::Entry { at, is_damaged },
            (None, _) if tail.bytes.is_empty() => return LogEnd::Empty,
            (None, Some(entry)) => LogEnd::Entry { at: entry.at, is_damaged },
            (None, None) => LogEnd::Unreadable(no_entry(directory).message()),
        };
    }
    last
}

/// The logs that could not be appended to, and were put aside for a new one.
///
/// # Errors
/// The state directory cannot be listed.
pub(crate) fn logs_put_aside(directory: &StateDirectory) -> Result<Vec<PathBuf>, Failure> {
    let entries = directory.folder().entries()?.into_iter();
    let aside = entries.filter(|(name, _)| name.starts_with(LOG_ASIDE));
    Ok(aside.map(|(name, _)| directory.path().join(name)).collect())
}

fn no_entry(directory: &StateDirectory) -> Failure {
    Failure::new("reading the end of", directory.path().join(LOG).display())
        .expected("a line with the time of an entry")
        .found("none")
}

/// What is asked of a line that was written before, perhaps by another version of this program.
#[derive(Deserialize)]
struct Dated {
    time: String,
    #[serde(default)]
    event: String,
}

/// Who has looked at the clock by which an entry was written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    /// A person, who has said that it is right.
    Person,
    /// The command that wrote it.
    Command,
    /// Nobody: a verification notes what it saw, whatever the clock says.
    Nobody,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct DatedEntry {
    at: Timestamp,
    by: By,
}

fn entry_of(line: &[u8]) -> Option<DatedEntry> {
    let dated: Dated = serde_json::from_slice(line).ok()?;
    let by = match dated.event.as_str() {
        "clock-trusted" => By::Person,
        "verified" | "refuted" => By::Nobody,
        _ => By::Command,
    };
    Timestamp::parse(&dated.time).ok().map(|at| DatedEntry { at, by })
}

/// An entry has some 200 bytes.
const USUAL_END: u64 = 8 * 1024;
/// Behind lines that other programs, or an older version of this one, made too long.
const LONGEST_END: u64 = 1024 * 1024;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::SerialNumber;
    use crate::store::{LogEvent, LogLine};

    fn line_at(seconds: i64) -> LogLine {
        LogLine {
            time: Timestamp::from_unix(seconds),
            by: "ana\nroot".into(),
            command: "issue client".to_owned(),
            event: LogEvent::Issued,
            subject: "client ci".into(),
            serial: Some(SerialNumber::from_der_octets(&[0x40, 1])),
            fingerprint: None,
            reason: "asked".into(),
        }
    }

    /// The newest time of a log that holds that.
    fn newest_of(log: &[u8]) -> Result<Option<i64>, Message> {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDirectory::create(&folder.path().join("state")).unwrap();
        std::fs::write(state.path().join(LOG), log).unwrap();
        match log_end(&state) {
            LogEnd::Empty => Ok(None),
            LogEnd::Entry { at, .. } => Ok(Some(at.unix())),
            LogEnd::Unreadable(why) => Err(why),
        }
    }

    fn entry(seconds: i64) -> LogEnd {
        LogEnd::Entry { at: Timestamp::from_unix(seconds), is_damaged: false }
    }

    fn lines(times: std::ops::Range<i64>) -> Vec<u8> {
        times.flat_map(|seconds| line_at(seconds).to_bytes().unwrap()).collect()
    }

    #[test]
    fn the_newest_entry_is_the_last_whatever_the_size_of_the_log() {
        assert_eq!(newest_of(b"").unwrap(), None);
        // Every place of the cut between a line and what is left of the one before it.
        for count in (1..200).chain([20_000]) {
            assert_eq!(newest_of(&lines(0..count)).unwrap(), Some(count - 1), "{count}");
        }
    }

    /// The cron job that verifies with a wrong clock makes it right for no other command.
    #[test]
    fn a_verification_says_nothing_of_the_clock_and_a_person_who_believes_it_does() {
        let of = |seconds, event| LogLine { event, ..line_at(seconds) }.to_bytes().unwrap();
        let log = |entries: &[(i64, LogEvent)]| -> Vec<u8> {
            entries.iter().flat_map(|(seconds, event)| of(*seconds, *event)).collect()
        };
        let issued = (100, LogEvent::Issued);
        for (entries, newest) in [
            (vec![issued, (900, LogEvent::Refuted)], 100),
            (vec![issued, (900, LogEvent::Verified), (5, LogEvent::Refuted)], 100),
            (vec![issued, (50, LogEvent::Held)], 100),
            (vec![issued, (50, LogEvent::ClockTrusted)], 50),
            (vec![issued, (50, LogEvent::ClockTrusted), (60, LogEvent::Issued), (55, LogEvent::Held)], 60),
            (vec![(7, LogEvent::Verified)], 7),
        ] {
            assert_eq!(newest_of(&log(&entries)).unwrap(), Some(newest), "{entries:?}");
        }
        // However many of them stand behind it.
        let many = [log(&[issued]), log(&vec![(900, LogEvent::Refuted); 300])].concat();
        assert_eq!(newest_of(&many).unwrap(), Some(100));
    }

    #[test]
    fn a_state_without_a_log_has_no_newest_entry_and_what_is_written_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDirectory::create(&folder.path().join("state")).unwrap();
        assert_eq!(log_end(&state), LogEnd::Empty);
        let lock = state.lock("test", Duration::ZERO).unwrap();
        for seconds in [5, 9] {
            let change = lock.stage().unwrap();
            change.record(&line_at(seconds)).unwrap();
            change.commit().unwrap();
            assert_eq!(log_end(&state), entry(seconds));
        }
    }

    #[test]
    fn a_last_line_that_was_cut_off_anywhere_is_passed_over() {
        let whole = lines(0..2);
        let first = lines(0..1).len();
        for length in first..whole.len() {
            // All but the line feed is an entry already.
            let newest = if length == whole.len() - 1 { 1 } else { 0 };
            assert_eq!(newest_of(&whole[..length]).unwrap(), Some(newest), "{length}");
        }
        let appended_to_a_part = [&whole[..first + 20], &lines(2..3)[..]].concat();
        assert_eq!(newest_of(&appended_to_a_part).unwrap(), Some(0));
    }

    #[test]
    fn a_line_that_is_too_long_is_passed_over_for_the_one_before() {
        for length in [9_000, 100_000, 900_000] {
            let long = [lines(0..9), vec![b'x'; length], b"\n".to_vec()].concat();
            assert_eq!(newest_of(&long).unwrap(), Some(8), "{length}");
        }
    }

    #[test]
    fn a_log_whose_end_cannot_be_read_is_named() {
        let endless_line = [lines(0..9), vec![b'x'; 2_000_000]].concat();
        for log in [&b"\n"[..], b"{", b"{\"time\":\"soon\"}\n", b"{\"time\":7}\n", &endless_line] {
            let why = newest_of(log).unwrap_err();
            assert!(why.as_str().contains("/log.jsonl: expected a line with the time"), "{why}");
        }
        let folder = tempfile::tempdir().unwrap();
        let state = StateDirectory::create(&folder.path().join("state")).unwrap();
        std::os::unix::fs::symlink("elsewhere", state.path().join(LOG)).unwrap();
        assert!(matches!(log_end(&state), LogEnd::Unreadable(_)));
        std::fs::remove_file(state.path().join(LOG)).unwrap();
        std::fs::create_dir(state.path().join(LOG)).unwrap();
        assert!(matches!(log_end(&state), LogEnd::Unreadable(_)));
    }

    #[test]
    fn whatever_is_in_the_way_of_the_log_a_change_is_made_and_logged() {
        type Plant = fn(&std::path::Path);
        let plants: [Plant; 4] = [
            |log| std::fs::create_dir(log).unwrap(),
            |log| std::os::unix::fs::symlink("elsewhere", log).unwrap(),
            |log| {
                std::fs::write(log, "old\n").unwrap();
                std::fs::hard_link(log, log.with_extension("second")).unwrap();
            },
            |log| {
                let (pipe, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU);
                rustix::fs::mknodat(rustix::fs::CWD, log, pipe, mode, 0).unwrap();
            },
        ];
        for (number, plant) in plants.into_iter().enumerate() {
            let folder = tempfile::tempdir().unwrap();
            let state = StateDirectory::create(&folder.path().join("state")).unwrap();
            plant(&state.path().join(LOG));
            let lock = state.lock("test", Duration::ZERO).unwrap();
            let change = lock.stage().unwrap();
            change.record(&line_at(5)).unwrap();
            change.commit().unwrap();
            assert_eq!(log_end(&state), entry(5), "{number}");
            assert_eq!(logs_put_aside(&state).unwrap().len(), 1, "{number}");
            assert!(!state.path().join("elsewhere").exists());
        }
    }
}
