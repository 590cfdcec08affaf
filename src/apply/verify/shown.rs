//! What both sides showed each other, judged beyond what the handshake told.
//!
//! rustls and Go shook hands over it; other verifiers, or a thief, would make more of it.

use super::client::Client;
use crate::model::{Finding, Role};
use crate::pki::Certificate;
use crate::pki::judge::{Peer, bundle};
use crate::probe::{DialResults, Expected};

/// What is wrong with the served chain, with our own, and with our bundle, and is not among `told`.
/// A chain that Go refuses is the verdict's to tell, and is passed over.
pub(super) fn findings(
    observed: &DialResults,
    client: &Client,
    local: &Expected,
    told: &[Finding],
) -> Vec<Finding> {
    let served = observed.handshake().map(|handshake| handshake.chain.as_slice()).unwrap_or_default();
    let served: Vec<_> = served.iter().filter_map(|der| Certificate::from_der(der).ok()).collect();
    let ours = local.client.as_deref().unwrap_or_default();
    let accepts = local.installed_trust.as_ref().unwrap_or(&client.trust);
    let peer = |trust, accepts| Peer { trust, accepts, host: None, now: local.now };
    let mut findings = bundle(&client.trust);
    findings.extend(peer(&client.trust, Role::Daemon).further_findings(&served));
    findings.extend(peer(accepts, Role::Client).further_findings(ours));
    let mut fresh: Vec<Finding> = Vec::new();
    for finding in findings {
        let same = |other: &Finding| {
            (other.rule, &other.subject, &other.found) == (finding.rule, &finding.subject, &finding.found)
        };
        if !told.iter().any(same) && !fresh.iter().any(same) {
            fresh.push(finding);
        }
    }
    fresh
}
