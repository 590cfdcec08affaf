//! The CAs that a peer trusts.

use std::collections::BTreeSet;

use super::certificate::Certificate;
use super::distinguished_name::DistinguishedName;
use crate::message;
use crate::model::profile::LARGEST_BUNDLE_FILE;
use crate::model::{Failure, Fingerprint, Message, Printable, Quoted};
use crate::pki::form::WrongForm;
use crate::pki::key::sha256;
use crate::pki::pem::{PemBlock, PemLabel};

/// A `ca.pem` as Go's `AppendCertsFromPEM` loads it: certificates that parse are trust anchors,
/// self-signed or not, CA or not; everything else is dropped without a word. What was dropped is
/// kept here, so that somebody says it.
#[derive(Clone, Debug, Default)]
pub struct TrustBundle {
    certificates: Vec<Certificate>,
    dropped: Vec<DroppedBlock>,
}

/// A block that Go would pass over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DroppedBlock {
    /// The line of its BEGIN, counted from 1.
    pub line: usize,
    /// What stands behind BEGIN.
    pub label: PemLabel,
    /// Why it is passed over.
    pub why: Message,
}

impl TrustBundle {
    /// The bundle of those certificates, in that order.
    #[must_use]
    pub fn new(certificates: Vec<Certificate>) -> TrustBundle {
        TrustBundle { certificates, dropped: Vec::new() }
    }

    /// Reads a PEM file. `subject` is the path or name for messages.
    ///
    /// # Errors
    /// No certificate at all ("failed to append ca cert" is all that buildkitd would say), or more than
    /// 2 MiB.
    pub fn from_pem(bytes: &[u8], subject: impl Printable) -> Result<TrustBundle, Failure> {
        let wrong = |expected: Message, found: Message| {
            let failure = Failure::new("reading the CA bundle", &subject).expected(expected).found(found);
            match WrongForm::of(bytes) {
                Some(form) => failure.hint(form.repair(&subject)),
                None => failure.hint(message!("{kitcert} inspect {}", Quoted(&subject))),
            }
        };
        if bytes.len() > LARGEST_BUNDLE_FILE {
            let found = message!("{} bytes", bytes.len());
            return Err(wrong(message!("at most {} bytes", LARGEST_BUNDLE_FILE), found));
        }
        let mut bundle = TrustBundle::default();
        for block in PemBlock::all_of(bytes) {
            bundle.take(block);
        }
        let a_certificate = message!("at least one CERTIFICATE in PEM");
        match (bundle.certificates.len(), bundle.dropped.first()) {
            (0, _) if let Some(form) = WrongForm::of(bytes) => Err(wrong(a_certificate, form.message())),
            (0, Some(block)) => Err(wrong(a_certificate, message!("{} that {}", block.label, block.why))),
            (0, None) if bytes.is_empty() => Err(wrong(a_certificate, message!("an empty file"))),
            (0, None) => Err(wrong(a_certificate, message!("no PEM block"))),
            _ => Ok(bundle),
        }
    }

    fn take(&mut self, block: PemBlock) {
        let why = match (block.label.as_str(), block.contents) {
            ("CERTIFICATE", Ok(der)) => match Certificate::from_der(&der) {
                Ok(certificate) => match certificate.unreadable_to_go() {
                    None => return self.certificates.push(certificate),
                    Some(why) => message!("has {}", why),
                },
                Err(failure) => message!("holds {}", failure.what_was_found()),
            },
            (_, Err(fault)) => fault.message(),
            (_, Ok(_)) => message!("is no certificate"),
        };
        self.dropped.push(DroppedBlock { line: block.line, label: block.label, why });
    }

    /// The trust anchors, in the order of the file.
    #[must_use]
    pub fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }

    /// Whether the CA of that certificate is trusted, by whichever certificate of it.
    #[must_use]
    pub fn trusts(&self, authority: &Certificate) -> bool {
        self.certificates.iter().any(|anchor| anchor.is_of_same_authority(authority))
    }

    /// What Go passes over.
    #[must_use]
    pub fn dropped(&self) -> &[DroppedBlock] {
        &self.dropped
    }

    /// The names that a server with this bundle tells its clients (the certificate_authorities of
    /// its CertificateRequest): the subjects, each once.
    #[must_use]
    pub fn subjects(&self) -> Vec<&DistinguishedName> {
        let mut subjects: Vec<_> = self.certificates.iter().map(Certificate::subject).collect();
        subjects.sort_unstable();
        subjects.dedup();
        subjects
    }

    /// How many bytes they take in a CertificateRequest, with the two of each length.
    #[must_use]
    pub fn length_of_subjects(&self) -> usize {
        // Go names the subject of each certificate, as often as it is there.
        self.certificates.iter().map(|certificate| 2 + certificate.subject().der().len()).sum()
    }

    /// How many different certificates have that subject: so often a server names it at the most.
    #[must_use]
    pub fn named(&self, subject: &DistinguishedName) -> usize {
        let of_name = |certificate: &&Certificate| certificate.subject() == subject;
        let ders: BTreeSet<&[u8]> = self.certificates.iter().filter(of_name).map(Certificate::der).collect();
        ders.len()
    }

    /// The SHA-256 of the file as [`TrustBundle::to_pem`] writes it: what `sha256sum` says of a
    /// ca.pem that we wrote.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::new(sha256(self.to_pem().as_bytes()))
    }

    /// The file: one block a certificate, LF, nothing between.
    #[must_use]
    pub fn to_pem(&self) -> String {
        self.certificates.iter().map(Certificate::to_pem).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{KeyAlgorithm, Lifetime, Timestamp, Validity};
    use crate::pki::{AuthorityRequest, CertificateAuthority, PrivateKey};

    fn authorities(count: usize) -> Vec<Certificate> {
        let now = Timestamp::parse("2026-11-23").unwrap();
        let validity = Validity::issued(now, Lifetime::days(30), Lifetime::from_seconds(3600));
        let request = AuthorityRequest { name: "Test".parse().unwrap(), validity };
        let make = |_| {
            let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
            CertificateAuthority::create(&request, &key).unwrap().certificate().clone()
        };
        (0..count).map(make).collect()
    }

    fn found(bytes: &[u8]) -> String {
        TrustBundle::from_pem(bytes, "ca.pem").unwrap_err().what_was_found().to_string()
    }

    #[test]
    fn as_many_octets_as_are_allowed_are_read_and_not_one_more() {
        let many = authorities(17);
        let mut padded = TrustBundle::new(many.clone()).to_pem().into_bytes();
        assert_eq!(TrustBundle::from_pem(&padded, "ca.pem").unwrap().certificates(), &many[..]);
        padded.resize(LARGEST_BUNDLE_FILE, b'\n');
        assert!(TrustBundle::from_pem(&padded, "ca.pem").is_ok());
        padded.push(b'\n');
        assert_eq!(found(&padded), "2097153 bytes");
    }

    #[test]
    fn a_file_without_a_certificate_says_what_it_has_instead() {
        assert_eq!(found(b""), "an empty file");
        assert_eq!(found(b"# nothing\n"), "no PEM block");
        let block = |label: &str| format!("-----BEGIN {label}-----\nMAA=\n-----END {label}-----\n");
        assert_eq!(found(block("X509 CRL").as_bytes()), "a block of X509 CRL that is no certificate");
        assert!(found(block("CERTIFICATE").as_bytes()).starts_with("a block of CERTIFICATE that holds "));
    }

    #[test]
    fn what_is_dropped_is_kept_with_its_line_and_the_reason() {
        let one = authorities(1);
        let text = format!(
            "# ours\n-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n{}",
            one[0].to_pem()
        );
        let bundle = TrustBundle::from_pem(text.as_bytes(), "ca.pem").unwrap();
        let dropped = DroppedBlock {
            line: 2,
            label: PemLabel::Known("PRIVATE KEY"),
            why: message!("is no certificate"),
        };
        assert_eq!((bundle.certificates(), bundle.dropped()), (&one[..], &[dropped][..]));
    }

    #[test]
    fn the_subjects_are_told_once_each() {
        let two = authorities(2);
        let bundle = TrustBundle::new([&two[..], &two[..]].concat());
        let mut expected = vec![two[0].subject(), two[1].subject()];
        expected.sort_unstable();
        assert_eq!(bundle.subjects(), expected);
    }
}
