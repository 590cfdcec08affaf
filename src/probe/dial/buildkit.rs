//! BuildKit's read-only calls, as far as a probe needs them.
//!
//! Field numbers are those of moby/buildkit's api/services/control/control.proto and
//! api/types/worker.proto; fields from 101 up are earthly/buildkit's. Unknown fields are passed
//! over. A hostile daemon is given 1 MiB an answer and 16 KiB of headers.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use h2::client::{Builder, SendRequest};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use prost::Message;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::remark::remark;
use crate::message;
use crate::probe::results::{AboveTls, Answer, BuildkitVersion, Idleness, Worker};

#[cfg(test)]
mod tests;

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

/// `moby.buildkit.v1.BuildHistoryRequest`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct BuildHistoryRequest {
    #[prost(bool, tag = "1")]
    pub(crate) active_only: bool,
    #[prost(bool, tag = "3")]
    pub(crate) early_exit: bool,
}

/// `moby.buildkit.v1.BuildHistoryEvent`. Its record is passed over: it has the arguments of a build,
/// which may be secret.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct BuildHistoryEvent {
    /// 0 is STARTED.
    #[prost(int32, tag = "1")]
    pub(crate) kind: i32,
}

/// The builds that run, one message each; moby's BuildKit since v0.11 knows it, and Earthly's fork.
pub(crate) const BUILD_HISTORY: &str = "/moby.buildkit.v1.Control/ListenBuildHistory";
/// Version of the daemon; every BuildKit since v0.11 knows it.
pub(crate) const INFO: &str = "/moby.buildkit.v1.Control/Info";
/// Its workers; every BuildKit knows it.
pub(crate) const LIST_WORKERS: &str = "/moby.buildkit.v1.Control/ListWorkers";
/// gRPC's UNIMPLEMENTED: an answer of somebody who let the caller in, and does not know the call.
pub(crate) const UNIMPLEMENTED: u32 = 12;

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asker {
    /// A client that wants every answer.
    Client,
    /// A client that wants to know whether a build runs.
    Waiting,
    /// Somebody who must not be let in: one answer is enough, and the first call may be the one
    /// that a proxy drops.
    Unwanted,
}

/// What came of the calls.
#[derive(Debug)]
pub(crate) enum Reply {
    /// gRPC status 0 to one of them.
    Answered(Answer),
    /// gRPC status 12 to both: it lets us in, and is no BuildKit.
    Unknown,
    /// Turned down.
    Above(AboveTls),
    /// HTTP/2 of something that is not gRPC; described.
    NotGrpc(crate::model::Message),
}

/// Sends the preface over `stream` and makes both calls at once.
///
/// # Errors
/// The connection ends, or breaks the protocol.
pub(crate) async fn ask<S>(stream: S, base: &str, asker: Asker) -> Result<Reply, h2::Error>
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
        reply = converse(sender, base, asker) => reply,
        ended = connection => Err(ended.err().unwrap_or_else(|| h2::Reason::NO_ERROR.into())),
    }
}

async fn converse(sender: SendRequest<Bytes>, base: &str, asker: Asker) -> Result<Reply, h2::Error> {
    let info = async { turned(call(sender.clone(), base, INFO).await) };
    let workers = async { turned(call(sender.clone(), base, LIST_WORKERS).await) };
    let (info, workers) = match asker {
        Asker::Client => tokio::join!(info, workers),
        Asker::Waiting => {
            let (info, workers, builds) = tokio::join!(info, workers, builds(sender.clone(), base));
            return Ok(match combine(info?, workers?, asker)? {
                Reply::Answered(answer) => Reply::Answered(Answer { builds, ..answer }),
                reply => reply,
            });
        }
        Asker::Unwanted => {
            tokio::pin!(info, workers);
            // Silence about one of them is no answer while the other is answered.
            tokio::select! {
                biased;
                first = &mut info => match first {
                    Ok(Called::Body(body)) => return Ok(Reply::Answered(told(Some(&body), None))),
                    first => (first, workers.await),
                },
                second = &mut workers => match second {
                    Ok(Called::Body(body)) => return Ok(Reply::Answered(told(None, Some(&body)))),
                    second => (info.await, second),
                },
            }
        }
    };
    combine(info?, workers?, asker)
}

/// A stream that the server resets is a call that it turns down.
fn turned(called: Result<Called, h2::Error>) -> Result<Called, h2::Error> {
    match called {
        Err(error) if error.is_reset() && error.is_remote() => {
            Ok(Called::Turned(AboveTls::Http2(error.reason().unwrap_or(h2::Reason::CANCEL))))
        }
        called => called,
    }
}

fn combine(info: Called, workers: Called, asker: Asker) -> Result<Reply, h2::Error> {
    let is_unknown =
        |called: &Called| matches!(called, Called::Turned(AboveTls::Grpc { status: UNIMPLEMENTED, .. }));
    Ok(match (info, workers) {
        (Called::Body(info), Called::Body(workers)) => Reply::Answered(told(Some(&info), Some(&workers))),
        (Called::Body(info), _) => Reply::Answered(told(Some(&info), None)),
        (info, Called::Body(workers)) if is_unknown(&info) || asker == Asker::Unwanted => {
            Reply::Answered(told(None, Some(&workers)))
        }
        (info, workers) if is_unknown(&info) => {
            if is_unknown(&workers) {
                Reply::Unknown
            } else {
                workers.into_reply()
            }
        }
        (info, _) => info.into_reply(),
    })
}

fn told(info: Option<&[u8]>, listed: Option<&[u8]>) -> Answer {
    let mut answer = Answer::default();
    if let Some(info) = info {
        let info = InfoResponse::decode(info).unwrap_or_default();
        answer.idleness = idleness(&info);
        answer.buildkit = info.version.map(version);
    }
    answer.workers = listed.and_then(|body| ListWorkersResponse::decode(body).ok()).map(workers);
    answer
}

enum Called {
    Body(Vec<u8>),
    Turned(AboveTls),
    NotGrpc(crate::model::Message),
}

impl Called {
    fn into_reply(self) -> Reply {
        match self {
            Called::Body(_) => Reply::Answered(Answer::default()),
            Called::Turned(above) => Reply::Above(above),
            Called::NotGrpc(what) => Reply::NotGrpc(what),
        }
    }
}

/// How many builds run; None where the daemon does not tell.
async fn builds(sender: SendRequest<Bytes>, base: &str) -> Option<u64> {
    let asked = BuildHistoryRequest { active_only: true, early_exit: true };
    let mut seen = Vec::new();
    // One that does not know `EarlyExit` sends the builds at once, and then nothing until another begins.
    let ended = timeout(LONGEST_LIST, async {
        let response = send(sender, base, BUILD_HISTORY, &asked.encode_to_vec()).await.ok()??;
        listed(response, &mut seen).await
    });
    let ended = ended.await.ok().flatten();
    let running = running(&seen);
    (ended.is_some() || running > 0).then_some(running)
}

/// Reads the answer to its end, or to its bound: then more than enough has been told. None where it is
/// no list.
async fn listed(response: Response<h2::RecvStream>, seen: &mut Vec<u8>) -> Option<()> {
    let (head, mut body) = response.into_parts();
    if head.status != StatusCode::OK {
        return None;
    }
    while let Some(piece) = body.data().await {
        let piece = piece.ok()?;
        body.flow_control().release_capacity(piece.len()).ok()?;
        seen.extend_from_slice(&piece);
        if seen.len() > LARGEST_ANSWER {
            return Some(());
        }
    }
    let trailers = body.trailers().await.ok()?.unwrap_or_default();
    let status = status_of(&trailers).or_else(|| status_of(&head.headers))?;
    (status == 0).then_some(())
}

/// The builds in a list that was perhaps cut off: one whose message is not whole runs, too.
fn running(mut list: &[u8]) -> u64 {
    let mut running = 0;
    while let Some(([_, length @ ..], rest)) = list.split_first_chunk::<5>() {
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        let (event, rest) = rest.split_at_checked(length).unwrap_or((&[], &[]));
        let is_start = BuildHistoryEvent::decode(event).is_ok_and(|event| event.kind == STARTED);
        running += u64::from(is_start);
        list = rest;
    }
    running
}

async fn call(sender: SendRequest<Bytes>, base: &str, path: &str) -> Result<Called, h2::Error> {
    match send(sender, base, path, &[]).await? {
        Some(response) => read(response).await,
        None => Ok(Called::NotGrpc(message!("a host that no URL can carry"))),
    }
}

/// Makes a call; None for a host that no URL can carry.
async fn send(
    sender: SendRequest<Bytes>,
    base: &str,
    path: &str,
    message: &[u8],
) -> Result<Option<Response<h2::RecvStream>>, h2::Error> {
    let request = Request::builder()
        .method(Method::POST)
        .uri(format!("{base}{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("user-agent", concat!("kitcert/", env!("CARGO_PKG_VERSION")))
        .body(());
    let Ok(request) = request else { return Ok(None) };
    let mut ready = sender.ready().await?;
    let (response, mut body) = ready.send_request(request, false)?;
    body.send_data(framed(message), true)?;
    response.await.map(Some)
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
    // Five bytes stand before the message: whether it is compressed, and its length.
    let message = match received.split_first_chunk::<5>() {
        Some(([0, ..], message)) => message.to_vec(),
        _ => Vec::new(),
    };
    Ok(Called::Body(message))
}

/// A message with the five bytes of gRPC before it, not compressed.
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

/// `BuildHistoryEventType.STARTED`.
const STARTED: i32 = 0;
/// For how long a list of builds is waited for.
const LONGEST_LIST: Duration = Duration::from_secs(3);
const LARGEST_ANSWER: usize = 1024 * 1024;
const LARGEST_HEADERS: u32 = 16 * 1024;
