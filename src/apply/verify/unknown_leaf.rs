//! A certificate of one of the state's CAs that a daemon serves and that this state has not issued.

use crate::apply::change::is_issued;
use crate::apply::invocation::Invocation;
use crate::message;
use crate::model::{Finding, Role, Rule, Severity};
use crate::pki::judge::Peer;
use crate::pki::{Certificate, TrustBundle};
use crate::store::{KeyPresence, Observation, ObservedIdentity};

/// What is to be said of the certificate that a daemon serves, if this state has not issued it: an error where
/// nobody else can have its CA's key, else information. None if it is known, or no CA of the state issued it.
pub(super) fn finding(
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
