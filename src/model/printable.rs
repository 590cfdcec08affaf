//! The values of this layer that a message may contain. Each was parsed, or is a word of a closed
//! set, and prints nothing that its grammar does not allow.

use super::message::parsed;
use super::{
    AuthorityId, AuthorityName, Cause, Contact, DnsName, Endpoint, Exclusion, ExtendedKeyUsage, FileMode,
    Fingerprint, FingerprintPrefix, Generation, Hex, IdentityName, KeyAlgorithm, Lifetime, Line, Message,
    Printable, RenewBefore, RevocationReason, Role, Rule, SerialNumber, Severity, SubjectAltName, Timestamp,
};

parsed!(
    AuthorityId,
    Cause,
    DnsName,
    Endpoint,
    Exclusion,
    ExtendedKeyUsage,
    FileMode,
    Fingerprint,
    FingerprintPrefix,
    Generation,
    Hex<'_>,
    IdentityName,
    KeyAlgorithm,
    Lifetime,
    RenewBefore,
    Role,
    Rule,
    SerialNumber,
    Severity,
    SubjectAltName,
    Timestamp,
);

impl Printable for AuthorityName {
    fn message(&self) -> Message {
        Line(self.as_str()).message()
    }
}

impl Printable for RevocationReason {
    fn message(&self) -> Message {
        Line(self.as_str()).message()
    }
}

impl Printable for Contact {
    fn message(&self) -> Message {
        Line(self.as_str()).message()
    }
}
