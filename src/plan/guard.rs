//! Whom a change would lock out, before it counts.
//!
//! For every key that a client may be using and each daemon that it uses: the client must reach what the
//! daemon may serve and what it is about to serve, with what it may hold and with what it is about to be
//! given. Each change is judged as if the others took effect and as if they did not, so that a restart
//! that fails, a crash or a rollback locks nobody out. Who is out already counts for nothing.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::holders::{Holder, holders};
use super::steps::{AuthorityChoice, Plan, Signing, StateStep};
use crate::model::profile::SWITCH_BEFORE;
use crate::model::{IdentityName, Role, SubjectAltName, Timestamp};
use crate::pki::judge::{Credentials, Peer, admit, connect};
use crate::pki::{Certificate, TrustBundle};
use crate::store::{Observation, ObservedGeneration, Use};

/// A change of one identity that would lock clients out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LockOut {
    /// Whose change.
    pub role: Role,
    /// Whose change.
    pub name: IdentityName,
    /// Whom it would lock out.
    pub clients: BTreeSet<IdentityName>,
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

/// What a guard looks at.
struct Guard<'a> {
    observation: &'a Observation,
    now: Timestamp,
}

/// Whether a plan can lock anybody out who is not looked at by an observation of what is current: then
/// what clients may still hold has to be observed too.
pub(crate) fn needs_holders(plan: &Plan, observation: &Observation) -> bool {
    let guard = Guard { observation, now: Timestamp::from_unix(0) };
    guard.changed(plan, Role::Daemon).iter().any(|(name, next)| !guard.only_adds(name, next))
}

/// The changes of a plan that would lock somebody out. The daemons' come first, and the clients' are
/// judged beside the daemons' that lock nobody out.
pub(crate) fn lock_outs(
    plan: &Plan,
    observation: &Observation,
    allowed: &BTreeSet<IdentityName>,
    now: Timestamp,
) -> Vec<LockOut> {
    let guard = Guard { observation, now };
    let mut found = Vec::new();
    let mut daemons = guard.changed(plan, Role::Daemon);
    let harmful = daemons.iter().any(|(name, next)| !guard.only_adds(name, next));
    let holders = if harmful { holders(observation, now) } else { Vec::new() };
    daemons.retain(|name, next| {
        let clients: BTreeSet<IdentityName> = match guard.only_adds(name, next) {
            true => BTreeSet::new(),
            false => holders
                .iter()
                .filter(|holder| guard.is_locked_out(holder, name, next))
                .map(|holder| holder.client.clone())
                .filter(|client| !allowed.contains(client))
                .collect(),
        };
        let is_harmless = clients.is_empty();
        if !is_harmless {
            found.push(LockOut { role: Role::Daemon, name: (*name).clone(), clients });
        }
        is_harmless
    });
    for (name, next) in guard.changed(plan, Role::Client) {
        if !allowed.contains(name) && guard.locks_itself_out(name, &next, &daemons) {
            found.push(LockOut {
                role: Role::Client,
                name: name.clone(),
                clients: BTreeSet::from([name.clone()]),
            });
        }
    }
    found
}

impl<'a> Guard<'a> {
    /// What each identity of that role is about to have.
    fn changed(&self, plan: &'a Plan, role: Role) -> BTreeMap<&'a IdentityName, Set<'a>> {
        let sets = plan.state.iter().filter_map(|step| match step {
            StateStep::Issue(issuance) if issuance.role == role => {
                let Signing { issuer, trust } = &issuance.signing;
                let leaf = Leaf::Planned { issuer, hosts: &issuance.hosts };
                Some((&issuance.name, self.set(leaf, trust)))
            }
            StateStep::Rebundle { role: of, name, chain, trust, .. } if *of == role => {
                Some((name, self.set(Leaf::Issued(chain), trust)))
            }
            _ => None,
        });
        sets.collect()
    }

    fn set(&self, leaf: Leaf<'a>, trust: &[AuthorityChoice]) -> Set<'a> {
        let certificate = |choice: &AuthorityChoice| self.certificate(choice).cloned();
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

    /// Whether a daemon's change takes nothing away from anybody: its certificate is of the same CA and
    /// for as many hosts, and it trusts whomever it may trust now.
    fn only_adds(&self, name: &IdentityName, next: &Set<'_>) -> bool {
        let Some(daemon) = self.observation.daemons.get(name) else { return true };
        daemon.served().all(|served| {
            let names = served.leaf().usable_names();
            let is_of_same = match &next.leaf {
                Leaf::Issued(chain) => chain.first() == Some(served.leaf()),
                Leaf::Planned { issuer, hosts } => {
                    let issuer = self.certificate(issuer).map(Certificate::subject);
                    issuer == Some(served.leaf().issuer()) && names.iter().all(|name| hosts.contains(name))
                }
            };
            let anchors = next.trust.certificates();
            is_of_same && served.trust.certificates().iter().all(|anchor| anchors.contains(anchor))
        })
    }

    /// Whether a holder reaches the daemon as it may be, and would not as it is to be.
    fn is_locked_out(&self, holder: &Holder<'_>, name: &IdentityName, next: &Set<'_>) -> bool {
        let Some(daemon) = self.observation.daemons.get(name) else { return false };
        // Nothing lets in any more whom a CA has signed that is retired.
        let is_out = |leaf: &Certificate| {
            self.observation.issuer_of(leaf).is_some_and(|issuer| issuer.record.retired.is_some())
        };
        holder.credentials.iter().filter(|credentials| !is_out(credentials.leaf())).any(|credentials| {
            let client = Set {
                leaf: Leaf::Issued(credentials.chain),
                trust: Cow::Borrowed(credentials.trust.as_ref()),
                trusts_made: false,
            };
            daemon.served().filter(|served| self.goes_on(served)).any(|served| {
                let hosts = hosts(&holder.uses, name, served);
                hosts.iter().any(|host| {
                    self.reaches(&client, &of(served), host) && !self.reaches(&client, next, host)
                })
            })
        })
    }

    /// Whether a client reaches a daemon with what it has, and would not with what it is to be given.
    fn locks_itself_out(
        &self,
        name: &IdentityName,
        next: &Set<'_>,
        changed: &BTreeMap<&IdentityName, Set<'_>>,
    ) -> bool {
        let Some(identity) = self.observation.clients.get(name) else { return false };
        let Some(current) = &identity.current else { return false };
        let before = of(current);
        let uses = &identity.record.uses;
        let is_used = |daemon: &IdentityName| uses.is_empty() || uses.iter().any(|one| one.daemon == *daemon);
        self.observation.daemons.iter().filter(|(daemon, _)| is_used(daemon)).any(|(daemon, observed)| {
            observed.served().any(|served| {
                let hosts = hosts(uses, daemon, served);
                hosts.iter().any(|host| {
                    let reached = self.reaches(&before, &of(served), host);
                    let is_reached_later = self.reaches(next, &of(served), host)
                        && changed.get(daemon).is_none_or(|later| self.reaches(next, later, host));
                    reached && !is_reached_later
                })
            })
        })
    }

    /// Whether a daemon would go on serving that if nothing were done: its CA can renew it, or it does
    /// not end soon.
    fn goes_on(&self, served: &ObservedGeneration) -> bool {
        let can_renew =
            self.observation.issuer_of(served.leaf()).is_some_and(|issuer| issuer.can_sign(self.now));
        can_renew || served.leaf().validity().not_after > self.now.plus(SWITCH_BEFORE)
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
            Leaf::Planned { issuer, hosts } => {
                self.trusts(client, issuer) && hosts.iter().any(|one| one.covers(host))
            }
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
            Some(issuer) => set.trust.certificates().contains(issuer),
        }
    }
}

fn of(generation: &ObservedGeneration) -> Set<'_> {
    Set { leaf: Leaf::Issued(&generation.chain), trust: Cow::Borrowed(&generation.trust), trusts_made: false }
}

/// The hosts by which a client with those uses dials a daemon; where none are known, all of its
/// certificate.
fn hosts(uses: &BTreeSet<Use>, daemon: &IdentityName, served: &ObservedGeneration) -> Vec<SubjectAltName> {
    match uses.is_empty() {
        true => served.leaf().usable_names(),
        false => uses.iter().filter(|one| one.daemon == *daemon).map(|one| one.host.clone()).collect(),
    }
}

/// Whether a client gets in with that set at some daemon that it uses, by what the daemons may serve; of a
/// state without daemons nothing speaks against it.
pub(crate) fn is_let_in_by_some_daemon(
    name: &IdentityName,
    set: &ObservedGeneration,
    observation: &Observation,
    now: Timestamp,
) -> bool {
    let Some(identity) = observation.clients.get(name) else { return true };
    let uses = &identity.record.uses;
    let is_used = |daemon: &IdentityName| uses.is_empty() || uses.iter().any(|one| one.daemon == *daemon);
    let mut used = observation.daemons.iter().filter(|(daemon, _)| is_used(daemon)).peekable();
    used.peek().is_none()
        || used.any(|(_, daemon)| {
            daemon.served().next().is_some()
                && daemon.served().all(|served| admit(&set.chain, &served.trust, now).is_ok())
        })
}
