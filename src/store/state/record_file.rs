//! The files in which the program remembers something for itself: JSON of one exact form.
//!
//! A file that is there and is not what we write is a failure. It is never taken for an empty one: that
//! would forget what nobody can tell again.

use std::path::Path;

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::model::{Failure, Printable};
use crate::store::files::read::ReadFile;

/// The member `schema` of such a file, and its only value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Schema;

impl Serialize for Schema {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(VERSION)
    }
}

impl<'de> Deserialize<'de> for Schema {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Schema, D::Error> {
        match u32::deserialize(deserializer)? {
            VERSION => Ok(Schema),
            _ => Err(D::Error::custom("another version")),
        }
    }
}

/// The file as it is written.
///
/// # Errors
/// None that a caller could cause.
pub(super) fn to_bytes(record: &impl Serialize) -> Result<Vec<u8>, Failure> {
    let mut bytes = serde_json::to_vec_pretty(record)
        .map_err(|_| Failure::new("writing", "a record of the state").found("something that is no JSON"))?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// The record in a file that was read; None if there is none. `path` is what messages call it.
///
/// # Errors
/// A file that is not what we write.
pub(super) fn parse<T: DeserializeOwned>(
    file: Option<ReadFile>,
    path: &Path,
    what: &'static str,
) -> Result<Option<T>, Failure> {
    let Some(file) = file else { return Ok(None) };
    serde_json::from_slice(&file.bytes).map(Some).map_err(|_| {
        Failure::new("reading", path.display())
            .expected(crate::message!("{}, as kitcert writes it", what.message()))
            .found("something else")
            .hint("restore that file from a backup of the state")
    })
}

const VERSION: u32 = 1;
/// A hundred thousand clients that a rollover does not wait for.
pub(super) const LARGEST: usize = 16 * 1024 * 1024;
