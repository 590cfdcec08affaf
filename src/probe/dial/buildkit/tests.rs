//! Counting the builds that a daemon lists.

use super::*;

#[test]
fn a_list_of_builds_is_counted_however_it_is_cut_off() {
    // A build that runs, with the beginning of its record; and one that has ended.
    let (running_one, ended) = (framed(&[0x12, 3, 0x0a, 1, b'x']), framed(&[0x08, 1]));
    let list = [&running_one[..], &ended, &running_one, &running_one].concat();
    assert_eq!(running(&list), 3);
    for length in 0..list.len() {
        let cut = running(&list[..length]);
        let whole = [running_one.len(), running_one.len() + ended.len() + running_one.len()];
        let least = whole.iter().filter(|end| length >= **end).count() as u64;
        assert!((least..=least + 1).contains(&cut), "{length}: {cut}");
    }
    assert_eq!(running(&[0xff; 4_000]), 1);
    assert_eq!(running(&[]), 0);
}

#[test]
fn running_builds_decide_and_sessions_count_where_there_is_no_list() {
    use crate::probe::results::Activity;

    let sessions = |sessions| Some(Idleness { sessions, idle_seconds: 0 });
    for (builds, idleness, expected) in [
        (Some(0), sessions(3), Activity::Idle),
        (Some(2), sessions(0), Activity::Building(2)),
        (Some(2), None, Activity::Building(2)),
        (None, sessions(0), Activity::Idle),
        (None, sessions(3), Activity::InUse(3)),
        (None, None, Activity::NotTold),
    ] {
        let answer = Answer { builds, idleness, ..Answer::default() };
        assert_eq!(answer.activity(), expected);
    }
    let waits = [Activity::Building(1), Activity::InUse(1)];
    assert!(waits.iter().all(|one| one.is_busy()));
    assert!(![Activity::Idle, Activity::NotTold].iter().any(|one| one.is_busy()));
}
