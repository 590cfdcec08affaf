//! Changes of somebody's access, and whether each is in effect at a daemon: what can be tried here, what was seen
//! already, and what only a person can say.

use std::collections::{BTreeMap, BTreeSet};

use super::exclusions::{is_as_meant, is_in_effect, is_of_use, let_in, meant, whom};
use super::steps::{Plan, StateStep};
use crate::message;
use crate::model::{AuthorityId, ExitCode, Failure, IdentityName, Message, Role, Timestamp};
use crate::pki::{Certificate, Exclusions, TrustBundle};
use crate::store::{
    KeyPresence, Observation, ObservedAuthority, ObservedGeneration, ObservedIdentity, OpenUntil, Revocation,
    SeenAccess,
};

/// The daemons that may let somebody in whose access was taken away, and whom.
pub(crate) fn pending(
    observation: &Observation,
    now: Timestamp,
) -> BTreeMap<IdentityName, BTreeSet<Message>> {
    let daemons = observation.daemons.iter();
    let whom = |name, daemon| may_let_in(observation, (name, daemon), now).into_iter().map(whom).collect();
    let of_daemons = daemons.map(|(name, daemon)| (name.clone(), whom(name, daemon)));
    of_daemons.filter(|(_, who): &(_, BTreeSet<_>)| !who.is_empty()).collect()
}

/// Those whom a daemon may let in although their access was taken away.
pub(super) fn may_let_in<'a>(
    observation: &'a Observation,
    of: (&IdentityName, &ObservedIdentity),
    now: Timestamp,
) -> Vec<&'a Revocation> {
    let may_get_in: Vec<&Revocation> = match may_serve(observation, of, now) {
        MayServe::Any => {
            let active = observation.revocations.iter().flat_map(|record| record.active(now));
            active.filter(|one| one.is_by_name() && is_of_use(observation, one, now)).collect()
        }
        MayServe::These(served) => {
            served.into_iter().flat_map(|served| let_in(observation, &served.trust, now)).collect()
        }
    };
    let mut all: Vec<&Revocation> = Vec::new();
    for one in may_get_in.into_iter().filter(|one| word_of(observation, of.1, one, now).is_none()) {
        if !all.contains(&one) {
            all.push(one);
        }
    }
    all
}

/// What a daemon may serve.
enum MayServe<'a> {
    /// Anything that it ever had.
    Any,
    /// One of these.
    These(Vec<&'a ObservedGeneration>),
}

/// What a daemon may serve: of one that somebody renews that counts whether it has ended or not, since a thief does
/// not mind that; of others for as long as it is valid.
fn may_serve<'a>(
    observation: &Observation,
    (name, daemon): (&IdentityName, &'a ObservedIdentity),
    now: Timestamp,
) -> MayServe<'a> {
    let is_renewed = is_renewed(observation, name, daemon);
    let counts = |served: &&ObservedGeneration| is_renewed || served.leaf().validity().not_after >= now;
    // Nobody knows of one that was never verified, nor of one that was seen to use something else since.
    let is_known = daemon.is_served_known() && !daemon.has_worked();
    match &daemon.current {
        // What was seen in use is the only thing that it serves.
        Some(current) if daemon.is_shown() => MayServe::These([current].into_iter().filter(counts).collect()),
        Some(current) if !is_known && counts(&current) => MayServe::Any,
        _ => MayServe::These(daemon.served().filter(counts).collect()),
    }
}

/// The daemons that let somebody in whom no name stops, and whom, until when: by the CAs that they trust. Of all, or
/// of one client.
pub(crate) fn unstoppable(
    observation: &Observation,
    client: Option<&IdentityName>,
    now: Timestamp,
) -> BTreeMap<IdentityName, BTreeMap<Message, Timestamp>> {
    let of_daemon = |of: (&IdentityName, &ObservedIdentity)| -> BTreeMap<Message, Timestamp> {
        let served = may_serve(observation, of, now);
        let is_trusted = |id: &AuthorityId| match (&served, observation.authority(id)) {
            (MayServe::Any, known) => known.is_some(),
            (MayServe::These(_), None) => false,
            (MayServe::These(served), Some(known)) => {
                served.iter().any(|served| served.trust.trusts(&known.certificate))
            }
        };
        let end_at = |change: &Revocation| {
            let ends = change.unstopped.iter().filter(|(id, end)| **end >= now && is_trusted(id));
            ends.map(|(_, end)| *end).max()
        };
        let active = observation.revocations.iter().flat_map(|record| record.active(now));
        let meant = active.filter(|change| client.is_none() || change.client.as_ref() == client);
        meant.filter_map(|change| Some((whom(change), end_at(change)?))).collect()
    };
    let all = observation.daemons.iter().map(|(name, daemon)| (name.clone(), of_daemon((name, daemon))));
    all.filter(|(_, who)| !who.is_empty()).collect()
}

/// What leaves everybody behind who is not to get in, where names cannot: the end of what trusts the CAs
/// of those whom no name stops.
pub(crate) fn rollover_past(observation: &Observation, now: Timestamp) -> Message {
    let active = observation.revocations.iter().flat_map(|record| record.active(now));
    let known = active.flat_map(|one| one.unstopped.keys()).filter_map(|id| observation.authority(id));
    let known: Vec<&ObservedAuthority> = known.filter(|one| one.record.is_usable()).collect();
    let finish =
        |id: &AuthorityId| message!("{kitcert} ca rollover finish {}   # once everybody else has moved", id);
    // Of a CA that is trusted for its clients' sake alone nobody moves to another.
    if let Some(one) = known.iter().find(|one| one.record.clients_only) {
        return finish(&one.id);
    }
    match &observation.rollover {
        None if observation.clients.values().any(ObservedIdentity::is_retired) => {
            message!("{kitcert} ca rollover start   # who is retired does not move to the new CA")
        }
        None => message!("{kitcert} ca rollover start"),
        Some(rollover) => {
            let from = || rollover.from.iter().filter_map(|id| observation.authority(id));
            let is_held = |one: &&ObservedAuthority| one.record.open_until != OpenUntil::Never;
            match known.into_iter().chain(from()).find(is_held).filter(|one| rollover.from.contains(&one.id))
            {
                Some(held) => finish(&held.id),
                None => message!("{kitcert} rotate --dry-run   # for whom the move to another CA waits"),
            }
        }
    }
}

/// Whether somebody is here to dial a daemon as: where nobody is, it is never seen that anybody gets in.
fn can_be_dialed(observation: &Observation, current: &ObservedGeneration, now: Timestamp) -> bool {
    observation.signer(Some(&current.trust), now).is_some()
        || usable_client(observation, Some(&current.trust), now).is_some()
}

/// A client of the state that can be dialed as now, and that is to get in, if a daemon accepts clients of those CAs.
pub(crate) fn usable_client<'a>(
    observation: &'a Observation,
    accepted: Option<&TrustBundle>,
    now: Timestamp,
) -> Option<&'a IdentityName> {
    let is_accepted =
        |leaf: &Certificate| accepted.is_none_or(|accepted| accepted.subjects().contains(&leaf.issuer()));
    let revoked = meant(observation, now);
    let is_usable = |client: &ObservedIdentity| {
        client.current.as_ref().is_some_and(|current| {
            current.key == KeyPresence::Present
                && !revoked.as_ref().is_some_and(|revoked| revoked.stop(current.leaf()))
                && current.leaf().validity().contains(now)
                && is_accepted(current.leaf())
        })
    };
    observation.clients.iter().find(|(_, client)| is_usable(client)).map(|(name, _)| name)
}

/// Whether somebody renews a daemon.
pub(super) fn is_renewed(observation: &Observation, name: &IdentityName, daemon: &ObservedIdentity) -> bool {
    observation.inventory.daemons.contains_key(name) && !daemon.is_retired()
}

/// Whoever is to be refused, or let in again, and has a certificate left, the latest change first. Names of nobody
/// that is known here came from what the daemon had already; and what is excluded for something else is not let in.
pub(crate) fn changes(observation: &Observation, now: Timestamp) -> impl Iterator<Item = &Revocation> {
    let meant = meant(observation, now).unwrap_or_default();
    let record = observation.revocations.iter().flat_map(|record| record.revocations.iter().rev());
    let counts = move |one: &&Revocation| {
        let is_lifted = || one.excluded.iter().any(|name| !meant.contains(name));
        let counts = match one.undone {
            None => one.is_by_name() && is_of_use(observation, one, now),
            Some(_) => is_lifted(),
        };
        one.client.is_some() && one.needed_until >= now && counts
    };
    record.filter(counts)
}

/// The changes of which no dial from here tells whether they are in effect at a daemon: the keys that it would
/// need are not here.
pub(crate) fn untried<'a>(
    observation: &'a Observation,
    daemon: &IdentityName,
    now: Timestamp,
) -> Vec<&'a Revocation> {
    let Some(current) = observation.daemons.get(daemon).and_then(|daemon| daemon.current.as_ref()) else {
        return Vec::new();
    };
    let is_untried = |change: &&Revocation| {
        !can_be_told_by_name(observation, change, current, now)
            && own_client(observation, change, current, now).is_none()
    };
    changes(observation, now).filter(is_untried).collect()
}

/// Those of them that nobody has seen in effect either.
pub(crate) fn in_question<'a>(
    observation: &'a Observation,
    name: &IdentityName,
    now: Timestamp,
) -> Vec<&'a Revocation> {
    let Some(daemon) = observation.daemons.get(name) else { return Vec::new() };
    let all = untold(observation, (name, daemon), now).into_iter();
    all.filter(|change| !is_shown(observation, daemon, change, now)).collect()
}

/// The changes of which nothing here tells whether they are in effect: of a daemon with which something else is
/// wrong, and of one that nobody here can be dialed as, that is every one.
fn untold<'a>(
    observation: &'a Observation,
    (name, daemon): (&IdentityName, &ObservedIdentity),
    now: Timestamp,
) -> Vec<&'a Revocation> {
    let is_dialed = daemon.current.as_ref().is_some_and(|current| can_be_dialed(observation, current, now));
    match daemon.is_undecided() || !is_dialed {
        true => changes(observation, now).collect(),
        false => untried(observation, name, now),
    }
}

/// What a person says of a change that nothing here can try.
pub(crate) fn word(change: &Revocation) -> Option<Message> {
    let client = change.client.as_ref()?;
    let meant = if change.undone.is_none() { "refused" } else { "let in again" };
    Some(message!("{kitcert} revoke --seen {}   # once you have seen that it is {}", client, meant))
}

/// Whether certificates with the names of a change, made here for the moment, tell whether it is in effect. Whoever
/// is to be refused has to be refused with a certificate of each CA that he has one of.
pub(crate) fn can_be_told_by_name(
    observation: &Observation,
    change: &Revocation,
    current: &ObservedGeneration,
    now: Timestamp,
) -> bool {
    match (change.undone, without_key(observation, change, current, now).next()) {
        (None, Some(_)) => false,
        (None | Some(_), _) => trusted(observation, current, now).any(|one| one.can_sign(now)),
    }
}

/// The client whose access was changed, if what it has is here and valid, key and all, and shows the change.
pub(crate) fn own_client<'a>(
    observation: &Observation,
    change: &'a Revocation,
    current: &ObservedGeneration,
    now: Timestamp,
) -> Option<&'a IdentityName> {
    let client = change.client.as_ref()?;
    let own = observation.current(Role::Client, client)?;
    let leaf = own.leaf();
    let changed: Exclusions = change.excluded.iter().cloned().collect();
    let is_whole = own.key == KeyPresence::Present && leaf.validity().contains(now) && changed.name(leaf);
    let shows = match change.undone {
        None => {
            let issuer = observation.issuer_of(leaf).map(|issuer| &issuer.id);
            without_key(observation, change, current, now).all(|one| Some(&one.id) == issuer)
        }
        Some(_) => {
            let is_stopped = meant(observation, now).is_some_and(|meant| meant.stop(leaf));
            !is_stopped && current.trust.subjects().contains(&leaf.issuer())
        }
    };
    (is_whole && shows).then_some(client)
}

/// The CAs that have issued what a change is about, that the daemon trusts, and whose keys are not here.
fn without_key<'a>(
    observation: &'a Observation,
    change: &'a Revocation,
    current: &'a ObservedGeneration,
    now: Timestamp,
) -> impl Iterator<Item = &'a ObservedAuthority> {
    let trusted = trusted(observation, current, now);
    trusted.filter(move |one| change.authorities.contains(&one.id) && !one.can_sign(now))
}

/// The CAs that are valid and that a daemon trusts by what is current for it.
fn trusted<'a>(
    observation: &'a Observation,
    current: &'a ObservedGeneration,
    now: Timestamp,
) -> impl Iterator<Item = &'a ObservedAuthority> {
    let all = observation.authorities.iter();
    all.filter(move |one| current.trust.trusts(&one.certificate) && one.certificate.validity().contains(now))
}

/// Whether a change was seen in effect at a daemon with what is current for it, or nothing has changed about it
/// since it was.
fn is_shown(
    observation: &Observation,
    daemon: &ObservedIdentity,
    change: &Revocation,
    now: Timestamp,
) -> bool {
    // With what worked before it was in effect already, so that a restart that takes up either does.
    let was_before = || {
        let shown = daemon.history.access.shown;
        let before = daemon.worked_before.as_ref().filter(|before| shown == Some(before.number));
        before.is_some_and(|before| is_in_effect(observation, &before.trust, change))
    };
    daemon.is_shown() || word_of(observation, daemon, change, now).is_some() || was_before()
}

/// What a person has said of a change at a daemon, with what is current for it or what it had before: what it was
/// given since is as strict, so that it does not matter whether it has taken that up.
fn word_of<'a>(
    observation: &Observation,
    daemon: &'a ObservedIdentity,
    change: &Revocation,
    now: Timestamp,
) -> Option<&'a SeenAccess> {
    let current = daemon.current.as_ref()?;
    let said = |other: &Revocation| {
        let seen = daemon.history.access.seen_of(other.client.as_ref()?, current.number)?;
        let counts = seen.generation == current.number || is_in_effect(observation, &current.trust, change);
        counts.then_some(seen)
    };
    let record = observation.revocations.as_ref()?;
    let place = |one: &Revocation| record.revocations.iter().position(|other| other == one);
    // Who is refused for the first time is refused by a bundle that has every change from before.
    let shows_earlier = |other: &&Revocation| {
        let is_earlier = match change.undone {
            None => place(change) < place(other),
            Some(undone) => undone < other.at,
        };
        let is_first =
            || !record.revocations.iter().any(|one| one.client == other.client && one.undone.is_some());
        is_earlier && is_first()
    };
    said(change).or_else(|| record.active(now).filter(shows_earlier).find_map(said))
}

/// The daemons of which only a person has said what becomes of a client there, and when.
pub(crate) fn said(
    observation: &Observation,
    client: &IdentityName,
    now: Timestamp,
) -> BTreeMap<IdentityName, Timestamp> {
    let last = |(name, daemon): (&IdentityName, &ObservedIdentity)| {
        let is_of_client = |change: &&Revocation| change.client.as_ref() == Some(client);
        let change = untold(observation, (name, daemon), now).into_iter().find(is_of_client)?;
        // Verified by that word since, it has later generations.
        let own = || daemon.history.access.seen.iter().rev().find(|one| one.client == *client);
        let word = word_of(observation, daemon, change, now).or_else(own)?;
        Some((name.clone(), word.at))
    };
    observation.daemons.iter().filter_map(last).collect()
}

/// What was said of a client before says nothing of what is changed now.
pub(super) fn forget_words(observation: &Observation, client: &IdentityName) -> Vec<StateStep> {
    let is_of_client = |one: &SeenAccess| one.client == *client;
    let daemons = observation.daemons.iter();
    let with_words = daemons.filter(|(_, daemon)| daemon.history.access.seen.iter().any(is_of_client));
    with_words.map(|(name, _)| StateStep::ForgetSeen(name.clone(), client.clone())).collect()
}

/// Whether a daemon waits for a person's word: it was restarted with what is to be in effect, and nothing here can
/// try that.
pub(crate) fn awaits_word(observation: &Observation, name: &IdentityName, now: Timestamp) -> bool {
    is_restarted(observation, name, now) && !in_question(observation, name, now).is_empty()
}

/// Whether a daemon was restarted with what is to be in effect, and that was not seen in effect.
pub(super) fn is_restarted(observation: &Observation, name: &IdentityName, now: Timestamp) -> bool {
    let Some(daemon) = observation.daemons.get(name) else { return false };
    daemon.current.as_ref().is_some_and(|current| {
        (daemon.history.access.restarted == Some(current.number) || daemon.is_undecided())
            && is_as_meant(observation, &current.trust, now)
    })
}

/// What a person has seen of a client.
#[derive(Clone, Debug)]
pub(crate) struct SeenRequest {
    /// The client.
    pub name: IdentityName,
    /// Where; empty for every daemon that kitcert has restarted for it.
    pub daemons: Vec<IdentityName>,
}

/// Plans `revoke --seen`: a person knows of the daemons that nothing here can try that they refuse a client, or let it
/// in again, or of one that nobody renews that it is stopped. Of one whose restart failed nobody can know that; of one
/// that nothing here restarts only whoever names it.
///
/// # Errors
/// A client that never was revoked, and a daemon that is not there.
pub(crate) fn see(
    SeenRequest { name, daemons: named }: &SeenRequest,
    observation: &Observation,
    now: Timestamp,
) -> Result<Plan, Failure> {
    if let Some(unknown) = named.iter().find(|one| !observation.daemons.contains_key(*one)) {
        return Err(Failure::new("finding daemon", unknown)
            .expected("a daemon of this state")
            .found(message!("another name{}", unknown.did_you_mean(observation.daemons.keys())))
            .hint("{kitcert} status")
            .exit(ExitCode::Usage));
    }
    let is_of_client = |one: &Revocation| one.client.as_ref() == Some(name) && one.needed_until >= now;
    let all = observation.revocations.iter().flat_map(|record| &record.revocations);
    if !all.clone().any(is_of_client) {
        return Err(Failure::new("noting what daemons do with client", name)
            .expected("a client that is revoked, or was")
            .found("one that is not")
            .hint("{kitcert} status")
            .exit(ExitCode::Usage));
    }
    let is_meant = |daemon: &IdentityName, identity: &ObservedIdentity| {
        if !named.is_empty() && !named.contains(daemon) {
            return false;
        }
        // Where nothing here restarts it, a person has.
        let is_restarted = || {
            let mut listed = observation.inventory.daemons.get(daemon).into_iter();
            let is_as_meant = || identity.current.iter().all(|one| is_as_meant(observation, &one.trust, now));
            awaits_word(observation, daemon, now)
                || named.contains(daemon) && listed.any(|entry| entry.restart.is_empty()) && is_as_meant()
        };
        let whom = match is_renewed(observation, daemon, identity) {
            true if is_restarted() => in_question(observation, daemon, now),
            true => Vec::new(),
            false => may_let_in(observation, (daemon, identity), now),
        };
        whom.into_iter().any(is_of_client)
    };
    let daemons = observation.daemons.iter().filter(|(daemon, identity)| is_meant(daemon, identity));
    let note = |(daemon, identity): (&IdentityName, &ObservedIdentity)| {
        let generation = identity.current.as_ref()?.number;
        Some(StateStep::NoteSeen(daemon.clone(), SeenAccess { client: name.clone(), generation, at: now }))
    };
    Ok(Plan { state: daemons.filter_map(note).collect(), ..Plan::default() })
}
