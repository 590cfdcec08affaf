//! A peer that looks at a chain: whether it accepts it, and what other verifiers make of it.
//!
//! rustls shakes hands with what Go refuses (an expired anchor), and Go with what openssl, GnuTLS
//! or Python refuse (a missing key identifier). What is without fault here is accepted by all.

use std::fmt;

use super::chain_fault::ChainFault;
use super::{chain, profile};
use crate::message;
use crate::model::{Finding, Message, Printable, Quoted, Role, Rule, Severity, SubjectAltName, Timestamp};
use crate::pki::x509::{Certificate, TrustBundle};

/// Who looks at a chain: a client at a daemon's, or a daemon at a client's.
#[derive(Clone, Copy, Debug)]
pub struct Peer<'a> {
    /// The CAs that it trusts: its ca.pem.
    pub trust: &'a TrustBundle,
    /// Whose chain it looks at: a client looks at a daemon's.
    pub accepts: Role,
    /// The host that a client dials. A daemon asks nobody's name.
    pub host: Option<&'a SubjectAltName>,
    /// When it looks.
    pub now: Timestamp,
}

/// Why a peer refuses credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Go refuses the chain.
    Chain(ChainFault),
    /// The certificate is for other hosts.
    Host {
        /// The host that is dialed.
        host: SubjectAltName,
        /// The hosts that the certificate is for.
        names: Vec<SubjectAltName>,
    },
    /// The key is not that of the certificate.
    OtherKey,
    /// The leaf stands behind another certificate of its file.
    LeafNotFirst {
        /// Which of the file it is, counted from 1.
        position: usize,
    },
}

impl Peer<'_> {
    /// The path from the leaf to the anchor, both included, as a Go peer accepts it. `chain` is
    /// what is sent, the leaf first.
    ///
    /// As in Go, every certificate of `trust` is an anchor, intermediates and pinned leaves too;
    /// the dates of every certificate of the path count, the anchor's included; issuer and subject
    /// are compared to the byte, and key identifiers only say whom to try first; usages are nested
    /// down the path from the anchor, and an absent extension allows all; a host is looked for
    /// among the subjectAltNames alone. Name constraints are honored for DNS names and addresses,
    /// and where they concern other names that a certificate has, it is refused. Certificate
    /// policies are not followed: where a CA insists on them, its path is refused.
    ///
    /// That a key is a point of its curve costs as much as a signature, and is left to
    /// [`Peer::findings`]: no signature of another key is ever right.
    ///
    /// # Errors
    /// Every reason against it. Of several paths it is the fault of the one that came nearest; the
    /// chain comes before the host, though Go looks at the host first: the names of a certificate
    /// that is not trusted say nothing.
    pub fn accept(&self, chain: &[Certificate]) -> Result<Vec<Certificate>, Vec<Refusal>> {
        match (self.path(chain), self.other_host(chain)) {
            (Ok(path), None) => Ok(path),
            (Ok(_), Some(other_host)) => Err(vec![other_host]),
            (Err(fault), other_host) => {
                Err(std::iter::once(Refusal::Chain(fault)).chain(other_host).collect())
            }
        }
    }

    /// What this peer and stricter verifiers find in a chain in use, and what ends soon.
    ///
    /// An error is what a Go peer refuses, or another verifier by default. A warning is what strict
    /// verifiers refuse (`openssl verify -x509_strict`, Python's default context), or what harms
    /// once a key is stolen. The blocks of the bundle itself are for [`bundle`](super::bundle).
    #[must_use]
    pub fn findings(&self, chain: &[Certificate]) -> Vec<Finding> {
        let mut findings = Vec::new();
        let subject = || chain.first().map(|leaf| leaf.subject().message()).unwrap_or_default();
        let path = match self.path(chain) {
            Ok(path) => path,
            Err(fault) => {
                findings.push(fault.finding(subject()));
                likely_path(chain, self.trust)
            }
        };
        findings.extend(no_points(chain));
        findings.extend(self.other_host(chain).map(|refusal| refusal.finding(subject(), subject())));
        findings.extend(self.advice(&path));
        findings
    }

    /// [`Peer::findings`] for whoever tells by itself why the peer refuses: of a chain that is
    /// refused it is only what cannot be read.
    #[must_use]
    pub fn further_findings(&self, chain: &[Certificate]) -> Vec<Finding> {
        let mut findings = no_points(chain);
        if let Ok(path) = self.path(chain) {
            findings.extend(self.advice(&path));
        }
        findings
    }

    /// The first reason against a chain.
    pub(super) fn first_refusal(&self, chain: &[Certificate]) -> Option<Refusal> {
        self.path(chain).err().map(Refusal::Chain).or_else(|| self.other_host(chain))
    }

    fn path(&self, chain: &[Certificate]) -> Result<Vec<Certificate>, ChainFault> {
        chain::verify(chain, self.trust, self.accepts, self.now)
    }

    fn other_host(&self, chain: &[Certificate]) -> Option<Refusal> {
        let (host, leaf) = (self.host?, chain.first()?);
        (!leaf.covers(host)).then(|| Refusal::other_host(leaf, host))
    }

    /// What verifiers other than Go's would say of a path that Go accepts (the leaf first, the
    /// anchor last), and what will be wrong with it soon.
    fn advice(&self, path: &[Certificate]) -> Vec<Finding> {
        let mut findings = profile::path(path, self.accepts);
        let soon = path.first().into_iter().flat_map(|leaf| profile::dates(leaf, self.now));
        findings.extend(soon.filter(|finding| finding.rule == Rule::ExpiresSoon));
        findings
    }
}

impl Refusal {
    pub(super) fn other_host(leaf: &Certificate, host: &SubjectAltName) -> Refusal {
        Refusal::Host { host: host.clone(), names: leaf.usable_names() }
    }

    /// The refusal as a finding about the file, or the subject, of the certificate or of the key.
    #[must_use]
    pub fn finding(&self, certificate: impl Printable, key: impl Printable) -> Finding {
        match self {
            Refusal::Chain(fault) => fault.finding(certificate),
            Refusal::Host { host, names } => {
                Finding::new(Rule::ServerNameMismatch, Severity::Error, certificate)
                    .expected(message!("{} among its names", host))
                    .found(if names.is_empty() {
                        message!("no name at all")
                    } else {
                        Message::join(names, ", ")
                    })
                    .cause("clients compare the host that they dial with the certificate's names")
                    .fix("add the host in kitcert.yaml, then: {kitcert} rotate")
            }
            Refusal::LeafNotFirst { position } => {
                Finding::new(Rule::ChainOrder, Severity::Error, &certificate)
                    .expected("the leaf first, then its intermediates: the leaf must come first")
                    .found(message!("it as certificate {} of the file", position))
                    .cause("Go takes the first certificate of the file for the leaf, and refuses the key")
                    .fix(message!("move that block to the top of {}", Quoted(certificate)))
            }
            Refusal::OtherKey => Finding::new(Rule::KeyMismatch, Severity::Error, &key)
                .expected("the key of the certificate beside it")
                .found("another key")
                .cause("the certificate and the key belong to different identities or generations")
                .fix(message!("{kitcert} inspect {} {}", Quoted(&certificate), Quoted(&key))),
        }
    }
}

/// One clause, such as `CN=client ana expired at 2027-02-21 00:00 UTC`.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Chain(fault) => fault.fmt(f),
            Refusal::Host { host, names } if names.is_empty() => {
                write!(f, "its certificate is for no host, not for {host}")
            }
            Refusal::Host { host, names } => {
                let names = names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                write!(f, "its certificate is for {names}, not for {host}")
            }
            Refusal::LeafNotFirst { position } => {
                write!(f, "its leaf is certificate {position} of the file, and must come first")
            }
            Refusal::OtherKey => f.write_str("its key is not that of its certificate"),
        }
    }
}

/// The certificates whose key is none, which Go cannot read.
pub(super) fn no_points(chain: &[Certificate]) -> Vec<Finding> {
    let without = chain.iter().filter(|certificate| !certificate.public_key().is_a_point());
    let fault = |certificate: &Certificate| ChainFault::Unreadable {
        certificate: certificate.subject().clone(),
        why: "a key that is no point of its curve",
    };
    without.map(|certificate| fault(certificate).finding(certificate.subject())).collect()
}

/// The path that was meant where none holds: what was sent, and the anchor of the last issuer's
/// name.
fn likely_path(chain: &[Certificate], trust: &TrustBundle) -> Vec<Certificate> {
    let issuer = chain.last().map(Certificate::issuer);
    let anchor = trust.certificates().iter().find(|anchor| Some(anchor.subject()) == issuer);
    let anchor = anchor.filter(|anchor| !chain.contains(anchor));
    chain.iter().chain(anchor).cloned().collect()
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, IsCa};

    use super::*;
    use crate::model::Lifetime;
    use crate::pki::specimens::{a_leaf, name, now, patched, root};

    fn rules(findings: &[Finding]) -> Vec<Rule> {
        findings.iter().map(|finding| finding.rule).collect()
    }

    #[test]
    fn where_no_path_holds_the_one_that_was_meant_is_judged_too() {
        let open_ended = || root(|ca| ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
        let (ours, namesake, other) =
            (open_ended(), open_ended(), root(|ca| ca.distinguished_name = name("other")));
        let leaf = ours.leaf(Role::Client, |_| ());
        let later = now().plus(Lifetime::days(91));
        let says = |chain: &[Certificate], trust: &[&Certificate]| {
            let trust = TrustBundle::new(trust.iter().map(|one| (*one).clone()).collect());
            rules(&Peer { trust: &trust, accepts: Role::Client, host: None, now: later }.findings(chain))
        };
        let alone = [leaf.clone()];
        assert_eq!(says(&alone, &[&other.certificate, &ours.certificate]), [Rule::Expired, Rule::PathLength]);
        assert_eq!(says(&alone, &[&namesake.certificate]), [Rule::Expired, Rule::PathLength]);
        assert_eq!(says(&alone, &[&other.certificate]), [Rule::Expired]);
        let with_anchor = [leaf, ours.certificate.clone()];
        assert_eq!(
            says(&with_anchor, &[&ours.certificate]),
            [Rule::Expired, Rule::PathLength],
            "judged once"
        );
    }

    #[test]
    fn the_host_is_compared_where_somebody_dials_it() {
        let authority = root(|_| ());
        let chain = [authority.leaf(Role::Daemon, |_| ())];
        let trust = TrustBundle::new(vec![authority.certificate]);
        let says = |host: Option<&str>| {
            let host = host.map(|host| host.parse().unwrap());
            let peer = Peer { trust: &trust, accepts: Role::Daemon, host: host.as_ref(), now: now() };
            assert_eq!(peer.accept(&chain).err().is_some(), !peer.findings(&chain).is_empty());
            rules(&peer.findings(&chain))
        };
        assert_eq!(says(None), []);
        assert_eq!(says(Some("builder.example.com")), []);
        assert_eq!(says(Some("other.example.com")), [Rule::ServerNameMismatch]);
    }

    #[test]
    fn a_key_that_is_no_point_of_its_curve_is_told() {
        let sound = a_leaf(Role::Daemon, |_| ());
        let spki = sound.public_key().spki_der();
        let last = spki.len() - 32;
        let broken = patched(&sound, &spki[last..], &[0xff; 32]);
        assert_eq!(rules(&no_points(&[sound.clone(), broken.clone()])), [Rule::UnexpectedExtension]);
        let bundled = super::super::profile::bundle(&TrustBundle::new(vec![broken]));
        assert!(rules(&bundled).contains(&Rule::BundleBlockDropped));
    }
}
