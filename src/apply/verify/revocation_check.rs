//! Where somebody's access was taken away: whether the daemon uses the ca.pem that says so, and refuses him.
//!
//! The bundle of a daemon excludes one name that is made from all others in it. Whoever shows a certificate
//! with that name is refused by a daemon that uses this very bundle, and let in by one that uses another: so
//! it is seen that a change has taken effect, the second revocation as well as one that is taken back.

use std::time::{Duration, Instant};

use super::authority_check::{self, Meant, decided};
use super::client::{Client, as_it_is, named};
use super::dial::DialOptions;
use crate::apply::invocation::Invocation;
use crate::message;
use crate::model::{
    DnsName, Endpoint, Exclusion, Failure, Finding, IdentityName, Message, Printable as _, Role, Rule,
    Severity, SubjectAltName, Timestamp,
};
use crate::pki::Exclusions;
use crate::plan::{self, can_be_told_by_name, changes, in_question, own_client, whom};
use crate::probe::{Dial, NotTried, Outcome, Verdict};
use crate::store::{Observation, ObservedAuthority, ObservedGeneration, ObservedIdentity, Revocation};

/// Whether a daemon lets in and refuses by what its ca.pem says, so that it is seen of each whether he gets in: at the
/// most it has another clock, or takes a daemon's certificate for a client's.
pub(super) fn tells_clients_apart(verdict: &Verdict) -> bool {
    let mut faults = verdict.findings.iter().filter(|one| one.severity >= Severity::Error).peekable();
    let is_apart = |one: &Finding| matches!(one.rule, Rule::ExpiredAccepted | Rule::WrongUsageAccepted);
    verdict.verified || faults.peek().is_some() && faults.all(is_apart)
}

/// The first who is let in and is not to be, or the other way round, of those whom ca.pem alone tells apart: the
/// clients of each CA, and whoever is revoked.
pub(super) fn finding(
    invocation: &Invocation<'_>,
    observation: &Observation,
    daemon: (&IdentityName, &Endpoint),
    options: &DialOptions,
) -> Result<Option<Finding>, Failure> {
    let began = Instant::now();
    match authority_check::finding(invocation, observation, daemon, options)? {
        Some(finding) => Ok(Some(finding)),
        None => {
            let left = options.within(options.deadline.saturating_sub(began.elapsed()));
            of_excluded(invocation, observation, daemon, (&left, Counts::Tls))
        }
    }
}

/// The first whom a daemon answers although its bundle excludes him, where TLS lets strangers in: whoever is only
/// turned away above TLS says nothing of its bundle.
pub(super) fn answered(
    invocation: &Invocation<'_>,
    observation: &Observation,
    daemon: (&IdentityName, &Endpoint),
    options: &DialOptions,
) -> Result<Option<Finding>, Failure> {
    let finding = of_excluded(invocation, observation, daemon, (options, Counts::Answers))?;
    Ok(finding.filter(|one| matches!(one.rule, Rule::NotRevokedYet | Rule::RevokedAccepted)))
}

/// What counts as being let in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Counts {
    /// A handshake.
    Tls,
    /// A call that is answered.
    Answers,
}

/// The first who is let in although the daemon's current bundle excludes him.
fn of_excluded(
    invocation: &Invocation<'_>,
    observation: &Observation,
    (name, endpoint): (&IdentityName, &Endpoint),
    (options, counts): (&DialOptions, Counts),
) -> Result<Option<Finding>, Failure> {
    let now = invocation.environment.now();
    let Some(current) = observation.current(Role::Daemon, name) else { return Ok(None) };
    let until = Instant::now() + options.deadline;
    let try_once = |client: &Client, meant| {
        let (observed, is_refused) = decided(invocation, client, endpoint, (options, until), meant);
        match observed.dials().last().map(|dialed| (dialed.outcome, dialed.message())) {
            Some((Outcome::Refused(_), _)) => Ended::Refused,
            Some((Outcome::RefusedByEnd, _)) if is_refused => Ended::Refused,
            Some((Outcome::Open | Outcome::Accepted, _)) => Ended::LetIn,
            _ if counts == Counts::Answers && meant == Meant::LetIn => Ended::LetIn,
            _ if counts == Counts::Answers => Ended::Refused,
            Some((Outcome::LetIn, _)) => Ended::LetIn,
            Some((_, why)) => Ended::Undecided(why),
            None => Ended::Undecided(message!("it was not dialed")),
        }
    };
    // Behind a name that leads to several, each dial may reach another; but one verdict is one.
    let try_as = |client: &Client, meant| {
        let began = Instant::now();
        let mut ended = try_once(client, meant);
        for _ in 1..LOOKS {
            let is_as_meant = match meant {
                Meant::LetIn => matches!(ended, Ended::LetIn),
                Meant::Refused => matches!(ended, Ended::Refused),
            };
            if !is_as_meant || !options.pace.is_zero() || began.elapsed() >= LONGEST_REPEAT {
                break;
            }
            match try_once(client, meant) {
                Ended::Undecided(_) => break,
                other => ended = other,
            }
        }
        ended
    };
    let as_named = |authority: &ObservedAuthority, name: &DnsName, meant| {
        let name = SubjectAltName::Dns(name.clone());
        named(invocation, observation, authority, &[name]).map(|client| try_as(&client, meant))
    };
    let of = (observation, name);
    let excluding = excluding(observation, current);
    for (authority, canary) in excluding.iter().filter(|(authority, _)| authority.can_sign(now)) {
        if let Some(finding) = stale(name, as_named(authority, canary, Meant::Refused)?) {
            return Ok(Some(finding));
        }
        let Some(newest) = newest(observation, now) else { continue };
        let excluded = newest.excluded.iter().find_map(dns_name);
        if let Some(excluded) = excluded
            && let Some(finding) = let_in(newest, as_named(authority, excluded, Meant::Refused)?)
        {
            return Ok(Some(finding));
        }
    }
    let signer = observation.signer(Some(&current.trust), now);
    if let Some(authority) = signer.filter(|_| excluding.is_empty()) {
        // A bundle from before a revocation that is noted excludes nobody.
        let newest = newest(observation, now);
        let excluded = newest.and_then(|one| Some((one, one.excluded.iter().find_map(dns_name)?)));
        if let Some((newest, name)) = excluded
            && let Some(finding) = let_in(newest, as_named(authority, name, Meant::Refused)?)
        {
            return Ok(Some(finding));
        }
        // A bundle without a canary is known by none: one from before may exclude any of them.
        for (undone, name) in lifted(observation, now).into_iter().filter(|_| excluded.is_none()) {
            if let Some(finding) = kept_out(undone, as_named(authority, name, Meant::LetIn)?, of) {
                return Ok(Some(finding));
            }
        }
    }
    let in_question = in_question(observation, name, now);
    for change in changes(observation, now) {
        // What was tried by name is tried.
        if can_be_told_by_name(observation, change, current, now) {
            continue;
        }
        let finding = match own_client(observation, change, current, now) {
            Some(own) => {
                let client = as_it_is(invocation, observation, own)?;
                match change.undone {
                    None => let_in(change, try_as(&client, Meant::Refused)),
                    Some(_) => kept_out(change, try_as(&client, Meant::LetIn), of),
                }
            }
            None => in_question.contains(&change).then(|| untried(change)),
        };
        if finding.is_some() {
            return Ok(finding);
        }
    }
    Ok(None)
}

/// The latest change that nobody has seen in effect, where there is neither a client nor a CA's key to dial with.
pub(super) fn unseen(observation: &Observation, daemon: &IdentityName, now: Timestamp) -> Option<Finding> {
    in_question(observation, daemon, now).first().map(|change| untried(change))
}

/// The first whom the daemon's own ca.pem excludes although he is to get in again, where it was seen to use it: it is
/// stricter than it is to be, and lets nobody in who is not to.
pub(super) fn kept_out_by_current(
    observation: &Observation,
    daemon: &IdentityName,
    now: Timestamp,
) -> Option<Finding> {
    let current = observation.current(Role::Daemon, daemon)?;
    let is_excluded = |name: &DnsName| {
        let name = Exclusion::Dns(name.clone());
        let mut excluded = current.trust.certificates().iter().filter_map(Exclusions::of);
        excluded.any(|all| all.contains(&name))
    };
    let (undone, _) = lifted(observation, now).into_iter().find(|(_, name)| is_excluded(name))?;
    kept_out(undone, Ended::Refused, (observation, daemon))
}

/// Nothing here can try whether a change has taken effect.
fn untried(change: &Revocation) -> Finding {
    let who = whom(change);
    let meant = if change.undone.is_none() { "refused" } else { "let in again" };
    let finding = Finding::new(Rule::RevokedNotTried, Severity::Error, &who).expected(meant).found(message!(
        "nothing here can try whether {} is {}: the key of the CA is not here",
        who,
        meant
    ));
    match plan::word(change) {
        Some(word) => finding.fix(word),
        None => finding,
    }
}

/// What has changed and cannot be tried here.
pub(super) fn not_tried(observation: &Observation, daemon: &IdentityName, now: Timestamp) -> Vec<NotTried> {
    let why = |one: &Revocation| message!("{}: no key of the CA is here", whom(one));
    let untried = plan::untried(observation, daemon, now).into_iter();
    untried.map(|one| NotTried { dial: Dial::Revoked, why: why(one) }).collect()
}

/// How the dial of somebody whose access was changed ended.
enum Ended {
    Refused,
    LetIn,
    Undecided(Message),
}

fn stale(name: &IdentityName, ended: Ended) -> Option<Finding> {
    let subject = message!("whoever the current ca.pem of {} excludes", name);
    let finding = |rule, found| Finding::new(rule, Severity::Error, subject).expected("refused").found(found);
    match ended {
        Ended::Refused => None,
        Ended::LetIn => {
            let found =
                message!("{} does not use its current ca.pem: whoever that excludes gets in still", name);
            let cause = "it was not restarted since ca.pem changed, or nothing there heeds name constraints";
            Some(finding(Rule::NotRevokedYet, found).cause(cause).fix(message!("{kitcert} rotate {}", name)))
        }
        Ended::Undecided(why) => {
            let found = message!("whether {} uses its current ca.pem came to no verdict: {}", name, why);
            Some(finding(Rule::Inconclusive, found))
        }
    }
}

fn let_in(revocation: &Revocation, ended: Ended) -> Option<Finding> {
    let who = whom(revocation);
    let finding = |rule, severity| Finding::new(rule, severity, &who).expected("refused");
    match ended {
        Ended::Refused => None,
        Ended::LetIn => {
            let found = message!("{} is let in, who is revoked", who);
            Some(finding(Rule::RevokedAccepted, Severity::Critical).found(found))
        }
        Ended::Undecided(why) => {
            let found = message!("whether {} is refused came to no verdict: {}", who, why);
            Some(finding(Rule::Inconclusive, Severity::Error).found(found))
        }
    }
}

/// Who is to get in again.
fn kept_out(
    revocation: &Revocation,
    ended: Ended,
    (observation, daemon): (&Observation, &IdentityName),
) -> Option<Finding> {
    let who = whom(revocation);
    let finding =
        |rule, found| Finding::new(rule, Severity::Error, &who).expected("let in again").found(found);
    match ended {
        Ended::LetIn => None,
        Ended::Refused => {
            let is_retired = observation.daemons.get(daemon).is_some_and(ObservedIdentity::is_retired);
            let fix = match is_retired {
                true => message!(
                    "{kitcert} issue daemon {} && {kitcert} rotate   # it is retired, and refuses him for good",
                    daemon
                ),
                false => message!("{kitcert} rotate {}", daemon),
            };
            Some(finding(Rule::NotRevokedYet, message!("{} is refused still", who)).fix(fix))
        }
        Ended::Undecided(why) => {
            let found = message!("whether {} is let in came to no verdict: {}", who, why);
            Some(finding(Rule::Inconclusive, found))
        }
    }
}

/// The CAs of a daemon's bundle that exclude somebody, and the name by which that is seen.
fn excluding<'a>(
    observation: &'a Observation,
    current: &ObservedGeneration,
) -> Vec<(&'a ObservedAuthority, DnsName)> {
    let anchors = current.trust.certificates().iter();
    let known = anchors.filter_map(|anchor| {
        let mut all = observation.authorities.iter();
        let authority = all.find(|one| one.certificate.is_of_same_authority(anchor))?;
        Some((authority, Exclusions::canary_in(anchor)?))
    });
    known.collect()
}

fn newest(observation: &Observation, now: Timestamp) -> Option<&Revocation> {
    plan::in_force(observation, now).filter(|one| !one.excluded.is_empty()).last()
}

/// What has been taken back, each with a name that was excluded for it and is not for anything else.
fn lifted(observation: &Observation, now: Timestamp) -> Vec<(&Revocation, &DnsName)> {
    let Some(record) = observation.revocations.as_ref() else { return Vec::new() };
    let is_free = |name: &&Exclusion| {
        !record.standing().flat_map(|one| &one.excluded).any(|excluded| excluded.excludes(name))
    };
    let undone = changes(observation, now).filter(|one| one.undone.is_some());
    undone.filter_map(|one| Some((one, one.excluded.iter().filter(is_free).find_map(dns_name)?))).collect()
}

fn dns_name(name: &Exclusion) -> Option<&DnsName> {
    match name {
        Exclusion::Dns(name) => Some(name),
        Exclusion::Ip(_) | Exclusion::Email(_) | Exclusion::Uri(_) => None,
    }
}

/// How often somebody whose access was changed is tried: of four daemons behind one name, one that was not restarted
/// escapes a single dial three times of four, and eight of these once in ten.
const LOOKS: usize = 8;
/// For how long it is tried again: what is far away has other dials to come.
const LONGEST_REPEAT: Duration = Duration::from_secs(1);
