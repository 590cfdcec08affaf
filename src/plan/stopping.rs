//! By which of its names a certificate can be stopped, if by any: one that stops nobody else.

use crate::model::{AuthorityId, Exclusion, Timestamp};
use crate::pki::Certificate;
use crate::store::{AuthorityOrigin, Observation, ObservedAuthority};

/// Whether that name is one that certificates of many have: of moby's example, and what points to whoever asks.
pub(super) fn is_of_many(name: &Exclusion) -> bool {
    match name {
        Exclusion::Dns(name) => OF_MANY.contains(&name.as_str()),
        Exclusion::Ip(address) => address.is_loopback() || address.is_unspecified(),
        Exclusion::Email(_) | Exclusion::Uri(_) => false,
    }
}

/// Whether that name is one of everybody's, of a CA of which others may have certificates: a constraint has the host of a
/// URI alone, which in SPIFFE is the whole domain.
pub(super) fn is_whole_domain(name: &Exclusion) -> bool {
    matches!(name, Exclusion::Uri(_))
}

/// moby's example calls every client so; the others are the machine that asks.
const OF_MANY: [&str; 3] = ["client", "localhost", "localhost.localdomain"];

/// Whether others may have certificates of its CA that nobody here knows of.
pub(super) fn is_of_open_authority(leaf: &Certificate, observation: &Observation, now: Timestamp) -> bool {
    observation.issuer_of(leaf).is_none_or(|issuer| issuer.record.is_open(now))
}

/// Whether a daemon trusts its CA by a certificate that is never given another form. What has issued somebody's
/// certificate is known as a CA from then on.
pub(super) fn is_trusted_as_it_is(leaf: &Certificate, observation: &Observation) -> bool {
    let mut pinned = observation.authorities.iter().filter(|one| one.is_pinned() && one.record.is_usable());
    pinned.any(|one| one.certificate.subject() == leaf.issuer() && !one.certificate.has_issued(leaf))
}

/// The CAs by which it may get in: its issuer, or, of one that an intermediate has issued, whichever may have certified
/// that.
pub(super) fn may_have_issued(leaf: &Certificate, observation: &Observation) -> Vec<AuthorityId> {
    let known = observation.issuer_of(leaf).map(|issuer| vec![issuer.id.clone()]);
    known.unwrap_or_else(|| {
        let all = observation.authorities.iter();
        let others = all.filter(|one| !one.is_pinned() && one.record.origin != AuthorityOrigin::Here);
        others.map(|one| one.id.clone()).collect()
    })
}

/// What daemons trust for its own sake, if that is this certificate.
pub(super) fn pin_of<'a>(leaf: &Certificate, observation: &'a Observation) -> Option<&'a ObservedAuthority> {
    observation.authorities.iter().find(|one| one.is_pinned() && one.certificate == *leaf)
}
