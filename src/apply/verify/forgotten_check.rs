//! Whether a daemon refuses somebody whom this state lets in: then the state has forgotten that he is revoked, as a copy
//! does from before he was.
//!
//! One certificate with the names of many is refused by whoever excludes any of them, so that a few dials try everybody.

use std::collections::BTreeSet;
use std::time::Instant;

use super::authority_check::{Meant, decided};
use super::client::named;
use super::dial::DialOptions;
use crate::apply::invocation::Invocation;
use crate::message;
use crate::model::{
    DnsName, Endpoint, Exclusion, Failure, Finding, Fingerprint, IdentityName, Message, Printable as _, Rule,
    Severity, SubjectAltName,
};
use crate::plan;
use crate::probe::Outcome;
use crate::store::{Observation, ObservedAuthority};

/// Somebody who is to get in and is refused.
#[derive(Clone, Debug)]
pub(in crate::apply) struct KeptOut {
    client: IdentityName,
    key: Option<Fingerprint>,
}

impl KeptOut {
    /// Who it is.
    fn whom(&self) -> Message {
        match self.key {
            Some(key) => message!("{} with key {}", self.client, key.short()),
            None => self.client.message(),
        }
    }

    /// What is wrong with a daemon that refuses him.
    fn found(&self, daemon: &IdentityName) -> Message {
        message!("{} refuses {}, and this state does not know why", daemon, self.whom())
    }

    /// The command by which the state knows it again.
    fn fix(&self) -> Message {
        let only_key = self.key.map(|key| message!(" --only-key {}", key)).unwrap_or_default();
        message!(
            "{kitcert} revoke {}{}   # and if that is wrong, the same with --undo",
            self.client,
            only_key
        )
    }

    /// What is to be said of a daemon that is seen to refuse him.
    pub(super) fn finding(&self, daemon: &IdentityName) -> Finding {
        Finding::new(Rule::KeptOut, Severity::Error, self.whom())
            .expected("let in")
            .found(self.found(daemon))
            .cause(Rule::KeptOut.cause())
            .fix(self.fix())
    }

    /// Why a daemon is given no other files, and the command that helps: with these he would get in again.
    pub(in crate::apply) fn told(&self, daemon: &IdentityName) -> (Message, Message) {
        let why = message!(
            "{}, so that it was given no other files: {}",
            self.found(daemon),
            Rule::KeptOut.cause()
        );
        (why, self.fix().parted().0)
    }
}

/// The first who is to get in and whom a daemon refuses by name; None where that cannot be tried, since nobody whose
/// certificate can be made here gets in.
///
/// # Errors
/// A key of a CA that cannot be read.
pub(in crate::apply) fn kept_out(
    invocation: &Invocation<'_>,
    observation: &Observation,
    (daemon, endpoint): (&IdentityName, &Endpoint),
    options: &DialOptions,
) -> Result<Option<KeptOut>, Failure> {
    let now = invocation.environment.now();
    let Some(identity) = observation.daemons.get(daemon) else { return Ok(None) };
    let is_trusted =
        |one: &ObservedAuthority| identity.served().any(|served| served.trust.trusts(&one.certificate));
    let mut signers = observation.authorities.iter().filter(|one| one.can_sign(now) && is_trusted(one));
    let Some(signer) = signers.next() else { return Ok(None) };
    let all = names(observation);
    if all.is_empty() {
        return Ok(None);
    }
    let until = Instant::now() + options.deadline;
    let ends = |names: &[DnsName]| -> Result<Ended, Failure> {
        let names = names.iter().cloned().map(SubjectAltName::Dns).collect::<Vec<_>>();
        let client = named(invocation, observation, signer, &names)?;
        let (observed, is_refused) = decided(invocation, &client, endpoint, (options, until), Meant::LetIn);
        Ok(match observed.dials().last().map(|dialed| dialed.outcome) {
            Some(Outcome::Accepted | Outcome::Open) => Ended::LetIn,
            Some(Outcome::Refused(_)) => Ended::Refused,
            Some(Outcome::RefusedByEnd) if is_refused => Ended::Refused,
            _ => Ended::Undecided,
        })
    };
    // All at once: each takes as long as the way there and back.
    let groups: Vec<&[(DnsName, KeptOut)]> = all.chunks(NAMES_AT_ONCE).collect();
    let (known, ended) = std::thread::scope(|threads| {
        let known = threads.spawn(|| ends(&[unused_name()]));
        let ended: Vec<_> = groups.iter().map(|names| threads.spawn(|| ends(&of(names)))).collect();
        let ended: Vec<_> = ended.into_iter().map(|one| one.join().unwrap_or(Ok(Ended::Undecided))).collect();
        (known.join().unwrap_or(Ok(Ended::Undecided)), ended)
    });
    // Of one that lets in nobody with such a name no refusal says anything.
    if known? != Ended::LetIn {
        return Ok(None);
    }
    for (mut names, ended) in groups.into_iter().zip(ended) {
        if ended? != Ended::Refused {
            continue;
        }
        while names.len() > 1 {
            let (some, others) = names.split_at(names.len() / 2);
            names = if ends(&of(some))? == Ended::Refused { some } else { others };
        }
        // Whoever is refused among others is refused alone.
        if let [(_, who)] = names
            && ends(&of(names))? == Ended::Refused
        {
            return Ok(Some(who.clone()));
        }
    }
    Ok(None)
}

/// How a dial ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ended {
    LetIn,
    Refused,
    Undecided,
}

/// The names by which a client that is to get in could be refused, but for those of which the state knows that somebody
/// is, or was, to be refused by them.
fn names(observation: &Observation) -> Vec<(DnsName, KeptOut)> {
    let known = |name: &DnsName| plan::is_recorded(&Exclusion::Dns(name.clone()), observation);
    let listed = observation.inventory.clients.keys().chain(observation.clients.keys());
    let of_clients = listed.map(|client| {
        let who = KeptOut { client: client.clone(), key: None };
        (client.client_dns_name(), who)
    });
    let of_keys = observation.clients.iter().filter_map(|(client, identity)| {
        let key = identity.current.as_ref()?.leaf().public_key().fingerprint();
        Some((key.key_dns_name(), KeptOut { client: client.clone(), key: Some(key) }))
    });
    // A client that is revoked altogether is found by its name, before its key.
    let mut seen = BTreeSet::new();
    let of_all = of_clients.chain(of_keys).filter(|(name, _)| !known(name));
    of_all.filter(|(name, _)| seen.insert(name.as_str().to_owned())).collect()
}

fn of(names: &[(DnsName, KeptOut)]) -> Vec<DnsName> {
    names.iter().map(|(name, _)| name.clone()).collect()
}

/// The name of a key that nobody has.
fn unused_name() -> DnsName {
    Fingerprint::new([0; 32]).key_dns_name()
}

/// Go gives up a chain after 250,000 comparisons of a name with an excluded one, of which there are at most 300.
const NAMES_AT_ONCE: usize = 200;
