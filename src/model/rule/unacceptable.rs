//! The rules whose findings nobody can accept away.

use super::Rule;

/// Somebody gets in or is locked out, or nobody knows.
pub(super) const UNACCEPTABLE: [Rule; 30] = [
    Rule::NoCertificateAccepted,
    Rule::ClientRefused,
    Rule::UnknownCaAccepted,
    Rule::PlaintextAccepted,
    Rule::RevokedAccepted,
    Rule::NotRevokedYet,
    Rule::RevokedNotTried,
    Rule::ExpiredAccepted,
    Rule::WrongUsageAccepted,
    Rule::AsksNobody,
    Rule::SeveralDaemons,
    Rule::AddressNotJudged,
    Rule::NotUpYet,
    Rule::Unreachable,
    Rule::NotTls,
    Rule::NotBuildkit,
    Rule::ServerUntrusted,
    Rule::ServerNameMismatch,
    Rule::ServerExpired,
    Rule::ServerUsage,
    Rule::ServedIsStale,
    Rule::UnknownLeaf,
    Rule::TrustIsStale,
    Rule::Inconclusive,
    Rule::NotVerified,
    Rule::Expired,
    Rule::NotYetValid,
    Rule::Unreadable,
    // Every client of that CA, or with that key, runs code there.
    Rule::OtherCaTrusted,
    Rule::BundleHoldsLeaf,
];
