//! A stream that remembers how it began and how it ended.
//!
//! The HTTP/2 library tells neither whether SETTINGS came first nor which alert ended the
//! connection, and both decide the verdict.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::outcome::End;
use super::text::remark;
use crate::model::{Message, Printable};

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
        let rest = self.first.strip_prefix(b"HTTP/1.")?.get(2..5)?;
        std::str::from_utf8(rest).ok()?.parse().ok()
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

const SETTINGS: u8 = 4;
const ACKNOWLEDGEMENT: u8 = 1;
const LONGEST_BEGINNING: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

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
