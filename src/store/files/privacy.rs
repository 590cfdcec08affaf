//! Who may read what is written.

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
