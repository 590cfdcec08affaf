//! What every daemon's bundle excludes: whose access was taken away.
//!
//! The names are in the certificate of each CA that a daemon is given. They follow from revocations.json alone,
//! so that whatever else changes a bundle (a renewal, a rollover, a rollback) excludes the same.

use std::collections::BTreeSet;

use super::steps::AuthorityChoice;
use crate::message;
use crate::model::{
    AuthorityId, Exclusion, Failure, Fingerprint, IdentityName, Message, Printable, Timestamp,
};
use crate::pki::{Certificate, Exclusions, TrustBundle};
use crate::store::{Observation, ObservedAuthority, ObservedIdentity, Revocation};

/// What the bundles of daemons are to exclude now; None where nobody's access is taken away: then each CA's own
/// certificate is in them again, since Go refuses names that it cannot compare once anything is excluded.
pub(crate) fn meant(observation: &Observation, now: Timestamp) -> Option<Exclusions> {
    let names: BTreeSet<&Exclusion> = in_force(observation, now).flat_map(|one| &one.excluded).collect();
    (!names.is_empty()).then(|| names.into_iter().cloned().collect())
}

/// The revocations that bundles are made by: some certificate that they stop has not ended, and is of a CA that daemons
/// are still given, or may be.
pub(crate) fn in_force(observation: &Observation, now: Timestamp) -> impl Iterator<Item = &Revocation> {
    let active = observation.revocations.iter().flat_map(move |record| record.active(now));
    active.filter(move |one| is_of_use(observation, one, now))
}

/// Whether a CA that daemons are given may have issued what a revocation stops. Of certificates that are not known here,
/// and of what was trusted for itself alone, that is taken for granted.
pub(super) fn is_of_use(observation: &Observation, one: &Revocation, now: Timestamp) -> bool {
    let is_given =
        |id: &AuthorityId| observation.authority(id).is_none_or(|one| one.record.retired.is_none());
    let is_open = |one: &ObservedAuthority| one.record.is_open(now) && one.record.retired.is_none();
    one.authorities.is_empty()
        || !one.pinned.is_empty()
        || one.authorities.iter().any(is_given)
        || observation.authorities.iter().any(is_open)
}

/// The certificate of a CA as daemons are given it, without a signature that counts: whoever trusts a
/// certificate does not check it. None where it cannot exclude all that it is to: then it is not given at all.
pub(super) fn anchor(certificate: &Certificate, meant: Option<&Exclusions>) -> Option<Certificate> {
    match meant {
        None => Some(certificate.clone()),
        Some(meant) => certificate.excluding(meant, None).ok(),
    }
}

/// Whether a daemon's bundle excludes what it is to, and nothing that somebody has taken back. What is there
/// for certificates that have ended meanwhile may stay.
pub(super) fn is_as_meant(observation: &Observation, trust: &TrustBundle, now: Timestamp) -> bool {
    let meant = meant(observation, now).unwrap_or_default();
    let ended: BTreeSet<&Exclusion> = recorded(observation, |one| one.undone.is_none());
    excluded(observation, trust).into_iter().all(|has| match has {
        None => meant.is_empty(),
        Some(has) => {
            meant.iter().all(|one| has.contains(one))
                && has.iter().all(|one| meant.contains(one) || ended.contains(one))
        }
    })
}

/// What a bundle excludes and no record tells of: the state lost it.
pub(super) fn unrecorded(observation: &Observation, trust: &TrustBundle) -> BTreeSet<Exclusion> {
    unrecorded_by(observation, trust, |_| true)
}

/// The same of the records that count.
pub(super) fn unrecorded_by(
    observation: &Observation,
    trust: &TrustBundle,
    counts: impl Fn(&Revocation) -> bool,
) -> BTreeSet<Exclusion> {
    let known = recorded(observation, counts);
    let excluded = excluded(observation, trust).into_iter().flatten();
    let names: BTreeSet<Exclusion> =
        excluded.flat_map(|one| one.iter().cloned().collect::<Vec<_>>()).collect();
    names.into_iter().filter(|name| !known.contains(name)).collect()
}

/// When the last CA ends of which others may have certificates that nobody here knows of.
pub(super) fn end_of_open_authorities(observation: &Observation, now: Timestamp) -> Option<Timestamp> {
    let open = observation.authorities.iter().filter(|one| one.record.is_open(now) && one.record.is_usable());
    open.map(|one| one.certificate.validity().not_after).max()
}

/// What its daemons exclude, by what they may serve, and no record of this state tells of.
pub(super) fn forgotten(observation: &Observation) -> BTreeSet<Exclusion> {
    let served = observation.daemons.values().flat_map(ObservedIdentity::served);
    served.flat_map(|served| unrecorded(observation, &served.trust)).collect()
}

/// Refuses a state that has lost whom its daemons refuse.
///
/// # Errors
/// Such a state: what the daemons exclude, and how it comes to know that again.
pub(crate) fn refuse_forgotten(observation: &Observation) -> Result<(), Failure> {
    let forgotten = forgotten(observation);
    match forgotten.is_empty() {
        true => Ok(()),
        false => Err(Failure::new("reading", observation.path.join("revocations.json").display())
            .expected("all whom the daemons refuse")
            .found(message!("nothing of {}", Message::few(&forgotten, ", ")))
            .hint("{kitcert} recover   # takes in whom the daemons refuse")),
    }
}

/// Those whose access was taken away and whom a bundle does not exclude.
pub(crate) fn let_in<'a>(
    observation: &'a Observation,
    trust: &TrustBundle,
    now: Timestamp,
) -> Vec<&'a Revocation> {
    let of_anchors = excluded_by(observation, trust);
    let excludes = |one: &Revocation| {
        // What trusts a CA that nobody is given any more lets in whom it lets in.
        let is_of_use = is_of_use(observation, one, now);
        let counts = |authority: &ObservedAuthority| is_of_use || one.authorities.contains(&authority.id);
        let counting = of_anchors.iter().filter(|(authority, _)| counts(authority));
        do_all_exclude(counting.map(|(_, has)| has), &one.excluded)
    };
    let active = observation.revocations.iter().flat_map(|record| record.active(now));
    active.filter(|one| !excludes(one) || is_pinned(observation, trust, one)).collect()
}

/// Whether a bundle has what is trusted for itself alone of somebody whose access was taken away.
fn is_pinned(observation: &Observation, trust: &TrustBundle, change: &Revocation) -> bool {
    let pinned = observation.authorities.iter().filter(|one| one.is_pinned());
    let mut of_change = pinned.filter(|one| change.pinned.contains(&one.id));
    of_change.any(|one| trust.trusts(&one.certificate))
}

/// Whether a bundle is as a change of somebody's access wants it: it excludes whom that takes away, and nothing any
/// more for whom it gives back.
pub(super) fn is_in_effect(observation: &Observation, trust: &TrustBundle, change: &Revocation) -> bool {
    let of_anchors = excluded(observation, trust);
    match change.undone {
        None => do_all_exclude(&of_anchors, &change.excluded) && !is_pinned(observation, trust, change),
        Some(_) => {
            let standing = recorded(observation, |one| one.undone.is_none());
            let mut lifted = change.excluded.iter().filter(|name| !standing.contains(name));
            !lifted.any(|name| of_anchors.iter().flatten().any(|has| has.contains(name)))
        }
    }
}

/// Whether the certificate of each CA excludes all of these names.
fn do_all_exclude<'a>(
    of_anchors: impl IntoIterator<Item = &'a Option<Exclusions>>,
    names: &BTreeSet<Exclusion>,
) -> bool {
    let excludes = |has: &Exclusions| names.iter().all(|name| has.contains(name));
    names.is_empty() || of_anchors.into_iter().all(|of_anchor| of_anchor.as_ref().is_some_and(excludes))
}

/// The CAs of the state in a bundle, in their order.
pub(super) fn same_authorities(observation: &Observation, trust: &TrustBundle) -> Vec<AuthorityChoice> {
    let known = |anchor: &Certificate| {
        observation.authorities.iter().find(|one| one.certificate.is_of_same_authority(anchor))
    };
    // One certificate a CA: a second one of the same key voids what the first excludes.
    let mut trusted: Vec<AuthorityChoice> = Vec::new();
    for one in trust.certificates().iter().filter_map(known).map(|one| AuthorityChoice::Of(one.id.clone())) {
        if !trusted.contains(&one) {
            trusted.push(one);
        }
    }
    trusted
}

/// Those who are to get in again and whom a bundle excludes still, for nothing that stands.
pub(super) fn kept_out(observation: &Observation, trust: &TrustBundle) -> BTreeSet<Message> {
    let excluded: Vec<Exclusions> = excluded(observation, trust).into_iter().flatten().collect();
    let standing = recorded(observation, |one| one.undone.is_none());
    let all = observation.revocations.iter().flat_map(|record| record.revocations.iter().rev());
    let undone = all.filter(|one| one.undone.is_some());
    let names = excluded.iter().flat_map(Exclusions::iter).filter(|name| !standing.contains(name));
    // Of several the latest was taken back last.
    names.filter_map(|name| undone.clone().find(|one| one.excluded.contains(name))).map(whom).collect()
}

/// Whose access a revocation takes away, in words.
pub(crate) fn whom(revocation: &Revocation) -> Message {
    match (&revocation.client, &revocation.key, &revocation.daemon) {
        (Some(client), None, _) => client.message(),
        (Some(client), Some(key), _) => message!("{} with key {}", client, key.short()),
        (None, _, Some(daemon)) => message!("whoever has the previous key of {}", daemon),
        (None, _, None) => Message::few(&revocation.excluded, ", "),
    }
}

/// Whether the access of a client was taken away, whatever its key.
pub(crate) fn is_revoked(observation: &Observation, client: &IdentityName) -> bool {
    of_client(observation, client).is_some()
}

/// Whether that key is revoked, alone or with its client. Who has it has it for good: it gets no certificate
/// under another name either, nor once those that it had have ended.
pub(crate) fn is_key_revoked(key: &Fingerprint, observation: &Observation) -> bool {
    let of_key = Exclusion::Dns(key.key_dns_name());
    let mut standing = observation.revocations.iter().flat_map(|record| record.standing());
    // What no name stops has none of its key either.
    let is_unstopped = |one: &Revocation| one.excluded.is_empty() && one.keys.contains_key(key);
    standing.any(|one| one.key.as_ref() == Some(key) || one.excluded.contains(&of_key) || is_unstopped(one))
}

/// By what the access of a client was taken away, whatever its key: until a person takes that back, and not
/// only until its certificates have ended, since daemons may refuse its name for longer.
pub(super) fn of_client<'a>(observation: &'a Observation, client: &IdentityName) -> Option<&'a Revocation> {
    observation.revocations.iter().flat_map(|record| record.standing()).find(|one| one.is_of_client(client))
}

/// Whether the state knows why a daemon refuses somebody by a name: he is to be refused, or that was taken back after the
/// last time that a generation of the daemon was verified for the first time. What was verified later has lifted it.
pub(crate) fn is_refusal_known(
    name: &Exclusion,
    daemon: &ObservedIdentity,
    observation: &Observation,
) -> bool {
    let worked_at = daemon.history.worked.last().map(|worked| worked.at);
    let counts = |one: &Revocation| one.undone.is_none() || one.undone > worked_at;
    recorded(observation, counts).contains(name)
}

fn recorded(observation: &Observation, counts: impl Fn(&Revocation) -> bool) -> BTreeSet<&Exclusion> {
    let all = observation.revocations.iter().flat_map(|record| &record.revocations);
    all.filter(|one| counts(one)).flat_map(|one| &one.excluded).collect()
}

/// What each certificate of the state's CAs in a bundle excludes beside what that CA excludes itself; None for
/// one that excludes nothing for us. What else is in the bundle is trusted for itself alone, and so is what may be
/// a client's own certificate.
fn excluded(observation: &Observation, trust: &TrustBundle) -> Vec<Option<Exclusions>> {
    excluded_by(observation, trust).into_iter().map(|(_, has)| has).collect()
}

/// The same, each with its CA.
fn excluded_by<'a>(
    observation: &'a Observation,
    trust: &TrustBundle,
) -> Vec<(&'a ObservedAuthority, Option<Exclusions>)> {
    let of_anchor = |anchor: &Certificate| {
        let mut all = observation.authorities.iter().filter(|one| !one.is_pinned());
        let authority = all.find(|one| one.certificate.is_of_same_authority(anchor))?;
        Some((authority, excluded_for_us(anchor, &authority.certificate)))
    };
    trust.certificates().iter().filter_map(of_anchor).collect()
}

/// What a certificate of a CA excludes beside what that CA's own excludes; None for one that excludes nothing
/// for us.
pub(crate) fn excluded_for_us(anchor: &Certificate, original: &Certificate) -> Option<Exclusions> {
    Exclusions::canary_in(anchor)?;
    let own = Exclusions::of(original).unwrap_or_default();
    let names = Exclusions::of(anchor)?;
    Some(names.iter().filter(|name| !own.contains(name)).cloned().collect())
}
