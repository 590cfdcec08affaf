//! Whether a daemon refuses somebody whom this state lets in, or serves what this state has not issued: then the state
//! has forgotten that he is revoked, or its key, as a copy does from before that.
//!
//! One certificate with the names of many is refused by whoever excludes any of them, so that a few dials try everybody.
//! They come one by one, since a proxy may limit connections.

use std::collections::BTreeSet;
use std::time::Instant;

use super::authority_check::{Meant, decided};
use super::client::{self, Client};
use super::dial::DialOptions;
use super::served_leaf;
use crate::apply::change::placed;
use crate::apply::invocation::Invocation;
use crate::message;
use crate::model::{
    DnsName, Endpoint, Exclusion, Failure, Finding, Fingerprint, IdentityName, Message, Printable as _, Rule,
    Severity, SubjectAltName,
};
use crate::pki::{Exclusions, TrustBundle};
use crate::plan;
use crate::probe::{DialResults, Handshake, Outcome};
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
    pub(crate) fn fix(&self) -> Message {
        match self.0.as_slice() {
            [(client, None)] => message!("{kitcert} revoke {}", client),
            [(client, Some(key))] => message!("{kitcert} revoke {} --only-key {}", client, key),
            _ => message!("{kitcert} recover"),
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
            .fix(match self.0.len() {
                1 => message!("{}   # and if that is wrong, the same with --undo", self.fix()),
                _ => self.fix(),
            })
    }
}

/// What a daemon does that the state would know the reason of, if it were not an old copy of itself.
#[derive(Debug)]
pub(in crate::apply) enum Forgotten {
    /// It refuses somebody who is to get in.
    Refuses(KeptOut),
    /// It serves a certificate that the state has not issued.
    Serves(Box<Finding>),
}

/// The first of these that a daemon does. What cannot be tried is not in it: no client, where nobody whose certificate can
/// be made here gets in.
///
/// # Errors
/// A state that cannot be read, and a key of a CA that cannot.
pub(in crate::apply) fn forgotten(
    invocation: &Invocation<'_>,
    daemon: (&IdentityName, &Endpoint),
    options: &DialOptions,
) -> Result<Option<Forgotten>, Failure> {
    asked(invocation, daemon, options, |one| {
        if let Some(finding) = one.serves_unknown()? {
            return Ok(Some(Forgotten::Serves(Box::new(finding))));
        }
        Ok(one.kept_out()?.map(Forgotten::Refuses))
    })
}

/// The first who is to get in and whom a daemon refuses by name; None where that cannot be tried, since nobody whose
/// certificate can be made here gets in.
///
/// # Errors
/// A state that cannot be read, and a key of a CA that cannot.
pub(super) fn kept_out(
    invocation: &Invocation<'_>,
    daemon: (&IdentityName, &Endpoint),
    options: &DialOptions,
) -> Result<Option<KeptOut>, Failure> {
    asked(invocation, daemon, options, |one| one.kept_out())
}

fn asked<T>(
    invocation: &Invocation<'_>,
    (name, endpoint): (&IdentityName, &Endpoint),
    options: &DialOptions,
    ask: impl Fn(&Asked<'_>) -> Result<Option<T>, Failure>,
) -> Result<Option<T>, Failure> {
    let Some(directory) = invocation.open()? else { return Ok(None) };
    let observation = &observe(&directory, &Interest::InUse)?;
    let Some(identity) = observation.daemons.get(name) else { return Ok(None) };
    let until = Instant::now() + options.deadline;
    ask(&Asked { invocation, observation, name, identity, endpoint, options, until })
}

/// A daemon that is asked, for so long.
struct Asked<'a> {
    invocation: &'a Invocation<'a>,
    observation: &'a Observation,
    name: &'a IdentityName,
    identity: &'a ObservedIdentity,
    endpoint: &'a Endpoint,
    options: &'a DialOptions,
    until: Instant,
}

impl Asked<'_> {
    /// What is wrong with the certificate that it serves, if the state has not issued it.
    fn serves_unknown(&self) -> Result<Option<Finding>, Failure> {
        let nobody = client::nobody(self.observation, message!("nobody"));
        let (observed, _) = self.dialed(&nobody);
        let Some(served) = observed.handshake().and_then(Handshake::leaf) else { return Ok(None) };
        let unknown = served_leaf::unknown(self.invocation, self.observation, &served);
        if let Some(finding) = unknown.filter(|one| one.severity == Severity::Error) {
            return Ok(Some(finding));
        }
        let Some(finding) = served_leaf::of_another(self.invocation, self.observation, self.name, &served)
        else {
            return Ok(None);
        };
        // A proxy may have a certificate of its own, and hand our clients on.
        for signer in self.signers() {
            if self.ends_as(signer, vec![unused_name()])? == Ended::LetIn {
                return Ok(None);
            }
        }
        Ok(Some(finding))
    }

    fn kept_out(&self) -> Result<Option<KeptOut>, Failure> {
        let all = names(self.invocation, self.observation, (self.name, self.identity));
        let ends = |signer: &ObservedAuthority, names: &[Name]| {
            self.ends_as(signer, names.iter().map(|(name, _)| name.clone()).collect())
        };
        for signer in self.signers() {
            // Of one that lets in nobody with such a name, or not each time, no refusal says anything.
            let nobodys = || self.ends_as(signer, vec![unused_name()]);
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

    /// The CAs of which a certificate can be made here and that it trusts: whom it is to refuse with its CA is let in
    /// again by nothing.
    fn signers(&self) -> impl Iterator<Item = &ObservedAuthority> {
        let now = self.invocation.environment.now();
        let current = self.identity.current.as_ref();
        self.observation.authorities.iter().filter(move |one| {
            one.can_sign(now) && current.is_some_and(|current| current.trust.trusts(&one.certificate))
        })
    }

    /// How a client ends that has those names.
    fn ends_as(&self, signer: &ObservedAuthority, names: Vec<DnsName>) -> Result<Ended, Failure> {
        let names: Vec<_> = names.into_iter().map(SubjectAltName::Dns).collect();
        let client = client::named(self.invocation, self.observation, signer, &names)?;
        let (observed, is_refused) = self.dialed(&client);
        Ok(match observed.dials().last().map(|dialed| dialed.outcome) {
            Some(Outcome::Accepted | Outcome::Open) => Ended::LetIn,
            Some(Outcome::Refused(_)) => Ended::Refused,
            Some(Outcome::RefusedByEnd) if is_refused => Ended::Refused,
            _ => Ended::Undecided,
        })
    }

    fn dialed(&self, client: &Client) -> (DialResults, bool) {
        decided(self.invocation, client, self.endpoint, (self.options, self.until), Meant::LetIn)
    }
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
/// knows of: what is revoked, what the daemon has had and was taken back, and what stands where it reads its files.
fn names(
    invocation: &Invocation<'_>,
    observation: &Observation,
    (name, daemon): (&IdentityName, &ObservedIdentity),
) -> Vec<Name> {
    // It may have taken up what stands at its place.
    let there = placed(invocation, observation, name).and_then(|placed| placed.there);
    let there =
        there.and_then(|there| TrustBundle::from_pem(&there.authority, name).ok()).unwrap_or_default();
    let anchors = daemon.served().flat_map(|served| served.trust.certificates()).chain(there.certificates());
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
