//! What the state knows of the certificate that a daemon serves: one of its CAs has issued it and this state has not,
//! or somebody else has its key.

use crate::apply::change::{is_issued, placed};
use crate::apply::invocation::Invocation;
use crate::message;
use crate::model::{Finding, IdentityName, Message, Role, Rule, Severity};
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
            "{} of CA {}, which this state has not issued: an old copy, a second copy in use or a stolen CA key",
            served.serial(),
            issuer.id.short()
        ));
    // Where others may have such, there is nothing to do about it.
    Some(if is_closed { finding.fix(Rule::UnknownLeaf.fix()) } else { finding })
}

/// What is to be said of a daemon that serves a certificate of a CA that this state does not know, while other files
/// stand where it reads them: it was given its own by somebody else, or by a copy of this state that is gone.
pub(super) fn of_another(
    invocation: &Invocation<'_>,
    observation: &Observation,
    daemon: &IdentityName,
    served: &Certificate,
) -> Option<(Finding, Message)> {
    let identity = observation.daemons.get(daemon).filter(|one| !one.history.worked.is_empty())?;
    let there = placed(invocation, observation, daemon)?.there?;
    let there = Certificate::chain_from_pem(&there.certificate, daemon).ok()?;
    let is_known = observation.issuer_of(served).is_some()
        || is_issued(invocation, served)
        || identity.served().any(|one| one.leaf() == served)
        || there.first() == Some(served)
        || served.validity().not_after < invocation.judged_at();
    // What is given to a daemon in an emergency lets in nobody of before.
    let is_emergency = observation.rollover.as_ref().is_some_and(|one| one.is_emergency());
    if is_known || is_emergency {
        return None;
    }
    let given_up = identity.current.as_ref().and_then(|current| {
        observation.authorities.iter().find(|one| current.trust.trusts(&one.certificate))
    })?;
    let finding = Finding::new(Rule::UnknownLeaf, Severity::Error, "served certificate")
        .expected("one that this state has issued")
        .found(message!("{} of {}, of which this state knows nothing", served.serial(), served.issuer()))
        .fix(message!("{kitcert} ca rollover start --compromised={}", given_up.id.short()));
    let doubt = message!(
        "if another PKI or a proxy is there by intention: install the files of {} again, and restart it; if this is \
         a backup from before CA {} was given up",
        daemon,
        given_up.id.short()
    );
    Some((finding, doubt))
}
