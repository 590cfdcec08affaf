//! Certificates without a peer: those of a file, of a kit, or of a daemon whose CA is not known.

use super::profile::{self, Standard};
use crate::model::profile::LARGEST_BUNDLE;
use crate::model::{ExtendedKeyUsage, Finding, Role, Rule, Severity, Timestamp};
use crate::pki::x509::{Certificate, TrustBundle};

/// A bundle if its first certificate is a CA's, else a leaf and its chain, by the profile.
#[must_use]
pub fn certificate_file(file: &TrustBundle, now: Timestamp) -> Vec<Finding> {
    let certificates = file.certificates();
    let is_bundle = certificates.first().is_some_and(Certificate::is_authority);
    let mut findings = if is_bundle { profile::bundle(file) } else { Vec::new() };
    // Of a whole system's bundle its breadth is what there is to say.
    if is_bundle && certificates.len() > LARGEST_BUNDLE {
        return findings;
    }
    for certificate in certificates {
        let is_issuer =
            |other: &&Certificate| other.is_authority() && other.subject() == certificate.issuer();
        let issuer = certificates.iter().find(is_issuer);
        let told = one(certificate, role_of(certificate), issuer, now);
        let has_current = is_bundle && has_current_copy(certificate, certificates, now);
        findings.extend(told.into_iter().map(|finding| match finding.rule {
            Rule::Expired | Rule::NotYetValid if has_current => {
                Finding { severity: Severity::Warning, ..finding }
            }
            _ => finding,
        }));
    }
    findings
}

/// Whether another certificate of the same CA is valid: then it is that one that counts.
fn has_current_copy(certificate: &Certificate, among: &[Certificate], now: Timestamp) -> bool {
    among.iter().any(|other| {
        other.subject() == certificate.subject()
            && other.public_key() == certificate.public_key()
            && other.validity().contains(now)
    })
}

/// The client's chain of a kit, by the profile, and its CAs. `signer` is the CA that signed the kit.
#[must_use]
pub fn kit_certificates<'a>(
    certificates: impl IntoIterator<Item = &'a Certificate>,
    signer: Option<&Certificate>,
    now: Timestamp,
) -> Vec<Finding> {
    let judged = certificates.into_iter().map(|certificate| match certificate.is_authority() {
        false => one(certificate, Role::Client, signer, now),
        // Others may have made it: what no peer refuses is no fault of the kit.
        true => {
            let mut findings = profile::dates(certificate, now);
            findings.extend(profile::authority(certificate, None, Standard::InUse));
            findings
        }
    });
    judged.flatten().collect()
}

/// What a daemon shows to somebody who does not know its CA, the leaf first: the dates of all, and
/// the leaf as it is in use.
#[must_use]
pub fn served_certificates(chain: &[Certificate], now: Timestamp) -> Vec<Finding> {
    let mut findings: Vec<Finding> =
        chain.iter().flat_map(|certificate| profile::dates(certificate, now)).collect();
    if let Some(leaf) = chain.first() {
        findings.extend(profile::leaf(leaf, Role::Daemon, None, Standard::InUse));
    }
    findings
}

/// A ca.pem as a whole, as Go loads it; its certificates one by one are for [`certificate_file`].
#[must_use]
pub fn bundle(file: &TrustBundle) -> Vec<Finding> {
    profile::bundle(file)
}

/// A new leaf by the profile, before it leaves its CA. No clock is read.
#[must_use]
pub fn new_leaf(certificate: &Certificate, role: Role, issuer: &Certificate) -> Vec<Finding> {
    profile::leaf(certificate, role, Some(issuer), Standard::Profile)
}

/// A new CA by the profile. No clock is read.
#[must_use]
pub fn new_authority(certificate: &Certificate) -> Vec<Finding> {
    profile::authority(certificate, None, Standard::Profile)
}

fn one(certificate: &Certificate, role: Role, issuer: Option<&Certificate>, now: Timestamp) -> Vec<Finding> {
    let mut findings = profile::dates(certificate, now);
    findings.extend(if certificate.is_authority() {
        profile::authority(certificate, None, Standard::Profile)
    } else {
        profile::leaf(certificate, role, issuer, Standard::Profile)
    });
    findings
}

/// The role that a certificate's usages speak of. Earthly's own generator gives both usages to
/// both sides and names the side in the organization (its certificates.go); of others with both,
/// the daemon is the more exposed.
#[must_use]
pub fn role_of(certificate: &Certificate) -> Role {
    let usages = certificate.extended_key_usages().unwrap_or_default();
    let client = usages.contains(&ExtendedKeyUsage::ClientAuth);
    let server = usages.contains(&ExtendedKeyUsage::ServerAuth);
    let is_clients_side =
        || certificate.subject().organization().is_some_and(|name| name.contains("GRPC: earth"));
    match (client, server) {
        (true, false) => Role::Client,
        (true, true) if is_clients_side() => Role::Client,
        _ => Role::Daemon,
    }
}

#[cfg(test)]
mod tests {
    use rcgen::ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};

    use super::*;
    use crate::model::{Lifetime, Rule};
    use crate::pki::specimens::{now, root};

    fn rules(findings: &[Finding]) -> Vec<Rule> {
        findings.iter().map(|finding| finding.rule).collect()
    }

    #[test]
    fn a_file_is_a_bundle_if_it_begins_with_a_ca() {
        let authority = root(|_| ());
        let leaf = authority.leaf(Role::Client, |_| ());
        let says = |file: &[&Certificate]| {
            let file = TrustBundle::new(file.iter().map(|one| (*one).clone()).collect());
            rules(&certificate_file(&file, now()))
        };
        assert_eq!(says(&[&authority.certificate]), []);
        assert_eq!(says(&[&leaf, &authority.certificate]), []);
        assert_eq!(says(&[&authority.certificate, &leaf]), [Rule::BundleHoldsLeaf]);
    }

    #[test]
    fn the_role_is_read_from_the_usages_and_a_kit_knows_it() {
        let authority = root(|_| ());
        let both =
            authority.leaf(Role::Client, |leaf| leaf.extended_key_usages = vec![ClientAuth, ServerAuth]);
        assert_eq!(role_of(&both), Role::Daemon);
        assert_eq!(role_of(&authority.leaf(Role::Client, |_| ())), Role::Client);
        let nobodys = authority.leaf(Role::Client, |leaf| leaf.extended_key_usages = vec![]);
        assert_eq!(role_of(&nobodys), Role::Daemon);
        let daemons = [authority.leaf(Role::Daemon, |_| ())];
        let of_kit = kit_certificates(&daemons, Some(&authority.certificate), now());
        assert_eq!(rules(&of_kit), [Rule::ExtendedKeyUsage]);
    }

    #[test]
    fn all_that_is_served_has_its_dates_and_the_leaf_its_use() {
        let authority = root(|_| ());
        let served = [authority.leaf(Role::Client, |_| ()), authority.certificate];
        let later = now().plus(Lifetime::days(3651));
        let says = rules(&served_certificates(&served, later));
        assert_eq!(says, [Rule::Expired, Rule::Expired, Rule::ExtendedKeyUsage]);
        assert_eq!(served_certificates(&[], now()), []);
    }
}
