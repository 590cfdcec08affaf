//! A change is all there or not at all, wherever it is stopped.
use crate::model::Message;

use std::path::Path;

use super::{PATIENCE, folder, imprint, mode, picture};
use crate::model::{Failure, Timestamp};
use crate::store::files::crash_point;
use crate::store::{KeyReaders, LogEvent, LogLine, Privacy, StagedChange, StateDirectory};

/// Adds to a change.
type Fill = fn(&StagedChange<'_>) -> Result<(), Failure>;

fn state(base: &Path) -> StateDirectory {
    StateDirectory::create(&base.join("state")).unwrap()
}

fn line(subject: &str) -> LogLine {
    LogLine {
        time: Timestamp::from_unix(0),
        by: "root".into(),
        command: "init".to_owned(),
        event: LogEvent::Issued,
        subject: Message::parsed(&subject),
        serial: None,
        fingerprint: None,
        reason: "asked".into(),
    }
}

/// A state of one CA, one daemon and one client, as `init` makes it.
fn first(change: &StagedChange<'_>) -> Result<(), Failure> {
    let add = |path: &str, text: &str| change.file(Path::new(path), text.as_bytes(), Privacy::Public);
    add("kitcert.yaml", "version: 1\n")?;
    add("ca/3f/ca.pem", "ca")?;
    change.private_key(Path::new("ca/3f/key.pem"), b"ca key", KeyReaders::default())?;
    for (folder, serial) in [("daemons/builder", "01"), ("clients/ana", "02")] {
        add(&format!("issued/{serial}.pem"), serial)?;
        add(&format!("{folder}/gen-0001/cert.pem"), "old")?;
        change.private_key(&Path::new(folder).join("gen-0001/key.pem"), b"old key", KeyReaders::default())?;
        change.link(&Path::new(folder).join("current"), "gen-0001")?;
        change.record(&line(folder))?;
    }
    add("kits/ana.kit", "kit")
}

/// What `rotate` adds to it: generations, a new client, a moved link, an edit, a removal.
fn second(change: &StagedChange<'_>) -> Result<(), Failure> {
    let add = |path: &str, text: &str| change.file(Path::new(path), text.as_bytes(), Privacy::Public);
    for (folder, serial) in [("daemons/builder", "03"), ("clients/ana", "04")] {
        add(&format!("issued/{serial}.pem"), serial)?;
        add(&format!("{folder}/gen-0002/cert.pem"), "new")?;
        change.private_key(&Path::new(folder).join("gen-0002/key.pem"), b"new key", KeyReaders::default())?;
        change.link(&Path::new(folder).join("current"), "gen-0002")?;
        change.record(&line(folder))?;
    }
    add("clients/ci/gen-0001/cert.pem", "new")?;
    change.link(Path::new("clients/ci/current"), "gen-0001")?;
    add("kitcert.yaml", "version: 1\nclients: {ci: {}}\n")?;
    change.remove(Path::new("kits/ana.kit"))?;
    change.remove(Path::new("clients/gone"))
}

fn apply(state: &StateDirectory, fill: Fill) -> Result<(), Failure> {
    let lock = state.lock("test", PATIENCE)?;
    let change = lock.stage()?;
    fill(&change)?;
    change.commit()
}

#[test]
fn a_change_is_seen_whole_with_its_modes_and_its_log() {
    let base = folder();
    let state = state(base.path());
    apply(&state, first).unwrap();
    apply(&state, second).unwrap();
    let path = |name: &str| state.path().join(name);
    assert_eq!(mode(state.path()), 0o700);
    assert_eq!(mode(&path("ca/3f/key.pem")), 0o600);
    assert_eq!(mode(&path("issued/03.pem")), 0o644);
    assert_eq!(mode(&path("log.jsonl")), 0o600);
    assert_eq!(state.link_target(Path::new("clients/ana/current")).unwrap().as_deref(), Some("gen-0002"));
    let through = state.read(Path::new("clients/ana/current/key.pem"), 99).ok().flatten().unwrap();
    assert_eq!((through.bytes.as_slice(), through.mode), (b"new key".as_slice(), 0o600));
    assert_eq!(state.list(Path::new("clients")).unwrap(), ["ana", "ci"]);
    assert_eq!(state.list(Path::new("requests")).unwrap(), Vec::<String>::new());
    assert!(!path("kits/ana.kit").exists());
    assert_eq!(std::fs::read_to_string(path("log.jsonl")).unwrap().lines().count(), 4);
    let names = picture(state.path());
    assert!(names.keys().all(|name| !name.starts_with('.')), "{names:?}");
}

/// The pictures of a state before and after a change.
fn before_and_after(prepare: &[Fill], fill: Fill) -> [std::collections::BTreeMap<String, String>; 2] {
    let base = folder();
    let state = state(base.path());
    prepare.iter().for_each(|fill| apply(&state, *fill).unwrap());
    let before = picture(state.path());
    apply(&state, fill).unwrap();
    [before, picture(state.path())]
}

/// Stops the change after every step in turn, and the recovery from that after every step too.
fn converges(prepare: &[Fill], fill: Fill) -> usize {
    let [old, new] = before_and_after(prepare, fill);
    assert_ne!(old, new);
    let mut points = 0;
    let mut seen = [false; 2];
    for steps in 0.. {
        for again in (0..).step_by(3) {
            let base = folder();
            let state = state(base.path());
            prepare.iter().for_each(|fill| apply(&state, *fill).unwrap());
            crash_point::limit(Some(steps));
            let outcome = apply(&state, fill);
            crash_point::limit(None);
            if outcome.is_ok() {
                assert_eq!(seen, [true; 2], "a change must be stopped both before and after it counts");
                return points;
            }
            let unfinished = state.has_unfinished_change().unwrap();
            crash_point::limit(Some(again));
            let recovered = state.lock("test", PATIENCE).map(drop);
            crash_point::limit(None);
            points += 1;
            let is_recovered = recovered.is_ok();
            drop(state.lock("test", PATIENCE).unwrap());
            let now = picture(state.path());
            if unfinished {
                assert_eq!(now, new, "stopped after step {steps}, recovery after {again}");
            } else {
                assert!(now == old || now == new, "stopped after step {steps}: {now:#?}");
            }
            seen[usize::from(now == new)] = true;
            if is_recovered {
                break;
            }
        }
    }
    points
}

#[test]
fn a_first_change_that_is_stopped_anywhere_is_old_or_new() {
    assert!(converges(&[], first) > 20);
}

#[test]
fn a_later_change_that_is_stopped_anywhere_is_old_or_new() {
    assert!(converges(&[first], second) > 20);
}

#[test]
fn while_a_change_is_put_in_place_current_always_leads_to_a_whole_generation() {
    for steps in 0.. {
        let base = folder();
        let state = state(base.path());
        apply(&state, first).unwrap();
        crash_point::limit(Some(steps));
        let outcome = apply(&state, second);
        crash_point::limit(None);
        for folder in ["daemons/builder", "clients/ana"] {
            let read =
                |name: &str| std::fs::read(state.path().join(folder).join("current").join(name)).unwrap();
            let pair = (read("cert.pem"), read("key.pem"));
            let is_new = pair == (b"new".to_vec(), b"new key".to_vec());
            assert!(is_new || pair == (b"old".to_vec(), b"old key".to_vec()), "step {steps}");
            if is_new {
                assert!(state.path().join("issued/04.pem").exists(), "in use before it was on record");
            }
        }
        if outcome.is_ok() {
            return;
        }
    }
}

#[test]
fn a_state_whose_first_change_is_half_in_place_is_found() {
    let base = folder();
    let path = base.path().join("state");
    let mut was_half = false;
    for steps in 0.. {
        let _ = std::fs::remove_dir_all(&path);
        let state = state(base.path());
        crash_point::limit(Some(steps));
        let outcome = apply(&state, first);
        crash_point::limit(None);
        if outcome.is_ok() {
            break;
        }
        let found = StateDirectory::find(&path).unwrap().is_some();
        assert_eq!(found, state.has_unfinished_change().unwrap() || path.join("kitcert.yaml").exists());
        was_half |= found;
    }
    assert!(was_half);
}

#[test]
fn log_lines_of_a_person_between_crash_and_recovery_are_kept() {
    let base = folder();
    let state = state(base.path());
    apply(&state, first).unwrap();
    let mut kept = false;
    for steps in 0.. {
        crash_point::limit(Some(steps));
        let outcome = apply(&state, |change| change.record(&line("x")));
        crash_point::limit(None);
        if outcome.is_ok() {
            break;
        }
        let log = state.path().join("log.jsonl");
        let text = std::fs::read_to_string(&log).unwrap();
        std::fs::write(&log, format!("{text}by hand\n")).unwrap();
        drop(state.lock("test", PATIENCE).unwrap());
        let after = std::fs::read_to_string(&log).unwrap();
        assert!(after.contains("by hand\n") && after.starts_with(&text), "step {steps}: {after}");
        kept = true;
    }
    assert!(kept);
}

#[test]
fn what_is_never_replaced_is_refused_before_anything_changes() {
    let base = folder();
    let state = state(base.path());
    apply(&state, first).unwrap();
    let before = imprint(&state.path().join("clients"));
    let picture_before = picture(state.path());
    for path in [
        "clients/ana/gen-0001/cert.pem",
        "clients/ana/gen-0001/other.pem",
        "clients/ana/gen-0001",
        "ca/3f/key.pem",
        "issued/01.pem",
        "clients/ana/current",
        "clients",
    ] {
        let lock = state.lock("test", PATIENCE).unwrap();
        let change = lock.stage().unwrap();
        change.file(Path::new(path), b"x", Privacy::Public).unwrap();
        change.file(Path::new("clients/new/cert.pem"), b"x", Privacy::Public).err();
        let failure = change.commit().unwrap_err();
        assert!(failure.what_was_expected().len() > 3, "{path}: {failure}");
    }
    assert_eq!(imprint(&state.path().join("clients")), before);
    assert_eq!(picture(state.path()), picture_before);
}

#[test]
fn an_identity_may_be_called_like_a_folder_of_ours() {
    let base = folder();
    let state = state(base.path());
    for generation in ["gen-0001", "gen-0002"] {
        let lock = state.lock("test", PATIENCE).unwrap();
        let change = lock.stage().unwrap();
        for name in ["ca", "issued", "gen-0001", "current"] {
            let folder = Path::new("clients").join(name);
            change.file(&folder.join(generation).join("cert.pem"), b"x", Privacy::Public).unwrap();
            change.link(&folder.join("current"), generation).unwrap();
        }
        change.commit().unwrap();
    }
    assert_eq!(state.link_target(Path::new("clients/ca/current")).unwrap().as_deref(), Some("gen-0002"));
}

#[test]
fn paths_that_leave_the_state_or_touch_the_journal_are_refused() {
    let base = folder();
    let state = state(base.path());
    let lock = state.lock("test", PATIENCE).unwrap();
    let change = lock.stage().unwrap();
    for path in ["", ".", "..", "/etc/passwd", "../x", "a/../../x", ".lock", ".log", "a/.b", "./a", "a\nb"] {
        assert!(change.file(Path::new(path), b"x", Privacy::Public).is_err(), "{path:?}");
        assert!(change.remove(Path::new(path)).is_err(), "{path:?}");
    }
    assert!(change.file(Path::new("a"), b"x", Privacy::Public).is_ok());
    assert!(change.file(Path::new("a"), b"y", Privacy::Public).is_err(), "the same path twice");
}

#[test]
fn a_change_that_is_dropped_or_empty_leaves_nothing() {
    let base = folder();
    let state = state(base.path());
    apply(&state, first).unwrap();
    let before = picture(state.path());
    let lock = state.lock("test", PATIENCE).unwrap();
    let change = lock.stage().unwrap();
    change.file(Path::new("kitcert.yaml"), b"other", Privacy::Public).unwrap();
    for (written, is_it) in [("other", true), ("othe", false), ("others", false), ("oTher", false)] {
        let read = change.is_as_written(Path::new("kitcert.yaml"), written.as_bytes());
        assert_eq!(read.is_ok(), is_it, "{written}");
    }
    assert!(change.is_as_written(Path::new("log"), b"other").is_err(), "it was not added");
    drop(change);
    lock.stage().unwrap().commit().unwrap();
    assert_eq!(picture(state.path()), before);
}

#[test]
fn a_folder_that_others_can_write_or_own_is_no_state() {
    let base = folder();
    let path = base.path().join("state");
    assert!(StateDirectory::find(&path).unwrap().is_none());
    let state = state(base.path());
    assert!(StateDirectory::find(&path).unwrap().is_none(), "an empty folder is no state yet");
    apply(&state, first).unwrap();
    assert!(StateDirectory::find(&path).unwrap().is_some());
    for mode in [0o770, 0o777, 0o702] {
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        assert!(StateDirectory::find(&path).is_err() && StateDirectory::create(&path).is_err(), "{mode:o}");
    }
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let failure = StateDirectory::create(&path).err().unwrap();
    assert_eq!(failure.remedy().map(Message::as_str), Some(format!("chmod 700 {}", path.display()).as_str()));
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&path, Some(4321), None).unwrap();
        assert!(StateDirectory::find(&path).is_err() && StateDirectory::create(&path).is_err());
    } else {
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o300)).unwrap();
        assert!(StateDirectory::find(&path).is_err(), "no permission is not absence");
        std::fs::set_permissions(base.path(), std::os::unix::fs::PermissionsExt::from_mode(0o000)).unwrap();
        assert!(StateDirectory::find(&path).is_err(), "no permission is not absence");
        std::fs::set_permissions(base.path(), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    }
}

#[test]
fn files_are_private_before_they_are_anything_else_whatever_the_umask() {
    // The umask belongs to the process, so that a process of its own has none.
    if std::env::var_os("KITCERT_TEST_UMASK").is_some() {
        // Whichever step is the last, nothing of what is there may be wider than it should.
        for steps in 0.. {
            rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
            let base = folder();
            rustix::process::umask(rustix::fs::Mode::empty());
            let state = state(base.path());
            crash_point::limit(Some(steps));
            let outcome = apply(&state, first);
            crash_point::limit(None);
            for (name, told) in picture(base.path()) {
                let is_private =
                    name.ends_with("key.pem") || name.ends_with("log.jsonl") || told.ends_with("folder");
                assert!(
                    !is_private || told.starts_with("600 ") || told.starts_with("700 "),
                    "{name}: {told}"
                );
            }
            if outcome.is_ok() {
                assert_eq!(mode(&state.path().join(".lock")), 0o600);
                return;
            }
        }
    }
    let name =
        "store::tests::transaction::files_are_private_before_they_are_anything_else_whatever_the_umask";
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--test-threads=1"])
        .env("KITCERT_TEST_UMASK", "0")
        .output()
        .unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
    assert!(String::from_utf8_lossy(&child.stdout).contains("1 passed"));
}

#[test]
fn what_somebody_writes_into_an_edited_file_meanwhile_is_kept_and_the_change_is_none() {
    let base = folder();
    let state = state(base.path());
    apply(&state, first).unwrap();
    let place = Path::new("kitcert.yaml");
    let before = std::fs::read(state.path().join(place)).unwrap();
    let edited = [before.as_slice(), b"# by a person\n"].concat();
    let shorter = &before[..before.len() - 1];
    for meanwhile in [Some(edited.as_slice()), Some(shorter), None] {
        let lock = state.lock("test", PATIENCE).unwrap();
        let change = lock.stage().unwrap();
        change.edit(place, Some(&before), b"by a command\n").unwrap();
        change.file(Path::new("clients/new/cert.pem"), b"x", Privacy::Public).unwrap();
        match meanwhile {
            Some(text) => std::fs::write(state.path().join(place), text).unwrap(),
            None => std::fs::remove_file(state.path().join(place)).unwrap(),
        }
        let pictured = picture(state.path());
        let failure = change.commit().unwrap_err();
        assert_eq!(failure.exit_code(), crate::model::ExitCode::Busy, "{failure}");
        let after = picture(state.path());
        let is_of_state = |path: &&String| !path.starts_with(".stage-");
        for path in after.keys().chain(pictured.keys()).filter(is_of_state) {
            assert_eq!(after.get(path), pictured.get(path), "{path}");
        }
        std::fs::write(state.path().join(place), &before).unwrap();
    }
    let lock = state.lock("test", PATIENCE).unwrap();
    let change = lock.stage().unwrap();
    change.edit(place, Some(&before), b"by a command\n").unwrap();
    change.commit().unwrap();
    assert_eq!(std::fs::read(state.path().join(place)).unwrap(), b"by a command\n");
    let change = lock.stage().unwrap();
    change.edit(place, None, b"made anew\n").unwrap();
    change.commit().unwrap_err();
}
