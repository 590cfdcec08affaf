//! A backup of the state and of what is installed comes back, from before something was taken away: the daemons alone
//! know of it, and they go on as they are until the state knows it again.

use super::let_in_again::{copied, fleet, restore};
use crate::rollover::rolling_over::{Fleet, START};
use crate::rotate::rotating::serial;

/// Everything but what the daemons do is as it was.
struct Backup<'a>(&'a Fleet);

impl Backup<'_> {
    fn of(fleet: &Fleet) -> Backup<'_> {
        copied(&fleet.admin.path("state"), &fleet.admin.path("backup"));
        for machine in &fleet.daemons {
            copied(&machine.path("root"), &machine.path("root-before"));
        }
        Backup(fleet)
    }

    fn restore(self) {
        restore(self.0, "backup");
        for machine in &self.0.daemons {
            std::fs::remove_dir_all(machine.path("root")).unwrap();
            copied(&machine.path("root-before"), &machine.path("root"));
        }
    }
}

#[test]
fn what_was_taken_back_before_a_backup_hides_nothing_that_came_after() {
    const TEST: &str = "what_was_taken_back_before_a_backup_hides_nothing_that_came_after";
    let Some(fleet) = fleet(TEST) else { return };
    let stolen = fleet.copy("dan");
    fleet.admin.run(["revoke", "dan"]).succeeded();
    fleet.admin.run(["revoke", "--undo", "dan"]).succeeded();
    fleet.assert_dials(&stolen, "accepted");
    let backup = Backup::of(&fleet);
    fleet.admin.run(["revoke", "dan"]).succeeded();
    backup.restore();
    // As cron does; what the first says takes nothing from what the second knows.
    for command in [&["verify", "builder"][..], &["rotate"], &["rotate", "--force"], &["recover"]] {
        let said = fleet.admin.run(command);
        assert_ne!(said.code, 0, "{command:?}: {said:?}");
        assert!(said.out.contains("builder refuses dan"), "{command:?}: {said:?}");
        fleet.assert_dials(&stolen, "refused");
    }
    fleet.admin.run(["revoke", "dan"]).succeeded();
    fleet.admin.run(["revoke", "--undo", "dan"]).succeeded();
    fleet.assert_dials(&stolen, "accepted");
}

/// The files that are installed are of later than the state: they count, and not what was taken back before them.
#[test]
fn an_earlier_state_takes_in_whom_the_installed_files_refuse_again() {
    const TEST: &str = "an_earlier_state_takes_in_whom_the_installed_files_refuse_again";
    let Some(fleet) = fleet(TEST) else { return };
    let stolen = fleet.copy("dan");
    fleet.admin.run(["revoke", "dan"]).succeeded();
    fleet.admin.run(["revoke", "--undo", "dan"]).succeeded();
    copied(&fleet.admin.path("state"), &fleet.admin.path("backup"));
    fleet.admin.run(["revoke", "dan"]).succeeded();
    restore(&fleet, "backup");
    let said = fleet.admin.run(["recover"]).succeeded();
    assert!(said.out.contains("excludes dan: revoked here too"), "{said:?}");
    for command in [&["rotate"][..], &["rotate", "--force"]] {
        fleet.admin.run(command);
        fleet.assert_dials(&stolen, "refused");
    }
    fleet.admin.run(["revoke", "--undo", "dan"]).succeeded();
    fleet.assert_dials(&stolen, "accepted");
}

#[test]
fn whoever_is_held_back_for_another_is_not_told_to_restart_or_to_install() {
    const TEST: &str = "whoever_is_held_back_for_another_is_not_told_to_restart_or_to_install";
    let Some(fleet) = fleet(TEST) else { return };
    let stolen = fleet.copy("dan");
    let backup = Backup::of(&fleet);
    fleet.admin.run(["revoke", "dan"]).succeeded();
    backup.restore();
    let said = fleet.admin.run(["revoke", "eva"]).ended_with(6);
    let last = said.out.lines().last().unwrap();
    assert_eq!(last, "not done; do not restart builder; next: kitcert revoke dan", "{said:?}");
    let said = fleet.admin.run(["verify", "builder"]).ended_with(3);
    let advised: Vec<&str> = said.out.lines().filter_map(|line| line.strip_prefix("try: ")).collect();
    assert_eq!(advised, ["kitcert revoke dan"], "{said:?}");
    assert!(
        said.out.ends_with("not verified: builder refuses dan, and this state does not know why\n"),
        "{said:?}"
    );
    let said = fleet.admin.run(["install", "daemon", "builder"]).ended_with(6);
    assert!(said.err.contains("try: kitcert revoke dan"), "{said:?}");
    // Though the files stand there already that would let him in.
    let said = fleet.rotate(&["--force", "--no-restart", "builder"]).ended_with(6);
    assert!(said.out.contains("next: kitcert revoke dan") && !said.out.contains("restart it"), "{said:?}");
    fleet.assert_dials(&stolen, "refused");
    fleet.admin.run(["revoke", "dan"]).succeeded();
    fleet.assert_dials(&stolen, "refused");
    fleet.assert_dials(&fleet.copy("eva"), "refused");
}

#[test]
fn a_ca_that_was_given_up_does_not_come_back_with_a_backup() {
    const TEST: &str = "a_ca_that_was_given_up_does_not_come_back_with_a_backup";
    let Some(fleet) = fleet(TEST) else { return };
    let stolen = fleet.copy("dan");
    let backup = Backup::of(&fleet);
    let compromised: Vec<&str> = START.into_iter().chain(["--compromised"]).collect();
    fleet.admin.run(&compromised);
    fleet.assert_dials(&stolen, "refused");
    backup.restore();
    for command in [&["recover"][..], &["rotate", "--force"], &["rotate", "--force"], &["revoke", "eva"]] {
        let said = fleet.admin.run(command);
        assert_ne!(said.code, 0, "{command:?}: {said:?}");
        assert!(said.out.contains("of which this state knows nothing"), "{command:?}: {said:?}");
        assert!(said.out.contains("next: kitcert ca rollover start --compromised="), "{command:?}: {said:?}");
        assert!(
            said.out.contains("if another PKI or a proxy is there by intention"),
            "{command:?}: {said:?}"
        );
        // It serves what it did, of a CA that is known to nobody here.
        fleet.assert_dials(&stolen, "untrusted");
    }
    fleet.admin.run(&compromised);
    fleet.assert_dials(&stolen, "refused");
    fleet.admin.run(["verify", "builder"]).succeeded();
}

/// The backup is of the middle of a rollover: the daemon refuses one of two CAs, and lets the other's clients in.
#[test]
fn a_ca_that_was_given_up_in_a_rollover_does_not_come_back_with_a_backup() {
    const TEST: &str = "a_ca_that_was_given_up_in_a_rollover_does_not_come_back_with_a_backup";
    let Some(fleet) = fleet(TEST) else { return };
    let stolen = fleet.copy("dan");
    let old = fleet.target().authority_id().to_string();
    fleet.admin.run(START);
    fleet.rotate(&[]);
    fleet.assert_dials(&stolen, "accepted");
    let backup = Backup::of(&fleet);
    let compromised = format!("--compromised={old}");
    fleet.admin.run(START.iter().copied().chain([compromised.as_str()]));
    fleet.assert_dials(&stolen, "refused");
    backup.restore();
    fleet.admin.run(["recover"]);
    for command in [&["rotate"][..], &["rotate", "--force"], &["rotate", "--force", "builder"]] {
        let said = fleet.admin.run(command);
        assert_ne!(said.code, 0, "{command:?}: {said:?}");
        fleet.assert_dials(&stolen, "refused");
    }
    let said = fleet.rotate(&["--force", "builder"]).ended_with(6);
    let next = format!("next: kitcert ca rollover start --compromised={}", &old[..8]);
    assert!(said.out.contains("builder refuses clients of CA") && said.out.contains(&next), "{said:?}");
    fleet.admin.run(START.iter().copied().chain([compromised.as_str()]));
    fleet.assert_dials(&stolen, "refused");
}

#[test]
fn a_key_of_a_daemon_that_was_given_up_does_not_come_back_with_a_backup() {
    const TEST: &str = "a_key_of_a_daemon_that_was_given_up_does_not_come_back_with_a_backup";
    let Some(fleet) = fleet(TEST) else { return };
    let backup = Backup::of(&fleet);
    fleet.admin.run(["revoke", "daemon/builder"]);
    let served = fleet.daemons[0].daemon.serial();
    backup.restore();
    let said = fleet.admin.run(["revoke", "eva"]).ended_with(6);
    assert!(said.out.contains("which this state has not issued"), "{said:?}");
    assert_eq!(fleet.daemons[0].daemon.serial(), served);
    // Noted by then, it stops whatever would issue anew.
    fleet.rotate(&["--force", "builder"]).ended_with(1);
    assert_eq!(fleet.daemons[0].daemon.serial(), served);
    let said = fleet.admin.run(["recover"]).succeeded();
    assert!(said.out.contains("if the key here was revoked: kitcert revoke daemon/builder"), "{said:?}");
    fleet.admin.run(["revoke", "daemon/builder"]);
    assert_ne!(fleet.daemons[0].daemon.serial(), served);
    assert_eq!(fleet.daemons[0].daemon.serial(), Some(serial(&fleet.admin, "state/daemons/builder/current")));
    fleet.admin.run(["verify", "builder"]).succeeded();
}
