//! Plain files where links belong: those of a daemon that was set up by hand. They give way to links, and come
//! back, one rename each; what is read there is the same before and after.

use std::path::Path;

use super::ReadFile;
use super::files::directory::{Access, Directory, fresh_name, make_durable};
use super::files::users::Owner;
use crate::model::Failure;

/// Whether plain files may stand where links belong, and what a new file's owner and mode are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum PlaceStyle {
    /// Links alone; certificates are 0644 and the key is 0600.
    #[default]
    Links,
    /// The folder is one that others have set up: new files have the owner and mode of those before them.
    Kept {
        /// Whether plain files are to stand there, as when it was taken over.
        plain: bool,
    },
}

impl PlaceStyle {
    /// Whether what was set up by others is kept.
    pub(super) fn is_kept(self) -> bool {
        self != PlaceStyle::Links
    }

    /// Whether plain files are to stand there.
    pub(super) fn is_plain(self) -> bool {
        self == PlaceStyle::Kept { plain: true }
    }
}

/// Who can read a file that is there.
pub(super) fn access_of(file: &ReadFile) -> Access {
    Access { mode: file.mode, owner: Some(Owner { user: file.owner, group: file.group }) }
}

/// Who can read the file of that name, if it holds exactly that.
pub(super) fn access_of_same(
    folder: &Directory,
    name: &Path,
    bytes: &[u8],
) -> Result<Option<Access>, Failure> {
    let file = folder.read(name, LARGEST)?;
    Ok(file.filter(|file| file.bytes.as_slice() == bytes).map(|file| access_of(&file)))
}

/// Puts a link in the place of a file.
pub(super) fn link_instead(folder: &Directory, name: &Path, target: &Path) -> Result<(), Failure> {
    let staged = fresh_name(STAGED)?;
    folder.make_link(target, &staged)?;
    finish(folder, &staged, name)
}

/// Puts a file in the place of a link.
pub(super) fn file_instead(
    folder: &Directory,
    name: &Path,
    bytes: &[u8],
    access: Access,
) -> Result<(), Failure> {
    let staged = fresh_name(STAGED)?;
    let file = folder.create_file(&staged, bytes, access)?;
    make_durable(&file, &folder.path().join(&staged))?;
    finish(folder, &staged, name)
}

fn finish(folder: &Directory, staged: &str, name: &Path) -> Result<(), Failure> {
    folder.rename(staged, folder, name).and_then(|()| folder.sync()).inspect_err(|_| {
        // The failure that stopped it is the one to tell.
        let _ = folder.remove(staged);
    })
}

const STAGED: &str = ".kitcert-";
/// A bundle of sixteen certificates stays far below it.
const LARGEST: usize = 1 << 20;
