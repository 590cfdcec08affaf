//! Files of the state that must be there.

use std::path::Path;

use super::state_directory::StateDirectory;
use crate::model::Failure;
use crate::model::profile::LARGEST_PEM;
use crate::pki::Certificate;

/// The bytes of a file.
///
/// # Errors
/// It is not there, or cannot be read.
pub(super) fn required(directory: &StateDirectory, path: &Path, largest: usize) -> Result<Vec<u8>, Failure> {
    let file = directory.read(path, largest)?.ok_or_else(|| {
        Failure::new("reading", directory.path().join(path).display()).expected("a file").found("none")
    })?;
    Ok(file.bytes.to_vec())
}

/// The certificates of a file.
///
/// # Errors
/// Those of [`required`], and anything but certificates.
pub(super) fn chain(directory: &StateDirectory, path: &Path) -> Result<Vec<Certificate>, Failure> {
    let bytes = required(directory, path, LARGEST_PEM)?;
    Certificate::chain_from_pem(&bytes, directory.path().join(path))
}
