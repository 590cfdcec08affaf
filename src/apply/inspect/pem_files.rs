//! Files of PEM: certificates, a key, a request.

use super::called::is_called_bundle;
use super::document::{Contents, Facts, FileFacts, Inspected};
use crate::message;
use crate::model::{Finding, Message, Printable, Rule, Severity, Timestamp};
use crate::pki::{
    Certificate, CertificateRequest, DroppedBlock, KeyFile, PublicKey, TrustBundle, WrongForm, judge,
};

/// What a certificate says, line by line.
pub(super) fn facts_of(certificate: &Certificate) -> Facts {
    let validity = certificate.validity();
    let mut facts = vec![
        ("subject", certificate.subject().message()),
        ("issuer", certificate.issuer().message()),
        ("serial", certificate.serial().message()),
        ("valid", message!("{} until {}", validity.not_before, validity.not_after)),
        ("key", certificate.public_key().kind().message()),
    ];
    let list = |items: Message| if items.is_empty() { message!("none") } else { items };
    if certificate.is_authority() {
        facts.push(("usage", message!("certificate authority")));
    } else {
        facts.push(("names", list(Message::join(certificate.names().unwrap_or_default(), ", "))));
        let usages = certificate.extended_key_usages().unwrap_or_default();
        facts.push(("usage", list(Message::join(usages, ", "))));
    }
    facts.push(("SHA-256", certificate.fingerprint().message()));
    if certificate.is_authority() {
        // What `join` asks for, where it trusts none of a kit's CAs.
        facts.push(("in words", certificate.fingerprint().words()));
    }
    facts
}

/// Certificates: CAs, or a leaf with its chain behind it or alone.
pub(super) fn judge_certificates(bytes: &[u8], file: &FileFacts<'_>, now: Timestamp) -> Inspected {
    let bundle = match TrustBundle::from_pem(bytes, file.path) {
        Ok(bundle) => bundle,
        Err(failure) => return Inspected::unreadable(BUNDLE, Rule::UnreadableFile, file.path, &failure),
    };
    let certificates = bundle.certificates();
    let is_bundle = certificates.first().is_some_and(Certificate::is_authority);
    let mut findings = judge::certificate_file(&bundle, now);
    // A key beside its own certificate, as haproxy and nginx have it, is a key file too; but nobody hands out the
    // key of a CA.
    let is_own = |key: &PublicKey, one: &Certificate| {
        one.public_key() == key && !(is_bundle && is_called_bundle(file.path))
    };
    let own_key = KeyFile::read(bytes, file.path)
        .ok()
        .filter(|key| key.public_key().is_some_and(|key| certificates.iter().any(|one| is_own(key, one))));
    let misplaced = judge::leaf_not_first(certificates, own_key.as_ref().and_then(KeyFile::public_key));
    if own_key.is_some() {
        findings.retain(|finding| finding.rule != Rule::KeyInBundle);
    }
    if let (Some(refusal), Some(_)) = (misplaced, &own_key) {
        findings.push(refusal.finding(file.path, file.path));
    } else if !is_bundle {
        findings.extend(
            dropped(&bundle, file)
                .into_iter()
                .filter(|one| own_key.is_none() || one.rule != Rule::KeyInBundle),
        );
    }
    let mut facts: Facts = certificates.iter().flat_map(facts_of).collect();
    let kind = match (&own_key, is_bundle) {
        (Some(_), _) => "certificate and key",
        (None, true) => BUNDLE,
        (None, false) => "certificate",
    };
    let mut contents = Contents { certificates: certificates.to_vec(), ..Contents::default() };
    match own_key {
        Some(key) => {
            facts.push(("private key", key.kind().message()));
            findings.extend(file.mode.and_then(|mode| judge::key_mode(file.path, mode)));
            findings.extend(judge::key_file(&key, file.path));
            contents.key = key.public_key().cloned();
        }
        None if is_bundle => contents.trust = Some(bundle.clone()),
        None => {}
    }
    Inspected::of(kind, facts, findings).holding(contents)
}

/// Blocks of a certificate file that no peer would load.
fn dropped(bundle: &TrustBundle, file: &FileFacts<'_>) -> Vec<Finding> {
    let finding = |block: &DroppedBlock| {
        let (rule, severity) = if block.label.is_private_key() {
            (Rule::KeyInBundle, Severity::Critical)
        } else if block.label == "CERTIFICATE" {
            (Rule::BundleBlockDropped, Severity::Error)
        } else {
            // What was never a certificate is missed by nobody.
            (Rule::BundleBlockDropped, Severity::Warning)
        };
        Finding::new(rule, severity, file.path.display()).expected("certificates alone").found(message!(
            "{} in line {} that {}",
            block.label,
            block.line,
            block.why
        ))
    };
    bundle.dropped().iter().map(finding).collect()
}

/// A private key. Its bytes stay in it: only its kind and its public half are told.
pub(super) fn judge_key(bytes: &[u8], file: &FileFacts<'_>) -> Inspected {
    let subject = file.path;
    let mut findings: Vec<Finding> =
        file.mode.and_then(|mode| judge::key_mode(subject, mode)).into_iter().collect();
    let mut contents = Contents::default();
    let facts = match KeyFile::read(bytes, subject) {
        Ok(key) => {
            findings.extend(judge::key_file(&key, subject));
            contents.key = key.public_key().cloned();
            let mut facts = vec![("key", key.kind().message())];
            facts.extend(
                key.public_key().map(|key| ("SHA-256 of the public key", key.fingerprint().message())),
            );
            facts
        }
        Err(failure) => {
            let finding = Finding::new(Rule::KeyFormat, Severity::Error, subject)
                .expected(failure.what_was_expected())
                .found(failure.what_was_found());
            findings.push(match WrongForm::of(bytes) {
                Some(form) => finding.fix(form.repair(subject)),
                None => finding,
            });
            Vec::new()
        }
    };
    Inspected::of("private key", facts, findings).holding(contents)
}

/// A PKCS#10 request.
pub(super) fn judge_request(bytes: &[u8], file: &FileFacts<'_>) -> Inspected {
    let subject = file.path;
    match CertificateRequest::from_pem(bytes, subject) {
        Ok(request) => {
            let mut facts = vec![
                ("subject", request.subject().message()),
                ("key", request.public_key().kind().message()),
                ("SHA-256 of the public key", request.fingerprint().message()),
                ("in words", request.fingerprint().words()),
            ];
            facts.extend(request.requested().iter().map(|asked| ("asks for", asked.clone())));
            Inspected::of(REQUEST, facts, Vec::new())
        }
        Err(failure) => Inspected::unreadable(REQUEST, Rule::RequestSignature, subject, &failure),
    }
}

const BUNDLE: &str = "CA bundle";
const REQUEST: &str = "certificate request";
