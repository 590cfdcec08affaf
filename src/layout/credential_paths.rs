//! Where the three files of one identity are.

use std::path::{Path, PathBuf};

use super::daemon::CredentialFile;

/// The paths of a CA bundle, a certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CredentialPaths {
    /// The CA bundle.
    pub(crate) authority: PathBuf,
    /// The certificate.
    pub(crate) certificate: PathBuf,
    /// The key.
    pub(crate) key: PathBuf,
}

impl CredentialPaths {
    /// Those of a folder, under our own names.
    pub(crate) fn in_folder(folder: &Path) -> CredentialPaths {
        let file = |file: CredentialFile| folder.join(file.file_name());
        CredentialPaths {
            authority: file(CredentialFile::Authority),
            certificate: file(CredentialFile::Certificate),
            key: file(CredentialFile::Key),
        }
    }

    /// Those of a folder, under the names that `buildctl --tlsdir` knows, each file by itself (buildctl's
    /// common.go): ours, or else Kubernetes's.
    pub(crate) fn in_tls_directory(folder: &Path, exists: impl Fn(&Path) -> bool) -> CredentialPaths {
        let ours = CredentialPaths::in_folder(folder);
        let either = |ours: PathBuf, other: &str| {
            let other = folder.join(other);
            if !exists(&ours) && exists(&other) { other } else { ours }
        };
        CredentialPaths {
            authority: either(ours.authority, "ca.crt"),
            certificate: either(ours.certificate, "tls.crt"),
            key: either(ours.key, "tls.key"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_kubernetes_counts_where_ours_is_not() {
        let there = ["/d/ca.pem", "/d/ca.crt", "/d/tls.crt"].map(PathBuf::from);
        let paths =
            CredentialPaths::in_tls_directory(Path::new("/d"), |path| there.iter().any(|one| one == path));
        assert_eq!(paths.authority, Path::new("/d/ca.pem"));
        assert_eq!(paths.certificate, Path::new("/d/tls.crt"));
        assert_eq!(paths.key, Path::new("/d/key.pem"));
    }
}
