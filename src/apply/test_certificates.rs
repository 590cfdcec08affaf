//! Certificates that are made to try a daemon with: those that it must refuse, and one of a client of this moment.
//! None of them leaves memory but the expired one, which is kept for when the CA's key is not at hand: it can never
//! let anybody in. One that was revoked is not kept, since `revoke --undo` would make it one that lets in.

use std::path::Path;

use super::authorities::read_key;
use crate::layout::state_paths::expired_folder;
use crate::model::profile::{LARGEST_PEM, PROBE_LIFETIME};
use crate::model::{Failure, KeyAlgorithm, Lifetime, Role, SubjectAltName, Timestamp, Validity};
use crate::pki::{Certificate, CertificateAuthority, LeafRequest, PrivateKey, TrustBundle};
use crate::probe::{CertificateAndKey, UnknownCa, algorithm_of};
use crate::store::{ObservedAuthority, StateDirectory};

/// Those that a daemon must refuse.
#[derive(Default)]
pub(super) struct TestCertificates {
    /// Of throw-away CAs that the daemon cannot know.
    pub unknown_ca: Option<UnknownCa>,
    /// Of the client's CA, and expired.
    pub expired: Option<CertificateAndKey>,
    /// Of the client's CA, and for a daemon.
    pub wrong_usage: Option<CertificateAndKey>,
}

/// Makes them, as far as what is at hand allows: the client's chain, the CAs that it trusts, its CA with the
/// key.
pub(super) fn test_certificates(
    chain: Option<&[Certificate]>,
    trust: &TrustBundle,
    authority: Option<&CertificateAuthority>,
    now: Timestamp,
) -> Result<TestCertificates, Failure> {
    let original = chain.and_then(|chain| {
        let issuer = chain.last()?.issuer();
        trust.certificates().iter().find(|certificate| certificate.subject() == issuer)
    });
    let leaf = chain.and_then(<[Certificate]>::first);
    let algorithm = algorithm_of(leaf);
    let mut made = TestCertificates::default();
    if let Some(original) = original.or_else(|| trust.certificates().first()) {
        made.unknown_ca = Some(UnknownCa::beside(original, leaf, now)?);
    }
    if let Some(authority) = authority {
        // A CA that is not valid then issues nothing; that the dial was not tried is told.
        made.expired = expired_identity(authority, algorithm, now).ok();
        made.wrong_usage = wrong_usage_identity(authority, algorithm).ok();
    }
    Ok(made)
}

/// A client's certificate of this moment: whoever takes it for one that is not valid has another clock.
pub(super) fn probe_identity(
    authority: &CertificateAuthority,
    algorithm: KeyAlgorithm,
    now: Timestamp,
) -> Result<CertificateAndKey, Failure> {
    let request = LeafRequest::new(Role::Client, "probe".parse()?, Vec::new(), now, PROBE_LIFETIME);
    identity(authority, algorithm, &request)
}

/// A client's certificate that a daemon is to refuse for its CA, whatever the daemon's clock says.
pub(super) fn distrusted_identity(
    authority: &CertificateAuthority,
    algorithm: KeyAlgorithm,
) -> Result<CertificateAndKey, Failure> {
    let validity = authority.certificate().validity();
    let request = LeafRequest { role: Role::Client, name: "probe".parse()?, hosts: Vec::new(), validity };
    identity(authority, algorithm, &request)
}

/// A daemon's certificate, which is to be refused for its usage, whatever the daemon's clock says.
fn wrong_usage_identity(
    authority: &CertificateAuthority,
    algorithm: KeyAlgorithm,
) -> Result<CertificateAndKey, Failure> {
    let hosts = vec!["probe.client.kitcert.internal".parse()?];
    let validity = authority.certificate().validity();
    let request = LeafRequest { role: Role::Daemon, name: "probe".parse()?, hosts, validity };
    identity(authority, algorithm, &request)
}

/// A client's certificate with the names of others, which a daemon excludes or not, whatever the daemon's clock says.
pub(super) fn named_identity(
    authority: &CertificateAuthority,
    names: &[SubjectAltName],
    algorithm: KeyAlgorithm,
) -> Result<CertificateAndKey, Failure> {
    let key = PrivateKey::generate(algorithm)?;
    let certificate = authority.issue_named(names, authority.certificate().validity(), key.public_key())?;
    Ok(CertificateAndKey { chain: vec![certificate], key })
}

/// A certificate that ended five minutes ago: longer than clocks should differ.
pub(super) fn expired_identity(
    authority: &CertificateAuthority,
    algorithm: KeyAlgorithm,
    now: Timestamp,
) -> Result<CertificateAndKey, Failure> {
    let ago = |seconds| now.minus(Lifetime::from_seconds(seconds));
    let request = LeafRequest {
        role: Role::Client,
        name: "probe".parse()?,
        hosts: Vec::new(),
        // Whoever takes it for one that is not valid yet does not say that it has ended.
        validity: Validity {
            not_before: authority.certificate().validity().not_before.min(ago(3_600)),
            not_after: ago(300),
        },
    };
    identity(authority, algorithm, &request)
}

/// The certificate of a CA that is kept since it has expired. None where there is none, or one that a daemon refuses
/// for another reason than its end: of another CA, or with another key.
pub(super) fn kept_expired(
    state: &Path,
    issuer: &ObservedAuthority,
    now: Timestamp,
) -> Option<CertificateAndKey> {
    let folder = expired_folder(&issuer.id);
    let path = folder.join("cert.pem");
    let chain = StateDirectory::read_in(state, &path, LARGEST_PEM).ok()?.bytes;
    let chain = Certificate::chain_from_pem(&chain, &path).ok()?;
    let key = read_key(state, &folder.join("key.pem")).ok()?;
    let leaf = chain.first()?;
    let is_whole =
        leaf.is_signed_by(issuer.certificate.public_key()) && leaf.public_key() == key.public_key();
    (is_whole && leaf.validity().not_after < now).then_some(CertificateAndKey { chain, key })
}

fn identity(
    authority: &CertificateAuthority,
    algorithm: KeyAlgorithm,
    request: &LeafRequest,
) -> Result<CertificateAndKey, Failure> {
    let key = PrivateKey::generate(algorithm)?;
    let certificate = authority.issue(request, key.public_key())?;
    Ok(CertificateAndKey { chain: vec![certificate], key })
}
