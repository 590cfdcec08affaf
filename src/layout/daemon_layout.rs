//! Where daemons read their files.

use std::fmt;
use std::str::FromStr;

use super::set_file::SetFile;
use crate::model::{ExitCode, Failure};

/// A kind of daemon, by where it reads its three files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DaemonLayout {
    /// earthly/buildkitd: `/etc/{ca,cert,key}.pem` (its buildkitd.tls.template).
    #[default]
    Earthly,
    /// EarthBuild's buildkitd: the same, and in newer releases
    /// `/etc/earth-certs/{ca_cert,buildkit_cert,buildkit_key}.pem`; both are served.
    Earthbuild,
    /// moby buildkitd, with the paths of its documentation: `/etc/buildkit/{tlsca,tls}.crt` and
    /// `tls.key`.
    Buildkit,
}

impl DaemonLayout {
    /// Every kind.
    pub const ALL: [DaemonLayout; 3] =
        [DaemonLayout::Earthly, DaemonLayout::Earthbuild, DaemonLayout::Buildkit];

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            DaemonLayout::Earthly => "earthly",
            DaemonLayout::Earthbuild => "earthbuild",
            DaemonLayout::Buildkit => "buildkit",
        }
    }

    /// The paths that the daemon reads, without the leading slash, and which file each is.
    #[must_use]
    pub fn links(self) -> Vec<(&'static str, SetFile)> {
        let etc = [
            ("etc/ca.pem", SetFile::Authority),
            ("etc/cert.pem", SetFile::Certificate),
            ("etc/key.pem", SetFile::Key),
        ];
        let earth_certs = [
            ("etc/earth-certs/ca_cert.pem", SetFile::Authority),
            ("etc/earth-certs/buildkit_cert.pem", SetFile::Certificate),
            ("etc/earth-certs/buildkit_key.pem", SetFile::Key),
        ];
        match self {
            DaemonLayout::Earthly => etc.to_vec(),
            DaemonLayout::Earthbuild => [etc, earth_certs].concat(),
            DaemonLayout::Buildkit => vec![
                ("etc/buildkit/tlsca.crt", SetFile::Authority),
                ("etc/buildkit/tls.crt", SetFile::Certificate),
                ("etc/buildkit/tls.key", SetFile::Key),
            ],
        }
    }

    /// Those paths for a person to read: `etc/{ca,cert,key}.pem`.
    #[must_use]
    pub fn shorthand(self) -> &'static [&'static str] {
        match self {
            DaemonLayout::Earthly => &["etc/{ca,cert,key}.pem"],
            DaemonLayout::Earthbuild => {
                &["etc/{ca,cert,key}.pem", "etc/earth-certs/{ca_cert,buildkit_cert,buildkit_key}.pem"]
            }
            DaemonLayout::Buildkit => &["etc/buildkit/{tlsca.crt,tls.crt,tls.key}"],
        }
    }

    /// The folder that holds the generations which those paths lead to.
    #[must_use]
    pub fn folder(self) -> &'static str {
        "etc/kitcert"
    }
}

impl FromStr for DaemonLayout {
    type Err = Failure;

    fn from_str(text: &str) -> Result<DaemonLayout, Failure> {
        DaemonLayout::ALL.into_iter().find(|layout| layout.as_str() == text).ok_or_else(|| {
            Failure::new("reading the layout", format!("{text:?}"))
                .expected("earthly, earthbuild or buildkit")
                .found("another word")
                .exit(ExitCode::Usage)
        })
    }
}

impl fmt::Display for DaemonLayout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
