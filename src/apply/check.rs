//! What was written is read back before anybody depends on it.

use std::path::Path;

use crate::model::Failure;
use crate::model::profile::LARGEST_PEM;
use crate::store::StagedChange;

/// Whether the disk gives back, byte for byte, what was staged. What was judged before it was
/// written need not be parsed again then.
///
/// # Errors
/// It gives something else, or nothing.
pub(super) fn is_as_written(staged: &StagedChange<'_>, path: &Path, written: &[u8]) -> Result<(), Failure> {
    if staged.read_back(path, LARGEST_PEM)?.bytes.as_slice() == written {
        return Ok(());
    }
    Err(Failure::new("reading back", path.display()).expected("what was written").found("other bytes"))
}
