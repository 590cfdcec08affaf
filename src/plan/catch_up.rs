//! `recover` of a state that is not the only one, or not the latest: an old copy, as of a backup, or one of two
//! copies that are both in use. Only additions: nothing is placed, restarted or put back.

use std::collections::{BTreeMap, BTreeSet};

use super::exclusions::{end_of_open_authorities, forgotten, let_in, unrecorded_by, whom};
use super::holders::client_of;
use super::issuance::next_generation;
use super::reach::not_let_in;
use super::recover::longest_lifetime;
use super::recovery::{Recovered, Recovery, Unknown};
use super::standing::Standing;
use super::steps::{Plan, StateStep};
use crate::message;
use crate::model::{Contact, Exclusion, Fingerprint, IdentityName, Message, Role, Timestamp};
use crate::pki::{Certificate, TrustBundle};
use crate::store::{Observation, ObservedAuthority, ObservedIdentity, Origin, Revocation};

/// What is installed on this machine for a daemon.
#[derive(Clone, Debug)]
pub(crate) struct Installed {
    /// The daemon that it is installed for.
    pub daemon: IdentityName,
    /// Whose it is.
    pub standing: Standing,
    /// What is noted beside it.
    pub origin: Option<Origin>,
    /// Its certificate, leaf first; nothing where the files cannot be read.
    pub chain: Vec<Certificate>,
    /// The CAs that it trusts; none where the files cannot be read.
    pub trust: TrustBundle,
    /// Why it cannot be taken in; None if it can: the files belong together.
    pub unfit: Option<Message>,
}

/// Whether what is installed, or may be served, refuses somebody of whom this state does not know.
pub(crate) fn has_forgotten(observation: &Observation, installed: &[Installed]) -> bool {
    !all_forgotten(observation, installed).is_empty()
}

fn all_forgotten(observation: &Observation, installed: &[Installed]) -> BTreeSet<Exclusion> {
    // Whom a later copy excludes it has revoked again, whatever was taken back before that.
    let of_installed = installed.iter().flat_map(|one| {
        unrecorded_by(observation, &one.trust, |change| change.undone.is_none() || !one.standing.is_old())
    });
    of_installed.chain(forgotten(observation)).collect()
}

/// Plans `recover` of such a state. What is installed becomes current here; a CA that it trusts is known
/// here from now on, and one that no daemon trusts any more is not trusted again. Since certificates may
/// have been issued that are not known here, each CA counts as one of which others have certificates.
pub(crate) fn catch_up(
    observation: &Observation,
    installed: &[Installed],
    unknown_leaves: &[(IdentityName, Certificate)],
    now: Timestamp,
) -> Recovery {
    let trusts =
        |authority: &ObservedAuthority| installed.iter().any(|one| one.trust.trusts(&authority.certificate));
    // Of a daemon that is installed elsewhere nobody here knows whom it trusts.
    let elsewhere: Vec<&IdentityName> = observation
        .inventory
        .daemons
        .keys()
        .filter(|name| !installed.iter().any(|one| one.daemon == **name && !one.chain.is_empty()))
        .collect();
    let (kept, gone): (Vec<_>, Vec<_>) = observation
        .authorities
        .iter()
        .filter(|authority| authority.record.is_usable())
        .partition(|authority| !elsewhere.is_empty() || trusts(authority));
    let open_until = now.plus(longest_lifetime(observation, &observation.inventory));
    let mut plan = Plan::default();
    let mut unknown = Vec::new();
    let mut locked_out = BTreeSet::new();
    let mut note = |subject: Message, what: Message| unknown.push(Unknown { subject, what, remedy: None });
    let old = || installed.iter().filter(|one| one.standing.is_old());
    let commits = old().filter_map(|one| match one.standing {
        Standing::Later(commit) => Some(commit),
        _ => None,
    });
    plan.state.extend(commits.max().map(StateStep::ComeAfter));
    for anchor in unknown_anchors(observation, installed) {
        let id = anchor.authority_id();
        // What it excludes for a daemon is in revocations.json, and may be taken back there.
        let authority = anchor.without_exclusions().unwrap_or_else(|| anchor.clone());
        plan.state.push(StateStep::TakeInAuthority(authority));
        plan.state.push(StateStep::Open(id.clone(), open_until));
        note(
            message!("CA {}", id.short()),
            message!(
                "was made by another copy of this state, which has its key: put that into ca/{}/key.pem, or \
                 move to a CA of your own: {kitcert} ca rollover start",
                id
            ),
        );
    }
    for one in old() {
        for revocation in let_in(observation, &one.trust, now) {
            let undo = revocation.client.as_ref();
            let undo =
                undo.map(|client| message!("; if that was taken back: {kitcert} revoke --undo {}", client));
            note(
                message!("daemon {}", one.daemon),
                message!(
                    "is to let in {}, who is revoked here, and refuses that again after the next rotation{}",
                    whom(revocation),
                    undo.unwrap_or_default()
                ),
            );
        }
        let name = &one.daemon;
        let subject = message!("daemon {}", name);
        let current = observation.current(Role::Daemon, name);
        if current.is_some_and(|current| {
            current.chain == one.chain && current.trust.certificates() == one.trust.certificates()
        }) {
            continue;
        }
        match &one.unfit {
            Some(why) => {
                note(subject, message!("its installed files could not be read: {}", why));
                // Whatever another copy has put there is replaced by what is current here.
                let known = one.origin.as_ref().map(|origin| StateStep::KnowInstalled {
                    name: name.clone(),
                    generation: origin.generation,
                    sha256: origin.sha256,
                });
                plan.state.extend(known);
            }
            None => {
                let generation = next_generation(observation, Role::Daemon, name);
                let out = not_let_in((name, &one.chain, &one.trust), observation, now);
                let taken_in = message!("its installed certificate is current here too, as {}", generation);
                note(
                    subject,
                    match out.is_empty() {
                        true => taken_in,
                        false => message!(
                            "{}; once it serves that, it refuses the certificates here of: {}",
                            taken_in,
                            Message::few(&out, ", ")
                        ),
                    },
                );
                locked_out.extend(out);
                plan.state.push(StateStep::TakeIn {
                    name: name.clone(),
                    chain: one.chain.clone(),
                    trust: one.trust.clone(),
                    generation,
                });
            }
        }
    }
    for (name, leaf) in unknown_leaves {
        plan.state.push(StateStep::TakeInLeaf(name.clone(), leaf.clone()));
        note(
            message!("daemon {}", name),
            message!(
                "serves {}, which is known here now; if no copy of this state issued it, the key of the CA was \
                 stolen: {kitcert} ca rollover start --compromised",
                leaf.serial()
            ),
        );
        let current = observation.current(Role::Daemon, name).map(|current| current.leaf().public_key());
        if current.is_some_and(|current| current != leaf.public_key()) {
            note(
                message!("daemon {}", name),
                message!(
                    "has another key than this state has for it; if the key here was revoked: {kitcert} revoke daemon/{}",
                    name
                ),
            );
        }
    }
    for step in forgotten_revocations(observation, installed, open_until, now) {
        if let StateStep::ChangeRevocations(record) = &step {
            let before = observation.revocations.as_ref().map_or(0, |before| before.revocations.len());
            let who = Message::few(record.revocations.iter().skip(before).map(whom), ", ");
            let what = message!("the installed ca.pem excludes {}: revoked here too", who);
            note(message!("revocations.json"), what);
        }
        plan.state.push(step);
    }
    // What was trusted for the sake of a client alone has no part in a rollover.
    let (for_clients, moved): (Vec<&ObservedAuthority>, Vec<&ObservedAuthority>) =
        gone.iter().partition(|one| one.record.clients_only);
    plan.state.extend(for_clients.into_iter().map(|one| StateStep::DropAuthority(one.id.clone())));
    if !moved.is_empty() {
        plan.state.push(StateStep::EndRollover(moved.iter().map(|one| one.id.clone()).collect()));
    }
    for authority in &gone {
        let subject = message!("CA {}", authority.id.short());
        let is_of_it = |client: &ObservedIdentity| {
            let current = client.current.as_ref();
            current.is_some_and(|current| current.leaf().issuer() == authority.certificate.subject())
        };
        let clients = observation.clients.iter().filter(|(_, client)| is_of_it(client));
        let clients: BTreeSet<IdentityName> = clients.map(|(name, _)| name.clone()).collect();
        let what = "no daemon is to trust it, so its clients need new certificates";
        match clients.is_empty() {
            true => note(subject, message!("{}", what)),
            false => note(subject, message!("{}: {}", what, Message::few(&clients, ", "))),
        }
        locked_out.extend(clients);
    }
    for name in elsewhere {
        let subject = message!("daemon {}", name);
        note(subject, message!("is not installed on this machine: what it serves is unknown here"));
    }
    let closed = kept.iter().filter(|one| !one.record.is_open(open_until));
    plan.state.extend(closed.map(|one| StateStep::Open(one.id.clone(), open_until)));
    note(message!("clients"), message!("clients that got a certificate from another copy are unknown here"));
    let inventory = observation.inventory.clone();
    Recovery { what: Recovered::Copy, plan, inventory, open_until, unknown, locked_out }
}

/// Whom the installed bundles refuse and this state has forgotten: revoked here, too.
fn forgotten_revocations(
    observation: &Observation,
    installed: &[Installed],
    until: Timestamp,
    now: Timestamp,
) -> Vec<StateStep> {
    let forgotten = all_forgotten(observation, installed);
    let Ok(by) = "kitcert recover".parse::<Contact>() else { return Vec::new() };
    if forgotten.is_empty() {
        return Vec::new();
    }
    let mut record = observation.revocations.clone().unwrap_or_default();
    let mut state = Vec::new();
    let key_named = |name: &Exclusion| {
        let of_key =
            |leaf: &&Certificate| Exclusion::Dns(leaf.public_key().fingerprint().key_dns_name()) == *name;
        observation.issued.iter().find(of_key)
    };
    let whole: BTreeSet<IdentityName> = forgotten.iter().filter_map(Exclusion::client).collect();
    let mut excluded: BTreeMap<(Option<IdentityName>, Option<Fingerprint>), BTreeSet<Exclusion>> =
        BTreeMap::new();
    // What a bundle trusted for itself alone was the only client's that is out with every key.
    let only = whole.iter().next().filter(|_| whole.len() == 1).cloned();
    let is_pinned = |name: &Exclusion| {
        let mut pinned = observation.authorities.iter().filter(|one| one.is_pinned());
        pinned.any(|one| Exclusion::Dns(one.certificate.public_key().fingerprint().key_dns_name()) == *name)
    };
    for name in forgotten {
        let leaf = key_named(&name);
        let client = name.client().or_else(|| match leaf {
            Some(leaf) => client_of(leaf),
            None => only.clone().filter(|_| is_pinned(&name)),
        });
        // Of whom every key is refused, each is refused for that.
        let is_whole = client.as_ref().is_some_and(|client| whole.contains(client));
        let key = leaf.map(|leaf| leaf.public_key().fingerprint()).filter(|_| !is_whole);
        excluded.entry((client, key)).or_default().insert(name);
    }
    for ((client, key), excluded) in excluded {
        let is_known = |name: &&IdentityName| key.is_none() && observation.clients.contains_key(*name);
        state.extend(client.iter().find(is_known).map(|name| StateStep::Retire(Role::Client, name.clone())));
        let issued = observation.issued.iter().filter(|leaf| client.is_some() && client_of(leaf) == client);
        let issuers = issued.filter_map(|leaf| observation.issuer_of(leaf));
        let authorities = issuers.map(|issuer| issuer.id.clone()).collect();
        let pinned = observation.authorities.iter().filter(|one| one.is_pinned());
        let is_of_key = |one: &&ObservedAuthority| {
            let key = one.certificate.public_key().fingerprint();
            excluded.contains(&Exclusion::Dns(key.key_dns_name()))
        };
        let pinned = pinned.filter(is_of_key).map(|one| one.id.clone()).collect();
        record.revocations.push(Revocation {
            client,
            daemon: None,
            key,
            excluded,
            keys: BTreeMap::new(),
            authorities,
            pinned,
            unstopped: BTreeMap::new(),
            reason: None,
            by: by.clone(),
            at: now,
            needed_until: end_of_open_authorities(observation, now).max(Some(until)).unwrap_or(until),
            undone: None,
        });
    }
    std::iter::once(StateStep::ChangeRevocations(record)).chain(state).collect()
}

/// The CAs that some daemon trusts and that are not known here, each once.
fn unknown_anchors<'a>(observation: &Observation, installed: &'a [Installed]) -> Vec<&'a Certificate> {
    let mut anchors: Vec<&Certificate> = Vec::new();
    for anchor in installed.iter().flat_map(|one| one.trust.certificates()) {
        let id = anchor.authority_id();
        if observation.authority(&id).is_none() && !anchors.contains(&anchor) {
            anchors.push(anchor);
        }
    }
    anchors
}
