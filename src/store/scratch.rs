//! A directory for the length of a demonstration.

use std::path::Path;

use tempfile::TempDir;

use crate::model::Failure;

/// A new directory, 0700, that is removed with all that is in it when this is dropped.
pub struct ScratchDirectory(TempDir);

impl ScratchDirectory {
    /// Makes one in the system's directory for such, with a name that begins with `prefix`.
    ///
    /// # Errors
    /// The system gives none.
    pub fn create(prefix: &str) -> Result<ScratchDirectory, Failure> {
        tempfile::Builder::new()
            .prefix(&format!("{prefix}-"))
            .tempdir()
            .map(ScratchDirectory)
            .map_err(|error| Failure::new("making", "a scratch directory").found(error))
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}
