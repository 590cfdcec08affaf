//! Whether a daemon's certificate is one that a Go client accepts, and if not, why.

use std::sync::Arc;

use crate::model::{Finding, Rule, Severity, SubjectAltName, Timestamp};
use crate::pki::chain::{ChainFault, Purpose, verify};
use crate::pki::{Certificate, TrustBundle};

/// What a client expects of the daemon's certificate.
#[derive(Clone, Debug)]
pub(super) struct ServerExpectation {
    pub(super) trust: Arc<TrustBundle>,
    pub(super) host: SubjectAltName,
    pub(super) now: Timestamp,
}

/// The faults that keep a Go client from accepting a daemon with that chain (DER, leaf first);
/// none if it would.
pub(super) fn faults_of_server(chain: &[Vec<u8>], expectation: &ServerExpectation) -> Vec<Finding> {
    let read: Result<Vec<_>, _> = chain.iter().map(|link| Certificate::from_der(link)).collect();
    let chain = match read {
        Ok(chain) => chain,
        Err(failure) => {
            return vec![fault(Rule::ServerUntrusted, "an X.509 certificate", failure.what_was_found())];
        }
    };
    let mut faults = Vec::new();
    if let Err(refusal) = verify(&chain, &expectation.trust, Purpose::Server, expectation.now) {
        faults.push(fault_of_chain(&refusal));
    }
    if let Some(leaf) = chain.first().filter(|leaf| !leaf.covers(&expectation.host)) {
        let names: Vec<_> = leaf.usable_names().iter().map(ToString::to_string).collect();
        let found = if names.is_empty() { "no name at all".to_owned() } else { names.join(", ") };
        let cause = "a client compares the host that it dials with the subjectAltName, and with nothing else";
        faults.push(fault(Rule::ServerNameMismatch, &expectation.host, found).cause(cause));
    }
    faults
}

fn fault_of_chain(refusal: &ChainFault) -> Finding {
    let (rule, expected, cause) = match refusal {
        ChainFault::Expired { .. } => (Rule::ServerExpired, "a chain that is valid now", None),
        ChainFault::NotYetValid { .. } => {
            (Rule::ServerExpired, "a chain that is valid now", Some("one of the two clocks is wrong"))
        }
        ChainFault::WrongUsage { .. } => (Rule::ServerUsage, "serverAuth", None),
        ChainFault::SameNameOtherKey { .. } => (
            Rule::ServerUntrusted,
            A_CHAIN,
            Some("one of the two CAs was made anew under the old name; the wrong ca.pem is here, or there"),
        ),
        ChainFault::UnknownAuthority { .. } => (
            Rule::ServerUntrusted,
            A_CHAIN,
            Some("another daemon, a proxy that ends TLS before it, or the wrong ca.pem here"),
        ),
        ChainFault::MissingIntermediate { .. } => (
            Rule::ServerUntrusted,
            A_CHAIN,
            Some("the daemon's cert.pem lacks the intermediate behind its leaf"),
        ),
        _ => (Rule::ServerUntrusted, A_CHAIN, None),
    };
    let found = fault(rule, expected, refusal);
    match cause {
        Some(cause) => found.cause(cause),
        None => found,
    }
}

fn fault(rule: Rule, expected: impl std::fmt::Display, found: impl std::fmt::Display) -> Finding {
    Finding::new(rule, Severity::Error, "server certificate").expected(expected).found(found)
}

const A_CHAIN: &str = "a chain that ends in a CA of ours";
