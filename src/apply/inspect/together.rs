//! Several files, judged together: which key is whose, and who has what others have too.

use std::path::{Path, PathBuf};

use super::document::Inspected;
use crate::message;
use crate::model::{Failure, Finding, Rule, Severity};
use crate::pki::Certificate;
use crate::store;

/// The files that are meant by a path: itself, or the files in it where it is a folder.
///
/// # Errors
/// A folder that cannot be read, without a file, or with more than [`MOST_FILES`].
pub(crate) fn files_at(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    match store::files_in(path, MOST_FILES)? {
        None => Ok(vec![path.to_owned()]),
        Some(files) if files.is_empty() => {
            Err(Failure::new("reading", path.display()).expected("files in that folder").found("none"))
        }
        Some(files) => Ok(files),
    }
}

/// What only shows when those files lie side by side, each finding about one of them.
#[must_use]
pub(crate) fn compare(files: &[(PathBuf, Inspected)]) -> Vec<Finding> {
    let certificates: Vec<(&Path, &Inspected, &Certificate)> = files
        .iter()
        .flat_map(|(path, file)| {
            file.contents.certificates.iter().map(move |one| (path.as_path(), file, one))
        })
        .collect();
    let mut findings = Vec::new();
    for (path, file) in files {
        let Some(key) = &file.contents.key else { continue };
        let own = certificates.iter().find(|(_, _, certificate)| certificate.public_key() == key);
        match own {
            None if !certificates.is_empty() => findings.push(
                Finding::new(Rule::KeyMismatch, Severity::Error, path.display())
                    .expected("the key of one of the certificates that were given with it")
                    .found("another key")
                    .cause("the certificate and the key come from two different sets")
                    .fix("install the set again: {kitcert} install daemon, or {kitcert} install client"),
            ),
            Some((_, _, certificate)) if certificate.is_authority() => findings.push(
                Finding::new(Rule::AuthorityKeyAtClient, Severity::Info, path.display())
                    .expected("a CA's key where certificates are issued, and nowhere else")
                    .found(message!("the key of {}", certificate.subject()))
                    .cause("whoever reads it can issue certificates for every daemon and client")
                    .fix("move it away from what daemons and clients read or mount"),
            ),
            _ => {}
        }
    }
    for (at, (path, file, certificate)) in certificates.iter().enumerate() {
        let earlier =
            certificates.iter().take(at).find(|(other, _, same)| other != path && same == certificate);
        if let (Some((other, first, _)), false) = (earlier, certificate.is_authority()) {
            // The same user may well have a copy; two users share an identity.
            let severity = if first.owner == file.owner { Severity::Info } else { Severity::Warning };
            findings.push(
                Finding::new(Rule::CertificateShared, severity, path.display())
                    .expected("a certificate of its own")
                    .found(message!("that of {}", other.display()))
                    .cause("access cannot be taken from one without taking it from the other")
                    .fix("issue each client a certificate of its own"),
            );
        }
    }
    findings
}

/// So many files of a folder are read.
pub(crate) const MOST_FILES: usize = 64;
