//! `origin.json`: from which state the installed copies of a daemon come. By it a second state, an old copy
//! of this one and a change by hand are told apart, without asking a clock.

use serde::{Deserialize, Serialize};

use crate::model::{Fingerprint, Generation, IdentityName};
use crate::pki::checksum;

/// From which state installed copies come: `origin.json` beside them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Origin {
    /// Which state; its copies have the same name.
    pub state: String,
    /// How often it had been changed.
    pub commit: u64,
    /// Which daemon of it.
    pub daemon: IdentityName,
    /// Which generation, as that state numbers them.
    pub generation: Generation,
    /// The [`set_checksum`] of that generation.
    pub sha256: Fingerprint,
}

/// What tells a set of files from every other: the SHA-256 of ca.pem followed by cert.pem. No key takes part.
pub(crate) fn set_checksum(authority: &[u8], certificate: &[u8]) -> Fingerprint {
    checksum(&[authority, certificate])
}
