//! What a daemon shows of itself, as plain values: nothing here judges.

use crate::message;
use crate::model::{Message, Printable, Remark};
use crate::pki::{Certificate, DistinguishedName};
use crate::probe::outcome::Call;

/// What an accepted dial was told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// BuildKit's own account of itself, if it gave one.
    pub buildkit: Option<BuildkitVersion>,
    /// The workers, if they were asked for and told.
    pub workers: Option<Vec<Worker>>,
    /// Sessions and idle time, which Earthly's daemons alone tell.
    pub idleness: Option<Idleness>,
    /// How many builds run, if that was asked for and told.
    pub builds: Option<u64>,
}

impl Answer {
    /// Whether a restart would cut a build.
    ///
    /// The list of running builds decides where a daemon has one. Sessions are no builds: a client may
    /// keep one open for hours and build nothing, and a build of moby's goes on for a moment after its
    /// session has ended. They count only where there is no list (BuildKit before v0.11).
    #[must_use]
    pub fn activity(&self) -> Activity {
        match (self.builds, self.idleness) {
            (Some(0), _) => Activity::Idle,
            (Some(builds), _) => Activity::Building(builds),
            (None, Some(Idleness { sessions: 0, .. })) => Activity::Idle,
            (None, Some(Idleness { sessions, .. })) => Activity::InUse(sessions),
            (None, None) => Activity::NotTold,
        }
    }
}

/// Whether a daemon builds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// No build runs.
    Idle,
    /// So many builds run.
    Building(u64),
    /// It has no list of builds, and so many sessions are open.
    InUse(u64),
    /// It told neither.
    NotTold,
}

impl Activity {
    /// Whether a restart is to wait. One that does not tell cannot be waited for.
    #[must_use]
    pub fn is_busy(self) -> bool {
        matches!(self, Activity::Building(_) | Activity::InUse(_))
    }
}

/// One clause about the daemon: `2 builds are running`.
impl Printable for Activity {
    fn message(&self) -> Message {
        match self {
            Activity::Idle => message!("no build is running"),
            Activity::Building(1) => message!("1 build is running"),
            Activity::Building(builds) => message!("{} builds are running", builds),
            Activity::InUse(1) => message!("1 session is open"),
            Activity::InUse(sessions) => message!("{} sessions are open", sessions),
            Activity::NotTold => message!("the daemon does not say whether a build is running"),
        }
    }
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
    /// An error of HTTP/2, for the stream or for the connection.
    Http2(h2::Reason),
}

/// One clause: `connection refused`.
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

impl AboveTls {
    /// What came of the call that was answered so.
    pub(crate) fn call(&self) -> Call {
        let is_unavailable = match self {
            AboveTls::Http(status) => matches!(status, 408 | 425 | 429 | 500 | 502..=504),
            AboveTls::Grpc { status, .. } => matches!(status, 1 | 4 | 8 | 13 | 14),
            AboveTls::Http2(reason) => [
                h2::Reason::INTERNAL_ERROR,
                h2::Reason::REFUSED_STREAM,
                h2::Reason::CANCEL,
                h2::Reason::ENHANCE_YOUR_CALM,
                h2::Reason::HTTP_1_1_REQUIRED,
            ]
            .contains(reason),
        };
        if is_unavailable { Call::Unavailable } else { Call::TurnedDown }
    }
}

impl Printable for AboveTls {
    fn message(&self) -> Message {
        match self {
            AboveTls::Grpc { status, message } if message.is_empty() => message!("gRPC status {}", status),
            AboveTls::Grpc { status, message } => message!("gRPC status {} ({})", status, message),
            AboveTls::Http(status) => message!("HTTP {}", status),
            AboveTls::Http2(reason) => message!("HTTP/2 error: {}", Remark(reason.description())),
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

/// How far a dial has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DialStage {
    /// TCP.
    Connecting,
    /// TLS.
    Handshake,
    /// Waiting for SETTINGS or an alert.
    Settings,
    /// Waiting for the answer to a call.
    Call,
}

impl DialStage {
    /// What is being done then, in words.
    #[must_use]
    pub fn doing(self) -> &'static str {
        match self {
            DialStage::Connecting => "connecting",
            DialStage::Handshake => "waiting for the handshake",
            DialStage::Settings => "waiting for HTTP/2 SETTINGS or an alert",
            DialStage::Call => "waiting for the answer to a call",
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
    /// The signature schemes of its CertificateRequest that this program knows, by their numbers.
    pub schemes: Vec<u16>,
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

/// The alert's name as openssl and Go spell it, in RFC 8446's words.
pub(super) fn alert_name(code: u8) -> &'static str {
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
