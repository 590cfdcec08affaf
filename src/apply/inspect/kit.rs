//! A kit, read and judged before somebody joins it.

use super::document::{FileFacts, Inspected};
use super::pem_files::facts_of;
use crate::message;
use crate::model::{Finding, Hex, Message, Printable, Rule, Severity, Timestamp};
use crate::pki::{Certificate, Kit, judge};

/// What a kit says, and what is wrong with it. Whose it is only a fingerprint tells.
pub(super) fn judge_kit(bytes: &[u8], file: &FileFacts<'_>, now: Timestamp) -> Inspected {
    const KIND: &str = "kit";
    let subject = file.path;
    let kit = match Kit::from_text(bytes, subject) {
        Ok(kit) => kit,
        Err(failure) => {
            let finding = Finding::new(Rule::KitRefused, Severity::Error, subject)
                .expected(failure.what_was_expected())
                .found(failure.what_was_found());
            let finding = match failure.remedy() {
                Some(hint) => finding.fix(hint),
                None => finding,
            };
            return Inspected::of(KIND, Vec::new(), vec![finding]);
        }
    };
    let contents = kit.contents();
    let signed_by = kit.signers().map(|signer| signer.fingerprint());
    let holds = if kit.has_key() { "an encrypted key" } else { "no secret" };
    let mut facts = vec![
        ("client", contents.name.message()),
        ("endpoint", contents.endpoint.message()),
        ("contact", contents.contact.message()),
        ("made", contents.created.message()),
        ("join before", contents.join_before.message()),
        ("holds", holds.message()),
        ("signed by", Message::join(signed_by, ", ")),
        ("in words", Message::join(kit.signers().map(|signer| signer.fingerprint().words()), ", ")),
        ("trusts", Message::join(contents.trust.iter().map(name_of), ", ")),
    ];
    facts.extend(contents.chain.iter().flat_map(facts_of));
    let mut findings = Vec::new();
    if now > contents.join_before {
        findings.push(
            Finding::new(Rule::KitPastDate, Severity::Error, subject)
                .expected(message!("a kit that may be joined now, {}", now))
                .found(message!("one that was to be joined before {}", contents.join_before))
                .fix(message!("ask {} for a new kit", contents.contact.person())),
        );
    }
    let certificates = contents.chain.iter().chain(&contents.trust);
    findings.extend(judge::kit_certificates(certificates, kit.signers().next(), now));
    Inspected::of(KIND, facts, findings)
}

fn name_of(certificate: &Certificate) -> Message {
    let identifier = certificate.subject_key_identifier().unwrap_or_default();
    message!("{} ({})", certificate.subject(), Hex(identifier))
}
