//! What a CA's certificate and a leaf have in common.

use super::report::Report;
use crate::message;
use crate::model::Rule::{
    AuthorityKeyIdentifier, CertificateVersion, ChainUntrusted, EmptySubject, NamesExcluded, OutlivesIssuer,
    SerialNumber, SignatureAlgorithm, StrayElement, SubjectKeyIdentifier, UnexpectedExtension, WeakKey,
};
use crate::model::Severity::{Error, Info, Warning};
use crate::model::{Exclusion, Hex, Message, Printable};
use crate::pki::judge::chain::unhandled_critical_extension;
use crate::pki::key::PublicKeyKind;
use crate::pki::x509::{Certificate, Exclusions, NameConstraints, SignatureAlgorithm as Algorithm, Stray};
use crate::pki::x509::{Identifier, InCertificate, oid};

pub(super) fn judge(report: &mut Report<'_>) {
    let version = report.certificate.version();
    if version != 3 {
        // Nobody but strict verifiers minds an anchor of old.
        let severity = if report.certificate.is_self_issued() { report.strict } else { Error };
        let cause = "rustls, openssl's strict mode and linters know version 3 only";
        report.add(CertificateVersion, severity, "version 3", message!("version {}", version), cause);
    }
    judge_serial(report);
    judge_signature_algorithm(report);
    judge_key(report);
    judge_key_identifiers(report);
    judge_extensions(report);
    judge_stray(report);
}

fn judge_stray(report: &mut Report<'_>) {
    let found = match report.certificate.stray() {
        None => return,
        Some(Stray::Part(part)) => message!("an element in {} that does not belong there, or none", part),
        Some(Stray::Extension(identifier)) => {
            message!("an element in extension {} that does not belong there, or none", Identifier(identifier))
        }
    };
    let cause =
        "openssl refuses it, if only in its strict mode, and what is built on it: nginx, haproxy, Python";
    report.add(StrayElement, report.strict, "what RFC 5280 puts there, and nothing else", found, cause);
}

fn judge_serial(report: &mut Report<'_>) {
    let serial = report.certificate.serial();
    let octets = serial.octets();
    let significant = octets.iter().skip_while(|octet| **octet == 0).count();
    let expected = "a positive number of at most 20 bytes, 64 bits of it random";
    if serial.is_negative() {
        report.add(SerialNumber, Error, expected, "a negative number", "Go has refused these since 1.23");
    } else if serial.is_zero() {
        report.add(
            SerialNumber,
            report.strict,
            expected,
            "0",
            "RFC 5280 section 4.1.2.2 and strict verifiers refuse it",
        );
    } else if octets.len() > 20 {
        let found = message!("{} bytes", octets.len());
        report.add(SerialNumber, report.strict, expected, found, "RFC 5280 section 4.1.2.2 allows no more");
    } else if significant < 7 {
        let cause = "a short or constant number repeats; NSS refuses one that it has seen of the same issuer";
        report.add(SerialNumber, Warning, expected, serial, cause);
    }
}

fn judge_signature_algorithm(report: &mut Report<'_>) {
    let expected = "ecdsa-sha256, ecdsa-sha384, ed25519, or rsa with SHA-256 or better";
    let algorithm = report.certificate.signature_algorithm();
    match algorithm {
        Algorithm::Current(_) => {}
        Algorithm::EcdsaSha512 => {
            let cause = "Go verifies it, but rustls does not, so that kitcert cannot verify it";
            report.add(SignatureAlgorithm, Warning, expected, algorithm, cause);
        }
        Algorithm::OtherPss => {
            let cause = "a signature algorithm that Go does not support";
            report.add(SignatureAlgorithm, Error, expected, algorithm, cause);
        }
        // Nobody checks the signature of an anchor, and yet openssl's default level refuses it.
        Algorithm::Obsolete(_) if report.certificate.is_self_issued() => {
            let cause = "anchors of old; openssl refuses them at its default security level";
            report.add(SignatureAlgorithm, Warning, expected, algorithm, cause);
        }
        Algorithm::Obsolete(_) => {
            report.add(SignatureAlgorithm, Error, expected, algorithm, "Go refuses it as insecure");
        }
        Algorithm::Other(_) => {
            report.add(SignatureAlgorithm, Error, expected, algorithm, "Go does not know it")
        }
    }
}

fn judge_key(report: &mut Report<'_>) {
    let expected = "ecdsa-p256, ecdsa-p384, ed25519, or RSA of 2048 to 8192 bits";
    let kind = report.certificate.public_key().kind();
    match kind {
        PublicKeyKind::Generated(_) => {}
        PublicKeyKind::Rsa(bits @ 2048..=8192) if bits % 8 == 0 => {}
        PublicKeyKind::Rsa(2048..=8192) => {
            report.add(
                WeakKey,
                Warning,
                expected,
                kind,
                "some verifiers refuse a size that is no whole bytes",
            );
        }
        PublicKeyKind::Rsa(..2048) => {
            report.add(WeakKey, Error, expected, kind, "openssl and rustls refuse RSA below 2048 bits");
        }
        PublicKeyKind::Rsa(_) => {
            report.add(WeakKey, Error, expected, kind, "Go refuses RSA above 8192 bits in a handshake");
        }
        PublicKeyKind::EcdsaP521 => {
            let cause = "Go takes it, but rustls does not, so that kitcert cannot verify it";
            report.add(WeakKey, Warning, expected, kind, cause);
        }
        PublicKeyKind::MlDsa(_) => {
            let cause = "Go has taken it since 1.27; older peers, openssl 3.0 and kitcert do not";
            report.add(WeakKey, Warning, expected, kind, cause);
        }
        PublicKeyKind::OtherCurve(_) | PublicKeyKind::Other(_) => {
            report.add(WeakKey, Error, expected, kind, "Go does not know such keys")
        }
    }
}

fn judge_key_identifiers(report: &mut Report<'_>) {
    let certificate = report.certificate;
    for (identifier, rule) in [
        (oid::SUBJECT_KEY_IDENTIFIER, SubjectKeyIdentifier),
        (oid::AUTHORITY_KEY_IDENTIFIER, AuthorityKeyIdentifier),
    ] {
        if certificate.criticality(identifier) == Some(true) {
            report.add(rule, Error, "not critical", "critical", "Go cannot read such a certificate");
        }
    }
    match certificate.subject_key_identifier() {
        None if certificate.is_authority() => {
            let cause = "openssl -x509_strict and Python's default context refuse the chain";
            report.add(SubjectKeyIdentifier, report.strict, A_HASH, "none", cause);
        }
        None => {
            report.add(SubjectKeyIdentifier, Info, A_HASH, "none", "RFC 5280 section 4.2.1.2 asks for it")
        }
        Some([]) => {
            report.add(SubjectKeyIdentifier, report.strict, A_HASH, "nothing in it", "linters refuse it")
        }
        Some(octets) if octets.iter().all(|octet| octet.is_ascii_graphic() || *octet == b' ') => {
            let text = String::from_utf8_lossy(octets);
            let cause = "all certificates of that generator share it, so that it tells no keys apart";
            report.add(
                SubjectKeyIdentifier,
                Warning,
                A_HASH,
                message!("the text {}", InCertificate(&text)),
                cause,
            );
        }
        Some(_) => {}
    }
    if certificate.is_self_issued() {
        // Whatever it is signed with: openssl takes it for its own issuer by this alone.
        judge_hint(report, certificate);
    }
    if certificate.authority_key_identifier().is_none() && !certificate.is_self_issued() {
        let cause = "openssl -x509_strict and Python's default context refuse it";
        report.add(AuthorityKeyIdentifier, report.strict, "the issuer's key identifier", "none", cause);
    }
}

fn judge_extensions(report: &mut Report<'_>) {
    let certificate = report.certificate;
    if let Some(repeated) = certificate.repeated_extension() {
        let found = message!("{} twice", Identifier(repeated));
        report.add(
            UnexpectedExtension,
            Error,
            "each extension once",
            found,
            "Go cannot read such a certificate",
        );
    }
    if certificate.criticality(oid::AUTHORITY_INFORMATION) == Some(true) {
        let cause = "Go cannot read such a certificate";
        report.add(UnexpectedExtension, Error, "authority information not critical", "critical", cause);
    }
    if let Some(identifier) = unhandled_critical_extension(certificate)
        && identifier != oid::AUTHORITY_INFORMATION
    {
        let found = message!("{}, critical", Identifier(identifier));
        let cause = "a verifier must refuse a critical extension that it does not know";
        report.add(UnexpectedExtension, Error, "no critical extension that peers do not know", found, cause);
    }
    for identifier in [oid::POLICIES, oid::POLICY_MAPPINGS, oid::POLICY_CONSTRAINTS, oid::INHIBIT_ANY_POLICY]
    {
        if certificate.criticality(identifier) == Some(true) {
            let found = message!("{}, critical", Identifier(identifier));
            let cause = "Go knows policies, and rustls refuses them where they are critical";
            report.add(UnexpectedExtension, Warning, "no critical policies", found, cause);
        }
    }
    if certificate.criticality(oid::NAME_CONSTRAINTS).is_some() && !judge_exclusions(report) {
        let is_known = certificate.name_constraints().is_none_or(NameConstraints::is_known_to_go);
        let (severity, cause) = match certificate.is_authority() {
            true if !is_known => {
                (Warning, "Go passes over some of them, by which openssl refuses certificates")
            }
            true => (Info, "each verifier reads them in its own way (CVE-2025-58187, CVE-2025-61727)"),
            false => (Warning, "RFC 5280 section 4.2.1.10 has them in CAs alone"),
        };
        report.add(UnexpectedExtension, severity, "no name constraints", "name constraints", cause);
    }
}

/// Whether it is an anchor that excludes names for us; if so, whom it stops is told.
fn judge_exclusions(report: &mut Report<'_>) -> bool {
    let certificate = report.certificate;
    let exclusions = Exclusions::of(certificate).filter(|_| Exclusions::canary_in(certificate).is_some());
    let Some(exclusions) = exclusions.filter(|_| certificate.is_authority()) else { return false };
    let names: Vec<Message> = exclusions.iter().map(whom).collect();
    let found = match names.len() {
        0 => message!("nobody is refused by name"),
        count => message!("{} refused by name: {}", count, Message::few(&names, ", ")),
    };
    report.findings.push(report.finding(NamesExcluded, Info).found(found));
    true
}

/// An excluded name as a person knows it.
fn whom(name: &Exclusion) -> Message {
    let client = name.client().map(|client| message!("client {}", client));
    let key = || name.key().map(|key| message!("key {}", Hex(&key)));
    client.or_else(key).unwrap_or_else(|| name.message())
}

pub(super) fn judge_subject_of_leaf(report: &mut Report<'_>) {
    let certificate = report.certificate;
    judge_issuer_name(report);
    if certificate.subject().is_empty() && certificate.criticality(oid::SUBJECT_ALT_NAME) != Some(true) {
        let cause = "with an empty subject the names must be critical (RFC 5280 section 4.2.1.6)";
        report.add(EmptySubject, report.strict, "a subject", "none", cause);
    }
}

pub(super) fn judge_subject_of_authority(report: &mut Report<'_>) {
    judge_issuer_name(report);
    if report.certificate.subject().is_empty() {
        let cause = "RFC 5280 section 4.1.2.6 and openssl -x509_strict refuse it";
        report.add(EmptySubject, report.strict, "a subject", "none", cause);
    }
}

fn judge_issuer_name(report: &mut Report<'_>) {
    if report.certificate.issuer().is_empty() {
        let cause = "RFC 5280 section 4.1.2.4 and openssl -x509_strict refuse it";
        report.add(EmptySubject, report.strict, "an issuer", "none", cause);
    }
}

/// What a certificate and its issuer must agree on. Whether the issuer signed it is for
/// the [chain](crate::pki::judge::chain)'s rules.
pub(super) fn judge_with_issuer(report: &mut Report<'_>, issuer: &Certificate) {
    let certificate = report.certificate;
    if certificate.issuer() != issuer.subject() {
        let expected = message!("issued by {}", issuer.subject());
        let cause = "verifiers look for an issuer of that name, to the byte";
        report.add(ChainUntrusted, Error, expected, certificate.issuer(), cause);
    }
    let (own, theirs) = (certificate.validity().not_after, issuer.validity().not_after);
    if own > theirs {
        let expected = message!("valid until {} at most, as its issuer", theirs.minute());
        let cause = "every peer refuses it from the day on which its issuer ends";
        report.add(OutlivesIssuer, report.strict, expected, own.minute(), cause);
    }
    match (certificate.authority_key_identifier(), issuer.subject_key_identifier()) {
        (Some(hint), Some(identifier)) if hint != identifier => {
            let cause = "openssl finds no issuer; Go takes the hint for what it is";
            report.add(AuthorityKeyIdentifier, Error, "the issuer's key identifier", "another", cause);
        }
        _ => {}
    }
    judge_hint(report, issuer);
}

/// Whom openssl finds by issuer and serial number, too.
fn judge_hint(report: &mut Report<'_>, issuer: &Certificate) {
    let Some(hint) = report.certificate.authority_hint() else { return };
    let is_another = hint.serial.as_ref().is_some_and(|serial| serial != issuer.serial())
        || hint.issuer.as_ref().is_some_and(|name| name != issuer.issuer());
    let found = match (is_another, hint.is_odd) {
        (true, _) => "another issuer or serial number",
        (false, true) => "what is none",
        (false, false) => return,
    };
    let cause = "openssl finds no issuer; Go looks at the key identifier alone";
    report.add(AuthorityKeyIdentifier, Warning, "the issuer's own certificate, if it is named", found, cause);
}

const A_HASH: &str = "a hash of the key";
