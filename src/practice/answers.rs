//! What the practice daemon says.

use bytes::Bytes;
use h2::server::SendResponse;
use http::{HeaderMap, HeaderValue, Response};
use prost::Message;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::probe::buildkit::{
    INFO, InfoResponse, LIST_WORKERS, ListWorkersResponse, Platform, UNIMPLEMENTED, VersionRecord,
    WorkerRecord, framed,
};

/// Answers every call of a connection until the client leaves.
pub(super) async fn answer_all<S: AsyncRead + AsyncWrite + Unpin>(stream: S) {
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    while let Some(Ok((request, respond))) = connection.accept().await {
        // A client that has gone does not wait for its answer.
        let _ = answer(request.uri().path(), respond);
    }
}

fn answer(path: &str, mut respond: SendResponse<Bytes>) -> Result<(), h2::Error> {
    let body = match path {
        INFO => InfoResponse { version: Some(version()), sessions: None, idle_seconds: None }.encode_to_vec(),
        LIST_WORKERS => ListWorkersResponse { workers: vec![worker()] }.encode_to_vec(),
        _ => {
            let mut unknown = grpc_response();
            unknown.headers_mut().insert("grpc-status", HeaderValue::from(UNIMPLEMENTED));
            return respond.send_response(unknown, true).map(|_| ());
        }
    };
    let mut stream = respond.send_response(grpc_response(), false)?;
    stream.send_data(framed(&body), false)?;
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from(0));
    stream.send_trailers(trailers)
}

fn grpc_response() -> Response<()> {
    let mut response = Response::new(());
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    response
}

fn version() -> VersionRecord {
    VersionRecord {
        package: "kitcert practice daemon".to_owned(),
        version: concat!("v", env!("CARGO_PKG_VERSION")).to_owned(),
        revision: String::new(),
    }
}

/// One worker for this machine's architecture, in the words of OCI.
fn worker() -> WorkerRecord {
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let platform = Platform {
        architecture: architecture.to_owned(),
        system: "linux".to_owned(),
        variant: String::new(),
    };
    WorkerRecord { id: "practice".to_owned(), platforms: vec![platform] }
}
