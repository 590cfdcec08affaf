//! `state.json`: which state this is, and how often it was changed. By it an old copy is told from the
//! state itself, without asking a clock.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::record_file::{self, Schema};
use crate::model::Failure;
use crate::store::files::directory::{Directory, fresh_name};
use crate::store::files::read::ReadFile;

/// Which state this is, and how often it was changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateRecord {
    schema: Schema,
    /// Drawn when the state was made; a copy has the same one.
    pub id: String,
    /// One more with every change.
    pub commit: u64,
}

impl StateRecord {
    /// Where it is, relative to the state.
    #[must_use]
    pub(super) fn path() -> PathBuf {
        PathBuf::from(NAME)
    }

    /// What it is after the next change.
    ///
    /// # Errors
    /// A record that is there and cannot be read.
    pub(super) fn after(state: &Directory) -> Result<StateRecord, Failure> {
        let file = state.read(NAME, record_file::LARGEST)?;
        let before: Option<StateRecord> = record_file::parse(file, &state.path().join(NAME), WHAT)?;
        Ok(match before {
            Some(before) => StateRecord { commit: before.commit.saturating_add(1), ..before },
            None => StateRecord { schema: Schema, id: fresh_name("")?, commit: 1 },
        })
    }

    /// The file.
    ///
    /// # Errors
    /// None that a caller could cause.
    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, Failure> {
        record_file::to_bytes(self)
    }
}

/// The record in a file that was read at that path.
pub(super) fn parse_state_record(file: Option<ReadFile>, path: &Path) -> Result<StateRecord, Failure> {
    Ok(record_file::parse(file, path, WHAT)?.unwrap_or_default())
}

const NAME: &str = "state.json";
const WHAT: &str = "which state this is";
