//! `revocations.json`: whose access was taken away, as it was meant. No file means that nobody's ever was.
//!
//! What follows from it stands nowhere: which names the daemons' bundles exclude is derived each time.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::record_file::{self, Schema};
use super::state_directory::StateDirectory;
use crate::layout::move_aside;
use crate::message;
use crate::model::{
    AuthorityId, Contact, Exclusion, Failure, Fingerprint, IdentityName, RevocationReason, Timestamp,
};
use crate::store::exists;

/// Everybody whose access was taken away and for whom that has to be remembered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevocationRecord {
    schema: Schema,
    /// In the order in which they were made.
    pub revocations: Vec<Revocation>,
}

/// A client whose access was taken away, or one of its keys; or a daemon whose key somebody else has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revocation {
    /// The client; null where a daemon's bundle excluded names of nobody who is known here, and of a daemon.
    #[serde(deserialize_with = "Option::deserialize")]
    pub client: Option<IdentityName>,
    /// The daemon with whose previous certificate whoever has its key gets in as a client; else null.
    #[serde(deserialize_with = "Option::deserialize")]
    pub daemon: Option<IdentityName>,
    /// The SHA-256 of the only key that is revoked; null where a client is, with every key.
    #[serde(deserialize_with = "Option::deserialize")]
    pub key: Option<Fingerprint>,
    /// What the daemons' bundles exclude for it.
    pub excluded: BTreeSet<Exclusion>,
    /// The SHA-256 of the keys of the certificates that it stops, and of each the names by which it does, beside the
    /// client's own; none where only that does.
    pub keys: BTreeMap<Fingerprint, BTreeSet<Exclusion>>,
    /// The CAs that have issued what it stops, as far as they are known here: by a certificate of another CA nobody
    /// can try it.
    pub authorities: BTreeSet<AuthorityId>,
    /// What was trusted for itself alone, by the id of its key, and is to be trusted no more.
    pub pinned: BTreeSet<AuthorityId>,
    /// The CAs that have issued certificates that no name stops, and when the last of each ends.
    pub unstopped: BTreeMap<AuthorityId, Timestamp>,
    /// Why.
    #[serde(deserialize_with = "Option::deserialize")]
    pub reason: Option<RevocationReason>,
    /// Who said so.
    pub by: Contact,
    /// Since when.
    pub at: Timestamp,
    /// When the last certificate that it stops has ended, one that this state does not know included.
    pub needed_until: Timestamp,
    /// Since when it counts no more, because a person took it back; null while it counts.
    #[serde(deserialize_with = "Option::deserialize")]
    pub undone: Option<Timestamp>,
}

impl RevocationRecord {
    /// Where it is, relative to the state.
    #[must_use]
    pub fn path() -> PathBuf {
        PathBuf::from("revocations.json")
    }

    /// Those that count: nobody took them back, and some certificate that they stop has not ended.
    pub fn active(&self, now: Timestamp) -> impl Iterator<Item = &Revocation> {
        self.revocations.iter().filter(move |one| one.is_active(now))
    }

    /// Those that nobody took back.
    pub fn standing(&self) -> impl Iterator<Item = &Revocation> {
        self.revocations.iter().filter(|one| one.undone.is_none())
    }

    /// The file, which is read back before it is written anywhere: without it nobody can be revoked any more.
    ///
    /// # Errors
    /// What would not be read as what it is.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Failure> {
        let bytes = record_file::to_bytes(self)?;
        match serde_json::from_slice::<RevocationRecord>(&bytes) {
            Ok(same) if same == *self => Ok(bytes),
            _ => {
                Err(Failure::new("writing", "revocations.json").found("a name that could not be read again"))
            }
        }
    }
}

impl Revocation {
    /// Whether it counts.
    #[must_use]
    pub fn is_active(&self, now: Timestamp) -> bool {
        self.undone.is_none() && self.needed_until >= now
    }

    /// Whether it stops somebody, by name or by trusting something no more.
    #[must_use]
    pub fn is_by_name(&self) -> bool {
        !self.excluded.is_empty() || !self.pinned.is_empty()
    }

    /// Whether it takes away the access of that client altogether, whatever its key.
    #[must_use]
    pub fn is_of_client(&self, name: &IdentityName) -> bool {
        self.client.as_ref() == Some(name) && self.key.is_none()
    }
}

pub(super) fn read_revocations(directory: &StateDirectory) -> Result<Option<RevocationRecord>, Failure> {
    let path = Path::new("revocations.json");
    let file = directory.read(path, record_file::LARGEST)?;
    let path = directory.path().join(path);
    record_file::parse(file, &path, "whose access was taken away").map_err(|failure| {
        let aside = move_aside(&path, exists);
        failure.hint(message!("{} && {kitcert} recover   # takes in whom the daemons refuse", aside))
    })
}
