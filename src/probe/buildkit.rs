//! BuildKit's two read-only calls, as far as a probe needs them.
//!
//! Field numbers are those of moby/buildkit's api/services/control/control.proto and
//! api/types/worker.proto; fields from 101 up are earthly/buildkit's. Unknown fields are passed
//! over. A hostile daemon is given 1 MiB an answer and 16 KiB of headers.

use bytes::{BufMut, Bytes, BytesMut};
use h2::client::{Builder, SendRequest};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use prost::Message;
use tokio::io::{AsyncRead, AsyncWrite};

use super::observed::{AboveTls, Answer, BuildkitVersion, Idleness, Worker};
use super::text::remark;
use crate::message;

/// `moby.buildkit.v1.InfoResponse`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct InfoResponse {
    #[prost(message, optional, tag = "1")]
    pub(crate) version: Option<VersionRecord>,
    #[prost(uint64, optional, tag = "101")]
    pub(crate) sessions: Option<u64>,
    #[prost(uint64, optional, tag = "102")]
    pub(crate) idle_seconds: Option<u64>,
}

/// `moby.buildkit.v1.types.BuildkitVersion`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct VersionRecord {
    #[prost(string, tag = "1")]
    pub(crate) package: String,
    #[prost(string, tag = "2")]
    pub(crate) version: String,
    #[prost(string, tag = "3")]
    pub(crate) revision: String,
}

/// `moby.buildkit.v1.ListWorkersResponse`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ListWorkersResponse {
    #[prost(message, repeated, tag = "1")]
    pub(crate) workers: Vec<WorkerRecord>,
}

/// `moby.buildkit.v1.types.WorkerRecord`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct WorkerRecord {
    #[prost(string, tag = "1")]
    pub(crate) id: String,
    #[prost(message, repeated, tag = "3")]
    pub(crate) platforms: Vec<Platform>,
}

/// `pb.Platform`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Platform {
    #[prost(string, tag = "1")]
    pub(crate) architecture: String,
    #[prost(string, tag = "2")]
    pub(crate) system: String,
    #[prost(string, tag = "3")]
    pub(crate) variant: String,
}

/// Version of the daemon; every BuildKit since v0.11 knows it.
pub(crate) const INFO: &str = "/moby.buildkit.v1.Control/Info";
/// Its workers; every BuildKit knows it.
pub(crate) const LIST_WORKERS: &str = "/moby.buildkit.v1.Control/ListWorkers";
/// gRPC's UNIMPLEMENTED: an answer of somebody who let us in, and does not know the call.
pub(crate) const UNIMPLEMENTED: u32 = 12;

/// How much is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Depth {
    /// The one call that shows whether we are let in.
    Admission,
    /// The workers too.
    Workers,
}

/// What came of the calls.
#[derive(Debug)]
pub(super) enum Reply {
    /// gRPC status 0 or 12.
    Answered(Answer),
    /// Turned down.
    Above(AboveTls),
    /// HTTP/2 of something that is not gRPC; described.
    NotGrpc(crate::model::Message),
}

/// Sends the preface over `stream` and asks: Info, and ListWorkers where Info is not known or the
/// workers are wanted.
///
/// # Errors
/// The connection ends, or breaks the protocol.
pub(super) async fn ask<S>(stream: S, base: &str, depth: Depth) -> Result<Reply, h2::Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (sender, connection) = Builder::new()
        .enable_push(false)
        .max_header_list_size(LARGEST_HEADERS)
        .handshake::<_, Bytes>(stream)
        .await?;
    tokio::select! {
        biased;
        reply = converse(sender, base, depth) => reply,
        ended = connection => Err(ended.err().unwrap_or_else(|| h2::Reason::NO_ERROR.into())),
    }
}

async fn converse(mut sender: SendRequest<Bytes>, base: &str, depth: Depth) -> Result<Reply, h2::Error> {
    let mut answer = Answer::default();
    let known = match call(&mut sender, base, INFO).await? {
        Called::Body(body) => {
            let info = InfoResponse::decode(body.as_slice()).unwrap_or_default();
            answer.idleness = idleness(&info);
            answer.buildkit = info.version.map(version);
            true
        }
        Called::Turned(AboveTls::Grpc { status: UNIMPLEMENTED, .. }) => false,
        Called::Turned(above) => return Ok(Reply::Above(above)),
        Called::NotGrpc(what) => return Ok(Reply::NotGrpc(what)),
    };
    if known && depth == Depth::Admission {
        return Ok(Reply::Answered(answer));
    }
    match call(&mut sender, base, LIST_WORKERS).await? {
        Called::Body(body) => answer.workers = ListWorkersResponse::decode(body.as_slice()).ok().map(workers),
        Called::Turned(AboveTls::Grpc { status: UNIMPLEMENTED, .. }) => {}
        Called::Turned(_) | Called::NotGrpc(_) if known => {}
        Called::Turned(above) => return Ok(Reply::Above(above)),
        Called::NotGrpc(what) => return Ok(Reply::NotGrpc(what)),
    }
    Ok(Reply::Answered(answer))
}

enum Called {
    Body(Vec<u8>),
    Turned(AboveTls),
    NotGrpc(crate::model::Message),
}

async fn call(sender: &mut SendRequest<Bytes>, base: &str, path: &str) -> Result<Called, h2::Error> {
    let request = Request::builder()
        .method(Method::POST)
        .uri(format!("{base}{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("user-agent", concat!("kitcert/", env!("CARGO_PKG_VERSION")))
        .body(());
    let Ok(request) = request else {
        return Ok(Called::NotGrpc(message!("a host that no URL can carry")));
    };
    let mut ready = sender.clone().ready().await?;
    let (response, mut body) = ready.send_request(request, false)?;
    body.send_data(framed(&[]), true)?;
    read(response.await?).await
}

async fn read(response: Response<h2::RecvStream>) -> Result<Called, h2::Error> {
    let (head, mut body) = response.into_parts();
    if head.status != StatusCode::OK {
        return Ok(Called::Turned(AboveTls::Http(head.status.as_u16())));
    }
    let mut received = Vec::new();
    while let Some(piece) = body.data().await {
        let piece = piece?;
        body.flow_control().release_capacity(piece.len())?;
        if received.len() + piece.len() > LARGEST_ANSWER {
            return Ok(Called::NotGrpc(message!("an answer of more than 1 MiB")));
        }
        received.extend_from_slice(&piece);
    }
    let trailers = body.trailers().await?.unwrap_or_default();
    let Some(status) = status_of(&trailers).or_else(|| status_of(&head.headers)) else {
        return Ok(Called::NotGrpc(message!("an answer of HTTP/2 without a gRPC status")));
    };
    if status != 0 {
        let message = trailers.get("grpc-message").or_else(|| head.headers.get("grpc-message"));
        let message = message.map(|text| remark(text.as_bytes())).unwrap_or_default();
        return Ok(Called::Turned(AboveTls::Grpc { status, message }));
    }
    // Five octets stand before the message: whether it is compressed, and its length.
    let message = match received.split_first_chunk::<5>() {
        Some(([0, ..], message)) => message.to_vec(),
        _ => Vec::new(),
    };
    Ok(Called::Body(message))
}

/// A message with the five octets of gRPC before it, not compressed.
pub(crate) fn framed(message: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(5 + message.len());
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    frame.put_slice(message);
    frame.freeze()
}

fn status_of(headers: &HeaderMap) -> Option<u32> {
    headers.get("grpc-status")?.to_str().ok()?.parse().ok()
}

fn version(record: VersionRecord) -> BuildkitVersion {
    BuildkitVersion {
        package: remark(record.package.as_bytes()),
        version: remark(record.version.as_bytes()),
        revision: remark(record.revision.as_bytes()),
    }
}

/// Earthly's fields are plain integers of proto3, so that zero is left out; one of them shows
/// that the other is meant.
fn idleness(info: &InfoResponse) -> Option<Idleness> {
    (info.sessions.is_some() || info.idle_seconds.is_some()).then(|| Idleness {
        sessions: info.sessions.unwrap_or(0),
        idle_seconds: info.idle_seconds.unwrap_or(0),
    })
}

fn workers(response: ListWorkersResponse) -> Vec<Worker> {
    let platform = |platform: &Platform| {
        let parts = [&platform.system, &platform.architecture, &platform.variant];
        let parts: Vec<_> =
            parts.into_iter().filter(|part| !part.is_empty()).map(|part| remark(part.as_bytes())).collect();
        crate::model::Message::join(parts, "/")
    };
    let worker = |record: WorkerRecord| Worker {
        id: remark(record.id.as_bytes()),
        platforms: record.platforms.iter().map(platform).collect(),
    };
    response.workers.into_iter().map(worker).collect()
}

const LARGEST_ANSWER: usize = 1024 * 1024;
const LARGEST_HEADERS: u32 = 16 * 1024;
