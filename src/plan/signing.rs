//! Who signs for an identity, and whom its set trusts: with a rollover and without.

use super::rollover::{Rollover, RolloverStage, choice, daemons, no_authority, refuse_lost_record};
use super::steps::{AuthorityChoice, Signing};
use crate::message;
use crate::model::profile::SWITCH_BEFORE;
use crate::model::{Failure, IdentityName, Message, Role, Timestamp};
use crate::store::{Observation, ObservedAuthority, ObservedGeneration};

/// Who signs for an identity now, and whom its set trusts.
///
/// # Errors
/// Nobody who may: no CA that can sign, or a rollover that has not come so far.
pub(super) fn signing(
    rollover: Option<&Rollover<'_>>,
    observation: &Observation,
    role: Role,
    name: &IdentityName,
    now: Timestamp,
) -> Result<Signing, Failure> {
    let Some(rollover) = rollover else {
        refuse_lost_record(observation)?;
        let issuer = observation.issuing_authority(now).ok_or_else(|| no_authority(observation, now))?;
        let kept = observation.kept_for_clients(now).filter(|_| role == Role::Daemon);
        let trust = std::iter::once(issuer).chain(kept).map(choice).collect();
        return Ok(Signing { issuer: choice(issuer), trust });
    };
    let target = Some(rollover.to).filter(|to| to.can_sign(now));
    let new_alone = |target: Option<&ObservedAuthority>| {
        target.map(|_| rollover.new_alone(role)).ok_or_else(|| no_authority(observation, now))
    };
    let trust = rollover.both(role);
    let current = observation.current(role, name);
    let previous = || {
        let own = current.and_then(|current| observation.issuer_of(current.leaf()));
        let own = own.filter(|own| rollover.from.iter().any(|one| one.id == own.id));
        own.into_iter().chain(rollover.from.iter().copied()).find(|one| one.can_sign(now))
    };
    let is_switched = current.is_some_and(|current| rollover.is_switched(current));
    match (role, rollover.stage) {
        _ if rollover.record.is_emergency() => new_alone(target),
        (Role::Daemon, RolloverStage::Switching | RolloverStage::Done) => new_alone(target),
        (Role::Daemon, _) if is_switched => new_alone(target),
        (Role::Daemon, stage) => {
            let keeps = current.is_some_and(|current| rollover.is_of_target(current.leaf()));
            // A previous CA without its key signs nothing, and waiting would lock out more; but clients come
            // first, who do not know the new CA's daemon before.
            let is_last_moment =
                current.is_some_and(|current| current.leaf().validity().not_after <= now.plus(SWITCH_BEFORE));
            let is_in_time =
                stage == RolloverStage::Moving && is_last_moment && are_all_handed(rollover, observation);
            // With what has ended nobody gets in, so that nobody is out for the sake of the new CA; nor does
            // any client take a certificate without names.
            let is_void = |one: &ObservedGeneration| {
                one.leaf().validity().not_after < now || one.leaf().usable_names().is_empty()
            };
            let may_switch = is_in_time || current.is_some_and(is_void);
            let issuer = if keeps { target } else { previous().or(target.filter(|_| may_switch)) };
            let issuer = issuer.ok_or_else(|| unable(rollover, current))?;
            Ok(Signing { issuer: choice(issuer), trust })
        }
        (Role::Client, RolloverStage::Overlap) => {
            let has_moved = current.is_some_and(|current| rollover.is_of_target(current.leaf()));
            let is_begun = || {
                let mut served = daemons(observation).flat_map(|(_, daemon)| daemon.served());
                served.any(|served| rollover.is_switched(served))
            };
            let issuer = match has_moved || is_begun() {
                true => target.ok_or_else(|| no_authority(observation, now))?,
                false => previous().ok_or_else(|| unable(rollover, current))?,
            };
            Ok(Signing { issuer: choice(issuer), trust })
        }
        (Role::Client, _) => {
            let issuer = target.ok_or_else(|| no_authority(observation, now))?;
            Ok(Signing { issuer: choice(issuer), trust })
        }
    }
}

/// Whether every client that is renewed here has been given a certificate of the new CA.
fn are_all_handed(rollover: &Rollover<'_>, observation: &Observation) -> bool {
    let listed = observation.inventory.clients.keys().filter_map(|name| observation.clients.get(name));
    let mut waiting = listed.filter(|client| !client.is_retired());
    waiting.all(|client| client.current.as_ref().is_none_or(|current| rollover.is_of_target(current.leaf())))
}

/// Whom a daemon's bundle is to name now, whatever certificate it has; None where it is as it may be.
pub(super) fn bundle_of_daemon(
    rollover: Option<&Rollover<'_>>,
    observation: &Observation,
    current: &ObservedGeneration,
    now: Timestamp,
) -> Option<Vec<AuthorityChoice>> {
    let Some(rollover) = rollover else {
        let is_gone =
            |one: &ObservedAuthority| !one.record.is_usable() && current.trust.trusts(&one.certificate);
        let active = observation.active_authority().filter(|active| active.record.is_usable())?;
        let is_missing = |one: &ObservedAuthority| !current.trust.trusts(&one.certificate);
        // As a daemon that was taken over may have them.
        let anchors = current.trust.certificates();
        let is_doubled = anchors
            .iter()
            .enumerate()
            .any(|(at, anchor)| anchors[..at].iter().any(|before| before.is_of_same_authority(anchor)));
        let is_other = is_doubled
            || observation.authorities.iter().any(is_gone)
            || observation.kept_for_clients(now).any(is_missing);
        let stays = std::iter::once(active).chain(observation.kept_for_clients(now));
        return is_other.then(|| stays.map(choice).collect());
    };
    let is_to_switch = matches!(rollover.stage, RolloverStage::Switching | RolloverStage::Done);
    match is_to_switch || rollover.record.is_emergency() {
        _ if rollover.is_switched(current) => None,
        // What has a certificate of the new CA already keeps it; what has none gets one.
        true => rollover.is_of_target(current.leaf()).then(|| rollover.new_alone(Role::Daemon).trust),
        false => Some(rollover.both(Role::Daemon)),
    }
}

/// Why nothing is signed now of a rollover whose previous CA cannot sign.
fn unable(rollover: &Rollover<'_>, current: Option<&ObservedGeneration>) -> Failure {
    let previous = Message::join(rollover.from.iter().map(|one| one.id.short()), " or ");
    let failure = Failure::new("issuing with", message!("CA {}", previous))
        .expected("its key")
        .found("no such key here, and not every daemon was verified with both CAs yet");
    match current {
        Some(current) => {
            let end = current.leaf().validity().not_after.minus(SWITCH_BEFORE);
            failure.hint(message!("{kitcert} rotate   # at the latest at {}", end.minute()))
        }
        None => failure.hint("{kitcert} rotate   # until every daemon trusts the new CA"),
    }
}
