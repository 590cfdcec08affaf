//! `rollover.json`: the CA rollover that is under way, as it was meant. No file means that there is none.
//!
//! How far it is stands nowhere: that follows from what each client may hold and each daemon serves.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::record_file::{self, Schema};
use super::state_directory::StateDirectory;
use crate::model::{AuthorityId, Failure, IdentityName, Timestamp};

/// A CA rollover that is under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RolloverRecord {
    schema: Schema,
    /// Why.
    pub kind: RolloverKind,
    /// The CAs that everything is moved away from, the one that signs first.
    pub from: Vec<AuthorityId>,
    /// The CA that everything is moved to.
    pub to: AuthorityId,
    /// When it was begun, or turned round.
    pub began: Timestamp,
    /// The clients that it does not wait for.
    pub skipped: BTreeSet<IdentityName>,
    /// The CAs whose unknown holders it does not wait for, and whose refusal nobody can try.
    pub finished: BTreeSet<AuthorityId>,
}

/// Why everything is moved to another CA.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RolloverKind {
    /// The CA ends, or another is wanted: nobody is locked out on the way.
    Ordinary,
    /// An ordinary one that was turned round: it goes back to the CA from which everything came.
    Back,
    /// The key of a CA is known to somebody: nothing of it is trusted any more, at once.
    Compromised,
}

impl RolloverRecord {
    /// One that begins.
    #[must_use]
    pub fn new(
        kind: RolloverKind,
        from: Vec<AuthorityId>,
        to: AuthorityId,
        began: Timestamp,
    ) -> RolloverRecord {
        RolloverRecord {
            schema: Schema,
            kind,
            from,
            to,
            began,
            skipped: BTreeSet::new(),
            finished: BTreeSet::new(),
        }
    }

    /// Where it is, relative to the state.
    #[must_use]
    pub fn path() -> PathBuf {
        PathBuf::from("rollover.json")
    }

    /// Whether nothing of the previous CAs may be trusted.
    #[must_use]
    pub fn is_emergency(&self) -> bool {
        self.kind == RolloverKind::Compromised
    }

    /// The file.
    ///
    /// # Errors
    /// None that a caller could cause.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Failure> {
        record_file::to_bytes(self)
    }
}

pub(super) fn read_rollover(directory: &StateDirectory) -> Result<Option<RolloverRecord>, Failure> {
    let path = Path::new("rollover.json");
    let file = directory.read(path, record_file::LARGEST)?;
    record_file::parse(file, &directory.path().join(path), "the CA rollover that is under way")
}
