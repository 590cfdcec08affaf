//! A person's file is replaced whole, or not at all.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::{imprint, mode};
use crate::model::{ExitCode, Failure};
use crate::store::files::crash_point;
use crate::store::{Existing, Parents, Privacy, Replacement, refuse_irreplaceable, replace_file};

/// Puts something where a file of ours would go.
type Plant = fn(&Path);

fn replace(path: &Path, expected: Option<&str>, bytes: &str, parents: Parents) -> Result<(), Failure> {
    replace_file(&Replacement {
        path,
        expected: expected.map(str::as_bytes),
        bytes: bytes.as_bytes(),
        mode: Privacy::Private,
        owner: None,
        existing: Existing::LeavesAccess,
        parents,
    })
}

#[test]
fn a_new_file_has_the_mode_asked_for_and_its_folders_only_if_asked() {
    let base = tempfile::tempdir().unwrap();
    let path = base.path().join("a/b/config.yml");
    assert!(replace(&path, None, "new", Parents::MustExist).is_err());
    replace(&path, None, "new", Parents::Create).unwrap();
    assert_eq!((std::fs::read_to_string(&path).unwrap().as_str(), mode(&path)), ("new", 0o600));
    assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn mode_owner_and_link_are_kept() {
    let base = tempfile::tempdir().unwrap();
    std::fs::create_dir(base.path().join("dotfiles")).unwrap();
    let file = base.path().join("dotfiles/config");
    let link = base.path().join("config.yml");
    std::fs::write(&file, "old").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&file, Some(4321), Some(4322)).unwrap();
    }
    let owner = |path: &Path| std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(path).unwrap());
    let before = owner(&file);
    symlink("dotfiles/config", base.path().join("middle")).unwrap();
    symlink("middle", &link).unwrap();
    replace(&link, Some("old"), "new", Parents::MustExist).unwrap();
    assert_eq!(std::fs::read_link(&link).unwrap(), Path::new("middle"));
    assert_eq!((std::fs::read_to_string(&file).unwrap().as_str(), mode(&file)), ("new", 0o640));
    assert_eq!(owner(&file), before);
    let written = imprint(base.path());
    replace(&link, Some("new"), "new", Parents::MustExist).unwrap();
    assert_eq!(imprint(base.path()), written, "the same content is not written again");
}

#[test]
fn what_changed_meanwhile_is_busy_and_stays() {
    let base = tempfile::tempdir().unwrap();
    let path = base.path().join("config.yml");
    let busy = |expected| replace(&path, expected, "new", Parents::MustExist).unwrap_err().exit_code();
    assert_eq!(busy(Some("old")), ExitCode::Busy, "gone");
    std::fs::write(&path, "theirs, and longer").unwrap();
    assert_eq!(busy(Some("old")), ExitCode::Busy, "changed");
    assert_eq!(busy(None), ExitCode::Busy, "made");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "theirs, and longer");
}

#[test]
fn what_cannot_be_replaced_is_refused_and_stays() {
    let plants: &[(&str, Plant)] = &[
        ("a folder", |path| std::fs::create_dir(path).unwrap()),
        ("a named pipe", |path| mknodat(CWD, path, FileType::Fifo, Mode::RWXU, 0).unwrap()),
        ("which is not there", |path| symlink("nowhere", path).unwrap()),
        ("a circle", |path| symlink("config.yml", path).unwrap()),
        ("second name", |path| {
            std::fs::write(path, "old").unwrap();
            std::fs::hard_link(path, path.with_extension("other")).unwrap();
        }),
        ("read-only", |path| {
            std::fs::write(path, "old").unwrap();
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o444)).unwrap();
        }),
    ];
    for (words, plant) in plants {
        let base = tempfile::tempdir().unwrap();
        let path = base.path().join("config.yml");
        plant(&path);
        let before = imprint(base.path());
        for expected in [None, Some("old")] {
            let failure = replace(&path, expected, "new", Parents::Create).unwrap_err();
            assert!(failure.to_string().contains(words), "{words}: {failure}");
            let foreseen = refuse_irreplaceable(&path, None, Parents::Create).unwrap_err();
            assert_eq!(foreseen.to_string(), failure.to_string());
        }
        assert_eq!(imprint(base.path()), before, "{words}");
    }
}

#[test]
fn what_can_be_replaced_is_foreseen_to_be() {
    let base = tempfile::tempdir().unwrap();
    let path = base.path().join("a/b/config.yml");
    refuse_irreplaceable(&path, None, Parents::Create).unwrap();
    assert!(refuse_irreplaceable(&path, None, Parents::MustExist).is_err());
    assert_eq!(std::fs::read_dir(base.path()).unwrap().count(), 0, "nothing was made");
    replace(&path, None, "new", Parents::Create).unwrap();
    refuse_irreplaceable(&path, None, Parents::MustExist).unwrap();
}

#[test]
fn what_a_killed_replacement_left_is_removed_by_the_next_and_no_other_file_is() {
    let base = tempfile::tempdir().unwrap();
    let at = |name: &str| base.path().join(name);
    std::fs::write(at("config.yml"), "old").unwrap();
    std::fs::hard_link(at("config.yml"), at(".kitcert-0123456789abcdef")).unwrap();
    let hour = std::time::Duration::from_secs(3600);
    for name in [".kitcert-1123456789abcdef", ".kitcert-2123456789abcdef", ".kitcert-notes"] {
        std::fs::write(at(name), "half").unwrap();
        let file = std::fs::File::options().write(true).open(at(name)).unwrap();
        let is_of_another_command = name.contains("-2");
        let age = if is_of_another_command { std::time::Duration::ZERO } else { hour };
        file.set_modified(std::time::SystemTime::now() - age).unwrap();
    }
    replace(&at("config.yml"), Some("old"), "new", Parents::MustExist).unwrap();
    let mut left: Vec<_> =
        std::fs::read_dir(base.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, [".kitcert-2123456789abcdef", ".kitcert-notes", "config.yml"]);
}

#[test]
fn a_replacement_that_is_stopped_anywhere_leaves_the_old_file_or_the_new() {
    for old in [None, Some("old")] {
        for steps in 0.. {
            let base = tempfile::tempdir().unwrap();
            let path = base.path().join("config.yml");
            if let Some(text) = old {
                std::fs::write(&path, text).unwrap();
            }
            crash_point::limit(Some(steps));
            let outcome = replace(&path, old, "new", Parents::MustExist);
            crash_point::limit(None);
            let found = std::fs::read_to_string(&path).ok();
            assert!(found.as_deref() == old || found.as_deref() == Some("new"), "step {steps}: {found:?}");
            if outcome.is_ok() {
                assert_eq!(std::fs::read_dir(base.path()).unwrap().count(), 1);
                break;
            }
            replace(&path, found.as_deref(), "newer", Parents::MustExist).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), "newer", "after step {steps}");
        }
    }
}
