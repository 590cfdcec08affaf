//! The files of one identity, judged together.

use super::peer::{Peer, Refusal};
use super::profile::{self, Standard};
use crate::message;
use crate::model::{Failure, Finding, IdentityName, Printable, Role, SubjectAltName, Timestamp};
use crate::pki::key::PublicKey;
use crate::pki::x509::{Certificate, TrustBundle};

/// The credentials of one identity. They are borrowed, so that a bulk issue copies nothing.
#[derive(Clone, Copy, Debug)]
pub struct Credentials<'a> {
    /// Whose they are.
    pub role: Role,
    /// cert.pem, the leaf first; empty for a client without a certificate.
    pub chain: &'a [Certificate],
    /// The public half of key.pem; None if the key is elsewhere.
    pub key: Option<&'a PublicKey>,
    /// ca.pem.
    pub trust: &'a TrustBundle,
}

/// What the files of credentials are called in findings: paths, where there are any.
#[derive(Clone, Copy)]
pub struct FileNames<'a> {
    /// cert.pem.
    pub certificate: &'a dyn Printable,
    /// key.pem.
    pub key: &'a dyn Printable,
}

/// Whether the files belong together: a peer with the same ca.pem accepts the chain, the key is
/// that of the certificate, and every host of a daemon is among its names.
///
/// # Errors
/// Every reason against them, the chain's first.
pub fn check(
    credentials: &Credentials<'_>,
    hosts: &[SubjectAltName],
    now: Timestamp,
) -> Result<(), Vec<Refusal>> {
    let refusals = refusals(credentials, hosts, now);
    if refusals.is_empty() { Ok(()) } else { Err(refusals) }
}

/// [`check`] for whoever is about to write or install the credentials of `name`.
///
/// # Errors
/// The first reason against them.
pub fn require(
    credentials: &Credentials<'_>,
    name: &IdentityName,
    hosts: &[SubjectAltName],
    now: Timestamp,
) -> Result<(), Failure> {
    let Some(refusal) = refusals(credentials, hosts, now).into_iter().next() else { return Ok(()) };
    let failure = Failure::new(message!("checking the files of {}", credentials.role), name);
    Err(match refusal {
        Refusal::Chain(fault) => failure.expected("a certificate that its peer accepts").found(fault),
        Refusal::OtherKey => failure.expected("the key of the certificate").found("another key"),
        Refusal::Host { host, .. } => {
            failure.expected("a certificate for each host").found(message!("none for {}", host))
        }
    })
}

/// [`check`] as findings, with what the profile, the dates and the bundle give reason to say.
#[must_use]
pub fn credentials(
    credentials: &Credentials<'_>,
    hosts: &[SubjectAltName],
    (standard, now): (Standard, Timestamp),
    names: FileNames<'_>,
) -> Vec<Finding> {
    let Credentials { role, chain, trust, .. } = *credentials;
    let mut findings = Vec::new();
    if let Some(leaf) = chain.first() {
        let issuer = trust.certificates().iter().find(|anchor| anchor.subject() == leaf.issuer());
        findings.extend(profile::leaf(leaf, role, issuer, standard));
        findings.extend(profile::dates(leaf, now));
    }
    findings.extend(profile::bundle(trust));
    for refusal in refusals(credentials, hosts, now) {
        let refused = refusal.finding(names.certificate, names.key);
        // What the profile says of the leaf is why a peer refuses the chain.
        let is_told = |told: &Finding| told.rule == refused.rule && told.severity >= refused.severity;
        if !matches!(refusal, Refusal::Chain(_)) || !findings.iter().any(is_told) {
            findings.push(refused);
        }
    }
    findings
}

fn refusals(credentials: &Credentials<'_>, hosts: &[SubjectAltName], now: Timestamp) -> Vec<Refusal> {
    let Credentials { role, chain, key, trust } = *credentials;
    let peer = Peer { trust, accepts: role, host: None, now };
    let mut refusals: Vec<Refusal> = peer.first_refusal(chain).into_iter().collect();
    if let Some(leaf) = chain.first() {
        let is_other_key = key.is_some_and(|key| key != leaf.public_key());
        refusals.extend(is_other_key.then_some(Refusal::OtherKey));
        // A wildcard among the hosts stands for itself.
        let is_named = |host: &SubjectAltName| leaf.covers(host) || leaf.usable_names().contains(host);
        let unnamed = hosts.iter().filter(|host| !is_named(host));
        refusals.extend(unnamed.map(|host| Refusal::other_host(leaf, host)));
    }
    refusals
}
