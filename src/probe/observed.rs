//! What the dials saw, as plain values: nothing here judges.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use crate::message;
use crate::model::{Finding, Message, Printable, Timestamp};
use crate::pki::{Certificate, DistinguishedName};

/// One connection of a probe, named after what it offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dial {
    /// Our own certificate, before every other dial.
    Ours,
    /// No certificate.
    Anonymous,
    /// A certificate of a stranger's CA with the name and key id of ours.
    Stranger,
    /// HTTP/2 without TLS.
    Plaintext,
    /// Our own certificate (or none, where there is none), and at most TLS 1.2.
    Tls12,
    /// A certificate of our CA that has expired.
    Expired,
    /// A certificate of our CA with a daemon's usage.
    DaemonUsage,
    /// Our own certificate, after every other dial.
    OursAgain,
}

impl fmt::Display for Dial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Dial::Ours => "ours",
            Dial::Anonymous => "anonymous",
            Dial::Stranger => "stranger",
            Dial::Plaintext => "plaintext",
            Dial::Tls12 => "tls12",
            Dial::Expired => "expired",
            Dial::DaemonUsage => "daemon-usage",
            Dial::OursAgain => "ours-again",
        })
    }
}

/// How a dial ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// SETTINGS arrived and a call was answered with gRPC status 0 or 12.
    Accepted(Answer),
    /// The daemon refused by an alert or by closing.
    Refused {
        /// By what.
        how: Refusal,
        /// When.
        moment: Moment,
    },
    /// TLS and HTTP/2 let us in, and then a call was turned down: the word of something above
    /// TLS, or of a proxy.
    RefusedAbove(AboveTls),
    /// The daemon's own certificate is at fault. Nothing of ours was sent.
    Untrusted(Vec<Finding>),
    /// What answers does not speak TLS.
    NotTls,
    /// No connection.
    Unreachable(Unreachable),
    /// No verdict.
    Inconclusive(Inconclusive),
}

/// One clause: `refused: alert 116 (certificate required)`.
impl Printable for Outcome {
    fn message(&self) -> Message {
        match self {
            Outcome::Accepted(_) => message!("accepted"),
            Outcome::Refused { how, .. } => message!("refused: {}", how),
            Outcome::RefusedAbove(above) => message!("turned down by {}", above),
            Outcome::Untrusted(_) => message!("the server's certificate is at fault"),
            Outcome::NotTls => message!("no TLS"),
            Outcome::Unreachable(why) => why.message(),
            Outcome::Inconclusive(Inconclusive::TimedOut(stage)) => {
                message!("the time was up while {}", stage.doing())
            }
            Outcome::Inconclusive(Inconclusive::Greeted(greeting)) => {
                message!("a greeting of another protocol: {}", greeting)
            }
            Outcome::Inconclusive(Inconclusive::Protocol(what) | Inconclusive::NotDialled(what)) => {
                what.clone()
            }
        }
    }
}

/// What an accepted dial was told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// BuildKit's own account of itself, if it gave one.
    pub buildkit: Option<BuildkitVersion>,
    /// The workers, if they were asked for and told.
    pub workers: Option<Vec<Worker>>,
    /// Sessions and idle time, which Earthly's daemons alone tell.
    pub idleness: Option<Idleness>,
}

/// `BuildkitVersion` of BuildKit's api/types/worker.proto.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BuildkitVersion {
    /// The Go package, such as `github.com/moby/buildkit`.
    pub package: Message,
    /// Such as `v0.32.2`.
    pub version: Message,
    /// The commit.
    pub revision: Message,
}

/// A worker of the daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Worker {
    /// Its id.
    pub id: Message,
    /// What it builds for, as `linux/amd64` or `linux/arm/v7`.
    pub platforms: Vec<Message>,
}

/// Whether a daemon can be restarted without disturbing a build: fields 101 and 102 of the
/// `InfoResponse` of earthly/buildkit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Idleness {
    /// Open sessions.
    pub sessions: u64,
    /// Seconds since the last of them.
    pub idle_seconds: u64,
}

/// How a daemon refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A TLS alert (RFC 8446 section 6.2), by its number.
    Alert(u8),
    /// The connection was closed without one.
    Closed,
    /// The connection was reset; an alert may have been lost with it.
    Reset,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Alert(code) => write!(f, "alert {code} ({})", alert_name(*code)),
            Refusal::Closed => f.write_str("closed without a word"),
            Refusal::Reset => f.write_str("reset"),
        }
    }
}

/// When a daemon refuses: TLS 1.3 lets the client finish the handshake first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// During the handshake.
    Handshake,
    /// After it, before a call was answered.
    AfterHandshake,
}

/// A refusal that is not TLS's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AboveTls {
    /// A gRPC status other than 0 and 12, with its message.
    Grpc {
        /// The number.
        status: u32,
        /// The daemon's words, cut and freed of control characters.
        message: Message,
    },
    /// An HTTP status other than 200.
    Http(u16),
}

impl Printable for AboveTls {
    fn message(&self) -> Message {
        match self {
            AboveTls::Grpc { status, message } if message.is_empty() => message!("gRPC status {}", status),
            AboveTls::Grpc { status, message } => message!("gRPC status {} ({})", status, message),
            AboveTls::Http(status) => message!("HTTP {}", status),
        }
    }
}

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unreachable {
    /// The name does not resolve; the resolver's words.
    Dns(Message),
    /// Nothing listens.
    Refused,
    /// No answer at all within the deadline: a firewall, or a wrong address.
    Filtered,
    /// The network has no way there; the system's words.
    NoRoute(Message),
}

impl Printable for Unreachable {
    fn message(&self) -> Message {
        match self {
            Unreachable::Dns(why) => message!("no address: {}", why),
            Unreachable::Refused => message!("connection refused"),
            Unreachable::Filtered => message!("no answer to TCP"),
            Unreachable::NoRoute(why) => why.clone(),
        }
    }
}

/// Why there is no verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inconclusive {
    /// The deadline passed during that stage.
    TimedOut(Stage),
    /// Something other than what the protocol wants; described.
    Protocol(Message),
    /// Without TLS: first bytes of no protocol that is known here, cut and freed of control
    /// characters. An SSH server sends its own unasked (RFC 4253 section 4.2).
    Greeted(Message),
    /// The dial was not carried out; why.
    NotDialled(Message),
}

/// How far a dial has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// TCP.
    Connecting,
    /// TLS.
    Handshake,
    /// Waiting for SETTINGS or an alert.
    Settings,
    /// Waiting for the answer to a call.
    Call,
}

impl Stage {
    /// What is being done then, in words.
    #[must_use]
    pub fn doing(self) -> &'static str {
        match self {
            Stage::Connecting => "connecting",
            Stage::Handshake => "waiting for the handshake",
            Stage::Settings => "waiting for HTTP/2 SETTINGS or an alert",
            Stage::Call => "waiting for the answer to a call",
        }
    }
}

/// What the daemon showed of itself during a handshake.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Handshake {
    /// The certificates that it served, leaf first, as DER.
    pub chain: Vec<Vec<u8>>,
    /// Whether it asked for a certificate, and which CAs it names.
    pub asked: Asked,
    /// Why a certificate that was at hand was withheld, as a Go client would withhold it.
    pub withheld: Option<Withheld>,
    /// TLS version and protocol, once the handshake was over.
    pub agreed: Option<Agreed>,
}

impl Handshake {
    /// The served leaf, if there was one that can be read.
    #[must_use]
    pub fn leaf(&self) -> Option<Certificate> {
        Certificate::from_der(self.chain.first()?).ok()
    }
}

/// The daemon's CertificateRequest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Asked {
    /// The handshake did not come so far, or the daemon asks nobody for a certificate.
    #[default]
    Nothing,
    /// It asks for a certificate of one of those CAs; of any, if there are none.
    For(Vec<DistinguishedName>),
}

/// Why a client does not send the certificate that it has: the two questions of Go's
/// `CertificateRequestInfo.SupportsCertificate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Withheld {
    /// Its issuer is not among the CAs that the daemon names.
    Issuer,
    /// The daemon accepts no signature that its key can make. BoringSSL, and so gRPC outside Go,
    /// accepts none of Ed25519.
    Signature,
}

/// What both sides agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// `TLS 1.3` or `TLS 1.2`.
    pub version: &'static str,
    /// The protocol that the daemon selected by ALPN; newer clients refuse none.
    pub protocol: Option<Message>,
}

/// One dial's result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dialled {
    /// How it ended.
    pub outcome: Outcome,
    /// What was seen on the way.
    pub handshake: Handshake,
    /// How long it took.
    pub elapsed: Duration,
}

/// All that a probe saw of one daemon.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// The dials that were carried out.
    pub dials: BTreeMap<Dial, Dialled>,
    /// What the host's name resolved to.
    pub addresses: Vec<SocketAddr>,
    /// The one of them that was dialled.
    pub address: Option<SocketAddr>,
    /// When the certificate ended that was shown as expired, where one was.
    pub expired_since: Option<Timestamp>,
}

impl Observed {
    /// How that dial ended, if it was made.
    #[must_use]
    pub fn outcome(&self, dial: Dial) -> Option<&Outcome> {
        self.dials.get(&dial).map(|dialled| &dialled.outcome)
    }

    /// What the daemon showed of itself, from the dial that saw the most.
    #[must_use]
    pub fn handshake(&self) -> Option<&Handshake> {
        let seen = |dial: &Dialled| {
            (
                dial.handshake.asked != Asked::Nothing,
                dial.handshake.agreed.is_some(),
                !dial.handshake.chain.is_empty(),
            )
        };
        [Dial::Anonymous, Dial::Ours]
            .iter()
            .filter_map(|dial| self.dials.get(dial))
            .filter(|dialled| !dialled.handshake.chain.is_empty())
            .max_by_key(|dialled| seen(dialled))
            .map(|dialled| &dialled.handshake)
    }

    /// What the daemon told us, if our own certificate was accepted.
    #[must_use]
    pub fn answer(&self) -> Option<&Answer> {
        match self.outcome(Dial::Ours) {
            Some(Outcome::Accepted(answer)) => Some(answer),
            _ => None,
        }
    }
}

/// The alert's name as openssl and Go spell it, in RFC 8446's words.
fn alert_name(code: u8) -> &'static str {
    match code {
        40 => "handshake failure",
        42 => "bad certificate",
        43 => "unsupported certificate",
        44 => "certificate revoked",
        45 => "expired certificate",
        46 => "unknown certificate",
        47 => "illegal parameter",
        48 => "unknown certificate authority",
        49 => "access denied",
        50 => "decode error",
        51 => "decrypt error",
        70 => "protocol version",
        71 => "insufficient security",
        80 => "internal error",
        86 => "inappropriate fallback",
        109 => "missing extension",
        112 => "unrecognized name",
        116 => "certificate required",
        120 => "no application protocol",
        _ => "unnamed",
    }
}
