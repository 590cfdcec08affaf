//! What another port of the daemon's host has for somebody without credentials.

use super::daemon_answers::Unreachable;
use crate::message;
use crate::model::{Message, Printable};

/// A port of the daemon's host, and what came of connecting to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Its number.
    pub number: u16,
    /// What is there.
    pub answer: PortAnswer,
}

/// What a port has for somebody without credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortAnswer {
    /// It cannot be connected to.
    Unreachable(Unreachable),
    /// It takes connections and says nothing until the time is up, or closes without a word.
    Silent,
    /// It speaks HTTP/2 without TLS, as BuildKit does where TLS is off.
    Http2,
    /// It speaks HTTP/1 without TLS.
    Http1,
    /// It speaks TLS, and asks nobody for a certificate.
    TlsForAnyone,
    /// It speaks TLS, asks for a certificate, and goes on with whoever has none.
    TlsOptional,
    /// It speaks TLS, and refuses whoever has no certificate.
    TlsRefused,
    /// It speaks TLS, and did not say more in time.
    Tls,
    /// It says something else: the first line of it.
    Greeting(Message),
}

impl Printable for PortAnswer {
    fn message(&self) -> Message {
        match self {
            PortAnswer::Unreachable(Unreachable::Refused) => message!("closed"),
            PortAnswer::Unreachable(Unreachable::Filtered) => message!("filtered"),
            PortAnswer::Unreachable(why) => why.message(),
            PortAnswer::Silent => message!("open, and silent"),
            PortAnswer::Http2 => message!("HTTP/2 without TLS"),
            PortAnswer::Http1 => message!("HTTP without TLS"),
            PortAnswer::TlsForAnyone => message!("TLS that does not ask for a certificate"),
            PortAnswer::TlsOptional => message!("TLS that asks for a certificate, and goes on without one"),
            PortAnswer::TlsRefused => message!("TLS that refuses whoever has no certificate"),
            PortAnswer::Tls => message!("TLS"),
            PortAnswer::Greeting(line) => message!("a server without TLS that says \"{}\"", line),
        }
    }
}
