//! From one CA to another, without locking anybody out.
//!
//! Which CAs take part, in which direction and why is stored ([`RolloverRecord`]). How far it is, is
//! derived each time: from what each daemon may serve and what each client may hold.
//!
//! ```text
//! a daemon serves    A  not the new CA's clients, a certificate of a previous CA
//!                    B  clients of both, a certificate of a previous CA
//!                    D  clients of both, a certificate of the new CA
//!                    C  clients of the new CA alone, with a certificate of it
//!                    X  one or another of these: it was changed and nothing was verified since
//! a client's key     k0 no certificate of the new CA, or none with its bundle
//!                    k1 one was handed out, and may not have arrived
//!                    k2 nothing else is in use any more
//!
//! stage      while                          daemons                    clients
//! Overlap    some daemon is A or X          get both CAs to trust      renewed by the previous CA
//! Moving     all are B, C or D              as they are                get one of the new CA
//! Switching  every key is k2 or excused     to C, one by one           get one of the new CA
//! Done       every daemon is C              the record goes            drop the previous CA when renewed
//! ```
//!
//! Where no daemon counts, since all are retired or not in kitcert.yaml, it is done when every key is k2 or
//! excused: one that comes back serves what it served.
//!
//! An emergency knows no stage: every daemon goes to C at once, and the record goes when a client of the
//! previous CA is refused everywhere.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Serialize;

use super::fault::is_faulty;
use super::holders::{Holder, MaybeInUse, holders, unread};
use super::steps::{AuthorityChoice, Signing};
use crate::message;
use crate::model::{AuthorityId, Failure, IdentityName, Message, Role, Timestamp};
use crate::pki::Certificate;
use crate::store::{
    KeyPresence, Observation, ObservedAuthority, ObservedGeneration, ObservedIdentity, RolloverKind,
    RolloverRecord,
};

/// How far a rollover is. Each stage waits for all daemons, or for all clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum RolloverStage {
    /// Every daemon is to trust both CAs, and keeps its certificate.
    Overlap,
    /// Every client is to get a certificate of the new CA.
    Moving,
    /// Every daemon is to get a certificate of the new CA, and to trust it alone.
    Switching,
    /// Every daemon serves the new CA alone.
    Done,
}

/// A rollover that is under way.
pub(super) struct Rollover<'a> {
    pub(super) record: &'a RolloverRecord,
    pub(super) to: &'a ObservedAuthority,
    pub(super) from: Vec<&'a ObservedAuthority>,
    pub(super) stage: RolloverStage,
    /// The daemons that do not serve yet what the stage asks of them.
    pub(super) daemons_left: BTreeSet<IdentityName>,
    /// The clients of which a key may still need a previous CA.
    pub(super) clients_left: BTreeSet<IdentityName>,
    /// The CAs that daemons trust besides: they take no part in it.
    pub(super) kept: Vec<&'a ObservedAuthority>,
    /// The previous CAs of which there may be certificates that nobody here knows of.
    pub(super) open: BTreeSet<AuthorityId>,
    /// The certificates that cannot be read and that nobody here is known to have: any client's.
    pub(super) unread: Vec<&'a Failure>,
    /// Whether it goes back from a CA of which nobody has a certificate.
    is_unused: bool,
    /// In an emergency, the previous CAs of which nobody can try whether their clients are refused.
    pub(super) untried: BTreeSet<AuthorityId>,
}

/// How far a rollover is, for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct RolloverProgress {
    /// The CA that everything is moved to.
    pub to: AuthorityId,
    /// Whether nothing of the previous CAs may be trusted any more.
    pub compromised: bool,
    /// The stage, from 1 to 3.
    pub stage: u8,
    /// What happens in it.
    pub doing: &'static str,
    /// Whom it waits for.
    pub waits_for: BTreeSet<Message>,
    /// What a person does next about it; null where that is not a matter of commands.
    pub next: Option<Message>,
}

impl<'a> Rollover<'a> {
    /// The one that is under way, of an observation of what is in use.
    ///
    /// # Errors
    /// A CA of it that the state does not have.
    pub(super) fn of(observation: &'a Observation, now: Timestamp) -> Result<Option<Rollover<'a>>, Failure> {
        let Some(record) = &observation.rollover else { return Ok(None) };
        let to = known(observation, &record.to)?;
        let from = record.from.iter().map(|id| known(observation, id)).collect::<Result<Vec<_>, _>>()?;
        let is_over = |one: &ObservedAuthority| one.certificate.validity().not_after < now;
        let is_untried = |one: &&&ObservedAuthority| {
            one.key == KeyPresence::Absent && !is_over(one) && !record.finished.contains(&one.id)
        };
        let untried = from.iter().filter(|_| record.is_emergency()).filter(is_untried);
        let mut rollover = Rollover {
            record,
            to,
            untried: untried.map(|one| one.id.clone()).collect(),
            open: from
                .iter()
                .filter(|one| one.record.is_open(now) && !is_over(one) && !record.finished.contains(&one.id))
                .map(|one| one.id.clone())
                .collect(),
            from,
            kept: observation.kept_for_clients(now).collect(),
            unread: unread(observation).map(|(_, failure)| failure).collect(),
            stage: RolloverStage::Overlap,
            daemons_left: BTreeSet::new(),
            clients_left: BTreeSet::new(),
            is_unused: false,
        };
        let holders = holders(observation, now);
        let daemons: Vec<(&IdentityName, &ObservedIdentity)> = daemons(observation).collect();
        // Back from a CA of which nobody has a certificate: nobody is locked out where that is trusted still, or no more.
        let mut former = rollover.from.iter();
        rollover.is_unused =
            record.kind == RolloverKind::Back && !former.any(|one| is_held(one, observation, &holders));
        let names = |holds: &dyn Fn(&ObservedIdentity) -> bool| -> BTreeSet<IdentityName> {
            let without = daemons.iter().filter(|(_, daemon)| !holds(daemon));
            without.map(|(name, _)| (*name).clone()).collect()
        };
        let mut unswitched = names(&|daemon| rollover.serves(daemon, &|one| rollover.is_switched(one)));
        if record.is_emergency() {
            // Whoever is not renewed any more lets the thief in all the same.
            let others = observation.daemons.iter().filter(|(name, daemon)| {
                (daemon.is_retired() || !observation.inventory.daemons.contains_key(*name))
                    && rollover.lets_in_former(daemon, now)
            });
            unswitched.extend(others.map(|(name, _)| name.clone()));
        }
        let unspread = names(&|daemon| rollover.serves(daemon, &|one| rollover.is_trusted_by(one)));
        for holder in &holders {
            if !rollover.has_moved(holder) && !record.skipped.contains(&holder.client) {
                rollover.clients_left.insert(holder.client.clone());
            }
        }
        // Nor does anybody know that they have moved whose files cannot be read.
        let faulty = observation.clients.iter().filter(|(_, client)| is_faulty(client));
        let waited_for = faulty.map(|(name, _)| name).filter(|name| !record.skipped.contains(*name));
        rollover.clients_left.extend(waited_for.cloned());
        let have_all_moved =
            rollover.clients_left.is_empty() && rollover.open.is_empty() && rollover.unread.is_empty();
        (rollover.stage, rollover.daemons_left) = if unswitched.is_empty()
            && rollover.untried.is_empty()
            && (record.is_emergency() || !daemons.is_empty() || have_all_moved)
        {
            (RolloverStage::Done, BTreeSet::new())
        } else if record.is_emergency() {
            (RolloverStage::Switching, unswitched)
        } else if !unspread.is_empty() {
            (RolloverStage::Overlap, unspread)
        } else if have_all_moved {
            (RolloverStage::Switching, unswitched)
        } else {
            (RolloverStage::Moving, BTreeSet::new())
        };
        Ok(Some(rollover))
    }

    /// Whether everything that a daemon may serve is so, and that is known from the wire.
    fn serves(&self, daemon: &ObservedIdentity, is_so: &dyn Fn(&ObservedGeneration) -> bool) -> bool {
        // Of what cannot be read nobody knows whether it serves that.
        let is_seen = daemon.has_worked() || daemon.worked_before.is_some();
        daemon.fault.is_none() && (is_seen || self.is_unused) && daemon.served().all(is_so)
    }

    /// Whether a daemon may let in clients of a CA that nothing may trust, for as long as its own certificate
    /// is good.
    fn lets_in_former(&self, daemon: &ObservedIdentity, now: Timestamp) -> bool {
        let from = self.from.iter().filter(|one| !self.record.finished.contains(&one.id));
        let previous: Vec<&Certificate> = from.map(|one| &one.certificate).collect();
        daemon.served().any(|served| {
            let is_good = served.leaf().validity().not_after >= now;
            is_good && previous.iter().any(|authority| served.trust.trusts(authority))
        })
    }

    fn is_trusted_by(&self, set: &ObservedGeneration) -> bool {
        set.trust.trusts(&self.to.certificate)
    }

    /// Whether a daemon's set is of the new CA alone, but for those that take no part in the rollover.
    pub(super) fn is_switched(&self, set: &ObservedGeneration) -> bool {
        let stays = |anchor: &Certificate| {
            let mut all = std::iter::once(&self.to).chain(&self.kept);
            all.any(|one| one.certificate.is_of_same_authority(anchor))
        };
        self.is_of_target(set.leaf()) && self.is_trusted_by(set) && set.trust.certificates().iter().all(stays)
    }

    /// Whether the new CA has issued it.
    pub(super) fn is_of_target(&self, leaf: &Certificate) -> bool {
        leaf.issuer() == self.to.certificate.subject()
    }

    /// Whether all that may be in use of a key works with the new CA alone.
    pub(super) fn has_moved(&self, holder: &Holder<'_>) -> bool {
        let is_of_former =
            |leaf: &Certificate| self.from.iter().any(|one| one.certificate.subject() == leaf.issuer());
        // What another CA has signed opens nothing, before and after.
        let mut credentials = holder.credentials.iter();
        credentials.all(|one| match self.is_of_target(one.leaf()) {
            true => one.trust.trusts(&self.to.certificate),
            false => !is_of_former(one.leaf()),
        })
    }

    /// The CAs that clients trust until it is over, and daemons until they switch.
    pub(super) fn both(&self, role: Role) -> Vec<AuthorityChoice> {
        let parts = std::iter::once(self.to).chain(self.from.iter().copied());
        parts.map(choice).chain(self.besides(role)).collect()
    }

    /// The CAs that an identity of that role trusts besides.
    fn besides(&self, role: Role) -> impl Iterator<Item = AuthorityChoice> {
        self.kept.iter().filter(move |_| role == Role::Daemon).map(|one| choice(one))
    }

    /// The new CA signs, and of those that take part in it, it alone is trusted.
    pub(super) fn new_alone(&self, role: Role) -> Signing {
        let trust = std::iter::once(choice(self.to)).chain(self.besides(role)).collect();
        Signing { issuer: choice(self.to), trust }
    }

    /// What a person does next about it.
    fn next(&self) -> Option<Message> {
        let rotate = || message!("{kitcert} rotate");
        if self.record.is_emergency() || !self.daemons_left.is_empty() {
            return Some(rotate());
        }
        let waits =
            self.stage == RolloverStage::Moving && !(self.clients_left.is_empty() && self.open.is_empty());
        // What ends the waiting locks out whoever has not moved: no command to paste without a look.
        if waits || !self.untried.is_empty() {
            return Some(message!("{kitcert} rotate --dry-run"));
        }
        self.unread.is_empty().then(rotate)
    }

    /// For a person.
    pub(super) fn progress(&self) -> RolloverProgress {
        let (stage, doing) = match self.stage {
            _ if self.record.is_emergency() => {
                (3, "every daemon is to trust only the new CA, and to refuse the previous CA's clients")
            }
            RolloverStage::Overlap => (1, "every daemon is to trust both CAs"),
            RolloverStage::Moving => (2, "every client is to get a certificate of the new CA"),
            RolloverStage::Switching | RolloverStage::Done => {
                (3, "every daemon is to get a certificate of the new CA, and to trust only that CA")
            }
        };
        let mut waits_for: BTreeSet<Message> =
            self.daemons_left.iter().map(|name| message!("daemon {}", name)).collect();
        if self.stage == RolloverStage::Moving {
            waits_for.extend(self.clients_left.iter().map(|name| message!("client {}", name)));
            waits_for.extend(self.unread.iter().map(|failure| message!("whoever has {}", failure.subject())));
            waits_for.extend(self.open.iter().map(|id| message!("unknown holders of CA {}", id)));
        }
        waits_for.extend(self.untried.iter().map(|id| message!("{kitcert} ca rollover finish {}", id)));
        let compromised = self.record.is_emergency();
        let next = self.next();
        RolloverProgress { to: self.to.id.clone(), compromised, stage, doing, waits_for, next }
    }
}

/// Whether somebody may have a certificate that a CA has issued.
pub(super) fn is_held(
    authority: &ObservedAuthority,
    observation: &Observation,
    holders: &[Holder<'_>],
) -> bool {
    let served = observation.daemons.values().flat_map(ObservedIdentity::served);
    let held = holders.iter().flat_map(|holder| &holder.credentials);
    let mut leaves = served.map(ObservedGeneration::leaf).chain(held.map(MaybeInUse::leaf));
    leaves.any(|leaf| leaf.issuer() == authority.certificate.subject())
}

/// The CAs of which a state shows a rollover, of which rollover.json says nothing: without one, a single CA
/// is in use. Which way it went and why is not guessed.
fn of_lost_record(observation: &Observation) -> Vec<&ObservedAuthority> {
    let in_use = observation.authorities.iter();
    let in_use = in_use.filter(|one| one.record.retired.is_none() && !one.record.clients_only);
    let in_use: Vec<_> = in_use.filter(|_| observation.rollover.is_none()).collect();
    if in_use.len() > 1 { in_use } else { Vec::new() }
}

/// Refuses to go on with a rollover whose rollover.json is gone.
///
/// # Errors
/// Such a state: which CAs are in use, and how a person says what is meant.
pub(crate) fn refuse_lost_record(observation: &Observation) -> Result<(), Failure> {
    let in_use = of_lost_record(observation);
    if in_use.is_empty() {
        return Ok(());
    }
    let names = |all: &[&ObservedAuthority]| Message::join(all.iter().map(|one| one.id.short()), " and ");
    let bad: Vec<_> = in_use.iter().copied().filter(|one| one.record.compromised.is_some()).collect();
    let failure = Failure::new("reading", observation.path.join("rollover.json").display())
        .expected(message!("which rollover is in progress, since CA {} are in use", names(&in_use)))
        .found("no such file");
    Err(match bad.first() {
        Some(bad) => failure.hint(message!(
            "{kitcert} ca rollover start --compromised={}   # or restore rollover.json from a backup",
            bad.id
        )),
        None => failure.hint(
            "{kitcert} ca rollover start   # from all of them to another CA, or restore rollover.json from a \
             backup",
        ),
    })
}

/// How far the rollover is that is under way, of an observation of what is in use.
///
/// # Errors
/// A CA of it that the state does not have.
pub(crate) fn rollover_progress(
    observation: &Observation,
    now: Timestamp,
) -> Result<Option<RolloverProgress>, Failure> {
    Ok(Rollover::of(observation, now)?.map(|rollover| rollover.progress()))
}

/// The daemons of kitcert.yaml that have a certificate, or may have one, and are not retired.
pub(super) fn daemons(observation: &Observation) -> impl Iterator<Item = (&IdentityName, &ObservedIdentity)> {
    let listed = observation.inventory.daemons.keys();
    listed
        .filter_map(|name| observation.daemons.get_key_value(name))
        .filter(|(_, daemon)| (daemon.current.is_some() || daemon.fault.is_some()) && !daemon.is_retired())
}

fn known<'a>(observation: &'a Observation, id: &AuthorityId) -> Result<&'a ObservedAuthority, Failure> {
    observation.authority(id).ok_or_else(|| {
        Failure::new("going on with the CA rollover of", observation.path.display())
            .expected(message!("ca/{}, which takes part in it", id))
            .found("nothing there")
            .hint("restore that folder from a backup of the state")
    })
}

pub(super) fn choice(authority: &ObservedAuthority) -> AuthorityChoice {
    AuthorityChoice::Of(authority.id.clone())
}

/// Why no CA of the state can sign.
pub(super) fn no_authority(observation: &Observation, now: Timestamp) -> Failure {
    let failure = Failure::new("issuing with the CA of", observation.path.display())
        .expected("a valid CA whose key is here");
    let another = "{kitcert} ca rollover start   # move everything to a new CA, before what is issued ends";
    match observation.active_authority() {
        None => failure.found("no CA"),
        Some(ObservedAuthority { key_fault: Some(fault), .. }) => fault.clone(),
        Some(authority) if authority.key == KeyPresence::Absent => {
            failure.found(message!("no key.pem in ca/{}", authority.id)).hint(another)
        }
        Some(authority) if now > authority.certificate.validity().not_after => failure
            .found(message!("one that expired on {}", authority.certificate.validity().not_after.date()))
            .hint(another),
        Some(authority) => failure.found(message!(
            "one that is valid from {} (is the clock right?)",
            authority.certificate.validity().not_before
        )),
    }
}
