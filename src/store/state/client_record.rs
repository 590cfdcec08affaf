//! `clients/<name>/identity.json`: which daemons a client uses, and what it is known to hold.
//!
//! What may have left this machine stands nowhere: every generation may have, and every certificate of
//! `issued/`. What is known of a key narrows that down.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::record_file::{self, Schema};
use super::state_directory::StateDirectory;
use crate::layout::state_paths::identity_folder;
use crate::model::{
    Failure, Fingerprint, Generation, IdentityName, Role, SerialNumber, SubjectAltName, Timestamp,
};

/// What is remembered of a client.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientRecord {
    schema: Schema,
    /// The daemons that it uses; none for every one.
    pub uses: BTreeSet<Use>,
    /// What is known of its keys, by the SHA-256 of their SubjectPublicKeyInfo.
    pub keys: BTreeMap<Fingerprint, KeyRecord>,
    /// Since when it is neither renewed nor waited for; null while it is.
    #[serde(deserialize_with = "Option::deserialize")]
    pub retired: Option<Timestamp>,
}

/// A daemon that a client uses.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Use {
    /// The daemon that is dialed.
    pub daemon: IdentityName,
    /// The name or address by which the client dials it.
    pub host: SubjectAltName,
}

/// What is known of a client's key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRecord {
    /// What whoever has the key is known to have, and nothing older.
    #[serde(deserialize_with = "Option::deserialize")]
    pub held: Option<Held>,
    /// The last generation in the place of which another key of the same machine is; null for none.
    #[serde(deserialize_with = "Option::deserialize")]
    pub replaced: Option<Generation>,
}

/// What a client is known to have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Held {
    /// The certificate's number.
    pub serial: SerialNumber,
    /// The generation, with whose bundle it came.
    #[serde(rename = "gen")]
    pub generation: Generation,
    /// By what that is known.
    pub by: HeldBy,
    /// Since when.
    pub at: Timestamp,
}

/// By what it is known that a client has its credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HeldBy {
    /// Its key says so.
    Receipt,
    /// Its copies on this machine were read.
    Installed,
    /// A person says so.
    Confirm,
}

impl ClientRecord {
    /// Where it is, relative to the state.
    #[must_use]
    pub fn path(client: &IdentityName) -> PathBuf {
        identity_folder(Role::Client, client).join("identity.json")
    }

    /// Whether that generation of a key may be in use, as far as is known.
    #[must_use]
    pub fn may_use(&self, key: &Fingerprint, generation: Generation) -> bool {
        let known = self.keys.get(key);
        let held = known.and_then(|known| known.held.as_ref());
        let replaced = known.and_then(|known| known.replaced);
        replaced.is_none_or(|replaced| generation > replaced)
            && held.is_none_or(|held| generation >= held.generation)
    }

    /// The file.
    ///
    /// # Errors
    /// None that a caller could cause.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Failure> {
        record_file::to_bytes(self)
    }
}

pub(super) fn read_client_record(
    directory: &StateDirectory,
    client: &IdentityName,
) -> Result<ClientRecord, Failure> {
    let path = ClientRecord::path(client);
    let file = directory.read(&path, record_file::LARGEST)?;
    let record = record_file::parse(file, &directory.path().join(&path), "what is known of a client")?;
    Ok(record.unwrap_or_default())
}
