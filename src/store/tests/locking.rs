//! One command at a time.

use std::os::unix::fs::symlink;
use std::sync::mpsc;
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::{PATIENCE, mode};
use crate::model::ExitCode;
use crate::store::StateDirectory;

#[test]
fn the_second_is_busy_and_told_who_holds_it() {
    let base = tempfile::tempdir().unwrap();
    let state = StateDirectory::create(&base.path().join("state")).unwrap();
    let other = StateDirectory::create(&base.path().join("state")).unwrap();
    let held = state.lock("rotate", Duration::ZERO).unwrap();
    let failure = other.lock("issue client", Duration::ZERO).err().unwrap();
    assert_eq!(failure.exit_code(), ExitCode::Busy);
    let holder = format!("locked by another kitcert process (pid {}): rotate", std::process::id());
    assert_eq!(*failure.what_was_found(), holder);
    drop(held);
    assert!(other.lock("issue client", PATIENCE).is_ok());
    assert_eq!(mode(&state.path().join(".lock")), 0o600);
}

#[test]
fn the_second_waits_as_long_as_it_was_told() {
    let base = tempfile::tempdir().unwrap();
    let state = StateDirectory::create(&base.path().join("state")).unwrap();
    let held = state.lock("rotate", Duration::ZERO).unwrap();
    let (started, begun) = mpsc::channel();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let other = StateDirectory::create(&base.path().join("state")).unwrap();
            started.send(()).unwrap();
            other.lock("issue", PATIENCE).map(drop)
        });
        begun.recv().unwrap();
        assert!(!waiting.is_finished());
        drop(held);
        assert!(waiting.join().unwrap().is_ok());
    });
}

#[test]
fn of_many_threads_one_at_a_time_holds_it() {
    let base = tempfile::tempdir().unwrap();
    let path = base.path().join("state");
    StateDirectory::create(&path).unwrap();
    let inside = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                let state = StateDirectory::create(&path).unwrap();
                let _lock = state.lock("rotate", PATIENCE).unwrap();
                assert_eq!(inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst), 0);
                inside.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
            });
        }
    });
}

#[test]
fn a_planted_lock_is_refused_and_not_written_through() {
    let base = tempfile::tempdir().unwrap();
    let state = StateDirectory::create(&base.path().join("state")).unwrap();
    let victim = base.path().join("victim");
    let lock = state.path().join(".lock");
    std::fs::write(&victim, "keep").unwrap();
    let plants: [&dyn Fn(); 5] = [
        &|| symlink(&victim, &lock).unwrap(),
        &|| symlink("nowhere", &lock).unwrap(),
        &|| std::fs::hard_link(&victim, &lock).unwrap(),
        &|| mknodat(CWD, &lock, FileType::Fifo, Mode::RWXU, 0).unwrap(),
        &|| std::fs::create_dir(&lock).unwrap(),
    ];
    for (number, plant) in plants.into_iter().enumerate() {
        plant();
        assert!(state.lock("rotate", Duration::ZERO).is_err(), "{number}");
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "keep");
        std::fs::remove_file(&lock).or_else(|_| std::fs::remove_dir(&lock)).unwrap();
    }
    assert!(!state.path().join("nowhere").exists());
}
