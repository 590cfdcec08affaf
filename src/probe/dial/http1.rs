//! A call over HTTP/1.1: no daemon of BuildKit's speaks it, and a proxy before one may pass it on.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// What came of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Http1Reply {
    /// Status 200 and gRPC: somebody let us in.
    Grpc,
    /// Status 200 and gRPC that turns the call down, by its status.
    TurnedDown(u32),
    /// Another status, or 200 of something else.
    Other(u16),
    /// Nothing that is HTTP/1.
    Nothing,
}

/// Makes the read-only call at `path`, and reads the head of the answer.
pub(super) async fn call_over_http1<S>(mut stream: S, authority: &str, path: &str) -> Http1Reply
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {authority}\r\nContent-Type: application/grpc\r\nTE: trailers\r\n\
         User-Agent: kitcert/{}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        env!("CARGO_PKG_VERSION"),
        EMPTY_MESSAGE.len(),
    );
    let request = [head.as_bytes(), EMPTY_MESSAGE].concat();
    // Whoever ends it early may have answered before.
    let _ = stream.write_all(&request).await;
    let _ = stream.flush().await;
    let mut answer = Vec::new();
    let mut piece = [0; 1024];
    while answer.len() < LONGEST_HEAD && !answer.windows(4).any(|four| four == b"\r\n\r\n") {
        match stream.read(&mut piece).await {
            Ok(count) if count > 0 => answer.extend_from_slice(piece.get(..count).unwrap_or_default()),
            _ => break,
        }
    }
    reply(&answer)
}

/// The status of an answer in HTTP/1, by its first bytes.
pub(super) fn status_of(answer: &[u8]) -> Option<u16> {
    let status = answer.strip_prefix(b"HTTP/1.")?.get(2..5)?;
    std::str::from_utf8(status).ok()?.parse().ok()
}

fn reply(answer: &[u8]) -> Http1Reply {
    let text = String::from_utf8_lossy(answer);
    let mut lines = text.lines();
    lines.next();
    let fields: Vec<(String, &str)> = lines
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim()))
        .collect();
    let field = |wanted: &str| fields.iter().find(|(name, _)| name == wanted).map(|(_, value)| *value);
    let is_grpc = field("content-type").is_some_and(|value| value.starts_with("application/grpc"));
    // Without a body the status stands in the head.
    let grpc_status = field("grpc-status").and_then(|value| value.parse().ok()).unwrap_or(0);
    match status_of(answer) {
        Some(200) if is_grpc && grpc_status == 0 => Http1Reply::Grpc,
        Some(200) if is_grpc => Http1Reply::TurnedDown(grpc_status),
        Some(status) => Http1Reply::Other(status),
        None => Http1Reply::Nothing,
    }
}

/// gRPC's five bytes before a message, and none of it.
const EMPTY_MESSAGE: &[u8] = &[0; 5];
const LONGEST_HEAD: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_grpc_under_status_200_is_an_answer() {
        let of = |text: &str| reply(text.as_bytes());
        assert_eq!(of("HTTP/1.1 200 OK\r\nContent-Type: application/grpc+proto\r\n\r\n"), Http1Reply::Grpc);
        let turned_down = "HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ngrpc-status: 7\r\n\r\n";
        assert_eq!(of(turned_down), Http1Reply::TurnedDown(7));
        assert_eq!(of("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n"), Http1Reply::Other(200));
        assert_eq!(
            of("HTTP/1.0 400 Bad Request\r\ncontent-type: application/grpc\r\n\r\n"),
            Http1Reply::Other(400)
        );
        for other in ["", "SSH-2.0-OpenSSH\r\n", "HTTP/2 200\r\n", "\u{15}\u{3}\u{3}"] {
            assert_eq!(of(other), Http1Reply::Nothing);
        }
    }
}
