//! Certificates of any shape, for tests: what our own CA would never make.

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyIdMethod, KeyPair, KeyUsagePurpose, SanType, SerialNumber,
};

use super::Certificate;
use crate::model::{Lifetime, Role, Timestamp};

/// A certificate, and the means to sign with its key.
pub(crate) struct Specimen {
    pub certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

pub(crate) fn now() -> Timestamp {
    Timestamp::parse("2026-11-23").unwrap()
}

pub(crate) fn name(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

pub(crate) fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().unwrap())
}

fn parameters(common_name: &str, lifetime: Lifetime) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = name(common_name);
    parameters.serial_number = Some(SerialNumber::from_slice(&[0x41; 16]));
    parameters.not_before = now().calendar();
    parameters.not_after = now().plus(lifetime).calendar();
    parameters.key_identifier_method = KeyIdMethod::PreSpecified(vec![0xaa; 20]);
    parameters
}

/// A leaf as the profile wants it.
pub(crate) fn leaf_parameters(role: Role) -> CertificateParams {
    let mut parameters = parameters("leaf", Lifetime::days(90));
    parameters.is_ca = IsCa::ExplicitNoCa;
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages = vec![match role {
        Role::Daemon => ExtendedKeyUsagePurpose::ServerAuth,
        Role::Client => ExtendedKeyUsagePurpose::ClientAuth,
    }];
    parameters.subject_alt_names = vec![dns("builder.example.com")];
    parameters.use_authority_key_identifier_extension = true;
    parameters
}

/// A CA as the profile wants it.
pub(crate) fn authority_parameters() -> CertificateParams {
    let mut parameters = parameters("authority", Lifetime::days(3650));
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    parameters
}

/// A CA that differs from the profile in one thing.
pub(crate) fn root(change: impl FnOnce(&mut CertificateParams)) -> Specimen {
    root_of(KeyPair::generate().unwrap(), change)
}

/// The same, of a key that exists.
pub(crate) fn root_of(key: KeyPair, change: impl FnOnce(&mut CertificateParams)) -> Specimen {
    let mut parameters = authority_parameters();
    change(&mut parameters);
    let certificate = Certificate::from_der(parameters.self_signed(&key).unwrap().der()).unwrap();
    Specimen { certificate, issuer: Issuer::new(parameters, key) }
}

impl Specimen {
    /// Signs what is described.
    pub(crate) fn signs(&self, parameters: CertificateParams) -> Specimen {
        let key = KeyPair::generate().unwrap();
        let certificate =
            Certificate::from_der(parameters.signed_by(&key, &self.issuer).unwrap().der()).unwrap();
        Specimen { certificate, issuer: Issuer::new(parameters, key) }
    }

    /// A leaf of it that differs from the profile in one thing.
    pub(crate) fn leaf(&self, role: Role, change: impl FnOnce(&mut CertificateParams)) -> Certificate {
        let mut parameters = leaf_parameters(role);
        change(&mut parameters);
        self.signs(parameters).certificate
    }
}

/// A leaf of some CA that differs from the profile in one thing.
pub(crate) fn a_leaf(role: Role, change: impl FnOnce(&mut CertificateParams)) -> Certificate {
    root(|_| ()).leaf(role, change)
}

/// A CA that differs from the profile in one thing.
pub(crate) fn an_authority(change: impl FnOnce(&mut CertificateParams)) -> Certificate {
    root(change).certificate
}

/// The same certificate with `from` replaced by `to` wherever it stands; its signature holds no more.
pub(crate) fn patched(certificate: &Certificate, from: &[u8], to: &[u8]) -> Certificate {
    let mut der = certificate.der().to_vec();
    let mut found = false;
    for at in 0..=der.len() - from.len() {
        if der[at..].starts_with(from) {
            der[at..at + to.len()].copy_from_slice(to);
            found = true;
        }
    }
    assert!(found && from.len() == to.len());
    Certificate::from_der(&der).unwrap()
}
