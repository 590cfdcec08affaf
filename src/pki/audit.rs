//! The whole judgement of a chain in use: Go's verdict, and what other verifiers would say.
//!
//! rustls shakes hands with what Go refuses (an expired anchor), and Go with what openssl, GnuTLS
//! or Python refuse (a missing key identifier). What is without fault here is accepted by all.

use super::certificate::Certificate;
use super::chain::{self, ChainFault, Purpose};
use super::lint;
use super::trust_bundle::TrustBundle;
use crate::message;
use crate::model::{Finding, Message, Printable, Role, Rule, Severity, SubjectAltName, Timestamp};

/// What is wrong with `chain` (the leaf first, as it is sent) for peers that trust `trust` and use
/// it for `purpose` at `now`; clients dial `host`, and daemons ask nobody's name.
///
/// An error is what a Go peer refuses, or another verifier by default. A warning is what strict
/// verifiers refuse (`openssl verify -x509_strict`, Python's default context), or what harms once a
/// key is stolen. The blocks of the bundle itself are for [`lint::bundle`].
#[must_use]
pub fn audit(
    chain: &[Certificate],
    trust: &TrustBundle,
    purpose: Purpose,
    host: Option<&SubjectAltName>,
    now: Timestamp,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let path = match chain::verify(chain, trust, purpose, now) {
        Ok(path) => path,
        Err(fault) => {
            let subject = chain.first().map(|leaf| leaf.subject().message()).unwrap_or_default();
            findings.push(fault.finding(subject));
            likely_path(chain, trust)
        }
    };
    findings.extend(no_points(chain));
    if let (Some(host), Some(leaf)) = (host, chain.first()) {
        findings.extend((!leaf.covers(host)).then(|| misnamed(leaf, host)));
    }
    findings.extend(advice(&path, purpose, now));
    findings
}

/// What verifiers other than Go's would say of a path that Go accepts (the leaf first, the anchor
/// last), and what will be wrong with it soon.
#[must_use]
pub fn advice(path: &[Certificate], purpose: Purpose, now: Timestamp) -> Vec<Finding> {
    let role = match purpose {
        Purpose::Server => Role::Daemon,
        Purpose::Client => Role::Client,
    };
    let mut findings = lint::path(path, role);
    let soon = path.first().into_iter().flat_map(|leaf| lint::dates(leaf, now));
    findings.extend(soon.filter(|finding| finding.rule == Rule::ExpiresSoon));
    findings
}

/// The certificates whose key is none, which Go cannot read.
#[must_use]
pub fn no_points(chain: &[Certificate]) -> Vec<Finding> {
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

fn misnamed(leaf: &Certificate, host: &SubjectAltName) -> Finding {
    let names = leaf.usable_names();
    Finding::new(Rule::ServerNameMismatch, Severity::Error, leaf.subject())
        .expected(message!("{} among its names", host))
        .found(if names.is_empty() { message!("no name at all") } else { Message::join(names, ", ") })
        .cause("a client compares the host that it dials with the subjectAltName, and with nothing else")
        .fix("add the host in kitcert.yaml, then: {kitcert} rotate")
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
            rules(&audit(chain, &trust, Purpose::Client, None, later))
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
            rules(&audit(&chain, &trust, Purpose::Server, host.as_ref(), now()))
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
        assert_eq!(rules(&no_points(&[sound, broken])), [Rule::UnexpectedExtension]);
    }
}
