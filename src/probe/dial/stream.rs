//! The two streams of a dial, which remember what the libraries above them do not tell.
//!
//! [`Raw`] lies below TLS: it remembers how the server began, and never lets a failed write hide what
//! the server has already said. [`Watched`] lies below HTTP/2: it remembers whether SETTINGS came
//! first and which alert ended the connection, and both decide the verdict.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::http1::status_of;
use super::remark::remark;
use crate::model::{Message, Printable};
use crate::probe::outcome::{End, TlsVersion};

/// A stream that is watched below TLS.
///
/// A write that fails because the server has closed is passed off as done: the next read brings the
/// alert that came before, or the end. The alert would be lost otherwise.
pub(super) struct Raw<S> {
    stream: S,
    beginning: SharedBeginning,
}

/// The first bytes that the server sent.
#[derive(Default)]
pub(super) struct Beginning(Vec<u8>);

/// The same, shared with whoever asks for it afterwards.
pub(super) type SharedBeginning = Rc<RefCell<Beginning>>;

impl Beginning {
    /// The version of a whole ServerHello, if that is how it began (RFC 8446 section 4.1.3). A
    /// HelloRetryRequest has the same form.
    pub(super) fn server_hello(&self) -> Option<TlsVersion> {
        let [HANDSHAKE, 3, _, _, _, SERVER_HELLO, rest @ ..] = self.0.as_slice() else { return None };
        let (length, body) = rest.split_first_chunk::<3>()?;
        let length = u32::from_be_bytes([0, length[0], length[1], length[2]]) as usize;
        let body = body.get(..length)?;
        Some(if chooses_tls13(body).unwrap_or(false) { TlsVersion::Tls13 } else { TlsVersion::Tls12 })
    }
}

/// Whether the extension supported_versions names TLS 1.3. None where the message is cut.
fn chooses_tls13(body: &[u8]) -> Option<bool> {
    // Version and random, the session id, the cipher suite and the compression.
    let (session, rest) = body.get(2 + 32..)?.split_first()?;
    let mut extensions = rest.get(usize::from(*session) + 3..)?.get(2..)?;
    while let [high, low, long, short, after @ ..] = extensions {
        let length = usize::from(u16::from_be_bytes([*long, *short]));
        if u16::from_be_bytes([*high, *low]) == SUPPORTED_VERSIONS {
            return Some(after.get(..length)? == [3, 4]);
        }
        extensions = after.get(length..)?;
    }
    Some(false)
}

impl<S> Raw<S> {
    /// Watches `stream`, and notes how it begins.
    pub(super) fn new(stream: S, beginning: SharedBeginning) -> Raw<S> {
        Raw { stream, beginning }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Raw<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(context, buffer);
        let mut beginning = self.beginning.borrow_mut();
        let room = LONGEST_HELLO.saturating_sub(beginning.0.len());
        beginning.0.extend(buffer.filled().iter().skip(before).take(room));
        result
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Raw<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write(context, bytes) {
            Poll::Ready(Err(error)) if is_end(&error) => Poll::Ready(Ok(bytes.len())),
            result => result,
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_flush(context) {
            Poll::Ready(Err(error)) if is_end(&error) => Poll::Ready(Ok(())),
            result => result,
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

fn is_end(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionAborted
    )
}

/// A stream whose first bytes may have been read already; it gives them out again.
pub(super) struct Watched<S> {
    stream: S,
    unread: Vec<u8>,
    record: Rc<RefCell<Record>>,
}

/// What was seen of a stream.
#[derive(Default)]
pub(super) struct Record {
    /// The first bytes read, at most a frame header and the text of a short HTTP/1 answer.
    pub(super) first: Vec<u8>,
    /// How the peer ended it.
    pub(super) end: Option<Ending>,
}

/// How a stream ended, and what the library says of it if our side could not go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ending {
    pub(super) end: End,
    pub(super) trouble: Option<Message>,
}

impl Record {
    /// Whether the peer began with a SETTINGS frame that is not an acknowledgement: what a server
    /// must send first (RFC 9113 section 3.4).
    pub(super) fn began_with_settings(&self) -> bool {
        match self.first.get(..9) {
            Some([_, _, _, SETTINGS, flags, 0, 0, 0, 0]) => flags & ACKNOWLEDGEMENT == 0,
            _ => false,
        }
    }

    /// The status of an answer in HTTP/1, which a server gives that does not know HTTP/2.
    pub(super) fn http1_status(&self) -> Option<u16> {
        status_of(&self.first)
    }
}

impl Ending {
    /// What an error of reading or writing means.
    pub(super) fn of(error: &io::Error) -> Ending {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        let (end, trouble) = match (inner, error.kind()) {
            (Some(rustls::Error::AlertReceived(alert)), _) => (End::Alert((*alert).into()), None),
            (Some(other), _) => (End::Broken, Some(remark(other.to_string().as_bytes()))),
            (None, io::ErrorKind::UnexpectedEof) => (End::Eof, None),
            (
                None,
                io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionAborted,
            ) => (End::Reset, None),
            (None, _) => (End::Broken, Some(error.message())),
        };
        Ending { end, trouble }
    }

    /// The end of a stream that the server closed.
    pub(super) const EOF: Ending = Ending { end: End::Eof, trouble: None };
}

impl<S> Watched<S> {
    /// Watches `stream`, of which `unread` has been read already, and writes to `record`.
    pub(super) fn new(stream: S, unread: Vec<u8>, record: Rc<RefCell<Record>>) -> Watched<S> {
        record.borrow_mut().first = unread.iter().copied().take(LONGEST_BEGINNING).collect();
        Watched { stream, unread, record }
    }

    fn note_end(&self, ending: Ending) {
        let mut record = self.record.borrow_mut();
        // An alert that is read after a write has failed says more than the failure.
        let says_more = matches!(ending.end, End::Alert(_));
        if record.end.is_none() || says_more {
            record.end = Some(ending);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.unread.is_empty() {
            let count = self.unread.len().min(buffer.remaining());
            buffer.put_slice(&self.unread.drain(..count).collect::<Vec<_>>());
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(context, buffer);
        match &result {
            Poll::Ready(Ok(())) if buffer.filled().len() == before && buffer.remaining() > 0 => {
                self.note_end(Ending::EOF);
            }
            Poll::Ready(Ok(())) => {
                let mut record = self.record.borrow_mut();
                let room = LONGEST_BEGINNING.saturating_sub(record.first.len());
                record.first.extend(buffer.filled().iter().skip(before).take(room));
            }
            Poll::Ready(Err(error)) => self.note_end(Ending::of(error)),
            Poll::Pending => {}
        }
        result
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(context, bytes);
        if let Poll::Ready(Err(error)) = &result {
            self.note_end(Ending::of(error));
        }
        result
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

const HANDSHAKE: u8 = 22;
const SERVER_HELLO: u8 = 2;
const SUPPORTED_VERSIONS: u16 = 43;
/// A ServerHello is a quarter of this, with the largest key share that is offered.
const LONGEST_HELLO: usize = 1024;
const SETTINGS: u8 = 4;
const ACKNOWLEDGEMENT: u8 = 1;
const LONGEST_BEGINNING: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    /// A ServerHello with those extensions.
    fn hello(extensions: &[u8]) -> Vec<u8> {
        let mut body = vec![3, 3];
        body.extend([7; 32]);
        body.extend([2, 9, 9, 0x13, 0x01, 0]);
        body.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
        body.extend(extensions);
        let length = u8::try_from(body.len()).unwrap();
        [vec![22, 3, 3, 0, length + 4, 2, 0, 0, length], body].concat()
    }

    #[test]
    fn a_whole_server_hello_tells_its_version_and_a_part_of_it_tells_nothing() {
        let newer = hello(&[0, 51, 0, 2, 1, 1, 0, 43, 0, 2, 3, 4]);
        let older = hello(&[0xff, 1, 0, 1, 0]);
        assert_eq!(Beginning(newer.clone()).server_hello(), Some(TlsVersion::Tls13));
        assert_eq!(Beginning(older.clone()).server_hello(), Some(TlsVersion::Tls12));
        assert_eq!(Beginning(hello(&[])).server_hello(), Some(TlsVersion::Tls12));
        for whole in [newer, older] {
            for length in 0..whole.len() {
                assert_eq!(Beginning(whole[..length].to_vec()).server_hello(), None, "{length}");
            }
        }
        for other in [&[21, 3, 3, 0, 2, 2, 112][..], b"HTTP/1.1 400 Bad Request", b"SSH-2.0-OpenSSH"] {
            assert_eq!(Beginning(other.to_vec()).server_hello(), None);
        }
    }

    fn record(first: &[u8]) -> Record {
        Record { first: first.to_vec(), end: None }
    }

    #[test]
    fn only_a_servers_own_settings_count_as_settings() {
        assert!(record(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).began_with_settings());
        assert!(record(&[0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 5]).began_with_settings());
        for other in [
            &[0, 0, 0, 4, 1, 0, 0, 0, 0][..],
            &[0, 0, 0, 4, 0, 0, 0, 0, 1],
            &[0, 0, 0, 7, 0, 0, 0, 0, 0],
            &[0, 0, 0, 4, 0, 0, 0],
            b"HTTP/1.1 400 Bad Request",
            &[],
        ] {
            assert!(!record(other).began_with_settings(), "{other:?}");
        }
    }

    #[test]
    fn an_answer_of_http_1_is_known_by_its_status() {
        assert_eq!(record(b"HTTP/1.1 400 Bad Request").http1_status(), Some(400));
        assert_eq!(record(b"HTTP/1.1 4").http1_status(), None);
        assert_eq!(record(b"SSH-2.0-OpenSSH").http1_status(), None);
    }

    #[test]
    fn an_alert_says_more_than_the_reset_before_it_and_a_reset_less_than_the_alert() {
        let alert = || {
            let received = rustls::Error::AlertReceived(rustls::AlertDescription::CertificateRequired);
            Ending::of(&io::Error::new(io::ErrorKind::InvalidData, received))
        };
        let reset = || Ending::of(&io::Error::from(io::ErrorKind::ConnectionReset));
        for order in [[alert(), reset()], [reset(), alert()]] {
            let watched = Watched::new((), Vec::new(), Rc::default());
            order.into_iter().for_each(|end| watched.note_end(end));
            let end = watched.record.borrow().end.as_ref().map(|ending| ending.end);
            assert_eq!(end, Some(End::Alert(116)));
        }
    }
}
