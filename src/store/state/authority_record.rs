//! `ca/<key id>/ca.json`: what is remembered of a CA beside its certificate.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::record_file::{self, Schema};
use super::state_directory::StateDirectory;
use crate::layout::state_paths::authority_folder;
use crate::model::{AuthorityId, Failure, Timestamp};

/// What is remembered of a CA. Without the file: a CA of this state, in use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthorityRecord {
    schema: Schema,
    /// Until when there may be certificates of it that nobody here knows of; null for never.
    #[serde(deserialize_with = "Option::deserialize")]
    pub open_until: Option<Timestamp>,
    /// Since when its key is known to somebody; null if it is not.
    #[serde(deserialize_with = "Option::deserialize")]
    pub compromised: Option<Timestamp>,
    /// Since when nothing trusts it any more; null while something may.
    #[serde(deserialize_with = "Option::deserialize")]
    pub retired: Option<Timestamp>,
}

impl AuthorityRecord {
    /// Where it is, relative to the state.
    #[must_use]
    pub fn path(id: &AuthorityId) -> PathBuf {
        authority_folder(id).join("ca.json")
    }

    /// Whether certificates of it may be in use that nobody here knows of.
    #[must_use]
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.open_until.is_some_and(|until| until >= now)
    }

    /// Whether it may sign and be trusted in what is made from now on.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.compromised.is_none() && self.retired.is_none()
    }

    /// The file.
    ///
    /// # Errors
    /// None that a caller could cause.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Failure> {
        record_file::to_bytes(self)
    }
}

pub(super) fn read_authority_record(
    directory: &StateDirectory,
    id: &AuthorityId,
) -> Result<AuthorityRecord, Failure> {
    let path = AuthorityRecord::path(id);
    let file = directory.read(&path, record_file::LARGEST)?;
    let record = record_file::parse(file, &directory.path().join(&path), "what is remembered of a CA")?;
    Ok(record.unwrap_or_default())
}
