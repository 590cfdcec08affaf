//! The keys of `config.yml` that name files.

/// A key of `global` that names a file of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TlsPath {
    /// `tlsca`: the CA certificates that the daemon is verified with.
    Authority,
    /// `tlscert`: the client's certificate.
    Certificate,
    /// `tlskey`: the client's key.
    Key,
    /// `tlsca_key`: a CA's key, with which `bootstrap` issues.
    AuthorityKey,
    /// `buildkitd_tlscert`: the certificate of a daemon that the tool starts itself.
    DaemonCertificate,
    /// `buildkitd_tlskey`: that daemon's key.
    DaemonKey,
}

impl TlsPath {
    /// Every one, the client's own first.
    pub const ALL: [TlsPath; 6] = [
        TlsPath::Authority,
        TlsPath::Certificate,
        TlsPath::Key,
        TlsPath::AuthorityKey,
        TlsPath::DaemonCertificate,
        TlsPath::DaemonKey,
    ];

    /// Those without which the tool cannot dial a daemon that asks for a certificate.
    pub const OF_CLIENT: [TlsPath; 3] = [TlsPath::Authority, TlsPath::Certificate, TlsPath::Key];

    /// Those of which `bootstrap` wants all or none.
    pub const OF_BOOTSTRAP: [TlsPath; 5] = [
        TlsPath::Authority,
        TlsPath::Certificate,
        TlsPath::Key,
        TlsPath::DaemonCertificate,
        TlsPath::DaemonKey,
    ];

    /// The key, as it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            TlsPath::Authority => "tlsca",
            TlsPath::Certificate => "tlscert",
            TlsPath::Key => "tlskey",
            TlsPath::AuthorityKey => "tlsca_key",
            TlsPath::DaemonCertificate => "buildkitd_tlscert",
            TlsPath::DaemonKey => "buildkitd_tlskey",
        }
    }

    /// What the tool takes where the key is left out (earthly's config.go).
    #[must_use]
    pub fn default_value(self) -> &'static str {
        match self {
            TlsPath::Authority => "./certs/ca_cert.pem",
            TlsPath::Certificate => "./certs/earthly_cert.pem",
            TlsPath::Key => "./certs/earthly_key.pem",
            TlsPath::AuthorityKey => "./certs/ca_key.pem",
            TlsPath::DaemonCertificate => "./certs/buildkit_cert.pem",
            TlsPath::DaemonKey => "./certs/buildkit_key.pem",
        }
    }
}
