//! A person's own file, replaced as a careful hand would.

use std::path::{Path, PathBuf};

use rustix::fs::{Gid, Mode, Uid};

use super::directory::{Directory, Entry, FileMode, Ownership};
use super::trouble::trouble;
use crate::model::profile::LARGEST_PEM;
use crate::model::{ExitCode, Failure};

/// Replaces the contents of a config file at one instant, or makes it.
///
/// Its mode and owner stay; a new file is 0600 and, with its folder, `owner`'s. A symbolic link
/// stays one: what it leads to is replaced. `expected` is what was read before the edit.
///
/// # Errors
/// The file is not what was read any more (busy: safe to retry); a folder that others can write;
/// a disk that does not take it. The file is as it was then.
pub fn replace_file(
    path: &Path,
    expected: Option<&[u8]>,
    contents: &[u8],
    owner: Option<Ownership>,
) -> Result<(), Failure> {
    let trusted: Vec<u32> = owner.iter().map(|owner| owner.user).collect();
    let path = follow(path, &trusted)?;
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(trouble("writing", &path, rustix::io::Errno::ISDIR));
    };
    let folder = Directory::make_trusted(parent, 0o755, &trusted, owner)?;
    let name = Path::new(name);
    let found = folder.read(name, LARGEST_PEM)?;
    if found.as_ref().map(|file| file.bytes.as_slice()) != expected {
        return Err(Failure::new("writing", path.display())
            .expected("what was read a moment ago")
            .found("something else: another program has changed it")
            .exit(ExitCode::Busy));
    }
    let temporary = PathBuf::from(format!(".{}.kitcert-{}", name.display(), std::process::id()));
    let failed = |errno| trouble("writing", &path, errno);
    let written = folder.make_file(&temporary, contents, FileMode::Private, owner).and_then(|file| {
        if let Some(found) = &found {
            rustix::fs::fchown(&file, Some(Uid::from_raw(found.owner)), Some(Gid::from_raw(found.group)))?;
            rustix::fs::fchmod(&file, Mode::from_raw_mode(found.mode))?;
        }
        rustix::fs::fsync(&file)
    });
    if let Err(errno) = written {
        // What could not be written whole is of no use to anybody; the failure is what counts.
        let _ = folder.remove(&temporary);
        return Err(failed(errno));
    }
    folder.rename(&temporary, &folder, name)?;
    folder.sync()
}

/// The file itself, behind however many links.
fn follow(path: &Path, trusted: &[u32]) -> Result<PathBuf, Failure> {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { break };
        let entry = match Directory::open_trusted(parent, trusted)? {
            Some(folder) => folder.entry(Path::new(name))?,
            None => None,
        };
        match entry {
            Some(Entry::Link(target)) => path = parent.join(target),
            _ => return Ok(path),
        }
    }
    Err(trouble("writing", &path, rustix::io::Errno::LOOP))
}

const MOST_LINKS: usize = 40;
