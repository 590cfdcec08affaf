//! Whether a daemon refuses somebody whom this state lets in, or serves what this state has not issued: then the state
//! has forgotten that he is revoked, or its key, as a copy does from before that.
//!
//! One certificate with the names of many is refused by whoever excludes any of them, so that a few dials try everybody.
//! They come one by one, since a proxy may limit connections.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

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
use crate::pki::{DistinguishedName, Exclusions, TrustBundle};
use crate::plan;
use crate::probe::{Asked as ProbeAsked, DialResults, Handshake, Outcome};
use crate::store::{Interest, Observation, ObservedAuthority, ObservedIdentity, observe};

/// What a daemon does that the state would know the reason of, if it were not an old copy of itself.
#[derive(Clone, Debug)]
pub(crate) struct Forgotten {
    /// What it does, and the command by which the state knows the reason again.
    pub finding: Finding,
    /// What else it may be.
    pub doubt: Message,
    /// Whether the state can take in what it serves, once that is noted.
    pub is_leaf: bool,
}

impl Forgotten {
    /// What it does, and what else that may be.
    #[must_use]
    pub(crate) fn told(&self) -> Message {
        match self.doubt.is_empty() {
            true => self.finding.found.clone(),
            false => message!("{}; {}", self.finding.found, self.doubt),
        }
    }

    /// The command by which the state knows the reason again.
    #[must_use]
    pub(crate) fn fix(&self) -> Message {
        self.finding.fix.clone().unwrap_or_else(|| self.finding.rule.fix().message())
    }

    /// Says this instead of what else would be advised; the last line.
    pub(super) fn take_over(self, findings: &mut Vec<Finding>, of_verdict: &mut [Finding]) -> Message {
        findings.retain(|one| one.rule != Rule::UnknownLeaf || !self.is_leaf);
        findings.iter_mut().chain(of_verdict).for_each(|one| (one.fix, one.note) = (None, None));
        let line = message!("not verified: {}", self.finding.found);
        findings.push(self.finding);
        line
    }

    fn of_leaf(daemon: &IdentityName, finding: Finding, doubt: Message) -> Forgotten {
        let found = message!("{} serves {}", daemon, finding.found);
        Forgotten { finding: finding.found(found), doubt, is_leaf: true }
    }

    /// Of those who are to get in one is refused: one, where there was time to find out which.
    fn of_clients(daemon: &IdentityName, who: &[Whose]) -> Forgotten {
        let one = |(client, key): &Whose| match key {
            Some(key) => message!("{} with key {}", client, key.short()),
            None => client.message(),
        };
        let whom = Message::few(who.iter().map(one), ", ");
        let (whom, fix) = match who {
            [(client, None)] => (whom, message!("{kitcert} revoke {}", client)),
            [(client, Some(key))] => (whom, message!("{kitcert} revoke {} --only-key {}", client, key)),
            _ => (message!("one of {}", whom), message!("{kitcert} recover")),
        };
        let finding = Finding::new(Rule::KeptOut, Severity::Error, &whom)
            .expected("let in")
            .found(message!("{} refuses {}, and this state does not know why", daemon, whom))
            .cause(Rule::KeptOut.cause())
            .fix(match who.len() {
                1 => message!("{}   # and if that is wrong, the same with --undo", fix),
                _ => fix,
            });
        let doubt = match who.len() {
            1 => message!(
                "it may be a copy from before that; if that is wrong, the same with --undo afterwards"
            ),
            _ => message!("it may be a copy from before that"),
        };
        Forgotten { finding, doubt, is_leaf: false }
    }

    /// Of several CAs that it has trusted all the time it refuses one.
    fn of_authority(daemon: &IdentityName, authority: &ObservedAuthority) -> Forgotten {
        let id = &authority.id;
        let finding = Finding::new(Rule::KeptOut, Severity::Error, message!("clients of CA {}", id.short()))
            .expected("let in")
            .found(message!("{} refuses clients of CA {}, which this state trusts", daemon, id.short()))
            .cause(Rule::KeptOut.cause())
            .fix(message!("{kitcert} ca rollover start --compromised={}", id.short()));
        let doubt = message!("it may be a copy from before that CA was given up");
        Forgotten { finding, doubt, is_leaf: false }
    }
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
        let nobody = client::nobody(one.observation, message!("nobody"));
        let (observed, _) = one.dialed(&nobody);
        let Some(handshake) = observed.handshake() else { return Ok(None) };
        if let Some(leaf) = one.serves_unknown(handshake) {
            return Ok(Some(leaf));
        }
        // One that answers is asked for as long as it takes to tell whom it refuses.
        let until = one.until.max(Instant::now() + LONGEST);
        Asked { until, ..*one }.kept_out()
    })
}

/// The same of a daemon that was dialed already, and what was seen of it.
///
/// # Errors
/// A state that cannot be read, and a key of a CA that cannot.
pub(super) fn forgotten_by(
    invocation: &Invocation<'_>,
    (daemon, handshake): ((&IdentityName, &Endpoint), &Handshake),
    options: &DialOptions,
) -> Result<Option<Forgotten>, Failure> {
    asked(invocation, daemon, options, |one| match one.serves_unknown(handshake) {
        Some(leaf) => Ok(Some(leaf)),
        None => one.kept_out(),
    })
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
#[derive(Clone, Copy)]
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
    fn serves_unknown(&self, handshake: &Handshake) -> Option<Forgotten> {
        let served = handshake.leaf()?;
        let unknown = served_leaf::unknown(self.invocation, self.observation, &served);
        if let Some(finding) = unknown.filter(|one| one.severity == Severity::Error) {
            return Some(Forgotten::of_leaf(self.name, finding, Message::default()));
        }
        // A proxy may have a certificate of its own, and let our clients in.
        let trusted = self.identity.current.as_ref().map(|current| current.trust.subjects());
        let is_ours = |name: &DistinguishedName| trusted.iter().flatten().any(|subject| *subject == name);
        if matches!(&handshake.asked, ProbeAsked::For(names) if names.iter().any(is_ours)) {
            return None;
        }
        let (finding, doubt) =
            served_leaf::of_another(self.invocation, self.observation, self.name, &served)?;
        Some(Forgotten::of_leaf(self.name, finding, doubt))
    }

    fn kept_out(&self) -> Result<Option<Forgotten>, Failure> {
        let all = names(self.invocation, self.observation, (self.name, self.identity));
        let ends = |signer: &ObservedAuthority, names: &[Name]| {
            self.ends_as(signer, names.iter().map(|(name, _)| name.clone()).collect())
        };
        let nobodys = |signer: &ObservedAuthority| self.ends_as(signer, vec![unused_name()]);
        let mut refused = None;
        let mut who = None;
        let mut is_asked = false;
        for signer in self.signers() {
            match nobodys(signer)? {
                Ended::Refused if self.has_trusted(signer) => refused = refused.or(Some(signer)),
                // Of one that lets in nobody with such a name, or not each time, no refusal says anything.
                Ended::LetIn if !is_asked => {
                    is_asked = true;
                    who = self.refused_of(&all, &|names| ends(signer, names), &|| nobodys(signer))?;
                }
                _ => {}
            }
        }
        Ok(match (who, refused) {
            (Some(who), _) => Some(Forgotten::of_clients(self.name, &who)),
            (None, Some(authority)) if is_asked => Some(Forgotten::of_authority(self.name, authority)),
            _ => None,
        })
    }

    /// Of those with these names the one that is refused; several, where the time was over before it was found.
    fn refused_of(
        &self,
        all: &[Name],
        ends: &dyn Fn(&[Name]) -> Result<Ended, Failure>,
        nobodys: &dyn Fn() -> Result<Ended, Failure>,
    ) -> Result<Option<Vec<Whose>>, Failure> {
        for mut names in all.chunks(NAMES_AT_ONCE) {
            if ends(names)? != Ended::Refused {
                continue;
            }
            while names.len() > 1 {
                let (some, others) = names.split_at(names.len() / 2);
                names = match ends(some)? {
                    Ended::Refused => some,
                    Ended::LetIn => others,
                    Ended::Undecided => break,
                };
            }
            // Once the time is over a refusal stands as it was seen.
            for _ in 0..CONFIRMATIONS {
                if ends(names)? == Ended::LetIn || nobodys()? == Ended::Refused {
                    return Ok(None);
                }
            }
            return Ok(Some(names.iter().map(|(_, who)| who.clone()).collect()));
        }
        Ok(None)
    }

    /// Whether it was verified, and trusts a CA by whatever it may serve, and by what stands at its place.
    fn has_trusted(&self, authority: &ObservedAuthority) -> bool {
        let there = trust_there(self.invocation, self.observation, self.name);
        !self.identity.history.worked.is_empty()
            && there.is_none_or(|there| there.trusts(&authority.certificate))
            && self.identity.served().all(|served| served.trust.trusts(&authority.certificate))
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

/// A client, or one of its keys.
type Whose = (IdentityName, Option<Fingerprint>);

/// A name by which somebody could be refused, and whose it is.
type Name = (DnsName, Whose);

/// The names by which a client that is to get in could be refused, but for those that something excludes which the state
/// knows of: what is revoked, what the daemon has had and was taken back, and what stands where it reads its files.
fn names(
    invocation: &Invocation<'_>,
    observation: &Observation,
    (name, daemon): (&IdentityName, &ObservedIdentity),
) -> Vec<Name> {
    // It may have taken up what stands at its place.
    let there = trust_there(invocation, observation, name).unwrap_or_default();
    let anchors = daemon.served().flat_map(|served| served.trust.certificates()).chain(there.certificates());
    let excluded: Vec<Exclusions> = anchors.filter_map(Exclusions::of).collect();
    let is_known = |name: &DnsName| {
        let name = Exclusion::Dns(name.clone());
        plan::is_refusal_known(&name, daemon, observation) || excluded.iter().any(|all| all.contains(&name))
    };
    let leaves = plan::clients_in_use(observation, invocation.environment.now());
    // What is known of a client may have ended, and it may have been renewed since.
    let clients = leaves.iter().map(|(client, _)| client).chain(observation.clients.keys());
    let of_clients = clients.map(|client| (client.client_dns_name(), (client.clone(), None)));
    let of_keys = leaves.iter().map(|(client, leaf)| {
        let key = leaf.public_key().fingerprint();
        (key.key_dns_name(), (client.clone(), Some(key)))
    });
    // A client that is revoked altogether is found by its name, before its key.
    let mut seen = BTreeSet::new();
    let of_all = of_clients.chain(of_keys).filter(|(name, _)| !is_known(name));
    of_all.filter(|(name, _)| seen.insert(name.as_str().to_owned())).collect()
}

/// Whom the files let in that stand where a daemon reads its own.
fn trust_there(
    invocation: &Invocation<'_>,
    observation: &Observation,
    name: &IdentityName,
) -> Option<TrustBundle> {
    let there = placed(invocation, observation, name)?.there?;
    TrustBundle::from_pem(&there.authority, name).ok()
}

/// The name of a key that nobody has.
fn unused_name() -> DnsName {
    Fingerprint::new([0; 32]).key_dns_name()
}

/// Go gives up a chain after 250,000 comparisons of a name with an excluded one, of which there are at most 300.
const NAMES_AT_ONCE: usize = 200;
/// How often a refusal is seen again, beside somebody whom nothing refuses: behind one name there may be several daemons.
const CONFIRMATIONS: usize = 2;
/// How long one that answers is asked: whom of very many it refuses takes a while to find out.
const LONGEST: Duration = Duration::from_secs(60);
