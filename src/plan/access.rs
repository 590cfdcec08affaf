//! Changes of somebody's access, and whether each is in effect at a daemon: what can be tried here, what was seen
//! already, and what only a person can say.

use std::collections::{BTreeMap, BTreeSet};

use super::exclusions::{is_as_meant, is_in_effect, let_in, meant, whom};
use super::steps::{Plan, StateStep};
use crate::message;
use crate::model::{AuthorityId, ExitCode, Failure, IdentityName, Message, Role, Timestamp};
use crate::pki::Exclusions;
use crate::store::{
    KeyPresence, Observation, ObservedAuthority, ObservedGeneration, ObservedIdentity, Revocation, SeenAccess,
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

/// Those whom a daemon may let in although their access was taken away. Of one that somebody renews that counts
/// whatever it serves, since a thief does not mind that a certificate has ended; of others for as long as what it
/// may serve is valid.
pub(super) fn may_let_in<'a>(
    observation: &'a Observation,
    (name, daemon): (&IdentityName, &ObservedIdentity),
    now: Timestamp,
) -> Vec<&'a Revocation> {
    let is_renewed = is_renewed(observation, name, daemon);
    let may_serve = |served: &&ObservedGeneration| is_renewed || served.leaf().validity().not_after >= now;
    let is_not_said = |one: &&Revocation| !is_said(observation, daemon, one, now);
    // What it uses nobody knows of one that was never verified, nor of one that was seen to use something else since.
    let is_known = daemon.is_served_known() && (!daemon.has_worked() || daemon.is_shown());
    if !is_known && daemon.current.iter().any(|current| may_serve(&current)) {
        let active = observation.revocations.iter().flat_map(|record| record.active(now));
        return active.filter(|one| one.is_by_name()).filter(is_not_said).collect();
    }
    // What was seen in use is the only thing that it serves.
    let served = daemon.served().filter(|one| {
        !daemon.is_shown() || Some(one.number) == daemon.current.as_ref().map(|current| current.number)
    });
    let served = served.filter(may_serve);
    let mut all: Vec<&Revocation> = Vec::new();
    for one in served.flat_map(|served| let_in(observation, &served.trust, now)).filter(is_not_said) {
        if !all.contains(&one) {
            all.push(one);
        }
    }
    all
}

/// The daemons that let somebody in whom no name stops, and whom, until when: by the CAs that they trust.
pub(crate) fn unstoppable(
    observation: &Observation,
    now: Timestamp,
) -> BTreeMap<IdentityName, BTreeMap<Message, Timestamp>> {
    let end_at = |daemon: &ObservedIdentity, change: &Revocation| {
        let is_trusted = |id: &AuthorityId| {
            let known = observation.authority(id);
            known.is_some_and(|one| daemon.served().any(|served| served.trust.trusts(&one.certificate)))
        };
        let ends = change.unstopped.iter().filter(|(id, end)| **end >= now && is_trusted(id));
        ends.map(|(_, end)| *end).max()
    };
    let of_daemon = |daemon: &ObservedIdentity| -> BTreeMap<Message, Timestamp> {
        let active = observation.revocations.iter().flat_map(|record| record.active(now));
        active.filter_map(|change| Some((whom(change), end_at(daemon, change)?))).collect()
    };
    let all = observation.daemons.iter().map(|(name, daemon)| (name.clone(), of_daemon(daemon)));
    all.filter(|(_, who)| !who.is_empty()).collect()
}

/// Whether somebody renews a daemon.
fn is_renewed(observation: &Observation, name: &IdentityName, daemon: &ObservedIdentity) -> bool {
    observation.inventory.daemons.contains_key(name) && !daemon.is_retired()
}

/// Whoever is to be refused, or let in again, and has a certificate left, the latest change first. Names of nobody
/// that is known here came from what the daemon had already; and what is excluded for something else is not let in.
pub(crate) fn changes(observation: &Observation, now: Timestamp) -> impl Iterator<Item = &Revocation> {
    let meant = meant(observation, now).unwrap_or_default();
    let record = observation.revocations.iter().flat_map(|record| record.revocations.iter().rev());
    let counts = move |one: &&Revocation| {
        let is_lifted = || one.excluded.iter().any(|name| !meant.contains(name));
        one.client.is_some() && one.needed_until >= now && (one.undone.is_none() || is_lifted())
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
    let all: Vec<&Revocation> = match daemon.is_undecided() {
        true => changes(observation, now).collect(),
        false => untried(observation, name, now),
    };
    all.into_iter().filter(|change| !is_shown(observation, daemon, change, now)).collect()
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
    daemon.is_shown() || is_said(observation, daemon, change, now) || was_before()
}

/// Whether a person has said that a change is in effect at a daemon, with what is current for it.
pub(super) fn is_said(
    observation: &Observation,
    daemon: &ObservedIdentity,
    change: &Revocation,
    now: Timestamp,
) -> bool {
    let Some(current) = daemon.current.as_ref() else { return false };
    let said = |other: &Revocation| {
        let client = other.client.as_ref();
        client.is_some_and(|client| daemon.history.access.seen_of(client, current.number).is_some())
    };
    // Who is refused for the first time is refused by a bundle that has every change from before.
    let shows_earlier = |other: &&Revocation| {
        let is_earlier = change.changed_at() < other.changed_at();
        let is_first = || {
            let mut all = observation.revocations.iter().flat_map(|record| &record.revocations);
            !all.any(|one| one.client == other.client && one.undone.is_some())
        };
        is_earlier && said(other) && is_first()
    };
    let mut active = observation.revocations.iter().flat_map(|record| record.active(now));
    said(change) || active.any(|other| shows_earlier(&other))
}

/// The daemons of which only a person has said what becomes of a client there, and when.
pub(crate) fn said(
    observation: &Observation,
    client: &IdentityName,
    now: Timestamp,
) -> BTreeMap<IdentityName, Timestamp> {
    let last = |(name, daemon): (&IdentityName, &ObservedIdentity)| {
        let mut untried = untried(observation, name, now).into_iter();
        let is_untried =
            daemon.is_undecided() || untried.any(|change| change.client.as_ref() == Some(client));
        let mut seen = daemon.history.access.seen.iter().rev();
        let seen = seen.find(|one| one.client == *client).filter(|_| is_untried)?;
        Some((name.clone(), seen.at))
    };
    observation.daemons.iter().filter_map(last).collect()
}

/// What was said of a client before says nothing of what is changed now.
pub(super) fn forget_words(observation: &Observation, client: &IdentityName) -> Vec<StateStep> {
    let is_of_client = |one: &SeenAccess| one.client == *client;
    let daemons = observation.daemons.iter();
    let with_words = daemons.filter(|(_, daemon)| daemon.history.access.seen.iter().any(is_of_client));
    let forget = |(name, daemon): (&IdentityName, &ObservedIdentity)| {
        let mut access = daemon.history.access.clone();
        access.seen.retain(|one| !is_of_client(one));
        StateStep::NoteAccess(name.clone(), access)
    };
    with_words.map(forget).collect()
}

/// Whether a daemon waits for a person's word: it was restarted with what is to be in effect, and nothing here can
/// try that.
pub(crate) fn awaits_word(observation: &Observation, name: &IdentityName, now: Timestamp) -> bool {
    let Some(daemon) = observation.daemons.get(name) else { return false };
    let is_restarted = daemon.current.as_ref().is_some_and(|current| {
        (daemon.history.access.restarted == Some(current.number) || daemon.is_undecided())
            && is_as_meant(observation, &current.trust, now)
    });
    is_restarted && !in_question(observation, name, now).is_empty()
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
        let mut access = identity.history.access.clone();
        access.note_seen(SeenAccess { client: name.clone(), generation, at: now });
        Some(StateStep::NoteAccess(daemon.clone(), access))
    };
    Ok(Plan { state: daemons.filter_map(note).collect(), ..Plan::default() })
}
