//! Properties of the store that need more than one of its parts.

mod bulk;
mod installing;
mod locking;
mod replacing;
mod transaction;

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

/// How long a lock is waited for that nobody keeps: a program that another test starts has it too
/// from its fork to its exec.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder in memory where the machine has one, since thousands of crashes each wait for a disk.
fn folder() -> tempfile::TempDir {
    let memory = tempfile::tempdir_in("/dev/shm");
    memory.or_else(|_| tempfile::tempdir()).unwrap()
}

/// Everything below a folder: relative path -> kind, mode and content, the lock left out.
fn picture(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    gather(folder, folder, &mut found, |metadata, content| {
        format!("{:o} {content}", metadata.permissions().mode() & 0o7777)
    });
    // Which state it is, is drawn again each time.
    if let Some(record) = found.get_mut("state.json") {
        *record = record.lines().filter(|line| !line.contains("\"id\"")).collect();
    }
    found
}

/// The same with inode and time of the last change, which any write would move.
fn imprint(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    gather(folder, folder, &mut found, |metadata, _| {
        format!("{} {}.{}", metadata.ino(), metadata.ctime(), metadata.ctime_nsec())
    });
    found
}

fn gather(
    base: &Path,
    folder: &Path,
    found: &mut BTreeMap<String, String>,
    tell: fn(&std::fs::Metadata, &str) -> String,
) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let metadata = std::fs::symlink_metadata(&path).unwrap();
        let name = path.strip_prefix(base).unwrap().to_str().unwrap().to_owned();
        if name == ".lock" {
            continue;
        }
        let content = if metadata.is_symlink() {
            format!("-> {}", std::fs::read_link(&path).unwrap().display())
        } else if metadata.is_dir() {
            gather(base, &path, found, tell);
            "folder".to_owned()
        } else if !metadata.is_file() {
            "neither".to_owned()
        } else {
            String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned()
        };
        found.insert(name, tell(&metadata, &content));
    }
}

fn mode(path: &Path) -> u32 {
    std::fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}
