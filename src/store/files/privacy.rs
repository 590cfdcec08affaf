//! Who may read what is written.

use super::directory::Access;
use super::users::{Owner, group_id};
use crate::model::Failure;

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Privacy {
    /// Everybody: 0644.
    Public,
    /// Its owner: 0600.
    Private,
}

impl Privacy {
    /// The permission bits.
    #[must_use]
    pub fn bits(self) -> u32 {
        match self {
            Privacy::Public => 0o644,
            Privacy::Private => 0o600,
        }
    }
}

/// Who may read a key beside its owner: the group that kitcert.yaml names, or nobody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeyReaders(Option<u32>);

impl KeyReaders {
    /// That group, as this machine knows it.
    ///
    /// # Errors
    /// A group that this machine does not know.
    pub(crate) fn named(group: Option<&str>) -> Result<KeyReaders, Failure> {
        Ok(KeyReaders(group.map(group_id).transpose()?))
    }

    /// How a key is written that would otherwise be that owner's.
    #[must_use]
    pub(in crate::store) fn access(self, owner: Option<Owner>) -> Access {
        let Some(group) = self.0 else { return Access { mode: Privacy::Private.bits(), owner } };
        let user = owner.map_or_else(|| rustix::process::geteuid().as_raw(), |owner| owner.user);
        Access { mode: SHARED, owner: Some(Owner { user, group }) }
    }

    /// How a folder of nothing but such keys is written, which the group must get through.
    #[must_use]
    pub(in crate::store) fn folder(self) -> Option<Access> {
        self.0.map(|_| Access { mode: SHARED_FOLDER, ..self.access(None) })
    }

    /// Whether nobody can use a key of that mode and group but its owner and, to read it, this group.
    #[must_use]
    pub(crate) fn are_all_of(self, mode: u32, group: u32) -> bool {
        mode & OTHERS_ANYTHING == 0 || mode & OTHERS_ANYTHING == GROUP_READS && self.0 == Some(group)
    }
}

const SHARED: u32 = 0o640;
const SHARED_FOLDER: u32 = 0o750;
const OTHERS_ANYTHING: u32 = 0o077;
const GROUP_READS: u32 = 0o040;
