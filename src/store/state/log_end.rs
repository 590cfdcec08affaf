//! The end of the log: when something was last done.

use serde::Deserialize;

use super::journal::LOG;
use super::state_directory::StateDirectory;
use crate::model::{Failure, Timestamp};

/// The time of the newest entry of the log, which is the last; None where nothing was logged. Only
/// the end is read, however long the log is.
///
/// A line that a crash cut off is passed over for the one before.
///
/// # Errors
/// A log that cannot be read, or in whose end no line can be.
pub(crate) fn newest_log_time(directory: &StateDirectory) -> Result<Option<Timestamp>, Failure> {
    let Some(tail) = directory.folder().read_tail(LOG, LONGEST_END)? else { return Ok(None) };
    let lines = tail.bytes.split(|octet| *octet == b'\n');
    // What the end begins with is a part of a line, unless it is all of the log.
    let whole_lines = lines.skip(usize::from(!tail.is_whole));
    match whole_lines.filter_map(time_of).last() {
        None if tail.bytes.is_empty() => Ok(None),
        None => Err(Failure::new("reading the end of", directory.path().join(LOG).display())
            .expected("a line with the time of an entry")
            .found("none")),
        time => Ok(time),
    }
}

/// What is asked of a line that was written before, perhaps by another version of this program.
#[derive(Deserialize)]
struct Dated {
    time: String,
}

fn time_of(line: &[u8]) -> Option<Timestamp> {
    let dated: Dated = serde_json::from_slice(line).ok()?;
    Timestamp::parse(&dated.time).ok()
}

/// An entry has some 200 octets; its names, of at most 63, keep it far below 1 KiB.
const LONGEST_END: u64 = 8 * 1024;

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
            event: LogEvent::Verified,
            subject: "client ci".into(),
            serial: Some(SerialNumber::from_der_octets(&[0x40, 1])),
            fingerprint: None,
            reason: "asked".into(),
        }
    }

    /// The newest time of a log that holds that.
    fn newest_of(log: &[u8]) -> Result<Option<i64>, Failure> {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDirectory::create(&folder.path().join("state")).unwrap();
        std::fs::write(state.path().join(LOG), log).unwrap();
        Ok(newest_log_time(&state)?.map(Timestamp::unix))
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

    #[test]
    fn a_state_without_a_log_has_no_newest_entry_and_what_is_written_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDirectory::create(&folder.path().join("state")).unwrap();
        assert_eq!(newest_log_time(&state).unwrap(), None);
        let lock = state.lock("test", Duration::ZERO).unwrap();
        for seconds in [5, 9] {
            let change = lock.stage().unwrap();
            change.record(&line_at(seconds)).unwrap();
            change.commit().unwrap();
            assert_eq!(newest_log_time(&state).unwrap(), Some(Timestamp::from_unix(seconds)));
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
    fn a_log_whose_end_cannot_be_read_is_a_failure_that_names_it() {
        let endless_line = [lines(0..9), vec![b'x'; 10_000]].concat();
        for log in [&b"\n"[..], b"{", b"{\"time\":\"soon\"}\n", b"{\"time\":7}\n", &endless_line] {
            let failure = newest_of(log).unwrap_err().to_string();
            assert!(failure.contains("/log.jsonl: expected a line with the time"), "{failure}");
        }
        let folder = tempfile::tempdir().unwrap();
        let state = StateDirectory::create(&folder.path().join("state")).unwrap();
        std::os::unix::fs::symlink("elsewhere", state.path().join(LOG)).unwrap();
        assert!(newest_log_time(&state).is_err());
        std::fs::remove_file(state.path().join(LOG)).unwrap();
        std::fs::create_dir(state.path().join(LOG)).unwrap();
        assert!(newest_log_time(&state).is_err());
    }
}
