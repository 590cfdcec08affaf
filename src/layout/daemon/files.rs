//! Where a daemon reads its certificates.

use std::fmt;
use std::str::FromStr;

use crate::message;
use crate::model::{ExitCode, Failure, Word};

/// Which daemon it is, and so which paths it reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DaemonLayout {
    /// Earthly's image `earthly/buildkitd`, which reads `/etc/{ca,cert,key}.pem`.
    #[default]
    Earthly,
    /// EarthBuild's image. Up to 0.8.18 it reads Earthly's paths, later ones read
    /// `/etc/earth-certs`: both are made.
    Earthbuild,
    /// moby's `buildkitd`, with the paths of its documentation (docs/buildkitd.toml.md).
    Buildkit,
    /// `{ca,cert,key}.pem` in a folder of its own, as moby's examples have it.
    Files,
    /// `ca.crt`, `tls.crt` and `tls.key` in a folder of its own, as Kubernetes has it.
    FilesCrt,
    /// `tlsca.crt`, `tls.crt` and `tls.key` in a folder of its own.
    FilesTlsca,
    /// `{ca_cert,buildkit_cert,buildkit_key}.pem` in a folder of its own, as later EarthBuild reads them.
    FilesEarth,
}

/// One file of a set, be it a daemon's or a client's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CredentialFile {
    /// The CA certificates that the peer is verified with.
    Authority,
    /// The certificate, with intermediates if it has any.
    Certificate,
    /// Its key.
    Key,
}

impl CredentialFile {
    /// Every file of a set.
    pub const ALL: [CredentialFile; 3] =
        [CredentialFile::Authority, CredentialFile::Certificate, CredentialFile::Key];

    /// The file's name within a generation, which is also the one that `buildctl --tlsdir` reads.
    #[must_use]
    pub fn file_name(self) -> &'static str {
        match self {
            CredentialFile::Authority => "ca.pem",
            CredentialFile::Certificate => "cert.pem",
            CredentialFile::Key => "key.pem",
        }
    }
}

impl DaemonLayout {
    /// Every layout, the default first.
    pub const ALL: [DaemonLayout; 7] = [
        DaemonLayout::Earthly,
        DaemonLayout::Earthbuild,
        DaemonLayout::Buildkit,
        DaemonLayout::Files,
        DaemonLayout::FilesCrt,
        DaemonLayout::FilesTlsca,
        DaemonLayout::FilesEarth,
    ];

    /// The word for it on a command line and in kitcert.yaml.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            DaemonLayout::Earthly => "earthly",
            DaemonLayout::Earthbuild => "earthbuild",
            DaemonLayout::Buildkit => "buildkit",
            DaemonLayout::Files => "files",
            DaemonLayout::FilesCrt => "files-crt",
            DaemonLayout::FilesTlsca => "files-tlsca",
            DaemonLayout::FilesEarth => "files-earth",
        }
    }

    /// Whether the root is the folder of the files itself, whatever program reads it: a mount of that folder
    /// has everything. New files have the owners and modes of those before them.
    #[must_use]
    pub fn is_in_place(self) -> bool {
        match self {
            DaemonLayout::Earthly | DaemonLayout::Earthbuild | DaemonLayout::Buildkit => false,
            DaemonLayout::Files
            | DaemonLayout::FilesCrt
            | DaemonLayout::FilesTlsca
            | DaemonLayout::FilesEarth => true,
        }
    }

    /// The folder of the installed generations, below the daemon's root: it holds `gen-NNNN` and
    /// `current`.
    #[must_use]
    pub fn folder(self) -> &'static str {
        if self.is_in_place() { "kitcert" } else { "etc/kitcert" }
    }

    /// The paths that the daemon reads, below its root, with the file that each stands for. Each
    /// is to be a relative link into `current` of [`DaemonLayout::folder`].
    #[must_use]
    pub fn links(self) -> Vec<(&'static str, CredentialFile)> {
        let paths: &[[&'static str; 3]] = match self {
            DaemonLayout::Earthly => &[EARTHLY],
            DaemonLayout::Earthbuild => &[EARTHLY, EARTHBUILD],
            DaemonLayout::Buildkit => &[BUILDKIT],
            DaemonLayout::Files => &[["ca.pem", "cert.pem", "key.pem"]],
            DaemonLayout::FilesCrt => &[["ca.crt", "tls.crt", "tls.key"]],
            DaemonLayout::FilesTlsca => &[["tlsca.crt", "tls.crt", "tls.key"]],
            DaemonLayout::FilesEarth => &[["ca_cert.pem", "buildkit_cert.pem", "buildkit_key.pem"]],
        };
        paths.iter().flat_map(|set| set.iter().copied().zip(CredentialFile::ALL)).collect()
    }

    /// The same paths for a person to read: those of a folder in one, with braces.
    #[must_use]
    pub fn shorthand(self) -> Vec<&'static str> {
        let earthly = "etc/{ca,cert,key}.pem";
        match self {
            DaemonLayout::Earthly => vec![earthly],
            DaemonLayout::Earthbuild => {
                vec![earthly, "etc/earth-certs/{ca_cert,buildkit_cert,buildkit_key}.pem"]
            }
            DaemonLayout::Buildkit => vec!["etc/buildkit/{tlsca.crt,tls.crt,tls.key}"],
            DaemonLayout::Files => vec!["{ca,cert,key}.pem"],
            DaemonLayout::FilesCrt => vec!["{ca.crt,tls.crt,tls.key}"],
            DaemonLayout::FilesTlsca => vec!["{tlsca.crt,tls.crt,tls.key}"],
            DaemonLayout::FilesEarth => vec!["{ca_cert,buildkit_cert,buildkit_key}.pem"],
        }
    }
}

impl FromStr for DaemonLayout {
    type Err = Failure;

    fn from_str(text: &str) -> Result<DaemonLayout, Failure> {
        DaemonLayout::ALL.into_iter().find(|layout| layout.as_str() == text).ok_or_else(|| {
            Failure::new("reading the layout", message!("{}", Word(text)))
                .expected("earthly, earthbuild, buildkit, files, files-crt, files-tlsca or files-earth")
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

const EARTHLY: [&str; 3] = ["etc/ca.pem", "etc/cert.pem", "etc/key.pem"];
const EARTHBUILD: [&str; 3] =
    ["etc/earth-certs/ca_cert.pem", "etc/earth-certs/buildkit_cert.pem", "etc/earth-certs/buildkit_key.pem"];
const BUILDKIT: [&str; 3] = ["etc/buildkit/tlsca.crt", "etc/buildkit/tls.crt", "etc/buildkit/tls.key"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_layout_links_each_file_of_the_set() {
        for layout in DaemonLayout::ALL {
            for file in CredentialFile::ALL {
                assert!(layout.links().iter().any(|(_, linked)| *linked == file), "{layout} {file:?}");
            }
            let inside = if layout.is_in_place() { "" } else { "etc/" };
            assert!(layout.links().iter().all(|(path, _)| path.starts_with(inside)));
        }
    }

    #[test]
    fn the_shorthand_stands_for_exactly_the_links() {
        for layout in DaemonLayout::ALL {
            let expanded: Vec<String> = layout.shorthand().into_iter().flat_map(expand).collect();
            let links: Vec<&str> = layout.links().into_iter().map(|(path, _)| path).collect();
            assert_eq!(expanded, links);
        }
    }

    fn expand(text: &str) -> Vec<String> {
        let (before, rest) = text.split_once('{').unwrap();
        let (inner, after) = rest.split_once('}').unwrap();
        inner.split(',').map(|word| format!("{before}{word}{after}")).collect()
    }

    #[test]
    fn a_layout_is_printed_as_it_is_read() {
        for layout in DaemonLayout::ALL {
            assert_eq!(layout.to_string().parse::<DaemonLayout>().unwrap(), layout);
        }
        assert!("Earthly".parse::<DaemonLayout>().is_err());
    }
}
