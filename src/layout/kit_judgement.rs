//! A kit, read and judged before somebody joins it.

use super::judgement::{Contents, FileFacts, Judgement, Kind, facts_of};
use crate::model::{Finding, Hex, Role, Rule, Severity, Timestamp};
use crate::pki::{Certificate, Kit, lint};

/// Whether a file claims to be a kit, by its first two lines.
pub(super) fn is_kit(bytes: &[u8]) -> bool {
    let mut lines = bytes.split(|octet| *octet == b'\n');
    let (first, second) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    first.starts_with(b"sha256: ") && second.starts_with(b"kitcert-kit: ")
}

/// What a kit says, and what is wrong with it. Whose it is only a fingerprint tells.
pub(super) fn judge(bytes: &[u8], file: &FileFacts<'_>, now: Timestamp) -> Judgement {
    let subject = file.path.display().to_string();
    let kit = match Kit::from_text(bytes, &subject) {
        Ok(kit) => kit,
        Err(failure) => {
            let finding = Finding::new(Rule::KitRefused, Severity::Error, subject)
                .expected(failure.what_was_expected())
                .found(failure.what_was_found());
            let finding = match failure.command_to_try() {
                Some(hint) => finding.fix(hint),
                None => finding,
            };
            return Judgement {
                kind: Kind::Kit,
                facts: Vec::new(),
                findings: vec![finding],
                contents: Contents::default(),
            };
        }
    };
    let contents = kit.contents();
    let signed_by = kit.signers().map(|signer| signer.fingerprint().to_string());
    let holds = if kit.has_key() { "an encrypted key" } else { "no secret" };
    let mut facts: Vec<(String, String)> = [
        ("client", contents.name.to_string()),
        ("endpoint", contents.endpoint.to_string()),
        ("contact", contents.contact.to_string()),
        ("made", contents.created.to_string()),
        ("join before", contents.join_before.to_string()),
        ("holds", holds.to_owned()),
        ("signed by", signed_by.collect::<Vec<_>>().join(", ")),
        ("trusts", contents.trust.iter().map(name_of).collect::<Vec<_>>().join(", ")),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    facts.extend(contents.chain.iter().flat_map(facts_of));
    let mut findings = Vec::new();
    if now > contents.join_before {
        findings.push(
            Finding::new(Rule::KitPastDate, Severity::Error, subject)
                .expected(format!("a kit that may be joined now, {now}"))
                .found(format!("one that was to be joined before {}", contents.join_before))
                .fix(format!("ask {} for a new kit", contents.contact)),
        );
    }
    for certificate in contents.chain.iter().chain(&contents.trust) {
        findings.extend(lint::dates(certificate, now));
        findings.extend(if certificate.is_authority() {
            lint::authority(certificate)
        } else {
            lint::leaf(certificate, Role::Client, kit.signers().next())
        });
    }
    Judgement { kind: Kind::Kit, facts, findings, contents: Contents::default() }
}

fn name_of(certificate: &Certificate) -> String {
    let identifier = certificate.subject_key_identifier().unwrap_or_default();
    format!("{} ({})", certificate.subject(), Hex(identifier))
}
