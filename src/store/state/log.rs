//! What happened, one line each, for whoever asks later.

use std::fmt::Display;

use serde::{Serialize, Serializer};

use crate::message;
use crate::model::{Failure, Fingerprint, Message, SerialNumber, Timestamp};

/// A line of `log.jsonl`: who was issued what, when, why and by whom. It never holds a secret.
#[derive(Clone, Debug, Serialize)]
pub struct LogLine {
    /// When, in RFC 3339.
    #[serde(serialize_with = "as_text")]
    pub time: Timestamp,
    /// The user who ran the command, the `sudo` user where there is one.
    pub by: Message,
    /// The command that was run: `init`, `issue client`.
    pub command: String,
    /// What happened.
    pub event: LogEvent,
    /// To what: `client ana`, `daemon builder`, `ca 3f9c21aa`.
    pub subject: Message,
    /// The certificate's number in hex, where a certificate is concerned.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_text_if_any")]
    pub serial: Option<SerialNumber>,
    /// The SHA-256 of that certificate in hex.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_text_if_any")]
    pub fingerprint: Option<Fingerprint>,
    /// Why, in a few words: `due`, `asked`, `key compromised`.
    pub reason: Message,
}

/// What a line tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogEvent {
    /// A certificate was issued.
    Issued,
    /// A daemon was seen to serve what it should, and to refuse what it should.
    Verified,
    /// A daemon that was verified was seen not to do as it must.
    Refuted,
    /// A key was made here, to be certified elsewhere.
    Requested,
    /// A client is known to have its certificate.
    Held,
    /// Everything is moved to another CA from then on.
    RolledOver,
    /// There may be certificates of a CA that nobody here knows of.
    Opened,
    /// Nothing trusts a CA any more; an identity is neither renewed nor waited for.
    Retired,
    /// A certificate that daemons trusted for its own sake is trusted again: its revocation was taken back.
    TrustedAgain,
    /// The access of a client was taken away, or that of one of its keys.
    Revoked,
    /// That was taken back.
    Unrevoked,
    /// An identity was given a certificate that it has had before, with other CAs to trust or the same.
    Rebundled,
    /// What another copy of this state has made is known here too.
    TakenIn,
    /// A client's key was removed, since the client has it.
    KeyRemoved,
    /// The key of a previous CA was removed.
    KeyDestroyed,
    /// A person believes the clock, although it does not fit the entry before.
    ClockTrusted,
}

impl LogLine {
    /// The line as `log.jsonl` holds it: one JSON object and a line feed, of at most 4 KiB. Of one that
    /// would be longer, the reason is left out, which alone has no bound of its own.
    ///
    /// # Errors
    /// None that a caller could cause.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Failure> {
        let mut bytes = self.object()?;
        if bytes.len() >= LONGEST_LINE {
            bytes = LogLine { reason: message!("too long for the log"), ..self.clone() }.object()?;
        }
        bytes.push(b'\n');
        Ok(bytes)
    }

    fn object(&self) -> Result<Vec<u8>, Failure> {
        serde_json::to_vec(self)
            .map_err(|_| Failure::new("writing a line of", "log.jsonl").found("something that is no JSON"))
    }
}

/// In bytes: whoever reads the end of the log finds whole lines in it.
const LONGEST_LINE: usize = 4096;

fn as_text<S: Serializer>(value: &impl Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

fn as_text_if_any<S: Serializer>(value: &Option<impl Display>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => serializer.collect_str(value),
        None => serializer.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_object_on_one_line() {
        let line = LogLine {
            time: Timestamp::from_unix(0),
            by: "ana\nroot".into(),
            command: "issue client".to_owned(),
            event: LogEvent::Verified,
            subject: "client ci".into(),
            serial: Some(SerialNumber::from_der_octets(&[0x40, 1])),
            fingerprint: None,
            reason: "asked".into(),
        };
        assert_eq!(
            String::from_utf8(line.to_bytes().unwrap()).unwrap(),
            "{\"time\":\"1970-01-01T00:00:00Z\",\"by\":\"ana\\nroot\",\"command\":\"issue client\",\
             \"event\":\"verified\",\"subject\":\"client ci\",\"serial\":\"4001\",\"reason\":\"asked\"}\n"
        );
    }
    #[test]
    fn a_line_is_never_longer_than_what_is_read_of_the_end() {
        let line = LogLine {
            time: Timestamp::from_unix(0),
            by: "ana".into(),
            command: "verify".to_owned(),
            event: LogEvent::Refuted,
            subject: "daemon builder".into(),
            serial: None,
            fingerprint: None,
            reason: Message::join(std::iter::repeat_n("a word", 2_000), " "),
        };
        let bytes = line.to_bytes().unwrap();
        assert!(bytes.len() <= LONGEST_LINE, "{} bytes", bytes.len());
        assert!(String::from_utf8(bytes).unwrap().ends_with("\"too long for the log\"}\n"));
    }
}
