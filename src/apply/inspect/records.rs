//! What the state's own files say: the log, and what is remembered in JSON.

use serde_json::{Map, Value};

use super::document::{FileFacts, Inspected};
use crate::message;
use crate::model::{Finding, Printable as _, Rule, Severity, Timestamp};

/// The log of a state, or one of its records; None where it is neither.
pub(super) fn judge_record(bytes: &[u8], file: &FileFacts<'_>) -> Option<Inspected> {
    let lines: Vec<&[u8]> =
        bytes.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).collect();
    if let Some(first) = lines.iter().find_map(|line| time_of(line)) {
        let last = lines.iter().rev().find_map(|line| time_of(line)).unwrap_or(first);
        let entries = lines.iter().filter(|line| time_of(line).is_some()).count();
        let facts = vec![("entries", entries.message()), ("first", first.minute()), ("last", last.minute())];
        let damaged = lines.len() - entries;
        let finding = (damaged > 0).then(|| {
            Finding::new(Rule::LogDamaged, Severity::Warning, file.path.display())
                .expected("entries alone")
                .found(message!("{} lines that are none", damaged))
                .cause(Rule::LogDamaged.cause())
        });
        return Some(Inspected::of("log of a state", facts, finding.into_iter().collect()));
    }
    let record: Map<String, Value> = serde_json::from_slice(bytes).ok()?;
    let schema = record.get("schema")?.as_u64()?;
    let is_ours =
        file.path.file_name().and_then(|name| name.to_str()).is_some_and(|name| RECORDS.contains(&name));
    is_ours.then(|| Inspected::of("record of a state", vec![("schema", schema.message())], Vec::new()))
}

/// When an entry was written; None of what is no entry.
fn time_of(line: &[u8]) -> Option<Timestamp> {
    let entry: Map<String, Value> = serde_json::from_slice(line).ok()?;
    let time = entry.get("time")?.as_str()?;
    entry.contains_key("event").then(|| Timestamp::parse(time).ok())?
}

/// What is remembered in a state, and beside what is installed.
const RECORDS: [&str; 7] = [
    "ca.json",
    "identity.json",
    "origin.json",
    "revocations.json",
    "rollover.json",
    "state.json",
    "verified.json",
];
