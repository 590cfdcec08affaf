//! A certificate, read once.

use std::sync::{Arc, OnceLock};

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::FromDer;

use super::authority_hint::AuthorityHint;
use super::der::{self, Place};
use super::distinguished_name::DistinguishedName;
use super::extension::{
    BasicConstraints, ExtensionSummary, KeyUsage, NameKind, READ_BY_GO, name_of, oid, usages_of,
};
use super::name_constraints::NameConstraints;
use super::shape;
use super::signature_algorithm::SignatureAlgorithm;
use super::stray::{self, Stray};
use crate::model::{
    AuthorityId, ExtendedKeyUsage, Failure, Fingerprint, Role, SerialNumber, SubjectAltName, Timestamp,
    Validity,
};
use crate::pki::key::{PublicKey, sha256};

/// An X.509 certificate: its DER, and what verifiers look at, read from it once. A clone is the same one.
#[derive(Clone, Debug)]
pub struct Certificate(Arc<Contents>);

#[derive(Debug)]
struct Contents {
    der: Vec<u8>,
    version: u32,
    serial: SerialNumber,
    signature_algorithm: SignatureAlgorithm,
    subject: DistinguishedName,
    issuer: DistinguishedName,
    validity: Validity,
    public_key: PublicKey,
    basic_constraints: Option<BasicConstraints>,
    key_usage: Option<KeyUsage>,
    extended_key_usages: Option<Vec<ExtendedKeyUsage>>,
    names: Option<Vec<NameKind>>,
    subject_key_identifier: Option<Vec<u8>>,
    authority_key_identifier: Option<Vec<u8>>,
    authority_hint: Option<AuthorityHint>,
    name_constraints: Option<NameConstraints>,
    netscape_roles: Option<Vec<Role>>,
    extensions: Vec<ExtensionSummary>,
    stray: Option<Stray>,
    /// The key that is known to have signed it. A run asks the same of many certificates and few
    /// CAs, and a signature costs more than all the rest of a chain.
    signed_by: OnceLock<PublicKey>,
}

impl Contents {
    fn take(&mut self, extension: &ParsedExtension<'_>) {
        match extension {
            ParsedExtension::BasicConstraints(constraints) => {
                self.basic_constraints = Some(BasicConstraints {
                    is_authority: constraints.ca,
                    path_length: constraints.path_len_constraint,
                });
            }
            ParsedExtension::KeyUsage(usage) => self.key_usage = Some(KeyUsage::of(usage)),
            ParsedExtension::ExtendedKeyUsage(usage) => self.extended_key_usages = Some(usages_of(usage)),
            ParsedExtension::SubjectAlternativeName(names) => {
                self.names = Some(names.general_names.iter().map(name_of).collect());
            }
            ParsedExtension::SubjectKeyIdentifier(identifier) => {
                self.subject_key_identifier = Some(identifier.0.to_vec());
            }
            ParsedExtension::AuthorityKeyIdentifier(identifier) => {
                self.authority_key_identifier =
                    identifier.key_identifier.as_ref().map(|octets| octets.0.to_vec());
            }
            ParsedExtension::NameConstraints(constraints) => {
                self.name_constraints = Some(NameConstraints::of(constraints));
            }
            ParsedExtension::NSCertType(kind) => {
                let roles = [(kind.ssl_client(), Role::Client), (kind.ssl_server(), Role::Daemon)];
                let roles = roles.into_iter().filter_map(|(is_there, role)| is_there.then_some(role));
                self.netscape_roles = Some(roles.collect());
            }
            _ => {}
        }
    }
}

impl Certificate {
    /// Reads a certificate.
    ///
    /// # Errors
    /// Bytes that are no certificate, or that are followed by others.
    pub fn from_der(der: &[u8]) -> Result<Certificate, Failure> {
        let broken = |found: &'static str| {
            Failure::new("reading", "a certificate").expected("an X.509 certificate in DER").found(found)
        };
        if !der::is_strict(der, Place::Certificate) {
            return Err(broken("something else"));
        }
        let (rest, parsed) = X509Certificate::from_der(der).map_err(|_| broken("something else"))?;
        if !rest.is_empty() {
            return Err(broken("bytes behind it"));
        }
        if parsed.signature_algorithm != parsed.tbs_certificate.signature {
            return Err(broken("two signature algorithms in one certificate"));
        }
        if !shape::is_a_certificate(der) {
            return Err(broken("an element that is not what belongs there"));
        }
        Certificate::of(der, &parsed).ok_or_else(|| broken("an extension that cannot be read"))
    }

    fn of(der: &[u8], parsed: &X509Certificate<'_>) -> Option<Certificate> {
        let mut contents = Contents {
            der: der.to_vec(),
            version: parsed.version().0 + 1,
            serial: SerialNumber::from_der_octets(parsed.raw_serial()),
            signature_algorithm: SignatureAlgorithm::of(&parsed.signature_algorithm),
            subject: DistinguishedName::from_der(parsed.subject().as_raw()),
            issuer: DistinguishedName::from_der(parsed.issuer().as_raw()),
            validity: Validity {
                not_before: Timestamp::from_unix(parsed.validity().not_before.timestamp()),
                not_after: Timestamp::from_unix(parsed.validity().not_after.timestamp()),
            },
            public_key: PublicKey::of(parsed.public_key()),
            basic_constraints: None,
            key_usage: None,
            extended_key_usages: None,
            names: None,
            subject_key_identifier: None,
            authority_key_identifier: None,
            authority_hint: None,
            name_constraints: None,
            netscape_roles: None,
            extensions: Vec::new(),
            stray: stray::first(der).map(Stray::Part),
            signed_by: OnceLock::new(),
        };
        // Go passes over the extensions of a certificate that is not of version 3.
        let extensions = if contents.version == 3 { parsed.extensions() } else { &[] };
        for extension in extensions {
            let identifier = extension.oid.to_id_string();
            let parsed = extension.parsed_extension();
            let is_sound = parsed.error().is_none()
                && der::is_strict(extension.value, Place::Extension)
                && shape::is_an_extension(&identifier, extension.value);
            if !is_sound && READ_BY_GO.contains(&identifier.as_str()) {
                return None;
            }
            if identifier == oid::AUTHORITY_KEY_IDENTIFIER {
                contents.authority_hint = Some(AuthorityHint::of(extension.value));
            }
            if contents.stray.is_none() && stray::is_in_extension(&identifier, extension.value) {
                contents.stray = Some(Stray::Extension(identifier.clone()));
            }
            contents.extensions.push(ExtensionSummary { identifier, critical: extension.critical });
            contents.take(parsed);
        }
        Some(Certificate(Arc::new(contents)))
    }

    /// What OpenSSL does not read in it and Go does.
    #[must_use]
    pub(crate) fn stray(&self) -> Option<&Stray> {
        self.0.stray.as_ref()
    }

    /// Its DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.0.der
    }

    /// It in PEM: one block, LF.
    #[must_use]
    pub fn to_pem(&self) -> String {
        pem::encode_config(&pem::Pem::new("CERTIFICATE", self.0.der.as_slice()), crate::pki::pem::LINES)
    }

    /// SHA-256 of its DER.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::new(sha256(&self.0.der))
    }

    /// X.509's version, 3 for every certificate with extensions.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.0.version
    }

    /// Its serial number.
    #[must_use]
    pub fn serial(&self) -> &SerialNumber {
        &self.0.serial
    }

    /// What it is signed with.
    #[must_use]
    pub fn signature_algorithm(&self) -> &SignatureAlgorithm {
        &self.0.signature_algorithm
    }

    /// Whose it is.
    #[must_use]
    pub fn subject(&self) -> &DistinguishedName {
        &self.0.subject
    }

    /// Who issued it.
    #[must_use]
    pub fn issuer(&self) -> &DistinguishedName {
        &self.0.issuer
    }

    /// When it is valid.
    #[must_use]
    pub fn validity(&self) -> Validity {
        self.0.validity
    }

    /// The key that it speaks for.
    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        &self.0.public_key
    }

    /// basicConstraints, if it is there.
    #[must_use]
    pub fn basic_constraints(&self) -> Option<BasicConstraints> {
        self.0.basic_constraints
    }

    /// Whether basicConstraints says cA.
    #[must_use]
    pub fn is_authority(&self) -> bool {
        self.0.basic_constraints.is_some_and(|constraints| constraints.is_authority)
    }

    /// keyUsage, if it is there.
    #[must_use]
    pub fn key_usage(&self) -> Option<KeyUsage> {
        self.0.key_usage
    }

    /// extendedKeyUsage, if it is there.
    #[must_use]
    pub fn extended_key_usages(&self) -> Option<&[ExtendedKeyUsage]> {
        self.0.extended_key_usages.as_deref()
    }

    /// subjectAltName as it stands, if it is there.
    #[must_use]
    pub fn names(&self) -> Option<&[NameKind]> {
        self.0.names.as_deref()
    }

    /// Those of its names that a client can match: well-formed DNS names and addresses.
    #[must_use]
    pub fn usable_names(&self) -> Vec<SubjectAltName> {
        let usable = |name: &NameKind| match name {
            NameKind::Dns(name) => name.parse().ok().map(SubjectAltName::Dns),
            NameKind::Ip(address) => Some(SubjectAltName::Ip(address.to_canonical())),
            NameKind::Malformed(_) | NameKind::Uri(_) | NameKind::Email(_) | NameKind::Other => None,
        };
        self.0.names.iter().flatten().filter_map(usable).collect()
    }

    /// Whether a client that dials `host` takes this certificate for that host's, as Go's
    /// `VerifyHostname` decides: by address among the iPAddresses, by name among the dNSNames,
    /// and never by the common name.
    #[must_use]
    pub fn covers(&self, host: &SubjectAltName) -> bool {
        self.usable_names().iter().any(|name| match (name, host) {
            (SubjectAltName::Dns(name), SubjectAltName::Dns(host)) => name.covers(host),
            (name, host) => name == host,
        })
    }

    /// Whether it is a CA's, and that other certificate is signed by its key.
    #[must_use]
    pub fn has_issued(&self, other: &Certificate) -> bool {
        self.is_authority() && self != other && other.is_signed_by(self.public_key())
    }

    /// subjectKeyIdentifier, if it is there.
    #[must_use]
    pub fn subject_key_identifier(&self) -> Option<&[u8]> {
        self.0.subject_key_identifier.as_deref()
    }

    /// The key identifier of a CA: that of its certificate, or where none can be used what it would be.
    #[must_use]
    pub fn key_identifier(&self) -> Vec<u8> {
        let own = self.subject_key_identifier().filter(|own| (1..=64).contains(&own.len()));
        own.map_or_else(|| self.0.public_key.key_identifier(), <[u8]>::to_vec)
    }

    /// Which CA it is a certificate of.
    #[must_use]
    pub fn authority_id(&self) -> AuthorityId {
        AuthorityId::of(&self.key_identifier())
    }

    /// The keyIdentifier of authorityKeyIdentifier, if it is there.
    #[must_use]
    pub fn authority_key_identifier(&self) -> Option<&[u8]> {
        self.0.authority_key_identifier.as_deref()
    }

    /// nameConstraints, if it is there.
    #[must_use]
    pub fn name_constraints(&self) -> Option<&NameConstraints> {
        self.0.name_constraints.as_ref()
    }

    /// Every extension, in order.
    #[must_use]
    pub fn extensions(&self) -> &[ExtensionSummary] {
        &self.0.extensions
    }

    /// Whether an extension is there, and if so, critical. `identifier` is dotted.
    #[must_use]
    pub fn criticality(&self, identifier: &str) -> Option<bool> {
        let same = |extension: &&ExtensionSummary| extension.identifier == identifier;
        self.0.extensions.iter().find(same).map(|extension| extension.critical)
    }

    /// What its authorityKeyIdentifier says of the issuer's certificate beside the key.
    #[must_use]
    pub(in crate::pki) fn authority_hint(&self) -> Option<&AuthorityHint> {
        self.0.authority_hint.as_ref()
    }

    /// Whom Netscape's certificate type lets use it; None where there is no such extension.
    #[must_use]
    pub(in crate::pki) fn netscape_roles(&self) -> Option<&[Role]> {
        self.0.netscape_roles.as_deref()
    }

    /// The first extension that is there twice.
    #[must_use]
    pub fn repeated_extension(&self) -> Option<&str> {
        let repeated = |(at, extension): (usize, &ExtensionSummary)| {
            let before = self.0.extensions.get(..at).unwrap_or_default();
            before.iter().any(|other| other.identifier == extension.identifier)
        };
        let at = self.0.extensions.iter().enumerate().position(repeated)?;
        self.0.extensions.get(at).map(|extension| extension.identifier.as_str())
    }

    /// Why Go cannot read this certificate at all (`x509.ParseCertificate`), where it cannot: such
    /// a certificate is dropped from a bundle in silence, and ends a handshake.
    #[must_use]
    pub fn unreadable_to_go(&self) -> Option<&'static str> {
        let critical = |identifier| self.criticality(identifier) == Some(true);
        match () {
            () if self.0.serial.is_negative() => Some("a negative serial number"),
            () if self.0.version > 3 => Some("a version that does not exist"),
            () if self.repeated_extension().is_some() => Some("an extension that is there twice"),
            () if critical(oid::SUBJECT_KEY_IDENTIFIER) => Some("a critical subject key identifier"),
            () if critical(oid::AUTHORITY_KEY_IDENTIFIER) => Some("a critical authority key identifier"),
            () if critical(oid::AUTHORITY_INFORMATION) => Some("critical authority information"),
            () if self.0.names.iter().flatten().any(NameKind::is_unreadable_to_go) => {
                Some("a name that is none")
            }
            () => {
                let constraints =
                    self.0.name_constraints.as_ref().and_then(NameConstraints::unreadable_to_go);
                constraints.or_else(|| self.0.public_key.unreadable_to_go())
            }
        }
    }

    /// Whether subject and issuer are the same, to the byte.
    #[must_use]
    pub fn is_self_issued(&self) -> bool {
        self.0.subject == self.0.issuer
    }

    /// Whether both are certificates of one CA: its name, its key and its key identifier. A CA whose
    /// exclusions change has several, and is the same CA.
    #[must_use]
    pub fn is_of_same_authority(&self, other: &Certificate) -> bool {
        self.0.subject == other.0.subject
            && self.0.public_key == other.0.public_key
            && self.0.subject_key_identifier == other.0.subject_key_identifier
    }

    /// Whether its own key made its signature. Of an anchor that excludes names, that is not so where the CA's
    /// key was not at hand.
    #[must_use]
    pub fn is_self_signed(&self) -> bool {
        self.is_self_issued() && self.is_signed_by(self.public_key())
    }

    /// Whether another certificate names this one as its issuer: by the name, and by the key identifiers where
    /// both have one. That is no proof that it has signed it.
    #[must_use]
    pub fn is_named_by(&self, issued: &Certificate) -> bool {
        let keys = (issued.authority_key_identifier(), self.subject_key_identifier());
        self.0.subject == issued.0.issuer && !matches!(keys, (Some(named), Some(own)) if named != own)
    }

    /// Whether `issuer`'s key made this certificate's signature. Names are not compared.
    #[must_use]
    pub fn is_signed_by(&self, issuer: &PublicKey) -> bool {
        if self.0.signed_by.get() == Some(issuer) {
            return true;
        }
        // The parser goes by the signature's algorithm, whatever the key says that it is.
        if !issuer.kind().is_verifiable() {
            return false;
        }
        let Ok((_, parsed)) = X509Certificate::from_der(&self.0.der) else { return false };
        let Ok((_, key)) = x509_parser::x509::SubjectPublicKeyInfo::from_der(issuer.spki_der()) else {
            return false;
        };
        let is_right = parsed.verify_signature(Some(&key)).is_ok();
        if is_right {
            // Of two keys that signed it the first is remembered.
            let _ = self.0.signed_by.set(issuer.clone());
        }
        is_right
    }
}

/// Two certificates are the same only if every byte is.
impl PartialEq for Certificate {
    fn eq(&self, other: &Certificate) -> bool {
        self.0.der == other.0.der
    }
}

impl Eq for Certificate {}

#[cfg(test)]
mod tests;
