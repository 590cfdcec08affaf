//! What the dials prove: a pure function of what was seen and of what should be.

use std::net::SocketAddr;
use std::time::Duration;

use super::admission;
use super::dialled::{NotTried, Observed};
use super::evidence::{Evidence, Exhibit};
use super::intrusion;
use super::list::Caller;
use super::outcome::Outcome;
use super::presence;
use super::settle::Settled;
use super::several;
use super::summary::{DaemonFacts, facts, summary};
use crate::layout::DaemonLayout;
use crate::message;
use crate::model::{Endpoint, Finding, IdentityName, Message, Printable, Rule, Severity, Timestamp};
use crate::pki::{Certificate, DistinguishedName, TrustBundle};

/// What this machine knows of the daemon, to compare with what was seen.
#[derive(Clone, Debug)]
pub struct LocalFacts {
    /// Whom the probe dialled.
    pub endpoint: Endpoint,
    /// As whom, in words: `client ana`.
    pub identity: Message,
    /// The instant of the command.
    pub now: Timestamp,
    /// The CAs that the client trusts.
    pub trust: TrustBundle,
    /// The CAs that the state knows; None without a state.
    pub known_authorities: Option<Vec<DistinguishedName>>,
    /// The client's chain, leaf first, if it has one.
    pub ours: Option<Vec<Certificate>>,
    /// The certificate in the daemon's cert.pem, if it is installed here.
    pub installed_leaf: Option<Certificate>,
    /// The daemon's ca.pem, if it is installed here.
    pub installed_trust: Option<TrustBundle>,
    /// The daemon's name, if it is one of this state's.
    pub daemon: Option<IdentityName>,
    /// The command that restarts it, if it is known.
    pub restart: Option<Message>,
    /// Which daemon it is, if it is installed from here.
    pub layout: Option<DaemonLayout>,
    /// The command that dials it in the same way once more.
    pub again: Message,
    /// How long all its dials were given.
    pub deadline: Duration,
}

impl LocalFacts {
    /// The command that puts the right files in place and makes the daemon read them.
    pub(super) fn reinstall(&self) -> Message {
        match (&self.daemon, &self.restart) {
            (Some(daemon), Some(restart)) => message!("{kitcert} install daemon {} && {}", daemon, restart),
            (Some(daemon), None) => {
                message!("{kitcert} install daemon {}   # prints how it is started", daemon)
            }
            (None, _) => message!("on the daemon's machine: kitcert install daemon, and restart the daemon"),
        }
    }

    /// The command that gives the daemon more time.
    pub(super) fn longer(&self) -> Message {
        message!("{} --timeout {}s", self.again, self.seconds().max(30))
    }

    /// The command that gives a limit on connections time to pass.
    pub(super) fn paced(&self) -> Message {
        message!("{} --pace 1s --timeout {}s", self.again, self.seconds().max(60))
    }

    fn seconds(&self) -> u64 {
        self.deadline.as_secs().saturating_mul(3)
    }

    /// The command that brings it up.
    pub(super) fn start(&self) -> Message {
        let unknown = "start the daemon, or name the port on which it listens";
        self.restart.clone().unwrap_or_else(|| unknown.message())
    }

    /// The command that makes the daemon read its files again.
    pub(super) fn restart(&self) -> Message {
        self.restart.clone().unwrap_or(message!("restart the daemon: it reads its files only then"))
    }
}

/// The judgement of one daemon.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Whether everything that is required was judged and is as it must be, at every address: the
    /// client accepted before and after; no certificate, unknown CA and plaintext refused.
    pub verified: bool,
    /// Whether somebody got in who must not.
    pub open: bool,
    /// Whether a dial of somebody who must not get in failed, whatever came of the client's own.
    pub lets_in: bool,
    /// Whether it is not verified although nothing was refuted: every error is a dial without a
    /// verdict, an address that was not judged, or a daemon that is not up yet. Then neither a
    /// rollback nor the loss of a record is justified.
    pub inconclusive_only: bool,
    /// Whether nobody could be connected to, so that the daemon is down as seen from here.
    pub unreachable: bool,
    /// Everything that was looked at, passes included.
    pub findings: Vec<Finding>,
    /// The one line that matters.
    pub summary: Message,
    /// The dials for which there were no means.
    pub not_tried: Vec<NotTried>,
    /// Each address, and what came of it.
    pub addresses: Vec<AddressVerdict>,
    /// Every dial that was made, repeats included.
    pub dials: Vec<DialRow>,
    /// What the daemon showed of itself, for programs.
    pub facts: DaemonFacts,
}

/// What came of one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressVerdict {
    /// The address.
    pub address: SocketAddr,
    /// What came of it.
    pub result: AddressResult,
}

/// What came of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressResult {
    /// Every dial passed.
    Passed,
    /// Connecting is refused: nobody gets in there.
    NotServed,
    /// There was no connection, so that nothing is known.
    NotJudged,
    /// Somebody got in who must not.
    Open,
    /// A dial ended as it must not.
    Failed,
    /// A dial came to no verdict.
    Inconclusive,
}

impl AddressResult {
    /// The stable word, for programs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            AddressResult::Passed => "passed",
            AddressResult::NotServed => "not-served",
            AddressResult::NotJudged => "not-judged",
            AddressResult::Open => "open",
            AddressResult::Failed => "failed",
            AddressResult::Inconclusive => "inconclusive",
        }
    }
}

/// One dial that was made, for records and for programs.
#[derive(Clone, Debug, PartialEq)]
pub struct DialRow {
    /// Its name in the list: `N1`.
    pub id: Message,
    /// Where.
    pub address: SocketAddr,
    /// The stable word of its outcome.
    pub outcome: &'static str,
    /// The same in words.
    pub described: Message,
    /// How long it took.
    pub milliseconds: f64,
}

/// Judges what a probe saw. Whatever was not judged is never verified.
#[must_use]
pub fn judge(observed: &Observed, local: &LocalFacts) -> Verdict {
    let evidence = Evidence::weigh(observed);
    let mut findings: Vec<Finding> = presence::host(local).into_iter().collect();
    findings.extend(presence::server(&evidence, local));
    findings.extend(presence::addresses(&evidence));
    let clients = admission::client(&evidence, local);
    let intruders = intrusion::all(&evidence, local, &clients);
    findings.extend(clients);
    findings.extend(intruders);
    findings.extend(several::all(&evidence, local));
    findings.extend(presence::served(observed, local));
    findings.extend(presence::trusted(observed, local));
    findings.extend(presence::protocol(observed));
    let is_complete = evidence.client_is_accepted() && evidence.is_complete();
    if !is_complete && Finding::gravest(&findings) < Severity::Error {
        findings.push(incomplete(local));
    }
    // What fixes a cause in general, if nothing better is known.
    for finding in findings.iter_mut().filter(|finding| finding.fix.is_none()) {
        finding.fix = finding.causes.first().map(|cause| cause.fix());
    }
    let verified = is_complete && Finding::gravest(&findings) < Severity::Error;
    let is_open = |caller| evidence.lets_in(caller);
    let open =
        [Caller::NoCertificate, Caller::UnknownCa, Caller::Plaintext, Caller::Expired, Caller::WrongUsage]
            .into_iter()
            .any(is_open);
    let is_of_stranger = |exhibit: &&Exhibit<'_>| exhibit.caller() != Caller::Client;
    let lets_in = evidence
        .exhibits
        .iter()
        .filter(is_of_stranger)
        .any(|exhibit| matches!(exhibit.settled, Settled::Failed(_)));
    let unreachable = findings.iter().any(|finding| finding.rule == Rule::Unreachable);
    let mut errors = findings.iter().filter(|finding| finding.severity >= Severity::Error);
    let says_nothing = |finding: &Finding| {
        matches!(finding.rule, Rule::Inconclusive | Rule::AddressNotJudged | Rule::NotUpYet)
    };
    Verdict {
        verified,
        open,
        lets_in,
        inconclusive_only: !verified && !lets_in && errors.all(says_nothing),
        unreachable,
        summary: summary(&evidence, &findings, local, verified),
        not_tried: observed.not_tried.clone(),
        addresses: addresses(&evidence),
        dials: dials(observed),
        facts: facts(observed, local),
        findings,
    }
}

/// No finding says why, and still not every dial passed.
fn incomplete(local: &LocalFacts) -> Finding {
    Finding::new(Rule::Inconclusive, Severity::Error, &local.endpoint)
        .expected("every dial of the list at every address")
        .found("not every one came to a verdict")
        .fix(local.again.clone())
}

fn addresses(evidence: &Evidence<'_>) -> Vec<AddressVerdict> {
    let result = |seen: &super::dialled::AddressSeen| {
        let here = || evidence.exhibits.iter().filter(|exhibit| exhibit.address == seen.address);
        let has_failed = |settled: Settled<'_>| matches!(settled, Settled::Failed(_));
        if seen.is_not_served() {
            AddressResult::NotServed
        } else if seen.is_unreached() {
            AddressResult::NotJudged
        } else if here().any(|exhibit| exhibit.dialled().outcome == Outcome::Open) {
            AddressResult::Open
        } else if here().any(|exhibit| has_failed(exhibit.settled)) {
            AddressResult::Failed
        } else if evidence.is_complete_at(seen) {
            AddressResult::Passed
        } else {
            AddressResult::Inconclusive
        }
    };
    let seen = evidence.observed.addresses.iter();
    seen.map(|seen| AddressVerdict { address: seen.address, result: result(seen) }).collect()
}

fn dials(observed: &Observed) -> Vec<DialRow> {
    let rows = observed.addresses.iter().flat_map(|seen| {
        seen.dials().map(|dialled| DialRow {
            id: dialled.dial.message(),
            address: seen.address,
            outcome: dialled.outcome.as_str(),
            described: dialled.message(),
            milliseconds: dialled.elapsed.as_micros() as f64 / 1e3,
        })
    });
    rows.collect()
}

#[cfg(test)]
mod tests;
