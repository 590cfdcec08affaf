//! The three files of a set.

/// One of the three files that a daemon or a client reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetFile {
    /// The CA certificates that the peer's chain must end in.
    Authority,
    /// The own certificate, with its chain.
    Certificate,
    /// The own private key.
    Key,
}

impl SetFile {
    /// The file's name in a set of ours.
    #[must_use]
    pub fn file_name(self) -> &'static str {
        match self {
            SetFile::Authority => "ca.pem",
            SetFile::Certificate => "cert.pem",
            SetFile::Key => "key.pem",
        }
    }
}
