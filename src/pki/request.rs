//! A request for a certificate, whose key stays where it was made.

use rcgen::{CertificateParams, DnType};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::FromDer;

use super::form::WrongForm;
use super::key::{PrivateKey, PublicKey, PublicKeyKind, Signer};
use super::pem::{LINES, PemBlock};
use super::x509::{DistinguishedName, SignatureAlgorithm, name_of, usages_of};
use crate::message;
use crate::model::profile::LARGEST_PEM;
use crate::model::{Failure, Fingerprint, IdentityName, Message, Printable, Quoted};

/// A PKCS#10 request (RFC 2986) whose signature was right. Of what it asks for, only the key is
/// taken: name, role and lifetime are the CA's to say.
#[derive(Clone, Debug)]
pub struct CertificateRequest {
    subject: DistinguishedName,
    public_key: PublicKey,
    requested: Vec<Message>,
}

impl CertificateRequest {
    /// Makes a request in PEM for a key, which asks for a client of that name.
    ///
    /// # Errors
    /// A key that cannot sign.
    pub fn create(name: &IdentityName, key: &PrivateKey) -> Result<String, Failure> {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name = rcgen::DistinguishedName::new();
        parameters.distinguished_name.push(DnType::CommonName, name.as_str());
        let made = parameters.serialize_request(&Signer::new(key)?);
        let made =
            made.map_err(|_| Failure::new("making the request of", name).found("a key that cannot sign"))?;
        let block = pem::Pem::new("CERTIFICATE REQUEST", made.der().as_ref());
        Ok(pem::encode_config(&block, LINES))
    }

    /// Reads a PEM file of one request, as `openssl req -new` writes it, and checks that whoever
    /// made it holds the key. `subject` is the path or name for messages.
    ///
    /// # Errors
    /// Anything but one request; a signature that is not by the request's key; a key that a peer
    /// would refuse: RSA of less than 2048 bits or more than 8192, P-521 (ring cannot verify it),
    /// or an unknown kind.
    pub fn from_pem(bytes: &[u8], subject: impl Printable) -> Result<CertificateRequest, Failure> {
        let subject = subject.message();
        let wrong = |found: Message| {
            Failure::new("reading the request", &subject)
                .expected("one CERTIFICATE REQUEST in PEM")
                .found(found)
                .hint(message!("openssl req -in {} -noout -verify -text", Quoted(&subject)))
        };
        if bytes.len() > LARGEST_PEM {
            return Err(wrong(message!("{} bytes", bytes.len())));
        }
        // Nobody else has to read it: whatever became of it on its way does no harm.
        let fixed = WrongForm::fix(bytes);
        let bytes = fixed.as_ref().map_or(bytes, |(pem, _)| pem.as_slice());
        let mut blocks = PemBlock::all_of(bytes).into_iter();
        let Some(block) = blocks.next() else {
            return Err(wrong(if bytes.is_empty() { "an empty file" } else { "no PEM block" }.message()));
        };
        if !matches!(block.label.as_str(), "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST") {
            return Err(wrong(block.label.message()));
        }
        if blocks.next().is_some() {
            return Err(wrong(message!("more than one block")));
        }
        let der = block.contents.map_err(|fault| wrong(message!("a block that {}", fault)))?;
        let Ok((&[], parsed)) = X509CertificationRequest::from_der(&der) else {
            return Err(wrong(message!("a block that holds something else")));
        };
        CertificateRequest::of(&parsed, &subject)
    }

    fn of(parsed: &X509CertificationRequest<'_>, subject: &Message) -> Result<CertificateRequest, Failure> {
        let refused = |expected: &'static str, found: Message| {
            Err(Failure::new("checking the request", subject)
                .expected(expected)
                .found(found)
                .hint("its owner makes another, with kitcert request and the name of the client"))
        };
        let info = &parsed.certification_request_info;
        let public_key = PublicKey::of(&info.subject_pki);
        match public_key.kind() {
            kind if kind.is_verifiable() => {}
            PublicKeyKind::EcdsaP521 => {
                return refused(USABLE_KEYS, message!("ecdsa-p521, which this program cannot verify"));
            }
            kind => return refused(USABLE_KEYS, kind.message()),
        }
        if parsed.verify_signature().is_err() {
            let algorithm = SignatureAlgorithm::of(&parsed.signature_algorithm);
            // openssl's own salt length for RSA-PSS is one that neither Go nor ring verifies.
            let found = message!("one of {} that is another's, or that cannot be verified", algorithm);
            return refused("a signature by the request's own key", found);
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
    pub fn requested(&self) -> &[Message] {
        &self.requested
    }
}

fn described(extension: &ParsedExtension<'_>) -> Option<Message> {
    match extension {
        ParsedExtension::BasicConstraints(constraints) => constraints.ca.then(|| message!("CA:TRUE")),
        ParsedExtension::SubjectAlternativeName(names) => {
            Some(message!("names {}", Message::join(names.general_names.iter().map(name_of), ", ")))
        }
        ParsedExtension::ExtendedKeyUsage(usage) => {
            Some(message!("usages {}", Message::join(usages_of(usage), ", ")))
        }
        ParsedExtension::KeyUsage(usage) => usage.key_cert_sign().then(|| message!("keyCertSign")),
        ParsedExtension::SubjectKeyIdentifier(_) => None,
        ParsedExtension::UnsupportedExtension { oid } => Some(message!("extension {}", oid)),
        _ => Some(message!("another extension")),
    }
}

const USABLE_KEYS: &str = "a key of ecdsa-p256, ecdsa-p384, ed25519, or RSA of 2048 to 8192 bits";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::KeyAlgorithm;

    fn read(name: &str) -> Result<CertificateRequest, Failure> {
        let path = format!("{}/fixtures/pki/requests/{name}.csr", env!("CARGO_MANIFEST_DIR"));
        CertificateRequest::from_pem(&std::fs::read(&path).unwrap(), std::path::Path::new(&path))
    }

    #[test]
    fn requests_of_openssl_are_read_whatever_hash_they_are_signed_with() {
        for (name, kind) in [
            ("p256", "ecdsa-p256"),
            ("p384", "ecdsa-p384"),
            ("ed25519", "ed25519"),
            ("rsa-2048", "rsa-2048"),
            ("rsa-3072", "rsa-3072"),
            ("rsa-pss", "rsa-2048"),
            ("p384-sha256", "ecdsa-p384"),
            ("p256-sha384", "ecdsa-p256"),
        ] {
            let request = read(name).unwrap();
            assert_eq!(request.public_key().kind().to_string(), kind, "{name}");
            assert_eq!(request.requested(), &[] as &[String], "{name}");
        }
        assert_eq!(read("p384").unwrap().fingerprint(), read("p384-sha256").unwrap().fingerprint());
        assert_ne!(read("p256").unwrap().fingerprint(), read("p384").unwrap().fingerprint());
    }

    #[test]
    fn a_request_that_we_make_is_for_its_key_and_name_and_wants_nothing_else() {
        let key = PrivateKey::generate(KeyAlgorithm::EcdsaP384).unwrap();
        let made = CertificateRequest::create(&"ana".parse().unwrap(), &key).unwrap();
        let read = CertificateRequest::from_pem(made.as_bytes(), "ana.csr").unwrap();
        assert_eq!(read.public_key(), key.public_key());
        assert_eq!(read.subject().to_string(), "CN=ana");
        assert_eq!(read.requested(), &[] as &[String]);
    }

    #[test]
    fn a_file_of_a_request_has_64_kib_at_the_most() {
        let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
        let mut file = CertificateRequest::create(&"ana".parse().unwrap(), &key).unwrap().into_bytes();
        file.resize(LARGEST_PEM, b'\n');
        assert!(CertificateRequest::from_pem(&file, "ana.csr").is_ok());
        file.push(b'\n');
        let failure = CertificateRequest::from_pem(&file, "ana.csr").unwrap_err();
        assert_eq!(failure.what_was_found(), "65537 bytes");
    }

    #[test]
    fn extensions_that_are_asked_for_are_told_and_a_key_identifier_is_none_to_speak_of() {
        let extension = |identifier: &[u64], contents: &[u8]| {
            rcgen::CustomExtension::from_oid_content(identifier, contents.to_vec())
        };
        let mut parameters = CertificateParams::default();
        parameters.custom_extensions = vec![
            extension(&[2, 5, 29, 14], &[4, 1, 0xaa]),
            extension(&[1, 3, 6, 1, 4, 1, 99999], &[5, 0]),
            extension(&[1, 3, 6, 1, 5, 5, 7, 1, 1], &[0x30, 0]),
        ];
        let made = parameters.serialize_request(&rcgen::KeyPair::generate().unwrap()).unwrap();
        let made = pem::encode(&pem::Pem::new("CERTIFICATE REQUEST", made.der().as_ref()));
        let request = CertificateRequest::from_pem(made.as_bytes(), "ana.csr").unwrap();
        assert_eq!(request.requested(), ["extension 1.3.6.1.4.1.99999", "another extension"]);
    }

    #[test]
    fn what_a_request_wants_besides_is_told() {
        let request = read("greedy").unwrap();
        assert_eq!(
            request.requested(),
            [
                "CA:TRUE",
                "keyCertSign",
                "names builder.example.com, 10.0.0.5",
                "usages serverAuth, clientAuth"
            ]
        );
        assert!(request.subject().to_string().contains("builder.example.com"));
    }

    #[test]
    fn a_request_whose_maker_does_not_hold_the_key_is_refused() {
        for (name, algorithm) in [("forged", "ecdsa-sha256"), ("rsa-pss-long-salt", "rsa-pss")] {
            let failure = read(name).unwrap_err();
            assert_eq!(failure.what_was_expected(), "a signature by the request's own key");
            assert!(failure.what_was_found().contains(algorithm));
        }
    }

    #[test]
    fn keys_that_a_peer_would_refuse_are_refused_by_name() {
        for (name, found) in [
            ("rsa-1024", "rsa-1024"),
            ("p521", "ecdsa-p521, which this program cannot verify"),
            ("secp256k1", "ecdsa on 1.3.132.0.10"),
        ] {
            assert_eq!(read(name).unwrap_err().what_was_found(), found);
        }
    }

    #[test]
    fn what_is_no_request_is_named() {
        let found = |bytes: &[u8]| {
            let failure = CertificateRequest::from_pem(bytes, "me.csr").unwrap_err();
            failure.what_was_found().to_owned()
        };
        assert_eq!(found(b""), "an empty file");
        assert_eq!(found(b"\x00\xff\x30"), "no PEM block");
        assert_eq!(found(&[b'-'; 100_000]), "100000 bytes");
        let block = |label: &str| format!("-----BEGIN {label}-----\nMAA=\n-----END {label}-----\n");
        assert_eq!(found(block("CERTIFICATE").as_bytes()), "a block of CERTIFICATE");
        assert_eq!(found(block("PRIVATE KEY").as_bytes()), "a block of PRIVATE KEY");
        assert_eq!(found(block("CERTIFICATE REQUEST").as_bytes()), "a block that holds something else");
        assert_eq!(found(block("CERTIFICATE REQUEST").repeat(2).as_bytes()), "more than one block");
    }
}
