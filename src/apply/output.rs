//! A result that goes to a file instead of a screen.

use std::path::Path;

use crate::model::Failure;
use crate::store::{Parents, Privacy, Replacement, read_if_present, replace_file};

/// Writes a result by one rename, so that whoever reads the file, such as a collector of metrics,
/// reads the former or this; anybody may read it, for that is what it is for.
///
/// # Errors
/// Those of [`replace_file`].
pub(crate) fn write_result(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let former = read_if_present(path, LARGEST_RESULT)?;
    replace_file(&Replacement {
        path,
        expected: former.as_ref().map(|file| file.bytes.as_slice()),
        bytes,
        mode_if_absent: Privacy::Public,
        owner_if_absent: None,
        parents: Parents::MustExist,
    })
}

/// A report about a hundred thousand certificates has some 40 MB.
const LARGEST_RESULT: usize = 256 * 1024 * 1024;
