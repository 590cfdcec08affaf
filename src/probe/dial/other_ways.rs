//! Beside another service, the ways by which somebody may reach the daemon all the same.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, HandshakeKind};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::buildkit::{Asker, INFO, LIST_WORKERS, Reply, ask};
use super::http1::{Http1Reply, call_over_http1};
use super::notebook::{Destination, Notebook};
use super::stream::{Record, Watched};
use super::tls::{Sessions, open};
use crate::model::Message;
use crate::probe::dial_list::Sni;
use crate::probe::outcome::Call;
use crate::probe::results::{AboveTls, Answer, DialStage};

/// How a proxy that has another service beside the daemon may lead somebody to the daemon all the same: by
/// HTTP/1.1, by the daemon's own name in HTTP, and by a session of the other name under the daemon's (a
/// server resumes it without a certificate, and some choose by the new name where it leads).
pub(super) async fn try_other_ways(
    destination: &Destination,
    client: &Tls,
    (name, sni): (ServerName<'static>, Sni),
    authority: &str,
    notebook: &Notebook,
) {
    if notebook.record.borrow().http1_status().is_some() {
        let connect = || client.connect_again(destination, name.clone());
        call_by_http1(connect, &[INFO, LIST_WORKERS], authority, notebook).await;
        if authority != destination.authority && notebook.call.get() != Call::BuildKit {
            let before = notebook.call.get();
            let connect = || client.connect_again(destination, name.clone());
            call_by_http1(connect, &[INFO, LIST_WORKERS], &destination.authority, notebook).await;
            // What was unsure before is not made sure by this.
            if before == Call::Unavailable && notebook.call.get() != Call::BuildKit {
                notebook.call.set(before);
            }
        }
    } else if authority != destination.authority && notebook.call.get() != Call::BuildKit {
        by_the_daemons_authority(destination, client, name, notebook).await;
    }
    if sni == Sni::Name || notebook.call.get() == Call::BuildKit || !client.sessions.resume() {
        return;
    }
    notebook.progress.enter(DialStage::Call);
    // Until there is an answer, neither silence nor an end says where it led.
    let before = notebook.call.replace(Call::Unavailable);
    open(&notebook.tls).handshake.chain.clear();
    let connected = client.under_daemons_name().connect_again(destination, destination.name.clone()).await;
    let is_resumed =
        |stream: &TlsStream<TcpStream>| stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed);
    let Some(stream) = connected.filter(is_resumed) else {
        // It showed its chain once more: who has no certificate is judged there as anywhere.
        if !open(&notebook.tls).handshake.chain.is_empty() {
            notebook.call.set(before);
        }
        return;
    };
    let record = Rc::new(RefCell::new(Record::default()));
    let base = format!("https://{}", destination.authority);
    let reply = ask(Watched::new(stream, Vec::new(), Rc::clone(&record)), &base, Asker::Unwanted).await;
    match reply {
        Ok(Reply::Answered(answer)) => {
            let mut account = notebook.account.borrow_mut();
            account.answer = Some(answer);
            account.is_resumed = true;
            notebook.call.set(Call::BuildKit);
        }
        Ok(Reply::Above(above)) => notebook.turned_down(above),
        Ok(Reply::Unknown | Reply::NotGrpc(_)) => notebook.call.set(Call::TurnedDown),
        Err(_) if record.borrow().http1_status().is_some() => {
            notebook.call.set(before);
            let client = client.under_daemons_name();
            let connect = || async {
                client.connect_again(destination, destination.name.clone()).await.filter(is_resumed)
            };
            call_by_http1(connect, &[INFO, LIST_WORKERS], &destination.authority, notebook).await;
            notebook.account.borrow_mut().is_resumed = notebook.call.get() == Call::BuildKit;
        }
        Err(_) => {}
    }
    // What was unsure over HTTP/1.1 is not made sure by this.
    if before == Call::Unavailable && notebook.call.get() != Call::BuildKit {
        notebook.call.set(before);
    }
}

/// A server may choose by the name that TLS carries, and then by the one that HTTP does.
async fn by_the_daemons_authority(
    destination: &Destination,
    client: &Tls,
    name: ServerName<'static>,
    notebook: &Notebook,
) {
    notebook.progress.enter(DialStage::Call);
    // Until there is an answer, neither silence nor an end says where it led.
    let before = notebook.call.replace(Call::Unavailable);
    let Some(stream) = client.connect_again(destination, name).await else { return };
    let record = Rc::new(RefCell::new(Record::default()));
    let base = format!("https://{}", destination.authority);
    match ask(Watched::new(stream, Vec::new(), record), &base, Asker::Unwanted).await {
        Ok(Reply::Answered(answer)) => {
            notebook.account.borrow_mut().answer = Some(answer);
            notebook.call.set(Call::BuildKit);
        }
        Ok(Reply::Above(above)) if above.call() == Call::Unavailable => {}
        Ok(Reply::Above(_) | Reply::Unknown | Reply::NotGrpc(_)) => notebook.call.set(before),
        Err(error)
            if error.is_remote() && error.reason().is_some_and(|reason| reason != h2::Reason::NO_ERROR) =>
        {
            if AboveTls::Http2(error.reason().unwrap_or(h2::Reason::CANCEL)).call() == Call::TurnedDown {
                notebook.call.set(before);
            }
        }
        Err(_) => {}
    }
}

/// Makes those calls over HTTP/1.1, each on a connection of its own, until one is answered by gRPC.
pub(super) async fn call_by_http1<S, F>(
    connect: impl Fn() -> F,
    paths: &[&str],
    authority: &str,
    notebook: &Notebook,
) where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    F: Future<Output = Option<S>>,
{
    let before = notebook.call.get();
    let mut is_unsure = false;
    for path in paths {
        notebook.progress.enter(DialStage::Call);
        notebook.call.set(Call::Unavailable);
        let Some(stream) = connect().await else { return };
        let reply = call_over_http1(stream, authority, path).await;
        if reply == Http1Reply::Nothing {
            // It has answered in HTTP/1 before, and says no more.
            notebook.call.set(before);
        }
        note_http1(&reply, notebook);
        if reply == Http1Reply::Grpc {
            return;
        }
        is_unsure |= notebook.call.get() == Call::Unavailable;
    }
    if is_unsure {
        notebook.call.set(Call::Unavailable);
    }
}

/// Notes what came of a call over HTTP/1.1.
pub(super) fn note_http1(reply: &Http1Reply, notebook: &Notebook) {
    match *reply {
        Http1Reply::Grpc => {
            notebook.account.borrow_mut().answer = Some(Answer::default());
            notebook.call.set(Call::BuildKit);
        }
        Http1Reply::TurnedDown(status) => {
            notebook.http1.set(Some(200));
            notebook.turned_down(AboveTls::Grpc { status, message: Message::default() });
        }
        Http1Reply::Other(status) => {
            // The gravest counts: 400 is a refusal.
            if notebook.http1.get().is_none_or(|before| before == 400) {
                notebook.http1.set(Some(status));
            }
            notebook.turned_down(AboveTls::Http(status));
        }
        Http1Reply::Nothing => {}
    }
}

/// A client for one dial and for what follows from it.
pub(super) struct Tls {
    pub(super) configuration: Arc<ClientConfig>,
    pub(super) sessions: Arc<Sessions>,
}

impl Tls {
    /// The same client, that says by SNI whom it dials.
    fn under_daemons_name(&self) -> Tls {
        let mut configuration = ClientConfig::clone(&self.configuration);
        configuration.enable_sni = true;
        Tls { configuration: Arc::new(configuration), sessions: Arc::clone(&self.sessions) }
    }

    /// Another connection, for which nothing is noted.
    async fn connect_again(
        &self,
        destination: &Destination,
        name: ServerName<'static>,
    ) -> Option<TlsStream<TcpStream>> {
        let connection = TcpStream::connect(destination.address).await.ok()?;
        TlsConnector::from(Arc::clone(&self.configuration)).connect(name, connection).await.ok()
    }
}
