//! Whether a daemon refuses somebody whom this state lets in: then the state has forgotten that he is revoked, as a copy
//! does from before he was.
//!
//! One certificate with the names of many is refused by whoever excludes any of them, so that a few dials try everybody.
//! They come one by one, since a proxy may limit connections.

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
use crate::pki::Exclusions;
use crate::plan;
use crate::probe::Outcome;
use crate::store::{Interest, Observation, ObservedAuthority, ObservedIdentity, observe};

/// Those who are to get in and of whom one is refused: one, where there was time to find out which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeptOut(Vec<(IdentityName, Option<Fingerprint>)>);

impl KeptOut {
    /// Who it is.
    #[must_use]
    pub(crate) fn whom(&self) -> Message {
        let one = |(client, key): &(IdentityName, Option<Fingerprint>)| match key {
            Some(key) => message!("{} with key {}", client, key.short()),
            None => client.message(),
        };
        Message::few(self.0.iter().map(one), " or ")
    }

    /// The command by which the state knows it again.
    #[must_use]
    pub(crate) fn fix(&self, daemon: &IdentityName) -> Message {
        match self.0.as_slice() {
            [(client, None)] => message!("{kitcert} revoke {}", client),
            [(client, Some(key))] => message!("{kitcert} revoke {} --only-key {}", client, key),
            _ => message!("{kitcert} verify {}", daemon),
        }
    }

    /// What is wrong with a daemon that refuses him.
    #[must_use]
    pub(crate) fn found(&self, daemon: &IdentityName) -> Message {
        message!("{} refuses {}, and this state does not know why", daemon, self.whom())
    }

    /// What is to be said of a daemon that is seen to refuse him.
    pub(super) fn finding(&self, daemon: &IdentityName) -> Finding {
        Finding::new(Rule::KeptOut, Severity::Error, self.whom())
            .expected("let in")
            .found(self.found(daemon))
            .cause(Rule::KeptOut.cause())
            .fix(message!("{}   # and if that is wrong, the same with --undo", self.fix(daemon)))
    }

    /// Why a daemon is given no other files: with these he would get in again.
    #[must_use]
    pub(in crate::apply) fn why(&self, daemon: &IdentityName) -> Message {
        message!("{}, so that it was given no other files: {}", self.found(daemon), Rule::KeptOut.cause())
    }
}

/// The first who is to get in and whom a daemon refuses by name; None where that cannot be tried, since nobody whose
/// certificate can be made here gets in.
///
/// # Errors
/// A state that cannot be read, and a key of a CA that cannot.
pub(in crate::apply) fn kept_out(
    invocation: &Invocation<'_>,
    (daemon, endpoint): (&IdentityName, &Endpoint),
    options: &DialOptions,
) -> Result<Option<KeptOut>, Failure> {
    let now = invocation.environment.now();
    let Some(directory) = invocation.open()? else { return Ok(None) };
    let observation = &observe(&directory, &Interest::InUse)?;
    let Some(identity) = observation.daemons.get(daemon) else { return Ok(None) };
    let all = names(invocation, observation, identity);
    let until = Instant::now() + options.deadline;
    let ends_as = |signer: &ObservedAuthority, names: Vec<DnsName>| -> Result<Ended, Failure> {
        let names: Vec<_> = names.into_iter().map(SubjectAltName::Dns).collect();
        let client = named(invocation, observation, signer, &names)?;
        let (observed, is_refused) = decided(invocation, &client, endpoint, (options, until), Meant::LetIn);
        Ok(match observed.dials().last().map(|dialed| dialed.outcome) {
            Some(Outcome::Accepted | Outcome::Open) => Ended::LetIn,
            Some(Outcome::Refused(_)) => Ended::Refused,
            Some(Outcome::RefusedByEnd) if is_refused => Ended::Refused,
            _ => Ended::Undecided,
        })
    };
    let ends = |signer: &ObservedAuthority, names: &[Name]| {
        ends_as(signer, names.iter().map(|(name, _)| name.clone()).collect())
    };
    // Whom a daemon is to refuse with its CA is let in again by nothing.
    let is_tried = |one: &&ObservedAuthority| {
        let current = identity.current.as_ref();
        one.can_sign(now) && current.is_some_and(|current| current.trust.trusts(&one.certificate))
    };
    for signer in observation.authorities.iter().filter(is_tried) {
        // Of one that lets in nobody with such a name, or not each time, no refusal says anything.
        let nobodys = || ends_as(signer, vec![unused_name()]);
        if all.is_empty() || nobodys()? != Ended::LetIn {
            continue;
        }
        for mut names in all.chunks(NAMES_AT_ONCE) {
            if ends(signer, names)? != Ended::Refused {
                continue;
            }
            while names.len() > 1 {
                let (some, others) = names.split_at(names.len() / 2);
                names = match ends(signer, some)? {
                    Ended::Refused => some,
                    Ended::LetIn => others,
                    Ended::Undecided => break,
                };
            }
            // Once the time is over a refusal stands as it was seen.
            for _ in 0..CONFIRMATIONS {
                if ends(signer, names)? == Ended::LetIn || nobodys()? == Ended::Refused {
                    return Ok(None);
                }
            }
            return Ok(Some(KeptOut(names.iter().map(|(_, who)| who.clone()).collect())));
        }
        return Ok(None);
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

/// A name by which somebody could be refused, and whose it is.
type Name = (DnsName, (IdentityName, Option<Fingerprint>));

/// The names by which a client that is to get in could be refused, but for those that something excludes which the state
/// knows of: what is revoked, and what the daemon has and was taken back.
fn names(invocation: &Invocation<'_>, observation: &Observation, daemon: &ObservedIdentity) -> Vec<Name> {
    let anchors = daemon.served().flat_map(|served| served.trust.certificates());
    let excluded: Vec<Exclusions> = anchors.filter_map(Exclusions::of).collect();
    let is_known = |name: &DnsName| {
        let name = Exclusion::Dns(name.clone());
        plan::is_refusal_known(&name, daemon, observation) || excluded.iter().any(|all| all.contains(&name))
    };
    let leaves = plan::clients_in_use(observation, invocation.environment.now());
    let of_clients = leaves.iter().map(|(client, _)| (client.client_dns_name(), (client.clone(), None)));
    let of_keys = leaves.iter().map(|(client, leaf)| {
        let key = leaf.public_key().fingerprint();
        (key.key_dns_name(), (client.clone(), Some(key)))
    });
    // A client that is revoked altogether is found by its name, before its key.
    let mut seen = BTreeSet::new();
    let of_all = of_clients.chain(of_keys).filter(|(name, _)| !is_known(name));
    of_all.filter(|(name, _)| seen.insert(name.as_str().to_owned())).collect()
}

/// The name of a key that nobody has.
fn unused_name() -> DnsName {
    Fingerprint::new([0; 32]).key_dns_name()
}

/// Go gives up a chain after 250,000 comparisons of a name with an excluded one, of which there are at most 300.
const NAMES_AT_ONCE: usize = 200;
/// How often a refusal is seen again, beside somebody whom nothing refuses: behind one name there may be several daemons.
const CONFIRMATIONS: usize = 2;
