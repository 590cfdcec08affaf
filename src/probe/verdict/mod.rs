//! What the dials prove: a pure function of what was seen and of what should be.
//!
//! ```text
//! settle              what all attempts at one dial prove together
//! evidence            what counts, of all dials at all addresses, and what is missing
//! expected            what this machine knows of the daemon
//! agreement           whether one daemon answered, and whom else it trusts
//! clock_difference    how far its clock is from the one here
//! server_checks       whether it is there, and its certificate and its files are right
//! client_checks       whether the client gets in
//! client_refusal      why it is refused
//! refusal_checks      whether those who must not get in are refused
//! port_checks         what its other ports are worth
//! last_line           the verdict for a person
//! daemon_facts        the verdict for programs
//! ```
//!
//! A new cause has its words in `model/cause`, and tests/properties/verify/causes brings it about.

pub(super) mod agreement;
mod client_checks;
mod client_refusal;
mod clock_difference;
mod daemon_facts;
mod evidence;
mod expected;
mod last_line;
pub(super) mod port_checks;
mod refusal_checks;
mod server_checks;
pub(super) mod settle;

pub use daemon_facts::DaemonFacts;
pub use expected::{Again, Expected};
pub use port_checks::{judge_ports, ports_around};

use std::net::SocketAddr;

use crate::model::{Finding, Message, Printable, Rule, Severity};
use crate::probe::dial_list::{Caller, MUST_BE_REFUSED};
use crate::probe::outcome::Outcome;
use crate::probe::results::{AddressSeen, DialResults, NotTried};
use daemon_facts::facts;
use evidence::{Evidence, Exhibit};
use last_line::summary;
use settle::Settled;

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
pub fn judge(observed: &DialResults, expected: &Expected) -> Verdict {
    let evidence = Evidence::weigh(observed);
    let mut findings: Vec<Finding> = server_checks::host(expected).into_iter().collect();
    findings.extend(server_checks::server(&evidence, expected));
    findings.extend(server_checks::addresses(&evidence));
    let clients = client_checks::client(&evidence, expected);
    let refusals = refusal_checks::all(&evidence, expected, &clients);
    findings.extend(clients);
    findings.extend(refusals);
    findings.extend(agreement::all(&evidence, expected));
    findings.extend(server_checks::served(observed, expected));
    findings.extend(server_checks::trusted(observed, expected));
    findings.extend(server_checks::protocol(observed, expected));
    let is_complete = evidence.client_is_accepted() && evidence.is_complete();
    if !is_complete && Finding::gravest(&findings) < Severity::Error {
        findings.push(incomplete(expected));
    }
    // What fixes a cause in general, if nothing better is known.
    for finding in findings.iter_mut().filter(|finding| finding.fix.is_none()) {
        if let Some(cause) = finding.causes.first().copied() {
            finding.set_fix(cause.fix());
        }
    }
    let verified = is_complete && Finding::gravest(&findings) < Severity::Error;
    let is_open = |caller| evidence.lets_in(caller);
    let open = MUST_BE_REFUSED.into_iter().any(is_open);
    let is_of_another = |exhibit: &&Exhibit<'_>| exhibit.caller() != Caller::Client;
    let lets_in = evidence
        .exhibits
        .iter()
        .filter(is_of_another)
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
        summary: summary(&evidence, &findings, expected, verified),
        not_tried: observed.not_tried.clone(),
        addresses: addresses(&evidence),
        dials: dials(observed),
        facts: facts(observed, expected),
        findings,
    }
}

/// No finding says why, and still not every dial passed.
fn incomplete(expected: &Expected) -> Finding {
    Finding::new(Rule::Inconclusive, Severity::Error, &expected.endpoint)
        .expected("every dial of the list at every address")
        .found("not every one came to a verdict")
        .fix(expected.again.same())
}

fn addresses(evidence: &Evidence<'_>) -> Vec<AddressVerdict> {
    let result = |seen: &AddressSeen| {
        let here = || evidence.exhibits.iter().filter(|exhibit| exhibit.address == seen.address);
        let has_failed = |settled: Settled<'_>| matches!(settled, Settled::Failed(_));
        if seen.is_not_served() {
            AddressResult::NotServed
        } else if seen.is_unreached() {
            AddressResult::NotJudged
        } else if here().any(|exhibit| exhibit.dialed().outcome == Outcome::Open) {
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

fn dials(observed: &DialResults) -> Vec<DialRow> {
    let rows = observed.addresses.iter().flat_map(|seen| {
        seen.dials().map(|dialed| DialRow {
            id: dialed.dial.message(),
            address: seen.address,
            outcome: dialed.outcome.as_str(),
            described: dialed.message(),
            milliseconds: dialed.elapsed.as_micros() as f64 / 1e3,
        })
    });
    rows.collect()
}

#[cfg(test)]
mod tests;
