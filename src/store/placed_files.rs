//! What is installed: the files of one set, generation by generation, and what leads to them.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::files::directory::{Access, Directory};
use super::origin::{Origin, set_checksum};
use crate::model::{Failure, Fingerprint, Generation, Message};

/// The three files of a daemon or a client. Without Debug, since one is a key.
pub(crate) struct CredentialBytes {
    /// `ca.pem`.
    pub authority: Vec<u8>,
    /// `cert.pem`.
    pub certificate: Vec<u8>,
    /// `key.pem`.
    pub key: Zeroizing<Vec<u8>>,
}

/// What is installed.
pub(crate) struct PlacedFiles {
    /// The generation that `current` leads to.
    pub current: Option<PlacedGeneration>,
    /// A number above all that are there.
    pub next: Generation,
    /// Each link of the placement, in its order.
    pub links: Vec<LinkState>,
}

/// One installed generation.
pub(crate) struct PlacedGeneration {
    /// Its files; `None` where one is missing.
    pub files: Option<CredentialBytes>,
    /// From which state it comes; `None` where that is not noted, or not as we note it.
    pub origin: Option<Origin>,
    /// Whether modes and owner are what [`InstallPlace::install`] would give.
    pub(super) access_is_right: bool,
    /// Who can read each file.
    pub(super) access: BTreeMap<&'static str, Access>,
}

/// What is at a place where a link belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LinkState {
    /// Nothing.
    Absent,
    /// The link.
    Ours,
    /// A plain file that holds what the link would lead to, where that is allowed.
    Plain,
    /// Something that is not ours to overwrite.
    Foreign {
        /// What it is: "a file", "a symbolic link to x".
        what: Message,
    },
}

impl CredentialBytes {
    /// The file of that name within a generation.
    pub(super) fn file(&self, name: &str) -> &[u8] {
        match name {
            AUTHORITY => &self.authority,
            CERTIFICATE => &self.certificate,
            _ => &self.key,
        }
    }

    /// What tells it from every other.
    #[must_use]
    pub(crate) fn checksum(&self) -> Fingerprint {
        set_checksum(&self.authority, &self.certificate)
    }
}

impl PlacedGeneration {
    /// Whether it is that set, byte for byte, with the modes and the owner that it would get.
    #[must_use]
    pub(crate) fn holds(&self, files: &CredentialBytes) -> bool {
        self.access_is_right
            && self.files.as_ref().is_some_and(|there| {
                there.authority == files.authority
                    && there.certificate == files.certificate
                    && there.key == files.key
            })
    }
}

/// Removes what an install left that was stopped in the middle.
pub(super) fn remove_leftovers(folder: &Directory) -> Result<(), Failure> {
    for (name, _) in folder.entries()? {
        if name.starts_with(STAGED) {
            folder.remove_whole(&name)?;
        }
    }
    Ok(())
}

/// Removes the generations before the last few: whoever opened one a moment ago has it open still.
pub(super) fn remove_former(folder: &Directory, number: Generation) -> Result<(), Failure> {
    for (name, _) in folder.entries()? {
        if name.parse().is_ok_and(|previous: Generation| {
            previous.number().saturating_add(KEPT_GENERATIONS) < number.number()
        }) {
            folder.remove_whole(&name)?;
        }
    }
    Ok(())
}

/// How many generations stay beside the current one.
const KEPT_GENERATIONS: u32 = 3;
pub(super) const STAGED: &str = ".stage-";
pub(super) const AUTHORITY: &str = "ca.pem";
pub(super) const CERTIFICATE: &str = "cert.pem";
pub(super) const KEY: &str = "key.pem";
