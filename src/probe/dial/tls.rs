//! The client's side of TLS: what is offered, to whom, and what is noted on the way.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{
    ClientSessionStore, ResolvesClientCert, Resumption, Tls12ClientSessionValue, Tls13ClientSessionValue,
};

use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::time_provider::TimeProvider;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, DigitallySignedStruct, NamedGroup, SignatureScheme};

use super::certificate_and_key::CertificateAndKey;
use super::server_certificate::{ServerExpectation, faults_of_server};
use crate::model::{Failure, Finding, SubjectAltName, Timestamp};
use crate::pki::judge::would_send;
use crate::pki::{Certificate, DistinguishedName};
use crate::probe::dial_list::{Alpn, Offers, Sni, Versions};
use crate::probe::results::{Asked, Handshake, Withheld};

/// A certificate and a key that rustls can use, made once for all dials.
#[derive(Clone)]
pub(super) struct Prepared {
    key: Arc<CertifiedKey>,
    chain: Vec<Certificate>,
}

impl Prepared {
    /// # Errors
    /// A key that cannot sign.
    pub(super) fn new(identity: &CertificateAndKey) -> Result<Prepared, Failure> {
        let chain = identity.chain.iter().map(|link| CertificateDer::from(link.der().to_vec())).collect();
        let key = ring::sign::any_supported_type(&identity.key.expose_der())
            .map_err(|_| Failure::new("loading", "the client key").found("a key that cannot sign"))?;
        Ok(Prepared { key: Arc::new(CertifiedKey::new(chain, key)), chain: identity.chain.clone() })
    }

    /// The same without the certificates of its CAs.
    pub(super) fn alone(&self) -> Prepared {
        let leaf = self.key.cert.iter().take(1).cloned().collect();
        Prepared {
            key: Arc::new(CertifiedKey::new(leaf, Arc::clone(&self.key.key))),
            chain: self.chain.iter().take(1).cloned().collect(),
        }
    }
}

/// What a dial shows the daemon.
#[derive(Clone, Copy)]
pub(super) enum Offer<'a> {
    /// No certificate.
    Nothing,
    /// This one, if a Go client would send it.
    AsGoWould(&'a Prepared),
    /// This one, whatever CAs the daemon names: whoever has no right to come in does not hold back.
    Always(&'a Prepared),
}

/// What happens when the daemon's certificate is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OnFault {
    /// The handshake is broken off before anything of the client's is sent.
    BreakOff,
    /// The handshake goes on, so that what else the daemon shows can be noted.
    GoOn,
}

/// What one handshake noted, shared with rustls's callbacks.
#[derive(Clone, Debug, Default)]
pub(super) struct Notes {
    pub(super) handshake: Handshake,
    /// The faults of the daemon's certificate; nothing until it was seen.
    pub(super) faults: Option<Vec<Finding>>,
    /// Whether a certificate was sent in answer to the daemon's request.
    pub(super) sent: bool,
    /// Whether the daemon sent a NewSessionTicket.
    pub(super) ticket: bool,
}

/// The notes, which rustls's callbacks write.
pub(super) type SharedNotes = Arc<Mutex<Notes>>;

/// The notes, whoever held them last.
pub(super) fn open(notes: &Mutex<Notes>) -> MutexGuard<'_, Notes> {
    notes.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The notes as they were: what is learned of another service stays so whatever follows, also where the
/// time is up meanwhile.
pub(super) struct KeptNotes<'a> {
    notes: &'a SharedNotes,
    kept: Notes,
}

impl KeptNotes<'_> {
    pub(super) fn of(notes: &SharedNotes) -> KeptNotes<'_> {
        KeptNotes { notes, kept: open(notes).clone() }
    }
}

impl Drop for KeptNotes<'_> {
    fn drop(&mut self) {
        *open(self.notes) = std::mem::take(&mut self.kept);
    }
}

/// A configuration for one dial, and the sessions that the server gives. None is resumed unless that is
/// asked for: a resumed dial is let in without a certificate.
///
/// # Errors
/// None that this program's own offers could have.
pub(super) fn configuration(
    expectation: &ServerExpectation,
    on_fault: OnFault,
    offer: Offer<'_>,
    offers: Offers,
    notes: &SharedNotes,
) -> Result<(ClientConfig, Arc<Sessions>), Failure> {
    let provider = Arc::new(ring::default_provider());
    let (prepared, hold_back) = match offer {
        Offer::Nothing => (None, HoldBack::Never),
        Offer::AsGoWould(prepared) => (Some(prepared), HoldBack::AsGo),
        Offer::Always(prepared) => (Some(prepared), HoldBack::Never),
    };
    let resolver = Resolver { prepared: prepared.cloned(), hold_back, notes: Arc::clone(notes) };
    let verifier = Verifier {
        expectation: expectation.clone(),
        on_fault,
        notes: Arc::clone(notes),
        provider: Arc::clone(&provider),
    };
    let versions = match offers.versions {
        Versions::Both => &[&TLS13, &TLS12][..],
        Versions::Tls12 => &[&TLS12],
        Versions::Tls13 => &[&TLS13],
    };
    let mut configuration = ClientConfig::builder_with_details(provider, Arc::new(Instant(expectation.now)))
        .with_protocol_versions(versions)
        .map_err(|_| Failure::new("preparing", "a TLS client").found("no TLS version that both sides have"))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_cert_resolver(Arc::new(resolver));
    let sessions = Arc::new(Sessions::new(notes));
    configuration.resumption = Resumption::store(Arc::clone(&sessions) as Arc<dyn ClientSessionStore>);
    configuration.enable_sni = offers.sni != Sni::None;
    configuration.alpn_protocols = match offers.alpn {
        Alpn::H2 => vec![b"h2".to_vec()],
        Alpn::Both => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        Alpn::Http1 => vec![b"http/1.1".to_vec()],
        Alpn::None => Vec::new(),
    };
    Ok((configuration, sessions))
}

/// The sessions that a server gives to whomever it lets in: noted and kept, and given back only where a
/// dial goes on under another name. A careful server resumes no session under another name.
pub(super) struct Sessions {
    notes: SharedNotes,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    is_resuming: bool,
    tls12: Option<Tls12ClientSessionValue>,
    tls13: Vec<Tls13ClientSessionValue>,
}

impl Sessions {
    fn new(notes: &SharedNotes) -> Sessions {
        Sessions { notes: Arc::clone(notes), kept: Mutex::default() }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on they are given back. Whether there is one.
    pub(super) fn resume(&self) -> bool {
        let mut kept = self.kept();
        kept.is_resuming = true;
        kept.tls12.is_some() || !kept.tls13.is_empty()
    }
}

impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sessions").finish_non_exhaustive()
    }
}

impl ClientSessionStore for Sessions {
    fn set_kx_hint(&self, _: ServerName<'static>, _: NamedGroup) {}

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        None
    }

    fn set_tls12_session(&self, _: ServerName<'static>, session: Tls12ClientSessionValue) {
        self.kept().tls12 = Some(session);
    }

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        let kept = self.kept();
        kept.tls12.clone().filter(|_| kept.is_resuming)
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {
        self.kept().tls12 = None;
    }

    fn insert_tls13_ticket(&self, _: ServerName<'static>, ticket: Tls13ClientSessionValue) {
        open(&self.notes).ticket = true;
        let mut kept = self.kept();
        if kept.tls13.len() < MOST_TICKETS {
            kept.tls13.push(ticket);
        }
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        let mut kept = self.kept();
        if kept.is_resuming { kept.tls13.pop() } else { None }
    }
}

/// A name that no server can know.
///
/// # Errors
/// No random numbers.
pub(super) fn foreign_name() -> Result<ServerName<'static>, Failure> {
    let mut random = [0; 8];
    random_bytes(&mut random)?;
    let label: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    ServerName::try_from(format!("{label}.invalid"))
        .map_err(|_| Failure::new("preparing", "a TLS client").found("a name that TLS cannot carry"))
}

/// Random bytes of the provider.
///
/// # Errors
/// The system has none.
pub(super) fn random_bytes(bytes: &mut [u8]) -> Result<(), Failure> {
    let fill = ring::default_provider().secure_random.fill(bytes);
    fill.map_err(|_| Failure::new("preparing", "the dials").found("no random numbers"))
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

#[derive(Debug)]
enum HoldBack {
    Never,
    AsGo,
}

/// Notes the CAs that the daemon names, and holds back if a Go client would.
struct Resolver {
    prepared: Option<Prepared>,
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
        let mut notes = open(&self.notes);
        notes.handshake.schemes = schemes.iter().map(|scheme| u16::from(*scheme)).collect();
        let wanted = self.prepared.as_ref().is_some_and(|prepared| would_send(&prepared.chain, &named));
        notes.handshake.asked = Asked::For(named);
        let prepared = self.prepared.as_ref()?;
        notes.handshake.withheld = match self.hold_back {
            // rustls would withhold it then, whoever asks.
            _ if prepared.key.key.choose_scheme(schemes).is_none() => Some(Withheld::Signature),
            HoldBack::AsGo if !wanted => Some(Withheld::Issuer),
            HoldBack::AsGo | HoldBack::Never => None,
        };
        notes.sent = notes.handshake.withheld.is_none();
        notes.sent.then(|| Arc::clone(&prepared.key))
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

/// A look has one instant, for rustls too.
#[derive(Debug)]
struct Instant(Timestamp);

impl TimeProvider for Instant {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = u64::try_from(self.0.unix()).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    }
}

/// A server sends two; a hostile one without end.
const MOST_TICKETS: usize = 4;
