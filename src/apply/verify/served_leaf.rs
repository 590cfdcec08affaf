//! What the state knows of the certificate that a daemon serves: one of its CAs has issued it and this state has not,
//! or somebody else has its key.

use crate::apply::change::is_issued;
use crate::apply::invocation::Invocation;
use crate::message;
use crate::model::{Finding, IdentityName, Role, Rule, Severity};
use crate::pki::judge::Peer;
use crate::pki::{Certificate, TrustBundle};
use crate::plan;
use crate::store::{KeyPresence, Observation, ObservedIdentity};

/// What is to be said of a daemon whose key is somebody else's, too, so that its clients cannot tell them apart.
pub(super) fn of_revoked_key(
    observation: &Observation,
    daemon: &IdentityName,
    served: &Certificate,
) -> Option<Finding> {
    let is_revoked = plan::is_key_revoked(&served.public_key().fingerprint(), observation);
    is_revoked.then(|| {
        Finding::new(Rule::RevokedKey, Severity::Error, "served certificate")
            .expected("one whose key nobody else has")
            .found(message!("one whose key is revoked: whoever else has it passes for {}", daemon))
            .fix(message!("{kitcert} rotate {}", daemon))
    })
}

/// What is to be said of the certificate that a daemon serves, if this state has not issued it: an error where
/// nobody else can have its CA's key, else information. None if it is known, or no CA of the state issued it.
pub(super) fn unknown(
    invocation: &Invocation<'_>,
    observation: &Observation,
    served: &Certificate,
) -> Option<Finding> {
    let now = invocation.judged_at();
    let mut given = observation.daemons.values().flat_map(ObservedIdentity::served);
    let is_own = served.validity().not_after < now || given.any(|one| one.leaf() == served);
    // What has expired is not kept in `issued/`.
    if is_own || is_issued(invocation, served) {
        return None;
    }
    let mut issuers = observation.authorities.iter();
    let issuer = issuers.find(|one| {
        let trust = &TrustBundle::new(vec![one.certificate.clone()]);
        Peer { trust, accepts: Role::Daemon, host: None, now }.accept(std::slice::from_ref(served)).is_ok()
    });
    let issuer = issuer.filter(|one| one.record.is_usable())?;
    let is_closed = !issuer.record.is_open(now) && issuer.key == KeyPresence::Present;
    let severity = if is_closed { Severity::Error } else { Severity::Info };
    let finding = Finding::new(Rule::UnknownLeaf, severity, "served certificate")
        .expected("one that this state has issued")
        .found(message!(
            "{} of CA {}, which it has not issued: an old copy, a second copy in use or a stolen CA key",
            served.serial(),
            issuer.id.short()
        ));
    // Where others may have such, there is nothing to do about it.
    Some(if is_closed { finding.fix(Rule::UnknownLeaf.fix()) } else { finding })
}
