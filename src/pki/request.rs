//! A request for a certificate, whose key stays where it was made.

use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::FromDer;

use super::distinguished_name::DistinguishedName;
use super::extension::{name_of, usages_of};
use super::pem_block::PemBlock;
use super::public_key::{PublicKey, PublicKeyKind};
use crate::model::profile::LARGEST_PEM;
use crate::model::{Failure, Fingerprint};

/// A PKCS#10 request (RFC 2986) whose signature was right. Of what it asks for, only the key is
/// taken: name, role and lifetime are the CA's to say.
#[derive(Clone, Debug)]
pub struct CertificateRequest {
    subject: DistinguishedName,
    public_key: PublicKey,
    requested: Vec<String>,
}

impl CertificateRequest {
    /// Reads a PEM file of one request, as `openssl req -new` writes it, and checks that whoever
    /// made it holds the key. `subject` is the path or name for messages.
    ///
    /// # Errors
    /// Anything but one request; a signature that is not by the request's key; a key that a peer
    /// would refuse: RSA of less than 2048 bits or more than 8192, P-521 (ring cannot verify it),
    /// or an unknown kind.
    pub fn from_pem(bytes: &[u8], subject: &str) -> Result<CertificateRequest, Failure> {
        let wrong = |found: String| {
            Failure::new("reading the request", subject)
                .expected("one CERTIFICATE REQUEST in PEM")
                .found(found)
                .hint(format!("openssl req -in {subject} -noout -verify -text"))
        };
        if bytes.len() > LARGEST_PEM {
            return Err(wrong(format!("{} bytes", bytes.len())));
        }
        let mut blocks = PemBlock::all_of(bytes).into_iter();
        let Some(block) = blocks.next() else {
            return Err(wrong(if bytes.is_empty() { "an empty file" } else { "no PEM block" }.to_owned()));
        };
        if !matches!(block.label.as_str(), "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST") {
            return Err(wrong(format!("a block of {:?}", block.label)));
        }
        if blocks.next().is_some() {
            return Err(wrong("more than one block".to_owned()));
        }
        let der = block.contents.map_err(|fault| wrong(format!("a block that {fault}")))?;
        let Ok((&[], parsed)) = X509CertificationRequest::from_der(&der) else {
            return Err(wrong("a block that holds something else".to_owned()));
        };
        CertificateRequest::of(&parsed, subject)
    }

    fn of(parsed: &X509CertificationRequest<'_>, subject: &str) -> Result<CertificateRequest, Failure> {
        let refused = |expected: &str, found: String| {
            Err(Failure::new("checking the request", subject)
                .expected(expected)
                .found(found)
                .hint("openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out new.csr -subj /CN=me"))
        };
        let info = &parsed.certification_request_info;
        let public_key = PublicKey::of(&info.subject_pki);
        match public_key.kind() {
            kind if kind.is_verifiable() => {}
            PublicKeyKind::EcdsaP521 => {
                return refused(USABLE_KEYS, "ecdsa-p521, which this program cannot verify".to_owned());
            }
            kind => return refused(USABLE_KEYS, kind.to_string()),
        }
        if parsed.verify_signature().is_err() {
            return refused("a signature by the request's own key", "another".to_owned());
        }
        Ok(CertificateRequest {
            subject: DistinguishedName::from_der(info.subject.as_raw()),
            public_key,
            requested: parsed.requested_extensions().into_iter().flatten().filter_map(described).collect(),
        })
    }

    /// The key that the certificate is to be for.
    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// SHA-256 of the key's SubjectPublicKeyInfo, which the requester reads out to the admin.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.public_key.fingerprint()
    }

    /// The name that it asks for.
    #[must_use]
    pub fn subject(&self) -> &DistinguishedName {
        &self.subject
    }

    /// What the request asked for besides a certificate for its key, one clause each, none of
    /// which is granted: `CA:TRUE`, `names builder.example.com`, `usages serverAuth`.
    #[must_use]
    pub fn requested(&self) -> &[String] {
        &self.requested
    }
}

fn described(extension: &ParsedExtension<'_>) -> Option<String> {
    fn list<T: ToString>(items: impl Iterator<Item = T>) -> String {
        items.map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
    }
    match extension {
        ParsedExtension::BasicConstraints(constraints) => constraints.ca.then(|| "CA:TRUE".to_owned()),
        ParsedExtension::SubjectAlternativeName(names) => {
            Some(format!("names {}", list(names.general_names.iter().map(name_of))))
        }
        ParsedExtension::ExtendedKeyUsage(usage) => {
            Some(format!("usages {}", list(usages_of(usage).into_iter())))
        }
        ParsedExtension::KeyUsage(usage) => usage.key_cert_sign().then(|| "keyCertSign".to_owned()),
        ParsedExtension::SubjectKeyIdentifier(_) => None,
        ParsedExtension::UnsupportedExtension { oid } => Some(format!("extension {}", oid.to_id_string())),
        _ => Some("another extension".to_owned()),
    }
}

const USABLE_KEYS: &str = "a key of ecdsa-p256, ecdsa-p384, ed25519, or RSA of 2048 to 8192 bits";
