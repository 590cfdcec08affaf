//! The client's side of TLS: what is offered, to whom, and what is noted on the way.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, Resumption};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme, SupportedProtocolVersion};

use super::observed::{Asked, Handshake, Withheld};
use super::request::Identity;
use super::trust::{ServerExpectation, faults_of_server};
use crate::model::{Failure, Finding, SubjectAltName, Timestamp};
use crate::pki::chain::would_send;
use crate::pki::{Certificate, DistinguishedName};

/// What a dial shows the daemon.
pub(super) enum Offer<'a> {
    /// No certificate.
    Nothing,
    /// This one, if a Go client would send it.
    AsGoWould(&'a Identity),
    /// This one, whatever CAs the daemon names: a stranger does not hold back.
    Always(&'a Identity),
}

/// What happens when the daemon's certificate is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OnFault {
    /// The handshake is broken off before anything of ours is sent.
    BreakOff,
    /// The handshake goes on, so that what else the daemon shows can be noted.
    GoOn,
}

/// What one handshake noted, shared with rustls's callbacks.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) handshake: Handshake,
    /// The faults of the daemon's certificate; nothing until it was seen.
    pub(super) faults: Option<Vec<Finding>>,
}

/// The notes, which rustls's callbacks write.
pub(super) type SharedNotes = Arc<Mutex<Notes>>;

/// The notes, whoever held them last.
pub(super) fn open(notes: &Mutex<Notes>) -> MutexGuard<'_, Notes> {
    notes.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A configuration for one dial. No session is ever resumed: a resumed anonymous dial would be
/// let in.
///
/// # Errors
/// A key that cannot sign.
pub(super) fn configuration(
    expectation: &ServerExpectation,
    on_fault: OnFault,
    offer: Offer<'_>,
    versions: &[&'static SupportedProtocolVersion],
    notes: &SharedNotes,
) -> Result<ClientConfig, Failure> {
    let provider = Arc::new(ring::default_provider());
    let (key, hold_back) = match offer {
        Offer::Nothing => (None, HoldBack::Never),
        Offer::AsGoWould(identity) => (Some(Arc::new(certified_key(identity)?)), HoldBack::AsGo),
        Offer::Always(identity) => (Some(Arc::new(certified_key(identity)?)), HoldBack::Never),
    };
    let chain = match offer {
        Offer::AsGoWould(identity) => identity.chain.clone(),
        Offer::Nothing | Offer::Always(_) => Vec::new(),
    };
    let resolver = Resolver { key, chain, hold_back, notes: Arc::clone(notes) };
    let verifier = Verifier {
        expectation: expectation.clone(),
        on_fault,
        notes: Arc::clone(notes),
        provider: Arc::clone(&provider),
    };
    let mut configuration = ClientConfig::builder_with_details(provider, Arc::new(Instant(expectation.now)))
        .with_protocol_versions(versions)
        .map_err(|_| Failure::new("preparing", "a TLS client").found("no TLS version that both sides have"))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_cert_resolver(Arc::new(resolver));
    configuration.resumption = Resumption::disabled();
    configuration.alpn_protocols = vec![b"h2".to_vec()];
    Ok(configuration)
}

/// The name that the daemon's certificate must carry; a DNS name is also sent as SNI.
///
/// # Errors
/// A name that TLS cannot carry.
pub(super) fn server_name(host: &SubjectAltName) -> Result<ServerName<'static>, Failure> {
    match host {
        SubjectAltName::Ip(address) => Ok(ServerName::IpAddress((*address).into())),
        SubjectAltName::Dns(name) => ServerName::try_from(name.as_str().to_owned())
            .map_err(|_| Failure::new("preparing to dial", name).found("a name that TLS cannot carry")),
    }
}

fn certified_key(identity: &Identity) -> Result<CertifiedKey, Failure> {
    let chain = identity.chain.iter().map(|link| CertificateDer::from(link.der().to_vec())).collect();
    let key = ring::sign::any_supported_type(&identity.key.expose_der())
        .map_err(|_| Failure::new("loading", "the client key").found("a key that cannot sign"))?;
    Ok(CertifiedKey::new(chain, key))
}

#[derive(Debug)]
enum HoldBack {
    Never,
    AsGo,
}

/// Notes the CAs that the daemon names, and holds back where a Go client would.
struct Resolver {
    key: Option<Arc<CertifiedKey>>,
    chain: Vec<Certificate>,
    hold_back: HoldBack,
    notes: SharedNotes,
}

/// The key stays out of it.
impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resolver").field("hold_back", &self.hold_back).finish_non_exhaustive()
    }
}

impl ResolvesClientCert for Resolver {
    fn resolve(&self, named: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let named: Vec<_> = named.iter().map(|name| DistinguishedName::from_der(name)).collect();
        let wanted = would_send(&self.chain, &named);
        let mut notes = open(&self.notes);
        notes.handshake.asked = Asked::For(named);
        let key = self.key.as_ref()?;
        notes.handshake.withheld = match self.hold_back {
            HoldBack::AsGo if key.key.choose_scheme(schemes).is_none() => Some(Withheld::Signature),
            HoldBack::AsGo if !wanted => Some(Withheld::Issuer),
            HoldBack::AsGo | HoldBack::Never => None,
        };
        notes.handshake.withheld.is_none().then(|| Arc::clone(key))
    }

    /// Always, so that rustls asks and the names are noted.
    fn has_certs(&self) -> bool {
        true
    }
}

/// Notes the daemon's chain and judges it as a Go client would; the signature of the handshake
/// is checked whatever the judgement.
#[derive(Debug)]
struct Verifier {
    expectation: ServerExpectation,
    on_fault: OnFault,
    notes: SharedNotes,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _stapled: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let chain: Vec<Vec<u8>> = std::iter::once(leaf).chain(rest).map(|link| link.to_vec()).collect();
        let faults = faults_of_server(&chain, &self.expectation);
        let sound = faults.is_empty();
        let mut notes = open(&self.notes);
        notes.handshake.chain = chain;
        notes.faults = Some(faults);
        if sound || self.on_fault == OnFault::GoOn {
            return Ok(ServerCertVerified::assertion());
        }
        Err(rustls::CertificateError::ApplicationVerificationFailure.into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// A command has one instant, for rustls too.
#[derive(Debug)]
struct Instant(Timestamp);

impl TimeProvider for Instant {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = u64::try_from(self.0.unix()).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    }
}
