//! One dial: TCP, TLS, HTTP/2 and the calls, and every fact that was seen on the way.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rustls::InvalidMessage;
use rustls::pki_types::ServerName;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::buildkit::{Asker, INFO, LIST_WORKERS, Reply, ask};
use super::http1::call_over_http1;
use super::notebook::{Destination, Notebook};
use super::other_ways::{Tls, call_by_http1, note_http1, try_other_ways};
use super::remark::remark;
use super::server_certificate::fault_of_key;
use super::stream::{Ending, Raw, Watched};
use super::tls::{KeptNotes, Offer, OnFault, configuration, open};
use crate::message;
use crate::model::Printable;
use crate::probe::dial_list::{Alpn, Offers};
use crate::probe::outcome::{Call, Chain, End, Facts, PlainFacts, PlainReply, Shown, TlsFacts, TlsVersion};
use crate::probe::results::{AboveTls, Account, Agreed, Answer, Asked, DialStage, Handshake, Unreachable};

/// What distinguishes one dial over TLS from another.
pub(super) struct Terms<'a> {
    pub(super) shown: Shown,
    pub(super) offer: Offer<'a>,
    pub(super) on_fault: OnFault,
    pub(super) offers: Offers,
    /// The name for SNI; the certificate is judged by the expectation alone.
    pub(super) name: ServerName<'static>,
    /// `host:port`, for HTTP.
    pub(super) authority: String,
    pub(super) talk: Talk,
    pub(super) opening: Opening,
}

/// Who speaks first after the handshake, where somebody must be refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opening {
    /// The server, for a moment: whoever writes at once may lose its alert.
    Heard,
    /// This side, as clients do: a server may end a connection only because nothing is said on it.
    Spoken,
}

/// What is done after the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Talk {
    /// Only what the server says by itself is heard.
    Listen,
    /// BuildKit's read-only calls are made.
    Call,
    /// The same, and it is asked which builds run.
    AskForBuilds,
}

/// What one dial saw.
pub(super) struct Seen {
    pub(super) facts: Facts,
    pub(super) handshake: Handshake,
    pub(super) account: Account,
    pub(super) elapsed: Duration,
}

/// A connection with TLS.
pub(super) type Secure = TlsStream<Raw<TcpStream>>;

/// Dials over TLS.
pub(super) async fn secure(destination: &Destination, terms: Terms<'_>) -> Seen {
    let notebook = Notebook::new();
    let (shown, offers) = (terms.shown, terms.offers);
    let (end, elapsed) = notebook.in_time(destination, over_tls(destination, terms, &notebook)).await;
    let tls = open(&notebook.tls);
    let record = notebook.record.borrow();
    let hello = notebook.beginning.borrow().server_hello();
    let settings = record.began_with_settings();
    let mut account = notebook.account.borrow().clone();
    account.stage = Some(notebook.stage());
    let is_shown = !tls.handshake.chain.is_empty();
    if is_shown {
        account.faults.extend(tls.faults.clone().unwrap_or_default());
    }
    let facts = TlsFacts {
        shown,
        sni: offers.sni,
        versions: offers.versions,
        alpn: offers.alpn,
        server_hello: hello.is_some(),
        version: notebook.version.get().or(hello),
        chain: match &tls.faults {
            None => Chain::Unseen,
            Some(faults) if faults.is_empty() => Chain::Proven,
            Some(_) => Chain::Another,
        },
        asked: tls.handshake.asked != Asked::Nothing,
        sent: tls.sent,
        ticket: tls.ticket,
        finished: notebook.finished.get(),
        settings,
        data: !settings && !record.first.is_empty(),
        call: notebook.call.get(),
        end,
    };
    Seen { facts: Facts::Tls(facts), handshake: tls.handshake.clone(), account, elapsed }
}

/// Dials without TLS. Nothing is sent but the preface and calls that carry nothing of the client's.
pub(super) async fn plaintext(destination: &Destination) -> Seen {
    let notebook = Notebook::new();
    let (end, elapsed) = notebook.in_time(destination, over_tcp(destination, &notebook)).await;
    plainly_seen(&notebook, end, elapsed)
}

/// The same over HTTP/1.1: a server that tells protocols apart by the first bytes may know the one and
/// not the other.
pub(super) async fn plaintext_http1(destination: &Destination) -> Seen {
    let notebook = Notebook::new();
    let dial = http1_over_tcp(destination, &notebook);
    let (end, elapsed) = notebook.in_time(destination, dial).await;
    plainly_seen(&notebook, end, elapsed)
}

fn plainly_seen(notebook: &Notebook, end: End, elapsed: Duration) -> Seen {
    let record = notebook.record.borrow();
    let mut account = notebook.account.borrow().clone();
    account.stage = Some(notebook.stage());
    let reply = match record.first.as_slice() {
        [] => PlainReply::Nothing,
        [TLS_ALERT, 3, _, 0, 2, _, alert, ..] => PlainReply::TlsAlert(*alert),
        _ if record.began_with_settings() => PlainReply::Settings,
        // Of two answers that which is no refusal.
        _ if notebook.http1.get().is_some_and(|status| status != 400) => PlainReply::Http1,
        _ if record.http1_status() == Some(400) => PlainReply::BadRequest,
        _ if record.http1_status().is_some() => PlainReply::Http1,
        first => {
            account.greeting = Some(remark(first_line(first)));
            PlainReply::Other
        }
    };
    let facts = Facts::Plain(PlainFacts { reply, call: notebook.call.get(), end });
    Seen { facts, handshake: Handshake::default(), account, elapsed }
}

async fn over_tls(destination: &Destination, terms: Terms<'_>, notebook: &Notebook) -> Result<End, End> {
    let (shown, talk) = (terms.shown, terms.talk);
    let (name, offers, authority) = (terms.name.clone(), terms.offers, terms.authority);
    let made = configuration(&destination.expectation, terms.on_fault, terms.offer, offers, &notebook.tls);
    let (configuration, sessions) = made.map_err(|failure| {
        notebook.trouble(failure);
        End::Broken
    })?;
    let client = Tls { configuration: Arc::new(configuration), sessions };
    let mut stream = shake_hands(destination, (&client, terms.name), notebook).await?;
    if shown == Shown::Client && open(&notebook.tls).faults.as_ref().is_some_and(|faults| !faults.is_empty())
    {
        return Ok(End::Broken);
    }
    notebook.progress.enter(DialStage::Settings);
    // In TLS 1.3 a refusal comes only now, and a client that is writing may lose it. Whoever has
    // been let in already, and the client itself, need not wait for it.
    let is_let_in = notebook.version.get() == Some(TlsVersion::Tls12);
    let is_asked = open(&notebook.tls).handshake.asked != Asked::Nothing;
    let must_be_refused = shown != Shown::Client && is_asked && !is_let_in;
    let listens = talk == Talk::Listen || (must_be_refused && terms.opening == Opening::Heard);
    let heard = if listens {
        listen(&mut stream, destination.timing.moment()).await.map_err(|ending| notebook.ended(ending))?
    } else {
        Vec::new()
    };
    if talk == Talk::Listen {
        let mut record = notebook.record.borrow_mut();
        record.first = heard;
        return Ok(End::ByUs);
    }
    let asker = match (shown, talk) {
        (Shown::Client, Talk::AskForBuilds) => Asker::Waiting,
        (Shown::Client, _) => Asker::Client,
        _ => Asker::Unwanted,
    };
    let end = match offers.alpn {
        Alpn::Http1 => converse_by_http1(stream, heard, &authority, notebook).await,
        _ => converse(stream, heard, &format!("https://{authority}"), asker, notebook).await,
    };
    let is_others = {
        let notes = open(&notebook.tls);
        notes.handshake.asked == Asked::Nothing
            && notes.faults.as_ref().is_some_and(|faults| !faults.is_empty())
    };
    if is_others && shown != Shown::Client && notebook.call.get() != Call::BuildKit {
        let _kept = KeptNotes::of(&notebook.tls);
        try_other_ways(destination, &client, (name, offers.sni), &authority, notebook).await;
    }
    Ok(end)
}

/// Connects and completes the handshake. The notes tell whether the server's certificate is at
/// fault, if the terms go on in spite of it.
async fn shake_hands(
    destination: &Destination,
    (client, name): (&Tls, ServerName<'static>),
    notebook: &Notebook,
) -> Result<Secure, End> {
    let connection = connect(destination, notebook).await?;
    notebook.progress.enter(DialStage::Handshake);
    let raw = Raw::new(connection, Rc::clone(&notebook.beginning));
    let connector = TlsConnector::from(Arc::clone(&client.configuration));
    let stream = match connector.connect(name, raw).await {
        Ok(stream) => stream,
        Err(error) => return Err(end_of_handshake(&error, notebook)),
    };
    destination.timing.shook_hands(notebook.progress.since());
    notebook.finished.set(true);
    note_agreement(&stream, notebook);
    Ok(stream)
}

async fn over_tcp(destination: &Destination, notebook: &Notebook) -> Result<End, End> {
    let connection = connect(destination, notebook).await?;
    notebook.progress.enter(DialStage::Settings);
    // Nobody waits to send us an alert here, so nothing is gained by listening first.
    let base = format!("http://{}", destination.authority);
    Ok(converse(connection, Vec::new(), &base, Asker::Unwanted, notebook).await)
}

async fn http1_over_tcp(destination: &Destination, notebook: &Notebook) -> Result<End, End> {
    let connection = connect(destination, notebook).await?;
    notebook.progress.enter(DialStage::Settings);
    let end = converse_by_http1(connection, Vec::new(), &destination.authority, notebook).await;
    // A proxy may pass on the one call and not the other.
    if notebook.record.borrow().http1_status().is_some() && notebook.call.get() != Call::BuildKit {
        let connect = || async { TcpStream::connect(destination.address).await.ok() };
        call_by_http1(connect, &[LIST_WORKERS], &destination.authority, notebook).await;
    }
    Ok(end)
}

/// What a server says before the first end of a line.
pub(super) fn first_line(bytes: &[u8]) -> &[u8] {
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    line.strip_suffix(b"\r").unwrap_or(line)
}

async fn connect(destination: &Destination, notebook: &Notebook) -> Result<TcpStream, End> {
    let stream = TcpStream::connect(destination.address).await.map_err(|error| {
        let (end, why) = no_connection(&error);
        notebook.account.borrow_mut().unreachable = why;
        end
    })?;
    destination.timing.connected(notebook.progress.since());
    // A lost optimisation is no reason to give up.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

/// Why there is no connection.
pub(crate) fn no_connection(error: &io::Error) -> (End, Option<Unreachable>) {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => (End::NotListening, Some(Unreachable::Refused)),
        io::ErrorKind::TimedOut => (End::Unreached, Some(Unreachable::Filtered)),
        // Accepted and reset at once: something listens there.
        io::ErrorKind::ConnectionReset => (End::Reset, None),
        _ => (End::Unreached, Some(Unreachable::NoRoute(error.message()))),
    }
}

/// Reads before writing: a daemon sends SETTINGS or its alert by itself, and the alert is lost to
/// a client that is still writing. After a moment of silence nothing has been heard.
async fn listen(stream: &mut Secure, moment: Duration) -> Result<Vec<u8>, Ending> {
    let mut heard = vec![0; LONGEST_GREETING];
    match timeout(moment, stream.read(&mut heard)).await {
        Err(_) => Ok(Vec::new()),
        Ok(Ok(0)) => Err(Ending::EOF),
        Ok(Ok(count)) => {
            heard.truncate(count);
            Ok(heard)
        }
        Ok(Err(error)) => Err(Ending::of(&error)),
    }
}

async fn converse<S>(stream: S, heard: Vec<u8>, base: &str, asker: Asker, notebook: &Notebook) -> End
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let stream = Watched::new(stream, heard, Rc::clone(&notebook.record));
    let reply = ask(stream, base, asker).await;
    let record = notebook.record.borrow();
    if let Some(status) = record.http1_status() {
        notebook.turned_down(AboveTls::Http(status));
        return record.end.as_ref().map_or(End::ByUs, |ending| ending.end);
    }
    match reply {
        Ok(Reply::Answered(answer)) => {
            notebook.account.borrow_mut().answer = Some(answer);
            notebook.call.set(Call::BuildKit);
            if !record.began_with_settings() {
                notebook.trouble("an answer before SETTINGS");
            }
        }
        Ok(Reply::Unknown) => {
            notebook.account.borrow_mut().answer = Some(Answer::default());
            notebook.call.set(Call::OtherGrpc);
        }
        Ok(Reply::Above(above)) => notebook.turned_down(above),
        Ok(Reply::NotGrpc(what)) => {
            notebook.trouble(what);
            notebook.call.set(Call::TurnedDown);
        }
        // A daemon that stops says good-bye, and a proxy that is tired of a connection does, too.
        Err(error) if error.reason() == Some(h2::Reason::NO_ERROR) => {
            return record.end.clone().map_or(End::Eof, |ending| notebook.ended(ending));
        }
        Err(error) if error.is_remote() && error.reason().is_some() => {
            notebook.turned_down(AboveTls::Http2(error.reason().unwrap_or(h2::Reason::CANCEL)));
        }
        Err(error) => {
            notebook.trouble(message!("no HTTP/2: {}", remark(error.to_string().as_bytes())));
            return record.end.clone().map_or(End::Broken, |ending| notebook.ended(ending));
        }
    }
    End::ByUs
}

/// Makes the first call over HTTP/1.1.
async fn converse_by_http1<S>(stream: S, heard: Vec<u8>, authority: &str, notebook: &Notebook) -> End
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let stream = Watched::new(stream, heard, Rc::clone(&notebook.record));
    let reply = call_over_http1(stream, authority, INFO).await;
    note_http1(&reply, notebook);
    let ending = notebook.record.borrow().end.clone();
    ending.map_or(End::ByUs, |ending| notebook.ended(ending))
}

fn note_agreement(stream: &Secure, notebook: &Notebook) {
    let (_, connection) = stream.get_ref();
    let (version, words) = match connection.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_3) => (TlsVersion::Tls13, "TLS 1.3"),
        _ => (TlsVersion::Tls12, "TLS 1.2"),
    };
    notebook.version.set(Some(version));
    let protocol = connection.alpn_protocol().map(remark);
    open(&notebook.tls).handshake.agreed = Some(Agreed { version: words, protocol });
}

fn end_of_handshake(error: &io::Error, notebook: &Notebook) -> End {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let tls = open(&notebook.tls);
    let is_shown = !tls.handshake.chain.is_empty();
    let mut account = notebook.account.borrow_mut();
    match inner {
        Some(rustls::Error::InvalidMessage(what)) if is_no_record(what) && !is_shown => {
            account.is_no_tls = notebook.beginning.borrow().server_hello().is_none();
        }
        Some(rustls::Error::InvalidCertificate(_) | rustls::Error::PeerIncompatible(_))
            if is_shown && tls.faults.as_ref().is_some_and(Vec::is_empty) =>
        {
            account.faults.push(fault_of_key(&tls.handshake.chain, error));
        }
        _ => {}
    }
    drop((tls, account));
    notebook.ended(Ending::of(error))
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

const LONGEST_GREETING: usize = 4096;
const TLS_ALERT: u8 = 21;
