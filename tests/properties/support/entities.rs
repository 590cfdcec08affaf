//! CAs and clients of any shape, with rcgen: what our own CA would never make.

use kitcert::model::{Lifetime, Timestamp};
use kitcert::pki::Certificate;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SanType, SerialNumber,
};

/// A certificate with its key, and the parameters that it was made of.
pub struct Entity {
    pub certificate: Certificate,
    pub issuer: Issuer<'static, KeyPair>,
}

pub fn now() -> Timestamp {
    Timestamp::parse("2026-11-23").unwrap()
}

pub fn days_from_now(days: i64) -> time::OffsetDateTime {
    Timestamp::from_unix(now().unix() + days * Lifetime::days(1).seconds()).calendar()
}

pub fn named(common_name: &str) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    parameters.distinguished_name = name;
    parameters.serial_number = Some(SerialNumber::from_slice(&[0x41; 16]));
    parameters.not_before = days_from_now(-10);
    parameters.not_after = days_from_now(10);
    parameters.use_authority_key_identifier_extension = true;
    parameters
}

pub fn authority(common_name: &str) -> CertificateParams {
    let mut parameters = named(common_name);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    parameters
}

pub fn client(common_name: &str) -> CertificateParams {
    let mut parameters = named(common_name);
    parameters.is_ca = IsCa::ExplicitNoCa;
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    parameters.subject_alt_names = vec![SanType::DnsName("ana.client.example".try_into().unwrap())];
    parameters
}

pub fn root(parameters: CertificateParams) -> Entity {
    let key = KeyPair::generate().unwrap();
    let made = parameters.self_signed(&key).unwrap();
    entity(parameters, key, made.der())
}

pub fn signed(parameters: CertificateParams, by: &Entity) -> Entity {
    signed_for(KeyPair::generate().unwrap(), parameters, by)
}

pub fn signed_for(key: KeyPair, parameters: CertificateParams, by: &Entity) -> Entity {
    let made = parameters.signed_by(&key, &by.issuer).unwrap();
    entity(parameters, key, made.der())
}

pub fn entity(parameters: CertificateParams, key: KeyPair, der: &[u8]) -> Entity {
    Entity { certificate: Certificate::from_der(der).unwrap(), issuer: Issuer::new(parameters, key) }
}

pub fn dated(mut parameters: CertificateParams, from: i64, until: i64) -> CertificateParams {
    parameters.not_before = days_from_now(from);
    parameters.not_after = days_from_now(until);
    parameters
}
