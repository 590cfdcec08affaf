//! What is said of whoever is to get in again is so: where he is, where he is not, and what helps.

use crate::rollover::rolling_over::{Fleet, START};

/// Everybody but those who are revoked has a certificate of the new CA alone.
fn roll_over(fleet: &Fleet, others: &[&str]) {
    fleet.admin.run(START);
    fleet.rotate(&[]);
    for name in others {
        fleet.admin.run(["confirm", name]).succeeded();
    }
    fleet.rotate(&[]).succeeded();
    assert!(!fleet.admin.path("state/rollover.json").exists());
}

#[test]
fn whose_ca_has_gone_meanwhile_is_not_said_to_get_in_again() {
    const TEST: &str = "whose_ca_has_gone_meanwhile_is_not_said_to_get_in_again";
    let Some(fleet) = Fleet::new(TEST, 1, &["dan"]) else { return };
    let of_dan = fleet.copy("dan");
    fleet.admin.run(["revoke", "dan"]).succeeded();
    roll_over(&fleet, &["ana"]);
    let said = fleet.admin.run(["revoke", "--undo", "dan"]).succeeded().out;
    assert!(said.contains("no daemon trusts the CA that has issued its certificate"), "{said}");
    assert!(!said.contains("gets in again"), "{said}");
    fleet.assert_dials(&of_dan, "refused");
    let status = fleet.admin.run(["status", "--check"]).ended_with(4).out;
    assert!(status.lines().last().unwrap().contains("1 due"), "{status}");
    fleet.rotate(&[]);
    assert!(fleet.admin.run(["status"]).succeeded().out.contains("kit waiting"), "it waits for him");
}

#[test]
fn a_daemon_that_nobody_renews_is_named_where_it_refuses_who_gets_in_again() {
    const TEST: &str = "a_daemon_that_nobody_renews_is_named_where_it_refuses_who_gets_in_again";
    let Some(fleet) = Fleet::new(TEST, 1, &[]) else { return };
    // At which daemons he works nobody has said.
    fleet.admin.run(["issue", "client", "dan"]).succeeded();
    let at_spare = |expected: &str| {
        fleet.assert_dials_one(1, &fleet.admin.text("state/clients/dan/current"), expected);
    };
    fleet.admin.run(["revoke", "dan"]).succeeded();
    fleet.admin.run(["retire", "daemon/spare"]).succeeded();
    let said = fleet.admin.run(["revoke", "--undo", "dan"]).succeeded().out;
    let way = "kitcert issue daemon spare && kitcert rotate";
    assert!(said.contains("not at spare: it is retired") && said.contains(way), "{said}");
    at_spare("refused");
    fleet.admin.run(["issue", "daemon", "spare"]).succeeded();
    fleet.rotate(&[]).succeeded();
    at_spare("accepted");

    // The other way round: what lets a revoked client in and is not renewed, and how that is mended.
    fleet.admin.run(["retire", "daemon/spare"]).succeeded();
    let said = fleet.admin.run(["revoke", "dan"]).ended_with(6).out;
    assert!(said.contains("stop it, or renew it again: kitcert issue daemon spare"), "{said}");
    let said = fleet.admin.run(["revoke", "daemon/spare"]).ended_with(1).err;
    assert!(said.contains("kitcert issue daemon spare && kitcert revoke daemon/spare"), "{said}");
    let said = fleet.admin.run(["rotate", "daemon/spare"]).ended_with(2).err;
    assert!(said.contains("kitcert issue daemon spare\nnote: renews it again"), "{said}");
    fleet.admin.run(["issue", "daemon", "spare"]).succeeded();
    fleet.rotate(&[]).succeeded();
    at_spare("refused");
}

/// A change that is noted and not in any bundle yet: a rollout that another held up, or that was killed.
#[test]
fn an_undo_that_reached_no_daemon_is_told_until_it_does() {
    const TEST: &str = "an_undo_that_reached_no_daemon_is_told_until_it_does";
    let Some(fleet) = Fleet::new(TEST, 1, &["dan"]) else { return };
    let of_dan = fleet.copy("dan");
    fleet.admin.run(["revoke", "dan"]).succeeded();
    let held = ["builder", "spare"].map(|name| {
        let path = fleet.admin.path(&format!("state/daemons/{name}/.lock"));
        let file = std::fs::File::options().write(true).create(true).truncate(false).open(path).unwrap();
        file.lock().unwrap();
        file
    });
    fleet.admin.run(["revoke", "--undo", "dan"]).ended_with(5);
    drop(held);
    let status = fleet.admin.run(["status", "--check"]).ended_with(4).out;
    assert!(status.lines().last().unwrap().contains("kitcert rotate"), "{status}");
    let said = fleet.admin.run(["verify", "builder"]).ended_with(3).out;
    assert!(said.contains("dan is refused still"), "{said}");
    fleet.assert_dials(&of_dan, "refused");
    fleet.rotate(&[]).succeeded();
    fleet.assert_dials(&of_dan, "accepted");
    fleet.admin.run(["status", "--check"]).succeeded();
}

/// What waited to be handed over when somebody was revoked waits again when that is taken back.
#[test]
fn a_kit_that_was_withdrawn_with_its_client_waits_again_with_it() {
    const TEST: &str = "a_kit_that_was_withdrawn_with_its_client_waits_again_with_it";
    let Some(fleet) = Fleet::new(TEST, 1, &["dan"]) else { return };
    fleet.admin.run(START);
    fleet.rotate(&[]);
    let kit = fleet.admin.read("state/kits/dan.kit");
    fleet.admin.run(["revoke", "dan"]).succeeded();
    assert!(!fleet.admin.path("state/kits/dan.kit").exists());
    let said = fleet.admin.run(["revoke", "--undo", "dan"]).succeeded().out;
    assert!(said.contains("its kit waits again: hand over"), "{said}");
    assert_eq!(fleet.admin.read("state/kits/dan.kit"), kit);
    let status = fleet.admin.run(["status"]).succeeded().out;
    assert!(status.contains("kit waiting"), "{status}");
    let told = fleet.rotate(&[]).succeeded().out;
    assert!(!told.contains("it has its kit"), "{told}");
    // One that cannot be read holds up nobody's revocation.
    fleet.admin.write("state/kits/dan.kit", vec![b'x'; 100_000]);
    fleet.admin.run(["revoke", "dan"]).succeeded();
    let said = fleet.admin.run(["revoke", "--undo", "dan"]).succeeded().out;
    assert!(!said.contains("its kit waits again"), "{said}");
    // The files of a client on this machine went with its access.
    fleet.admin.run(["revoke", "ana"]).succeeded();
    assert!(!std::path::Path::new(&fleet.folder("ana")).join("key.pem").exists());
    let said = fleet.admin.run(["revoke", "--undo", "ana"]).out;
    assert!(said.contains("put the files of client ana back in"), "{said}");
    fleet.assert_dials(&fleet.folder("ana"), "accepted");
    // With another key alone, his files of before are of no use.
    fleet.admin.run(["revoke", "ana"]).succeeded();
    let said = fleet.admin.run(["revoke", "--undo", "ana", "--new-key"]).out;
    assert!(!said.contains("back in"), "{said}");
    assert!(!std::path::Path::new(&fleet.folder("ana")).join("key.pem").exists());
    // Nor is a kit that was put aside, once there is another certificate.
    fleet.admin.write("state/kits/dan.kit", &kit);
    fleet.admin.run(["revoke", "dan"]).succeeded();
    fleet.admin.run(["revoke", "--undo", "dan", "--new-key"]);
    assert!(fleet.admin.path("state/kits/dan.withdrawn").exists());
    fleet.admin.run(["invite", "dan", "--endpoint", "tcp://127.0.0.1:8372"]).succeeded();
    assert!(!fleet.admin.path("state/kits/dan.withdrawn").exists());
}

/// Every daemon is retired and refuses him by what it has: another certificate does not help.
#[test]
fn where_every_daemon_that_he_uses_is_retired_that_is_said() {
    const TEST: &str = "where_every_daemon_that_he_uses_is_retired_that_is_said";
    let Some(fleet) = Fleet::new(TEST, 1, &["dan", "eva"]) else { return };
    fleet.admin.run(["revoke", "eva"]).succeeded();
    fleet.admin.run(["revoke", "dan"]).succeeded();
    fleet.admin.run(["retire", "daemon/builder"]).succeeded();
    let said = fleet.admin.run(["revoke", "--undo", "dan"]).succeeded().out;
    let way = "kitcert issue daemon builder && kitcert rotate";
    assert!(said.contains("gets in nowhere: not at builder: it is retired") && said.contains(way), "{said}");
    let said = fleet.admin.run(["verify", "builder"]).ended_with(3).out;
    assert!(said.contains("dan is refused still") && said.contains(way), "{said}");
    // That it is stricter than it is to be says nothing of whom it lets in.
    let said = fleet.admin.run(["status"]).succeeded().out;
    assert!(!said.contains("LETS IN") && !said.contains("lets in"), "{said}");
}

/// A daemon that was left alone through a rollover is renewed again by whoever says whom that locks out.
#[test]
fn a_retired_daemon_is_renewed_again_whomever_that_locks_out() {
    const TEST: &str = "a_retired_daemon_is_renewed_again_whomever_that_locks_out";
    let Some(fleet) = Fleet::new(TEST, 1, &["dan"]) else { return };
    fleet.admin.run(["issue", "client", "zoe"]).succeeded();
    fleet.admin.run(["retire", "daemon/spare"]).succeeded();
    fleet.admin.run(START);
    fleet.rotate(&[]);
    for name in ["ana", "dan"] {
        fleet.admin.run(["confirm", name]);
    }
    fleet.admin.run(["ca", "rollover", "skip", "zoe"]).succeeded();
    fleet.rotate(&[]);
    assert!(!fleet.admin.path("state/rollover.json").exists());
    let said = fleet.admin.run(["issue", "daemon", "spare"]);
    assert_eq!(said.code, 1, "{said:?}");
    let way = said.err.lines().find_map(|line| line.strip_prefix("try: kitcert ")).unwrap().to_owned();
    assert_eq!(way, "issue daemon spare --allow-lockout zoe");
    fleet.admin.run(way.split(' ')).succeeded();
    fleet.rotate(&[]).succeeded();
}
