//! Whom an adopted daemon trusts, each CA once.

use std::collections::BTreeSet;

use crate::model::{AuthorityId, Timestamp};
use crate::pki::{Certificate, TrustBundle};
use crate::plan::AdoptedAnchor;

/// The CAs of a bundle that have not ended, each once, the one first that has issued `chain`. Of two
/// certificates of one CA it is the one that is valid longer.
pub(super) fn anchors_of(trust: &TrustBundle, chain: &[Certificate], now: Timestamp) -> Vec<AdoptedAnchor> {
    let mut best: Vec<&Certificate> = Vec::new();
    for certificate in trust.certificates().iter().filter(|one| one.validity().not_after >= now) {
        match best.iter_mut().find(|one| one.is_of_same_authority(certificate)) {
            Some(one) if one.validity().not_after < certificate.validity().not_after => *one = certificate,
            Some(_) => {}
            None => best.push(certificate),
        }
    }
    let has_issued = |authority: &Certificate| {
        chain.contains(authority) || chain.iter().any(|one| authority.is_named_by(one))
    };
    let mut taken: BTreeSet<AuthorityId> = BTreeSet::new();
    let mut anchors: Vec<AdoptedAnchor> = best
        .into_iter()
        .map(|certificate| {
            let own = certificate.authority_id();
            // Others may have called two keys the same.
            let id =
                if taken.contains(&own) { AuthorityId::of(certificate.fingerprint().octets()) } else { own };
            taken.insert(id.clone());
            AdoptedAnchor { id, certificate: certificate.clone(), clients_only: !has_issued(certificate) }
        })
        .collect();
    anchors.sort_by_key(|anchor| anchor.clients_only);
    anchors
}
