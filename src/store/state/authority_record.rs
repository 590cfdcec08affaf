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
    /// Where it comes from.
    pub origin: AuthorityOrigin,
    /// Until when there may be certificates of it that nobody here knows of.
    pub open_until: OpenUntil,
    /// Whether it is trusted for the sake of clients that had certificates of it before the daemon was taken
    /// over: nothing is issued by it, and no client needs to trust it. It takes part in no rollover.
    pub clients_only: bool,
    /// Whether somebody's certificate was shown that it has issued: it is a CA, whatever it says of itself.
    pub has_issued: bool,
    /// Since when its key is known to somebody; null if it is not.
    #[serde(deserialize_with = "Option::deserialize")]
    pub compromised: Option<Timestamp>,
    /// Since when nothing trusts it any more; null while something may.
    #[serde(deserialize_with = "Option::deserialize")]
    pub retired: Option<Timestamp>,
}

/// Where a CA comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuthorityOrigin {
    /// It was made here.
    #[default]
    Here,
    /// It was made elsewhere, and its key was given to this state.
    Imported,
    /// A daemon trusted it when the daemon was taken over. Its key is elsewhere.
    Adopted,
}

/// Until when others may have certificates of a CA. The longer comes after the shorter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum OpenUntil {
    /// Nobody else ever had one.
    #[default]
    Never,
    /// Until then.
    Time(Timestamp),
    /// As long as the CA is valid.
    Always,
}

impl From<OpenUntil> for String {
    fn from(until: OpenUntil) -> String {
        match until {
            OpenUntil::Never => "never".to_owned(),
            OpenUntil::Time(until) => until.to_string(),
            OpenUntil::Always => "always".to_owned(),
        }
    }
}

impl TryFrom<String> for OpenUntil {
    type Error = Failure;

    fn try_from(text: String) -> Result<OpenUntil, Failure> {
        match text.as_str() {
            "never" => Ok(OpenUntil::Never),
            "always" => Ok(OpenUntil::Always),
            time => Timestamp::parse(time).map(OpenUntil::Time),
        }
    }
}

impl AuthorityRecord {
    /// What is remembered of a CA that comes from elsewhere: nobody here knows who has certificates of it.
    #[must_use]
    pub fn of_others(origin: AuthorityOrigin, clients_only: bool) -> AuthorityRecord {
        AuthorityRecord { origin, open_until: OpenUntil::Always, clients_only, ..AuthorityRecord::default() }
    }

    /// Where it is, relative to the state.
    #[must_use]
    pub fn path(id: &AuthorityId) -> PathBuf {
        authority_folder(id).join("ca.json")
    }

    /// Whether certificates of it may be in use that nobody here knows of.
    #[must_use]
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.open_until >= OpenUntil::Time(now)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_of_a_ca_is_read_again_and_always_is_longer_than_any_time() {
        let time = OpenUntil::Time(Timestamp::parse("2126-11-30").unwrap());
        let rising = [OpenUntil::Never, time, OpenUntil::Always];
        assert!(rising.is_sorted());
        for open_until in rising {
            let record = AuthorityRecord {
                open_until,
                ..AuthorityRecord::of_others(AuthorityOrigin::Imported, false)
            };
            let bytes = record.to_bytes().unwrap();
            assert_eq!(serde_json::from_slice::<AuthorityRecord>(&bytes).unwrap(), record);
            assert_eq!(record.is_open(Timestamp::from_unix(0)), open_until != OpenUntil::Never);
        }
        assert!(OpenUntil::try_from("soon".to_owned()).is_err());
    }
}
