//! What a kit says, whether it is handed over now or waits in the state.

use crate::model::Failure;
use crate::pki::{Certificate, CertificateAuthority, Kit, KitContents, TrustBundle};
use crate::plan::KitTerms;

/// The kit of a certificate that is being issued, which waits in the state.
pub(super) fn waiting_kit(
    terms: &KitTerms,
    certificate: &Certificate,
    trust: &TrustBundle,
    authorities: &[CertificateAuthority],
) -> Result<Kit, Failure> {
    let trust = trust.certificates().to_vec();
    Kit::sign(said(terms, vec![certificate.clone()], trust), authorities)
}

/// A kit cannot be joined for longer than its certificate lives.
pub(super) fn said(terms: &KitTerms, chain: Vec<Certificate>, trust: Vec<Certificate>) -> KitContents {
    let KitTerms { name, endpoint, contact, created, join_before } = terms.clone();
    let join_before = chain.iter().map(|one| one.validity().not_after).fold(join_before, Ord::min);
    KitContents { name, endpoint, contact, created, join_before, chain, trust }
}
