//! Whether a daemon's certificate is one that a Go client accepts, and if not, why.

use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use crate::model::{ExtendedKeyUsage, Finding, Rule, Severity, SubjectAltName, Timestamp};
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
        Ok(chain) if !chain.is_empty() => chain,
        Ok(_) => return vec![fault(Rule::ServerUntrusted, "a certificate", "none")],
        Err(failure) => {
            return vec![fault(Rule::ServerUntrusted, "an X.509 certificate", failure.what_was_found())];
        }
    };
    let mut faults = Vec::new();
    if let Some(leaf) = chain.first() {
        faults.extend(faults_of_leaf(leaf, expectation));
    }
    faults.extend(fault_of_path(&chain, expectation));
    faults
}

fn faults_of_leaf(leaf: &Certificate, expectation: &ServerExpectation) -> Vec<Finding> {
    let mut faults = Vec::new();
    let ServerExpectation { host, now, .. } = expectation;
    if !leaf.covers(host) {
        let names: Vec<_> = leaf.usable_names().iter().map(ToString::to_string).collect();
        let found = if names.is_empty() { "no name at all".to_owned() } else { names.join(", ") };
        let cause = "a client compares the host that it dials with the subjectAltName, and nothing else";
        faults.push(fault(Rule::ServerNameMismatch, host, found).cause(cause));
    }
    let validity = leaf.validity();
    if *now > validity.not_after {
        let found = format!("expired {}", validity.not_after.minute());
        faults.push(fault(Rule::ServerExpired, "a certificate that is valid now", found));
    } else if *now < validity.not_before {
        let found = format!("not valid before {}", validity.not_before.minute());
        let cause = "one of the two clocks is wrong";
        faults.push(fault(Rule::ServerExpired, "a certificate that is valid now", found).cause(cause));
    }
    if let Some(usages) = leaf.extended_key_usages()
        && !usages.iter().any(|usage| matches!(usage, ExtendedKeyUsage::ServerAuth | ExtendedKeyUsage::Any))
    {
        let found: Vec<_> = usages.iter().map(ToString::to_string).collect();
        faults.push(fault(Rule::ServerUsage, ExtendedKeyUsage::ServerAuth, found.join(", ")));
    }
    faults
}

/// The fault of the way from the leaf to a CA of ours. The dates of the leaf are judged apart, so
/// that an expired certificate is not called one of a stranger.
fn fault_of_path(chain: &[Certificate], expectation: &ServerExpectation) -> Option<Finding> {
    let trusted = expectation.trust.certificates();
    let (current, lapsed): (Vec<_>, Vec<_>) =
        trusted.iter().partition(|anchor| anchor.validity().contains(expectation.now));
    if leads_to(chain, &current) {
        return None;
    }
    let top = chain.last()?;
    let untrusted = |found: String| fault(Rule::ServerUntrusted, "a chain that ends in a CA of ours", found);
    if leads_to(chain, &lapsed) {
        let cause = "the CA itself is not valid now; Go's clients check that, other libraries do not";
        return Some(untrusted(format!("it ends in {}, which is not valid now", top.issuer())).cause(cause));
    }
    let namesake = trusted.iter().any(|anchor| anchor.subject() == top.issuer());
    let found = untrusted(format!("issued by {}", top.issuer()));
    Some(if namesake {
        found.cause("its CA has the name of ours and another key: one of the two was made anew")
    } else {
        found.cause(
            "another CA issued it: a proxy before the daemon, another daemon, or the wrong ca.pem here",
        )
    })
}

fn leads_to(chain: &[Certificate], anchors: &[&Certificate]) -> bool {
    let Some((leaf, rest)) = chain.split_first() else { return false };
    let anchors: Vec<_> = anchors.iter().map(|anchor| CertificateDer::from(anchor.der())).collect();
    let anchors: Vec<TrustAnchor<'_>> =
        anchors.iter().filter_map(|anchor| anchor_from_trusted_cert(anchor).ok()).collect();
    let rest: Vec<_> = rest.iter().map(|link| CertificateDer::from(link.der())).collect();
    let leaf_der = CertificateDer::from(leaf.der());
    let Ok(end_entity) = EndEntityCert::try_from(&leaf_der) else { return false };
    let seconds = u64::try_from(leaf.validity().not_after.unix()).unwrap_or(0);
    let when = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    let algorithms = ring::default_provider().signature_verification_algorithms.all;
    end_entity
        .verify_for_usage(algorithms, &anchors, &rest, when, KeyUsage::server_auth(), None, None)
        .is_ok()
}

fn fault(rule: Rule, expected: impl std::fmt::Display, found: impl std::fmt::Display) -> Finding {
    Finding::new(rule, Severity::Error, "server certificate").expected(expected).found(found)
}
