//! The practice daemon of `kitcert demo`: it demands certificates as buildkitd does, answers
//! BuildKit's two read-only calls, and builds nothing.
//!
//! It listens on 127.0.0.1 alone, in a thread with a runtime of its own, until it is dropped. It
//! knows no file and no state.

mod answers;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::model::Failure;
use crate::pki::TrustBundle;
use crate::probe::CertificateAndKey;

/// A daemon to practise on, for as long as this value lives.
pub struct PracticeDaemon {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl PracticeDaemon {
    /// Listens on that port of 127.0.0.1; on any free one for 0.
    ///
    /// Without `client_trust` it is the unlocked daemon: buildkitd with `cert` and `key` but no
    /// `ca` asks nobody for a certificate.
    ///
    /// # Errors
    /// A port that is taken, a key that cannot sign for the certificate, or a CA that TLS cannot
    /// use.
    pub fn start(
        port: u16,
        server: &CertificateAndKey,
        client_trust: Option<&TrustBundle>,
    ) -> Result<PracticeDaemon, Failure> {
        let acceptor = TlsAcceptor::from(Arc::new(configuration(server, client_trust)?));
        let wanted = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let failed = |error: std::io::Error| {
            Failure::new("starting the practice daemon on", wanted).expected("a free port").found(error)
        };
        let listener = TcpListener::bind(wanted).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = serve(listener, acceptor) => {}
                    _ = stopped => {}
                }
            });
        });
        Ok(PracticeDaemon { address, stop: Some(stop), thread: Some(thread) })
    }

    /// Whether a port of 127.0.0.1 is free.
    #[must_use]
    pub fn can_listen(port: u16) -> bool {
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for PracticeDaemon {
    fn drop(&mut self) {
        // Either may be over already, and then there is nothing to stop.
        let _ = self.stop.take().map(|stop| stop.send(()));
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// The TLS of a daemon: buildkitd's, but for the library.
pub(crate) fn configuration(
    server: &CertificateAndKey,
    client_trust: Option<&TrustBundle>,
) -> Result<ServerConfig, Failure> {
    let failed = |_| {
        Failure::new("starting the practice daemon", "")
            .expected("a usable certificate and key")
            .found("others")
    };
    let provider = Arc::new(ring::default_provider());
    let chain = server.chain.iter().map(|link| CertificateDer::from(link.der().to_vec())).collect();
    let mut configuration = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(failed)?
        .with_client_cert_verifier(client_verifier(client_trust, provider)?)
        .with_single_cert(chain, server.key.expose_der().clone_key())
        .map_err(failed)?;
    configuration.alpn_protocols = vec![b"h2".to_vec()];
    Ok(configuration)
}

fn client_verifier(
    client_trust: Option<&TrustBundle>,
    provider: Arc<rustls::crypto::CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, Failure> {
    let Some(bundle) = client_trust else {
        return Ok(WebPkiClientVerifier::no_client_auth());
    };
    let mut roots = RootCertStore::empty();
    for certificate in bundle.certificates() {
        roots.add(CertificateDer::from(certificate.der())).map_err(|_| {
            Failure::new("trusting the CA", certificate.subject()).expected("a usable CA").found("another")
        })?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|_| Failure::new("starting the practice daemon", "").expected("a CA").found("none"))
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(greet(stream, acceptor.clone()))),
            // Out of file descriptors, most likely: some are given back in a moment.
            Err(_) => tokio::time::sleep(A_MOMENT).await,
        }
    }
}

/// The handshake, within a limit so that a silent peer does not stay for ever, then the calls.
async fn greet(stream: TcpStream, acceptor: TlsAcceptor) {
    // A lost optimisation is no reason to refuse somebody.
    let _ = stream.set_nodelay(true);
    if let Ok(Ok(stream)) = timeout(LONGEST_HANDSHAKE, acceptor.accept(stream)).await {
        answers::answer_all(stream).await;
    }
}

const A_MOMENT: Duration = Duration::from_millis(10);
const LONGEST_HANDSHAKE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
