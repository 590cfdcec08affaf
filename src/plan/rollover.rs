//! From one CA to another, without locking anybody out: which CA signs and which are trusted, read
//! from what every daemon is known to serve.

use std::collections::BTreeSet;

use serde::Serialize;

use super::steps::{AuthorityChoice, Signing};
use crate::message;
use crate::model::{Failure, IdentityName, KeyIdentifier, Message, Printable, Role, Timestamp};
use crate::pki::Certificate;
use crate::store::{KeyPresence, Observation, ObservedAuthority, ObservedGeneration, ObservedIdentity};

/// How far a rollover is. Each stage waits for all daemons, or for all clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum RolloverStage {
    /// Every daemon is to trust both CAs, and keeps its certificate.
    Spreading,
    /// Every client is to get a certificate of the new CA.
    Moving,
    /// Every daemon is to get a certificate of the new CA, and to trust it alone.
    Switching,
    /// There is none, or it is over.
    Settled,
}

/// How far the state's rollover is, as its daemons show: a daemon counts by what has worked.
/// Whether that is verified still is another question: a finding about a daemon moves no client back.
pub(super) fn stage(observation: &Observation) -> RolloverStage {
    let (Some(_), Some(target)) = (&observation.issuer, observation.target_authority()) else {
        return RolloverStage::Settled;
    };
    let daemons: Vec<&ObservedIdentity> = daemons(observation).collect();
    let all = |holds: &dyn Fn(&ObservedIdentity) -> bool| daemons.iter().all(|daemon| holds(daemon));
    let is_over = |daemon: &ObservedIdentity| {
        daemon.has_worked() && daemon.current.as_ref().is_some_and(|current| is_switched(current, target))
    };
    let is_begun =
        |daemon: &ObservedIdentity| daemon.current.as_ref().is_some_and(|one| is_switched(one, target));
    let is_spread = |daemon: &ObservedIdentity| {
        daemon.confirmed.as_ref().is_some_and(|one| one.trust.certificates().contains(&target.certificate))
    };
    if all(&is_over) {
        RolloverStage::Settled
    } else if daemons.iter().any(|daemon| is_begun(daemon)) {
        RolloverStage::Switching
    } else if all(&is_spread) {
        RolloverStage::Moving
    } else {
        RolloverStage::Spreading
    }
}

/// How far a rollover is, for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct RolloverProgress {
    /// The key identifier of the CA to which everything is moved.
    pub to: Message,
    /// The stage, from 1 to 3.
    pub stage: u8,
    /// What happens in it.
    pub doing: &'static str,
    /// The clients that hold it up.
    pub waits_for: BTreeSet<IdentityName>,
}

/// Whether a rollover is under way, by what the state and its daemons show.
#[must_use]
pub(crate) fn rolls_over(observation: &Observation) -> bool {
    stage(observation) != RolloverStage::Settled
}

/// Whether a generation trusts a CA that its daemon has left behind: going back to it would let
/// those in again whom a rollover has locked out.
pub(super) fn trusts_former_authority(observation: &Observation, generation: &ObservedGeneration) -> bool {
    let Some(target) = observation.target_authority().filter(|_| observation.issuer.is_some()) else {
        return false;
    };
    let is_former = |anchor: &Certificate| *anchor != target.certificate;
    !rolls_over(observation) && generation.trust.certificates().iter().any(is_former)
}

/// How far the rollover is that is under way; `issued` is every certificate that ever left.
#[must_use]
pub(crate) fn rollover_progress(
    observation: &Observation,
    issued: &[Certificate],
    now: Timestamp,
) -> Option<RolloverProgress> {
    let (number, doing) = match stage(observation) {
        RolloverStage::Settled => return None,
        RolloverStage::Spreading => (1, "every daemon is to trust both CAs"),
        RolloverStage::Moving => (2, "every client is to get a certificate of the new CA"),
        RolloverStage::Switching => {
            (3, "every daemon is to get a certificate of the new CA, and to trust it alone")
        }
    };
    let waits_for = if number == 2 { unmoved(observation, issued, now) } else { BTreeSet::new() };
    let to = KeyIdentifier(&observation.target_authority()?.key_identifier).message();
    Some(RolloverProgress { to, stage: number, doing, waits_for })
}

/// The daemons of kitcert.yaml that have a certificate.
fn daemons(observation: &Observation) -> impl Iterator<Item = &ObservedIdentity> {
    let listed = observation.inventory.daemons.keys();
    listed.filter_map(|name| observation.daemons.get(name)).filter(|daemon| daemon.current.is_some())
}

fn is_switched(set: &ObservedGeneration, target: &ObservedAuthority) -> bool {
    set.leaf().issuer() == target.certificate.subject()
        && matches!(set.trust.certificates(), [only] if *only == target.certificate)
}

/// The CAs besides the target that some daemon trusts, or is signed by: those that a retired one
/// is not among, be it in the state still.
pub(super) fn others(observation: &Observation) -> Vec<&ObservedAuthority> {
    let target = observation.target_authority();
    let is_trusted = |authority: &ObservedAuthority| {
        daemons(observation).flat_map(|daemon| daemon.current.iter().chain(&daemon.confirmed)).any(|set| {
            set.trust.certificates().contains(&authority.certificate)
                || set.leaf().issuer() == authority.certificate.subject()
        })
    };
    let is_other = |authority: &&ObservedAuthority| {
        target.is_none_or(|target| target.key_identifier != authority.key_identifier)
    };
    observation.authorities.iter().filter(is_other).filter(|one| is_trusted(one)).collect()
}

/// The key identifier of the CA to which a rollover is taken back: the oldest that takes part in
/// it, be everything on the way there already.
///
/// # Errors
/// No rollover that could be taken back, or no such CA that can sign.
pub(crate) fn former_authority(observation: &Observation, now: Timestamp) -> Result<String, Failure> {
    let failure = || Failure::new("going back to the former CA of", observation.path.display());
    let began = |authority: &ObservedAuthority| authority.certificate.validity().not_before;
    let target = observation.target_authority();
    let is_back =
        target.is_some_and(|target| observation.authorities.iter().any(|other| began(other) > began(target)));
    if stage(observation) == RolloverStage::Settled && !is_back {
        return Err(failure()
            .expected("a rollover that is under way")
            .found("none, or one that is over")
            .hint("{kitcert} rotate --ca   # to begin another"));
    }
    let parts = others(observation).into_iter().chain(target);
    let former = parts.filter(|authority| authority.can_sign(now)).min_by_key(|authority| began(authority));
    former
        .map(|authority| authority.key_identifier.clone())
        .ok_or_else(|| failure().expected("a CA that is valid and whose key is at hand").found("none"))
}

/// Who signs for an identity now, and whom its set trusts.
///
/// # Errors
/// No CA that can sign.
pub(super) fn signing(
    observation: &Observation,
    role: Role,
    name: &IdentityName,
    now: Timestamp,
) -> Result<Signing, Failure> {
    signing_at(stage(observation), observation, role, name, now)
}

/// The same as if the rollover were that far.
pub(super) fn signing_at(
    stage: RolloverStage,
    observation: &Observation,
    role: Role,
    name: &IdentityName,
    now: Timestamp,
) -> Result<Signing, Failure> {
    let able = |authority: Option<&ObservedAuthority>| {
        authority.filter(|authority| authority.can_sign(now)).map(choice)
    };
    let target = able(observation.issuing_authority(now));
    let target = target.ok_or_else(|| no_authority(observation, now))?;
    let keeps_former = match (role, stage) {
        (_, RolloverStage::Settled) | (Role::Daemon, RolloverStage::Switching) => {
            return Ok(Signing::alone(target));
        }
        (Role::Daemon, _) | (Role::Client, RolloverStage::Spreading) => true,
        (Role::Client, _) => false,
    };
    let others = others(observation);
    let own = observation.current(role, name).and_then(|current| observation.issuer_of(current.leaf()));
    let former = own.or(others.first().copied()).filter(|_| keeps_former);
    let trust = std::iter::once(target.clone()).chain(others.into_iter().map(choice)).collect();
    Ok(Signing { issuer: able(former).unwrap_or(target), trust })
}

/// Why no CA of the state can sign.
fn no_authority(observation: &Observation, now: Timestamp) -> Failure {
    let failure = Failure::new("issuing with the CA of", observation.path.display())
        .expected("a CA that is valid and whose key is at hand");
    match observation.authorities.first() {
        None => failure.found("no CA"),
        Some(authority) if authority.key == KeyPresence::Absent => {
            failure.found(message!("no key.pem in ca/{}", KeyIdentifier(&authority.key_identifier)))
        }
        Some(authority) if now > authority.certificate.validity().not_after => failure
            .found(message!("one that expired on {}", authority.certificate.validity().not_after.date())),
        Some(authority) => failure.found(message!(
            "one that is valid from {} (is the clock right?)",
            authority.certificate.validity().not_before
        )),
    }
}

fn choice(authority: &ObservedAuthority) -> AuthorityChoice {
    AuthorityChoice::Of(authority.key_identifier.clone())
}

/// The clients whose unexpired certificates of another CA than the target would let in nobody any
/// more, and of whom it is not known that they have one of the target. Going back to a CA that is
/// older, no word of theirs is enough: the former certificates must have expired.
pub(super) fn unmoved(
    observation: &Observation,
    issued: &[Certificate],
    now: Timestamp,
) -> BTreeSet<IdentityName> {
    let Some(target) = observation.target_authority() else { return BTreeSet::new() };
    let others = others(observation);
    let began = |authority: &ObservedAuthority| authority.certificate.validity().not_before;
    let goes_back = others.iter().any(|other| began(other) > began(target));
    let is_at_target = |set: &ObservedGeneration| set.leaf().issuer() == target.certificate.subject();
    let has_moved = |name: &IdentityName| {
        let confirmed = observation.clients.get(name).and_then(|client| client.confirmed.as_ref());
        !goes_back && confirmed.is_some_and(is_at_target)
    };
    let of_others = issued.iter().filter(|leaf| {
        leaf.validity().not_after >= now
            && others.iter().any(|other| other.certificate.subject() == leaf.issuer())
    });
    of_others.filter_map(client_of).filter(|name| !has_moved(name)).collect()
}

/// The client whose certificate it is.
pub(super) fn client_of(leaf: &Certificate) -> Option<IdentityName> {
    IdentityName::of_client(&leaf.usable_names())
}
