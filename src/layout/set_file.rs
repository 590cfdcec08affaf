//! The three files of a set.

/// One of the three files that mutual TLS takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetFile {
    /// The CAs that the peer is checked against.
    Authority,
    /// One's own certificate.
    Certificate,
    /// Its key.
    Key,
}

impl SetFile {
    /// Its name in a generation: those that `buildctl --tlsdir` and `/etc/*.pem` use.
    #[must_use]
    pub fn file_name(self) -> &'static str {
        match self {
            SetFile::Authority => "ca.pem",
            SetFile::Certificate => "cert.pem",
            SetFile::Key => "key.pem",
        }
    }
}
