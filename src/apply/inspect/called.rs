//! What the files of credentials are called, and whether each holds what a program looks for under its name.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::document::Inspected;
use crate::message;
use crate::model::{Finding, Rule, Severity};
use crate::pki::Certificate;
use crate::store;

/// What a program looks for in a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Bundle,
    Certificate,
    Key,
}

/// The names that kitcert and moby, Kubernetes, and Earthly give to the files of one folder.
const SETS: [[(&str, Part); 3]; 4] = [
    [("ca.pem", Part::Bundle), ("cert.pem", Part::Certificate), ("key.pem", Part::Key)],
    [("ca.crt", Part::Bundle), ("tls.crt", Part::Certificate), ("tls.key", Part::Key)],
    [
        ("ca_cert.pem", Part::Bundle),
        ("buildkit_cert.pem", Part::Certificate),
        ("buildkit_key.pem", Part::Key),
    ],
    [("ca_cert.pem", Part::Bundle), ("earthly_cert.pem", Part::Certificate), ("earthly_key.pem", Part::Key)],
];

/// Whether a file is called as bundles are.
pub(super) fn is_called_bundle(path: &Path) -> bool {
    let name = name_of(path);
    SETS.iter().flatten().any(|(known, part)| *known == name && *part == Part::Bundle)
}

/// Whether a bundle is the one that a program reads with a certificate, by what the two are called.
pub(super) fn is_of_set(certificate: &Path, bundle: &Path) -> bool {
    let has = |set: &[(&str, Part); 3], path: &Path, wanted: Part| {
        set.iter().any(|(known, part)| *known == name_of(path) && *part == wanted)
    };
    let are_of = |set| has(set, certificate, Part::Certificate) && has(set, bundle, Part::Bundle);
    SETS.iter().any(are_of)
}

/// The last part of a path, or the name within a Secret.
fn name_of(path: &Path) -> &str {
    let name = path.to_str().unwrap_or_default();
    name.rsplit(['#', '/']).next().unwrap_or_default()
}

/// The files beside others of their set that hold something else than their names say, and the folders in the
/// places of files. A file that is alone may be called whatever it is.
pub(super) fn misnamed(files: &[(PathBuf, Inspected)]) -> Vec<Finding> {
    let folders: BTreeSet<&Path> = files.iter().filter_map(|(path, _)| path.parent()).collect();
    let mut findings = Vec::new();
    for folder in folders {
        for set in SETS {
            let of_part = |(name, part): (&'static str, Part)| {
                let here = |(path, _): &&(PathBuf, Inspected)| {
                    path.parent() == Some(folder) && name_of(path) == name
                };
                (name, part, files.iter().find(here))
            };
            let parts = set.map(of_part);
            if parts.iter().filter(|(.., file)| file.is_some()).count() < 2 {
                continue;
            }
            findings.extend(parts.into_iter().filter_map(|(name, part, file)| match file {
                Some((path, file)) => holds_something_else(path, part, file),
                None => in_the_place_of_a_file(&folder.join(name)),
            }));
        }
    }
    findings
}

fn holds_something_else(path: &Path, part: Part, file: &Inspected) -> Option<Finding> {
    let certificates = &file.contents.certificates;
    let is_fine = match part {
        // One that is trusted for itself is a bundle too.
        Part::Bundle => !certificates.is_empty(),
        Part::Certificate => !certificates.iter().all(Certificate::is_authority),
        Part::Key => file.contents.key.is_some() || file.kind.as_str().contains("key"),
    };
    // What cannot be read at all is told of the file itself.
    if is_fine || Finding::gravest(&file.findings) >= Severity::Error {
        return None;
    }
    let (rule, expected) = match part {
        Part::Bundle => (Rule::BundleHoldsLeaf, "the certificates of the CAs"),
        Part::Certificate => (Rule::ChainOrder, "the certificate of the daemon or client itself"),
        Part::Key => (Rule::KeyFormat, "the private key"),
    };
    Some(
        Finding::new(rule, Severity::Error, path)
            .expected(expected)
            .found(message!("a {} alone", file.kind))
            .cause("two of the files have each other's names, or one was copied over the other")
            .fix("install all three files again: {kitcert} install daemon, or {kitcert} install client"),
    )
}

fn in_the_place_of_a_file(path: &Path) -> Option<Finding> {
    let is_folder = store::exists(path) && !matches!(store::files_in(path, 1), Ok(None));
    is_folder.then(|| {
        Finding::new(Rule::UnreadableFile, Severity::Error, path.display())
            .expected("a file")
            .found("a folder")
            .cause("docker makes a folder where a file that is to be mounted is missing")
            .fix("remove it, put the file there, and make the container anew")
    })
}
