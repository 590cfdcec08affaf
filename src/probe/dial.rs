//! One dial: TCP, TLS, HTTP/2, and a call, within one deadline.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{InvalidMessage, SupportedProtocolVersion};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::buildkit::{Depth, Reply, ask};
use super::observed::{
    AboveTls, Agreed, Dialled, Inconclusive, Moment, Outcome, Refusal, Stage, Unreachable,
};
use super::text::remark;
use super::tls::{Offer, OnFault, SharedNotes, configuration, open};
use super::trust::{ServerExpectation, fault_of_key};
use super::watched::{End, Record, Watched};
use crate::message;
use crate::model::{Message, Printable};

/// Where a dial goes, and what it expects there.
pub(super) struct Target {
    pub(super) addresses: Vec<SocketAddr>,
    pub(super) name: ServerName<'static>,
    /// `host:port`, for HTTP/2.
    pub(super) authority: String,
    pub(super) expectation: ServerExpectation,
    /// When a dial that is under way is given up.
    pub(super) until: Instant,
}

/// What distinguishes one dial over TLS from another.
pub(super) struct Terms<'a> {
    pub(super) offer: Offer<'a>,
    pub(super) on_fault: OnFault,
    pub(super) versions: &'a [&'static SupportedProtocolVersion],
    pub(super) depth: Depth,
}

/// How far a dial has come, for whoever has to say so when its time is up.
#[derive(Default)]
pub(super) struct Progress {
    stage: Cell<Option<Stage>>,
    record: Rc<RefCell<Record>>,
    address: Cell<Option<SocketAddr>>,
}

/// Dials over TLS. Also tells which of the addresses answered.
pub(super) async fn secure(target: &Target, terms: Terms<'_>) -> (Dialled, Option<SocketAddr>) {
    let notes = SharedNotes::default();
    let progress = Progress::default();
    let (outcome, elapsed) = in_time(target, &progress, over_tls(target, terms, &notes, &progress)).await;
    let handshake = open(&notes).handshake.clone();
    (Dialled { outcome, handshake, elapsed }, progress.address.get())
}

/// Dials without TLS. Nothing is sent but the preface and a call that carries nothing of ours.
pub(super) async fn plaintext(target: &Target) -> Dialled {
    let progress = Progress::default();
    let (outcome, elapsed) = in_time(target, &progress, over_tcp(target, &progress)).await;
    Dialled { outcome, handshake: super::Handshake::default(), elapsed }
}

async fn in_time(
    target: &Target,
    progress: &Progress,
    dial: impl Future<Output = Result<Outcome, Outcome>>,
) -> (Outcome, Duration) {
    let started = Instant::now();
    let outcome = match timeout_at(target.until, dial).await {
        Ok(Ok(outcome) | Err(outcome)) => outcome,
        Err(_) => match progress.stage.get() {
            None | Some(Stage::Connecting) => Outcome::Unreachable(Unreachable::Filtered),
            Some(Stage::Settings) if progress.record.borrow().began_with_settings() => timed_out(Stage::Call),
            Some(stage) => timed_out(stage),
        },
    };
    (outcome, started.elapsed())
}

async fn over_tls(
    target: &Target,
    terms: Terms<'_>,
    notes: &SharedNotes,
    progress: &Progress,
) -> Result<Outcome, Outcome> {
    let depth = terms.depth;
    let mut stream = shake_hands(target, terms, notes, progress).await?;
    if let Some(faults) = open(notes).faults.clone().filter(|faults| !faults.is_empty()) {
        return Ok(Outcome::Untrusted(faults));
    }
    progress.stage.set(Some(Stage::Settings));
    let heard = listen(&mut stream).await?;
    converse(stream, heard, &format!("https://{}", target.authority), depth, progress).await
}

/// Connects and completes the handshake. The notes tell whether the server's certificate is at
/// fault, where the terms go on in spite of it.
pub(super) async fn shake_hands(
    target: &Target,
    terms: Terms<'_>,
    notes: &SharedNotes,
    progress: &Progress,
) -> Result<TlsStream<TcpStream>, Outcome> {
    let Terms { offer, on_fault, versions, depth: _ } = terms;
    let configuration = configuration(&target.expectation, on_fault, offer, versions, notes)
        .map_err(|failure| Outcome::Inconclusive(Inconclusive::NotDialled(failure.message())))?;
    let connection = connect(&target.addresses, progress).await?;
    progress.stage.set(Some(Stage::Handshake));
    let connector = TlsConnector::from(Arc::new(configuration));
    let stream = connector
        .connect(target.name.clone(), connection)
        .await
        .map_err(|error| outcome_of_handshake(&error, notes))?;
    note_agreement(&stream, notes);
    Ok(stream)
}

async fn over_tcp(target: &Target, progress: &Progress) -> Result<Outcome, Outcome> {
    let connection = connect(&target.addresses, progress).await?;
    progress.stage.set(Some(Stage::Settings));
    // Nobody waits to send us an alert here, so nothing is gained by listening first.
    let base = format!("http://{}", target.authority);
    let outcome = converse(connection, Vec::new(), &base, Depth::Admission, progress).await;
    match progress.record.borrow().first.as_slice() {
        [TLS_ALERT, 3, _, 0, 2, _, alert, ..] => {
            Ok(Outcome::Refused { how: Refusal::Alert(*alert), moment: Moment::Handshake })
        }
        first if is_foreign(&progress.record.borrow()) => {
            Ok(Outcome::Inconclusive(Inconclusive::Greeted(remark(first_line(first)))))
        }
        _ => outcome,
    }
}

/// What a server says before the first end of a line.
pub(super) fn first_line(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == b'\n').next().unwrap_or_default()
}

/// Whether what came without TLS is neither HTTP/2, nor HTTP/1, nor a record of TLS.
fn is_foreign(record: &Record) -> bool {
    let is_tls = matches!(record.first.as_slice(), [20..=23, 3, ..]);
    !record.first.is_empty() && !is_tls && !record.began_with_settings() && record.http1_status().is_none()
}

/// Connects to whichever address answers first. Each gets a head start before the next is tried
/// (RFC 8305 section 5), so that a filtered one does not use up the deadline.
pub(super) async fn connect(addresses: &[SocketAddr], progress: &Progress) -> Result<TcpStream, Outcome> {
    progress.stage.set(Some(Stage::Connecting));
    let mut attempts = JoinSet::new();
    let mut left = addresses.iter().copied();
    let mut trouble = io::Error::from(io::ErrorKind::AddrNotAvailable);
    loop {
        let head_start = match left.next() {
            Some(address) => {
                attempts.spawn(TcpStream::connect(address));
                HEAD_START
            }
            None if attempts.is_empty() => return Err(unreachable(&trouble)),
            None => Duration::MAX,
        };
        match timeout(head_start, attempts.join_next()).await {
            Ok(Some(Ok(Ok(stream)))) => {
                progress.address.set(stream.peer_addr().ok());
                // A lost optimisation is no reason to give up.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Some(Ok(Err(error)))) => trouble = error,
            Ok(Some(Err(_)) | None) | Err(_) => {}
        }
    }
}

/// Reads before writing: a daemon sends SETTINGS or its alert by itself, and the alert is lost to
/// a client that is still writing. After a moment of silence nothing has been heard.
pub(super) async fn listen(stream: &mut TlsStream<TcpStream>) -> Result<Vec<u8>, Outcome> {
    let mut heard = vec![0; LONGEST_GREETING];
    match timeout(A_MOMENT, stream.read(&mut heard)).await {
        Err(_) => Ok(Vec::new()),
        Ok(Ok(0)) => Err(Outcome::Refused { how: Refusal::Closed, moment: Moment::AfterHandshake }),
        Ok(Ok(count)) => {
            heard.truncate(count);
            Ok(heard)
        }
        Ok(Err(error)) => Err(outcome_of_end(End::of(&error))),
    }
}

async fn converse<S>(
    stream: S,
    heard: Vec<u8>,
    base: &str,
    depth: Depth,
    progress: &Progress,
) -> Result<Outcome, Outcome>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let stream = Watched::new(stream, heard, Rc::clone(&progress.record));
    let reply = ask(stream, base, depth).await;
    let record = progress.record.borrow();
    if let Some(status) = record.http1_status() {
        return Ok(Outcome::RefusedAbove(AboveTls::Http(status)));
    }
    Ok(match reply {
        Ok(Reply::Above(above)) => Outcome::RefusedAbove(above),
        Ok(Reply::NotGrpc(what)) => protocol(what),
        Ok(Reply::Answered(answer)) if record.began_with_settings() => Outcome::Accepted(answer),
        Ok(Reply::Answered(_)) => protocol(message!("an answer before SETTINGS")),
        Err(error) if error.is_remote() && error.reason().is_some() => {
            protocol(message!("HTTP/2 ended by the daemon: {}", remark(error.to_string().as_bytes())))
        }
        Err(error) => match &record.end {
            Some(end) => outcome_of_end(end.clone()),
            None => protocol(message!("no HTTP/2: {}", remark(error.to_string().as_bytes()))),
        },
    })
}

fn note_agreement(stream: &TlsStream<TcpStream>, notes: &SharedNotes) {
    let (_, connection) = stream.get_ref();
    let version = match connection.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_3) => "TLS 1.3",
        _ => "TLS 1.2",
    };
    let protocol = connection.alpn_protocol().map(remark);
    open(notes).handshake.agreed = Some(Agreed { version, protocol });
}

fn outcome_of_handshake(error: &io::Error, notes: &SharedNotes) -> Outcome {
    let notes = open(notes);
    if let Some(faults) = notes.faults.clone().filter(|faults| !faults.is_empty()) {
        return Outcome::Untrusted(faults);
    }
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match (inner, End::of(error)) {
        (Some(rustls::Error::InvalidMessage(what)), _)
            if is_no_record(what) && notes.handshake.chain.is_empty() =>
        {
            Outcome::NotTls
        }
        (Some(rustls::Error::InvalidCertificate(_) | rustls::Error::PeerIncompatible(_)), _)
            if !notes.handshake.chain.is_empty() =>
        {
            Outcome::Untrusted(vec![fault_of_key(&notes.handshake.chain, error)])
        }
        (_, End::Refused(how)) => Outcome::Refused { how, moment: Moment::Handshake },
        (_, End::Broken(what)) => protocol(what),
    }
}

/// What is said of bytes that are no record of TLS; a record that is too long is one.
fn is_no_record(what: &InvalidMessage) -> bool {
    !matches!(
        what,
        InvalidMessage::HandshakePayloadTooLarge
            | InvalidMessage::CertificatePayloadTooLarge
            | InvalidMessage::MessageTooLarge
    )
}

fn outcome_of_end(end: End) -> Outcome {
    match end {
        End::Refused(how) => Outcome::Refused { how, moment: Moment::AfterHandshake },
        End::Broken(what) => protocol(what),
    }
}

fn unreachable(error: &io::Error) -> Outcome {
    Outcome::Unreachable(match error.kind() {
        io::ErrorKind::ConnectionRefused => Unreachable::Refused,
        io::ErrorKind::TimedOut => Unreachable::Filtered,
        _ => Unreachable::NoRoute(error.message()),
    })
}

fn protocol(what: Message) -> Outcome {
    Outcome::Inconclusive(Inconclusive::Protocol(what))
}

fn timed_out(stage: Stage) -> Outcome {
    Outcome::Inconclusive(Inconclusive::TimedOut(stage))
}

/// Both daemons send SETTINGS or the alert within a few milliseconds of the handshake; a round
/// trip across an ocean is still shorter.
const A_MOMENT: Duration = Duration::from_millis(150);
const HEAD_START: Duration = Duration::from_millis(250);
const LONGEST_GREETING: usize = 4096;
const TLS_ALERT: u8 = 21;
