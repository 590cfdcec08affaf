//! What a certificate may be used for.

use super::report::Report;
use crate::message;
use crate::model::Rule::{BasicConstraints, ExtendedKeyUsage, KeyUsage, PathLength};
use crate::model::Severity::{Error, Info, Warning};
use crate::model::{ExtendedKeyUsage as Usage, Message, Role};
use crate::pki::x509::oid;

pub(super) fn judge_leaf(report: &mut Report<'_>, role: Role) {
    let certificate = report.certificate;
    if let Some(constraints) = certificate.basic_constraints() {
        if constraints.is_authority {
            let cause = "anyone with its key can issue certificates";
            report.add(BasicConstraints, Error, "cA=FALSE", "cA=TRUE", cause);
        } else if constraints.path_length.is_some() {
            let cause = "openssl -x509_strict refuses it";
            report.add(BasicConstraints, report.strict, "no path length", "a path length without cA", cause);
        }
    }
    judge_key_usage_of_leaf(report);
    match role {
        Role::Daemon => judge_daemon_usages(report),
        Role::Client => judge_client_usages(report),
    }
    if certificate.netscape_roles().is_some_and(|roles| !roles.contains(&role)) {
        let expected = message!("Netscape's certificate type to name a {}, if it is there", role);
        let cause = "openssl refuses the certificate for all that it does not name; Go passes over it";
        report.add(ExtendedKeyUsage, Warning, expected, "one that does not", cause);
    }
    if certificate.criticality(oid::EXTENDED_KEY_USAGE) == Some(true) {
        let cause = "linters and some verifiers do not expect it";
        report.add(ExtendedKeyUsage, Warning, "not critical", "critical", cause);
    }
}

fn judge_key_usage_of_leaf(report: &mut Report<'_>) {
    let expected = "digitalSignature alone, critical";
    let Some(usage) = report.certificate.key_usage() else {
        let cause = "verifiers then allow everything";
        return report.add(KeyUsage, Warning, expected, "no keyUsage", cause);
    };
    if !usage.digital_signature {
        let cause = "openssl refuses it in a handshake; Go and GnuTLS accept it";
        report.add(KeyUsage, Error, expected, "keyUsage without digitalSignature", cause);
    }
    if usage.key_cert_sign && !report.certificate.is_authority() {
        let cause = "openssl -x509_strict refuses it in what is no CA";
        report.add(KeyUsage, report.strict, expected, "keyCertSign", cause);
    }
    if usage.others || usage.crl_sign {
        report.add(KeyUsage, Info, expected, "further usages", "TLS 1.3 uses none of them");
    }
    if report.certificate.criticality(oid::KEY_USAGE) == Some(false) {
        report.add(KeyUsage, Warning, expected, "not critical", "RFC 5280 section 4.2.1.3 asks for critical");
    }
}

fn judge_daemon_usages(report: &mut Report<'_>) {
    let expected = "serverAuth alone";
    match report.certificate.extended_key_usages() {
        None | Some([]) => {
            let cause = "Go then allows every use: the daemon's key gets in as a client's";
            report.add(ExtendedKeyUsage, Warning, expected, "no extendedKeyUsage", cause);
        }
        Some(usages) if usages.contains(&Usage::Any) => {
            let cause = "Go then allows every use: the daemon's key gets in as a client's";
            report.add(ExtendedKeyUsage, Warning, expected, list(usages), cause);
        }
        Some(usages) if !usages.contains(&Usage::ServerAuth) => {
            report.add(ExtendedKeyUsage, Error, expected, list(usages), "every client refuses such a daemon");
        }
        Some(usages) if usages.contains(&Usage::ClientAuth) => {
            let cause = "the daemon's key then gets in as a client's";
            report.add(ExtendedKeyUsage, Warning, expected, list(usages), cause);
        }
        Some([_]) => {}
        Some(usages) => report.add(ExtendedKeyUsage, Info, expected, list(usages), "BuildKit uses no other"),
    }
}

fn judge_client_usages(report: &mut Report<'_>) {
    let expected = "clientAuth alone";
    let impersonates = "a stolen client key can play the daemon";
    match report.certificate.extended_key_usages() {
        None | Some([]) => {
            report.add(ExtendedKeyUsage, report.strict, expected, "no extendedKeyUsage", impersonates);
        }
        Some(usages) if usages.contains(&Usage::Any) || usages.contains(&Usage::ServerAuth) => {
            let (severity, cause) = if usages.contains(&Usage::Any) || usages.contains(&Usage::ClientAuth) {
                (report.strict, impersonates)
            } else {
                (Error, "every daemon refuses such a client: bad certificate")
            };
            report.add(ExtendedKeyUsage, severity, expected, list(usages), cause);
        }
        Some(usages) if !usages.contains(&Usage::ClientAuth) => {
            let cause = "every daemon refuses such a client: bad certificate";
            report.add(ExtendedKeyUsage, Error, expected, list(usages), cause);
        }
        Some([_]) => {}
        Some(usages) => report.add(ExtendedKeyUsage, Info, expected, list(usages), "BuildKit uses no other"),
    }
}

pub(super) fn judge_authority(report: &mut Report<'_>) {
    let certificate = report.certificate;
    let expected = "cA=TRUE, critical";
    match certificate.basic_constraints() {
        None => {
            let (severity, cause) = match certificate.version() {
                // Before version 3 there was no way to say it.
                ..3 => {
                    (report.strict, "Go and openssl take an anchor of version 1 for a CA, rustls does not")
                }
                _ => (Error, "Go takes it for no CA"),
            };
            report.add(BasicConstraints, severity, expected, "no basicConstraints", cause);
        }
        Some(constraints) if !constraints.is_authority => {
            report.add(BasicConstraints, Error, expected, "cA=FALSE", "Go takes it for no CA");
        }
        Some(constraints) => {
            if certificate.criticality(oid::BASIC_CONSTRAINTS) == Some(false) {
                let cause = "openssl -x509_strict refuses it";
                report.add(BasicConstraints, report.strict, expected, "not critical", cause);
            }
            judge_path_length(report, constraints.path_length);
        }
    }
    judge_key_usage_of_authority(report);
    judge_usages_of_authority(report);
}

fn judge_path_length(report: &mut Report<'_>, path_length: Option<u32>) {
    let expected = "a path length of 0";
    match path_length {
        Some(0) => {}
        Some(length) => {
            let cause = "it may make CAs below it";
            report.add(PathLength, Info, expected, message!("a path length of {}", length), cause);
        }
        None => {
            let cause = "it may make CAs below it, and these too";
            report.add(PathLength, Warning, expected, "no path length", cause);
        }
    }
}

fn judge_key_usage_of_authority(report: &mut Report<'_>) {
    let expected = "keyCertSign and cRLSign, critical";
    let Some(usage) = report.certificate.key_usage() else {
        let cause = "openssl -x509_strict refuses a CA without it";
        return report.add(KeyUsage, report.strict, expected, "no keyUsage", cause);
    };
    if !usage.key_cert_sign {
        let cause = "Go and openssl refuse what it signs";
        report.add(KeyUsage, Error, expected, "keyUsage without keyCertSign", cause);
    }
    if !usage.crl_sign {
        let cause = "no BuildKit peer reads a CRL; others would refuse one of this CA";
        report.add(KeyUsage, Info, expected, "keyUsage without cRLSign", cause);
    }
    if usage.digital_signature || usage.others {
        let cause = "the CA's key could be used in a handshake";
        report.add(KeyUsage, Info, expected, "further usages", cause);
    }
    if report.certificate.criticality(oid::KEY_USAGE) == Some(false) {
        report.add(KeyUsage, Warning, expected, "not critical", "RFC 5280 section 4.2.1.3 asks for critical");
    }
}

fn judge_usages_of_authority(report: &mut Report<'_>) {
    let Some(usages) = report.certificate.extended_key_usages() else { return };
    let expected = "no extendedKeyUsage";
    let allows = |usage| usages.contains(&usage) || usages.contains(&Usage::Any);
    if allows(Usage::ServerAuth) && allows(Usage::ClientAuth) {
        let cause = "Go nests usages from the CA down; a CA without them allows the same";
        report.add(ExtendedKeyUsage, Warning, expected, list(usages), cause);
    } else {
        let cause = "Go nests usages from the CA down, and refuses every certificate of the other role";
        report.add(ExtendedKeyUsage, report.strict, expected, list(usages), cause);
    }
}

fn list(usages: &[Usage]) -> Message {
    Message::join(usages, ", ")
}
