//! A folder that is gone afterwards.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tempfile::TempDir;

use super::io_failure;
use crate::model::Failure;

/// A folder for this user alone (0700) in the system's place for temporary files, removed with
/// all that is in it when this value is dropped.
pub(crate) struct ScratchDirectory(TempDir);

impl ScratchDirectory {
    /// Makes one.
    ///
    /// # Errors
    /// The place for temporary files cannot be written.
    pub(crate) fn create() -> Result<ScratchDirectory, Failure> {
        let ours_alone = Permissions::from_mode(0o700);
        let made = tempfile::Builder::new().prefix("kitcert-").permissions(ours_alone).tempdir();
        made.map(ScratchDirectory).map_err(|error| {
            io_failure::failure_of_io("making", Path::new("a folder for temporary files"), &error)
        })
    }

    /// Where it is.
    #[must_use]
    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_ours_alone_and_gone_afterwards() {
        let scratch = ScratchDirectory::create().unwrap();
        let path = scratch.path().to_owned();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        std::fs::write(path.join("x"), "x").unwrap();
        drop(scratch);
        assert!(!path.exists());
    }
}
