//! A file without a name, for what another process says.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::Stdio;

use super::io_failure;
use crate::model::Failure;

/// A file that no path leads to, for this user alone. The system removes it when the last process that
/// holds it open has ended.
pub(crate) struct UnnamedFile(File);

impl UnnamedFile {
    /// Makes one in the system's place for temporary files.
    ///
    /// # Errors
    /// That place cannot be written.
    pub(crate) fn make() -> Result<UnnamedFile, Failure> {
        tempfile::tempfile()
            .map(UnnamedFile)
            .map_err(|error| io_failure::failure_of_io("making", Path::new("a temporary file"), &error))
    }

    /// The same file for a process to write to. Unlike a pipe, it can be written when nobody reads.
    ///
    /// # Errors
    /// This process has too many files open.
    pub(crate) fn for_process(&self) -> std::io::Result<Stdio> {
        self.0.try_clone().map(Stdio::from)
    }

    /// Its last bytes, at most `most`.
    ///
    /// # Errors
    /// It cannot be read.
    pub(crate) fn tail(&self, most: u16) -> std::io::Result<Vec<u8>> {
        let length = self.0.metadata()?.len();
        let mut tail = vec![0; usize::from(most)];
        let count = self.0.read_at(&mut tail, length.saturating_sub(u64::from(most)))?;
        tail.truncate(count);
        Ok(tail)
    }
}
