//! Whether a daemon's certificate is one that a Go client accepts, and if not, why.

use std::sync::{Arc, Mutex, PoisonError};

use crate::message;
use crate::model::{Cause, Finding, Message, Printable, Role, Rule, Severity, SubjectAltName, Timestamp};
use crate::pki::judge::{ChainFault, Peer, Refusal};
use crate::pki::{Certificate, NameKind, PublicKeyKind, TrustBundle};

/// What a client expects of the daemon's certificate.
#[derive(Clone, Debug)]
pub(super) struct ServerExpectation {
    trust: Arc<TrustBundle>,
    host: SubjectAltName,
    pub(super) now: Timestamp,
    judged: Arc<Mutex<Vec<Judged>>>,
}

/// A chain, DER and leaf first, and its faults.
type Judged = (Vec<Vec<u8>>, Vec<Finding>);

impl ServerExpectation {
    pub(super) fn new(trust: TrustBundle, host: SubjectAltName, now: Timestamp) -> ServerExpectation {
        ServerExpectation { trust: Arc::new(trust), host, now, judged: Arc::default() }
    }
}

/// The faults that keep a Go client from accepting a daemon with that chain (DER, leaf first);
/// none if it would. All dials see the same few chains, so that each is judged once.
pub(super) fn faults_of_server(chain: &[Vec<u8>], expectation: &ServerExpectation) -> Vec<Finding> {
    let mut judged = expectation.judged.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, faults)) = judged.iter().find(|(known, _)| known == chain) {
        return faults.clone();
    }
    let faults = judge(chain, expectation);
    judged.push((chain.to_vec(), faults.clone()));
    faults
}

fn judge(chain: &[Vec<u8>], expectation: &ServerExpectation) -> Vec<Finding> {
    let read: Result<Vec<_>, _> = chain.iter().map(|link| Certificate::from_der(link)).collect();
    let chain = match read {
        Ok(chain) => chain,
        Err(failure) => {
            let fault = fault(Rule::ServerUntrusted, "an X.509 certificate", failure.what_was_found());
            return vec![fault.because(&[Cause::ServedUnacceptable])];
        }
    };
    let ServerExpectation { trust, host, now, .. } = expectation;
    let client = Peer { trust, accepts: Role::Daemon, host: Some(host), now: *now };
    let refusals = client.accept(&chain).err().unwrap_or_default();
    refusals.iter().map(|refusal| fault_of_refusal(refusal, chain.first())).collect()
}

fn fault_of_refusal(refusal: &Refusal, leaf: Option<&Certificate>) -> Finding {
    match refusal {
        Refusal::Chain(refusal) => fault_of_chain(refusal),
        Refusal::Host { host, names } => {
            let names = Message::join(names, ", ");
            let found = if names.is_empty() { message!("no name at all") } else { names };
            let cause = leaf.map_or(Cause::ServedOtherName, |leaf| cause_of_mismatch(leaf, host));
            fault(Rule::ServerNameMismatch, host, found).because(&[cause])
        }
        Refusal::LeafNotFirst { .. } => {
            fault(Rule::ServerUntrusted, "the leaf first in what is served", "another certificate first")
        }
        Refusal::OtherKey => fault(Rule::ServerUntrusted, "the key of the served certificate", "another key")
            .because(&[Cause::ServedUnacceptable]),
    }
}

/// A chain without fault whose leaf did not prove itself in the handshake: its key is one whose
/// signatures nobody takes, or the signature is not by that key.
pub(super) fn fault_of_key(chain: &[Vec<u8>], why: &std::io::Error) -> Finding {
    let leaf = chain.first().and_then(|der| Certificate::from_der(der).ok());
    match leaf.as_ref().map(|leaf| leaf.public_key().kind()) {
        Some(kind @ PublicKeyKind::Rsa(0..SMALLEST_RSA)) => {
            fault(Rule::WeakKey, "a key that every peer takes", kind).because(&[Cause::ServedWeak])
        }
        _ => fault(Rule::ServerUntrusted, "a handshake signed by the served certificate's key", why)
            .because(&[Cause::ServedUnacceptable]),
    }
}

/// A client compares the host that it dials with the subjectAltName, and with nothing else.
fn cause_of_mismatch(leaf: &Certificate, host: &SubjectAltName) -> Cause {
    let host = host.to_string();
    let is_dns_name = |name: &NameKind| matches!(name, NameKind::Dns(dns) if *dns == host);
    match leaf.names() {
        Some(names) if names.iter().any(is_dns_name) => Cause::ServedIpAsDnsName,
        Some(names) if !names.is_empty() => Cause::ServedOtherName,
        _ if leaf.subject().common_name().as_deref() == Some(host.as_str()) => Cause::ServedCommonNameOnly,
        _ => Cause::ServedOtherName,
    }
}

fn fault_of_chain(refusal: &ChainFault) -> Finding {
    let (rule, cause) = match refusal {
        ChainFault::Expired { .. } => (Rule::ServerExpired, Cause::ServedExpired),
        ChainFault::NotYetValid { .. } => (Rule::ServerExpired, Cause::ServedNotYetValid),
        ChainFault::WrongUsage { .. } => (Rule::ServerUsage, Cause::ServedWrongUsage),
        ChainFault::SameNameOtherKey { .. } => (Rule::ServerUntrusted, Cause::ServedNamesakeCa),
        ChainFault::UnknownAuthority { .. } => (Rule::ServerUntrusted, Cause::ServedOtherCa),
        ChainFault::MissingIntermediate { .. } => (Rule::ServerUntrusted, Cause::ServedIntermediateMissing),
        ChainFault::WeakSignature { .. } => (Rule::ServerUntrusted, Cause::ServedWeak),
        _ => (Rule::ServerUntrusted, Cause::ServedUnacceptable),
    };
    let expected = match rule {
        Rule::ServerExpired => "a chain that is valid now",
        Rule::ServerUsage => "serverAuth",
        _ => "a chain that ends in a trusted CA",
    };
    fault(rule, expected, refusal).because(&[cause])
}

fn fault(rule: Rule, expected: impl Printable, found: impl Printable) -> Finding {
    Finding::new(rule, Severity::Error, "server certificate").expected(expected).found(found)
}

/// The fewest bits of an RSA modulus by which ring, and so rustls, takes a signature.
const SMALLEST_RSA: usize = 2048;
