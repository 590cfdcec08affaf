//! A certificate authority, and what it issues.

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName as NameOfDraft, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyIdMethod, KeyUsagePurpose, SanType,
};
use ring::rand::{SecureRandom, SystemRandom};

use super::judge::{new_authority, new_leaf};
use super::key::{PrivateKey, PublicKey, PublicKeyKind, Signer, Unsigned};
use super::x509::{Certificate, DistinguishedName, NameKind, finish};
use crate::message;
use crate::model::profile::{BACKDATING, MOST_NAMES};
use crate::model::{
    AuthorityName, Failure, Finding, Hex, IdentityName, Lifetime, Message, Printable, Quoted, Role,
    SerialNumber, Severity, SubjectAltName, Timestamp, Validity,
};

/// A CA whose key is at hand: its certificate, and the means to sign.
///
/// Signing takes `&self`, so that many threads may issue at once.
pub struct CertificateAuthority {
    certificate: Certificate,
    issuer: Issuer<'static, Unsigned>,
    signer: Signer,
}

/// What a new CA is to be.
#[derive(Clone, Debug)]
pub struct AuthorityRequest {
    /// The first part of its common name.
    pub name: AuthorityName,
    /// From when until when.
    pub validity: Validity,
}

/// What a new end-entity certificate is to be.
#[derive(Clone, Debug)]
pub struct LeafRequest {
    /// Daemon or client.
    pub role: Role,
    /// Its name in this state; part of the common name, which nobody decides by.
    pub name: IdentityName,
    /// The names of a daemon; a client has its names by its identity and its key.
    pub hosts: Vec<SubjectAltName>,
    /// From when until when; cut to the CA's own validity.
    pub validity: Validity,
}

impl LeafRequest {
    /// A request for a certificate that is valid from an hour before `now`, for `lifetime`.
    #[must_use]
    pub fn new(
        role: Role,
        name: IdentityName,
        hosts: Vec<SubjectAltName>,
        now: Timestamp,
        lifetime: Lifetime,
    ) -> LeafRequest {
        LeafRequest { role, name, hosts, validity: Validity::issued(now, lifetime, BACKDATING) }
    }
}

impl CertificateAuthority {
    /// Makes a CA of that key: self-signed, path length 0, its name made its own by eight hex
    /// digits of its key identifier.
    ///
    /// # Errors
    /// The profile's lint finds fault with the certificate that was made.
    pub fn create(request: &AuthorityRequest, key: &PrivateKey) -> Result<CertificateAuthority, Failure> {
        let identifier = key.public_key().key_identifier();
        let common_name = format!("{} {}", request.name, Hex(&identifier[..4]));
        let name = DistinguishedName::of_common_name(&common_name);
        let parameters = parameters(&name, request.validity)?;
        CertificateAuthority::self_signed(parameters, &name, identifier, key)
    }

    /// Makes an unknown CA: one of `key` with this CA's name and key identifier to the byte, and
    /// nothing else of it. A daemon that lets its clients in does not check signatures. It is valid
    /// when `validity` says: that a CA has expired is no reason why its namesake is refused.
    ///
    /// # Errors
    /// As [`CertificateAuthority::create`].
    pub fn impersonate(
        original: &Certificate,
        key: &PrivateKey,
        validity: Validity,
    ) -> Result<CertificateAuthority, Failure> {
        let parameters = parameters(original.subject(), validity)?;
        CertificateAuthority::self_signed(parameters, original.subject(), original.key_identifier(), key)
    }

    fn self_signed(
        mut parameters: CertificateParams,
        name: &DistinguishedName,
        identifier: Vec<u8>,
        key: &PrivateKey,
    ) -> Result<CertificateAuthority, Failure> {
        parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        parameters.key_identifier_method = KeyIdMethod::PreSpecified(identifier);
        let signer = Signer::new(key)?;
        let draft = parameters.self_signed(&signer.unsigned()).map_err(|_| unmade("the CA"))?;
        let certificate = finished(draft.der(), (name, name), &signer)?;
        refuse_faults(certificate.subject(), new_authority(&certificate))?;
        Ok(CertificateAuthority { certificate, issuer: Issuer::new(parameters, signer.unsigned()), signer })
    }

    /// A CA that was made before: its certificate and its key. `subject` is the path for
    /// messages.
    ///
    /// # Errors
    /// A certificate that is no CA's, that may not sign, or whose key is another.
    pub fn load(
        certificate: Certificate,
        key: &PrivateKey,
        subject: impl Printable,
    ) -> Result<CertificateAuthority, Failure> {
        let subject = subject.message();
        let wrong = |expected: &'static str, found: &'static str| {
            Err(Failure::new("loading the CA", &subject)
                .expected(expected)
                .found(found)
                .hint(message!("{kitcert} inspect {}", Quoted(&subject))))
        };
        // Before version 3 there was no way to say it.
        if !certificate.is_authority() && certificate.version() >= 3 {
            return wrong("a CA certificate (basicConstraints cA)", "an end-entity certificate");
        }
        if certificate.key_usage().is_some_and(|usage| !usage.key_cert_sign) {
            return wrong("a CA that may sign certificates (keyCertSign)", "one that may not");
        }
        if certificate.public_key() != key.public_key() {
            return wrong("the key of this certificate", "another key");
        }
        let mut parameters = parameters(certificate.subject(), certificate.validity())?;
        parameters.key_identifier_method = KeyIdMethod::PreSpecified(certificate.key_identifier());
        let signer = Signer::new(key)?;
        Ok(CertificateAuthority { issuer: Issuer::new(parameters, signer.unsigned()), signer, certificate })
    }

    /// The CA of `original`, which another CA has certified, as daemons and clients are to trust it: openssl
    /// takes no CA for an anchor that has an issuer. It has the name, the key, its identifier, the dates and
    /// the serial number of the original, which leaves may name.
    ///
    /// # Errors
    /// As [`CertificateAuthority::create`].
    pub(crate) fn anchor_of(
        original: &Certificate,
        key: &PrivateKey,
    ) -> Result<CertificateAuthority, Failure> {
        let mut parameters = parameters(original.subject(), original.validity())?;
        parameters.serial_number = Some(rcgen::SerialNumber::from_slice(original.serial().octets()));
        CertificateAuthority::self_signed(parameters, original.subject(), original.key_identifier(), key)
    }

    /// The CA's own certificate.
    #[must_use]
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Issues a certificate for `key` by the profile, and lints it before it is returned.
    ///
    /// Every call takes a new random serial number, also for a key that had one before. The
    /// validity is cut to the CA's own.
    ///
    /// # Errors
    /// A daemon without a name or with more than a hundred, a CA that is not valid then, a key
    /// that peers refuse, or a fault that the lint finds.
    pub fn issue(&self, request: &LeafRequest, key: &PublicKey) -> Result<Certificate, Failure> {
        let name = DistinguishedName::of_common_name(&request.name.common_name(request.role));
        let parameters = self.leaf_parameters(request, &name, key)?;
        let whose = message!("{} {}", request.role, request.name);
        let draft = parameters.signed_by(key, &self.issuer).map_err(|_| unmade(&whose))?;
        let certificate = self.finished(draft.der(), &name)?;
        refuse_faults(&whose, new_leaf(&certificate, request.role, &self.certificate))?;
        Ok(certificate)
    }

    /// Issues a certificate for `key` that has the name and the names of another client's, for a test: who
    /// decides by these alone lets its holder in. It is not linted, since what it is like may be
    /// anybody's.
    ///
    /// # Errors
    /// A date that does not fit.
    pub(crate) fn issue_like(
        &self,
        original: &Certificate,
        validity: Validity,
        key: &PublicKey,
    ) -> Result<Certificate, Failure> {
        let names = original.names().unwrap_or_default().iter().filter_map(like).collect();
        self.issue_unjudged(original.subject(), names, validity, key)
    }

    /// Issues a client's certificate with just those names, for a test of what a daemon's anchors exclude: the
    /// canary, a name or the name of a key. It is not linted, and speaks for nobody of this state.
    ///
    /// # Errors
    /// A name or a date that does not fit.
    pub fn issue_named(
        &self,
        names: &[SubjectAltName],
        validity: Validity,
        key: &PublicKey,
    ) -> Result<Certificate, Failure> {
        let names = names.iter().map(general_name).collect::<Result<_, _>>()?;
        self.issue_unjudged(&DistinguishedName::of_common_name("client probe"), names, validity, key)
    }

    fn issue_unjudged(
        &self,
        subject: &DistinguishedName,
        names: Vec<SanType>,
        validity: Validity,
        key: &PublicKey,
    ) -> Result<Certificate, Failure> {
        let mut parameters = parameters(subject, validity)?;
        parameters.is_ca = IsCa::ExplicitNoCa;
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        parameters.subject_alt_names = names;
        parameters.use_authority_key_identifier_extension = true;
        parameters.key_identifier_method = KeyIdMethod::PreSpecified(key.key_identifier());
        let draft = parameters.signed_by(key, &self.issuer).map_err(|_| unmade("a test's client"))?;
        self.finished(draft.der(), subject)
    }

    fn finished(&self, draft: &[u8], subject: &DistinguishedName) -> Result<Certificate, Failure> {
        finished(draft, (self.certificate.subject(), subject), &self.signer)
    }

    /// Signs a text that is no certificate, such as a kit, with the CA's key. What is signed must
    /// begin with words that say what it is: a certificate begins with the byte 0x30.
    pub(super) fn sign(&self, text: &[u8]) -> Result<Vec<u8>, Failure> {
        self.signer.sign(text)
    }

    fn leaf_parameters(
        &self,
        request: &LeafRequest,
        name: &DistinguishedName,
        key: &PublicKey,
    ) -> Result<CertificateParams, Failure> {
        let whose = message!("{} {}", request.role, request.name);
        let refused = |expected: Message, found: Message| {
            Err(Failure::new("issuing a certificate for", &whose).expected(expected).found(found))
        };
        let names = match request.role {
            Role::Daemon => request.hosts.clone(),
            Role::Client => request.name.client_names(&key.fingerprint()),
        };
        if names.is_empty() || names.len() > MOST_NAMES {
            return refused(message!("1 to {} names", MOST_NAMES), names.len().message());
        }
        match key.kind() {
            PublicKeyKind::Generated(_) | PublicKeyKind::Rsa(2048..=8192) => {}
            kind => {
                return refused(
                    message!("ECDSA on P-256 or P-384, Ed25519, or RSA of 2048 to 8192 bits"),
                    kind.message(),
                );
            }
        }
        let validity = request.validity.within(self.certificate.validity());
        if validity.seconds() <= 0 {
            let own = self.certificate.validity();
            return refused(
                message!("a CA that is valid from {}", request.validity.not_before),
                message!("one that is valid from {} until {}", own.not_before, own.not_after),
            );
        }
        let mut parameters = parameters(name, validity)?;
        parameters.is_ca = IsCa::ExplicitNoCa;
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages = vec![match request.role {
            Role::Daemon => ExtendedKeyUsagePurpose::ServerAuth,
            Role::Client => ExtendedKeyUsagePurpose::ClientAuth,
        }];
        parameters.subject_alt_names = names.iter().map(general_name).collect::<Result<_, _>>()?;
        parameters.use_authority_key_identifier_extension = true;
        parameters.key_identifier_method = KeyIdMethod::PreSpecified(key.key_identifier());
        Ok(parameters)
    }
}

/// Parameters with every default of rcgen that is a trap set again: its validity is 1975 to 4096,
/// and its serial number a hash of the key, which a renewal would repeat. The name comes when the draft is
/// finished; whether there is one decides whether rcgen makes the alternative names critical.
fn parameters(subject: &DistinguishedName, validity: Validity) -> Result<CertificateParams, Failure> {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = NameOfDraft::new();
    if !subject.is_empty() {
        parameters.distinguished_name.push(DnType::CommonName, "draft");
    }
    parameters.serial_number = Some(rcgen::SerialNumber::from_slice(random_serial()?.octets()));
    parameters.not_before = validity.not_before.calendar();
    parameters.not_after = validity.not_after.calendar();
    Ok(parameters)
}

/// The certificate of a draft: the issuer's name and its own, and the signature.
fn finished(
    draft: &[u8],
    names: (&DistinguishedName, &DistinguishedName),
    signer: &Signer,
) -> Result<Certificate, Failure> {
    let der = finish(draft, names, |body| signer.sign(body))?;
    Certificate::from_der(&der.ok_or_else(|| unmade("a draft"))?)
}

fn random_serial() -> Result<SerialNumber, Failure> {
    let mut octets = [0; 16];
    SystemRandom::new()
        .fill(&mut octets)
        .map_err(|_| Failure::new("making", "a serial number").found("no random numbers"))?;
    Ok(SerialNumber::from_random(octets))
}

fn general_name(name: &SubjectAltName) -> Result<SanType, Failure> {
    match name {
        SubjectAltName::Ip(address) => Ok(SanType::IpAddress(*address)),
        SubjectAltName::Dns(name) => name.as_str().try_into().map(SanType::DnsName).map_err(|_| unmade(name)),
    }
}

/// The same name again; None for what cannot be written.
fn like(name: &NameKind) -> Option<SanType> {
    match name {
        NameKind::Dns(name) => name.as_str().try_into().ok().map(SanType::DnsName),
        NameKind::Ip(address) => Some(SanType::IpAddress(*address)),
        NameKind::Uri(name) => name.as_str().try_into().ok().map(SanType::URI),
        NameKind::Email(name) => name.as_str().try_into().ok().map(SanType::Rfc822Name),
        NameKind::Malformed(_) | NameKind::Other => None,
    }
}

fn unmade(whose: impl Printable) -> Failure {
    Failure::new("encoding the certificate of", whose).found("a name or a date that does not fit")
}

fn refuse_faults(subject: impl Printable, findings: Vec<Finding>) -> Result<(), Failure> {
    match findings.into_iter().find(|finding| finding.severity >= Severity::Error) {
        None => Ok(()),
        Some(fault) => Err(Failure::new(message!("checking ({}) the certificate of", fault.rule), subject)
            .expected(fault.expected)
            .found(fault.found)),
    }
}

#[cfg(test)]
mod tests;
