//! `rotate`: what is due is renewed, what is listed and missing is issued, and a daemon that is
//! not verified is restarted and verified again. `ca rollover start` and `abort` are rotations too.
//!
//! ```text
//! rotation         what is asked, what is looked at, and what is to be done
//! planner          a rotation on its way, which the others add their steps to
//! bundles          which CAs a daemon trusts, and whom it excludes
//! direction        whether a rollover begins, turns round or ends
//! rollover_steps   what it means for each identity, and the guard's word
//! prune            what is cleared away
//! faults           what is said of those of whom something cannot be read
//! ```

mod bundles;
mod direction;
mod faults;
mod planner;
mod prune;
mod rollover_steps;
mod rotation;

pub(super) use rotation::follow_up;
use rotation::refuse_unknown;
pub(crate) use rotation::{AuthorityRotation, Rotation, RotationFacts, RotationScope};
pub use rotation::{RotateRequest, RotationAction, RotationRow};

use crate::layout::Renewal;
use crate::message;
use crate::model::profile::KEY_AGE;
use crate::model::{
    Failure, IdentityName, Lifetime, Message, Printable, Role, Rule, SubjectAltName, Timestamp,
};
use crate::plan::exclusions::is_key_revoked;
use crate::plan::identity_state::IdentityState;
use crate::plan::issuance::{is_due, kept_or_new, key_of_client, names_are, next_generation, validity};
use crate::plan::kit::{KitRequest, issuer_of_kit};
use crate::plan::request::KeyRenewal;
use crate::plan::rollover::{RolloverStage, refuse_lost_record};
use crate::plan::steps::{AuthorityChoice, Issuance, KeySource, Reason, Signing, StateStep};
use crate::plan::verification::{VerificationState, verification};
use crate::store::{KeyPresence, Observation, ObservedGeneration, ObservedIdentity};
use planner::{Planner, kind, waiting};

/// Plans a rotation.
///
/// # Errors
/// A name that nobody has, and another CA that cannot be begun. What cannot be done for one identity is
/// told beside what is done for the others.
pub fn rotate(
    request: &RotateRequest,
    observation: &Observation,
    facts: &RotationFacts,
    now: Timestamp,
) -> Result<Rotation, Failure> {
    refuse_unknown(request, observation)?;
    // Whom a daemon refuses waits for no rollover, and begins none.
    let is_access = request.scope == RotationScope::Access;
    if !is_access && matches!(request.authority, AuthorityRotation::IfNeeded | AuthorityRotation::Back) {
        refuse_lost_record(observation)?;
    }
    let mut planner = Planner::new(request, observation, facts, now)?;
    if !is_access && planner.changes_direction()? {
        return Ok(planner.rotation);
    }
    let is_emergency = planner.rotation.is_emergency;
    // Who is shut out with the thief gets its new files with whichever daemon is brought to serve them.
    let is_meant = |role: Role, name: &IdentityName| {
        request.names_it(role, name) || (is_emergency && role == Role::Client)
    };
    let daemons = observation.inventory.daemons.iter();
    // What shuts somebody out is committed for every daemon: whoever is at work on one rolls it out.
    planner.report_faults(&is_meant);
    let pending = planner.rotation.lets_in.clone();
    let is_free =
        |name: &IdentityName| is_emergency || pending.contains_key(name) || !facts.left_alone.contains(name);
    let daemons: Vec<_> = daemons.filter(|(name, _)| is_meant(Role::Daemon, name) && is_free(name)).collect();
    for (name, entry) in daemons {
        planner.daemon(name, &entry.hosts, entry.lifetime)?;
    }
    let clients = observation.inventory.clients.iter();
    let has_clients = !is_access || is_emergency;
    for (name, entry) in clients.filter(|(name, _)| has_clients && is_meant(Role::Client, name)) {
        planner.client(name, entry.renew, entry.lifetime)?;
    }
    planner.report_still_let_in();
    let inventory = &observation.inventory;
    planner.report_unlisted(Role::Daemon, |name| {
        inventory.daemons.contains_key(name) || !is_meant(Role::Daemon, name)
    });
    planner.report_unlisted(Role::Client, |name| {
        inventory.clients.contains_key(name) || !is_meant(Role::Client, name)
    });
    planner.report_strays(&|name| is_meant(Role::Client, name));
    planner.refuse_another_start()?;
    planner.guard();
    planner.report_unverified();
    planner.remove_expired();
    Ok(planner.rotation)
}

impl Planner<'_> {
    fn daemon(
        &mut self,
        name: &IdentityName,
        hosts: &[SubjectAltName],
        lifetime: Lifetime,
    ) -> Result<(), Failure> {
        let identity = self.observation.daemons.get(name);
        if identity.is_some_and(|daemon| daemon.history.retired.is_some())
            || self.is_faulty(Role::Daemon, name)
        {
            return Ok(());
        }
        let current = identity.and_then(|identity| identity.current.as_ref());
        // With what has ended it serves nobody who looks at it, and still lets a thief in who does not.
        let has_ended = |one: &ObservedGeneration| one.leaf().validity().not_after < self.now;
        if self.request.scope == RotationScope::Access && !current.is_some_and(has_ended) {
            self.access(name, current);
            return Ok(());
        }
        let reason = match current {
            None => Some(Reason::NotIssued),
            Some(current) if !names_are(current.leaf(), hosts) => Some(Reason::HostsChanged),
            Some(current) if self.is_key_revoked(current) => Some(Reason::KeyRevoked),
            Some(current) => self.reason_to_renew(Role::Daemon, name, current),
        };
        let signing = self.signing(Role::Daemon, name);
        let rolls = match (&signing, current) {
            (Ok(signing), Some(current)) => self.reason_to_roll(Role::Daemon, current, signing),
            _ => None,
        };
        match (reason.or(rolls), signing) {
            (Some(reason), Ok(signing)) => {
                self.report_left_behind(name, current, &signing);
                let key = self.key(current, kept_or_new(current, self.observation));
                self.issue(Role::Daemon, name, hosts, lifetime, key, reason, signing)?;
                self.rotation.daemons.push(name.clone());
                return Ok(());
            }
            (Some(_), Err(failure)) => self.cannot(Role::Daemon, name, failure),
            (None, _) => {}
        }
        if self.rebundle(name, current) || current.is_none() {
            return Ok(());
        }
        let is_placed = !self.facts.outdated.contains(&(Role::Daemon, name.clone()));
        let reason = match verification(self.observation, name, self.now) {
            _ if !is_placed => message!("other files are installed"),
            VerificationState::Verified(_) => return Ok(()),
            VerificationState::Stale(_, why) => why.message(),
            VerificationState::Unknown => message!("not verified yet"),
        };
        if is_placed && identity.is_some_and(ObservedIdentity::has_worked) {
            self.rotation.verified_again.insert(name.clone());
        }
        self.say(Role::Daemon, name, RotationAction::ToVerify, &reason);
        self.rotation.daemons.push(name.clone());
        Ok(())
    }

    /// The daemons that are not verified and that this rotation does nothing about, since others were
    /// named, or something of theirs cannot be read.
    fn report_unverified(&mut self) {
        let is_passed_over = |name: &&IdentityName| {
            let daemon = self.observation.daemons.get(*name);
            !self.rotation.daemons.contains(name)
                && daemon.is_none_or(|daemon| daemon.history.retired.is_none())
                && (self.is_faulty(Role::Daemon, name)
                    || !verification(self.observation, name, self.now).is_verified())
        };
        let listed = self.observation.inventory.daemons.keys();
        self.rotation.unverified = listed.filter(is_passed_over).cloned().collect();
    }

    fn client(&mut self, name: &IdentityName, renew: Renewal, lifetime: Lifetime) -> Result<(), Failure> {
        let identity = self.observation.clients.get(name);
        if identity.is_some_and(|client| client.record.retired.is_some())
            || self.is_faulty(Role::Client, name)
        {
            return Ok(());
        }
        let current = self.observation.current(Role::Client, name);
        let reason = match current {
            None => Some(Reason::NotIssued),
            Some(current) => self.reason_to_renew(Role::Client, name, current),
        };
        let is_elsewhere = current.is_some_and(|current| current.key == KeyPresence::Absent);
        let signing = self.signing(Role::Client, name);
        let rolls = match (&signing, current) {
            (Ok(signing), Some(current)) => self.reason_to_roll(Role::Client, current, signing),
            _ => None,
        };
        let (reason, signing) = match (reason.or(rolls), signing) {
            (Some(reason), Ok(signing)) => (reason, signing),
            (reason, signing) => {
                if let Err(failure) = signing
                    && reason.is_some()
                {
                    self.cannot(Role::Client, name, failure);
                }
                self.client_as_it_is(name);
                return Ok(());
            }
        };
        if is_elsewhere && current.is_some_and(|one| self.is_key_revoked(one)) {
            let hint = message!("due, and its key is revoked: sign a request of another key with --new-key");
            self.report((Role::Client, name), (Rule::ExpiresSoon, IdentityState::Due), hint);
            return Ok(());
        }
        if is_elsewhere && renew == Renewal::Manual && rolls.is_none() {
            let hint = message!(
                "due, but its key is elsewhere: {kitcert} issue client {}; if nobody needs it: {kitcert} retire client/{}",
                name,
                name
            );
            self.report((Role::Client, name), (Rule::ExpiresSoon, IdentityState::Due), hint);
            return Ok(());
        }
        let terms =
            || KitRequest::waiting(lifetime).terms(name, self.observation, &self.request.user, self.now);
        let kit = match is_elsewhere.then(terms).transpose() {
            Ok(kit) => kit,
            Err(failure) => {
                self.say(Role::Client, name, RotationAction::Reported, "due, and its kit names no daemon");
                self.rotation.unable.push(((Role::Client, name.clone()), failure));
                return Ok(());
            }
        };
        let key = self.key(current, key_of_client(current, self.observation));
        self.issue(Role::Client, name, &[], lifetime, key, reason, signing)?;
        // Copies here keep their own key where it is not in the state any more.
        let has_copies =
            self.observation.inventory.installed(Role::Client, name).is_some_and(|all| !all.is_empty());
        if kit.is_none() || has_copies {
            self.rotation.clients.push(name.clone());
        }
        if let Some(terms) = kit {
            self.rotation.plan.state.extend(terms.use_steps(self.observation));
            self.rotation.plan.state.push(StateStep::Kit(terms));
            let is_old = current.is_some_and(|current| self.is_old(current));
            let rekey = if is_old { "; its key is older than a year" } else { "" };
            let issuer = self.rotation.plan.issuances().last().map(|issuance| &issuance.signing.issuer);
            let issuer = match issuer {
                Some(AuthorityChoice::Of(id)) => self.observation.authority(id),
                Some(AuthorityChoice::Made) | None => None,
            };
            let kit = waiting(self.observation, name, issuer);
            if let Some(row) = self.rotation.rows.last_mut() {
                row.next = Some(message!("{}{}", kit, rekey));
            }
        }
        Ok(())
    }

    /// Of a client that keeps its certificate, what is left to be done.
    fn client_as_it_is(&mut self, name: &IdentityName) {
        let holds = self.rollover.as_ref().is_some_and(|rollover| {
            rollover.stage == RolloverStage::Moving && rollover.clients_left.contains(name)
        });
        if let Some(why) = self.facts.stuck.get(name).filter(|_| holds) {
            let hint = message!(
                "{}; when that is fixed: {kitcert} rotate; or: {kitcert} ca rollover skip {}",
                why,
                name
            );
            self.say_it_waits(Role::Client, name, hint);
        } else if self.is_to_be_confirmed(name) {
            self.rotation.clients.push(name.clone());
        } else if self.facts.outdated.contains(&(Role::Client, name.clone())) {
            self.say(Role::Client, name, RotationAction::Placed, "other files are installed");
            self.rotation.clients.push(name.clone());
        } else if holds {
            let hint = self.what_is_left(name);
            self.say_it_waits(Role::Client, name, hint);
        } else if self.waits_for(name) {
            let kit = waiting(self.observation, name, issuer_of_kit(name, self.observation));
            let reason = message!(
                "{}; once it is joined: {kitcert} confirm {}; if nobody needs it: {kitcert} retire client/{}",
                kit,
                name,
                name
            );
            self.report((Role::Client, name), (Rule::KitWaiting, IdentityState::KitWaiting), reason);
        }
    }

    /// Says what a person has to do, unless kitcert.yaml accepts that nobody does.
    fn report(
        &mut self,
        (role, name): (Role, &IdentityName),
        (rule, state): (Rule, IdentityState),
        reason: Message,
    ) {
        let found = state.message();
        if self.observation.inventory.accepted((role, name), (rule, &found), self.now).is_none() {
            self.say(role, name, RotationAction::Reported, reason);
        }
    }

    /// Nobody can sign for it: in a rollover that waits, else it is a failure of its own.
    fn cannot(&mut self, role: Role, name: &IdentityName, failure: Failure) {
        match self.rollover.is_some() {
            true => {
                let hint =
                    failure.remedy().map(|hint| message!("; {}", hint.in_one_line())).unwrap_or_default();
                let reason = message!("due, and waits: {}{}", failure.what_was_found(), hint);
                self.say(role, name, RotationAction::Reported, reason);
            }
            false => {
                self.say(role, name, RotationAction::Reported, "due, and no CA can sign");
                self.rotation.unable.push(((role, name.clone()), failure));
            }
        }
    }

    /// Whether a kit waits for a client whose previous certificate still lets it in; a client that
    /// nothing lets in any more asks by itself.
    fn waits_for(&self, name: &IdentityName) -> bool {
        self.observation.waiting_kits.contains(name) && !self.facts.lapsed.contains(name)
    }

    fn reason_to_renew(
        &self,
        role: Role,
        name: &IdentityName,
        current: &ObservedGeneration,
    ) -> Option<Reason> {
        if is_due(self.observation, role, name, current, self.now) {
            return Some(Reason::Due);
        }
        // Once, in however many passes it is done.
        let is_asked = self.request.scope == RotationScope::Forced && self.request.names_it(role, name);
        (is_asked && !self.facts.has_begun).then_some(Reason::Asked)
    }

    /// The key as it would be renewed; a new one where that was asked for or it is old, and where
    /// it is made here.
    fn key(&self, current: Option<&ObservedGeneration>, kept: KeySource) -> KeySource {
        let is_over = self.request.key == KeyRenewal::Fresh
            || self.rotation.is_emergency
            || current.is_some_and(|one| self.is_old(one) || self.is_key_revoked(one));
        match kept {
            KeySource::Kept { .. } if is_over => KeySource::New(self.observation.inventory.leaf_key()),
            kept => kept,
        }
    }

    /// Whether a set has a key that is to let nobody in any more.
    fn is_key_revoked(&self, current: &ObservedGeneration) -> bool {
        is_key_revoked(&current.leaf().public_key().fingerprint(), self.observation)
    }

    /// Whether the first certificate of a key was issued more than a year ago.
    fn is_old(&self, current: &ObservedGeneration) -> bool {
        let key = current.leaf().public_key();
        let of_key = self.observation.issued.iter().filter(|one| one.public_key() == key);
        let first = of_key.map(|one| one.validity().not_before).min();
        first.is_some_and(|first| self.now.seconds_since(first) > KEY_AGE.seconds())
    }

    #[expect(clippy::too_many_arguments, reason = "each is a part of the certificate")]
    fn issue(
        &mut self,
        role: Role,
        name: &IdentityName,
        hosts: &[SubjectAltName],
        lifetime: Lifetime,
        key: KeySource,
        reason: Reason,
        signing: Signing,
    ) -> Result<(), Failure> {
        let validity = validity(self.observation, &signing, lifetime, self.now);
        let is_first = matches!(reason, Reason::NotIssued);
        let action = if is_first { RotationAction::Issued } else { RotationAction::Renewed };
        self.rotation.rows.push(RotationRow {
            kind: kind(role),
            name: name.message(),
            action,
            reason: reason.as_str().message(),
            next: None,
            expires: Some(validity.not_after),
            identity: Some((role, name.clone())),
            holds_rollover: false,
        });
        self.rotation.plan.state.push(StateStep::Issue(Issuance {
            role,
            name: name.clone(),
            hosts: hosts.to_vec(),
            validity,
            generation: next_generation(self.observation, role, name),
            key,
            reason,
            signing,
        }));
        self.remove_needless_generations(role, name);
        Ok(())
    }

    /// What was taken out of kitcert.yaml is never deleted: its certificates are good until they end.
    fn report_unlisted(&mut self, role: Role, is_listed: impl Fn(&IdentityName) -> bool) {
        let observation = self.observation;
        for (name, identity) in observation.identities(role).iter().filter(|(name, _)| !is_listed(name)) {
            let is_told = self.rollover.as_ref().is_some_and(|rollover| rollover.clients_left.contains(name))
                || identity.is_retired()
                || self.is_faulty(role, name);
            let Some(current) = identity.current.as_ref().filter(|_| !is_told) else { continue };
            let end = current.leaf().validity().not_after;
            if end >= self.now && self.opens_something(current) {
                let reason = message!(
                    "not in kitcert.yaml; its certificate is valid until {}; if nobody needs it: {kitcert} retire {}/{}",
                    end.date(),
                    role,
                    name
                );
                self.report((role, name), (Rule::NotListed, IdentityState::NotListed), reason);
            }
        }
    }
}
