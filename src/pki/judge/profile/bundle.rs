//! A bundle as a whole.

use crate::message;
use crate::model::profile::{LARGEST_BUNDLE, LARGEST_NAMES};
use crate::model::{Finding, Rule, Severity};
use crate::pki::x509::{Certificate, DroppedBlock, NameConstraints, TrustBundle};

/// A `ca.pem` as a whole; its certificates one by one are for [`authority`].
#[must_use]
pub(crate) fn bundle(bundle: &TrustBundle) -> Vec<Finding> {
    let mut findings: Vec<_> = bundle.dropped().iter().map(dropped).collect();
    let certificates = bundle.certificates();
    for (at, certificate) in certificates.iter().enumerate() {
        let before = certificates.get(..at).unwrap_or_default();
        if !certificate.public_key().is_a_point() {
            findings.push(
                Finding::new(Rule::BundleBlockDropped, Severity::Error, certificate.subject())
                    .expected("a certificate that Go loads")
                    .found("one with a key that is no point of its curve")
                    .cause("Go silently ignores it, and the daemon starts without that CA")
                    .fix("copy the certificate again from where it came"),
            );
        } else if before.contains(certificate) {
            findings.push(
                Finding::new(Rule::BundleDuplicate, Severity::Warning, certificate.subject())
                    .expected("each certificate once")
                    .found(message!("certificate {} again", at + 1))
                    .fix("delete the second of the two blocks"),
            );
        } else if let Some(other) = before.iter().position(|one| one.public_key() == certificate.public_key())
        {
            findings.push(second_of_a_key(certificate, &before[other], (at, other)));
        } else if !certificate.is_authority() {
            findings.push(leaf_in_bundle(certificate));
        }
    }
    findings
        .extend(certificates.iter().filter_map(|certificate| differs_from_signer(certificate, certificates)));
    let size = |severity| Finding::new(Rule::BundleSize, severity, "the bundle");
    if certificates.is_empty() {
        findings.push(size(Severity::Error).expected("at least one certificate").found("none"));
    }
    if certificates.len() > LARGEST_BUNDLE {
        findings.push(
            size(Severity::Warning)
                .expected(message!("the CAs that are meant, {} at the most", LARGEST_BUNDLE))
                .found(certificates.len())
                .cause("anyone with a certificate of any of them is trusted: a whole system's bundle is too broad")
                .fix("delete the blocks of CAs that are not meant"),
        );
    }
    let names = bundle.length_of_subjects();
    if names > LARGEST_NAMES {
        findings.push(
            size(Severity::Error)
                .expected(message!("names of {} bytes at the most", LARGEST_NAMES))
                .found(message!("names of {} bytes", names))
                .cause("TLS has no room for more in a request for a certificate: every handshake of such a daemon fails")
                .fix("delete the blocks of CAs that are not meant"),
        );
    }
    findings
}

/// A verifier takes whichever of the two lets a client in, so that one voids the exclusions of the other.
fn second_of_a_key(certificate: &Certificate, other: &Certificate, (at, before): (usize, usize)) -> Finding {
    let is_void = certificate.name_constraints() != other.name_constraints();
    let severity = if is_void { Severity::Error } else { Severity::Warning };
    Finding::new(Rule::BundleDuplicate, severity, certificate.subject())
        .expected("one certificate of each key")
        .found(message!("certificate {} has the key of certificate {}", at + 1, before + 1))
        .cause("whoever only one of them excludes is let in by the other")
        .fix(if is_void { "delete the one that excludes fewer" } else { "delete the one that ends first" })
}

/// Whether two certificates exclude the same names.
fn exclude_the_same(one: &Certificate, other: &Certificate) -> bool {
    match (one.name_constraints(), other.name_constraints()) {
        (None, None) => true,
        (Some(one), Some(other)) => one.exclude_the_same_as(other),
        (one, other) => one.or(other).is_none_or(NameConstraints::exclude_nothing),
    }
}

/// A chain may end in either of two CAs of which one signed the other, and is held to what that one excludes. What is
/// no CA lets in nobody but itself (Go's CheckSignatureFrom; of version 1 it does not ask).
fn differs_from_signer(certificate: &Certificate, among: &[Certificate]) -> Option<Finding> {
    if certificate.version() == 3 && !certificate.is_authority() {
        return None;
    }
    let of_another = |other: &&Certificate| {
        certificate.issuer() == other.subject()
            && certificate.public_key() != other.public_key()
            && certificate.is_signed_by(other.public_key())
    };
    let mut signers = among.iter().filter(of_another);
    let signer = signers.find(|signer| !exclude_the_same(certificate, signer))?;
    Some(
        Finding::new(Rule::ExclusionsDiffer, Severity::Error, certificate.subject())
            .expected(message!("the exclusions of {}, which signed it", signer.subject()))
            .found("others")
            .cause("whoever only one of the two excludes is let in by way of the other")
            .fix("write the bundle again: {kitcert} install daemon"),
    )
}

fn dropped(block: &DroppedBlock) -> Finding {
    let subject = message!("line {}", block.line);
    if block.label.is_private_key() {
        return Finding::new(Rule::KeyInBundle, Severity::Critical, subject)
            .expected("certificates only")
            .found("a private key")
            .cause("bundles go to everybody; anyone who has read this one may have the key")
            .fix(
                "delete the block, and issue another certificate, under a new name, to whom the key belongs",
            );
    }
    Finding::new(Rule::BundleBlockDropped, Severity::Error, subject)
        .expected("a certificate that Go loads")
        .found(message!("{} that {}", block.label, block.why))
        .cause("Go silently ignores it, and the daemon starts without that CA")
        .fix("copy the certificate again from where it came")
}

fn leaf_in_bundle(certificate: &Certificate) -> Finding {
    let finding = |severity| {
        Finding::new(Rule::BundleHoldsLeaf, severity, certificate.subject())
            .expected("CA certificates only")
            .fix("put the CA's certificate in its place: {kitcert} status")
    };
    if certificate.is_self_issued() {
        return finding(Severity::Info)
            .found("a self-signed certificate that is no CA")
            .cause("it lets in the one client that holds its key");
    }
    finding(Severity::Warning)
        .found("an end-entity certificate")
        .cause("its own client withholds it, as its issuer is not among the names that the daemon offers")
}
