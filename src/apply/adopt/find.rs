//! The files of a daemon that others have set up: in a folder, or in a Kubernetes Secret.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::apply::input_file::read_input;
use crate::apply::inspect::credentials_in;
use crate::layout::{CredentialPaths, DaemonLayout, Manifest, OwnerName, manifest_of};
use crate::message;
use crate::model::profile::{LARGEST_BUNDLE_FILE, LARGEST_PEM};
use crate::model::{ExitCode, Failure, Message, Printable, Quoted, Role};
use crate::pki::{Certificate, FoundKey, KeyFile, TrustBundle, judge};
use crate::store::{CredentialBytes, Owner, exists, files_in, read};

/// A daemon that was found.
pub(super) struct FoundDaemon {
    /// Where it was found, for messages.
    pub place: Message,
    /// Its three files, to the byte.
    pub files: CredentialBytes,
    /// Its certificate, leaf first.
    pub chain: Vec<Certificate>,
    /// Whom it trusts.
    pub trust: TrustBundle,
    /// The folder where it reads them, if its later ones are to stand there too.
    pub installed: Option<(PathBuf, DaemonLayout)>,
    /// Its key file and the mode of that, where it is a file.
    pub key: Option<(PathBuf, u32)>,
    /// Whose they are, if not of this process's user.
    pub owner: Option<OwnerName>,
    /// The files of a client that were found beside them.
    pub client: Option<CredentialPaths>,
    /// The folders in which the key of its CA may lie.
    pub folders: Vec<PathBuf>,
}

/// Finds a daemon's files in a folder, or in a Kubernetes Secret; `-` is one from standard input.
///
/// # Errors
/// None there, or some that do not belong together.
pub(super) fn find_daemon(path: &Path) -> Result<FoundDaemon, Failure> {
    if path == Path::new("-") || files_in(path, MOST_FILES)?.is_none() {
        return in_secret(path);
    }
    if let Some(paths) = present(path, EARTHLY_DAEMON).filter(|_| exists(&path.join("earthly_cert.pem"))) {
        // Earthly's own files are what its clients read: the daemon has copies of some.
        let found = in_files(path, &paths)?;
        return Ok(FoundDaemon { client: present(path, EARTHLY_CLIENT), ..found });
    }
    let own = path.join("daemon");
    for (folder, client) in [(path, None), (own.as_path(), Some(path.join("client")))] {
        for (layout, names) in LAYOUTS {
            let Some(paths) = present(folder, names) else { continue };
            let found = in_files(folder, &paths)?;
            let client =
                client.and_then(|client| LAYOUTS.iter().find_map(|(_, names)| present(&client, *names)));
            let folders = [folder, path].map(Path::to_owned).to_vec();
            let installed = Some((folder.to_owned(), layout));
            return Ok(FoundDaemon { installed, client, folders, ..found });
        }
    }
    Err(Failure::new("taking over", path.display())
        .expected("a daemon's ca.pem, cert.pem and key.pem, or ca.crt, tls.crt and tls.key")
        .found("not all three")
        .hint(message!("{kitcert} inspect {}   # what is there", Quoted(path))))
}

fn present(folder: &Path, [authority, certificate, key]: [&str; 3]) -> Option<CredentialPaths> {
    let paths = CredentialPaths {
        authority: folder.join(authority),
        certificate: folder.join(certificate),
        key: folder.join(key),
    };
    let is_whole = [&paths.authority, &paths.certificate, &paths.key].into_iter().all(|path| exists(path));
    is_whole.then_some(paths)
}

fn in_files(folder: &Path, paths: &CredentialPaths) -> Result<FoundDaemon, Failure> {
    let files = CredentialBytes {
        authority: read(&paths.authority, LARGEST_BUNDLE_FILE)?.bytes.to_vec(),
        certificate: read(&paths.certificate, LARGEST_PEM)?.bytes.to_vec(),
        key: read(&paths.key, LARGEST_PEM)?.bytes,
    };
    let key_mode = read(&paths.key, LARGEST_PEM)?.mode;
    let owner = Owner::of(&paths.key)?.map(|owner| format!("{}:{}", owner.user, owner.group).parse());
    let subjects = [&paths.authority, &paths.certificate, &paths.key].map(|path| path.message());
    let found = of_bytes(folder.message(), files, &subjects)?;
    Ok(FoundDaemon {
        owner: owner.transpose()?,
        key: Some((paths.key.clone(), key_mode)),
        folders: vec![folder.to_owned()],
        ..found
    })
}

fn of_bytes(place: Message, files: CredentialBytes, subjects: &[Message; 3]) -> Result<FoundDaemon, Failure> {
    let [authority, certificate, key] = subjects;
    let chain = Certificate::chain_from_pem(&files.certificate, certificate)?;
    let trust = TrustBundle::from_pem(&files.authority, authority)?;
    match KeyFile::read(&files.key, key)?.key {
        FoundKey::Ours(_) => {}
        FoundKey::Other(other) => {
            return Err(Failure::new("taking over", &place)
                .expected("a daemon's key with which kitcert can sign, so that it can be certified again")
                .found(other.kind)
                .hint("give the daemon another key and certificate of its CA first"));
        }
    }
    Ok(FoundDaemon {
        place,
        files,
        chain,
        trust,
        installed: None,
        key: None,
        owner: None,
        client: None,
        folders: Vec::new(),
    })
}

/// A Secret, as `kubectl get secret NAME -o yaml` prints it.
fn in_secret(path: &Path) -> Result<FoundDaemon, Failure> {
    let bytes = read_input(path, LARGEST_BUNDLE_FILE)?;
    let place = match path == Path::new("-") {
        true => message!("the Secret on standard input"),
        false => path.message(),
    };
    let refused = |found: Message| {
        Failure::new("taking over", path.display())
            .expected(
                "a folder with a daemon's files, or a Kubernetes Secret with ca.pem, cert.pem and key.pem",
            )
            .found(found)
            .exit(ExitCode::Usage)
    };
    let Manifest { texts, faults } =
        manifest_of(&bytes).ok_or_else(|| refused(message!("something else")))?;
    let objects = texts.iter().map(|text| text.object).max().unwrap_or_default();
    let mut found = Vec::new();
    for object in 0..=objects {
        let mut coded = None;
        let mut text = |names: [&str; 2]| -> Option<Zeroizing<Vec<u8>>> {
            let mut own = texts.iter().filter(|text| text.object == object);
            let (file, fault) = credentials_in(own.find(|text| names.contains(&text.name.as_str()))?)?;
            coded = coded.take().or(fault);
            Some(file)
        };
        let all = (text(["ca.pem", "ca.crt"]), text(["cert.pem", "tls.crt"]), text(["key.pem", "tls.key"]));
        if let (Some(authority), Some(certificate), Some(key)) = all {
            let files =
                CredentialBytes { authority: authority.to_vec(), certificate: certificate.to_vec(), key };
            let subjects = ["ca", "cert", "key"].map(|name| message!("{}#{}", path.display(), name));
            if let Some((_, fault)) = faults.iter().find(|(of, _)| *of == object) {
                return Err(refused(message!("a Secret that Kubernetes refuses: it has {}", fault)));
            }
            if let Some(fault) = coded {
                return Err(refused(message!(
                    "a Secret that Kubernetes refuses: {} is no base64",
                    fault.subject
                )));
            }
            found.push((files, subjects));
        }
    }
    // A part has no file of its own that a command could repair.
    let look = |failure: Failure| failure.hint(message!("{kitcert} inspect {}", Quoted(path.display())));
    let is_of_daemon = |files: &CredentialBytes| {
        let leaf = Certificate::chain_from_pem(&files.certificate, path.display());
        leaf.is_ok_and(|chain| chain.first().is_some_and(|leaf| judge::is_for(leaf, Role::Daemon)))
    };
    // Beside a daemon's, a client's may be there.
    if found.len() > 1 && found.iter().any(|(files, _)| is_of_daemon(files)) {
        found.retain(|(files, _)| is_of_daemon(files));
    }
    match found.len() {
        0 => Err(refused(message!("YAML without all three"))),
        1 => {
            let (files, subjects) = found.remove(0);
            of_bytes(place, files, &subjects).map_err(look)
        }
        several => Err(refused(message!(
            "{} Secrets of daemons: put the one that is meant into a file of its own",
            several
        ))),
    }
}

/// Every regular file in those folders that may hold a key.
pub(super) fn candidates(folders: &[PathBuf]) -> Vec<PathBuf> {
    let found = folders.iter().filter_map(|folder| files_in(folder, MOST_FILES).ok().flatten());
    found.flatten().collect()
}

/// Whether a folder is one that a client reads, so that whoever uses that client has what lies there.
pub(super) fn is_of_client(folder: &Path, daemon: Option<&Certificate>) -> bool {
    let sets = [EARTHLY_CLIENT].into_iter().chain(LAYOUTS.map(|(_, names)| names));
    sets.filter_map(|names| present(folder, names)).any(|paths| {
        let chain = read(&paths.certificate, LARGEST_PEM)
            .and_then(|file| Certificate::chain_from_pem(&file.bytes, &paths.certificate));
        chain.is_ok_and(|chain| chain.first() != daemon)
    })
}

const LAYOUTS: [(DaemonLayout, [&str; 3]); 4] = [
    (DaemonLayout::Files, ["ca.pem", "cert.pem", "key.pem"]),
    (DaemonLayout::FilesCrt, ["ca.crt", "tls.crt", "tls.key"]),
    (DaemonLayout::FilesTlsca, ["tlsca.crt", "tls.crt", "tls.key"]),
    (DaemonLayout::FilesEarth, EARTHLY_DAEMON),
];
const EARTHLY_DAEMON: [&str; 3] = ["ca_cert.pem", "buildkit_cert.pem", "buildkit_key.pem"];
const EARTHLY_CLIENT: [&str; 3] = ["ca_cert.pem", "earthly_cert.pem", "earthly_key.pem"];
const MOST_FILES: usize = 256;
