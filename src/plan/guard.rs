//! Whom a change would lock out, before it counts.
//!
//! For every key that a client may be using and each daemon that it uses: the client must reach what the
//! daemon may serve and what it is about to serve, with what it may hold and with what it is about to be
//! given. Each change is judged as if the others took effect and as if they did not, so that a restart
//! that fails, a crash or a rollback locks nobody out. Who is out already counts for nothing.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::exclusions::{anchor, meant, unrecorded};
use super::holders::{Holder, holders};
use super::lock_out::LockOut;
use super::steps::{AuthorityChoice, Plan, Signing, StateStep};
use super::uses::{dials, hosts};
use crate::model::profile::SWITCH_BEFORE;
use crate::model::{AuthorityId, Exclusion, Fingerprint, IdentityName, Role, SubjectAltName, Timestamp};
use crate::pki::judge::{Credentials, Peer, admit, connect};
use crate::pki::{Certificate, Exclusions, TrustBundle};
use crate::store::{
    KeyPresence, Observation, ObservedAuthority, ObservedGeneration, ObservedIdentity, OpenUntil,
    RolloverRecord, Use,
};

/// What a plan does to those who may be using what they have.
#[derive(Debug, Default)]
pub(crate) struct Judgement {
    /// The changes that are not to be made: whose, and whom they would lock out.
    pub refused: Vec<(Role, IdentityName, LockOut)>,
    /// Whom the plan locks out all the same: an emergency, or what would lock out more if nothing were done.
    pub locked_out: Vec<LockedOut>,
}

/// A key that a plan locks out.
#[derive(Debug)]
pub(crate) struct LockedOut {
    /// The client that is locked out.
    pub client: IdentityName,
    /// The SHA-256 of its public key.
    pub key: Fingerprint,
    /// The hosts by which it dials and that no certificate would name: a new one does not help.
    pub hosts: BTreeSet<SubjectAltName>,
}

/// What an identity has or is about to have.
struct Set<'a> {
    leaf: Leaf<'a>,
    trust: Cow<'a, TrustBundle>,
    /// Whether the CA that the plan makes is in the bundle too.
    trusts_made: bool,
}

/// A certificate, or what is known of one that is not issued yet.
enum Leaf<'a> {
    Issued(&'a [Certificate]),
    Planned { issuer: &'a AuthorityChoice, hosts: &'a [SubjectAltName] },
}

impl Leaf<'_> {
    /// Whether somebody who dials that host takes it for the daemon's.
    fn names(&self, host: &SubjectAltName) -> bool {
        match self {
            Leaf::Issued(chain) => chain.first().is_some_and(|leaf| leaf.covers(host)),
            Leaf::Planned { hosts, .. } => hosts.iter().any(|one| one.covers(host)),
        }
    }
}

/// What a guard looks at.
pub(super) struct Guard<'a> {
    pub(super) observation: &'a Observation,
    pub(super) now: Timestamp,
}

/// Whether a plan can lock anybody out: then what clients may still hold has to be observed, too.
pub(crate) fn needs_holders(plan: &Plan, observation: &Observation) -> bool {
    let guard = Guard { observation, now: Timestamp::from_unix(0) };
    [Role::Daemon, Role::Client]
        .into_iter()
        .any(|role| guard.changed(plan, role).iter().any(|(name, next)| !guard.only_adds(role, name, next)))
}

/// Judges a plan, of an observation of what is in use. The daemons' changes come first, and the clients' are
/// judged beside those of the daemons that lock nobody out.
pub(crate) fn judge(
    plan: &Plan,
    observation: &Observation,
    allowed: &BTreeSet<IdentityName>,
    now: Timestamp,
) -> Judgement {
    let guard = Guard { observation, now };
    let mut judgement = Judgement::default();
    let mut daemons = guard.changed(plan, Role::Daemon);
    let is_harmful = |(name, next): (&&IdentityName, &Set<'_>)| !guard.only_adds(Role::Daemon, name, next);
    let holders = if daemons.iter().any(is_harmful) { holders(observation, now) } else { Vec::new() };
    daemons.retain(|name, next| {
        if guard.only_adds(Role::Daemon, name, next) {
            return true;
        }
        let open = guard.open_ones_dropped(name, next);
        let let_in = guard.let_in_again(next);
        let mut found = LockOut { open, let_in, ..LockOut::default() };
        for holder in holders.iter().filter(|holder| !allowed.contains(&holder.client)) {
            match guard.fate(holder, name, next, &mut found.hosts) {
                Fate::In => {}
                Fate::Out => drop(found.clients.insert(holder.client.clone())),
                Fate::OutAnyway(hosts) => {
                    let (client, key) = (holder.client.clone(), holder.key);
                    judgement.locked_out.push(LockedOut { client, key, hosts });
                }
            }
        }
        let is_harmless = found == LockOut::default();
        if !is_harmless {
            judgement.refused.push((Role::Daemon, (*name).clone(), found));
        }
        is_harmless
    });
    for (name, next) in guard.changed(plan, Role::Client) {
        // What is issued in an emergency waits here until a daemon lets its client in; what is put back
        // does not.
        let waits = guard.is_emergency() && matches!(next.leaf, Leaf::Planned { .. });
        if !waits && !allowed.contains(name) && guard.locks_itself_out(name, &next, &daemons) {
            let clients = BTreeSet::from([name.clone()]);
            let found = LockOut { clients, ..LockOut::default() };
            judgement.refused.push((Role::Client, name.clone(), found));
        }
    }
    judgement
}

/// What becomes of a client.
enum Fate {
    /// It gets in as before, or got in nowhere.
    In,
    /// It is locked out by this.
    Out,
    /// It is locked out, and has to be; by which hosts even with a new certificate.
    OutAnyway(BTreeSet<SubjectAltName>),
}

impl<'a> Guard<'a> {
    /// What each identity of that role is about to have.
    fn changed(&self, plan: &'a Plan, role: Role) -> BTreeMap<&'a IdentityName, Set<'a>> {
        let sets = plan.state.iter().filter_map(|step| match step {
            StateStep::Issue(issuance) if issuance.role == role => {
                let Signing { issuer, trust } = &issuance.signing;
                let leaf = Leaf::Planned { issuer, hosts: &issuance.hosts };
                Some((&issuance.name, self.set(role, leaf, trust)))
            }
            StateStep::Rebundle { role: of, name, chain, trust, .. } if *of == role => {
                Some((name, self.set(role, Leaf::Issued(chain), trust)))
            }
            _ => None,
        });
        sets.collect()
    }

    fn set(&self, role: Role, leaf: Leaf<'a>, trust: &[AuthorityChoice]) -> Set<'a> {
        let excluded = meant(self.observation, self.now).filter(|_| role == Role::Daemon);
        let is_pinned = |choice: &AuthorityChoice| match choice {
            AuthorityChoice::Made => false,
            AuthorityChoice::Of(id) => {
                self.observation.authority(id).is_some_and(ObservedAuthority::is_pinned)
            }
        };
        let certificate = |choice: &AuthorityChoice| {
            anchor(self.certificate(choice)?, excluded.as_ref().filter(|_| !is_pinned(choice)))
        };
        Set {
            leaf,
            trust: Cow::Owned(TrustBundle::new(trust.iter().filter_map(certificate).collect())),
            trusts_made: trust.contains(&AuthorityChoice::Made),
        }
    }

    fn certificate(&self, choice: &AuthorityChoice) -> Option<&'a Certificate> {
        match choice {
            AuthorityChoice::Made => None,
            AuthorityChoice::Of(id) => self.observation.authority(id).map(|one| &one.certificate),
        }
    }

    /// Whether a change takes nothing away from anybody: the certificate is of the same CA and for as many
    /// hosts, as many CAs are trusted, and no more names are excluded. Nor does it let in again whom the state
    /// has forgotten.
    fn only_adds(&self, role: Role, name: &IdentityName, next: &Set<'_>) -> bool {
        if role == Role::Daemon && !self.let_in_again(next).is_empty() {
            return false;
        }
        let Some(identity) = self.observation.identities(role).get(name) else { return true };
        identity.served().all(|served| {
            let names = served.leaf().usable_names();
            let is_of_same = match &next.leaf {
                Leaf::Issued(chain) => chain.first() == Some(served.leaf()),
                Leaf::Planned { issuer, hosts } => {
                    let issuer = self.certificate(issuer).map(Certificate::subject);
                    let is_named = role == Role::Client || names.iter().all(|name| hosts.contains(name));
                    issuer == Some(served.leaf().issuer()) && is_named
                }
            };
            is_of_same
                && served.trust.certificates().iter().all(|anchor| next.trust.trusts(anchor))
                && excludes_no_more(&next.trust, &served.trust)
        })
    }

    /// What a daemon refuses, this one or another, and would not be refused by what is about to be trusted,
    /// although nobody is noted to have taken it back.
    fn let_in_again(&self, next: &Set<'_>) -> BTreeSet<Exclusion> {
        let goes_on = |anchor: &&Certificate| next.trust.trusts(anchor);
        let kept = |served: &ObservedGeneration| {
            let anchors = served.trust.certificates().iter().filter(goes_on).cloned();
            unrecorded(self.observation, &TrustBundle::new(anchors.collect()))
        };
        self.observation.daemons.values().flat_map(ObservedIdentity::served).flat_map(kept).collect()
    }

    pub(super) fn is_emergency(&self) -> bool {
        self.observation.rollover.as_ref().is_some_and(RolloverRecord::is_emergency)
    }

    /// Whether a daemon still trusts a CA that nothing may trust: then it changes whoever is locked out.
    fn has_to_change(&self, served: &ObservedGeneration) -> bool {
        let rollover = self.observation.rollover.as_ref().filter(|rollover| rollover.is_emergency());
        let from = rollover.map(|rollover| rollover.from.as_slice()).unwrap_or_default();
        from.iter()
            .filter_map(|id| self.observation.authority(id))
            .any(|authority| served.trust.trusts(&authority.certificate))
    }

    /// Whether nothing is to let anybody in with that certificate any more. A CA that is only retired may be
    /// served still, by a daemon that was left alone and comes back.
    fn is_of_compromised(&self, leaf: &Certificate) -> bool {
        let record = self.observation.issuer_of(leaf).map(|issuer| &issuer.record);
        record.is_some_and(|record| record.retired.is_some() && record.compromised.is_some())
    }

    /// Whether the rollover does not wait for a client with that certificate.
    fn is_skipped(&self, client: &IdentityName, leaf: &Certificate) -> bool {
        let Some(issuer) = self.observation.issuer_of(leaf) else { return false };
        self.observation
            .rollover
            .as_ref()
            .is_some_and(|rollover| rollover.skipped.contains(client) && rollover.from.contains(&issuer.id))
    }

    /// The CAs that a daemon would trust no more although others may have certificates of them, and those of
    /// which its certificate would be no more although others may trust nothing else.
    fn open_ones_dropped(&self, name: &IdentityName, next: &Set<'_>) -> BTreeSet<AuthorityId> {
        let Some(daemon) = self.observation.daemons.get(name) else { return BTreeSet::new() };
        let finished = self.observation.rollover.as_ref().map(|rollover| &rollover.finished);
        let is_waited_for = |authority: &&ObservedAuthority| {
            authority.record.is_open(self.now)
                && authority.record.is_usable()
                && authority.certificate.validity().not_after >= self.now
                && finished.is_none_or(|finished| !finished.contains(&authority.id))
        };
        let open = self.observation.authorities.iter().filter(is_waited_for);
        let is_lost = |authority: &&ObservedAuthority| {
            let is_of_it = |leaf: &Certificate| leaf.issuer() == authority.certificate.subject();
            let is_served = |served: &ObservedGeneration| {
                is_of_it(served.leaf()) && !served.leaf().usable_names().is_empty() && self.goes_on(served)
            };
            let next_is_of_it = match &next.leaf {
                Leaf::Issued(chain) => chain.iter().any(is_of_it),
                Leaf::Planned { issuer, .. } => self
                    .certificate(issuer)
                    .is_some_and(|issuer| issuer.subject() == authority.certificate.subject()),
            };
            // Of a CA that was restored, clients have what this state gives them: they trust its others too.
            let trust_it_alone = authority.record.open_until == OpenUntil::Always;
            daemon.served().filter(|served| !self.has_to_change(served)).any(|served| {
                let drops =
                    served.trust.trusts(&authority.certificate) && !next.trust.trusts(&authority.certificate);
                drops || (trust_it_alone && !next_is_of_it && is_served(served))
            })
        };
        open.filter(is_lost).map(|authority| authority.id.clone()).collect()
    }

    /// What becomes of a holder that reaches the daemon as it may be. The hosts that it dials and that the
    /// daemon would have no more are added to `missing` where they are why it is out.
    fn fate(
        &self,
        holder: &Holder<'_>,
        name: &IdentityName,
        next: &Set<'_>,
        missing: &mut BTreeSet<SubjectAltName>,
    ) -> Fate {
        let Some(daemon) = self.observation.daemons.get(name) else { return Fate::In };
        let mut fate = Fate::In;
        let credentials = holder.credentials.iter();
        for one in credentials.filter(|one| !self.is_of_compromised(one.leaf())) {
            let is_skipped = self.is_skipped(&holder.client, one.leaf());
            let client = Set {
                leaf: Leaf::Issued(one.chain),
                trust: Cow::Borrowed(one.trust.as_ref()),
                trusts_made: false,
            };
            for served in daemon.served() {
                let mut lost = hosts(&holder.uses, name, served, self.observation);
                lost.retain(|host| {
                    self.reaches(&client, &of(served), host) && !self.reaches(&client, next, host)
                });
                if lost.is_empty() {
                    continue;
                }
                lost.retain(|host| !next.leaf.names(host));
                if !is_skipped && self.goes_on(served) && !self.has_to_change(served) {
                    missing.extend(lost);
                    return Fate::Out;
                }
                let mut hosts = match fate {
                    Fate::OutAnyway(hosts) => hosts,
                    _ => BTreeSet::new(),
                };
                hosts.extend(lost);
                fate = Fate::OutAnyway(hosts);
            }
        }
        fate
    }

    /// Whether a client reaches a daemon with what it may have, and would not with what it is to be given.
    fn locks_itself_out(
        &self,
        name: &IdentityName,
        next: &Set<'_>,
        changed: &BTreeMap<&IdentityName, Set<'_>>,
    ) -> bool {
        let Some(identity) = self.observation.clients.get(name) else { return false };
        let uses = &identity.record.uses;
        let daemons = self.observation.daemons.iter();
        let used = daemons.filter(|one| dials(uses, *one, self.observation) && !one.1.is_retired());
        let used: Vec<_> = used.collect();
        self.in_the_place_of(identity, next).any(|before| {
            used.iter().any(|(daemon, observed)| {
                observed.served().any(|served| {
                    let hosts = hosts(uses, daemon, served, self.observation);
                    hosts.iter().any(|host| {
                        let reached = self.reaches(&of(before), &of(served), host);
                        let is_reached_later = self.reaches(next, &of(served), host)
                            && changed.get(*daemon).is_none_or(|later| self.reaches(next, later, host));
                        reached && !is_reached_later
                    })
                })
            })
        })
    }

    /// What a client on this machine may be using and is to be replaced: the current set, and where an
    /// earlier one is put back, which may not wait, what was current before and may still be installed.
    fn in_the_place_of<'b>(
        &self,
        identity: &'b ObservedIdentity,
        next: &Set<'_>,
    ) -> impl Iterator<Item = &'b ObservedGeneration> {
        let is_put_back = matches!(next.leaf, Leaf::Issued(_));
        let may_be_here = move |one: &&ObservedGeneration| {
            let key = one.leaf().public_key().fingerprint();
            is_put_back && one.key == KeyPresence::Present && identity.record.may_use(&key, one.number)
        };
        identity.current.iter().chain(identity.earlier.iter().filter(may_be_here))
    }

    /// Whether a daemon would go on serving that if nothing were done: its CA can renew it, or it does
    /// not end soon.
    fn goes_on(&self, served: &ObservedGeneration) -> bool {
        let can_renew =
            self.observation.issuer_of(served.leaf()).is_some_and(|issuer| issuer.can_sign(self.now));
        can_renew || served.leaf().validity().not_after > self.now.plus(SWITCH_BEFORE)
    }

    /// Whether what a daemon serves lets that set of a client in, by a host that it uses.
    pub(super) fn lets_in(
        &self,
        uses: &BTreeSet<Use>,
        set: &ObservedGeneration,
        (daemon, served): (&IdentityName, &ObservedGeneration),
    ) -> bool {
        hosts(uses, daemon, served, self.observation)
            .iter()
            .any(|host| self.reaches(&of(set), &of(served), host))
    }

    fn reaches(&self, client: &Set<'_>, daemon: &Set<'_>, host: &SubjectAltName) -> bool {
        if let (Leaf::Issued(client_chain), Leaf::Issued(daemon_chain)) = (&client.leaf, &daemon.leaf) {
            let [client, daemon] = [
                (Role::Client, *client_chain, client.trust.as_ref()),
                (Role::Daemon, *daemon_chain, daemon.trust.as_ref()),
            ]
            .map(|(role, chain, trust)| Credentials { role, chain, key: None, trust });
            return connect(&client, &daemon, host, self.now).is_ok();
        }
        let accepts_daemon = match &daemon.leaf {
            Leaf::Issued(chain) => {
                let (trust, accepts, now) = (client.trust.as_ref(), Role::Daemon, self.now);
                Peer { trust, accepts, host: Some(host), now }.accept(chain).is_ok()
            }
            Leaf::Planned { issuer, .. } => self.trusts(client, issuer) && daemon.leaf.names(host),
        };
        accepts_daemon
            && match &client.leaf {
                Leaf::Issued(chain) => admit(chain, &daemon.trust, self.now).is_ok(),
                Leaf::Planned { issuer, .. } => self.trusts(daemon, issuer),
            }
    }

    fn trusts(&self, set: &Set<'_>, issuer: &AuthorityChoice) -> bool {
        match self.certificate(issuer) {
            None => set.trusts_made,
            Some(issuer) => set.trust.trusts(issuer),
        }
    }
}

/// Whether every name that a bundle excludes is excluded by another one already.
fn excludes_no_more(next: &TrustBundle, served: &TrustBundle) -> bool {
    next.certificates().iter().all(|anchor| {
        let Some(names) = Exclusions::of(anchor) else { return true };
        let before = served.certificates().iter().find(|one| one.is_of_same_authority(anchor));
        let before = before.and_then(Exclusions::of).unwrap_or_default();
        names.iter().all(|name| before.contains(name))
    })
}

fn of(generation: &ObservedGeneration) -> Set<'_> {
    Set { leaf: Leaf::Issued(&generation.chain), trust: Cow::Borrowed(&generation.trust), trusts_made: false }
}
