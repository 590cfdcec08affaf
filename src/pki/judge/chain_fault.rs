//! Why a chain is refused.

use std::fmt;

use crate::message;
use crate::model::profile::LARGEST_BUNDLE;
use crate::model::{Finding, Printable, Quoted, Role, Rule, Severity, Timestamp};
use crate::pki::x509::DistinguishedName;

/// Why a Go peer refuses a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChainFault {
    /// There is no certificate.
    NothingSent,
    /// More certificates than anybody needs.
    TooLong {
        /// How many.
        count: usize,
    },
    /// Go cannot read one of them.
    Unreadable {
        /// The subject of the certificate at fault.
        certificate: DistinguishedName,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A certificate of the path is no longer valid; the anchor counts too.
    Expired {
        /// The subject of the certificate at fault.
        certificate: DistinguishedName,
        /// Its last second.
        not_after: Timestamp,
    },
    /// A certificate of the path is not valid yet.
    NotYetValid {
        /// The subject of the certificate at fault.
        certificate: DistinguishedName,
        /// Its first second.
        not_before: Timestamp,
    },
    /// Nobody of the issuer's name is trusted, or was sent.
    UnknownAuthority {
        /// The issuer.
        issuer: DistinguishedName,
    },
    /// A CA of the issuer's name is trusted, but its key did not sign this.
    SameNameOtherKey {
        /// The issuer.
        issuer: DistinguishedName,
    },
    /// The issuer was not sent, though another certificate that was sent does lead to a trusted
    /// CA.
    MissingIntermediate {
        /// The issuer.
        issuer: DistinguishedName,
    },
    /// A certificate of the path lists usages, and not the one that is wanted.
    WrongUsage {
        /// The subject of the certificate at fault.
        certificate: DistinguishedName,
        /// Whose it should be.
        role: Role,
        /// The usages that it lists.
        found: String,
    },
    /// The issuer may not issue: no CA, or without keyCertSign.
    NotAnAuthority {
        /// The subject of the certificate at fault.
        certificate: DistinguishedName,
    },
    /// More CAs follow a CA than its path length allows.
    PathTooLong {
        /// The CA.
        certificate: DistinguishedName,
        /// Its path length.
        allowed: u32,
    },
    /// A CA's name constraints do not allow a name.
    NameNotAllowed {
        /// The CA.
        certificate: DistinguishedName,
        /// The name.
        name: String,
    },
    /// The signature is of an algorithm that Go takes for insecure.
    WeakSignature {
        /// The subject of the certificate at fault.
        certificate: DistinguishedName,
        /// The algorithm.
        algorithm: String,
    },
    /// The signature is of an algorithm that Go does not support.
    UnsupportedSignature {
        /// The subject of the certificate at fault.
        certificate: DistinguishedName,
        /// The algorithm.
        algorithm: String,
    },
    /// The signature is of a kind that this program cannot check.
    UnverifiableSignature {
        /// The subject of the certificate at fault.
        certificate: DistinguishedName,
        /// The algorithm and the key.
        algorithm: String,
    },
    /// A critical extension that Go does not handle.
    CriticalExtension {
        /// The subject of the certificate at fault.
        certificate: DistinguishedName,
        /// The extension, dotted.
        identifier: String,
    },
    /// A certificate of the path constrains policies, which are not followed here.
    PoliciesRequired {
        /// The subject of the certificate at fault.
        certificate: DistinguishedName,
    },
    /// Go gives up after a hundred signature checks.
    TooManyChecks,
}

/// One clause, such as `CN=Acme builders 1a2b3c4d expired on 2026-11-23`.
impl fmt::Display for ChainFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ChainFault::NothingSent => write!(f, "no certificate"),
            ChainFault::TooLong { count } => {
                write!(
                    f,
                    "a chain of {count} certificates: kitcert follows {LARGEST_BUNDLE}, and a handshake has room for few"
                )
            }
            ChainFault::Unreadable { certificate, why } => write!(f, "{certificate} has {why}"),
            ChainFault::Expired { certificate, not_after } => {
                write!(f, "{certificate} expired at {}", not_after.minute())
            }
            ChainFault::NotYetValid { certificate, not_before } => {
                write!(f, "{certificate} is not valid before {}", not_before.minute())
            }
            ChainFault::UnknownAuthority { issuer } => write!(f, "{issuer} is not trusted"),
            ChainFault::SameNameOtherKey { issuer } => {
                write!(f, "{issuer} is trusted, but with another key")
            }
            ChainFault::MissingIntermediate { issuer } => {
                write!(f, "the certificate of {issuer} is missing from the chain")
            }
            ChainFault::WrongUsage { certificate, role, found } => {
                write!(f, "{certificate} is for {found}, not for {}", role.extended_key_usage())
            }
            ChainFault::NotAnAuthority { certificate } => {
                write!(f, "{certificate} is not a CA that may sign")
            }
            ChainFault::PathTooLong { certificate, allowed } => {
                write!(f, "{certificate} allows {allowed} CAs below it, and there are more")
            }
            ChainFault::NameNotAllowed { certificate, name } => {
                write!(f, "{certificate} does not allow the name {name}")
            }
            ChainFault::WeakSignature { certificate, algorithm } => {
                write!(f, "{certificate} is signed with {algorithm}")
            }
            ChainFault::UnsupportedSignature { certificate, algorithm } => {
                write!(
                    f,
                    "{certificate} is signed with {algorithm}: a signature algorithm that Go does not support"
                )
            }
            ChainFault::UnverifiableSignature { certificate, algorithm } => {
                write!(f, "{certificate} is signed with {algorithm}, which cannot be checked here")
            }
            ChainFault::CriticalExtension { certificate, identifier } => {
                write!(f, "{certificate} has a critical extension {identifier} that Go does not know")
            }
            ChainFault::PoliciesRequired { certificate } => {
                write!(f, "{certificate} constrains certificate policies")
            }
            ChainFault::TooManyChecks => write!(f, "more than 100 signatures to check"),
        }
    }
}

impl ChainFault {
    /// The fault as a finding about `subject`: a path or an endpoint.
    #[must_use]
    pub fn finding(&self, subject: impl Printable) -> Finding {
        let subject = subject.message();
        let finding = Finding::new(self.rule(), Severity::Error, &subject)
            .expected("a chain that a Go peer accepts")
            .found(self);
        let (cause, fix) = self.cause_and_fix();
        match fix == INSPECT && subject.starts_with('/') {
            true => finding.cause(cause).fix(message!("{kitcert} inspect {}", Quoted(&subject))),
            false => finding.cause(cause).fix(fix),
        }
    }

    fn rule(&self) -> Rule {
        match self {
            ChainFault::Expired { .. } => Rule::Expired,
            ChainFault::NotYetValid { .. } => Rule::NotYetValid,
            ChainFault::WrongUsage { .. } => Rule::ExtendedKeyUsage,
            ChainFault::NotAnAuthority { .. } => Rule::BasicConstraints,
            ChainFault::PathTooLong { .. } => Rule::PathLength,
            ChainFault::WeakSignature { .. }
            | ChainFault::UnsupportedSignature { .. }
            | ChainFault::UnverifiableSignature { .. } => Rule::SignatureAlgorithm,
            ChainFault::CriticalExtension { .. }
            | ChainFault::Unreadable { .. }
            | ChainFault::PoliciesRequired { .. } => Rule::UnexpectedExtension,
            _ => Rule::ChainUntrusted,
        }
    }

    fn cause_and_fix(&self) -> (&'static str, &'static str) {
        match self {
            ChainFault::NothingSent => ("the peer was given no certificate", INSPECT),
            ChainFault::TooLong { .. } | ChainFault::TooManyChecks => {
                ("the file holds more than the certificate and its intermediates", INSPECT)
            }
            ChainFault::Unreadable { .. } => {
                ("Go ends the handshake where it cannot read a certificate", RENEW)
            }
            ChainFault::Expired { .. } => {
                ("it was not renewed in time", "{kitcert} rotate   # renews what is due")
            }
            ChainFault::NotYetValid { .. } => {
                ("the clock of this machine, or of the one that issued it, is wrong", "timedatectl status")
            }
            ChainFault::UnknownAuthority { .. } => (
                "the other side trusts another CA, or an intermediate certificate was not sent",
                "{kitcert} status",
            ),
            ChainFault::SameNameOtherKey { .. } => (
                "a CA was created again under the same name; the other side has the previous one",
                "{kitcert} status",
            ),
            ChainFault::MissingIntermediate { .. } => {
                ("cert.pem must hold the certificate first, then every intermediate", INSPECT)
            }
            ChainFault::WrongUsage { .. } => (
                "a daemon's certificate is used for a client, or a client's for a daemon",
                "{kitcert} status",
            ),
            ChainFault::NotAnAuthority { .. } => {
                ("the issuer needs cA=TRUE and keyCertSign for its signatures to count", NEW_AUTHORITY)
            }
            ChainFault::PathTooLong { .. } | ChainFault::NameNotAllowed { .. } => {
                ("the CA's own limits exclude this use", NEW_AUTHORITY)
            }
            ChainFault::WeakSignature { .. } => ("Go has refused SHA-1 and MD5 since 1.18", RENEW),
            ChainFault::UnsupportedSignature { .. } => {
                ("Go takes RSA-PSS with one hash for all and a salt of its length alone", RENEW)
            }
            ChainFault::UnverifiableSignature { .. } => {
                ("Go may accept it; another key type avoids the doubt", RENEW)
            }
            ChainFault::PoliciesRequired { .. } => {
                ("Go refuses a path without the policies that a CA asks for", NEW_AUTHORITY)
            }
            ChainFault::CriticalExtension { .. } => {
                ("a verifier must refuse a critical extension that it does not know", RENEW)
            }
        }
    }
}

const INSPECT: &str = "inspect the file with the certificate and its intermediates";
const RENEW: &str = "issue another certificate in its place";
const NEW_AUTHORITY: &str = "move to another CA: {kitcert} ca rollover start";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_says_what_may_have_caused_it_and_a_command_that_helps() {
        let certificate = || DistinguishedName::from_der(&[0x30, 0]);
        let at = Timestamp::from_unix(0);
        let text = || "text".to_owned();
        let wrong_usage =
            || ChainFault::WrongUsage { certificate: certificate(), role: Role::Client, found: text() };
        let faults = [
            (Rule::ChainUntrusted, ChainFault::NothingSent),
            (Rule::ChainUntrusted, ChainFault::TooLong { count: 17 }),
            (Rule::UnexpectedExtension, ChainFault::Unreadable { certificate: certificate(), why: "text" }),
            (Rule::Expired, ChainFault::Expired { certificate: certificate(), not_after: at }),
            (Rule::NotYetValid, ChainFault::NotYetValid { certificate: certificate(), not_before: at }),
            (Rule::ChainUntrusted, ChainFault::UnknownAuthority { issuer: certificate() }),
            (Rule::ChainUntrusted, ChainFault::SameNameOtherKey { issuer: certificate() }),
            (Rule::ChainUntrusted, ChainFault::MissingIntermediate { issuer: certificate() }),
            (Rule::ExtendedKeyUsage, wrong_usage()),
            (Rule::BasicConstraints, ChainFault::NotAnAuthority { certificate: certificate() }),
            (Rule::PathLength, ChainFault::PathTooLong { certificate: certificate(), allowed: 0 }),
            (Rule::ChainUntrusted, ChainFault::NameNotAllowed { certificate: certificate(), name: text() }),
            (
                Rule::SignatureAlgorithm,
                ChainFault::WeakSignature { certificate: certificate(), algorithm: text() },
            ),
            (
                Rule::SignatureAlgorithm,
                ChainFault::UnsupportedSignature { certificate: certificate(), algorithm: text() },
            ),
            (
                Rule::SignatureAlgorithm,
                ChainFault::UnverifiableSignature { certificate: certificate(), algorithm: text() },
            ),
            (
                Rule::UnexpectedExtension,
                ChainFault::CriticalExtension { certificate: certificate(), identifier: text() },
            ),
            (Rule::UnexpectedExtension, ChainFault::PoliciesRequired { certificate: certificate() }),
            (Rule::ChainUntrusted, ChainFault::TooManyChecks),
        ];
        for (rule, fault) in faults {
            let finding = fault.finding("cert.pem");
            assert_eq!(finding.rule, rule, "{fault}");
            assert_eq!((finding.subject.as_str(), finding.found), ("cert.pem", fault.message()));
            assert!(finding.cause.is_some_and(|cause| cause.split(' ').count() > 3), "{fault}");
            let fix = finding.fix.unwrap_or_default();
            assert!(
                fix.is_command()
                    || ["issue another certificate", "move to another CA", INSPECT]
                        .iter()
                        .any(|words| fix.starts_with(words)),
                "{fault}: {fix}"
            );
        }
    }
}
