//! Whether one daemon answered, and whom else it trusts by name.

use std::collections::BTreeSet;

use super::cross_check::{Passes, differences};
use super::evidence::Evidence;
use super::observed::Asked;
use super::outcome::{Chain, Facts};
use super::verdict::LocalFacts;
use crate::message;
use crate::model::{Cause, Finding, Message, Rule, Severity};
use crate::pki::DistinguishedName;

/// The findings about daemons that differ, and about CAs that are not ours.
pub(super) fn all(evidence: &Evidence<'_>, local: &LocalFacts) -> Vec<Finding> {
    let mut findings = several_daemons(evidence, local);
    // A client that is refused is the graver news, and this may be its cause.
    if evidence.client_is_accepted() {
        findings.extend(other_authorities(evidence, local));
    }
    findings
}

/// What the dials of the last pass differ in; a difference that a second look does not show was a
/// restart.
fn several_daemons(evidence: &Evidence<'_>, local: &LocalFacts) -> Vec<Finding> {
    let passes = if evidence.observed.is_second_look { Passes::Last } else { Passes::All };
    let differences = differences(evidence.observed, passes);
    let finding = |difference: &super::cross_check::Difference| {
        let seen = difference
            .seen
            .iter()
            .map(|(value, addresses)| message!("{} at {}", value, Message::join(addresses, ", ")));
        let finding = |rule| {
            Finding::new(rule, Severity::Error, &local.endpoint)
                .expected(message!("one daemon: {} alike in every dial", difference.what))
                .found(Message::join(seen, "; "))
        };
        match evidence.observed.is_second_look {
            true => finding(Rule::SeveralDaemons).because(&[Cause::SeveralDaemons]),
            false => finding(Rule::Inconclusive)
                .cause("the time was up before a second look: several daemons, or one that was restarted meanwhile")
                .fix(local.longer()),
        }
    };
    differences.iter().map(finding).collect()
}

/// The CAs that the daemon names and that our trust bundle lacks: their clients get in too.
fn other_authorities(evidence: &Evidence<'_>, local: &LocalFacts) -> Option<Finding> {
    let others = named_beyond(evidence, local);
    if others.is_empty() {
        return None;
    }
    let (severity, expected) = match &local.known_authorities {
        Some(_) => (Severity::Error, "CAs of this state alone"),
        None => (Severity::Warning, "the CAs of our ca.pem alone"),
    };
    Some(
        Finding::new(Rule::OtherCaTrusted, severity, "acceptable CAs")
            .expected(expected)
            .found(Message::join(&others, "; "))
            .because(&[Cause::OtherCaTrusted]),
    )
}

/// Those CAs, each once. A daemon that names none says nothing about whom it trusts.
pub(super) fn named_beyond(evidence: &Evidence<'_>, local: &LocalFacts) -> BTreeSet<DistinguishedName> {
    let trusted = local.trust.subjects();
    let known = local.known_authorities.as_deref().unwrap_or_default();
    let is_known = |name: &DistinguishedName| trusted.contains(&name) || known.contains(name);
    let proven = evidence
        .observed
        .dials()
        .filter(|dialled| matches!(dialled.facts, Facts::Tls(facts) if facts.chain == Chain::Proven));
    proven
        .filter_map(|dialled| match &dialled.handshake.asked {
            Asked::For(names) => Some(names),
            Asked::Nothing => None,
        })
        .flatten()
        .filter(|name| !is_known(name))
        .cloned()
        .collect()
}
