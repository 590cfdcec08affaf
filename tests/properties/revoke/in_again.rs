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
