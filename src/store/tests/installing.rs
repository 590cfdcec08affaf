//! Installed copies: whole, where they belong, and never over something foreign.
use crate::model::Message;
use crate::model::numbered;

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use zeroize::Zeroizing;

use super::{imprint, mode, picture};
use crate::model::ExitCode;
use crate::store::files::crash_point;
use crate::store::{CredentialBytes, InstallPlace, KeyReaders, LinkState, Owner, PlaceStyle};

/// Puts something where a file of ours would go.
type Plant = fn(&Path);

fn placement(root: &Path) -> InstallPlace {
    let etc = root.join("etc");
    InstallPlace {
        style: PlaceStyle::Links,
        folder: etc.join("kitcert"),
        links: ["ca.pem", "cert.pem", "key.pem"].map(|name| (etc.join(name), name)).to_vec(),
        owner: None,
        key_readers: KeyReaders::default(),
        origin: None,
    }
}

fn files(text: &str) -> CredentialBytes {
    CredentialBytes {
        authority: b"ca".to_vec(),
        certificate: text.as_bytes().to_vec(),
        key: Zeroizing::new(format!("{text} key").into_bytes()),
    }
}

/// What a daemon would read through its three paths.
fn read_as_a_daemon(root: &Path) -> Option<(String, String)> {
    let read = |name: &str| std::fs::read_to_string(root.join("etc").join(name)).ok();
    read("ca.pem")?;
    Some((read("cert.pem")?, read("key.pem")?))
}

fn pair(text: &str) -> Option<(String, String)> {
    Some((text.to_owned(), format!("{text} key")))
}

#[test]
fn an_install_is_read_through_the_links_with_the_right_modes() {
    let base = tempfile::tempdir().unwrap();
    let root = base.path().join("root");
    let placement = placement(&root);
    let before = placement.observe(None).ok().unwrap();
    assert!(before.current.is_none() && before.next == numbered(1));
    assert!(before.links.iter().all(|link| *link == LinkState::Absent));
    placement.install(&files("one"), numbered(1)).unwrap();
    placement.install(&files("two"), numbered(2)).unwrap();
    assert_eq!(read_as_a_daemon(&root), pair("two"));
    let etc = root.join("etc");
    assert_eq!(std::fs::read_link(etc.join("key.pem")).unwrap(), Path::new("kitcert/current/key.pem"));
    for (name, expected) in [
        ("", 0o755),
        ("kitcert", 0o755),
        ("kitcert/gen-0002", 0o755),
        ("kitcert/gen-0002/ca.pem", 0o644),
        ("kitcert/gen-0002/cert.pem", 0o644),
        ("kitcert/gen-0002/key.pem", 0o600),
    ] {
        assert_eq!(mode(&etc.join(name)), expected, "{name}");
    }
    let after = placement.observe(None).ok().unwrap();
    let current = after.current.unwrap();
    assert_eq!(std::fs::read_link(etc.join("kitcert/current")).unwrap(), Path::new("gen-0002"));
    assert_eq!(after.next, numbered(3));
    assert_eq!(current.files.unwrap().certificate, b"two");
    assert!(after.links.iter().all(|link| *link == LinkState::Ours));
    let moved = base.path().join("elsewhere");
    std::fs::rename(&root, &moved).unwrap();
    assert_eq!(read_as_a_daemon(&moved), pair("two"), "links must hold where the tree is mounted");
}

#[test]
fn the_same_install_again_writes_nothing() {
    let base = tempfile::tempdir().unwrap();
    let placement = placement(base.path());
    placement.install(&files("one"), numbered(1)).unwrap();
    let before = imprint(base.path());
    placement.install(&files("one"), numbered(2)).unwrap();
    assert_eq!(imprint(base.path()), before);
}

#[test]
fn a_key_that_was_opened_to_others_is_installed_anew() {
    let base = tempfile::tempdir().unwrap();
    let placement = placement(base.path());
    placement.install(&files("one"), numbered(1)).unwrap();
    let key = base.path().join("etc/kitcert/gen-0001/key.pem");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    placement.install(&files("one"), numbered(2)).unwrap();
    assert_eq!(mode(&base.path().join("etc/kitcert/gen-0002/key.pem")), 0o600);
}

#[test]
fn a_number_that_is_taken_is_refused() {
    let base = tempfile::tempdir().unwrap();
    let placement = placement(base.path());
    placement.install(&files("one"), numbered(1)).unwrap();
    let failure = placement.install(&files("two"), numbered(1)).unwrap_err();
    assert_eq!(failure.exit_code(), ExitCode::Busy);
    assert_eq!(read_as_a_daemon(base.path()), pair("one"));
}

#[test]
fn nothing_foreign_at_the_place_of_a_link_is_ever_overwritten() {
    let plants: &[(&str, Plant)] = &[
        ("a file", |path| std::fs::write(path, "theirs").unwrap()),
        ("a folder", |path| std::fs::create_dir(path).unwrap()),
        ("a symbolic link to /etc/passwd", |path| symlink("/etc/passwd", path).unwrap()),
        ("a symbolic link to nowhere", |path| symlink("nowhere", path).unwrap()),
        ("a symbolic link to key.pem", |path| symlink("key.pem", path).unwrap()),
        ("a named pipe", |path| mknodat(CWD, path, FileType::Fifo, Mode::RWXU, 0).unwrap()),
        ("a file", |path| {
            std::fs::write(path.with_extension("first"), "theirs").unwrap();
            std::fs::hard_link(path.with_extension("first"), path).unwrap();
        }),
    ];
    for (what, plant) in plants {
        let base = tempfile::tempdir().unwrap();
        let placement = placement(base.path());
        let link = base.path().join("etc/key.pem");
        std::fs::create_dir(base.path().join("etc")).unwrap();
        plant(&link);
        let before = imprint(base.path());
        let failure = placement.install(&files("one"), numbered(1)).unwrap_err();
        assert_eq!(failure.what_was_found(), *what);
        let hint = format!("mv -n {0} {0}.before-kitcert", link.display());
        assert_eq!(failure.remedy().map(Message::as_str), Some(hint.as_str()));
        assert_eq!(imprint(base.path()), before, "{what}");
    }
}

#[test]
fn folders_that_others_could_swap_are_refused() {
    let base = tempfile::tempdir().unwrap();
    let etc = base.path().join("etc");
    let placement = placement(base.path());
    std::fs::create_dir(&etc).unwrap();
    std::fs::set_permissions(&etc, std::fs::Permissions::from_mode(0o777)).unwrap();
    assert!(placement.install(&files("one"), numbered(1)).is_err());
    std::fs::set_permissions(&etc, std::fs::Permissions::from_mode(0o755)).unwrap();
    for target in ["elsewhere", "/tmp"] {
        let folder = etc.join("kitcert");
        std::fs::create_dir_all(&folder).unwrap();
        symlink(target, folder.join("current")).unwrap();
        assert!(placement.install(&files("one"), numbered(1)).is_err(), "current -> {target}");
        std::fs::remove_dir_all(&folder).unwrap();
    }
    std::fs::write(etc.join("kitcert"), "").unwrap();
    assert!(placement.install(&files("one"), numbered(1)).is_err());
}

#[test]
fn an_install_that_is_stopped_anywhere_leaves_the_old_set_or_the_new() {
    for first in [None, Some("one")] {
        for steps in 0.. {
            let base = tempfile::tempdir().unwrap();
            let placement = placement(base.path());
            if let Some(text) = first {
                placement.install(&files(text), numbered(1)).unwrap();
            }
            crash_point::limit(Some(steps));
            let outcome = placement.install(&files("two"), numbered(2));
            crash_point::limit(None);
            let found = read_as_a_daemon(base.path());
            let old = first.and_then(pair);
            assert!(found == old || found == pair("two"), "step {steps}: {found:?}");
            if outcome.is_ok() {
                break;
            }
            let next = placement.observe(None).ok().unwrap().next;
            placement.install(&files("two"), next).unwrap();
            assert_eq!(read_as_a_daemon(base.path()), pair("two"));
            let names = picture(base.path());
            assert!(names.keys().all(|name| !name.contains("/.")), "step {steps}: {names:#?}");
        }
    }
}

#[test]
fn files_and_new_folders_become_the_owners() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let base = tempfile::tempdir().unwrap();
    let home = base.path().join("home");
    std::fs::create_dir(&home).unwrap();
    std::os::unix::fs::chown(&home, Some(4321), Some(4322)).unwrap();
    let folder = home.join(".earthly/certs/kitcert");
    let owner = Some(Owner { user: 4321, group: 4322 });
    let placement = InstallPlace {
        folder: folder.clone(),
        links: Vec::new(),
        owner,
        style: PlaceStyle::Links,
        key_readers: KeyReaders::default(),
        origin: None,
    };
    placement.install(&files("one"), numbered(1)).unwrap();
    let before = imprint(&home);
    placement.install(&files("one"), numbered(2)).unwrap();
    assert_eq!(imprint(&home), before);
    for path in [home.join(".earthly"), folder.clone(), folder.join("gen-0001/key.pem")] {
        let metadata = std::fs::metadata(&path).unwrap();
        let found =
            (std::os::unix::fs::MetadataExt::uid(&metadata), std::os::unix::fs::MetadataExt::gid(&metadata));
        assert_eq!(found, (4321, 4322), "{}", path.display());
    }
}

#[test]
fn links_lead_back_from_any_folder() {
    let base = tempfile::tempdir().unwrap();
    let link: PathBuf = base.path().join("etc/buildkit/tls/ca.pem");
    let folder = base.path().join("etc/kitcert");
    let placement = InstallPlace {
        folder,
        links: vec![(link.clone(), "ca.pem")],
        owner: None,
        style: PlaceStyle::Links,
        key_readers: KeyReaders::default(),
        origin: None,
    };
    placement.install(&files("one"), numbered(1)).unwrap();
    assert_eq!(std::fs::read_link(&link).unwrap(), Path::new("../../kitcert/current/ca.pem"));
    assert_eq!(std::fs::read(&link).unwrap(), b"ca");
}
