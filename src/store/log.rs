//! The log: who was issued what, when, and by whom. Append-only, and never a secret in it.

use serde::Serialize;

/// A line of log.jsonl.
#[derive(Clone, Debug, Serialize)]
pub struct LogLine {
    /// When: RFC 3339, UTC.
    pub time: String,
    /// The user who typed it; with sudo, the one behind it.
    pub by: String,
    /// The command.
    pub command: String,
    /// What happened: `issued`.
    pub event: String,
    /// Daemon or client.
    pub role: String,
    /// Whose.
    pub name: String,
    /// The certificate's serial number, in hex.
    pub serial: String,
    /// Its last second: RFC 3339, UTC.
    pub until: String,
}

impl LogLine {
    /// The line, with its line feed.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.push(b'\n');
        line
    }
}
