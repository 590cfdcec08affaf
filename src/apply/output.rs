//! A result that goes to a file instead of a screen.

use std::path::Path;

use crate::env::Environment;
use crate::model::Failure;
use crate::store::{Existing, Parents, Privacy, Replacement, read_if_present, replace_file, sudo_caller};

/// Writes a result by one rename, so that whoever reads the file, such as a collector of metrics,
/// reads the previous or this; anybody may read it, for that is what it is for.
///
/// # Errors
/// Those of [`replace_file`].
pub(crate) fn write_result(environment: &Environment, path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let owner = sudo_caller(environment)?;
    let path = &environment.absolute(path)?;
    let previous = read_if_present(path, LARGEST_RESULT)?;
    replace_file(&Replacement {
        path,
        expected: previous.as_ref().map(|file| file.bytes.as_slice()),
        bytes,
        mode: Privacy::Public,
        owner,
        existing: Existing::LeavesAccess,
        parents: Parents::MustExist,
    })
}

/// A report about a hundred thousand certificates has some 40 MB.
const LARGEST_RESULT: usize = 256 * 1024 * 1024;
