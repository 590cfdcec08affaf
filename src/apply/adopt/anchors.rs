//! Whom an adopted daemon trusts, each CA once.

use std::collections::BTreeSet;

use crate::message;
use crate::model::{AuthorityId, Failure, Timestamp};
use crate::pki::{Certificate, TrustBundle};
use crate::plan::AdoptedAnchor;

/// The CAs of a bundle that have not ended, each once, the one first that has issued `chain`. Of two
/// certificates of one CA it is the one that is valid longer. The CA whose key is here, `import`, is left out.
///
/// # Errors
/// Two certificates of one key that may each be a client's own: a daemon lets in whoever shows either of them, and would
/// refuse the one that is left out.
pub(super) fn anchors_of(
    trust: &TrustBundle,
    chain: &[Certificate],
    import: Option<&Certificate>,
    now: Timestamp,
) -> Result<Vec<AdoptedAnchor>, Failure> {
    let has_issued = |authority: &Certificate| {
        chain.contains(authority) || chain.iter().any(|one| authority.is_named_by(one))
    };
    let mut best: Vec<&Certificate> = Vec::new();
    for certificate in trust.certificates().iter().filter(|one| one.validity().not_after >= now) {
        match best.iter_mut().find(|one| one.is_of_same_authority(certificate)) {
            Some(one)
                if *one != certificate && !certificate.says_that_it_signs() && !has_issued(certificate) =>
            {
                return Err(two_of_a_key(one, certificate));
            }
            Some(one) if one.validity().not_after < certificate.validity().not_after => *one = certificate,
            Some(_) => {}
            None => best.push(certificate),
        }
    }
    best.retain(|one| !import.is_some_and(|import| one.is_of_same_authority(import)));
    let mut taken: BTreeSet<AuthorityId> = import.map(Certificate::authority_id).into_iter().collect();
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
    Ok(anchors)
}

fn two_of_a_key(one: &Certificate, other: &Certificate) -> Failure {
    let end = |one: &Certificate| one.validity().not_after.date();
    Failure::new("taking over", "the daemon's ca.pem")
        .expected("one certificate of each key")
        .found(message!("two of {}, until {} and until {}", one.subject(), end(one), end(other)))
        .hint("take the one out of ca.pem that its client does not use any more, and restart the daemon")
}
