//! What holds on a disk at every moment, whatever happened to a command: sets match, no key is open
//! to others, and nothing that was there is lost.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use kitcert::env::Environment;
use kitcert::pki::{Certificate, CertificateRequest, Kit, PrivateKey};

use crate::support::workspace::Workspace;

/// Every set that something leads to is complete and matches.
pub fn assert_whole(workspace: &Workspace, moment: &str) {
    for kind in ["state/daemons", "state/clients"] {
        for identity in folders(&workspace.path(kind)) {
            let current = identity.join("current");
            assert!(current.exists() || current.symlink_metadata().is_err(), "{moment}: {current:?} dangles");
            for generation in folders(&identity).iter().filter(|path| !path.is_symlink()) {
                // The key of an invited client is in its kit.
                if kind != "state/clients" || generation.join("key.pem").exists() {
                    assert_matches(generation, moment);
                }
            }
        }
    }
    let installed = workspace.path("root/etc/kitcert/current");
    if installed.symlink_metadata().is_ok() {
        assert_matches(&installed, moment);
    }
    for file in ["ca.pem", "cert.pem", "key.pem"] {
        let link = workspace.path("root/etc").join(file);
        assert!(link.symlink_metadata().is_err() || link.exists(), "{moment}: {link:?} dangles");
    }
    let of_client = workspace.path("home/.earthly/certs");
    // Of the links that an installation makes the first time some may be there; the config names
    // them once all are.
    if ["ca.pem", "cert.pem", "key.pem"].iter().all(|file| of_client.join(file).exists()) {
        assert_matches(&of_client, moment);
    }
    for file in files(&workspace.path("")) {
        let bytes = std::fs::read(&file).unwrap();
        let name = file.display().to_string();
        let has_key = String::from_utf8_lossy(&bytes).contains("BEGIN PRIVATE KEY");
        let mode = file.metadata().unwrap().permissions().mode() & 0o7777;
        assert!(!has_key || mode & 0o077 == 0, "{moment}: {name} holds a key, mode {mode:04o}");
        // What is staged does not count yet.
        let is_staged = file.iter().any(|part| part.to_string_lossy().starts_with(".stage-"));
        match file.extension().and_then(|extension| extension.to_str()).filter(|_| !is_staged) {
            Some("kit") => drop(Kit::from_text(&bytes, Path::new(&name)).unwrap()),
            Some("csr") => drop(CertificateRequest::from_pem(&bytes, Path::new(&name)).unwrap()),
            _ => {}
        }
    }
}

/// Folders in a folder, and links to folders.
pub fn folders(path: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(path).into_iter().flatten();
    entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect()
}

/// Every file below a folder.
fn files(path: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).unwrap() {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            found.extend(files(&entry.path()));
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
    found
}

/// The set in that folder is of one mint.
pub fn assert_matches(set: &Path, moment: &str) {
    let read = |name: &str| {
        std::fs::read(set.join(name)).unwrap_or_else(|error| panic!("{moment}: {set:?} {name}: {error}"))
    };
    let leaf = Certificate::chain_from_pem(&read("cert.pem"), "cert.pem").unwrap().remove(0);
    let key = PrivateKey::from_pem(&read("key.pem"), "key.pem").unwrap();
    assert!(key.public_key() == leaf.public_key(), "{moment}: {set:?} is mixed");
    // During a rollover the CA that everything is moved to stands first, whoever issued the leaf.
    let trust = Certificate::chain_from_pem(&read("ca.pem"), "ca.pem").unwrap();
    let is_issuer = |authority: &Certificate| authority.subject() == leaf.issuer();
    assert!(trust.iter().any(is_issuer), "{moment}: {set:?} does not trust its issuer, {}", leaf.issuer());
}

/// What must not get lost, and the files that are the old or the new.
pub struct Record {
    issued: BTreeSet<String>,
    /// Those of `issued` that open nothing any more: a rotation may clear them away.
    expired: BTreeSet<String>,
    log: String,
    /// Where an identity's `current` is.
    identities: BTreeSet<PathBuf>,
    texts: BTreeMap<&'static str, Option<Vec<u8>>>,
}

/// What people edit too.
const TEXTS: [&str; 2] = ["state/kitcert.yaml", "home/.earthly/config.yml"];

impl Record {
    pub fn of(workspace: &Workspace) -> Record {
        let entries = std::fs::read_dir(workspace.path("state/issued")).into_iter().flatten();
        let issued: BTreeSet<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        let now = Environment::of_process().now();
        let is_over = |name: &&String| {
            let pem = std::fs::read(workspace.path("state/issued").join(name)).unwrap_or_default();
            let chain = Certificate::chain_from_pem(&pem, "issued").unwrap_or_default();
            chain.first().is_some_and(|leaf| leaf.validity().not_after < now)
        };
        let identities = ["state/daemons", "state/clients", "state/requests"].iter();
        let identities = identities.flat_map(|kind| folders(&workspace.path(kind)));
        let text = |path: &'static str| (path, std::fs::read(workspace.path(path)).ok());
        Record {
            expired: issued.iter().filter(is_over).cloned().collect(),
            issued,
            log: std::fs::read_to_string(workspace.path("state/log.jsonl")).unwrap_or_default(),
            identities: identities
                .map(|folder| folder.join("current"))
                .filter(|link| link.exists())
                .collect(),
            texts: TEXTS.into_iter().map(text).collect(),
        }
    }

    /// Nothing of this is missing.
    pub fn assert_kept(&self, workspace: &Workspace, moment: &str) {
        let now = Record::of(workspace);
        let gone = self.issued.difference(&now.issued);
        let lost: Vec<_> = gone.filter(|name| !self.expired.contains(*name)).collect();
        assert!(lost.is_empty(), "{moment}: no longer on record: {lost:?}");
        let lost: Vec<_> = self.identities.difference(&now.identities).collect();
        assert!(lost.is_empty(), "{moment}: gone: {lost:?}");
        assert!(now.log.starts_with(&self.log), "{moment}: the log was changed: {}", now.log);
        for current in
            now.identities.iter().filter(|path| !path.starts_with(workspace.path("state/requests")))
        {
            let leaf = std::fs::read(current.join("cert.pem")).unwrap();
            let leaf = Certificate::chain_from_pem(&leaf, "cert.pem").unwrap().remove(0);
            let serial = leaf.serial().to_string().replace(':', "").to_lowercase();
            let is_on_record = now.issued.iter().any(|name| name.trim_end_matches(".pem") == serial);
            assert!(is_on_record, "{moment}: {current:?} is in use and not on record: {serial}");
        }
    }

    /// Each text is what it was here, or what it is in `new`.
    pub fn assert_old_or(&self, new: &Record, workspace: &Workspace, moment: &str) {
        for (path, now) in Record::of(workspace).texts {
            assert!(
                now == self.texts[path] || now == new.texts[path],
                "{moment}: {path} is neither: {now:?}"
            );
        }
    }
}

/// The log is whole, and no key is left in a change that was not finished. What else is left of one
/// is removed by whoever changes something next.
pub fn assert_tidy(workspace: &Workspace, moment: &str) {
    let log = std::fs::read_to_string(workspace.path("state/log.jsonl")).unwrap_or_default();
    let is_json = |line: &str| serde_json::from_str::<serde_json::Value>(line).is_ok();
    assert!(log.lines().all(is_json) && (log.is_empty() || log.ends_with('\n')), "{moment}: {log}");
    let is_left = |path: &Path| {
        path.iter().any(|part| {
            let part = part.to_string_lossy();
            [".stage-", ".commit-", ".removed-"].iter().any(|prefix| part.starts_with(prefix))
        })
    };
    let left = files(&workspace.path("")).into_iter().filter(|path| is_left(path));
    let keys: Vec<_> =
        left.filter(|path| std::fs::read_to_string(path).unwrap().contains("PRIVATE KEY")).collect();
    assert!(keys.is_empty(), "{moment}: left behind: {keys:?}");
}
