//! What a certificate is called.

use std::net::IpAddr;

use super::report::Report;
use crate::message;
use crate::model::Rule::{IpAsDnsName, SubjectAltName, UnderscoreInName, WildcardName};
use crate::model::Severity::{Error, Info, Warning};
use crate::model::profile::MOST_NAMES;
use crate::model::{DnsName, Message, Printable, Role};
use crate::pki::x509::{InCertificate, NameKind, oid};

pub(super) fn judge(report: &mut Report<'_>, role: Role) {
    let certificate = report.certificate;
    let names = certificate.names().unwrap_or_default();
    if !names.iter().any(|name| matches!(name, NameKind::Dns(_) | NameKind::Ip(_))) {
        judge_nameless(report, role);
    }
    if names.len() > MOST_NAMES {
        let expected = message!("at most {} names", MOST_NAMES);
        let cause = "many names slow a verifier down (CVE-2026-27145)";
        report.add(SubjectAltName, Warning, expected, names.len(), cause);
    }
    let is_critical = certificate.criticality(oid::SUBJECT_ALT_NAME) == Some(true);
    if is_critical && !certificate.subject().is_empty() {
        let cause = "RFC 5280 section 4.2.1.6 wants it critical only with an empty subject";
        report.add(SubjectAltName, Info, "not critical", "critical", cause);
    }
    for name in names {
        match name {
            NameKind::Dns(text) => judge_dns_name(report, text),
            NameKind::Malformed(_) => {
                let cause = "Go cannot read such a certificate";
                report.add(SubjectAltName, Error, "a name that Go reads", name, cause);
            }
            NameKind::Ip(_) if name.is_unreadable_to_go() => {
                let cause = "Go cannot read such a certificate";
                report.add(SubjectAltName, Error, "an IPv4 address of 4 bytes", name, cause);
            }
            NameKind::Ip(_) | NameKind::Uri(_) | NameKind::Email(_) | NameKind::Other => {}
        }
    }
}

fn judge_nameless(report: &mut Report<'_>, role: Role) {
    let expected = "a subjectAltName with a DNS name or an address";
    match role {
        Role::Daemon => {
            let cause = "clients look at no common name: \"relies on legacy Common Name field\"";
            report.add(SubjectAltName, Error, expected, "none", cause);
        }
        Role::Client => {
            let others = report.certificate.names().unwrap_or_default();
            if others.is_empty() {
                let cause = "BuildKit does not ask for it, but some verifiers refuse a client without";
                return report.add(SubjectAltName, Warning, expected, "none", cause);
            }
            let cause = "a daemon asks for no name of its clients; such a name does no harm";
            report.add(SubjectAltName, Info, expected, Message::join(others, ", "), cause);
        }
    }
}

fn judge_dns_name(report: &mut Report<'_>, text: &str) {
    let quoted = InCertificate(text).message();
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    if bare.parse::<IpAddr>().is_ok() {
        let cause = "verifiers look for an address among the iPAddresses only: \"valid for …, not …\"";
        return report.add(IpAsDnsName, report.strict, "the address as iPAddress", quoted, cause);
    }
    let expected = "a DNS name of lower-case letters, digits and hyphens";
    if text.ends_with('.') {
        let cause = "Go 1.25.2 refuses a trailing dot, and nobody dials it";
        return report.add(SubjectAltName, Error, expected, quoted, cause);
    }
    let Ok(name) = text.parse::<DnsName>() else {
        return report.add(SubjectAltName, report.strict, expected, quoted, "no client can match it");
    };
    if !name.as_str().eq_ignore_ascii_case(text) {
        let cause = "a name beyond ASCII stands in a certificate as its A-label";
        return report.add(SubjectAltName, report.strict, &name, quoted, cause);
    }
    if name.has_underscore() {
        let cause = "Go and rustls accept it, RFC 5280 and other verifiers do not";
        report.add(UnderscoreInName, Warning, expected, &quoted, cause);
    }
    if name.is_wildcard() {
        let cause = "its key stands in for every host of that domain";
        report.add(WildcardName, Warning, "a name for each host", quoted, cause);
    }
}
