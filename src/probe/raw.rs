//! The stream below TLS: it remembers how the server began, and never lets a failed write hide what
//! the server has already said.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::outcome::TlsVersion;

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
        let room = LONGEST_BEGINNING.saturating_sub(beginning.0.len());
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

const HANDSHAKE: u8 = 22;
const SERVER_HELLO: u8 = 2;
const SUPPORTED_VERSIONS: u16 = 43;
/// A ServerHello is a quarter of this, with the largest key share that is offered.
const LONGEST_BEGINNING: usize = 1024;

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
}
