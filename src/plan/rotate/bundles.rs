//! What a daemon's bundle is to say now: which CAs it trusts, and whom it excludes.

use super::planner::Planner;
use super::rotation::RotationAction;
use crate::message;
use crate::model::{IdentityName, Message, Role};
use crate::plan::access::{is_renewed, may_let_in, rollover_past, unstoppable};
use crate::plan::exclusions::{is_as_meant, kept_out, same_authorities};
use crate::plan::issuance::next_generation;
use crate::plan::rollover::Rollover;
use crate::plan::signing::bundle_of_daemon;
use crate::plan::steps::{AuthorityChoice, StateStep};
use crate::store::{ObservedGeneration, ObservedIdentity};

impl Planner<'_> {
    /// Gives a daemon the bundle that it is to have, with the certificate that it has; whether that is another.
    pub(super) fn rebundle(&mut self, name: &IdentityName, current: Option<&ObservedGeneration>) -> bool {
        // What has ended is of no use, whomever it trusts.
        let Some(current) = current.filter(|one| one.leaf().validity().not_after >= self.now) else {
            return false;
        };
        let bundle = bundle_of_daemon(self.rollover.as_ref(), self.observation, current, self.now);
        let bundle = bundle.filter(|trust| !self.trusts(current, trust));
        let who = self.rotation.lets_in.get(name).filter(|who| !who.is_empty());
        let to_refuse = || who.map(|who| message!("to refuse {}", Message::few(who, ", ")));
        let what = match &bundle {
            Some(trust) if current.trust.certificates().len() > trust.len() => {
                let is_old = |rollover: &Rollover<'_>| {
                    rollover.from.iter().any(|one| trust.contains(&AuthorityChoice::Of(one.id.clone())))
                };
                match self.rollover.as_ref().is_some_and(|rollover| !is_old(rollover)) {
                    true => message!("the new CA alone is trusted"),
                    false if same_authorities(self.observation, &current.trust).len() == trust.len() => {
                        message!("each CA once in ca.pem")
                    }
                    false => to_refuse().unwrap_or_else(|| message!("a CA is trusted no more")),
                }
            }
            Some(_) => message!("another CA is trusted too"),
            None if is_as_meant(self.observation, &current.trust, self.now) => return false,
            None => {
                let again = || Message::few(kept_out(self.observation, &current.trust), ", ");
                to_refuse().unwrap_or_else(|| message!("to let {} in again", again()))
            }
        };
        let trust = bundle.unwrap_or_else(|| same_authorities(self.observation, &current.trust));
        self.say(Role::Daemon, name, RotationAction::Renewed, what);
        self.rotation.plan.state.push(StateStep::Rebundle {
            role: Role::Daemon,
            name: name.clone(),
            from: current.number,
            chain: current.chain.clone(),
            generation: next_generation(self.observation, Role::Daemon, name),
            trust,
        });
        self.rotation.daemons.push(name.clone());
        true
    }

    /// Of a daemon, only what its bundle excludes.
    pub(super) fn access(&mut self, name: &IdentityName, current: Option<&ObservedGeneration>) {
        if self.rebundle(name, current) || current.is_none() {
            return;
        }
        let reason = match self.rotation.lets_in.get(name) {
            Some(who) => message!("not seen yet to refuse {}", Message::few(who, ", ")),
            // An earlier pass of this run has seen it.
            None if self.facts.has_begun => return,
            // It may have been given other files since.
            None => message!("to be verified again"),
        };
        let daemon = self.observation.daemons.get(name);
        if daemon.is_some_and(ObservedIdentity::has_worked)
            && !self.facts.outdated.contains(&(Role::Daemon, name.clone()))
        {
            self.rotation.verified_again.insert(name.clone());
        }
        self.say(Role::Daemon, name, RotationAction::ToVerify, reason);
        self.rotation.daemons.push(name.clone());
    }

    /// The daemons that nobody renews any more, or that this rotation does nothing about, and that let somebody in whose
    /// access was taken away; and those that let somebody in whom no name stops.
    pub(super) fn report_still_let_in(&mut self) {
        let is_renewed = |name: &IdentityName| {
            let daemon = self.observation.daemons.get(name);
            daemon.is_some_and(|daemon| is_renewed(self.observation, name, daemon))
        };
        for (name, who) in unstoppable(self.observation, None, self.now) {
            let who = who.iter().map(|(who, end)| message!("{} until {}", who, end.date()));
            let todo = message!(
                "STILL LETS IN {}: no daemon can refuse that certificate; next: {}",
                Message::few(who, ", "),
                rollover_past(self.observation, self.now).in_one_line()
            );
            self.rotation.unstoppable.insert(name.clone());
            self.say(Role::Daemon, &name, RotationAction::Reported, todo);
        }
        let left = self.rotation.lets_in.clone().into_iter().filter(|(name, _)| !is_renewed(name));
        for (name, who) in left.collect::<Vec<_>>() {
            let daemon = self.observation.daemons.get(&name);
            let let_in = daemon.map(|daemon| may_let_in(self.observation, (&name, daemon), self.now));
            let client = let_in.into_iter().flatten().find_map(|one| one.client.as_ref());
            let next =
                client.map(|client| message!("; if it is stopped: {kitcert} revoke --seen {}", client));
            let again = match self.observation.inventory.daemons.contains_key(&name) {
                true => message!("renew it again: {kitcert} issue daemon {}", name),
                false => message!("list it again"),
            };
            let todo = message!(
                "STILL LETS IN {}, and nobody renews it: stop it, or {}{}",
                Message::few(&who, ", "),
                again,
                next.unwrap_or_default()
            );
            self.rotation.left_letting_in.insert(name.clone());
            self.say(Role::Daemon, &name, RotationAction::Reported, todo);
        }
        // Others were named, or something of it cannot be read.
        let untouched = |name: &IdentityName| is_renewed(name) && !self.rotation.daemons.contains(name);
        let passed_over = self.rotation.lets_in.clone().into_iter().filter(|(name, _)| untouched(name));
        for (name, who) in passed_over.collect::<Vec<_>>() {
            let who = Message::few(&who, ", ");
            let todo = message!("STILL LETS IN {}; next: {kitcert} rotate {}", who, name);
            self.rotation.left_letting_in.insert(name.clone());
            self.say(Role::Daemon, &name, RotationAction::Reported, todo);
        }
    }
}
